//! The server: every port is bound before one serves.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::settings::ServerSettings;
use crate::{Budget, Sink};

/// An OTLP receiver's ports.
pub struct Server;

/// Ports that are taken and not yet served; clients that connect wait in the system's backlog.
pub struct Bound {
    settings: ServerSettings,
    budget: Arc<Budget>,
    grpc: Option<(TcpListener, SocketAddr)>,
    http: Option<(TcpListener, SocketAddr)>,
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
    pub async fn bind(_settings: ServerSettings, _budget: Arc<Budget>) -> Result<Bound, BindError> {
        todo!()
    }
}

impl Bound {
    /// Where OTLP/gRPC listens, with the port that was taken for port 0.
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(|(_, address)| *address)
    }

    /// Where OTLP/HTTP listens.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|(_, address)| *address)
    }

    /// Serves until `shutdown` resolves; then accepts nothing more, tells clients to go, and waits for the requests
    /// under way, at most the settings' `drain_timeout`.
    pub async fn serve<S: Sink>(self, _sink: Arc<S>, _shutdown: impl Future<Output = ()> + Send) -> Drained {
        let Bound { settings: _, budget: _, grpc: _, http: _ } = self;
        todo!()
    }
}
