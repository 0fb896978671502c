//! Which of a backend's answers are sent again, and what the gateway's own client is told then.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use crate::gateway::span;
use crate::peers::{framed, http2_backend, raw_backend, read_head};
use crate::way::{Detail, PROTOBUF, Status, Way, is_retryable_http, log};

/// The largest answer that is read.
const RESPONSE_BYTES_MAX: usize = 4 << 20;

const AT_ONCE: Option<u64> = None;
const IN_A_SECOND: Option<u64> = Some(1);

/// What a backend answers to requests one after another; when nothing is left, that all is well.
struct Answers<T>(Arc<Mutex<(VecDeque<T>, usize)>>);

impl<T> Clone for Answers<T> {
    fn clone(&self) -> Self {
        Answers(Arc::clone(&self.0))
    }
}

impl<T> Answers<T> {
    fn new() -> Answers<T> {
        Answers(Arc::new(Mutex::new((VecDeque::new(), 0))))
    }

    fn next(&self) -> Option<T> {
        let mut answers = self.0.lock().unwrap();
        answers.1 += 1;
        answers.0.pop_front()
    }

    fn then(&self, answer: T) {
        self.0.lock().unwrap().0.push_back(answer);
    }

    /// Requests since it was last asked.
    fn requests(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

/// Each gRPC code, as the table of "Failures" has it: whether it is sent again, when (RetryInfo), and what whoever waits is told where
/// it is not.
#[tokio::test(flavor = "multi_thread")]
async fn grpc_codes() {
    use Code::*;
    let rows = [
        (Cancelled, AT_ONCE, true, Unavailable, 503),
        (Unknown, AT_ONCE, false, Internal, 500),
        (InvalidArgument, AT_ONCE, false, InvalidArgument, 400),
        (DeadlineExceeded, AT_ONCE, true, Unavailable, 503),
        (NotFound, AT_ONCE, false, Internal, 500),
        (AlreadyExists, AT_ONCE, false, Internal, 500),
        (PermissionDenied, AT_ONCE, false, Internal, 500),
        (ResourceExhausted, AT_ONCE, false, ResourceExhausted, 413),
        (ResourceExhausted, IN_A_SECOND, true, Unavailable, 503),
        (FailedPrecondition, AT_ONCE, false, Internal, 500),
        (FailedPrecondition, IN_A_SECOND, false, Internal, 500),
        (Aborted, AT_ONCE, true, Unavailable, 503),
        (OutOfRange, AT_ONCE, true, Unavailable, 503),
        (Unimplemented, AT_ONCE, false, Internal, 500),
        (Internal, AT_ONCE, false, Internal, 500),
        (Unavailable, AT_ONCE, true, Unavailable, 503),
        (Unavailable, IN_A_SECOND, true, Unavailable, 503),
        (DataLoss, AT_ONCE, true, Unavailable, 503),
        (Unauthenticated, AT_ONCE, false, Internal, 500),
    ];
    let answers = Answers::new();
    let way = Way::to_grpc(grpc_backend(answers.clone()).await);
    for (code, retry_after, again, grpc, http) in rows {
        answers.then(grpc_answer(code, retry_after, Vec::new()));
        answers.then(grpc_answer(code, retry_after, Vec::new()));
        check(&way, &answers, &format!("{code:?} {retry_after:?}"), (grpc, http, retry_after.filter(|_| again))).await;
        answers.then(grpc_answer(code, retry_after, Vec::new()));
        check_again(&way, &answers, &format!("{code:?} {retry_after:?}"), again, retry_after).await;
    }
}

/// Each status from 300 on, as "Retryable Response Codes" has them, `Retry-After`, and a backend that hangs up without an answer.
#[tokio::test(flavor = "multi_thread")]
async fn http_statuses() {
    let answers = Answers::new();
    let way = Way::to_http(http_backend(answers.clone()).await);
    for status in 300..=599 {
        let answer = http_answer(status, "", Vec::new());
        let told = match status {
            400 => (Code::InvalidArgument, 400, None),
            413 => (Code::ResourceExhausted, 413, None),
            429 | 502 | 503 | 504 => (Code::Unavailable, 503, None),
            _ => (Code::Internal, 500, None),
        };
        answers.then(answer.clone());
        answers.then(answer.clone());
        check(&way, &answers, &status.to_string(), told).await;
        answers.then(answer);
        check_again(&way, &answers, &status.to_string(), is_retryable_http(status), None).await;
    }
    for status in [429, 502, 503, 504, 400, 500] {
        let (again, answer) = (is_retryable_http(status), http_answer(status, "retry-after: 1\r\n", Vec::new()));
        answers.then(answer);
        check_again(&way, &answers, &format!("{status} with Retry-After"), again, IN_A_SECOND).await;
    }
    answers.then(Vec::new());
    check_again(&way, &answers, "hangs up", true, None).await;
}

/// "Partial Success" is not sent again, whatever its count, and is success for whoever waits: hop by hop, as the specification has it.
/// An answer of 4 MiB is read; of one of a byte more nothing is believed, and it is not asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn successes() {
    let rejected = |count| partial_success(count, 3);
    let largest = of_bytes(RESPONSE_BYTES_MAX);
    let larger = of_bytes(RESPONSE_BYTES_MAX + 1);
    let rows = [
        ("all", rejected(1), true),
        ("a warning", rejected(0), true),
        ("4 MiB", largest, true),
        ("more", larger, false),
    ];
    let grpc = Answers::new();
    let http = Answers::new();
    let mut to_grpc = Way::to_grpc(grpc_backend(grpc.clone()).await);
    let to_http = Way::to_http(http_backend(http.clone()).await);
    let content_type = format!("content-type: {PROTOBUF}\r\n");
    for (name, message, good) in rows {
        grpc.then(grpc_answer(Code::Ok, None, framed(0, &message)));
        let reply = to_grpc.over_grpc("logs", &log()).await;
        let code = if good { Code::Ok } else { Code::Internal };
        assert_eq!((reply.grpc().code(), grpc.requests()), (code, 1), "gRPC, {name}: {reply:?}");
        http.then(http_answer(200, &content_type, message));
        let reply = to_http.over_grpc("logs", &log()).await;
        assert_eq!((reply.grpc().code(), http.requests()), (code, 1), "HTTP, {name}: {reply:?}");
    }
    to_grpc.gateway.says("took the request in part");
    to_grpc.gateway.says("took the request, and warns");
    let long = to_grpc.gateway.says("took the request, and warns");
    assert!(long.len() < 1024, "what a backend says ends in the log as one short line: {} bytes", long.len());
}

/// Sends over both transports what is asked about once, and compares what is told: a code, a status, seconds to wait.
async fn check<T>(way: &Way, answers: &Answers<T>, name: &str, (grpc, http, retry_after): (Code, u16, Option<u64>)) {
    let reply = way.over_grpc("traces", &span()).await;
    let status = reply.grpc();
    assert_eq!(status.code(), grpc, "{name}: {status:?}");
    let details = Status::decode(status.details()).unwrap().details;
    assert_eq!(details.contains(&Detail::retry_in_a_second()), retry_after.is_some(), "{name}: {details:?}");
    let reply = way.over_http("traces", PROTOBUF, "", &span()).await;
    assert_eq!(reply.status.as_u16(), http, "{name}: {reply:?}");
    let found = reply.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    assert_eq!(found, retry_after, "{name}");
    assert_eq!(answers.requests(), 2, "{name}");
}

/// Sends what may be sent again; the backend takes it then.
async fn check_again<T>(way: &Way, answers: &Answers<T>, name: &str, again: bool, retry_after: Option<u64>) {
    let start = Instant::now();
    let reply = way.over_grpc("logs", &log()).await;
    assert_eq!(reply.grpc().code() == Code::Ok, again, "{name}: {reply:?}");
    assert_eq!(answers.requests(), 1 + usize::from(again), "{name}");
    if again {
        let asked = Duration::from_secs(retry_after.unwrap_or(0));
        assert!(start.elapsed() >= asked, "{name}: sent again after {:?}", start.elapsed());
    }
}

type GrpcAnswer = Response<BoxBody<Bytes, Infallible>>;

async fn grpc_backend(answers: Answers<GrpcAnswer>) -> SocketAddr {
    http2_backend(move |request| {
        let answers = answers.clone();
        async move {
            request.into_body().collect().await.unwrap();
            answers.next().unwrap_or_else(|| grpc_answer(Code::Ok, None, framed(0, b"")))
        }
    })
    .await
}

fn grpc_answer(code: Code, retry_after: Option<u64>, body: Vec<u8>) -> GrpcAnswer {
    let details = match retry_after {
        Some(_) => Status { code: code as i32, message: "why".into(), details: vec![Detail::retry_in_a_second()] }
            .encode_to_vec(),
        None => Vec::new(),
    };
    let mut trailers = HeaderMap::new();
    tonic::Status::with_details(code, "why", details.into()).add_header(&mut trailers).unwrap();
    let body = Full::new(Bytes::from(body)).with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::builder().header("content-type", "application/grpc").body(body.boxed()).unwrap()
}

/// Answers one request of each connection, and closes it.
async fn http_backend(answers: Answers<Vec<u8>>) -> SocketAddr {
    raw_backend(move |mut stream| {
        let answers = answers.clone();
        async move {
            let head = String::from_utf8(read_head(&mut stream).await).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            stream.read_exact(&mut vec![0; length.parse().unwrap()]).await.unwrap();
            let answer = answers.next().unwrap_or_else(|| http_answer(200, "", Vec::new()));
            // Who is given more than it reads may go before the end.
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

fn http_answer(status: u16, headers: &str, body: Vec<u8>) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

fn partial_success(rejected_spans: i64, message_bytes: usize) -> Vec<u8> {
    let partial = ExportTracePartialSuccess { rejected_spans, error_message: "x".repeat(message_bytes) };
    ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
}

/// A valid answer of exactly so many bytes.
fn of_bytes(bytes: usize) -> Vec<u8> {
    let around = partial_success(0, bytes).len() - bytes;
    let answer = partial_success(0, bytes - around);
    assert_eq!(answer.len(), bytes, "the lengths within it have as many digits");
    answer
}
