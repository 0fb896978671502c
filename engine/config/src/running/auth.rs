//! Authenticators: extensions that receivers and exporters name in `auth`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{HttpUrl, TlsClient};
use crate::id::ComponentId;
use crate::secret::Secret;

/// A text, or the file that holds it, whose changes count.
#[derive(Clone, PartialEq, Debug)]
pub enum Credential {
    Text(Secret),
    File(PathBuf),
}

/// `bearertokenauth`: servers take any of the tokens, clients send the first.
#[derive(Clone, PartialEq, Debug)]
pub struct BearerTokenAuth {
    pub header: Arc<str>,
    /// What stands before the token; may be empty.
    pub scheme: Arc<str>,
    pub tokens: Tokens,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Tokens {
    /// At least one.
    Texts(Vec<Secret>),
    /// One a line.
    File(PathBuf),
}

/// `basicauth`: of servers, of clients, or both.
#[derive(Clone, PartialEq, Debug)]
pub struct BasicAuth {
    pub htpasswd: Option<Htpasswd>,
    pub client: Option<BasicClient>,
}

/// At least one of the two.
#[derive(Clone, PartialEq, Debug)]
pub struct Htpasswd {
    pub file: Option<PathBuf>,
    pub inline: Option<Secret>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct BasicClient {
    pub username: Credential,
    pub password: Credential,
}

/// `headers_setter`, of clients.
#[derive(Clone, PartialEq, Debug)]
pub struct HeadersSetter {
    /// Applied in this order.
    pub rules: Vec<HeaderRule>,
    /// An authenticator whose headers come first; no `headers_setter`.
    pub additional: Option<ComponentId>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct HeaderRule {
    /// In lower case.
    pub name: Arc<str>,
    pub action: HeaderAction,
    /// `None` only for `Delete`.
    pub value: Option<HeaderSource>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HeaderAction {
    Insert,
    Update,
    #[default]
    Upsert,
    Delete,
}

#[derive(Clone, PartialEq, Debug)]
pub enum HeaderSource {
    Value(Credential),
    /// What the request came with under this name, else the default.
    Context {
        name: Arc<str>,
        default: Option<Secret>,
    },
}

/// `oauth2client`: tokens for our name and secret.
#[derive(Clone, PartialEq, Debug)]
pub struct OAuth2Client {
    pub client_id: Credential,
    pub client_secret: Credential,
    pub token_url: HttpUrl,
    pub scopes: Vec<Arc<str>>,
    pub endpoint_params: Vec<(Arc<str>, Secret)>,
    /// For a token to come. Not zero.
    pub timeout: Duration,
    /// How long before its end a token is renewed.
    pub expiry_buffer: Duration,
    pub tls: TlsClient,
}
