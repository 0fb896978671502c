//! Few file descriptors.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::Code;

use crate::gateway::Folder;
use crate::peers::{Running, call, exchange, framed, grpc_request, http2, read_reply};
use crate::{SMALL, assert_serves, sink, span};

/// A process that may open so many files.
fn with_descriptors(descriptors: u32) -> [String; 4] {
    ["sh".into(), "-c".into(), format!("ulimit -n {descriptors} && exec \"$@\""), "sh".into()]
}

/// Clients take no more than three quarters of the descriptors: with all of these taken, the gateway still connects to a backend
/// that it has not asked before, and when one client goes, the next is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_is_the_gateways_own() {
    let mut backend = Running::defaults().await;
    let folder = Folder::new();
    let under = with_descriptors(256);
    let yaml = format!(
        "
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:0'}}
      http: {{endpoint: '127.0.0.1:0', read_header_timeout: 1h, idle_timeout: 1h}}
exporters:
  otlp:
    endpoint: '{}'
    tls: {{insecure: true}}
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp]}}}}
",
        backend.grpc()
    );
    let gateway = folder.run_under(&yaml, &under.each_ref().map(String::as_str));
    let address = gateway.address("otlp grpc");
    // Nothing is in these requests: the backend is not asked.
    let mut raw = http2(address).await;
    assert_eq!(call(&mut raw, grpc_request(address, framed(0, b""))).await.grpc().code(), Code::Ok);
    // 192 in all: the one above, and one that the gRPC port keeps for who comes next.
    let mut open = Vec::new();
    while open.len() < 190 {
        let mut stream = TcpStream::connect(gateway.address("otlp http")).await.unwrap();
        assert_eq!(exchange(&mut stream, SMALL).await.status, 200);
        open.push(stream);
    }
    let mut waiting = TcpStream::connect(gateway.address("otlp http")).await.unwrap();
    waiting.write_all(SMALL).await.unwrap();
    assert_eq!(exchange(&mut open[0], SMALL).await.status, 200);
    assert!(waiting.try_read(&mut [0]).is_err(), "nobody has answered it");
    let reply = call(&mut raw, grpc_request(address, framed(0, &span()))).await;
    assert_eq!(reply.grpc().code(), Code::Ok, "{reply:?}");
    backend.received.recv().await.unwrap();
    drop(open.pop());
    assert_eq!(read_reply(&mut waiting).await.status, 200);
    drop((open, waiting));
    assert_serves(&gateway).await;
    assert!(!gateway.end().iter().any(|line| line.contains("cannot accept")));
}

/// Not even the gateway's own descriptors are left: it waits without spinning, says why and not again and again, and is back
/// when there are some.
#[tokio::test(flavor = "multi_thread")]
async fn not_one_is_left() {
    let folder = Folder::new();
    let under = with_descriptors(48);
    let mut gateway =
        sink(&folder, "", ", read_header_timeout: 1h, idle_timeout: 1h", &under.each_ref().map(String::as_str));
    let start = Instant::now();
    let mut open = Vec::new();
    while open.len() < 40 {
        let mut stream = TcpStream::connect(gateway.address("otlp http")).await.unwrap();
        stream.write_all(SMALL).await.unwrap();
        open.push(stream);
    }
    gateway.says("cannot accept connections for the moment");
    let before = gateway.cpu_time();
    // Not to wait for something, but to see that nothing happens.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = gateway.cpu_time() - before;
    assert!(used < Duration::from_millis(500), "it used {used:?} of 2 s");
    assert_eq!(read_reply(&mut open[0]).await.status, 200);
    assert_eq!(exchange(&mut open[0], SMALL).await.status, 200, "who is connected is served");
    drop(open);
    assert_serves(&gateway).await;
    let minutes = start.elapsed().as_secs() / 60 + 1;
    let said = gateway.end().iter().filter(|line| line.contains("cannot accept")).count() as u64;
    assert!(said <= 2 * minutes, "once a minute for each port: {said}");
}
