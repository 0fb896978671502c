//! From the client through plugins to backends: what arrives where, over both transports, for all signals.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use wasmill_wire::Signal;

use crate::language::{
    Backend, Gateway, logs, logs_with_ids, metrics, names, spans, spans_of, spans_with_ids, text_of,
};

/// A filter and an enricher before one exporter, for all signals.
const FILTER_AND_ENRICH: &str = r#"
processors:
  wasm/spans: {plugin: 'builtin:filter', config: {drop: ['name == "health"']}}
  wasm/logs: {plugin: 'builtin:filter', config: {drop: ['body == "health"']}}
  wasm/metrics: {plugin: 'builtin:filter', config: {drop: ['metric.name == "health"']}}
  wasm/team: {plugin: 'builtin:enrich', config: {statements: ['set(attributes["team"], "payments")']}}
exporters:
  EXPORTER
service:
  pipelines:
    traces: {receivers: [otlp], processors: [wasm/spans, wasm/team], exporters: [EXPORTER_ID]}
    logs: {receivers: [otlp], processors: [wasm/logs, wasm/team], exporters: [EXPORTER_ID]}
    metrics: {receivers: [otlp], processors: [wasm/metrics, wasm/team], exporters: [EXPORTER_ID]}
"#;

/// A client sends every signal over each transport: what the filter names is gone, the rest has what the enricher sets.
async fn filters_and_enriches(gateway: &Gateway, backend: &Backend) {
    let (grpc, http) = (gateway.grpc().await, gateway.http().await);
    for client in [&grpc, &http] {
        client.spans(spans(&["pay", "health", "ship"])).await.unwrap();
        client.send(Signal::Logs, logs(&["paid", "health"])).await.unwrap();
        client.send(Signal::Metrics, metrics(&["health", "orders"])).await.unwrap();
    }
    let traces = backend.requests(Signal::Traces, 2).await;
    assert_eq!(names(&traces), ["pay", "ship", "pay", "ship"]);
    for span in traces.iter().flat_map(|request| spans_of(request)) {
        assert_eq!(text_of(&span.attributes, "team"), ["payments"], "{}", span.name);
        assert_eq!(text_of(&span.attributes, "http.request.method"), ["GET"], "what was there stays");
    }
    for request in backend.requests(Signal::Logs, 2).await {
        let request = ExportLogsServiceRequest::decode(&*request).unwrap();
        let records = &request.resource_logs[0].scope_logs[0].log_records;
        assert_eq!(records.len(), 1);
        assert_eq!(text_of(&records[0].attributes, "team"), ["payments"]);
    }
    for request in backend.requests(Signal::Metrics, 2).await {
        let request = ExportMetricsServiceRequest::decode(&*request).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        assert_eq!(metrics.iter().map(|metric| &*metric.name).collect::<Vec<_>>(), ["orders"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_and_enrich_to_a_grpc_backend() {
    let backend = Backend::start().await;
    let exporter = format!("otlp: {{endpoint: '{}', tls: {{insecure: true}}}}", backend.grpc());
    let yaml = FILTER_AND_ENRICH.replace("EXPORTER_ID", "otlp").replace("EXPORTER", &exporter);
    let gateway = Gateway::start(&yaml).await;
    filters_and_enriches(&gateway, &backend).await;
    assert_eq!(gateway.metric(r#"otelcol_receiver_accepted_spans_total{receiver="otlp",transport="grpc"}"#), Some(3.0));
    assert_eq!(gateway.metric(r#"otelcol_receiver_accepted_spans_total{receiver="otlp",transport="http"}"#), Some(3.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_dropped_total{plugin="wasm/spans"}"#), Some(2.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_in_total{plugin="wasm/team"}"#), Some(8.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_and_enrich_to_an_http_backend() {
    let backend = Backend::start().await;
    let exporter = format!("otlphttp: {{endpoint: 'http://{}'}}", backend.http());
    let yaml = FILTER_AND_ENRICH.replace("EXPORTER_ID", "otlphttp").replace("EXPORTER", &exporter);
    filters_and_enriches(&Gateway::start(&yaml).await, &backend).await;
}

/// Two pipelines share a receiver: each decides for itself, over the same request, and one exporter of both gets both.
#[tokio::test(flavor = "multi_thread")]
async fn pipelines_of_one_receiver_do_not_see_each_other() {
    let (all, errors) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/pay: {{plugin: 'builtin:filter', config: {{keep: ['name == "pay"']}}}}
  wasm/mark: {{plugin: 'builtin:enrich', config: {{statements: ['set(name, "marked")']}}}}
exporters:
  otlp/all: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/pay: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces/all: {{receivers: [otlp], processors: [wasm/mark], exporters: [otlp/all]}}
    traces/pay: {{receivers: [otlp], processors: [wasm/pay], exporters: [otlp/pay, otlp/all]}}
"#,
        all.grpc(),
        errors.grpc()
    ))
    .await;
    gateway.grpc().await.spans(spans(&["pay", "ship"])).await.unwrap();
    assert_eq!(names(&errors.spans(1).await), ["pay"]);
    let mut both = names(&all.spans(3).await);
    both.sort();
    assert_eq!(both, ["marked", "marked", "pay"]);
}

/// A plugin routes rows in turn: each backend gets its rows, in order, and a set of two names leads to both.
#[tokio::test(flavor = "multi_thread")]
async fn rows_go_where_their_route_leads() {
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
exporters:
  otlp/a: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/b: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/own: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/route], exporters: [otlp/own]}}
    traces/unused: {{receivers: [otlp/idle], exporters: [otlp/b]}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
  otlp/idle: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
"#,
        plugin.display(),
        a.grpc(),
        b.grpc(),
        own.grpc()
    ))
    .await;
    gateway.grpc().await.spans(spans(&["0", "1", "2", "3", "4", "5"])).await.unwrap();
    assert_eq!(names(&a.spans(4).await), ["0", "1", "3", "4"]);
    assert_eq!(names(&b.spans(2).await), ["1", "4"]);
    assert_eq!(names(&own.spans(2).await), ["2", "5"], "a set without names is no drop");
}

/// Rows are routed one by one and then all dropped, of a request that also has a metric without points: that metric goes to the
/// pipeline's own exporter, and the client is not told to send everything again.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_rows_goes_to_the_pipeline_s_own_exporters() {
    let (routed, own) = (Backend::start().await, Backend::start().await);
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("hostile.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/route: {{plugin: '{plugin}', config: {{do: route, sets: [[otlp/routed]]}}}}
  wasm/drop: {{plugin: '{plugin}', config: {{do: drop}}}}
exporters:
  otlp/routed: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/own: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    metrics: {{receivers: [otlp], processors: [wasm/route, wasm/drop], exporters: [otlp/own]}}
    metrics/unused: {{receivers: [otlp/idle], exporters: [otlp/routed]}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
  otlp/idle: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
"#,
        routed.grpc(),
        own.grpc(),
        plugin = plugin.display(),
    ))
    .await;
    let mut request = ExportMetricsServiceRequest::decode(metrics(&["orders", "none"])).unwrap();
    request.resource_metrics[0].scope_metrics[0].metrics[1].data = None;
    gateway.grpc().await.send(Signal::Metrics, bytes::Bytes::from(request.encode_to_vec())).await.unwrap();
    let left = ExportMetricsServiceRequest::decode(own.requests(Signal::Metrics, 1).await.remove(0)).unwrap();
    let metrics = &left.resource_metrics[0].scope_metrics[0].metrics;
    assert_eq!(metrics.iter().map(|metric| &*metric.name).collect::<Vec<_>>(), ["none"]);
    assert!(routed.received(Signal::Metrics).is_empty());
}

/// Nothing is left of a request: its sender is acked, and no backend hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_dropped_whole_is_acknowledged() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/none: {{plugin: 'builtin:filter', config: {{drop: ['name != "last"']}}}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/none], exporters: [otlp]}}
"#,
        backend.grpc()
    ))
    .await;
    let client = gateway.grpc().await;
    client.spans(spans(&["health", "health"])).await.unwrap();
    client.spans(spans(&["last"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["last"]);
    assert_eq!(backend.received(Signal::Traces).len(), 1);
}

/// Bytes that are no request: refused for good with the place of the fault, and the next request is served.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&format!(
        r#"
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
"#,
        backend.grpc()
    ))
    .await;
    for client in [gateway.grpc().await, gateway.http().await] {
        let error = client.spans(bytes::Bytes::from_static(b"\x0a\x7f\x01")).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        assert!(error.to_string().contains("byte"), "{error}");
        let error = client.send(Signal::Logs, logs(&["no pipeline"])).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        client.spans(spans(&["fine"])).await.unwrap();
    }
    assert_eq!(names(&backend.spans(2).await), ["fine", "fine"]);
}

