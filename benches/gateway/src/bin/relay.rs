//! A relay of raw OTLP/gRPC bytes: the least that a gateway can do, as a baseline.
//!
//! `tonic`: tonic on both sides with a codec that passes bytes. `hyper`: hyper alone on both sides; the request's frames go on as
//! they came, nothing is put together and nothing is looked at. `wasmill`: the gateway's own transport on both sides, with
//! nothing between. All run until they are killed, print one line when they listen, and let nobody wait for anything but
//! the backend's answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use bytes::{Buf, BufMut, Bytes};
use clap::{Parser, ValueEnum};
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self as http2_client, SendRequest};
use hyper::server::conn::http2 as http2_server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use wasmill_transport::settings::{Compression, GrpcClientSettings, GrpcServerSettings, ServerSettings};
use wasmill_transport::{Answer, Budget, GrpcClient, Server, Sink};
use wasmill_wire::Signal;

/// A relay of raw OTLP/gRPC bytes.
#[derive(Parser)]
struct Arguments {
    #[arg(long, value_enum, default_value = "tonic")]
    kind: Kind,
    /// Where clients connect.
    #[arg(long, default_value = "127.0.0.1:4317")]
    listen: SocketAddr,
    /// Where requests go.
    #[arg(long, default_value = "127.0.0.1:14317")]
    target: SocketAddr,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Tonic,
    Hyper,
    Wasmill,
}

/// What the gateway takes, too.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { kind, listen, target } = Arguments::parse();
    match kind {
        Kind::Tonic => tonic_relay(listen, target).await,
        Kind::Hyper => hyper_relay(listen, target).await,
        Kind::Wasmill => wasmill_relay(listen, target).await,
    }
}

async fn wasmill_relay(listen: SocketAddr, target: SocketAddr) -> Result<()> {
    struct PassOn(Arc<GrpcClient>);

    impl Sink for PassOn {
        async fn deliver(&self, request: wasmill_transport::Request) -> Answer {
            let client = Arc::clone(&self.0);
            let passed = tokio::spawn(async move { client.send(request.signal, request.payload).await });
            match passed.await {
                Ok(Ok(accepted)) => Ok(accepted),
                Ok(Err(error)) => Err(error.refusal()),
                // A panic must end the call, or it would count as delivered.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }

    let client = GrpcClient::new(GrpcClientSettings {
        endpoint: format!("http://{target}"),
        compression: Compression::None,
        ..GrpcClientSettings::default()
    })?;
    let grpc = GrpcServerSettings { endpoint: listen.to_string(), ..GrpcServerSettings::default() };
    let bound = Server::bind(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited()).await?;
    println!("listening on {listen}");
    bound.serve(Arc::new(PassOn(Arc::new(client))), std::future::pending()).await;
    Ok(())
}

/// Frames and windows of the limit: as large as the gateway's own.
const HYPER_FRAME_BYTES: u32 = 1 << 20;
const HYPER_WINDOW_BYTES: u32 = 4 << 20;

async fn hyper_relay(listen: SocketAddr, target: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("listening on {listen}");
    // One connection to the backend, as tonic's; made when the first client comes, because the backend starts after this.
    let mut backend = None;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let sender = match &backend {
            Some(sender) => SendRequest::clone(sender),
            None => backend.insert(hyper_backend(target).await?).clone(),
        };
        let service = service_fn(move |request| pass_on(sender.clone(), target, request));
        let server = http2_server::Builder::new(TokioExecutor::new())
            .max_frame_size(HYPER_FRAME_BYTES)
            .initial_stream_window_size(HYPER_WINDOW_BYTES)
            .initial_connection_window_size(HYPER_WINDOW_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // Ends with an error when the load closes its connections.
            drop(server.await);
        });
    }
}

async fn hyper_backend(target: SocketAddr) -> Result<SendRequest<Incoming>> {
    let stream = TcpStream::connect(target).await.context("the target does not listen")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2_client::Builder::new(TokioExecutor::new())
        .max_frame_size(HYPER_FRAME_BYTES)
        .initial_stream_window_size(HYPER_WINDOW_BYTES)
        .initial_connection_window_size(HYPER_WINDOW_BYTES)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn pass_on(
    mut backend: SendRequest<Incoming>,
    target: SocketAddr,
    request: http::Request<Incoming>,
) -> Result<http::Response<Incoming>> {
    let (mut head, body) = request.into_parts();
    let mut parts = head.uri.into_parts();
    parts.authority = Some(target.to_string().parse()?);
    head.uri = http::Uri::from_parts(parts)?;
    backend.ready().await?;
    Ok(backend.send_request(http::Request::from_parts(head, body)).await?)
}

async fn tonic_relay(listen: SocketAddr, target: SocketAddr) -> Result<()> {
    let channel = Endpoint::new(format!("http://{target}"))?.tcp_nodelay(true).connect_lazy();
    println!("listening on {listen}");
    let server = tonic::transport::Server::builder().tcp_nodelay(true);
    server.serve(listen, Relay { channel }).await.context("the server ended")
}

#[derive(Clone)]
struct Relay {
    channel: Channel,
}

impl tower_service::Service<http::Request<Body>> for Relay {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let signal = Signal::ALL.into_iter().find(|signal| path(*signal) == request.uri().path());
        let method = PassOn { channel: self.channel.clone(), path: signal.map(path) };
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw).max_decoding_message_size(MESSAGE_BYTES_MAX);
            Ok(grpc.unary(method, request).await)
        })
    }
}

fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

struct PassOn {
    channel: Channel,
    path: Option<&'static str>,
}

impl tower_service::Service<Request<Bytes>> for PassOn {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let path = self.path;
        let mut client = tonic::client::Grpc::new(self.channel.clone()).max_encoding_message_size(MESSAGE_BYTES_MAX);
        Box::pin(async move {
            let path = path.ok_or_else(|| Status::unimplemented("no such method"))?;
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            client.unary(Request::new(request.into_inner()), PathAndQuery::from_static(path), Raw).await
        })
    }
}

/// Messages as the bytes that they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
