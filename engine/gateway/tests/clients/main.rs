//! The real binary among clients and clocks that misbehave.
//!
//! | module    | proves                                                                                              |
//! |-----------|-----------------------------------------------------------------------------------------------------|
//! | `heads`   | a head of a megabyte is refused, over each protocol                                                  |
//! | `slow`    | who sends a byte at a time is cut at its time: heads, bodies, messages, a connection's first bytes   |
//! | `many`    | ten thousand idle connections: the others are served, memory is bounded                              |
//! | `files`   | with no file descriptor left nothing spins, ends or is lost: clients wait                            |
//! | `clocks`  | the wall clock jumps both ways: nothing waits, is lost or ends early                                 |
//!
//! What each of these limits is in general, `engine/transport/tests` proves, most of it with a clock of its own.

#[path = "../../../transport/tests/transport/certs.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod certs;
mod clocks;
mod files;
#[path = "../secure/gateway.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod gateway;
mod heads;
mod many;
#[path = "../../../transport/tests/transport/peers.rs"]
#[allow(dead_code, reason = "shared with the transport's tests, which use more of it")]
mod peers;
mod slow;

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tonic::Code;

use crate::gateway::{Folder, Gateway, span};
use crate::peers::{call, exchange, framed, grpc_request, http2};

/// The first bytes of a client that speaks HTTP/2, with settings that change nothing.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const SMALL: &[u8] =
    b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// A gateway that takes traces and does nothing with them; `grpc` and `http` are keys of its receiver.
fn sink(folder: &Folder, grpc: &str, http: &str, under: &[&str]) -> Gateway {
    let yaml = format!(
        "
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:0'{grpc}}}
      http: {{endpoint: '127.0.0.1:0'{http}}}
exporters: {{debug: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}
"
    );
    folder.run_under(&yaml, under)
}

/// Both ports take a request from somebody new.
async fn assert_serves(gateway: &Gateway) {
    assert_eq!(export(gateway.address("otlp grpc")).await, Code::Ok);
    let mut stream = TcpStream::connect(gateway.address("otlp http")).await.unwrap();
    assert_eq!(exchange(&mut stream, SMALL).await.status, 200);
}

/// One span over a new gRPC connection.
async fn export(address: SocketAddr) -> Code {
    let mut raw = http2(address).await;
    call(&mut raw, grpc_request(address, framed(0, &span()))).await.grpc().code()
}
