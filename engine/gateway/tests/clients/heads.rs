//! Heads that are too large.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::gateway::Folder;
use crate::peers::until_closed;
use crate::{HTTP2, assert_serves, sink};

const MIB: usize = 1 << 20;

/// The least frame that every peer takes.
const FRAME_BYTES: usize = 16 << 10;

/// A header of a megabyte: over HTTP/1 the answer is 431, or the connection ends; over HTTP/2 the stream or the connection does. It
/// is no request, and the next client is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_a_megabyte() {
    let folder = Folder::new();
    let gateway = sink(&folder, "", "", &[]);
    let http1 = format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(MIB)).into_bytes();
    let (grpc, http) = (gateway.address("otlp grpc"), gateway.address("otlp http"));
    for (name, address, bytes) in
        [("HTTP/1", http, &http1), ("HTTP/2", http, &http2_head()), ("gRPC", grpc, &http2_head())]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The gateway may close before it has all.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let said = until_closed(&mut stream).await;
        assert!(said.len() < 1024, "{name}: {} bytes", said.len());
        if name == "HTTP/1" {
            assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 431 "), "{:?}", String::from_utf8_lossy(&said));
        }
        assert_serves(&gateway).await;
    }
}

/// A request's head in as many frames as it takes, with a value of a megabyte.
fn http2_head() -> Vec<u8> {
    // POST, http, then the header `x` without indexing; its length in HPACK's prefix code of seven bits.
    let mut block = vec![0x83, 0x86, 0, 1, b'x', 0x7f];
    let mut rest = MIB - 0x7f;
    while rest >= 0x80 {
        block.push((rest % 0x80) as u8 | 0x80);
        rest /= 0x80;
    }
    block.push(rest as u8);
    block.resize(block.len() + MIB, b'y');
    let mut bytes = HTTP2.to_vec();
    let pieces: Vec<&[u8]> = block.chunks(FRAME_BYTES).collect();
    for (number, piece) in pieces.iter().enumerate() {
        // HEADERS with END_STREAM, then CONTINUATION; the last has END_HEADERS.
        let kind = if number == 0 { 1 } else { 9 };
        let flags = u8::from(number == 0) | if number + 1 == pieces.len() { 4 } else { 0 };
        let [_, high, middle, low] = (piece.len() as u32).to_be_bytes();
        bytes.extend([high, middle, low, kind, flags, 0, 0, 0, 1]);
        bytes.extend(*piece);
    }
    bytes
}
