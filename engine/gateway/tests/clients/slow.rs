//! Clients that send a byte at a time.
//!
//! Nothing here depends on how fast the machine is: what is sent has no end, so that only the gateway can end it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Interval, interval};

use crate::gateway::Folder;
use crate::peers::grpc_request;
use crate::{HTTP2, assert_serves, sink};

/// Between two bytes.
const PAUSE: Duration = Duration::from_millis(50);

/// By protocol, what is sent at once and what is repeated after it, and what is answered before the connection ends. The keys that
/// bound it are `read_header_timeout` and `read_timeout` of HTTP, and `read_timeout` of gRPC.
#[tokio::test(flavor = "multi_thread")]
async fn a_byte_at_a_time() {
    let folder = Folder::new();
    let gateway = sink(&folder, ", read_timeout: 300ms", ", read_timeout: 300ms, read_header_timeout: 300ms", &[]);
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let body = format!("{head}content-length: 1000000\r\n\r\n");
    let pieces = format!("{head}transfer-encoding: chunked\r\n\r\nf4240\r\n");
    let rows = [
        ("a head", "otlp http", head, "x", ""),
        ("a body", "otlp http", body.as_str(), " ", "HTTP/1.1 504 "),
        ("a body in pieces", "otlp http", pieces.as_str(), " ", "HTTP/1.1 504 "),
        ("half of what HTTP/2 begins with", "otlp http", "PRI * HTTP/2.0\r\n\r\n", "", ""),
        ("half of what gRPC begins with", "otlp grpc", "PRI * HTTP/2.0\r\n\r\n", "", ""),
    ];
    for (name, port, at_once, repeated, answer) in rows {
        let stream = TcpStream::connect(gateway.address(port)).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let (at_once, repeated) = (at_once.to_owned(), repeated.as_bytes());
        let writing = tokio::spawn(async move {
            let mut pause = interval(PAUSE);
            let mut written = writer.write_all(at_once.as_bytes()).await;
            while written.is_ok() {
                pause.tick().await;
                written = writer.write_all(repeated).await;
            }
        });
        let (mut said, mut piece) = (Vec::new(), [0; 1024]);
        while answer.is_empty() || !said.starts_with(answer.as_bytes()) {
            match reader.read(&mut piece).await {
                Ok(read @ 1..) => said.extend_from_slice(&piece[..read]),
                // A reset is an end, too.
                Ok(0) | Err(_) => break,
            }
        }
        writing.abort();
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with(answer) && !said.starts_with("HTTP/1.1 2"), "{name}: {said}");
        assert_serves(&gateway).await;
    }
}

/// A gRPC message of which a byte comes at a time ends with DEADLINE_EXCEEDED, and its connection serves on.
#[tokio::test(flavor = "multi_thread")]
async fn a_message() {
    let folder = Folder::new();
    let gateway = sink(&folder, ", read_timeout: 300ms", "", &[]);
    let address = gateway.address("otlp grpc");
    let stream = TcpStream::connect(address).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut raw, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let (head, _) = grpc_request(address, Bytes::new()).into_parts();
        let request = http::Request::from_parts(head, Trickle { begun: false, pause: interval(PAUSE) });
        let response = raw.send_request(request).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "4", "DEADLINE_EXCEEDED");
        // It may be cut short, because its request is.
        let _ = response.into_body().collect().await;
    }
    assert_serves(&gateway).await;
}

/// A message without end.
struct Trickle {
    begun: bool,
    pause: Interval,
}

impl Body for Trickle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::replace(&mut self.begun, true) {
            // Not compressed, and of 16 MiB.
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0, 1, 0, 0, 0])))));
        }
        self.pause.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b"\n")))))
    }
}

/// An idle connection that is told to go, and does not listen, is cut.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_go() {
    let folder = Folder::new();
    let keepalive = ", keepalive: {server_parameters: {max_connection_idle: 300ms, timeout: 1s}}";
    let gateway = sink(&folder, keepalive, "", &[]);
    let mut stream = TcpStream::connect(gateway.address("otlp grpc")).await.unwrap();
    stream.write_all(HTTP2).await.unwrap();
    // A head of a kilobyte of which nothing comes: nobody answers the pings that this connection gets.
    stream.write_all(&[0, 4, 0, 1, 4, 0, 0, 0, 1]).await.unwrap();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    assert_serves(&gateway).await;
}
