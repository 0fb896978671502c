//! What ties a request's telemetry together passes, and is made: the configurations of `docs/correlation.md`, as they stand there but for
//! their addresses.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill_transport::Protocol;
use wasmill_wire::Signal;

use crate::language::{Client, Gateway, WebBackend, attribute, spans_of, text_of, text_value};

/// A YAML block of the page, with the addresses of a test.
fn shown(number: usize, backend: &WebBackend) -> String {
    let page = include_str!("../../../../docs/correlation.md");
    let block = page.split("```yaml\n").nth(number + 1).and_then(|rest| rest.split("```").next()).expect("a block");
    let address = backend.address().to_string();
    let mut text =
        block.replace("grpc: {include_metadata: true}", "grpc: {endpoint: '127.0.0.1:0', include_metadata: true}");
    text = text.replace("{grpc: , http: }", "{grpc: {endpoint: '127.0.0.1:0'}}");
    for host in ["next-gateway:4317", "jaeger:4317", "loki:3100"] {
        text = text.replace(host, &address);
    }
    text
}

/// Scenario: spans with the state of their trace, sent with the headers of a trace and of baggage.
/// Guarantee: the headers go along where the configuration says so, and the spans as they came, byte by byte.
#[tokio::test(flavor = "multi_thread")]
async fn headers_and_states_pass() {
    let backend = WebBackend::start().await;
    let gateway = Gateway::start(&shown(0, &backend)).await;
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: "vendor=a,ot=th:8".to_owned(),
        links: vec![Link {
            trace_id: vec![3; 16],
            span_id: vec![4; 8],
            trace_state: "b=c".to_owned(),
            ..Link::default()
        }],
        flags: 0x101,
        ..Span::default()
    };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let request: Bytes = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into();
    let headers = [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "congo=t61rcWkgMzE"),
        ("baggage", "user=ada,session=s-42;meta=1"),
    ];
    let client = Client::grpc_with(gateway.address(Protocol::Grpc).await, &headers);
    client.spans(request.clone()).await.unwrap();
    let arrived = backend.requests(1).await.remove(0);
    for (name, value) in headers {
        assert_eq!(arrived.header(name), value);
    }
    // Behind the five bytes of gRPC's frame, where it is not compressed; else the spans are looked at.
    if arrived.body.first() == Some(&0) {
        assert_eq!(arrived.body.slice(5..), request);
    } else {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&arrived.body[5..]), &mut plain).expect("gzip");
        assert_eq!(plain, request);
    }
    gateway.stop().await;
}

/// Scenario: a span and a log record with a user and a session in attributes that were made of baggage, and a record without.
/// Guarantee: both have them by the names of the conventions, the user hashed; what was baggage is gone; a trace's id is with the line.
#[tokio::test(flavor = "multi_thread")]
async fn user_and_session_come_from_baggage() {
    /// The SHA-256 of `ada`.
    const ADA: &str = "fdee430d40bd57deeac186cd9790033d0f06f909a8806e7ce6e717ab7c7d5029";
    let backend = WebBackend::start().await;
    let gateway = Gateway::start(&shown(1, &backend)).await;
    let attributes =
        vec![attribute("baggage.user", "ada"), attribute("baggage.session", "s-42"), attribute("http.route", "/")];
    let record = LogRecord {
        time_unix_nano: 1,
        body: text_value("paid"),
        attributes: attributes.clone(),
        trace_id: vec![0xab; 16],
        ..LogRecord::default()
    };
    let bare = LogRecord { time_unix_nano: 2, body: text_value("idle"), ..LogRecord::default() };
    let scope = ScopeLogs { log_records: vec![record, bare], ..ScopeLogs::default() };
    let logs = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    let request = ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec().into();
    let client = gateway.grpc().await;
    client.send(Signal::Logs, request).await.unwrap();
    let pushed = backend.requests(1).await.remove(0);
    let pushed = snap::raw::Decoder::new().decompress_vec(&pushed.body).expect("snappy");
    let pushed = String::from_utf8_lossy(&pushed);
    for expected in ["session_id", "s-42", "user_id", "http_route", &"ab".repeat(16)] {
        assert!(pushed.contains(expected), "{expected} in {pushed}");
    }
    assert!(!pushed.contains("baggage") && !pushed.contains("ada"), "{pushed}");

    let span = Span { trace_id: vec![0xab; 16], span_id: vec![1; 8], attributes, ..Span::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    client.spans(ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()).await.unwrap();
    let arrived = backend.requests(2).await.remove(1);
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&arrived.body[5..]), &mut plain).expect("gzip");
    let spans = spans_of(&plain);
    let of = |key: &str| text_of(&spans[0].attributes, key).concat();
    assert_eq!(
        (of("session.id"), of("http.route"), of("baggage.user")),
        ("s-42".to_owned(), "/".to_owned(), String::new())
    );
    assert_eq!(of("user.id"), ADA);
    assert!(pushed.contains(ADA), "{pushed}");
    gateway.stop().await;
}
