//! The server: every port is bound before one serves, and one path takes the requests of both protocols.
//!
//! ```text
//!  port ──► connection ──► preface: HTTP/1 or 2? ──► hyper ──► grpc | http ──► intake ──► Sink
//!    │           └ closed at its end, after a fault, at shutdown when its requests are answered
//!    └ at most `connections_max`, and nothing more once shutdown has begun
//! ```

mod connection;
mod grpc;
mod http;
mod listen;
mod preface;
mod reply;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::settings::{GrpcServerSettings, HttpServerSettings, ServerSettings};
use crate::{Budget, Sink};

use connection::{Limits, serve_port};

/// An OTLP receiver's ports.
pub struct Server;

/// Ports that are taken and not yet served; clients that connect wait in the system's backlog.
pub struct Bound {
    budget: Arc<Budget>,
    grpc: Option<Port<GrpcServerSettings>>,
    http: Option<Port<HttpServerSettings>>,
}

/// A port with its settings.
struct Port<T> {
    settings: T,
    listener: TcpListener,
    address: SocketAddr,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that still had requests under way when the drain timeout ended, and were cut.
    pub connections_cut: usize,
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("`{key}`: `{endpoint}` is not an address, expected `HOST:PORT`")]
    Endpoint { key: String, endpoint: String },
    #[error("`{key}`: cannot find the host of `{endpoint}`")]
    Resolve {
        key: String,
        endpoint: String,
        #[source]
        source: io::Error,
    },
    #[error("`{key}`: cannot listen on `{endpoint}`")]
    Listen {
        key: String,
        endpoint: String,
        #[source]
        source: io::Error,
    },
}

impl Server {
    /// Takes the ports of `settings`, all or none.
    pub async fn bind(settings: ServerSettings, budget: Arc<Budget>) -> Result<Bound, BindError> {
        let grpc = match settings.grpc {
            Some(grpc) => {
                let (listener, address) = listen::bind(&grpc.endpoint_key, &grpc.endpoint).await?;
                Some(Port { settings: grpc, listener, address })
            }
            None => None,
        };
        let http = match settings.http {
            Some(http) => {
                let (listener, address) = listen::bind(&http.endpoint_key, &http.endpoint).await?;
                Some(Port { settings: http, listener, address })
            }
            None => None,
        };
        Ok(Bound { budget, grpc, http })
    }
}

impl Bound {
    /// Where OTLP/gRPC listens, with the port that was taken for port 0.
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(|port| port.address)
    }

    /// Where OTLP/HTTP listens.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|port| port.address)
    }

    /// Serves until `shutdown` resolves; then accepts nothing more, tells clients to go, and waits for the requests
    /// under way, at most the settings' `drain_timeout`.
    ///
    /// Dropping the future cuts every connection.
    pub async fn serve<S: Sink>(self, sink: Arc<S>, shutdown: impl Future<Output = ()> + Send) -> Drained {
        let Bound { budget, grpc, http } = self;
        let (stop, stopped) = watch::channel(false);
        let grpc = async {
            let Some(Port { settings, listener, .. }) = grpc else { return 0 };
            let limits = Limits::of_grpc(&settings);
            let service = grpc::GrpcService::new(settings, Arc::clone(&budget), Arc::clone(&sink));
            serve_port(listener, limits, service, stopped.clone()).await
        };
        let http = async {
            let Some(Port { settings, listener, .. }) = http else { return 0 };
            let limits = Limits::of_http(&settings);
            let service = http::HttpService::new(settings, Arc::clone(&budget), Arc::clone(&sink));
            serve_port(listener, limits, service, stopped.clone()).await
        };
        let stop = async {
            shutdown.await;
            stop.send_replace(true);
            // Kept until the ports have ended: a channel without its sender counts as stopped, too.
            stop
        };
        let (grpc, http, _stop) = tokio::join!(grpc, http, stop);
        Drained { connections_cut: grpc + http }
    }
}
