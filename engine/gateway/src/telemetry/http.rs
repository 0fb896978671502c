//! A small HTTP server for what is read by scrapers and probes: `/metrics`, health, and exporters that are scraped.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use wasmill_transport::{AcceptErrors, Guard, Guarded};

/// Scrapers and probes are few; more connections than this wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// A request's head is one small packet.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A scraper that does not read its answer, or idles, is let go: after this time its connection takes no more requests, and has as much
/// again for the answer that is under way.
const CONNECTION_MAX: Duration = Duration::from_secs(120);

/// A server that answers until it is dropped.
pub struct HttpEndpoint {
    address: SocketAddr,
    listener: std::net::TcpListener,
    task: JoinHandle<()>,
    /// Dropped, its connections end with the answers that are under way: another endpoint's are others.
    _serving: watch::Sender<()>,
}

impl HttpEndpoint {
    /// Answers each request on `listener` of whoever `guard` lets in; the request's body is not read, and the answer's is made while it is
    /// sent. To be called within a runtime.
    pub fn serve<B>(
        listener: std::net::TcpListener,
        guard: Guard,
        answer: impl Fn(&Request<Incoming>) -> Response<B> + Send + Sync + 'static,
    ) -> std::io::Result<HttpEndpoint>
    where
        B: Body<Data = Bytes, Error = Infallible> + Default + Send + 'static,
    {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let accepting = TcpListener::from_std(listener.try_clone()?)?;
        let (serving, ended) = watch::channel(());
        let task = tokio::spawn(accept(accepting, Arc::new(guard), Arc::new(answer), ended));
        Ok(HttpEndpoint { address, listener, task, _serving: serving })
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

async fn accept<A, B>(listener: TcpListener, guard: Arc<Guard>, answer: Arc<A>, ended: watch::Receiver<()>)
where
    A: Fn(&Request<Incoming>) -> Response<B> + Send + Sync + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Default + Send + 'static,
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
        let (guard, answer, ended) = (Arc::clone(&guard), Arc::clone(&answer), ended.clone());
        tokio::spawn(async move {
            let _place = place;
            // Who does not shake hands is nobody.
            let Ok(stream) = guard.accept(stream).await else { return };
            connection(TokioIo::new(stream), &guard, &*answer, ended).await;
        });
    }
}

/// Answers what comes over one connection. A connection's errors are its client's.
async fn connection<A, B>(stream: TokioIo<Guarded>, guard: &Guard, answer: &A, mut ended: watch::Receiver<()>)
where
    A: Fn(&Request<Incoming>) -> Response<B> + Send + Sync + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Default + Send + 'static,
{
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(match guard.check(request.headers()).await {
            Ok(()) => answer(&request),
            Err(refused) => refused,
        })
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        // Its sender says nothing, and goes.
        _ = ended.changed() => {}
        () = tokio::time::sleep(CONNECTION_MAX) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(CONNECTION_MAX, connection).await;
}
