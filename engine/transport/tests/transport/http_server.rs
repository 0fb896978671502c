//! OTLP/HTTP as clients see it.

use std::time::Duration;

use http::StatusCode;
use http_body_util::Full;
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_transport::settings::{CorsSettings, HttpServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Budget, Protocol, http_status};
use wasmill_wire::Signal;

use crate::peers::{Reply, Running, Script, call, exchange, http_settings, http2, read_head, read_reply, until_closed};

/// `google.rpc.Status`, as far as its text.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";

/// Everything about an error that the specification asks for: the status, and a Status in the request's content type.
fn assert_error(reply: &Reply, status: u16, text: &str) {
    assert_eq!(reply.status.as_u16(), status, "{reply:?}");
    let message = if reply.headers["content-type"] == "application/json" {
        String::from_utf8(reply.body.to_vec()).unwrap()
    } else {
        assert_eq!(reply.headers["content-type"], "application/x-protobuf");
        Status::decode(reply.body.clone()).unwrap().message
    };
    assert!(message.contains(text), "`{message}` has no `{text}`");
}

/// Each signal has its path; a request is answered 200 with an empty message in its own content type, and the connection
/// serves the next.
#[tokio::test]
async fn accepts() {
    let mut server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let paths = [("/v1/traces", Signal::Traces), ("/v1/metrics", Signal::Metrics), ("/v1/logs", Signal::Logs)];
    for (path, signal) in paths {
        let reply = exchange(&mut stream, &post(path, PROTOBUF, b"payload")).await;
        assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b""[..]));
        assert_eq!(reply.headers["content-type"], "application/x-protobuf");
        let request = server.received.recv().await.unwrap();
        assert_eq!((request.signal, request.protocol, &*request.payload), (signal, Protocol::Http, &b"payload"[..]));
    }
    server.sink.then(Script::Answer(Ok(Accepted { rejected: 2, message: "old".into() })));
    let reply = exchange(&mut stream, &post("/v1/logs", PROTOBUF, b"")).await;
    assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b"\x0a\x07\x08\x02\x12\x03old"[..]));
}

/// Paths are those of the settings, and only those.
#[tokio::test]
async fn own_paths() {
    let http = HttpServerSettings { traces_url_path: "/in/traces".into(), ..http_settings() };
    let server = Running::start(ServerSettings { grpc: None, http: Some(http) }, Budget::unlimited()).await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    assert_eq!(exchange(&mut stream, &post("/in/traces", PROTOBUF, b"")).await.status, StatusCode::OK);
    assert_error(&exchange(&mut stream, &post("/v1/traces", PROTOBUF, b"")).await, 404, "nothing at this path");
}

