//! OTLP/JSON over HTTP, as clients see it.

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_transport::settings::{Compression, HttpClientSettings, HttpServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Budget, ContentType, HttpClient};
use wasmill_wire::Signal;

use crate::peers::{Reply, Running, Script, canned, exchange, http_settings};

fn post(path: &str, content_type: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{headers}");
    [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn traces(body: &str) -> Vec<u8> {
    post("/v1/traces", "application/json", "", body.as_bytes())
}

fn body(reply: &Reply) -> Value {
    assert_eq!(reply.headers["content-type"], "application/json", "{reply:?}");
    serde_json::from_slice(&reply.body).unwrap()
}

/// Each signal, with the parameters that a content type may have and in each encoding: the sink gets protobuf, the client
/// an answer in JSON.
#[tokio::test]
async fn accepts() {
    let mut server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let document = br#" {"resourceLogs": [{"scope_logs": [], "schemaUrl": "s", "unknown": [{}]}]} "#;
    let message = b"\x0a\x03\x1a\x01s";
    let zstd = zstd::bulk::compress(document, 3).unwrap();
    for (content_type, headers, sent) in [
        ("application/json", "", &document[..]),
        ("application/json; charset=utf-8", "", document),
        ("Application/JSON;charset=\"UTF-8\"", "", document),
        ("application/json", "content-encoding: zstd\r\n", &zstd),
    ] {
        let reply = exchange(&mut stream, &post("/v1/logs", content_type, headers, sent)).await;
        assert_eq!((reply.status.as_u16(), body(&reply)), (200, json!({})));
        let request = server.received.recv().await.unwrap();
        assert_eq!((request.signal, request.content), (Signal::Logs, ContentType::Json));
        assert_eq!((&*request.payload, request.wire_bytes), (&message[..], sent.len()));
    }
    for (path, signal) in [("/v1/traces", Signal::Traces), ("/v1/metrics", Signal::Metrics)] {
        let reply = exchange(&mut stream, &post(path, "application/json", "", b"{}")).await;
        assert_eq!(reply.status.as_u16(), 200);
        let request = server.received.recv().await.unwrap();
        assert_eq!((request.signal, request.payload.len()), (signal, 0));
    }
}

/// Partial success and refusals are told in JSON: counts as texts, as 64-bit integers are.
#[tokio::test]
async fn answers() {
    let server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let names =
        [("/v1/traces", "rejectedSpans"), ("/v1/metrics", "rejectedDataPoints"), ("/v1/logs", "rejectedLogRecords")];
    for (path, name) in names {
        server.sink.then(Script::Answer(Ok(Accepted { rejected: 2, message: "\"ids\"".into() })));
        let reply = exchange(&mut stream, &post(path, "application/json", "", b"{}")).await;
        assert_eq!(reply.status.as_u16(), 200);
        assert_eq!(body(&reply), json!({"partialSuccess": {name: "2", "errorMessage": "\"ids\""}}));
    }
    server.sink.then(Script::Answer(Err(Refusal::new(RefusalKind::Unavailable, "because"))));
    let reply = exchange(&mut stream, &traces("{}")).await;
    assert_eq!((reply.status.as_u16(), body(&reply)), (503, json!({"code": 14, "message": "because"})));
}

/// What is no document is refused as invalid, with its place, and reaches no sink; the connection goes on.
#[tokio::test]
async fn refused_documents() {
    let mut server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    for (document, message) in [
        ("", "not valid OTLP/JSON at byte 0: expected an object, found the end"),
        ("[]", "not valid OTLP/JSON at byte 0: expected an object, found a list"),
        (
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7}]}]}]}"#,
            "not valid OTLP/JSON at byte 54: `traceId` is an id, a text of pairs of hexadecimal digits, found a number",
        ),
        ("{} trailing", "not valid OTLP/JSON at byte 3: expected the end of the document, found something else"),
    ] {
        let reply = exchange(&mut stream, &traces(document)).await;
        let why = json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"description": message}]});
        let status = json!({"code": 3, "message": message, "details": [why]});
        assert_eq!((reply.status.as_u16(), body(&reply)), (400, status));
    }
    let reply =
        exchange(&mut stream, &post("/v1/traces", "application/json", "content-encoding: gzip\r\n", b"{}")).await;
    assert_eq!((reply.status.as_u16(), &body(&reply)["code"]), (400, &json!(3)));
    assert!(server.received.try_recv().is_err(), "nothing reached the sink");
    assert_eq!(server.sink.refused.lock().unwrap().len(), 5);
    assert_eq!(server.budget.taken(), 0);
}

