//! Who is let in, and how we say who we are: the Collector's authenticators.
//!
//! A server's answer to whoever is not known is UNAUTHENTICATED or 401, before anything of the request's body is read. No
//! message here quotes a header, a token or a line of a file: what is wrong is said by the key and the kind.

mod basic;
mod bearer;
mod headers;
mod htpasswd;
mod oauth2;

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderValue;
use wasmill_batch::{Refusal, RefusalKind, RequestContext};

use crate::TlsError;
use crate::reloading::{Content, Source, Unreadable};
use crate::settings::{ClientAuthSettings, Credential, ServerAuthSettings};

use basic::Basic;
use bearer::Bearer;
use headers::Headers;
use htpasswd::Htpasswd;
use oauth2::OAuth2;

/// How soon a change of a file with credentials is seen.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// Authentication that cannot serve. Found before anything is sent or taken.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("`{key}`: {why}")]
    Invalid { key: String, why: String },
    #[error("`{key}` cannot be used")]
    Tls {
        key: String,
        #[source]
        source: TlsError,
    },
}

/// Why a request could not be given its credentials. Worth another try.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: {why}")]
pub(crate) struct NoCredentials {
    pub key: String,
    pub why: String,
}

impl AuthError {
    /// The full path of the configuration key that it is about.
    pub fn key(&self) -> &str {
        match self {
            AuthError::Unreadable(Unreadable { key, .. })
            | AuthError::Invalid { key, .. }
            | AuthError::Tls { key, .. } => key,
        }
    }

    fn invalid(section: &str, key: &str, why: impl Into<String>) -> AuthError {
        AuthError::Invalid { key: format!("{section}::{key}"), why: why.into() }
    }
}

/// Knows a server's clients.
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a process, and none moves on the data path")]
pub(crate) enum ServerAuth {
    Bearer(Bearer),
    Basic(Htpasswd),
}

impl ServerAuth {
    /// Reads the files that `settings` name, blocking.
    pub fn new(settings: &ServerAuthSettings) -> Result<ServerAuth, AuthError> {
        Ok(match settings {
            ServerAuthSettings::Bearer(settings) => ServerAuth::Bearer(Bearer::new(settings)?),
            ServerAuthSettings::Basic(settings) => ServerAuth::Basic(Htpasswd::new(settings)?),
        })
    }

    /// The client's name, where it has one.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        match self {
            ServerAuth::Bearer(bearer) => bearer.check(headers).await.map(|()| None),
            ServerAuth::Basic(htpasswd) => htpasswd.check(headers).await.map(Some),
        }
    }

    /// How a client should have come (RFC 9110, section 11.6.1).
    pub fn challenge(&self) -> HeaderValue {
        match self {
            ServerAuth::Bearer(_) => HeaderValue::from_static("Bearer"),
            ServerAuth::Basic(_) => HeaderValue::from_static("Basic realm=\"otlp\", charset=\"UTF-8\""),
        }
    }
}

/// Shows who a client is.
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a process, and none moves on the data path")]
pub(crate) enum ClientAuth {
    Bearer(Bearer),
    Basic(Basic),
    Headers(Box<Headers>),
    OAuth2(Box<OAuth2>),
}

impl ClientAuth {
    /// Reads the files that `settings` name, blocking. Connects to nothing.
    pub fn new(settings: &ClientAuthSettings) -> Result<ClientAuth, AuthError> {
        Ok(match settings {
            ClientAuthSettings::Bearer(settings) => ClientAuth::Bearer(Bearer::new(settings)?),
            ClientAuthSettings::Basic(settings) => ClientAuth::Basic(Basic::new(settings)?),
            ClientAuthSettings::Headers(settings) => ClientAuth::Headers(Box::new(Headers::new(settings)?)),
            ClientAuthSettings::OAuth2(settings) => ClientAuth::OAuth2(Box::new(OAuth2::new(settings)?)),
        })
    }

    /// Puts the credentials of one request into its headers. Waits where a token has to be fetched.
    pub async fn apply(&self, context: &RequestContext, headers: &mut HeaderMap) -> Result<(), NoCredentials> {
        match self {
            ClientAuth::Bearer(bearer) => bearer.apply(headers).await,
            ClientAuth::Basic(basic) => basic.apply(headers).await,
            ClientAuth::OAuth2(oauth2) => return oauth2.apply(headers).await,
            ClientAuth::Headers(setter) => return setter.apply(context, headers).await,
        }
        Ok(())
    }

    /// The backend did not believe the credentials: whether there may be better ones, so that it is worth asking again.
    pub async fn renew(&self) -> bool {
        match self {
            ClientAuth::Bearer(_) | ClientAuth::Basic(_) => false,
            ClientAuth::Headers(setter) => setter.renew().await,
            ClientAuth::OAuth2(oauth2) => oauth2.renew().await,
        }
    }
}

fn unauthenticated(reason: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Unauthenticated, reason.into())
}

/// `name` is the key without the `_file` of its other form.
fn credential(section: &str, name: &str, credential: &Credential) -> Source {
    match credential {
        Credential::Text(text) => {
            Source { key: format!("{section}::{name}"), content: Content::Text(text.expose().to_owned()), every: None }
        }
        Credential::File(path) => Source {
            key: format!("{section}::{name}_file"),
            content: Content::File(path.clone()),
            every: Some(FILE_INTERVAL),
        },
    }
}

/// A file's text, without the line break at its end.
fn text<'c>(source: &Source, content: &'c [u8]) -> Result<&'c str, AuthError> {
    let invalid = |_| AuthError::Invalid { key: source.key.clone(), why: "it is not UTF-8".into() };
    std::str::from_utf8(content).map(str::trim).map_err(invalid)
}

/// A header's value that no log shows.
fn sensitive(key: &str, text: &str) -> Result<HeaderValue, AuthError> {
    let invalid = |_| AuthError::Invalid { key: key.into(), why: "it holds characters that no header may".into() };
    let mut value = HeaderValue::from_str(text).map_err(invalid)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What follows the scheme, which is compared without regard to case.
fn after_scheme<'h>(value: &'h [u8], scheme: &str) -> Option<&'h [u8]> {
    if scheme.is_empty() {
        return Some(value);
    }
    let (found, rest) = value.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    found.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
}
