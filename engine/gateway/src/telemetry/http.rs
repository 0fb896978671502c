//! A small HTTP server for what is read by scrapers and probes: `/metrics`, health.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use wasmill_transport::{AcceptErrors, Guard};

/// Scrapers and probes are few; more connections than this wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// A request's head is one small packet.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A scraper that does not read its answer, or idles, is let go.
const CONNECTION_MAX: Duration = Duration::from_secs(120);

/// A server that answers until it is dropped.
pub struct HttpEndpoint {
    address: SocketAddr,
    listener: std::net::TcpListener,
    task: JoinHandle<()>,
}

impl HttpEndpoint {
    /// Answers each request on `listener` of whoever `guard` lets in; the request's body is not read. To be called within a runtime.
    pub fn serve(
        listener: std::net::TcpListener,
        guard: Guard,
        answer: impl Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> std::io::Result<HttpEndpoint> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let accepting = TcpListener::from_std(listener.try_clone()?)?;
        let task = tokio::spawn(accept(accepting, Arc::new(guard), Arc::new(answer)));
        Ok(HttpEndpoint { address, listener, task })
    }

    /// The socket, to be served by another endpoint: no client is refused in between.
    pub fn listener(&self) -> std::io::Result<std::net::TcpListener> {
        self.listener.try_clone()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpEndpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<A>(listener: TcpListener, guard: Arc<Guard>, answer: Arc<A>)
where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut errors = AcceptErrors::default();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                errors.pause(&error).await;
                continue;
            }
        };
        let (guard, answer) = (Arc::clone(&guard), Arc::clone(&answer));
        tokio::spawn(async move {
            let _place = place;
            // Who does not shake hands is nobody.
            let Ok(stream) = guard.accept(stream).await else { return };
            let service = service_fn(|request| {
                let (guard, answer) = (&guard, &answer);
                async move {
                    Ok::<_, Infallible>(match guard.check(request.headers()).await {
                        Ok(()) => answer(&request),
                        Err(refused) => refused,
                    })
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // A connection's errors are its client's.
            let _ = tokio::time::timeout(CONNECTION_MAX, connection).await;
        });
    }
}
