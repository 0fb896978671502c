//! The gateway's own spans: in the caller's trace where that is asked for, through memory and a disk, and never in the way.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use wasmill_transport::Protocol;
use wasmill_wire::Signal;

use crate::language::{Backend, Client, Gateway, spans, spans_of};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A gateway with a stage, whose own spans go to `own`.
fn yaml(backend: &Backend, own: &Backend, traces: &str, exporter: &str, extensions: &str) -> String {
    format!(
        r#"
processors:
  wasm/drop: {{plugin: 'builtin:filter', config: {{drop: ['name == "health"']}}}}
{extensions}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}{exporter}}}
service:
  telemetry:
    metrics: {{level: none}}
    resource: {{deployment.environment: test}}
    traces:
      {traces}
      processors:
        - batch: {{schedule_delay: 1, exporter: {{otlp: {{protocol: grpc, endpoint: 'http://{}'}}}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/drop], exporters: [otlp]}}
"#,
        backend.grpc(),
        own.grpc(),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends two spans, one of which is dropped, with a `traceparent` whose flags are `flags`, and ends the gateway.
async fn send(gateway: Gateway, flags: &str) {
    let parent = format!("00-{TRACE}-{CALLER}-{flags}");
    let client = Client::grpc_with(gateway.address(Protocol::Grpc).await, &[("traceparent", &parent)]);
    client.spans(spans(&["pay", "health"])).await.expect("taken");
    assert!(gateway.stop().await.is_nothing());
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no {name} among {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>()))
}

fn count(span: &Span, key: &str) -> Option<i64> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let value = span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::IntValue(count) => Some(*count),
        _ => None,
    }
}

/// A caller that keeps its trace finds what its request met here in it: the receiver's span below its own, the stage and the exporter below
/// that one, each with its rows. The data itself is passed on as it was.
#[tokio::test(flavor = "multi_thread")]
async fn the_callers_trace_is_joined_where_asked_for() {
    let (backend, own) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(&yaml(&backend, &own, "propagators: [tracecontext]", "", "")).await;
    send(gateway, "01").await;
    let spans: Vec<Span> = own.received(Signal::Traces).iter().flat_map(|request| spans_of(request)).collect();
    assert_eq!(spans.len(), 3, "{spans:?}");
    let received = named(&spans, "receiver/otlp/TraceDataReceived");
    assert_eq!((hex(&received.trace_id), hex(&received.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!(received.kind, SpanKind::Server as i32);
    assert_eq!((count(received, "accepted_spans"), count(received, "refused_spans")), (Some(2), Some(0)));
    let stage = named(&spans, "processor/wasm/drop/traces");
    assert_eq!((count(stage, "incoming_items"), count(stage, "outgoing_items")), (Some(2), Some(1)));
    let exported = named(&spans, "exporter/otlp/traces");
    assert_eq!((count(exported, "sent_spans"), exported.kind), (Some(1), SpanKind::Client as i32));
    for child in [stage, exported] {
        assert_eq!((&child.trace_id, &child.parent_span_id), (&received.trace_id, &received.span_id));
        assert!(child.start_time_unix_nano >= received.start_time_unix_nano);
    }
}

/// Not asked for, the caller's trace is left alone; a caller that does not keep its trace makes no spans, unless every request shall have some.
#[tokio::test(flavor = "multi_thread")]
async fn samplers_say_which_requests_have_spans() {
    let cases = [
        ("sampler: {always_on: }", "01", 3, false),
        ("propagators: [tracecontext]", "00", 0, true),
        ("propagators: [tracecontext]\n      sampler: {always_on: }", "00", 3, true),
        ("sampler: {parent_based: {root: {always_off: }}}", "01", 0, false),
        ("sampler: {trace_id_ratio_based: {ratio: 0}}", "01", 0, false),
        ("sampler: {trace_id_ratio_based: {ratio: 1}}", "01", 3, false),
    ];
    for (traces, flags, expected, joined) in cases {
        let (backend, own) = (Backend::start().await, Backend::start().await);
        let gateway = Gateway::start(&yaml(&backend, &own, traces, "", "")).await;
        send(gateway, flags).await;
        let spans: Vec<Span> = own.received(Signal::Traces).iter().flat_map(|request| spans_of(request)).collect();
        assert_eq!(spans.len(), expected, "{traces} {flags}");
        for span in &spans {
            assert_eq!(hex(&span.trace_id) == TRACE, joined, "{traces} {flags}");
        }
        assert_eq!(backend.received(Signal::Traces).len(), 1, "the data goes its way whatever is seen of it");
    }
}

/// What waited on a disk is exported in the trace that it came in with. A backend of the gateway's own spans that is not there is in nobody's way.
#[tokio::test(flavor = "multi_thread")]
async fn through_a_disk_and_without_a_backend() {
    let (backend, own) = (Backend::start().await, Backend::start().await);
    let folder = tempfile::tempdir().unwrap();
    let extensions = format!("extensions: {{file_storage: {{directory: '{}'}}}}", folder.path().display());
    let exporter = ", sending_queue: {storage: file_storage}";
    let durable = yaml(&backend, &own, "propagators: [tracecontext]", exporter, &extensions);
    let gateway = Gateway::start(&durable.replace("service:\n", "service:\n  extensions: [file_storage]\n")).await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let client = Client::grpc_with(gateway.address(Protocol::Grpc).await, &[("traceparent", &parent)]);
    client.spans(spans(&["pay"])).await.expect("on disk");
    own.spans(3).await;
    assert!(gateway.stop().await.is_nothing());
    let spans: Vec<Span> = own.received(Signal::Traces).iter().flat_map(|request| spans_of(request)).collect();
    let received = named(&spans, "receiver/otlp/TraceDataReceived");
    assert_eq!(named(&spans, "exporter/otlp/traces").parent_span_id, received.span_id);

    let gone = Backend::start().await;
    let alone = yaml(&backend, &gone, "propagators: [tracecontext]", "", "");
    drop(gone);
    let gateway = Gateway::start(&alone).await;
    send(gateway, "01").await;
    assert_eq!(backend.received(Signal::Traces).len(), 2);
}