/// Chunked bodies, and bodies in each encoding, arrive as what they were.
#[tokio::test]
async fn encodings() {
    let mut server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let payload: Vec<u8> = (0..100_000_u32).map(|i| (i / 7) as u8).collect();
    let gzip = {
        let mut out = Vec::with_capacity(payload.len());
        let mut compress = flate2::Compress::new_gzip(flate2::Compression::fast(), 15);
        compress.compress_vec(&payload, &mut out, flate2::FlushCompress::Finish).unwrap();
        out
    };
    let deflate = {
        let mut out = Vec::with_capacity(payload.len());
        let mut compress = flate2::Compress::new(flate2::Compression::fast(), true);
        compress.compress_vec(&payload, &mut out, flate2::FlushCompress::Finish).unwrap();
        out
    };
    let zstd = zstd::bulk::compress(&payload, 3).unwrap();
    let bodies = [("gzip", gzip), ("zstd", zstd), ("deflate", deflate), ("identity", payload.clone())];
    for (name, body) in bodies {
        let headers = format!("{PROTOBUF}content-encoding: {name}\r\n");
        assert_eq!(exchange(&mut stream, &post("/v1/traces", &headers, &body)).await.status, StatusCode::OK);
        assert!(server.received.recv().await.unwrap().payload == payload, "{name}");

        let head = format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\n{headers}transfer-encoding: chunked\r\n\r\n");
        let mut chunked = head.into_bytes();
        for chunk in body.chunks(1000) {
            chunked.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\n\r\n");
        assert_eq!(exchange(&mut stream, &chunked).await.status, StatusCode::OK);
        assert!(server.received.recv().await.unwrap().payload == payload, "{name}, chunked");
    }
}

/// What cannot be for us is refused by its head, in the content type that it came with.
#[tokio::test]
async fn misdirected() {
    let server = Running::defaults().await;
    let both = |encodings: &str| format!("{PROTOBUF}{encodings}");
    let cases = [
        (post("/", PROTOBUF, b""), 404, "nothing at this path"),
        (post("/v1/traces/", PROTOBUF, b""), 404, "nothing at this path"),
        (post("/v1/traces", "", b"x"), 415, "`content-type`"),
        (post("/v1/traces", "content-type: text/plain\r\n", b"x"), 415, "`content-type`"),
        (post("/v1/nothing", "content-type: application/json; charset=utf-8\r\n", b"{}"), 404, "\"code\":12"),
        (post("/v1/traces", &both("content-encoding: br\r\n"), b"x"), 415, "`content-encoding`"),
        (post("/v1/traces", &both("content-encoding: gzip, gzip\r\n"), b"x"), 415, "`content-encoding`"),
        (
            post("/v1/traces", &both("content-encoding: gzip\r\ncontent-encoding: gzip\r\n"), b"x"),
            415,
            "`content-encoding`",
        ),
        (post("/v1/traces", &both("content-encoding: gzip\r\n"), b"no gzip"), 400, "not valid gzip"),
        (post("/v1/traces", &both("content-encoding: gzip\r\n"), b""), 400, "ends within its gzip"),
        (post("/v1/traces", &both("content-encoding: zstd\r\n"), b"no zstd"), 400, "not valid zstd"),
    ];
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    for (request, status, text) in cases {
        // On one connection: each refusal leaves it usable.
        assert_error(&exchange(&mut stream, &request).await, status, text);
    }
    let reply = exchange(&mut stream, b"GET /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_error(&reply, 405, "POST");
    assert_eq!(reply.headers["allow"], "POST");
    let mut server = server;
    assert!(server.received.try_recv().is_err(), "nothing reached the sink");
}

/// A body of the limit is taken; one byte more is 413: announced, chunked, or decompressed.
#[tokio::test]
async fn limits() {
    const LIMIT: usize = 300_000;
    let http = HttpServerSettings { request_bytes_max: LIMIT, ..http_settings() };
    let server = Running::start(ServerSettings { grpc: None, http: Some(http) }, Budget::unlimited()).await;
    let zstd = |len| zstd::bulk::compress(&vec![b'x'; len], 3).unwrap();
    let encoded = format!("{PROTOBUF}content-encoding: zstd\r\n");
    let chunked = |len: usize| {
        let head = format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\n{PROTOBUF}transfer-encoding: chunked\r\n\r\n");
        format!("{head}{len:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(len)).into_bytes()
    };
    let cases = [
        (post("/v1/traces", PROTOBUF, &vec![1; LIMIT]), 200),
        (post("/v1/traces", PROTOBUF, &vec![1; LIMIT + 1]), 413),
        (chunked(LIMIT), 200),
        (chunked(LIMIT + 1), 413),
        (post("/v1/traces", &encoded, &zstd(LIMIT)), 200),
        (post("/v1/traces", &encoded, &zstd(LIMIT + 1)), 413),
        (post("/v1/traces", &encoded, &zstd(1 << 30)), 413),
    ];
    for (request, status) in cases {
        let mut stream = TcpStream::connect(server.http()).await.unwrap();
        let reply = exchange(&mut stream, &request).await;
        assert_eq!(reply.status.as_u16(), status);
        assert!(!reply.headers.contains_key("retry-after"));
    }
    let mut server = server;
    while let Ok(request) = server.received.try_recv() {
        drop(request);
    }
    assert_eq!(server.budget.taken(), 0, "what was refused holds nothing");
}

/// A length of a gigabyte is refused before its body is sent, and the answer arrives although none of it was.
#[tokio::test]
async fn announced_length_is_refused_at_once() {
    let server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let head = format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\n{PROTOBUF}content-length: 1073741824\r\n\r\n");
    assert_error(&exchange(&mut stream, head.as_bytes()).await, 413, "larger than 67108864 bytes");
}

/// A client asks before it sends its body: it is told to go on, or refused without having sent it.
#[tokio::test]
async fn expect_continue() {
    let server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: x\r\n{PROTOBUF}expect: 100-continue\r\ncontent-length: 3\r\n\r\n")
    };
    stream.write_all(head("/v1/traces").as_bytes()).await.unwrap();
    assert!(crate::peers::read_head(&mut stream).await.starts_with(b"HTTP/1.1 100"));
    assert_eq!(exchange(&mut stream, b"abc").await.status, StatusCode::OK);
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    stream.write_all(head("/v1/nothing").as_bytes()).await.unwrap();
    let first = crate::peers::read_head(&mut stream).await;
    assert!(first.starts_with(b"HTTP/1.1 404") || first.starts_with(b"HTTP/1.1 100"), "{first:?}");
}

/// The sink refuses: the status of the table, the reason, `Retry-After` in whole seconds where it is retryable.
#[tokio::test]
async fn refusals() {
    let server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let kinds = [
        (RefusalKind::Unavailable, 503),
        (RefusalKind::DeadlineExceeded, 504),
        (RefusalKind::TooLarge, 413),
        (RefusalKind::Invalid, 400),
        (RefusalKind::PermissionDenied, 403),
        (RefusalKind::Unauthenticated, 401),
        (RefusalKind::NotServed, 404),
        (RefusalKind::Internal, 500),
    ];
    for (kind, status) in kinds {
        assert_eq!(http_status(kind).as_u16(), status);
        for retry_after in [None, Some(Duration::from_millis(1500))] {
            server.sink.then(Script::Answer(Err(Refusal { retry_after, ..Refusal::new(kind, "because") })));
            let reply = exchange(&mut stream, &post("/v1/traces", PROTOBUF, b"")).await;
            assert_error(&reply, status, "because");
            let told = reply.headers.get("retry-after").map(|value| value.to_str().unwrap());
            let expected = (retry_after.is_some() && kind.is_retryable()).then_some("2");
            assert_eq!(told, expected, "{kind:?}");
        }
    }
}

/// With the budget spent, the sender is told 503 and when to come again; it fits once the held request is gone.
#[tokio::test]
async fn budget() {
    let settings = ServerSettings { grpc: None, http: Some(http_settings()) };
    let mut server = Running::start(settings, Budget::new(100_000)).await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let request = post("/v1/traces", PROTOBUF, &[1; 80_000]);
    assert_eq!(exchange(&mut stream, &request).await.status, StatusCode::OK);
    let held = server.received.recv().await.unwrap();
    let reply = exchange(&mut stream, &request).await;
    assert_error(&reply, 503, "try again later");
    assert_eq!(reply.headers["retry-after"], "1");
    drop(held);
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    assert_eq!(exchange(&mut stream, &request).await.status, StatusCode::OK);
}

/// HTTP/2 with prior knowledge is served on the same port.
#[tokio::test]
async fn http2_with_prior_knowledge() {
    let mut server = Running::defaults().await;
    let mut client = http2(server.http()).await;
    let request = http::Request::post(format!("http://{}/v1/metrics", server.http()))
        .header("content-type", "application/x-protobuf")
        .body(Full::new(vec![5; 200_000].into()))
        .unwrap();
    assert_eq!(call(&mut client, request).await.status, StatusCode::OK);
    assert_eq!(server.received.recv().await.unwrap().payload.len(), 200_000);
}

/// A body that is sent more slowly than the read timeout allows is refused as late, and its connection is closed.
#[tokio::test]
async fn a_slow_body() {
    let server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let head = post("/v1/traces", &format!("{PROTOBUF}expect: 100-continue\r\n"), b"payload");
    stream.write_all(&head[..head.len() - 7]).await.unwrap();
    assert!(crate::peers::read_head(&mut stream).await.starts_with(b"HTTP/1.1 100"), "the body is read");
    tokio::time::pause();
    stream.write_all(b"paylo").await.unwrap();
    assert_error(&read_reply(&mut stream).await, 504, "in time");
    until_closed(&mut stream).await;
    assert_eq!(server.sink.refused.lock().unwrap().len(), 1);
}

/// A browser asks before a page of another origin sends, and is told so only for origins, headers and a method that may; the
/// request itself is served in any case, and its page may read the answer only if it may.
#[tokio::test]
async fn cors() {
    let cors = CorsSettings {
        allowed_origins: vec!["https://*.example.com".into()],
        allowed_headers: vec!["X-Tenant".into()],
        max_age: Duration::from_secs(600),
    };
    let http = HttpServerSettings { cors: Some(cors), ..http_settings() };
    let server = Running::start(ServerSettings { grpc: None, http: Some(http) }, Budget::unlimited()).await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let cases = [
        ("https://a.example.com", "POST", "content-type,x-tenant", true),
        ("https://a.example.com", "POST", "content-type,x-other", false),
        ("https://a.example.com", "DELETE", "content-type", false),
        ("https://evil.test", "POST", "content-type", false),
    ];
    for (origin, method, headers, may) in cases {
        let request = format!(
            "OPTIONS /v1/traces HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\naccess-control-request-method: {method}\r\n\
             access-control-request-headers: {headers}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = String::from_utf8(read_head(&mut stream).await).unwrap();
        assert!(head.starts_with("HTTP/1.1 204 No Content\r\n"), "{head}");
        let has = |line: &str| head.lines().any(|found| found == line);
        assert_eq!(has(&format!("access-control-allow-origin: {origin}")), may, "{head}");
        assert_eq!(has(&format!("access-control-allow-headers: {headers}")), may, "{head}");
        assert_eq!(has("access-control-allow-methods: POST"), may, "{head}");
        assert_eq!(has("access-control-max-age: 600"), may, "{head}");
    }
    for (origin, may) in [("https://a.example.com", true), ("https://evil.test", false)] {
        let request = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\n\r\n{{}}"
        );
        let reply = exchange(&mut stream, request.as_bytes()).await;
        assert_eq!((reply.status, &reply.headers["vary"]), (StatusCode::OK, &"origin".parse().unwrap()));
        let allowed = reply.headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap());
        assert_eq!(allowed, may.then_some(origin));
    }
    let reply = exchange(&mut stream, b"OPTIONS /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "no browser asks this");
}
