//! OTLP/gRPC as clients see it.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_transport::settings::{GrpcServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Budget, Protocol, grpc_code};
use wasmill_wire::Signal;

use crate::peers::{Running, Script, both, call, framed, grpc_request, grpc_settings, http2};

fn spans(count: usize) -> ExportTraceServiceRequest {
    let span = Span { trace_id: vec![7; 16], span_id: vec![8; 8], name: "GET /cart".into(), ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span; count], ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

async fn tonic_channel(server: &Running) -> tonic::transport::Channel {
    let uri = format!("http://{}", server.grpc());
    tonic::transport::Endpoint::new(uri).unwrap().connect().await.unwrap()
}

/// The official client delivers, in each encoding and for each signal: the sink has the request's bytes, the client full
/// success with `partial_success` unset.
#[tokio::test]
async fn official_client_delivers() {
    let mut server = Running::defaults().await;
    let channel = tonic_channel(&server).await;
    for encoding in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let mut client = TraceServiceClient::new(channel.clone());
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        for count in [0, 1, 20_000] {
            let sent = spans(count);
            let answer = client.export(sent.clone()).await.unwrap().into_inner();
            assert_eq!(answer.partial_success, None);
            let request = server.received.recv().await.unwrap();
            assert_eq!((request.signal, request.protocol), (Signal::Traces, Protocol::Grpc));
            assert!(request.payload == sent.encode_to_vec(), "{encoding:?} {count}");
            assert_eq!(encoding.is_some() && count == 20_000, request.wire_bytes * 4 < request.payload.len());
            assert!(request.context.peer.is_some());
        }
    }
    MetricsServiceClient::new(channel.clone()).export(ExportMetricsServiceRequest::default()).await.unwrap();
    assert_eq!(server.received.recv().await.unwrap().signal, Signal::Metrics);
    LogsServiceClient::new(channel).export(ExportLogsServiceRequest::default()).await.unwrap();
    assert_eq!(server.received.recv().await.unwrap().signal, Signal::Logs);
}

/// The sink takes a part: the official client reads how many were rejected, and why.
#[tokio::test]
async fn partial_success() {
    let server = Running::defaults().await;
    let accepted = Accepted { rejected: 3, message: "ids of a wrong length".into() };
    server.sink.then(Script::Answer(Ok(accepted)));
    let answer = TraceServiceClient::new(tonic_channel(&server).await).export(spans(4)).await.unwrap().into_inner();
    let partial = answer.partial_success.unwrap();
    assert_eq!((partial.rejected_spans, &*partial.error_message), (3, "ids of a wrong length"));
}

/// The sink refuses: the official client reads the code of the table, the reason, and RetryInfo where there is a time.
#[tokio::test]
async fn refusals() {
    let server = Running::defaults().await;
    let mut client = TraceServiceClient::new(tonic_channel(&server).await);
    let kinds = [
        (RefusalKind::Unavailable, Code::Unavailable),
        (RefusalKind::DeadlineExceeded, Code::DeadlineExceeded),
        (RefusalKind::TooLarge, Code::ResourceExhausted),
        (RefusalKind::Invalid, Code::InvalidArgument),
        (RefusalKind::NotServed, Code::Unimplemented),
        (RefusalKind::PermissionDenied, Code::PermissionDenied),
        (RefusalKind::Unauthenticated, Code::Unauthenticated),
        (RefusalKind::Internal, Code::Internal),
    ];
    for (kind, code) in kinds {
        assert_eq!(grpc_code(kind), code);
        for retry_after in [None, Some(Duration::from_millis(1500))] {
            let refusal = Refusal { retry_after, ..Refusal::new(kind, "because: 100 % \"ü\"\n") };
            server.sink.then(Script::Answer(Err(refusal)));
            let status = client.export(spans(1)).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (code, "because: 100 % \"ü\"\n"));
            let has_retry_info = String::from_utf8_lossy(status.details()).contains("google.rpc.RetryInfo");
            assert_eq!(has_retry_info, retry_after.is_some() && kind.is_retryable(), "{kind:?}");
        }
    }
}

