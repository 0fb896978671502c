//! What a server can be told.

use std::time::Duration;

use super::{REQUEST_BYTES_MAX, ServerAuthSettings, TlsServerSettings};

/// An OTLP receiver: either protocol, or both, each on its own port. Default: neither.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ServerSettings {
    pub grpc: Option<GrpcServerSettings>,
    pub http: Option<HttpServerSettings>,
}

/// Which of a host's addresses a port is taken at (`transport`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Network {
    /// Its first IPv4 address, else its first.
    #[default]
    Any,
    Ip4,
    Ip6,
}

/// OTLP/gRPC (`protocols::grpc`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcServerSettings {
    /// The configuration key that errors name. Default `receivers::otlp::protocols::grpc::endpoint`.
    pub endpoint_key: String,
    /// `host:port`; an empty host is every address, port 0 is any. A name is bound at its first IPv4 address, else at
    /// its first. `unix:PATH` is a Unix socket. Default `localhost:4317`.
    pub endpoint: String,
    /// Default any.
    pub network: Network,
    /// Default `None`: in the clear.
    pub tls: Option<TlsServerSettings>,
    /// Default `None`: everybody may send.
    pub auth: Option<ServerAuthSettings>,
    /// Bytes of a message, both as it comes and decompressed (`max_recv_msg_size_mib`). Default 64 MiB.
    pub request_bytes_max: usize,
    /// Requests under way on one connection (`max_concurrent_streams`). Default 128.
    pub concurrent_streams_max: u32,
    /// Connections at once; further ones wait in the system's backlog. Default 16,384.
    pub connections_max: usize,
    /// From the first byte of a body to its last; also what a new connection has to say that it speaks HTTP/2.
    /// Default 60 s.
    pub read_timeout: Duration,
    /// Put all headers of a request into its context (`include_metadata`). Default false.
    pub include_metadata: bool,
    /// Default: see there.
    pub keepalive: KeepaliveServerSettings,
    /// What a shutdown leaves to requests under way before their connections are cut. Default 10 s.
    pub drain_timeout: Duration,
}

/// Pings by which dead connections are found (`keepalive::server_parameters`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepaliveServerSettings {
    /// Silence after which a ping is sent (`time`). Default 2 h, as the Collector's.
    pub time: Duration,
    /// What the peer has to answer it, and to go when it is told to (`timeout`). Default 20 s, as the Collector's.
    pub timeout: Duration,
    /// A connection without a request for so long is told to go, at the latest after twice that, and cut if it has not gone
    /// `timeout` later (`max_connection_idle`). Default `None`: never.
    pub idle_max: Option<Duration>,
    /// A connection is told to go after this long, give or take a tenth, so that load balancers get to choose again
    /// (`max_connection_age`). Default `None`: never.
    pub age_max: Option<Duration>,
    /// What is left then to requests under way (`max_connection_age_grace`). Default `None`: as long as they take.
    pub age_grace: Option<Duration>,
}

/// Which browsers' pages may send (`cors`). By origin: a request from another origin is served, but its page is not told
/// that it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    /// `https://example.com`; one `*` in it stands for any text.
    pub allowed_origins: Vec<String>,
    /// Beside those that every page may send; `*` is any.
    pub allowed_headers: Vec<String>,
    /// How long a browser may remember the answer. Zero: as long as it does by itself.
    pub max_age: Duration,
}

/// OTLP/HTTP (`protocols::http`), HTTP/1.1 and HTTP/2 with prior knowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpServerSettings {
    /// The configuration key that errors name. Default `receivers::otlp::protocols::http::endpoint`.
    pub endpoint_key: String,
    /// As [`GrpcServerSettings::endpoint`]. Default `localhost:4318`.
    pub endpoint: String,
    /// Default any.
    pub network: Network,
    /// As [`GrpcServerSettings::tls`].
    pub tls: Option<TlsServerSettings>,
    /// As [`GrpcServerSettings::auth`].
    pub auth: Option<ServerAuthSettings>,
    /// Bytes of a body, both as it comes and decompressed (`max_request_body_size`). Default 64 MiB.
    pub request_bytes_max: usize,
    /// Default `/v1/traces`.
    pub traces_url_path: String,
    /// Default `/v1/metrics`.
    pub metrics_url_path: String,
    /// Default `/v1/logs`.
    pub logs_url_path: String,
    /// As [`GrpcServerSettings::concurrent_streams_max`], for HTTP/2. Default 128.
    pub concurrent_streams_max: u32,
    /// As [`GrpcServerSettings::connections_max`]. Default 16,384.
    pub connections_max: usize,
    /// What a head has to arrive, from its first byte; also what a new connection has to begin one
    /// (`read_header_timeout`). Default 60 s, as the Collector's.
    pub read_header_timeout: Duration,
    /// From the first byte of a body to its last (`read_timeout`). Default 60 s.
    pub read_timeout: Duration,
    /// A connection without a request for so long is closed, at the latest after twice that; over HTTP/1 also after
    /// `read_header_timeout` (`idle_timeout`). Default 60 s, as the Collector's.
    pub idle_timeout: Duration,
    /// Default `None`: browsers' pages of other origins are not answered.
    pub cors: Option<CorsSettings>,
    /// As [`GrpcServerSettings::include_metadata`]. Default false.
    pub include_metadata: bool,
    /// As [`GrpcServerSettings::drain_timeout`]. Default 10 s.
    pub drain_timeout: Duration,
}

impl Default for GrpcServerSettings {
    fn default() -> Self {
        GrpcServerSettings {
            endpoint_key: "receivers::otlp::protocols::grpc::endpoint".into(),
            endpoint: "localhost:4317".into(),
            network: Network::Any,
            tls: None,
            auth: None,
            request_bytes_max: REQUEST_BYTES_MAX,
            concurrent_streams_max: CONCURRENT_STREAMS_MAX,
            connections_max: CONNECTIONS_MAX,
            read_timeout: READ_TIMEOUT,
            include_metadata: false,
            keepalive: KeepaliveServerSettings::default(),
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

impl Default for KeepaliveServerSettings {
    fn default() -> Self {
        KeepaliveServerSettings {
            time: Duration::from_secs(2 * 60 * 60),
            timeout: Duration::from_secs(20),
            idle_max: None,
            age_max: None,
            age_grace: None,
        }
    }
}

impl Default for HttpServerSettings {
    fn default() -> Self {
        HttpServerSettings {
            endpoint_key: "receivers::otlp::protocols::http::endpoint".into(),
            endpoint: "localhost:4318".into(),
            network: Network::Any,
            tls: None,
            auth: None,
            request_bytes_max: REQUEST_BYTES_MAX,
            traces_url_path: "/v1/traces".into(),
            metrics_url_path: "/v1/metrics".into(),
            logs_url_path: "/v1/logs".into(),
            concurrent_streams_max: CONCURRENT_STREAMS_MAX,
            connections_max: CONNECTIONS_MAX,
            read_header_timeout: READ_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            idle_timeout: READ_TIMEOUT,
            cors: None,
            include_metadata: false,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

/// More than SDKs and gateways have under way on one connection (100 is what most clients assume), and few enough that a
/// connection's own bookkeeping stays small.
const CONCURRENT_STREAMS_MAX: u32 = 128;

/// Ten thousand idle connections must not keep others out, and file descriptors end.
const CONNECTIONS_MAX: usize = 16_384;

/// 64 MiB at 9 Mbit/s. A byte a second ends here.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Twice the timeout that SDKs have for an export is 20 s; half of what Kubernetes gives a pod to end is 15 s.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
