//! Ports, and what comes to them.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;
use wasmill_transport::settings::{GrpcServerSettings, Network, ServerSettings};
use wasmill_transport::{BindError, Budget, Drained, Server};

use crate::peers::{
    Running, both, call, exchange, framed, grpc_request, grpc_settings, http_settings, http2, until_closed,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A port that is taken is named with its address and the key that asked for it; nothing is bound.
#[tokio::test]
async fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = both();
    let http = settings.http.as_mut().unwrap();
    http.endpoint = taken.local_addr().unwrap().to_string();
    http.endpoint_key = "receivers::otlp/two::protocols::http::endpoint".into();
    let endpoint = http.endpoint.clone();
    let error = Server::bind(settings, Budget::unlimited()).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("otlp/two::protocols::http::endpoint") && text.contains(&endpoint), "{text}");
    assert!(matches!(error, BindError::Listen { .. }));
}

/// What is no address is refused as such, by key.
#[tokio::test]
async fn not_an_endpoint() {
    for endpoint in ["", "localhost", "localhost:", "localhost:99999", "no such host.invalid:4317"] {
        let grpc = GrpcServerSettings { endpoint: endpoint.into(), ..grpc_settings() };
        let settings = ServerSettings { grpc: Some(grpc), http: None };
        let error = Server::bind(settings, Budget::unlimited()).await.err().expect(endpoint);
        assert!(error.to_string().contains("receivers::otlp::protocols::grpc::endpoint"), "{error}");
    }
}

/// An empty host is every address.
#[tokio::test]
async fn every_address() {
    let grpc = GrpcServerSettings { endpoint: ":0".into(), ..grpc_settings() };
    let server = Running::start(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited()).await;
    let address = ([127, 0, 0, 1], server.grpc().port()).into();
    let mut raw = http2(address).await;
    assert_eq!(call(&mut raw, grpc_request(address, framed(0, b""))).await.grpc().code(), Code::Ok);
}

/// A network of one family has addresses of that family only: a name's other ones are not taken, and a host that has none is
/// refused.
#[tokio::test]
async fn one_family() {
    let bind = |endpoint: &'static str, network| {
        let grpc = GrpcServerSettings { endpoint: endpoint.into(), network, ..grpc_settings() };
        Server::bind(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited())
    };
    for endpoint in ["127.0.0.1:0", "localhost:0", ":0"] {
        assert!(bind(endpoint, Network::Ip4).await.unwrap().grpc_addr().unwrap().is_ipv4(), "{endpoint}");
    }
    let error = bind("127.0.0.1:0", Network::Ip6).await.err().unwrap();
    assert!(matches!(error, BindError::Listen { .. }), "{error}");
    let ip6 = TcpListener::bind("[::1]:0").await.is_ok();
    for endpoint in ["[::1]:0", ":0"] {
        // Some machines have no IPv6.
        let bound = bind(endpoint, Network::Ip6).await;
        assert_eq!(bound.ok().map(|bound| bound.grpc_addr().unwrap().is_ipv6()), ip6.then_some(true), "{endpoint}");
    }
}

