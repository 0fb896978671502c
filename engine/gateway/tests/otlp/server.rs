//! What both transports answer.

use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::Value;
use tonic::Code;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_transport::{Accepted, Answer};

use crate::peers::{Reply, Running, Script, framed};
use crate::way::{BAD_REQUEST, Detail, JSON, LIMIT, PROTOBUF, RETRY_INFO, Status, Way, is_retryable_http};

/// What a row sends, in protobuf or JSON.
#[derive(Clone, Copy)]
enum Sent {
    /// So many spans, and so many with a trace id of a wrong length.
    Spans(usize, usize),
    Nothing,
    Rubbish,
    /// A valid request of exactly so many bytes.
    Bytes(usize),
}

/// What a row expects.
struct Row {
    section: &'static str,
    what: &'static str,
    sent: Sent,
    /// Of the backend; `None`: nothing comes to it.
    backend: Option<Answer>,
    /// Rows that the answer says were rejected; `None`: `partial_success` is unset, or it is an error.
    rejected: Option<i64>,
    grpc: Code,
    http: u16,
    /// RetryInfo, and `Retry-After` in whole seconds.
    retry_after: Option<u64>,
}

fn rows() -> Vec<Row> {
    let row = |section, what, sent, backend, grpc, http| Row {
        section,
        what,
        sent,
        backend,
        rejected: None,
        grpc,
        http,
        retry_after: None,
    };
    let taken = || Some(Ok(Accepted::default()));
    let refused = |kind| Some(Err(Refusal::new(kind, "because")));
    let later =
        Refusal { retry_after: Some(Duration::from_millis(1500)), ..Refusal::new(RefusalKind::Unavailable, "later") };
    let in_part = Some(Ok(Accepted { rejected: 1, message: "one of them".into() }));
    let (one, two) = (Sent::Spans(1, 0), Sent::Spans(2, 0));
    let (request, throttling) = ("OTLP/gRPC Request, OTLP/HTTP Request", "OTLP/gRPC Throttling, OTLP/HTTP Throttling");
    use RefusalKind::{DeadlineExceeded, Internal, Invalid, PermissionDenied, TooLarge, Unauthenticated, Unavailable};
    vec![
        row("Full Success", "everything is taken", two, taken(), Code::Ok, 200),
        row("Full Success", "nothing is in it", Sent::Nothing, None, Code::Ok, 200),
        // An acknowledgement is between two nodes: the gateway has taken it all, and counts what the backend has not.
        row("Full Success", "the backend takes a part", two, in_part, Code::Ok, 200),
        Row {
            rejected: Some(2),
            ..row("Partial Success", "two ids are wrong", Sent::Spans(1, 2), taken(), Code::Ok, 200)
        },
        Row {
            rejected: Some(2),
            ..row("Partial Success", "all ids are wrong", Sent::Spans(0, 2), None, Code::Ok, 200)
        },
        row(request, "as large as it may be", Sent::Bytes(LIMIT), taken(), Code::Ok, 200),
        row(request, "one byte larger", Sent::Bytes(LIMIT + 1), None, Code::ResourceExhausted, 413),
        row(request, "much larger", Sent::Bytes(8 * LIMIT), None, Code::ResourceExhausted, 413),
        row("Bad Data", "it is no request", Sent::Rubbish, None, Code::InvalidArgument, 400),
        row("Bad Data", "the backend says that it is wrong", one, refused(Invalid), Code::InvalidArgument, 400),
        row(throttling, "no backend for now", one, refused(Unavailable), Code::Unavailable, 503),
        Row {
            retry_after: Some(2),
            ..row(throttling, "no backend for a while", one, Some(Err(later)), Code::Unavailable, 503)
        },
        row("Failures", "a slow backend", one, refused(DeadlineExceeded), Code::Unavailable, 503),
        row("Failures", "too large for the backend", one, refused(TooLarge), Code::ResourceExhausted, 413),
        // These are the operator's matter, not the sender's.
        row("Failures", "the backend does not know us", one, refused(Unauthenticated), Code::Internal, 500),
        row("Failures", "the backend does not let us", one, refused(PermissionDenied), Code::Internal, 500),
        row("Failures", "the backend fails on it", one, refused(Internal), Code::Internal, 500),
    ]
}

