//! Who the tests talk to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wasmill_batch::Refusal;
use wasmill_transport::settings::{GrpcServerSettings, HttpServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Answer, Budget, Drained, Protocol, Request, Server, Sink};
use wasmill_wire::Signal;

/// What a sink does with a request.
pub enum Script {
    Answer(Answer),
    /// Never answers. The sender is dropped with the future.
    Hang(oneshot::Sender<Infallible>),
    /// Accepts when the gate is opened.
    Gate(oneshot::Receiver<()>),
}

/// Keeps a request waiting.
pub struct Gate(oneshot::Sender<()>);

impl Gate {
    pub fn open(self) {
        self.0.send(()).unwrap();
    }
}

/// A sink that tells the test what came, and answers by script; with the script at its end, it accepts.
pub struct Recorder {
    received: mpsc::UnboundedSender<Request>,
    script: Mutex<VecDeque<Script>>,
    pub refused: Mutex<Vec<(Protocol, Option<Signal>, Refusal)>>,
}

impl Recorder {
    pub fn then(&self, script: Script) {
        self.script.lock().unwrap().push_back(script);
    }

    /// The next request is never answered; resolves when nobody waits for its answer any more.
    pub fn then_hang(&self) -> impl Future<Output = ()> + Send + use<> {
        let (sender, dropped) = oneshot::channel();
        self.then(Script::Hang(sender));
        async move {
            let Err(_) = dropped.await;
        }
    }

    /// The next request is accepted when the gate is opened.
    pub fn then_gate(&self) -> Gate {
        let (gate, opened) = oneshot::channel();
        self.then(Script::Gate(opened));
        Gate(gate)
    }
}

impl Sink for Recorder {
    async fn deliver(&self, request: Request) -> Answer {
        let script = self.script.lock().unwrap().pop_front();
        self.received.send(request).unwrap();
        match script {
            None => Ok(Accepted::default()),
            Some(Script::Answer(answer)) => answer,
            Some(Script::Hang(_dropped)) => std::future::pending().await,
            Some(Script::Gate(opened)) => {
                opened.await.unwrap();
                Ok(Accepted::default())
            }
        }
    }

    fn refused(&self, protocol: Protocol, signal: Option<Signal>, refusal: &Refusal) {
        self.refused.lock().unwrap().push((protocol, signal, refusal.clone()));
    }
}

/// A server of ours that runs until it is stopped.
pub struct Running {
    pub grpc: Option<SocketAddr>,
    pub http: Option<SocketAddr>,
    pub sink: Arc<Recorder>,
    pub budget: Arc<Budget>,
    pub received: mpsc::UnboundedReceiver<Request>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

impl Running {
    pub async fn start(settings: ServerSettings, budget: Arc<Budget>) -> Running {
        let bound = Server::bind(settings, Arc::clone(&budget)).await.unwrap();
        let (grpc, http) = (bound.grpc_addr(), bound.http_addr());
        let (sender, received) = mpsc::unbounded_channel();
        let sink = Arc::new(Recorder { received: sender, script: Mutex::default(), refused: Mutex::default() });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = bound.serve(Arc::clone(&sink), async move {
            let _ = stopped.await;
        });
        let ended = tokio::spawn(serving);
        Running { grpc, http, sink, budget, received, stop, ended }
    }

    /// Both ports with defaults.
    pub async fn defaults() -> Running {
        Running::start(both(), Budget::unlimited()).await
    }

    pub fn grpc(&self) -> SocketAddr {
        self.grpc.unwrap()
    }

    pub fn http(&self) -> SocketAddr {
        self.http.unwrap()
    }

    /// Begins the shutdown; the handle resolves when it is done.
    pub fn stop(self) -> JoinHandle<Drained> {
        self.stop.send(()).unwrap();
        self.ended
    }
}

pub fn grpc_settings() -> GrpcServerSettings {
    GrpcServerSettings { endpoint: "127.0.0.1:0".into(), ..GrpcServerSettings::default() }
}

pub fn http_settings() -> HttpServerSettings {
    HttpServerSettings { endpoint: "127.0.0.1:0".into(), ..HttpServerSettings::default() }
}

pub fn both() -> ServerSettings {
    ServerSettings { grpc: Some(grpc_settings()), http: Some(http_settings()) }
}

/// A raw HTTP/2 client.
pub async fn http2(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A whole response.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Reply {
    /// gRPC's status, wherever it stands.
    pub fn grpc(&self) -> tonic::Status {
        let from = if self.headers.contains_key("grpc-status") { &self.headers } else { &self.trailers };
        tonic::Status::from_header_map(from).expect("a grpc-status")
    }
}

pub async fn call(sender: &mut SendRequest<Full<Bytes>>, request: HttpRequest<Full<Bytes>>) -> Reply {
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Reply { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
}

/// A gRPC call of the trace service as a hand writes it.
pub fn grpc_request(address: SocketAddr, body: impl Into<Bytes>) -> HttpRequest<Full<Bytes>> {
    let path = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
    HttpRequest::post(format!("http://{address}/{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(body.into()))
        .unwrap()
}

/// A message behind its prefix.
pub fn framed(flag: u8, payload: &[u8]) -> Vec<u8> {
    [&[flag], &(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

/// Everything that comes until the peer closes.
pub async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is a close, too.
    let _ = stream.read_to_end(&mut all).await;
    all
}

/// Sends bytes as they are, and reads one HTTP/1 response with a `content-length`.
pub async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Reply {
    stream.write_all(request).await.unwrap();
    read_reply(stream).await
}

pub async fn read_reply(stream: &mut TcpStream) -> Reply {
    let head = read_head(stream).await;
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    let length = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    Reply { status, headers, body: body.into(), trailers: HeaderMap::new() }
}

/// Up to and with the empty line.
pub async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    head
}

/// A backend that reads one HTTP/1 request from each connection, writes `answer`, and closes. Tells the requests' heads and
/// bodies.
pub async fn canned(answer: &'static [u8]) -> (SocketAddr, mpsc::UnboundedReceiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = String::from_utf8(read_head(&mut stream).await).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            stream.write_all(answer).await.unwrap();
            if sender.send((head, body)).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

/// A backend that does with each connection what the test says.
pub async fn raw_backend<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A backend that speaks HTTP/2 and answers as the test says.
pub async fn http2_backend<B, F>(answer: impl Fn(HttpRequest<Incoming>) -> F + Clone + Send + 'static) -> SocketAddr
where
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
{
    raw_backend(move |stream| {
        let answer = answer.clone();
        async move {
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}
