//! What TLS can be told, on both sides.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where certificates or a key stand, in PEM. `Debug` does not show a text, which may be a private key.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    File(PathBuf),
    /// The text itself.
    Text(String),
}

/// In order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// Which versions are spoken; the newest that both sides speak is taken. Default: both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsVersions {
    /// `min_version`.
    pub min: TlsVersion,
    /// `max_version`. Not below `min`.
    pub max: TlsVersion,
}

/// `tls` of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsServerSettings {
    /// The configuration key that errors name, such as `receivers::otlp::protocols::grpc::tls`.
    pub key: String,
    /// The server's certificate, followed by those between it and the root (`cert_file`, `cert_pem`).
    pub cert: Pem,
    /// The private key of the first of them (`key_file`, `key_pem`).
    pub private_key: Pem,
    /// Clients must have a certificate of one of these (`client_ca_file`). `None`: clients need none.
    pub client_ca: Option<Pem>,
    pub versions: TlsVersions,
    /// Handshakes after this long look whether the certificate and key have changed (`reload_interval`). `None`: never.
    pub reload_interval: Option<Duration>,
    /// Handshakes see a change of `client_ca` within a second (`client_ca_file_reload`).
    pub client_ca_reload: bool,
    /// For a handshake, whatever the peer does or does not.
    pub handshake_timeout: Duration,
}

/// `tls` of a client. Default: the system's roots, no client certificate, everything checked, never reloaded.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsClientSettings {
    /// Plain text (gRPC only).
    pub insecure: bool,
    /// Encrypt, but believe any certificate.
    pub insecure_skip_verify: bool,
    /// The roots to believe in instead of the system's (`ca_file`, `ca_pem`).
    pub ca: Option<Pem>,
    /// Believe the system's roots beside `ca` (`include_system_ca_certs_pool`).
    pub system_ca: bool,
    /// The client's certificate chain (`cert_file`, `cert_pem`); with `private_key`.
    pub cert: Option<Pem>,
    /// The client's private key (`key_file`, `key_pem`); with `cert`.
    pub private_key: Option<Pem>,
    /// The name that the backend's certificate must have, instead of the endpoint's host.
    pub server_name_override: Option<String>,
    pub versions: TlsVersions,
    /// Connections that are made after this long look whether files have changed (`reload_interval`). `None`: never.
    pub reload_interval: Option<Duration>,
}

impl TlsServerSettings {
    /// A handshake is two round trips; whoever takes longer than this is not on this planet, or means no good.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// With every default.
    pub fn new(key: impl Into<String>, cert: Pem, private_key: Pem) -> TlsServerSettings {
        TlsServerSettings {
            key: key.into(),
            cert,
            private_key,
            client_ca: None,
            versions: TlsVersions::default(),
            reload_interval: None,
            client_ca_reload: false,
            handshake_timeout: TlsServerSettings::HANDSHAKE_TIMEOUT,
        }
    }
}

impl Default for TlsVersions {
    fn default() -> Self {
        TlsVersions { min: TlsVersion::V1_2, max: TlsVersion::V1_3 }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => f.debug_tuple("File").field(path).finish(),
            Pem::Text(_) => f.write_str("Text([REDACTED])"),
        }
    }
}

impl fmt::Display for Pem {
    /// As errors name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => write!(f, "`{}`", path.display()),
            Pem::Text(_) => f.write_str("the text"),
        }
    }
}