/// Every row over gRPC, compressed and not.
#[tokio::test(flavor = "multi_thread")]
async fn over_grpc() {
    let mut backend = Running::defaults().await;
    let way = Way::to_grpc(backend.grpc());
    for compressed in [false, true] {
        for row in rows() {
            let name = format!("{}: {}, compressed: {compressed}", row.section, row.what);
            script(&backend, &row);
            let body = row.sent.protobuf();
            let body = if compressed { zstd::bulk::compress(&body, 1).unwrap() } else { body };
            let reply = way.framed_over_grpc("traces", framed(u8::from(compressed), &body)).await;
            let status = reply.grpc();
            assert_eq!((reply.status.as_u16(), status.code()), (200, row.grpc), "{name}: {status:?}");
            assert_eq!(reply.headers["content-type"], "application/grpc", "{name}");
            assert_eq!(is_retryable(&status), is_retryable_http(row.http), "{name}");
            if row.grpc == Code::Ok {
                assert_partial_success(&row, rejected_protobuf(reply.body.slice(5..)), &name);
            } else {
                assert!(!status.message().is_empty(), "{name}");
                let details = Status::decode(status.details()).unwrap().details;
                assert_eq!(names(&details), row.details(), "{name}");
            }
            received(&mut backend, &row, &name).await;
        }
    }
}

/// Every row over HTTP, in both content types, each plain and in each encoding.
#[tokio::test(flavor = "multi_thread")]
async fn over_http() {
    let mut backend = Running::defaults().await;
    let way = Way::to_grpc(backend.grpc());
    for content_type in [PROTOBUF, JSON] {
        for encoding in
            ["", "content-encoding: gzip\r\n", "content-encoding: zstd\r\n", "content-encoding: deflate\r\n"]
        {
            for row in rows() {
                let name = format!("{}: {}, {content_type} {encoding}", row.section, row.what);
                script(&backend, &row);
                let body = if content_type == JSON { row.sent.json() } else { row.sent.protobuf() };
                let reply = way.over_http("traces", content_type, encoding, &encoded(encoding, body)).await;
                assert_eq!(reply.status.as_u16(), row.http, "{name}: {reply:?}");
                assert_eq!(reply.headers["content-type"], content_type, "{name}");
                let retry_after = reply.headers.get("retry-after");
                let retry_after = retry_after.map(|value| value.to_str().unwrap().parse().unwrap());
                assert_eq!(retry_after, row.retry_after, "{name}");
                match (row.http, content_type) {
                    (200, PROTOBUF) => assert_partial_success(&row, rejected_protobuf(reply.body), &name),
                    (200, _) => assert_partial_success(&row, rejected_json(&reply), &name),
                    (_, PROTOBUF) => {
                        let status = Status::decode(reply.body).unwrap();
                        assert_eq!((status.code, names(&status.details)), (row.grpc as i32, row.details()), "{name}");
                        assert!(!status.message.is_empty(), "{name}");
                    }
                    _ => assert_status_in_json(&row, &reply, &name),
                }
                received(&mut backend, &row, &name).await;
            }
        }
    }
}

impl Sent {
    fn protobuf(self) -> Vec<u8> {
        match self {
            Sent::Spans(good, bad) => spans(good, bad, "a"),
            Sent::Nothing => Vec::new(),
            Sent::Rubbish => b"\xff\xff\xff".to_vec(),
            Sent::Bytes(bytes) => {
                let around = spans(1, 0, &"x".repeat(bytes)).len() - bytes;
                // One less for each length whose number is shorter then.
                let fits = (bytes - around..bytes).map(|name| spans(1, 0, &"x".repeat(name)));
                fits.into_iter().find(|request| request.len() == bytes).expect("a name that fits")
            }
        }
    }

    fn json(self) -> Vec<u8> {
        let request =
            |spans: &[String]| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","));
        let span =
            |id: usize| format!(r#"{{"traceId":"{}","spanId":"{}","name":"a"}}"#, "01".repeat(id), "01".repeat(8));
        let text = match self {
            Sent::Spans(good, bad) => request(&[vec![span(16); good], vec![span(15); bad]].concat()),
            Sent::Nothing => "{}".to_owned(),
            Sent::Rubbish => r#"{"resourceSpans":1}"#.to_owned(),
            // Space after the document.
            Sent::Bytes(bytes) => {
                let request = request(&[span(16)]);
                let space = bytes - request.len();
                request + &" ".repeat(space)
            }
        };
        text.into_bytes()
    }
}

