//! What a client can be told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{ClientAuthSettings, TlsClientSettings};
use crate::ContentType;

/// How request bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// `none`, or an empty text.
    None,
    /// `gzip`: the default of the Collector's exporters.
    #[default]
    Gzip,
    /// `zstd`.
    Zstd,
}

/// The exporter `otlp`/`otlp_grpc`. Its `Debug` leaves out the headers' values, which may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct GrpcClientSettings {
    /// `host:port`, `http://…` (never TLS), `https://…` (always TLS), `dns:///host:port`, `unix:PATH`. Default empty, which is refused.
    pub endpoint: String,
    /// Without a scheme in `endpoint`, TLS unless it says `insecure`. Default: see there.
    pub tls: TlsClientSettings,
    /// Default gzip.
    pub compression: Compression,
    /// Sent with every request, in this order. Default none.
    pub headers: Vec<(String, String)>,
    /// What each request is given beside them. Default none.
    pub auth: Option<ClientAuthSettings>,
    /// The `:authority` that the backend sees (`authority`). Default: the endpoint's.
    pub authority: Option<String>,
    /// For a whole call, connecting included; sent as `grpc-timeout`. Zero: no limit. Default 5 s.
    pub timeout: Duration,
    /// Default `wasmill/VERSION`.
    pub user_agent: String,
    /// Default none.
    pub keepalive: Option<KeepaliveClientSettings>,
    /// Connections that calls are spread over, each opened when first used. 0 is taken as 1. Default 1.
    pub connections: usize,
}

/// Pings by which a dead connection is found (`keepalive`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepaliveClientSettings {
    /// Silence after which a ping is sent (`time`). Default 10 s, as the Collector's.
    pub time: Duration,
    /// What the backend has to answer it (`timeout`). Default 10 s, as the Collector's.
    pub timeout: Duration,
    /// Also while no request is under way (`permit_without_stream`). Default false.
    pub permit_without_stream: bool,
}

/// The exporter `otlphttp`/`otlp_http`. Its `Debug` leaves out the headers' values, which may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpClientSettings {
    /// `http://host:port/base` or `https://…`; `/v1/traces`, `/v1/metrics`, `/v1/logs` are added. Default empty, which is
    /// refused unless each signal has an endpoint of its own.
    pub endpoint: String,
    /// The whole address for a signal, as it is. Default none.
    pub traces_endpoint: Option<String>,
    pub metrics_endpoint: Option<String>,
    pub logs_endpoint: Option<String>,
    pub connection: HttpConnectionSettings,
    /// Default gzip.
    pub compression: Compression,
    /// How requests are written (`encoding`). Default protobuf.
    pub content: ContentType,
    /// Sent with every request, in this order. Default none.
    pub headers: Vec<(String, String)>,
    /// What each request is given beside them. Default none.
    pub auth: Option<ClientAuthSettings>,
    /// Default `wasmill/VERSION`.
    pub user_agent: String,
}

/// A backend that takes something else than OTLP over HTTP. Its `Debug` leaves out the headers' values, which may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct PushClientSettings {
    /// The whole address.
    pub url: String,
    pub connection: HttpConnectionSettings,
    /// Of bodies, as its protocol says. Empty: none is named.
    pub content_type: &'static str,
    /// Of bodies, which come compressed. Empty: none.
    pub content_encoding: &'static str,
    /// Sent with every request, in this order.
    pub headers: Vec<(String, String)>,
    /// What each request is given beside them.
    pub auth: Option<ClientAuthSettings>,
    pub user_agent: String,
}

/// How a backend is reached over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConnectionSettings {
    /// The Unix socket to connect to instead of what the addresses name. Default none.
    pub unix: Option<PathBuf>,
    /// `insecure` has no meaning here: the scheme says it. Default: see there.
    pub tls: TlsClientSettings,
    /// For a whole call, connecting included. Zero: no limit. Default 30 s.
    pub timeout: Duration,
    /// Connections that are kept when they have nothing to do (`max_idle_conns_per_host`). Default 100, as the
    /// Collector's `max_idle_conns`.
    pub idle_connections_max: usize,
    /// How long they are kept (`idle_conn_timeout`); `None`: as long as the backend keeps them. Default 90 s, as the Collector's.
    pub idle_connection_timeout: Option<Duration>,
}