/// Bytes that are no protocol, or break off in it, end their connection and nothing else.
#[tokio::test]
async fn hostile_bytes() {
    let server = Running::defaults().await;
    let junk: Vec<u8> = (0..10_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let frame_of_16_mib = [PREFACE, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat();
    let headers_of_nonsense = [PREFACE, &[0, 0, 4, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]].concat();
    let cases: [(&str, &[u8]); 7] = [
        ("junk", &junk),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("zeros", &[0; 4096]),
        ("half a preface and another end", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"),
        ("a preface and junk", &[PREFACE, &junk].concat()),
        ("a frame of 16 MiB", &frame_of_16_mib),
        ("headers that are none", &headers_of_nonsense),
    ];
    for (name, bytes) in cases {
        for port in [server.grpc(), server.http()] {
            let mut stream = TcpStream::connect(port).await.unwrap();
            // The server may close before it has all.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let said = until_closed(&mut stream).await;
            assert!(said.len() < 1024, "{name}: {} bytes", said.len());
        }
    }
    let mut raw = http2(server.grpc()).await;
    assert_eq!(call(&mut raw, grpc_request(server.grpc(), framed(0, b""))).await.grpc().code(), Code::Ok);
}

/// HTTP/1 on the gRPC port is closed without a word.
#[tokio::test]
async fn http1_on_the_grpc_port() {
    let server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.grpc()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}

/// A head of a megabyte is refused while it comes.
#[tokio::test]
async fn a_large_head() {
    let server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let head = format!("POST /v1/traces HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let _ = stream.write_all(head.as_bytes()).await;
    let said = until_closed(&mut stream).await;
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 431"), "{:?}", String::from_utf8_lossy(&said));

    let mut raw = http2(server.grpc()).await;
    let mut request = grpc_request(server.grpc(), framed(0, b""));
    request.headers_mut().insert("x", "y".repeat(100 << 10).parse().unwrap());
    match raw.send_request(request).await {
        Ok(response) => assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        // hyper's client may find out by the server's settings.
        Err(error) => assert!(!error.is_timeout(), "{error}"),
    }
}

/// Who connects and says nothing, or begins and stops, is cut at the timeout, on both ports.
#[tokio::test(start_paused = true)]
async fn silence() {
    let server = Running::defaults().await;
    for (port, begun) in [
        (server.grpc(), &b""[..]),
        (server.grpc(), &PREFACE[..10]),
        (server.http(), b""),
        (server.http(), b"POST /v1/tra"),
        (server.http(), b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n"),
    ] {
        let start = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(port).await.unwrap();
        stream.write_all(begun).await.unwrap();
        until_closed(&mut stream).await;
        let waited = start.elapsed();
        assert!((Duration::from_secs(59)..Duration::from_secs(125)).contains(&waited), "{begun:?}: {waited:?}");
    }
}

/// A gRPC message of which a part never comes: the call ends at the read timeout, the connection serves on.
#[tokio::test]
async fn a_slow_message() {
    let server = Running::defaults().await;
    let stream = TcpStream::connect(server.grpc()).await.unwrap();
    let (client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut ping = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (request, _) = grpc_request(server.grpc(), Bytes::new()).into_parts();
    let request = http::Request::from_parts(request, ());
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from(framed(0, b"spans")[..7].to_vec()), false).unwrap();
    // What was sent before a ping is known when it is answered: the call is under way.
    ping.ping(h2::Ping::opaque()).await.unwrap();
    tokio::time::pause();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "4");
    tokio::time::resume();

    let (request, _) = grpc_request(server.grpc(), Bytes::new()).into_parts();
    let (response, mut body) = client.send_request(http::Request::from_parts(request, ()), false).unwrap();
    body.send_data(framed(0, b"spans").into(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    while body.data().await.is_some() {}
    assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
}

/// A client that goes in the middle of a body gives the budget back.
#[tokio::test]
async fn gone_in_the_middle() {
    let mut server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let head =
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\n";
    stream.write_all(format!("{head}half").as_bytes()).await.unwrap();
    drop(stream);
    // The next request is on the same server: when it is through, so is the first one's end.
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let whole =
        "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1\r\n\r\nx";
    assert_eq!(exchange(&mut stream, whole.as_bytes()).await.status, StatusCode::OK);
    drop(server.received.recv().await.unwrap());
    let budget = std::sync::Arc::clone(&server.budget);
    assert_eq!(server.stop().await.unwrap(), Drained::default());
    assert_eq!(budget.taken(), 0);
}

/// Shutdown: what is under way is answered, its connection told to go, and new connections are refused.
#[tokio::test]
async fn shutdown_finishes_what_is_under_way() {
    let mut server = Running::defaults().await;
    let (grpc, http) = (server.grpc(), server.http());
    let mut idle = TcpStream::connect(http).await.unwrap();
    let gate = server.sink.then_gate();
    let mut raw = http2(grpc).await;
    let under_way = tokio::spawn(async move { call(&mut raw, grpc_request(grpc, framed(0, b"spans"))).await });
    server.received.recv().await.unwrap();
    let ended = server.stop();
    assert_eq!(until_closed(&mut idle).await, b"", "an idle connection is closed at once");
    gate.open();
    assert_eq!(under_way.await.unwrap().grpc().code(), Code::Ok);
    assert_eq!(ended.await.unwrap(), Drained { connections_cut: 0 });
    assert!(TcpStream::connect(grpc).await.is_err());
}

/// Shutdown with a request that never ends: its connection is cut when the drain timeout ends, and counted.
#[tokio::test]
async fn shutdown_is_bounded() {
    let mut server = Running::defaults().await;
    let grpc = server.grpc();
    let dropped = server.sink.then_hang();
    let mut raw = http2(grpc).await;
    let under_way = tokio::spawn(async move { raw.send_request(grpc_request(grpc, framed(0, b"spans"))).await });
    server.received.recv().await.unwrap();
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    assert_eq!(server.stop().await.unwrap(), Drained { connections_cut: 1 });
    assert!((10..12).contains(&start.elapsed().as_secs()));
    assert!(under_way.await.unwrap().is_err());
    dropped.await;
}

/// A port that may have one connection serves one at a time: the second waits until the first has gone.
#[tokio::test]
async fn connections_are_limited() {
    let mut http = http_settings();
    http.connections_max = 1;
    let server = Running::start(ServerSettings { grpc: None, http: Some(http) }, Budget::unlimited()).await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = TcpStream::connect(server.http()).await.unwrap();
    assert_eq!(exchange(&mut first, request).await.status, StatusCode::NOT_FOUND);
    let mut second = TcpStream::connect(server.http()).await.unwrap();
    second.write_all(request).await.unwrap();
    assert_eq!(exchange(&mut first, request).await.status, StatusCode::NOT_FOUND);
    let mut byte = [0];
    assert!(second.try_read(&mut byte).is_err(), "nobody has answered the second");
    drop(first);
    assert_eq!(second.read(&mut byte).await.unwrap(), 1);
}

/// A connection that has no request for as long as it may is told to go: HTTP/2 by GOAWAY, HTTP/1 by its end.
#[tokio::test(start_paused = true)]
async fn idle_connections_go() {
    let minute = Duration::from_secs(60);
    let mut settings = both();
    settings.grpc.as_mut().unwrap().keepalive.idle_max = Some(minute);
    settings.http.as_mut().unwrap().idle_timeout = minute;
    let server = Running::start(settings, Budget::unlimited()).await;
    for address in [server.grpc(), server.http()] {
        let start = tokio::time::Instant::now();
        let stream = TcpStream::connect(address).await.unwrap();
        let builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
        let (_raw, connection) =
            builder.handshake::<_, http_body_util::Full<Bytes>>(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        connection.await.unwrap();
        assert!((60..=125).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
    let start = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    exchange(&mut stream, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until_closed(&mut stream).await;
    assert!((59..=125).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

/// A connection that has reached its age takes nothing new; a request under way has the grace, and is then cut.
#[tokio::test]
async fn old_connections_go() {
    let mut settings = both();
    let keepalive = &mut settings.grpc.as_mut().unwrap().keepalive;
    (keepalive.age_max, keepalive.age_grace) = (Some(Duration::from_secs(100)), Some(Duration::from_secs(20)));
    let mut server = Running::start(settings, Budget::unlimited()).await;
    let grpc = server.grpc();
    let dropped = server.sink.then_hang();
    let mut raw = http2(grpc).await;
    let mut second = raw.clone();
    let under_way = tokio::spawn(async move { raw.send_request(grpc_request(grpc, framed(0, b"spans"))).await });
    server.received.recv().await.unwrap();
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    assert!(under_way.await.unwrap().is_err());
    dropped.await;
    assert!((105..=135).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    tokio::time::resume();
    assert!(second.send_request(grpc_request(grpc, framed(0, b"spans"))).await.is_err());
    let mut raw = http2(grpc).await;
    assert_eq!(call(&mut raw, grpc_request(grpc, framed(0, b""))).await.grpc().code(), Code::Ok);
}

/// A body that comes a byte a second ends when its time is over, and the head likewise, over HTTP/1.
#[tokio::test]
async fn a_byte_a_second() {
    let mut settings = http_settings();
    (settings.read_timeout, settings.read_header_timeout) = (Duration::from_millis(300), Duration::from_millis(300));
    let server = Running::start(ServerSettings { grpc: None, http: Some(settings) }, Budget::unlimited()).await;
    let head =
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\n";
    for (at_once, slowly) in [(head, "spansspansspansspans"), ("", head)] {
        let stream = TcpStream::connect(server.http()).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let writing = tokio::spawn(async move {
            writer.write_all(at_once.as_bytes()).await.unwrap();
            for byte in slowly.bytes() {
                if writer.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            std::future::pending().await
        });
        let mut said = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), reader.read_to_end(&mut said)).await;
        writing.abort();
        let said = String::from_utf8_lossy(&said);
        match at_once.is_empty() {
            // Its answer comes; the rest of the body is waited for a little.
            false => assert!(said.starts_with("HTTP/1.1 504"), "{said}"),
            true => assert!(read.is_ok() && !said.starts_with("HTTP/1.1 2"), "{said}"),
        }
    }
}