fn spans(good: usize, bad: usize, name: &str) -> Vec<u8> {
    let span = |id| Span { trace_id: vec![1; id], span_id: vec![1; 8], name: name.to_owned(), ..Span::default() };
    let spans = [vec![span(16); good], vec![span(15); bad]].concat();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn encoded(header: &str, body: Vec<u8>) -> Vec<u8> {
    let name = header.trim_end().rsplit(' ').next().unwrap();
    let mut compress = match name {
        "gzip" => flate2::Compress::new_gzip(flate2::Compression::fast(), 15),
        "deflate" => flate2::Compress::new(flate2::Compression::fast(), true),
        "zstd" => return zstd::bulk::compress(&body, 1).unwrap(),
        _ => return body,
    };
    let mut out = Vec::with_capacity(body.len() + 1024);
    compress.compress_vec(&body, &mut out, flate2::FlushCompress::Finish).unwrap();
    out
}

impl Row {
    /// Names of the details that its status has.
    fn details(&self) -> Vec<&'static str> {
        match (self.grpc, self.retry_after) {
            (Code::InvalidArgument, _) => vec![BAD_REQUEST],
            (_, Some(_)) => vec![RETRY_INFO],
            _ => Vec::new(),
        }
    }
}

fn script(backend: &Running, row: &Row) {
    if let Some(answer) = row.backend.clone() {
        backend.sink.then(Script::Answer(answer));
    }
}

/// The backend got what the row says, once.
async fn received(backend: &mut Running, row: &Row, name: &str) {
    if row.backend.is_some() {
        backend.received.recv().await.unwrap();
    }
    assert!(backend.received.try_recv().is_err(), "{name}");
}

/// By the table of "Failures".
fn is_retryable(status: &tonic::Status) -> bool {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, ResourceExhausted, Unavailable};
    match status.code() {
        Cancelled | DeadlineExceeded | Aborted | OutOfRange | Unavailable | DataLoss => true,
        ResourceExhausted => names(&Status::decode(status.details()).unwrap().details).contains(&RETRY_INFO),
        _ => false,
    }
}

fn names(details: &[Detail]) -> Vec<&str> {
    details.iter().map(|detail| detail.type_url.as_str()).collect()
}

/// The count and the reason, if `partial_success` is set.
fn rejected_protobuf(body: Bytes) -> Option<(i64, String)> {
    let partial = ExportTraceServiceResponse::decode(body).unwrap().partial_success?;
    Some((partial.rejected_spans, partial.error_message))
}

fn rejected_json(reply: &Reply) -> Option<(i64, String)> {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    let partial = answer.get("partialSuccess")?;
    let count = partial["rejectedSpans"].as_str().unwrap().parse().unwrap();
    Some((count, partial["errorMessage"].as_str().unwrap().to_owned()))
}

fn assert_partial_success(row: &Row, found: Option<(i64, String)>, name: &str) {
    assert_eq!(found.as_ref().map(|(count, _)| *count), row.rejected, "{name}");
    assert!(found.is_none_or(|(_, reason)| !reason.is_empty()), "{name}: who rejects says why");
}

fn assert_status_in_json(row: &Row, reply: &Reply, name: &str) {
    let status: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(status["code"], row.grpc as i32, "{name}");
    assert!(!status["message"].as_str().unwrap().is_empty(), "{name}");
    let details = status.get("details").and_then(Value::as_array).cloned().unwrap_or_default();
    let found: Vec<&str> = details.iter().map(|detail| detail["@type"].as_str().unwrap()).collect();
    assert_eq!(found, row.details(), "{name}");
    for detail in &details {
        match detail["@type"].as_str().unwrap() {
            RETRY_INFO => assert_eq!(detail["retryDelay"], "1.500s", "{name}"),
            _ => assert!(!detail["fieldViolations"][0]["description"].as_str().unwrap().is_empty(), "{name}"),
        }
    }
}
