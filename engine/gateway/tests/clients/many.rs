//! Very many connections that do nothing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway::Folder;
use crate::peers::exchange;
use crate::{HTTP2, SMALL, assert_serves, sink};

const CONNECTIONS: usize = 10_000;

/// What this process and the gateway need beside them, each.
const OTHER_DESCRIPTORS: usize = 1000;

/// What an idle connection may cost the gateway in memory, on average of the three kinds below; `docs/reliability.md` says it.
const BYTES_EACH_MAX: u64 = 48 << 10;

/// Ten thousand clients are connected and do nothing: a third has said nothing, a third was answered over HTTP/1, a third speaks
/// HTTP/2 to the gRPC port. New ones are served, those that are there too, and memory is bounded.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections() {
    let descriptors = wasmill::admission::raise_descriptor_limit();
    // The gateway takes connections with three quarters of what it may open.
    let possible = wasmill::admission::connections_max(descriptors).min(descriptors.saturating_sub(OTHER_DESCRIPTORS));
    let connections = CONNECTIONS.min(possible);
    if connections < CONNECTIONS {
        println!(
            "with {connections} connections instead of {CONNECTIONS}: a process may open {descriptors} files here"
        );
    }
    let folder = Folder::new();
    // However long this takes, none of them is closed for being idle.
    let gateway = sink(&folder, ", read_timeout: 1h", ", read_header_timeout: 1h, idle_timeout: 1h", &[]);
    let (grpc, http) = (gateway.address("otlp grpc"), gateway.address("otlp http"));
    assert_serves(&gateway).await;
    let before = gateway.rss_bytes();
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        open.push(TcpStream::connect(http).await.unwrap());

        let mut stream = TcpStream::connect(http).await.unwrap();
        assert_eq!(exchange(&mut stream, SMALL).await.status, 200);
        open.push(stream);

        let mut stream = TcpStream::connect(grpc).await.unwrap();
        stream.write_all(HTTP2).await.unwrap();
        // The head of the gateway's settings: it has made a connection of it.
        stream.read_exact(&mut [0; 9]).await.unwrap();
        open.push(stream);
    }
    assert_serves(&gateway).await;
    let each = gateway.rss_bytes().saturating_sub(before) / open.len() as u64;
    println!("{} idle connections, {each} bytes each", open.len());
    assert!(each <= BYTES_EACH_MAX, "{each} bytes each");
    for stream in open.iter_mut().skip(1).step_by(3) {
        assert_eq!(exchange(stream, SMALL).await.status, 200);
    }
    for stream in open.iter_mut().step_by(30) {
        assert_eq!(exchange(stream, SMALL).await.status, 200);
    }
    drop(open);
    assert_serves(&gateway).await;
}
