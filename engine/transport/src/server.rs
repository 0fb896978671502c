//! The server: every port is bound before one serves, and one path takes the requests of both protocols.
//!
//! ```text
//!  port ──► connection ──► TLS ──► preface: HTTP/1 or 2? ──► hyper ──► grpc | http ──► intake ──► Sink
//!    │           └ closed at its end, after a fault, at shutdown when its requests are answered
//!    └ at most `connections_max`, all ports together what the budget has, and nothing more once shutdown has begun
//! ```

mod connection;
mod cors;
mod grpc;
mod http;
mod lifetime;
mod listen;
mod preface;
mod reply;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::ServerAuth;
use crate::settings::{GrpcServerSettings, HttpServerSettings, ServerAuthSettings, ServerSettings, TlsServerSettings};
use crate::tls::ServerTls;
use crate::{AuthError, Budget, Protocol, Sink, TlsError};

use connection::{Limits, serve_port};
use listen::Taken;

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
    taken: Taken,
    tls: Option<ServerTls>,
    auth: Option<ServerAuth>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that still had requests under way when the drain timeout ended, and were cut.
    pub connections_cut: usize,
}

/// By ALPN.
const GRPC_PROTOCOLS: &[&[u8]] = &[b"h2"];
const HTTP_PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// A port that cannot be had, or not as it is asked for.
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
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl BindError {
    /// The configuration key that it is about.
    pub fn key(&self) -> &str {
        match self {
            BindError::Endpoint { key, .. } | BindError::Resolve { key, .. } | BindError::Listen { key, .. } => key,
            BindError::Tls(error) => error.key(),
            BindError::Auth(error) => error.key(),
        }
    }
}

impl Server {
    /// Everything that is wrong with `settings` and can be found without taking a port. Reads the files that they name.
    pub fn check(settings: &ServerSettings) -> Vec<BindError> {
        let mut wrong = Vec::new();
        if let Some(grpc) = &settings.grpc {
            wrong.extend([tls(&grpc.tls, GRPC_PROTOCOLS).err(), auth(&grpc.auth).err()]);
        }
        if let Some(http) = &settings.http {
            wrong.extend([tls(&http.tls, HTTP_PROTOCOLS).err(), auth(&http.auth).err()]);
        }
        wrong.into_iter().flatten().collect()
    }

    /// Takes the ports of `settings`, all or none.
    pub async fn bind(settings: ServerSettings, budget: Arc<Budget>) -> Result<Bound, BindError> {
        let grpc = match settings.grpc {
            Some(grpc) => {
                let tls = tls(&grpc.tls, GRPC_PROTOCOLS)?;
                let taken = listen::bind(&grpc.endpoint_key, &grpc.endpoint, grpc.network).await?;
                let auth = auth(&grpc.auth)?;
                Some(Port { settings: grpc, taken, tls, auth })
            }
            None => None,
        };
        let http = match settings.http {
            Some(http) => {
                let tls = tls(&http.tls, HTTP_PROTOCOLS)?;
                let taken = listen::bind(&http.endpoint_key, &http.endpoint, http.network).await?;
                let auth = auth(&http.auth)?;
                Some(Port { settings: http, taken, tls, auth })
            }
            None => None,
        };
        Ok(Bound { budget, grpc, http })
    }
}

fn tls(settings: &Option<TlsServerSettings>, protocols: &[&[u8]]) -> Result<Option<ServerTls>, BindError> {
    Ok(settings.as_ref().map(|settings| ServerTls::new(settings, protocols)).transpose()?)
}

fn auth(settings: &Option<ServerAuthSettings>) -> Result<Option<ServerAuth>, BindError> {
    Ok(settings.as_ref().map(ServerAuth::new).transpose()?)
}

impl Bound {
    /// Where OTLP/gRPC listens, with the port that was taken for port 0. `None` for a Unix socket, too.
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc.as_ref()?.taken.address
    }

    /// Where OTLP/HTTP listens.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref()?.taken.address
    }

    /// Where each protocol listens, as people write it: `127.0.0.1:4317`, `unix:/run/otlp.sock`.
    pub fn names(&self) -> Vec<(Protocol, String)> {
        let grpc = self.grpc.as_ref().map(|port| (Protocol::Grpc, port.taken.name.clone()));
        let http = self.http.as_ref().map(|port| (Protocol::Http, port.taken.name.clone()));
        grpc.into_iter().chain(http).collect()
    }

    /// Serves until `shutdown` resolves; then accepts nothing more, tells clients to go, and waits for the requests
    /// under way, at most the settings' `drain_timeout`.
    ///
    /// Dropping the future cuts every connection.
    pub async fn serve<S: Sink>(self, sink: Arc<S>, shutdown: impl Future<Output = ()> + Send) -> Drained {
        let Bound { budget, grpc, http } = self;
        let (stop, stopped) = watch::channel(false);
        let grpc = async {
            let Some(Port { settings, taken, tls, auth }) = grpc else { return 0 };
            let limits = Limits::of_grpc(&settings);
            let service = grpc::GrpcService::new(settings, auth, Arc::clone(&budget), Arc::clone(&sink));
            serve_port(taken.listener, tls, limits, Arc::clone(&budget), service, stopped.clone()).await
        };
        let http = async {
            let Some(Port { settings, taken, tls, auth }) = http else { return 0 };
            let limits = Limits::of_http(&settings);
            let service = http::HttpService::new(settings, auth, Arc::clone(&budget), Arc::clone(&sink));
            serve_port(taken.listener, tls, limits, Arc::clone(&budget), service, stopped.clone()).await
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
