//! Receivers.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, TlsServer};
use crate::id::ComponentId;

#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a few of them, and they are not moved about")]
pub enum Receiver {
    Otlp(OtlpReceiver),
    /// `otlpjsonfile`.
    OtlpJsonFile(OtlpJsonFileReceiver),
}

/// `otlp`: OTLP over gRPC and HTTP. At least one of the two is there.
#[derive(Clone, PartialEq, Debug)]
pub struct OtlpReceiver {
    /// `None`: not under `protocols`, so not served.
    pub grpc: Option<GrpcServer>,
    pub http: Option<HttpServer>,
}

/// `otlpjsonfile`: follows files of OTLP/JSON.
#[derive(Clone, PartialEq, Debug)]
pub struct OtlpJsonFileReceiver {
    /// Patterns of paths, at least one, each valid.
    pub include: Vec<Arc<str>>,
    pub exclude: Vec<Arc<str>>,
    /// Files that are there at the start and were not read before are read from their end.
    pub start_at_end: bool,
    pub poll_interval: Duration,
    /// All files are read from their beginning each time.
    pub replay: bool,
    /// Of one line, at most.
    pub line_bytes_max: usize,
    /// The `file_storage` extension that keeps offsets. `None`: they end with the process.
    pub storage: Option<ComponentId>,
}

/// Which of a host's addresses a server listens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Network {
    #[default]
    Tcp,
    /// IPv4 only.
    Tcp4,
    /// IPv6 only.
    Tcp6,
}

#[derive(Clone, PartialEq, Debug)]
pub struct GrpcServer {
    pub endpoint: Endpoint,
    pub network: Network,
    /// The Unix socket to listen on instead.
    pub unix: Option<PathBuf>,
    /// `None`: in the clear.
    pub tls: Option<TlsServer>,
    /// The extension that says who may send: a `bearertokenauth`, or a `basicauth` with `htpasswd`. `None`: everybody.
    pub authenticator: Option<ComponentId>,
    /// The largest message, compressed or not.
    pub message_bytes_max: usize,
    /// For each connection.
    pub concurrent_streams_max: NonZeroU32,
    pub keepalive: ServerKeepalive,
    /// For a message, and for the first bytes of a connection.
    pub read_timeout: Duration,
    /// Whether the client's metadata goes along with its batch.
    pub include_metadata: bool,
}

/// When a silent connection is asked whether its client still lives.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerKeepalive {
    /// After this long without a frame a ping is sent.
    pub time: Duration,
    /// After this long without an answer to it the connection is closed.
    pub timeout: Duration,
    /// A connection without requests is closed after this long. `None`: never.
    pub idle_max: Option<Duration>,
    /// A connection is closed after about this long. `None`: never.
    pub age_max: Option<Duration>,
    /// What requests under way have then. `None`: as long as they take.
    pub age_grace: Option<Duration>,
}

/// Which browsers' pages may send.
#[derive(Clone, PartialEq, Debug)]
pub struct Cors {
    /// At most one `*` in each.
    pub allowed_origins: Vec<Arc<str>>,
    pub allowed_headers: Vec<Arc<str>>,
    /// Zero: browsers decide.
    pub max_age: Duration,
}

#[derive(Clone, PartialEq, Debug)]
pub struct HttpServer {
    pub endpoint: Endpoint,
    pub network: Network,
    /// The Unix socket to listen on instead.
    pub unix: Option<PathBuf>,
    /// `None`: in the clear.
    pub tls: Option<TlsServer>,
    /// The extension that says who may send: a `bearertokenauth`, or a `basicauth` with `htpasswd`. `None`: everybody.
    pub authenticator: Option<ComponentId>,
    /// The largest body, compressed or not.
    pub body_bytes_max: usize,
    /// Paths start with `/` and differ.
    pub traces_path: Arc<str>,
    pub metrics_path: Arc<str>,
    pub logs_path: Arc<str>,
    /// For a body.
    pub read_timeout: Duration,
    /// For a head.
    pub read_header_timeout: Duration,
    /// Between requests.
    pub idle_timeout: Duration,
    /// `None`: no page of another origin.
    pub cors: Option<Cors>,
    /// Whether the client's headers go along with its batch.
    pub include_metadata: bool,
}

impl OtlpJsonFileReceiver {
    /// The Collector's.
    pub const POLL_INTERVAL: Duration = Duration::from_millis(200);
    /// As large as a request over a network may be. At the Collector's 1 MiB a line is cut, and neither part is read.
    pub const LINE_BYTES_MAX: usize = OtlpReceiver::MESSAGE_BYTES_MAX;
}

impl OtlpReceiver {
    pub const GRPC_PORT: u16 = 4317;
    pub const HTTP_PORT: u16 = 4318;
    /// 64 MiB: what one client may make the gateway hold. The Collector's 4 MiB for gRPC refuses batches that SDKs and gateways do
    /// send; its 20 MiB for HTTP is another number for the same thing.
    pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
    /// 64 MiB at 9 Mbit/s; a client that sends a byte a second does not stay.
    pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
}

impl Default for GrpcServer {
    fn default() -> Self {
        GrpcServer {
            endpoint: Endpoint::new("localhost", OtlpReceiver::GRPC_PORT),
            network: Network::Tcp,
            unix: None,
            tls: None,
            authenticator: None,
            message_bytes_max: OtlpReceiver::MESSAGE_BYTES_MAX,
            // An exporter has a handful of requests on the way; a proxy in front of many clients opens more connections.
            concurrent_streams_max: NonZeroU32::new(128).unwrap_or(NonZeroU32::MIN),
            keepalive: ServerKeepalive::default(),
            read_timeout: OtlpReceiver::READ_TIMEOUT,
            include_metadata: false,
        }
    }
}

impl Default for ServerKeepalive {
    /// The Collector's, which are those of grpc-go.
    fn default() -> Self {
        ServerKeepalive {
            time: Duration::from_secs(2 * 60 * 60),
            timeout: Duration::from_secs(20),
            idle_max: None,
            age_max: None,
            age_grace: None,
        }
    }
}

impl Default for HttpServer {
    fn default() -> Self {
        HttpServer {
            endpoint: Endpoint::new("localhost", OtlpReceiver::HTTP_PORT),
            network: Network::Tcp,
            unix: None,
            tls: None,
            authenticator: None,
            body_bytes_max: OtlpReceiver::MESSAGE_BYTES_MAX,
            traces_path: "/v1/traces".into(),
            metrics_path: "/v1/metrics".into(),
            logs_path: "/v1/logs".into(),
            read_timeout: OtlpReceiver::READ_TIMEOUT,
            read_header_timeout: OtlpReceiver::READ_TIMEOUT,
            idle_timeout: OtlpReceiver::READ_TIMEOUT,
            cors: None,
            include_metadata: false,
        }
    }
}