/// Requests that no client library sends get the code that says what is wrong, and never reach the sink.
#[tokio::test]
async fn malformed_requests() {
    let server = Running::defaults().await;
    let mut raw = http2(server.grpc()).await;
    let good = || grpc_request(server.grpc(), framed(0, b""));
    let with = |name: &'static str, value: &'static str, body: Vec<u8>| {
        let mut request = grpc_request(server.grpc(), body);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let unknown = |path: &str| {
        let mut request = good();
        *request.uri_mut() = format!("http://{}{path}", server.grpc()).parse().unwrap();
        request
    };
    let cases = [
        ("no method", unknown("/opentelemetry.proto.collector.trace.v1.TraceService/Import"), Code::Unimplemented),
        ("HTTP's path", unknown("/v1/traces"), Code::Unimplemented),
        ("encoding", with("grpc-encoding", "snappy", framed(1, b"x")), Code::Unimplemented),
        ("timeout", with("grpc-timeout", "soon", framed(0, b"")), Code::InvalidArgument),
        ("no message", grpc_request(server.grpc(), Bytes::new()), Code::InvalidArgument),
        ("short", grpc_request(server.grpc(), framed(0, b"abc")[..7].to_vec()), Code::InvalidArgument),
        ("long", grpc_request(server.grpc(), [framed(0, b"a"), vec![1]].concat()), Code::InvalidArgument),
        ("flag", grpc_request(server.grpc(), framed(7, b"a")), Code::InvalidArgument),
        ("flag without encoding", grpc_request(server.grpc(), framed(1, b"a")), Code::Internal),
        ("not gzip", with("grpc-encoding", "gzip", framed(1, b"plain text")), Code::InvalidArgument),
        ("not zstd", with("grpc-encoding", "zstd", framed(1, b"plain text")), Code::InvalidArgument),
    ];
    for (name, request, code) in cases {
        let reply = call(&mut raw, request).await;
        assert_eq!(reply.status, StatusCode::OK, "{name}");
        assert_eq!(reply.grpc().code(), code, "{name}: {:?}", reply.grpc());
        assert!(!reply.grpc().message().is_empty(), "{name}");
        if name == "encoding" {
            assert_eq!(reply.headers["grpc-accept-encoding"], "identity,gzip,zstd");
        }
    }
    let refused = server.sink.refused.lock().unwrap().len();
    assert_eq!(refused, 8, "those to a method of ours, in an encoding of ours, are told to the sink");

    let mut get = good();
    *get.method_mut() = http::Method::GET;
    assert_eq!(call(&mut raw, get).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let reply = call(&mut raw, with("content-type", "application/x-protobuf", framed(0, b""))).await;
    assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let reply = call(&mut raw, good()).await;
    assert_eq!((reply.grpc().code(), &*reply.body), (Code::Ok, &[0; 5][..]), "the connection serves on");
}

/// A message of the limit is taken; one byte more, announced, compressed or not, is RESOURCE_EXHAUSTED without RetryInfo.
#[tokio::test]
async fn limits() {
    const LIMIT: usize = 300_000;
    let grpc = GrpcServerSettings { request_bytes_max: LIMIT, ..grpc_settings() };
    let settings = ServerSettings { grpc: Some(grpc), http: None };
    let server = Running::start(settings, Budget::unlimited()).await;
    let mut raw = http2(server.grpc()).await;
    let zstd = |len| zstd::bulk::compress(&vec![b'x'; len], 3).unwrap();
    let cases = [
        (framed(0, &vec![b'x'; LIMIT]), Code::Ok),
        (framed(0, &vec![b'x'; LIMIT + 1]), Code::ResourceExhausted),
        (vec![0, 0xff, 0xff, 0xff, 0xff, 1], Code::ResourceExhausted),
        (framed(1, &zstd(LIMIT)), Code::Ok),
        (framed(1, &zstd(LIMIT + 1)), Code::ResourceExhausted),
        (framed(1, &zstd(1 << 30)), Code::ResourceExhausted),
    ];
    for (body, code) in cases {
        let mut request = grpc_request(server.grpc(), body);
        request.headers_mut().insert("grpc-encoding", "zstd".parse().unwrap());
        let reply = call(&mut raw, request).await;
        assert_eq!(reply.grpc().code(), code);
        assert!(reply.grpc().details().is_empty());
    }
}

/// The process's budget is spent by a request that is still held: the next is told to come again, and fits once the first
/// is gone.
#[tokio::test]
async fn budget() {
    let mut server = Running::start(both(), Budget::new(100_000)).await;
    let mut raw = http2(server.grpc()).await;
    let request = || grpc_request(server.grpc.unwrap(), framed(0, &[1; 80_000]));
    assert_eq!(call(&mut raw, request()).await.grpc().code(), Code::Ok);
    let held = server.received.recv().await.unwrap().payload;
    assert_eq!(server.budget.taken(), 80_000);

    let status = call(&mut raw, request()).await.grpc();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(String::from_utf8_lossy(status.details()).contains("google.rpc.RetryInfo"));
    assert_eq!(server.budget.taken(), 80_000, "what the refused request took is back");

    drop(held);
    assert_eq!(call(&mut raw, request()).await.grpc().code(), Code::Ok);
}

/// The sink takes longer than the caller's `grpc-timeout`: the caller is told so by then, and the sink's future ends.
#[tokio::test]
async fn deadline() {
    let mut server = Running::defaults().await;
    let dropped = server.sink.then_hang();
    let mut raw = http2(server.grpc()).await;
    let mut request = grpc_request(server.grpc(), framed(0, b"spans"));
    request.headers_mut().insert("grpc-timeout", "50S".parse().unwrap());
    let calling = tokio::spawn(async move { call(&mut raw, request).await });
    assert!(server.received.recv().await.unwrap().context.deadline.is_some());
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    assert_eq!(calling.await.unwrap().grpc().code(), Code::DeadlineExceeded);
    assert!((49..=50).contains(&start.elapsed().as_secs()));
    dropped.await;
}

/// The caller goes while the sink works: the sink's future is dropped, as its contract says.
#[tokio::test]
async fn the_caller_goes() {
    let mut server = Running::defaults().await;
    let dropped = server.sink.then_hang();
    let mut raw = http2(server.grpc()).await;
    let call = tokio::spawn(async move {
        let request = grpc_request(server.grpc.unwrap(), framed(0, b"spans"));
        let _ = raw.send_request(request).await;
    });
    server.received.recv().await.unwrap();
    call.abort();
    dropped.await;
}

/// Metadata is kept only where it is asked for; the caller's trace context always is.
#[tokio::test]
async fn metadata() {
    for include_metadata in [false, true] {
        let grpc = GrpcServerSettings { include_metadata, ..grpc_settings() };
        let mut server = Running::start(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited()).await;
        let mut raw = http2(server.grpc()).await;
        let mut request = grpc_request(server.grpc(), framed(0, b""));
        request.headers_mut().insert("x-tenant", "blue".parse().unwrap());
        request.headers_mut().insert("traceparent", "00-aa-bb-01".parse().unwrap());
        call(&mut raw, request).await;
        let context = server.received.recv().await.unwrap().context;
        assert_eq!(context.metadata("x-tenant"), include_metadata.then_some("blue"));
        assert_eq!(context.trace_parent.as_deref(), Some("00-aa-bb-01"));
    }
}
