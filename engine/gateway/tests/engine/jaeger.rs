//! Spans to Jaeger: what becomes a POST, what is sent again, and what is not.

#[path = "../../../jaeger/tests/encode/decoder.rs"]
#[allow(dead_code, reason = "the crate's own tests look at more of it")]
mod decoder;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::language::{Gateway, Push, PushBackend, Reply, attribute};

/// An exporter `jaeger` alone, with more settings of its own.
fn relay(backend: &PushBackend, settings: &str) -> String {
    format!(
        "
exporters:
  jaeger:
    endpoint: 'http://ann:s3cret@{}/api/traces'
    retry_on_failure: {{initial_interval: 1ms, max_interval: 5ms}}
{settings}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger]}}
",
        backend.address()
    )
}

/// A resource for each service, each with spans of these names.
fn services(services: &[(&str, &[&str])]) -> Bytes {
    let mut id = 0u64;
    let mut span = |name: &&str| {
        id += 1;
        Span { trace_id: vec![7; 16], span_id: id.to_be_bytes().to_vec(), name: (*name).into(), ..Span::default() }
    };
    let resource_spans = services.iter().map(|(service, names)| {
        let resource = Resource { attributes: vec![attribute("service.name", service)], ..Resource::default() };
        let scope_spans = vec![ScopeSpans { spans: names.iter().map(&mut span).collect(), ..ScopeSpans::default() }];
        ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec().into()
}

/// What a push holds, as `service: name name`.
fn held(push: &Push) -> String {
    let batch = decoder::batch(&push.body);
    let names: Vec<_> = batch.spans.iter().map(|span| span.name.as_str()).collect();
    format!("{}: {}", batch.service, names.join(" "))
}

/// What the backend took, in order.
fn taken(pushes: &[Push]) -> Vec<String> {
    let is_taken = |push: &&Push| matches!(push.reply, Reply::Status(202) | Reply::TakenCutOff);
    pushes.iter().filter(is_taken).map(held).collect()
}

const SENT: &str = r#"otelcol_exporter_sent_spans_total{exporter="jaeger"}"#;
const FAILED: &str = r#"otelcol_exporter_send_failed_spans_total{exporter="jaeger"}"#;

/// Each service is a POST of its own, to the path that is configured, with credentials, and says what it is.
#[tokio::test(flavor = "multi_thread")]
async fn each_service_is_a_post() {
    let backend = PushBackend::start().await;
    let gateway = Gateway::start(&relay(&backend, "    headers: {x-tenant: a}")).await;
    gateway.grpc().await.spans(services(&[("shop", &["a", "b"]), ("pay", &["c"]), ("shop", &["d"])])).await.unwrap();
    let pushes = backend.wait_for(2).await;
    assert_eq!(taken(&pushes), ["shop: a b d", "pay: c"]);
    let head = &pushes[0].head;
    for line in ["post /api/traces http/1.1", "content-type: application/vnd.apache.thrift.binary", "x-tenant: a"] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    // `ann:s3cret`, in base64; the head is in lower case here.
    assert!(head.contains("authorization: basic yw5uonmzy3jlda=="), "{head}");
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await.map(|value| value.unwrap_or(0.0)), [4.0, 0.0]);
}

/// Scenario: the backend takes the first service, refuses the second for good, and the third with each failure that passes.
/// Guarantee: everything that it takes it gets once; the second's spans are counted as failed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_not_sent_again() {
    let passing = [
        Reply::Status(500),
        Reply::Status(503),
        Reply::StatusWith(429, "retry-after: 0\r\n"),
        Reply::HalfAnAnswer,
        Reply::NotHttp,
    ];
    let first = [Reply::Status(202), Reply::Status(400)];
    let backend = PushBackend::answering(first.into_iter().chain(passing), Reply::Status(202)).await;
    let gateway = Gateway::start(&relay(&backend, "")).await;
    gateway.grpc().await.spans(services(&[("a", &["1"]), ("b", &["2", "3"]), ("c", &["4"])])).await.unwrap();
    let pushes = backend.wait_for(8).await;
    let services: Vec<_> = pushes.iter().map(|push| held(push).split(':').next().unwrap().to_owned()).collect();
    assert_eq!(services, ["a", "b", "c", "c", "c", "c", "c", "c"]);
    assert_eq!(taken(&pushes), ["a: 1", "c: 4"]);
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await, [Some(2.0), Some(2.0)]);
}

