//! Connections to a backend, plain or with TLS.

use std::error::Error;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::Uri;
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream, ResolveServerName,
};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tower_service::Service;

use super::ClientError;
use crate::settings::TlsClientSettings;
use crate::socket::Socket;
use crate::tls::ClientTls;

/// What a connection may take to be made, whatever the call's timeout: that of gRPC's other clients.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects to `http` and, where it has TLS, `https` addresses.
#[derive(Clone)]
pub(crate) struct Connector {
    dial: Dial,
    tls: Option<Arc<ClientTls>>,
}

/// Connects in the clear: to the address, or always to one Unix socket.
#[derive(Clone)]
struct Dial {
    http: HttpConnector,
    unix: Option<Arc<Path>>,
}

impl Connector {
    /// A connector that offers `protocols` where it speaks TLS. Reads the files that `tls` names.
    pub fn new(tls: Option<&TlsClientSettings>, protocols: &[&[u8]]) -> Result<Connector, ClientError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        // Requests are written whole and must not wait for the peer's acknowledgement of what went before.
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = tls.map(|settings| ClientTls::new(settings, protocols)).transpose()?;
        Ok(Connector { dial: Dial { http, unix: None }, tls: tls.map(Arc::new) })
    }

    /// The same over a Unix socket, if there is a path.
    pub fn over(mut self, unix: Option<PathBuf>) -> Connector {
        self.dial.unix = unix.map(Into::into);
        self
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<Socket>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.dial.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Connector { mut dial, tls } = self.clone();
        Box::pin(async move {
            let Some(tls) = tls.filter(|_| uri.scheme_str() == Some("https")) else {
                return Ok(MaybeHttpsStream::Http(dial.call(uri).await?));
            };
            let resolver: Arc<dyn ResolveServerName + Send + Sync> = match &tls.server_name {
                Some(name) => Arc::new(FixedServerNameResolver::new(name.clone())),
                None => Arc::new(DefaultServerNameResolver::default()),
            };
            // For each connection: its certificates may be newer than the last one's.
            HttpsConnector::new(dial, tls.config().await, true, resolver).call(uri).await
        })
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Socket>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Some(path) = self.unix.clone() {
            return Box::pin(async move { Ok(TokioIo::new(Socket::Unix(UnixStream::connect(path).await?))) });
        }
        let connecting = self.http.call(uri);
        Box::pin(async move { Ok(TokioIo::new(Socket::Tcp(connecting.await?.into_inner()))) })
    }
}
