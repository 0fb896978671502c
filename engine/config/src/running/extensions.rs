//! Extensions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{BasicAuth, BearerTokenAuth, Endpoint, HeadersSetter, MemoryLimiter, OAuth2Client, TlsServer};
use crate::id::ComponentId;

#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a process, and none moves on the data path")]
pub enum Extension {
    HealthCheck(HealthCheck),
    FileStorage(FileStorage),
    /// Before all receivers.
    MemoryLimiter(MemoryLimiter),
    BearerTokenAuth(BearerTokenAuth),
    BasicAuth(BasicAuth),
    HeadersSetter(HeadersSetter),
    OAuth2Client(OAuth2Client),
}

/// `health_check`: 200 while the gateway is ready, 503 before and while it drains.
#[derive(Clone, PartialEq, Debug)]
pub struct HealthCheck {
    pub endpoint: Endpoint,
    /// Starts with `/`. Other paths are 404.
    pub path: Arc<str>,
    /// `None`: in the clear.
    pub tls: Option<TlsServer>,
    /// The extension that says who may ask. `None`: everybody.
    pub authenticator: Option<ComponentId>,
}

/// `file_storage`: a folder for exporters' queues.
#[derive(Clone, PartialEq, Debug)]
pub struct FileStorage {
    /// Another extension has another one.
    pub directory: PathBuf,
    /// Make it where it is missing.
    pub create: bool,
    /// Of folders that are made.
    pub permissions: u32,
    /// How long to wait for another process that has it.
    pub lock_timeout: Duration,
    /// Acknowledged is what survives a failure of the machine; else of the process.
    pub fsync: bool,
    /// Of everything in it.
    pub bytes_max: u64,
}

impl Default for FileStorage {
    /// The Collector's, but for `fsync`: a queue on disk is asked for so that nothing is lost, and one `fsync` serves every request
    /// that came meanwhile. It has no `max_size`; a limit that most volumes bear is better than one that is found by filling them.
    fn default() -> Self {
        FileStorage {
            directory: "/var/lib/otelcol/file_storage".into(),
            create: true,
            permissions: 0o750,
            lock_timeout: Duration::from_secs(1),
            fsync: true,
            bytes_max: 10 << 30,
        }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        HealthCheck { endpoint: Endpoint::new("localhost", 13133), path: "/".into(), tls: None, authenticator: None }
    }
}