impl Default for GrpcClientSettings {
    fn default() -> Self {
        GrpcClientSettings {
            endpoint: String::new(),
            tls: TlsClientSettings::default(),
            compression: Compression::default(),
            headers: Vec::new(),
            auth: None,
            authority: None,
            timeout: Duration::from_secs(5),
            user_agent: user_agent(),
            keepalive: None,
            connections: 1,
        }
    }
}

impl Default for KeepaliveClientSettings {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        KeepaliveClientSettings { time: ten, timeout: ten, permit_without_stream: false }
    }
}

impl Default for HttpClientSettings {
    fn default() -> Self {
        HttpClientSettings {
            endpoint: String::new(),
            traces_endpoint: None,
            metrics_endpoint: None,
            logs_endpoint: None,
            connection: HttpConnectionSettings::default(),
            compression: Compression::default(),
            content: ContentType::Protobuf,
            headers: Vec::new(),
            auth: None,
            user_agent: user_agent(),
        }
    }
}

impl Default for HttpConnectionSettings {
    fn default() -> Self {
        HttpConnectionSettings {
            unix: None,
            tls: TlsClientSettings::default(),
            timeout: Duration::from_secs(30),
            idle_connections_max: 100,
            idle_connection_timeout: Some(Duration::from_secs(90)),
        }
    }
}

impl Default for PushClientSettings {
    fn default() -> Self {
        PushClientSettings {
            url: String::new(),
            connection: HttpConnectionSettings::default(),
            content_type: "",
            content_encoding: "",
            headers: Vec::new(),
            auth: None,
            user_agent: user_agent(),
        }
    }
}

impl fmt::Debug for GrpcClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, tls, compression, headers, auth, authority, timeout, user_agent, keepalive, connections } =
            self;
        f.debug_struct("GrpcClientSettings")
            .field("endpoint", endpoint)
            .field("tls", tls)
            .field("compression", compression)
            .field("headers", &names(headers))
            .field("auth", auth)
            .field("authority", authority)
            .field("timeout", timeout)
            .field("user_agent", user_agent)
            .field("keepalive", keepalive)
            .field("connections", connections)
            .finish()
    }
}

impl fmt::Debug for HttpClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClientSettings")
            .field("endpoint", &self.endpoint)
            .field("traces_endpoint", &self.traces_endpoint)
            .field("metrics_endpoint", &self.metrics_endpoint)
            .field("logs_endpoint", &self.logs_endpoint)
            .field("connection", &self.connection)
            .field("compression", &self.compression)
            .field("content", &self.content)
            .field("headers", &names(&self.headers))
            .field("auth", &self.auth)
            .field("user_agent", &self.user_agent)
            .finish()
    }
}

impl fmt::Debug for PushClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushClientSettings")
            .field("url", &self.url)
            .field("connection", &self.connection)
            .field("content_type", &self.content_type)
            .field("content_encoding", &self.content_encoding)
            .field("headers", &names(&self.headers))
            .field("auth", &self.auth)
            .field("user_agent", &self.user_agent)
            .finish()
    }
}

fn names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

fn user_agent() -> String {
    concat!("wasmill/", env!("CARGO_PKG_VERSION")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings end in logs; the tokens in their headers must not.
    #[test]
    fn debug_has_no_secrets() {
        let headers = vec![("authorization".to_owned(), "Bearer s3cret".to_owned())];
        let grpc = GrpcClientSettings { headers: headers.clone(), ..GrpcClientSettings::default() };
        let http = HttpClientSettings { headers: headers.clone(), ..HttpClientSettings::default() };
        let push = PushClientSettings { headers, ..PushClientSettings::default() };
        for text in [format!("{grpc:?}"), format!("{http:?}"), format!("{push:?}")] {
            assert!(text.contains("authorization") && !text.contains("s3cret"), "{text}");
        }
    }
}