/// Ids of a wrong length: such spans are refused by partial success, such log records lose their ids, and both are counted.
#[tokio::test(flavor = "multi_thread")]
async fn ids_of_a_wrong_length_are_settled() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&format!(
        r#"
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
    logs: {{receivers: [otlp], exporters: [otlp]}}
"#,
        backend.grpc()
    ))
    .await;
    for client in [gateway.grpc().await, gateway.http().await] {
        let accepted = client.spans(spans_with_ids(&[(16, 8), (15, 8), (16, 9), (16, 8)])).await.unwrap();
        assert_eq!(accepted.rejected, 2);
        assert!(accepted.message.contains("2 spans"), "{}", accepted.message);
        let accepted = client.send(Signal::Logs, logs_with_ids(&[(16, 8), (3, 8), (0, 0)])).await.unwrap();
        assert_eq!((accepted.rejected, accepted.message.as_str()), (0, ""));
    }
    assert_eq!(names(&backend.spans(4).await), ["16/8", "16/8", "16/8", "16/8"]);
    for request in backend.requests(Signal::Logs, 2).await {
        let request = ExportLogsServiceRequest::decode(&*request).unwrap();
        let records = request.resource_logs[0].scope_logs[0].log_records.iter();
        let lengths: Vec<(usize, usize)> =
            records.map(|record| (record.trace_id.len(), record.span_id.len())).collect();
        assert_eq!(lengths, [(16, 8), (0, 0), (0, 0)]);
    }
    let grpc = |name: &str| gateway.metric(&format!(r#"{name}{{receiver="otlp",transport="grpc"}}"#));
    assert_eq!(grpc("otelcol_receiver_accepted_spans_total"), Some(2.0));
    assert_eq!(grpc("otelcol_receiver_refused_spans_total"), Some(2.0));
    assert_eq!(grpc("wasmill_receiver_cleared_ids_total"), Some(1.0));
}

/// `builtin:route` by conditions: a rule's rows go to all of its routes, by their names or by an exporter's id; what no rule takes
/// goes where `otherwise` says, and nothing to the pipeline's own exporter.
#[tokio::test(flavor = "multi_thread")]
async fn rules_send_rows_to_their_routes() {
    let (pay, rest, own) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/route:
    plugin: builtin:route
    config:
      rules: [{{when: 'name == "pay"', to: [payments, otlp/rest]}}, {{when: 'HasPrefix(name, "pay")', to: [payments]}}]
      otherwise: [otlp/rest]
    routes: {{payments: [otlp/pay]}}
exporters:
  otlp/pay: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/rest: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/own: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/route], exporters: [otlp/own]}}
"#,
        pay.grpc(),
        rest.grpc(),
        own.grpc()
    ))
    .await;
    gateway.grpc().await.spans(spans(&["ship", "pay", "payroll", "cart"])).await.unwrap();
    assert_eq!(names(&pay.spans(2).await), ["pay", "payroll"]);
    assert_eq!(names(&rest.spans(3).await), ["ship", "pay", "cart"]);
    gateway.stop().await;
    assert!(own.received(Signal::Traces).is_empty(), "every row has a route");
}
