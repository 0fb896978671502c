//! Who may send, and how we say who we are.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::TlsClientSettings;

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A text, or what a file holds; a change of the file counts within a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Text(Secret),
    File(PathBuf),
}

/// How a server knows its clients (`auth` of a receiver).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a process, and none moves on the data path")]
pub enum ServerAuthSettings {
    Bearer(BearerSettings),
    Basic(HtpasswdSettings),
}

/// How a client shows who it is (`auth` of an exporter).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a process, and none moves on the data path")]
pub enum ClientAuthSettings {
    Bearer(BearerSettings),
    Basic(BasicSettings),
    Headers(HeadersSettings),
    OAuth2(OAuth2Settings),
}

/// `bearertokenauth`. A server takes any of the tokens, a client sends the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerSettings {
    /// The configuration key that errors name, such as `extensions::bearertokenauth`. The same below.
    pub key: String,
    pub header: String,
    /// What stands before the token; may be empty.
    pub scheme: String,
    pub tokens: Tokens,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tokens {
    Texts(Vec<Secret>),
    /// One a line.
    File(PathBuf),
}

/// `basicauth` of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtpasswdSettings {
    pub key: String,
    /// As Apache's `htpasswd` writes them: bcrypt, `{SHA}`, or plain.
    pub file: Option<PathBuf>,
    /// The same; these win over those of the file.
    pub inline: Option<Secret>,
}

/// `basicauth` of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicSettings {
    pub key: String,
    pub username: Credential,
    pub password: Credential,
}

/// `headers_setter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadersSettings {
    pub key: String,
    /// In this order, after the client's own headers and those of `additional`.
    pub rules: Vec<HeaderRule>,
    pub additional: Option<Box<ClientAuthSettings>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    pub name: String,
    pub action: HeaderAction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderAction {
    /// Where it is not there.
    Insert(HeaderSource),
    /// Where it is there.
    Update(HeaderSource),
    /// In any case.
    Upsert(HeaderSource),
    Delete,
}

/// Where a header's value comes from. One that is not there or empty changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderSource {
    Value(Credential),
    /// The first value that the request came with under this name (`from_context`), else the default.
    Context {
        name: String,
        default: Option<Secret>,
    },
}

/// `oauth2client`: the client credentials grant (RFC 6749, section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Settings {
    pub key: String,
    pub client_id: Credential,
    pub client_secret: Credential,
    /// `http://…` or `https://…`.
    pub token_url: String,
    pub scopes: Vec<String>,
    /// More of the form that is sent.
    pub endpoint_params: Vec<(String, Secret)>,
    /// For a token to come.
    pub timeout: Duration,
    /// How long before its end a token is renewed; at most half of its life.
    pub expiry_buffer: Duration,
    /// Of the token's server.
    pub tls: TlsClientSettings,
}

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// For the one place that sends it or compares with it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}