/// An answer that says that the data was taken and then breaks off is an answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_one() {
    let backend = PushBackend::answering([Reply::TakenCutOff], Reply::Status(202)).await;
    let gateway = Gateway::start(&relay(&backend, "    sending_queue: {enabled: false}")).await;
    let client = gateway.grpc().await;
    client.spans(services(&[("a", &["1"])])).await.unwrap();
    client.spans(services(&[("a", &["2"])])).await.unwrap();
    assert_eq!(taken(&backend.pushes()), ["a: 1", "a: 2"]);
}

/// A backend that never answers is given up after `timeout`, and asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_backend_is_asked_again() {
    let backend = PushBackend::answering([Reply::Nothing], Reply::Status(202)).await;
    let gateway = Gateway::start(&relay(&backend, "    timeout: 50ms")).await;
    gateway.grpc().await.spans(services(&[("a", &["1"]), ("b", &["2"])])).await.unwrap();
    let pushes = backend.wait_for(3).await;
    assert_eq!(taken(&pushes), ["a: 1", "b: 2"]);
}

/// Scenario: no queue. The backend takes one service, and refuses the other for good; then all; then for now, for longer than is tried.
/// Guarantee: what was taken in part is taken; a refusal of all is the client's answer, with the backend's words and the right code; and
/// what was taken before the end is counted as sent.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_the_answer_is_jaeger_s() {
    let replies = [202, 400, 400, 400, 202].map(Reply::Status);
    let backend = PushBackend::answering(replies, Reply::Status(503)).await;
    let settings = "    sending_queue: {enabled: false}";
    let yaml = relay(&backend, settings).replace("max_interval: 5ms", "max_interval: 5ms, max_elapsed_time: 20ms");
    let gateway = Gateway::start(&yaml).await;
    let client = gateway.grpc().await;
    let both = || services(&[("a", &["1"]), ("b", &["2"])]);
    client.spans(both()).await.unwrap();
    let error = client.spans(both()).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("400"), "{error}");
    let error = client.spans(both()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("503"), "{error}");
    let pushes = backend.pushes();
    assert_eq!(taken(&pushes), ["a: 1", "a: 1"]);
    assert!(pushes.iter().skip(5).all(|push| held(push) == "b: 2"), "the first service was sent again");
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await, [Some(2.0), Some(4.0)]);
}

/// Spans without ids, which Jaeger cannot show, are left out and counted; a batch is not larger than configured.
#[tokio::test(flavor = "multi_thread")]
async fn what_jaeger_cannot_hold_is_counted() {
    let backend = PushBackend::start().await;
    let gateway = Gateway::start(&relay(&backend, "    max_batch_bytes: 1KiB")).await;
    let long = "x".repeat(400);
    let names = [&*long, "", &long, &long, &long];
    let request = services(&[("a", &names)]);
    let mut request = ExportTraceServiceRequest::decode(request).unwrap();
    request.resource_spans[0].scope_spans[0].spans[1].span_id = vec![0; 8];
    gateway.grpc().await.spans(request.encode_to_vec().into()).await.unwrap();
    let pushes = backend.wait_for(2).await;
    let spans: Vec<_> = pushes.iter().map(|push| decoder::batch(&push.body).spans.len()).collect();
    assert_eq!(spans, [2, 2]);
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await, [Some(4.0), Some(1.0)]);
}

/// What waits in a queue on disk, and what a batch of it is made of, goes the same way.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_on_disk_leads_to_jaeger() {
    let folder = tempfile::tempdir().unwrap();
    for batch in ["", ", batch: {flush_timeout: 1ms}"] {
        let backend = PushBackend::answering([Reply::Status(503)], Reply::Status(202)).await;
        let settings = format!("    sending_queue: {{storage: file_storage{batch}}}");
        let extension =
            format!("\nextensions:\n  file_storage: {{directory: '{}', timeout: 1s}}\n", folder.path().display());
        let yaml = relay(&backend, &settings).replace("\nservice:", "\nservice:\n  extensions: [file_storage]");
        let gateway = Gateway::start(&format!("{extension}{yaml}")).await;
        gateway.grpc().await.spans(services(&[("a", &["1"]), ("b", &["2"])])).await.unwrap();
        let pushes = backend.wait_for(3).await;
        assert_eq!(taken(&pushes), ["a: 1", "b: 2"], "{batch}");
        gateway.stop().await;
    }
}

/// The older form for gRPC is OTLP to the address: a gateway behind takes it.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_sent_otlp() {
    let backend = crate::language::Backend::start().await;
    let yaml = format!(
        "
exporters:
  jaeger: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger]}}
",
        backend.grpc()
    );
    let gateway = Gateway::start(&yaml).await;
    gateway.grpc().await.spans(services(&[("a", &["1"])])).await.unwrap();
    assert_eq!(crate::language::names(&backend.spans(1).await), ["1"]);
    gateway.stop().await;
}