/// The limit is on the document and on the request that it becomes; what is taken holds the budget for the request, and
/// while it becomes one, for both.
#[tokio::test]
async fn limits_and_budget() {
    const LIMIT: usize = 400_000;
    let http = HttpServerSettings { request_bytes_max: LIMIT, ..http_settings() };
    let settings = ServerSettings { grpc: None, http: Some(http) };
    // Twice the largest, and what an open request takes beside its body.
    let mut server = Running::start(settings, Budget::new(2 * LIMIT + 10_000)).await;
    let url = |len: usize| format!(r#"{{"resourceSpans":[{{"schemaUrl":"{}"}}]}}"#, "u".repeat(len));
    let around = url(0).len();
    let counts = |count: usize| {
        let list = "1,".repeat(count);
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"bucketCounts":[{list}1]}}]}}}}]}}]}}]}}"#
        )
    };
    let metrics = |count| post("/v1/metrics", "application/json", "", counts(count).as_bytes());
    for (request, status) in [
        (traces(&url(LIMIT - around)), 200),
        (traces(&url(LIMIT - around + 1)), 413),
        (metrics(40_000), 200),
        // As protobuf over the limit, as JSON not.
        (metrics(60_000), 413),
    ] {
        let mut stream = TcpStream::connect(server.http()).await.unwrap();
        let reply = exchange(&mut stream, &request).await;
        assert_eq!(reply.status.as_u16(), status);
        while let Ok(request) = server.received.try_recv() {
            assert!(server.budget.taken() >= request.payload.len());
            assert!(server.budget.taken() <= request.payload.len() / 4 * 5 + 1, "the document is gone");
        }
        assert_eq!(server.budget.taken(), 0);
    }
    // With one request held there is not room for the next and its document.
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    assert_eq!(exchange(&mut stream, &traces(&url(300_000))).await.status.as_u16(), 200);
    let held = server.received.recv().await.unwrap();
    let reply = exchange(&mut stream, &traces(&url(300_000))).await;
    assert_eq!((reply.status.as_u16(), &body(&reply)["code"]), (503, &json!(14)));
    assert_eq!(reply.headers["retry-after"], "1");
    drop(held);
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    assert_eq!(exchange(&mut stream, &traces(&url(300_000))).await.status.as_u16(), 200);
}

/// The official messages' type understands what was made of a document.
#[tokio::test]
async fn what_arrives_is_the_official_message() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    let mut server = Running::defaults().await;
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let document = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","kind":2,"startTimeUnixNano":"1544712660000000000"}]}]}]}"#;
    assert_eq!(exchange(&mut stream, &traces(document)).await.status.as_u16(), 200);
    let request = ExportTraceServiceRequest::decode(server.received.recv().await.unwrap().payload).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.kind, span.start_time_unix_nano), (2, 1_544_712_660_000_000_000));
    assert_eq!(span.trace_id[..4], [0x5b, 0x8e, 0xff, 0xf7]);
}

/// What our client sends in JSON is what our server receives, small and large, compressed and not; and it understands the
/// server's answers.
#[tokio::test]
async fn our_client_speaks_it() {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    let request = |logs: usize| {
        let log = LogRecord { severity_text: "text".repeat(10), time_unix_nano: 7, ..LogRecord::default() };
        let scope_logs = vec![ScopeLogs { log_records: vec![log; logs], ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
        Bytes::from(ExportLogsServiceRequest { resource_logs }.encode_to_vec())
    };
    let mut server = Running::defaults().await;
    let client = |compression| {
        let endpoint = format!("http://{}", server.http());
        let content = ContentType::Json;
        HttpClient::new(HttpClientSettings { endpoint, compression, content, ..HttpClientSettings::default() }).unwrap()
    };
    let clients = [client(Compression::None), client(Compression::Gzip)];
    for client in &clients {
        for logs in [0, 1, 20_000] {
            assert_eq!(client.send(Signal::Logs, request(logs)).await.unwrap(), Accepted::default());
            let received = server.received.recv().await.unwrap();
            assert_eq!((received.signal, received.content), (Signal::Logs, ContentType::Json));
            let decode = |payload: Bytes| ExportLogsServiceRequest::decode(payload).unwrap();
            let (found, expected) = (decode(received.payload), decode(request(logs)));
            assert!(found == expected, "{logs}: {:.600?}", found.resource_logs.first());
        }
        for rejected in [0, 3] {
            let partial = Accepted { rejected, message: "ünable".into() };
            server.sink.then(Script::Answer(Ok(partial.clone())));
            assert_eq!(client.send(Signal::Logs, request(1)).await.unwrap(), partial);
        }
        server.sink.then(Script::Answer(Err(Refusal::new(RefusalKind::Unavailable, "ünable"))));
        let error = client.send(Signal::Logs, request(1)).await.unwrap_err();
        assert!(error.is_retryable() && error.refusal().reason.ends_with("ünable"), "{error}");
        while server.received.try_recv().is_ok() {}
    }
    let error = clients[0].send(Signal::Logs, Bytes::from_static(b"\xff")).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
}

/// A backend's answer in JSON that is none is an error that says so; one that has more than we know is not.
#[tokio::test]
async fn odd_answers() {
    let answers: [(&'static [u8], Option<&str>); 3] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"x\":{}}", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\nconnection: close\r\n\r\nok", Some("not valid OTLP/JSON")),
        (
            b"HTTP/1.1 400 No\r\ncontent-length: 26\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"code\":3,\"message\":\"why\"}",
            Some("why"),
        ),
    ];
    for (answer, text) in answers {
        let (address, _requests) = canned(answer).await;
        let endpoint = format!("http://{address}");
        let client = HttpClient::new(HttpClientSettings { endpoint, ..HttpClientSettings::default() }).unwrap();
        match (client.send(Signal::Logs, Bytes::new()).await, text) {
            (Ok(accepted), None) => assert_eq!(accepted, Accepted::default()),
            (Err(error), Some(text)) => {
                assert!(!error.is_retryable() && error.to_string().contains(text), "{error}");
                assert!(!error.to_string().contains("{"), "{error}");
            }
            (other, text) => panic!("{other:?}, expected {text:?}"),
        }
    }
}
