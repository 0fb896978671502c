//! TLS, both ways.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::secret::Secret;

/// Where certificates or a key stand. A file was there when the configuration was read; what is in it is not known here.
#[derive(Clone, PartialEq, Debug)]
pub enum Pem {
    File(PathBuf),
    Text(Secret),
}

/// In order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// Which versions are spoken. `min` is not above `max`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlsVersions {
    pub min: TlsVersion,
    pub max: TlsVersion,
}

/// How a server shows itself, and believes its clients.
#[derive(Clone, PartialEq, Debug)]
pub struct TlsServer {
    pub cert: Pem,
    pub private_key: Pem,
    /// Clients must have a certificate of one of these. `None`: they need none.
    pub client_ca: Option<Pem>,
    pub versions: TlsVersions,
    /// How often files may be read again. `None`: never.
    pub reload_interval: Option<Duration>,
    /// Whether a change of `client_ca` counts while the server runs.
    pub client_ca_reload: bool,
}

/// How a server is believed, and how we identify ourselves.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TlsClient {
    /// Any certificate is taken.
    pub insecure_skip_verify: bool,
    /// `None`: the system's.
    pub ca: Option<Pem>,
    /// The system's beside `ca`.
    pub system_ca: bool,
    /// Certificate and key, both or none.
    pub identity: Option<(Pem, Pem)>,
    /// The name to expect in the certificate. `None`: the endpoint's host.
    pub server_name: Option<Arc<str>>,
    pub versions: TlsVersions,
    /// How often files may be read again. `None`: never.
    pub reload_interval: Option<Duration>,
}

impl Default for TlsVersions {
    fn default() -> Self {
        TlsVersions { min: TlsVersion::V1_2, max: TlsVersion::V1_3 }
    }
}
