//! A client of an engine that sends messages as most SDKs do, in frames of a size.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use wasmill_wire::Signal;

/// What most clients send.
pub const FRAME_BYTES: usize = 16_384;

/// A connection to the engine.
pub type Connection = SendRequest<Frames>;

/// A message in frames of a size, which hyper does not put together again.
pub struct Frames {
    left: Bytes,
    frame_bytes: usize,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.frame_bytes.min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }
}

/// A message behind its length, as gRPC frames it.
pub struct Message {
    framed: Bytes,
    encoding: Option<&'static str>,
}

impl Message {
    /// `encoding` is what the message is compressed with.
    ///
    /// Errors: 4 GiB or more.
    pub fn new(message: &[u8], encoding: Option<&'static str>) -> Result<Message> {
        let mut framed = Vec::with_capacity(message.len() + 5);
        framed.push(u8::from(encoding.is_some()));
        framed.extend(u32::try_from(message.len())?.to_be_bytes());
        framed.extend(message);
        Ok(Message { framed: framed.into(), encoding })
    }
}

/// What is sent, and how.
pub struct Call {
    pub signal: Signal,
    pub message: Message,
    pub frame_bytes: usize,
}

pub async fn connect(target: SocketAddr) -> Result<Connection> {
    let stream = TcpStream::connect(target).await.with_context(|| format!("cannot connect to `{target}`"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends it, and waits for its answer. An error: none came, or it was refused.
pub async fn export(connection: &mut Connection, target: SocketAddr, call: Call) -> Result<()> {
    let Call { signal, message: Message { framed, encoding }, frame_bytes } = call;
    let path = match signal {
        Signal::Traces => "opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Logs => "opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    };
    let mut request = http::Request::post(format!("http://{target}/{path}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let request = request.body(Frames { left: framed, frame_bytes })?;
    connection.ready().await?;
    let (head, body) = connection.send_request(request).await?.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().unwrap_or(&head.headers);
    let status = trailers.get("grpc-status").context("an answer without `grpc-status`")?;
    ensure!(status == "0", "refused with {trailers:?}");
    Ok(())
}
