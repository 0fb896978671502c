//! The `batch` processor in a whole gateway: what backends get, and what reloads and the end do to what waits.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use wasmill_transport::{Accepted, SendError};
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, logs, metrics, names, spans};

/// A `batch` between two filters.
fn batching(backend: &Backend, batch: &str, drop_after: &str, exporter: &str) -> String {
    format!(
        r#"
processors:
  wasm/before: {{plugin: 'builtin:filter', config: {{drop: ['name == "early"']}}}}
  batch: {{{batch}}}
  wasm/after: {{plugin: 'builtin:filter', config: {{drop: ['name == "{drop_after}"']}}}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}, timeout: 60s{exporter}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/before, batch, wasm/after], exporters: [otlp]}}
"#,
        backend.grpc()
    )
}

/// Never by time in any test.
const BY_SIZE: &str = "timeout: 1h, send_batch_size: 4";

/// Requests of all signals: a backend gets one of each, and the resource that they share once.
#[tokio::test(flavor = "multi_thread")]
async fn several_requests_become_one() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&format!(
        r#"
processors: {{batch: {{{BY_SIZE}}}}}
exporters: {{otlp: {{endpoint: '{}', tls: {{insecure: true}}}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}
    metrics: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}
"#,
        backend.grpc()
    ))
    .await;
    let clients = [gateway.grpc().await, gateway.http().await];
    for number in 0..4 {
        let (client, name) = (&clients[number % 2], number.to_string());
        client.spans(spans(&[&name])).await.unwrap();
        client.send(Signal::Logs, logs(&[&name])).await.unwrap();
        client.send(Signal::Metrics, metrics(&[&name])).await.unwrap();
    }
    let traces = backend.requests(Signal::Traces, 1).await;
    assert_eq!(names(&traces), ["0", "1", "2", "3"]);
    let request = ExportTraceServiceRequest::decode(&*traces[0]).unwrap();
    assert_eq!((request.resource_spans.len(), request.resource_spans[0].scope_spans.len()), (1, 1));
    backend.requests(Signal::Logs, 1).await;
    backend.requests(Signal::Metrics, 1).await;
    let sizes = r#"otelcol_processor_batch_batch_send_size_sum{processor="batch"}"#;
    assert_eq!(gateway.metric(sizes), Some(12.0));
    assert_eq!(gateway.metric(r#"otelcol_processor_batch_batch_send_size_count{processor="batch"}"#), Some(3.0));
}

/// A filter behind the batcher changes while rows wait: the new one decides about them, the filter before it has decided.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_decides_about_what_waits() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&batching(&backend, BY_SIZE, "a", "")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["early", "a", "b"])).await.unwrap();
    gateway.engine.reload(Gateway::config(&batching(&backend, BY_SIZE, "b", ""))).await.unwrap();
    client.spans(spans(&["c", "d"])).await.unwrap();
    assert_eq!(names(&backend.spans(3).await), ["a", "c", "d"]);
}

/// A reload gives the batcher another size, then takes it away: what waits is sent each time, by what it came for.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_the_batcher_sends_what_waits() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&batching(&backend, BY_SIZE, "a", "")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "first"])).await.unwrap();
    let other = batching(&backend, "timeout: 1h, send_batch_size: 5", "b", "");
    gateway.engine.reload(Gateway::config(&other)).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["first"]);
    client.spans(spans(&["b", "second"])).await.unwrap();
    let without = other.replace("[wasm/before, batch, wasm/after]", "[wasm/before]");
    gateway.engine.reload(Gateway::config(&without)).await.unwrap();
    assert_eq!(names(&backend.spans(2).await), ["first", "second"]);
    client.spans(spans(&["third"])).await.unwrap();
    assert_eq!(names(&backend.spans(3).await), ["first", "second", "third"]);
}

/// The gateway ends while rows wait: they are sent first.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_sends_what_waits() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&batching(&backend, BY_SIZE, "a", "")).await;
    gateway.grpc().await.spans(spans(&["waits"])).await.unwrap();
    let left = gateway.stop().await;
    assert!(left.is_nothing(), "{left:?}");
    assert_eq!(names(&backend.received(Signal::Traces)), ["waits"]);
}

/// No queue: clients hear what the backend says of the batch that they are in. They are not kept waiting for one another, and the
/// end does not cut them off.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_clients_wait_for_the_backend() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&batching(&backend, "timeout: 1h", "a", ", sending_queue: {enabled: false}")).await;
    let send = async |name: &str| -> Result<Accepted, SendError> { gateway.grpc().await.spans(spans(&[name])).await };
    send("alone").await.unwrap();
    backend.hold();
    let (first, others) = tokio::join!(send("held"), async {
        backend.attempts(2).await;
        let others = async { tokio::join!(send("x"), send("y"), send("z")) };
        tokio::join!(others, async { backend.release() }).0
    });
    first.unwrap();
    for answer in [others.0, others.1, others.2] {
        answer.unwrap();
    }
    let mut received = names(&backend.received(Signal::Traces));
    received.sort();
    assert_eq!(received, ["alone", "held", "x", "y", "z"]);
    backend.refuse_next([wasmill_batch::Refusal::new(wasmill_batch::RefusalKind::Invalid, "not like this")]);
    let error = send("wrong").await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("not like this"), "{error}");
}

/// One client of three sends what the backend refuses: the batch of all three is sent again in three, and one of them is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_does_not_take_others_with_it() {
    let backend = Backend::start().await;
    backend.refuse_containing("bad", wasmill_batch::Refusal::new(wasmill_batch::RefusalKind::Invalid, "no"));
    let gateway = Gateway::start(&batching(&backend, "timeout: 1h, send_batch_size: 5", "a", "")).await;
    let client = gateway.grpc().await;
    for names in [&["b", "c"][..], &["bad"], &["d", "e"]] {
        client.spans(spans(names)).await.unwrap();
    }
    assert_eq!(names(&backend.spans(4).await), ["b", "c", "d", "e"]);
    backend.attempts(4).await;
    let failed = r#"otelcol_exporter_send_failed_spans_total{exporter="otlp"}"#;
    let sent = r#"otelcol_exporter_sent_spans_total{exporter="otlp"}"#;
    assert_eq!(gateway.metrics_at_the_end([failed, sent]).await, [Some(1.0), Some(4.0)]);
}

/// Rows are routed before they wait, and sent with others: each goes where it was routed.
#[tokio::test(flavor = "multi_thread")]
async fn routes_set_before_a_batch_stay_with_their_rows() {
    let (a, b, own) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("route.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/route:
    plugin: '{}'
    config: {{do: route, sets: [[first], [first, otlp/b], []]}}
    routes: {{first: [otlp/a]}}
  batch: {{timeout: 1h, send_batch_size: 6}}
exporters:
  otlp/a: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/b: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/own: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/route, batch], exporters: [otlp/own]}}
"#,
        plugin.display(),
        a.grpc(),
        b.grpc(),
        own.grpc()
    ))
    .await;
    let client = gateway.grpc().await;
    client.spans(spans(&["0", "1", "2"])).await.unwrap();
    client.spans(spans(&["3", "4", "5"])).await.unwrap();
    assert_eq!(names(&a.spans(4).await), ["0", "1", "3", "4"]);
    assert_eq!(names(&b.spans(2).await), ["1", "4"]);
    assert_eq!(names(&own.spans(2).await), ["2", "5"]);
    for backend in [&a, &b, &own] {
        assert_eq!(backend.received(Signal::Traces).len(), 1);
    }
}
