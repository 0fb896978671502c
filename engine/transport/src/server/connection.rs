//! Connections: accepted, spoken to by hyper, closed.
//!
//! A connection is a task. It ends when its peer does, when it breaks the protocol, or, at shutdown, when its requests are
//! answered; what it says of that is for debugging only, because peers come and go.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use super::lifetime::{Busy, End, end, in_grace};
use super::listen::Listener;
use super::preface::{self, Rewound, Version};
use crate::settings::{GrpcServerSettings, HttpServerSettings, KeepaliveServerSettings};
use crate::socket::Socket;
use crate::tls::ServerTls;
use crate::window::{HTTP1_BUFFER_BYTES_MAX, Window};
use crate::{AcceptErrors, Budget};

/// Bytes of a request's headers. Real ones have a few hundred; tokens may have some thousand.
const HEADER_BYTES_MAX: u32 = 64 << 10;

/// Answers requests. What is asked of both protocols.
pub(super) trait Service: Send + Sync + 'static {
    type Body: Body<Data: Send + 'static, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    fn handle(
        &self,
        request: Request<Incoming>,
        peer: Option<SocketAddr>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

type BoxError = Box<dyn Error + Send + Sync>;

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// What all connections of a port share.
struct Port<S> {
    tls: Option<ServerTls>,
    limits: Limits,
    budget: Arc<Budget>,
    service: Arc<S>,
}

/// What connections of a port may do.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Also HTTP/1.
    any_version: bool,
    connections_max: usize,
    concurrent_streams_max: u32,
    /// For a connection's first bytes, and for HTTP/1 also for each head and between requests.
    head_timeout: Duration,
    keepalive: KeepaliveServerSettings,
    drain_timeout: Duration,
}

impl Limits {
    pub fn of_grpc(settings: &GrpcServerSettings) -> Limits {
        Limits {
            any_version: false,
            connections_max: settings.connections_max,
            concurrent_streams_max: settings.concurrent_streams_max,
            head_timeout: settings.read_timeout,
            keepalive: settings.keepalive.clone(),
            drain_timeout: settings.drain_timeout,
        }
    }

    pub fn of_http(settings: &HttpServerSettings) -> Limits {
        Limits {
            any_version: true,
            connections_max: settings.connections_max,
            concurrent_streams_max: settings.concurrent_streams_max,
            head_timeout: settings.read_header_timeout,
            keepalive: KeepaliveServerSettings {
                idle_max: Some(settings.idle_timeout),
                ..KeepaliveServerSettings::default()
            },
            drain_timeout: settings.drain_timeout,
        }
    }
}

/// Serves a port until it is stopped and drained, beside the others of the process with as many connections as it has `room` for.
/// Returns how many connections had to be cut.
pub(super) async fn serve_port<S: Service>(
    listener: Listener,
    tls: Option<ServerTls>,
    limits: Limits,
    budget: Arc<Budget>,
    service: Arc<S>,
    mut stopped: watch::Receiver<bool>,
) -> usize {
    let mut connections = JoinSet::new();
    let mut errors = AcceptErrors::default();
    let own = Arc::new(Semaphore::new(limits.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let room = Arc::clone(budget.connections());
    let port = Arc::new(Port { tls, limits, budget, service });
    loop {
        // Room first: with none, clients wait in the backlog, and at most that many.
        let accept = async {
            let own = Arc::clone(&own).acquire_owned().await;
            let room = Arc::clone(&room).acquire_owned().await;
            ((own, room), listener.accept().await)
        };
        let (room, accepted) = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = serve_connection(stream, peer, Arc::clone(&port), stopped.clone());
                connections.spawn(async move {
                    let _room = room;
                    if let Err(error) = connection.await {
                        debug!(?peer, error = error.as_ref(), "a connection ended with an error");
                    }
                });
            }
            Err(error) => errors.pause(&error).await,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(port.limits.drain_timeout, all).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

async fn serve_connection<S: Service>(
    stream: Socket,
    peer: Option<SocketAddr>,
    port: Arc<Port<S>>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), BoxError> {
    // Answers are small and must not wait for the peer's acknowledgement of what went before.
    stream.set_nodelay()?;
    let Some(tls) = &port.tls else { return serve_stream(stream, peer, &port, stopped).await };
    let handshake = tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        handshake = tls.accept(stream) => handshake,
    };
    serve_stream(handshake?, peer, &port, stopped).await
}

/// What comes in the clear, or was decrypted.
async fn serve_stream<S: Service>(
    stream: impl Stream,
    peer: Option<SocketAddr>,
    port: &Port<S>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), BoxError> {
    let Port { limits, budget, service, .. } = port;
    let preface = timeout(limits.head_timeout, preface::read(stream));
    let preface = tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        preface = preface => preface,
    };
    let (version, stream) = match preface {
        Ok(Ok(Some(known))) => known,
        Ok(Ok(None)) => return Ok(()),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err("nothing was said in time".into()),
    };
    let service = Arc::clone(service);
    match version {
        Version::Http2 => serve_http2(stream, peer, limits, Window::grant(budget), service, stopped).await?,
        Version::Http1 if limits.any_version => serve_http1(stream, peer, limits, service, stopped).await?,
        Version::Http1 => return Err("this port speaks HTTP/2 only".into()),
    }
    Ok(())
}

async fn serve_http2<S: Service>(
    stream: Rewound<impl Stream>,
    peer: Option<SocketAddr>,
    limits: &Limits,
    window: Window,
    service: Arc<S>,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let busy = Arc::new(Busy::new());
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(window.stream_bytes)
        .initial_connection_window_size(window.connection_bytes)
        .max_frame_size(window.frame_bytes)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(limits.concurrent_streams_max)
        .keep_alive_interval(limits.keepalive.time)
        .keep_alive_timeout(limits.keepalive.timeout)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), answering(service, peer, Arc::clone(&busy)));
    let mut connection = pin!(connection);
    let end = tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        _ = stopped.wait_for(|stopped| *stopped) => End::Shutdown,
        end = end(&limits.keepalive, &busy) => end,
    };
    connection.as_mut().graceful_shutdown();
    in_grace(connection, end, &limits.keepalive, &busy).await
}

async fn serve_http1<S: Service>(
    stream: Rewound<impl Stream>,
    peer: Option<SocketAddr>,
    limits: &Limits,
    service: Arc<S>,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let busy = Arc::new(Busy::new());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HTTP1_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answering(service, peer, Arc::clone(&busy)));
    let mut connection = pin!(connection);
    let end = tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        _ = stopped.wait_for(|stopped| *stopped) => End::Shutdown,
        end = end(&limits.keepalive, &busy) => end,
    };
    connection.as_mut().graceful_shutdown();
    in_grace(connection, end, &limits.keepalive, &busy).await
}

/// A connection's service, as hyper wants it.
fn answering<S: Service>(
    service: Arc<S>,
    peer: Option<SocketAddr>,
    busy: Arc<Busy>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<S::Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<S::Body>, Infallible>> + Send,
> {
    service_fn(move |request| {
        let service = Arc::clone(&service);
        let under_way = busy.begin();
        async move {
            let response = service.handle(request, peer).await;
            drop(under_way);
            Ok(response)
        }
    })
}
