//! A backend that is pushed to over HTTP/1 or HTTP/2: keeps requests with their headers, and answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::patiently;

/// Serves until it is dropped.
pub struct WebBackend {
    state: Arc<State>,
    address: SocketAddr,
    _serving: JoinSet<()>,
}

/// What came.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What it was answered with.
    pub status: u16,
}

#[derive(Default)]
struct State {
    arrived: Mutex<Vec<Arrived>>,
    /// Answers that come next: status, `Retry-After`, body.
    answers: Mutex<VecDeque<(u16, Option<u32>, String)>>,
    changed: Notify,
}

impl Arrived {
    /// The first value of a header; empty without one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl WebBackend {
    pub async fn start() -> WebBackend {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&state)));
        WebBackend { state, address, _serving: serving }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the next requests are answered; those after them with 204, or as gRPC and OTLP have success.
    pub fn answer_next<const COUNT: usize>(&self, answers: [(u16, &str); COUNT]) {
        let answers = answers.map(|(status, body)| (status, None, body.to_owned()));
        self.state.answers.lock().extend(answers);
    }

    /// The next request is to come again after so many seconds.
    pub fn throttle_next(&self, status: u16, retry_after_seconds: u32) {
        self.state.answers.lock().push_back((status, Some(retry_after_seconds), "slow down".to_owned()));
    }

    /// Waits until so many requests have come, refused ones included, and gives them in their order.
    pub async fn requests(&self, at_least: usize) -> Vec<Arrived> {
        patiently(&format!("{at_least} requests"), async {
            loop {
                let changed = self.state.changed.notified();
                let arrived = self.state.arrived.lock().clone();
                if arrived.len() >= at_least {
                    return arrived;
                }
                changed.await;
            }
        })
        .await
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&state)));
            // A client that goes away is its own matter.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (path, headers) = (head.uri.path().to_owned(), head.headers);
    let content = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let told = state.answers.lock().pop_front();
    let is_grpc = content.starts_with("application/grpc");
    let (status, retry_after, text) = told.unwrap_or_else(|| {
        let is_otlp = is_grpc || path.starts_with("/v1/") || path.starts_with("/otlp/");
        (if is_otlp { 200 } else { 204 }, None, String::new())
    });
    state.arrived.lock().push(Arrived { path, headers, body, status });
    state.changed.notify_waiters();
    if is_grpc {
        // A message without fields, and that it went well.
        let trailers = async {
            Some(Ok(HeaderMap::from_iter([("grpc-status".parse().expect("a name"), "0".parse().expect("a value"))])))
        };
        let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(trailers).boxed();
        let mut response = Response::new(body);
        response.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
        return Ok(response);
    }
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    if status == 200 {
        response.headers_mut().insert("content-type", "application/x-protobuf".parse().expect("a value"));
    }
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    Ok(response)
}
