//! What only HTTP has.

use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::peers::{Running, read_head};
use crate::way::{JSON, LIMIT, ORIGIN, PROTOBUF, Status, Way};

/// Methods, paths, types and encodings that there are not, bodies in pieces, both content types on one port. Each error's body is a
/// status in the request's content type, and in protobuf where that is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_their_own() {
    let backend = Running::defaults().await;
    let way = Way::to_grpc(backend.grpc());
    let request = |method: &str, path: &str, kind: &str, more: &str, body: &str| {
        let length =
            if more.contains("chunked") { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n{length}{more}\r\n{body}")
    };
    let post = |kind: &str, more: &str, body: &str| request("POST", "/v1/traces", kind, more, body);
    let chunked = "transfer-encoding: chunked\r\n";
    let chunk = |bytes: usize| format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", " ".repeat(bytes - 2) + "{}");
    let cases = [
        ("OTLP/HTTP Connection", "JSON", post(JSON, "", r#"{"resourceSpans": []}"#), 200, JSON),
        ("OTLP/HTTP Connection", "JSON with a charset", post("application/json; charset=utf-8", "", "{}"), 200, JSON),
        ("OTLP/HTTP Connection", "protobuf", post(PROTOBUF, "", ""), 200, PROTOBUF),
        ("OTLP/HTTP Request", "in pieces", post(JSON, chunked, "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), 200, JSON),
        ("OTLP/HTTP Request", "nothing in pieces", post(PROTOBUF, chunked, "0\r\n\r\n"), 200, PROTOBUF),
        ("OTLP/HTTP Request", "as many pieces as may be", post(JSON, chunked, &chunk(LIMIT)), 200, JSON),
        ("OTLP/HTTP Request", "one more", post(JSON, chunked, &chunk(LIMIT + 1)), 413, JSON),
        ("OTLP/HTTP Request", "identity", post(PROTOBUF, "content-encoding: identity\r\n", ""), 200, PROTOBUF),
        ("OTLP/HTTP Request", "logs", request("POST", "/v1/logs", JSON, "", "{}"), 200, JSON),
        ("OTLP/HTTP Request", "no pipeline", request("POST", "/v1/metrics", JSON, "", "{}"), 404, JSON),
        ("OTLP/HTTP Request", "no path", request("POST", "/v1/spans", JSON, "", "{}"), 404, JSON),
        ("OTLP/HTTP Request", "GET", request("GET", "/v1/traces", JSON, "", ""), 405, JSON),
        ("OTLP/HTTP Request", "PUT", request("PUT", "/v1/traces", PROTOBUF, "", ""), 405, PROTOBUF),
        ("OTLP/HTTP Response", "another type", post("text/plain", "", "x"), 415, PROTOBUF),
        ("OTLP/HTTP Response", "another encoding", post(JSON, "content-encoding: br\r\n", "x"), 415, JSON),
        ("Bad Data", "not gzip", post(JSON, "content-encoding: gzip\r\n", "plain text"), 400, JSON),
        ("Bad Data", "not JSON", post(JSON, "", "{"), 400, JSON),
        ("Bad Data", "JSON of another shape", post(JSON, "", r#"{"resourceSpans": 1}"#), 400, JSON),
        ("Bad Data", "not protobuf", post(PROTOBUF, "", "not protobuf"), 400, PROTOBUF),
    ];
    for (section, name, request, status, kind) in cases {
        let name = format!("{section}: {name}");
        let reply = way.exchange(request.as_bytes()).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        assert_eq!(reply.headers["content-type"], kind, "{name}");
        assert!(!reply.headers.contains_key("retry-after"), "{name}");
        if status == 405 {
            assert_eq!(reply.headers["allow"], "POST", "{name}");
        }
        if name.ends_with("another encoding") {
            assert_eq!(reply.headers["accept-encoding"], "gzip, zstd, deflate, identity");
        }
        match (status, kind) {
            (200, JSON) => assert_eq!(reply.body, "{}", "{name}"),
            (200, _) => assert_eq!(reply.body, "", "{name}"),
            (_, JSON) => {
                let status: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
                assert!(status["code"].as_i64() > Some(0) && !status["message"].as_str().unwrap().is_empty(), "{name}");
            }
            _ => {
                let status = Status::decode(reply.body).unwrap();
                assert!(status.code > 0 && !status.message.is_empty(), "{name}");
            }
        }
    }
}

/// A browser is told that a page of the configured origin may send, and of no other; such a page may read its answer.
#[tokio::test(flavor = "multi_thread")]
async fn cors() {
    let backend = Running::defaults().await;
    let way = Way::to_grpc(backend.grpc());
    for (origin, may) in [(ORIGIN, true), ("https://evil.example", false)] {
        let mut stream = TcpStream::connect(way.gateway.address("otlp http")).await.unwrap();
        let preflight = format!(
            "OPTIONS /v1/traces HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\
             access-control-request-headers: content-type\r\n\r\n"
        );
        stream.write_all(preflight.as_bytes()).await.unwrap();
        let head = String::from_utf8(read_head(&mut stream).await).unwrap();
        assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
        let allowed = format!("access-control-allow-origin: {origin}\r\n");
        assert_eq!(
            (head.contains(&allowed), head.contains("access-control-allow-methods: POST\r\n")),
            (may, may),
            "{head}"
        );
        let reply = way.over_http("traces", JSON, &format!("origin: {origin}\r\n"), b"{}").await;
        assert_eq!(reply.status, 200);
        let found = reply.headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap());
        assert_eq!(found, may.then_some(origin));
    }
}
