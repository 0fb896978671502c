//! New records that plugins make: where they go, that they go through what serves when they are made, and that none is lost unsaid.

use std::path::Path;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use prost::Message;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, logs, metrics, names, spans, text_of};

fn fixture() -> (tempfile::TempDir, String) {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("hostile.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let name = plugin.display().to_string();
    (plugins, name)
}

fn exporter(name: &str, backend: &Backend) -> String {
    format!("  {name}: {{endpoint: '{}', tls: {{insecure: true}}, compression: none}}\n", backend.grpc())
}

/// The log records of these requests, each with the service that it is of.
fn records(requests: &[Bytes]) -> Vec<(Vec<String>, LogRecord)> {
    let requests = requests.iter().map(|request| ExportLogsServiceRequest::decode(request.clone()).unwrap());
    let resources = requests.flat_map(|request| request.resource_logs).flat_map(|resource| {
        let service = text_of(&resource.resource.clone().unwrap_or_default().attributes, "service.name");
        resource.scope_logs.into_iter().flat_map(|scope| scope.log_records).map(move |record| (service.clone(), record))
    });
    resources.collect()
}

fn bodies(requests: &[Bytes]) -> Vec<String> {
    let body = |record: LogRecord| match record.body.unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        other => panic!("{other:?}"),
    };
    records(requests).into_iter().map(|(_, record)| body(record)).collect()
}

/// All points of sums of a name, added up.
fn total(requests: &[Bytes], name: &str) -> i64 {
    let requests = requests.iter().map(|request| ExportMetricsServiceRequest::decode(request.clone()).unwrap());
    let scopes = requests.flat_map(|request| request.resource_metrics).flat_map(|resource| resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics).filter(|metric| metric.name == name);
    let points = metrics.flat_map(|metric| match metric.data {
        Some(Data::Sum(sum)) => sum.data_points,
        other => panic!("{other:?}"),
    });
    points
        .map(|point| match point.value {
            Some(number_data_point::Value::AsInt(int)) => int,
            other => panic!("{other:?}"),
        })
        .sum()
}

/// Log records made of spans go to a pipeline that nothing else feeds, through its stages, and to an exporter; the spans go on. They
/// are of the spans' resource, and seen from the time at which they were made.
#[tokio::test(flavor = "multi_thread")]
async fn new_records_take_their_own_way() {
    let (main, alerts) = (Backend::start().await, Backend::start().await);
    let (_plugins, plugin) = fixture();
    let yaml = format!(
        r#"
processors:
  wasm/alert: {{plugin: '{plugin}', config: {{do: emit, what: log}}, emit_to: [logs/alerts, otlp/main]}}
  wasm/stamp: {{plugin: '{plugin}', config: {{do: stamp, generation: "8"}}}}
exporters:
{}{}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp/main]}}
    logs/alerts: {{processors: [wasm/stamp], exporters: [otlp/alerts]}}
"#,
        exporter("otlp/main", &main),
        exporter("otlp/alerts", &alerts),
    );
    let gateway = Gateway::start(&yaml).await;
    gateway.grpc().await.spans(spans(&["a", "b"])).await.unwrap();
    let stamped = alerts.requests(Signal::Logs, 1).await;
    assert_eq!(bodies(&stamped), ["0", "1"]);
    for (service, record) in records(&stamped) {
        assert_eq!(
            (service, text_of(&record.attributes, "generation")),
            (vec!["checkout".to_owned()], vec!["8".to_owned()])
        );
        assert!(record.observed_time_unix_nano > 1_700_000_000_000_000_000);
    }
    let direct = main.requests(Signal::Logs, 1).await;
    assert_eq!(bodies(&direct), ["0", "1"]);
    assert!(records(&direct).iter().all(|(_, record)| record.attributes.is_empty()), "past the other pipeline");
    assert_eq!(names(&main.spans(2).await), ["a", "b"]);
    let lines = [
        r#"wasmill_plugin_emitted_total{plugin="wasm/alert",signal="logs"}"#,
        r#"wasmill_plugin_emitted_lost_total{plugin="wasm/alert",signal="logs"}"#,
        r#"otelcol_exporter_sent_log_records_total{exporter="otlp/main"}"#,
    ];
    assert_eq!(gateway.metrics_at_the_end(lines).await, [Some(2.0), Some(0.0), Some(2.0)]);
}

/// A plugin names its routes: records go there, and not where `emit_to` says; of a route's pipelines that of the records' signal
/// counts.
#[tokio::test(flavor = "multi_thread")]
async fn routes_come_before_emit_to() {
    let (even, odd, rest) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let (_plugins, plugin) = fixture();
    let yaml = format!(
        r#"
processors:
  wasm/alert:
    plugin: '{plugin}'
    config: {{do: emit, what: routed, sets: [[pager], [otlp/odd]]}}
    routes: {{pager: [logs/pager, traces/pager]}}
    emit_to: [otlp/rest]
exporters:
{}{}{}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp/rest]}}
    logs: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp/rest]}}
    logs/pager: {{exporters: [otlp/even]}}
    traces/pager: {{exporters: [otlp/rest]}}
"#,
        exporter("otlp/even", &even),
        exporter("otlp/odd", &odd),
        exporter("otlp/rest", &rest),
    );
    let gateway = Gateway::start(&yaml).await;
    gateway.grpc().await.spans(spans(&["a", "b", "c"])).await.unwrap();
    assert_eq!(bodies(&even.requests(Signal::Logs, 1).await), ["0", "2"]);
    assert_eq!(bodies(&odd.requests(Signal::Logs, 1).await), ["1"]);
    rest.spans(3).await;
    assert!(gateway.stop().await.is_nothing());
    assert!(rest.received(Signal::Logs).is_empty());
}

/// Records of a signal that nothing takes are lost: counted, and nobody else's matter. Those that a backend refuses for good too.
#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_takes_is_counted_as_lost() {
    let backend = Backend::start().await;
    let (_plugins, plugin) = fixture();
    let yaml = |emit_to: &str| {
        format!(
            r#"
processors:
  wasm/alert: {{plugin: '{plugin}', config: {{do: emit, what: log}}, emit_to: [{emit_to}]}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}, sending_queue: {{enabled: false}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp]}}
    metrics/other: {{exporters: [otlp]}}
"#,
            backend.grpc()
        )
    };
    let lost = r#"wasmill_plugin_emitted_lost_total{plugin="wasm/alert",signal="logs"}"#;
    let gateway = Gateway::start(&yaml("metrics/other")).await;
    gateway.grpc().await.spans(spans(&["a", "b"])).await.unwrap();
    assert_eq!(gateway.metrics_at_the_end([lost]).await, [Some(2.0)]);
    assert!(backend.received(Signal::Logs).is_empty());

    let gateway = Gateway::start(&yaml("otlp, metrics/other")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "b", "c"])).await.unwrap();
    backend.requests(Signal::Logs, 1).await;
    backend.refuse_containing("checkout", Refusal::new(RefusalKind::Invalid, "no"));
    client.spans(spans(&["a", "b", "c"])).await.unwrap_err();
    let [sent, lost] =
        gateway.metrics_at_the_end([r#"otelcol_exporter_sent_log_records_total{exporter="otlp"}"#, lost]).await;
    assert_eq!((sent, lost), (Some(3.0), Some(3.0)));
}

/// A plugin that makes new records in a stage that does not say where they go is a mistake in the configuration, with the key; so is
/// a way that comes back to where they were made, by routes that only new records take.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_loses_or_circles_is_refused() {
    let backend = Backend::start().await;
    let (_plugins, plugin) = fixture();
    let refused = async |settings: &str, processors: &str, pipelines: &str| {
        let yaml = format!(
            "
processors:
  wasm/alert: {{plugin: '{plugin}', {settings}}}
{processors}
exporters:
{}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp]}}
    logs: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp]}}
{pipelines}",
            exporter("otlp", &backend)
        );
        match Gateway::try_start(&yaml).await {
            Ok(_) => panic!("it starts"),
            Err(error) => error.lines().join("\n"),
        }
    };
    let nowhere = refused("config: {do: emit, what: log}", "", "").await;
    assert!(nowhere.contains("makes new records, and nothing says where they go: expected `emit_to`"), "{nowhere}");
    // Spans of `traces` become log records in `logs/back`, which become spans in `traces`: no row of either takes that way.
    let back = format!(
        "  wasm/back: {{plugin: '{plugin}', config: {{do: emit, what: routed, sets: [[on]]}}, routes: {{on: [traces]}}}}"
    );
    let pipelines = "    logs/back: {processors: [wasm/back], exporters: [otlp]}
    traces/back: {receivers: [otlp], processors: [wasm/back], exporters: [otlp]}
";
    let circle = "config: {do: emit, what: routed, sets: [[back]]}, routes: {back: [logs/back]}";
    let circle = refused(circle, &back, pipelines).await;
    assert!(circle.contains("new records would come back to where they were made: `traces`, `logs/back`"), "{circle}");
}

/// The plugin is swapped between requests: what each build held is told of when it goes, by the pipelines that serve then, and the
/// last at the end. Nothing is lost or told twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_told_of_at_each_swap_and_at_the_end() {
    let backend = Backend::start().await;
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("count.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(0)).unwrap();
    let gateway = Gateway::start(&counting(&plugin, &backend, "")).await;
    let client = gateway.grpc().await;
    let mut sent = 0;
    for build in 1..=4 {
        client.spans(spans(&vec!["a"; build as usize])).await.unwrap();
        sent += i64::from(build);
        std::fs::write(plugin.with_extension("new"), wasmill_fixtures::stamped(build)).unwrap();
        std::fs::rename(plugin.with_extension("new"), &plugin).unwrap();
        let results = gateway.engine.refresh().await;
        assert!(results.iter().all(|(_, result)| result.is_ok()), "{results:?}");
    }
    client.spans(spans(&["a", "b"])).await.unwrap();
    assert!(gateway.stop().await.is_nothing());
    assert_eq!(total(&backend.received(Signal::Metrics), "rows"), sent + 2);
}

/// Spans are counted; `second` is where the counts go.
fn counting(plugin: &Path, backend: &Backend, second: &str) -> String {
    format!(
        r#"
processors:
  wasm/count: {{plugin: '{}', config: {{do: emit, what: count}}, emit_to: [metrics/derived]}}
{second}
exporters:
{}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/count], exporters: [otlp]}}
    metrics/derived: {{exporters: [otlp]}}
"#,
        plugin.display(),
        exporter("otlp", backend)
    )
}

/// At the end plugins give what they hold, and what that makes in the plugins that it comes to is given after it: a count of a count
/// arrives, through a batcher on the way.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_goes_from_plugin_to_plugin() {
    let backend = Backend::start().await;
    let (plugins, _) = fixture();
    let plugin = plugins.path().join("hostile.wasm");
    let second = format!(
        "  batch: {{timeout: 1h}}\n  wasm/second: {{plugin: '{}', config: {{do: emit, what: count}}, emit_to: [metrics/last]}}",
        plugin.display()
    );
    let derived =
        "metrics/derived: {processors: [batch, wasm/second], exporters: [otlp]}\n    metrics/last: {exporters: [otlp]}";
    let yaml = counting(&plugin, &backend, &second).replace("metrics/derived: {exporters: [otlp]}", derived);
    let gateway = Gateway::start(&yaml).await;
    gateway.grpc().await.spans(spans(&["a", "b", "c"])).await.unwrap();
    assert!(gateway.stop().await.is_nothing());
    // Three spans, and one point that says so.
    assert_eq!(total(&backend.received(Signal::Metrics), "rows"), 3 + 1);
}

/// Ticks come by themselves, of a plugin that no row has come to as well; and they stop with it.
#[tokio::test(flavor = "multi_thread")]
async fn ticks_come_without_rows() {
    let backend = Backend::start().await;
    let (_plugins, plugin) = fixture();
    let yaml = format!(
        r#"
processors:
  wasm/clock: {{plugin: '{plugin}', config: {{do: emit, what: ticks, tick_ms: 10}}, emit_to: [otlp]}}
exporters:
{}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/clock], exporters: [otlp]}}
"#,
        exporter("otlp", &backend)
    );
    let gateway = Gateway::start(&yaml).await;
    backend.requests(Signal::Logs, 3).await;
    let metrics = gateway.engine.metrics().clone();
    assert!(gateway.stop().await.is_nothing());
    let text = metrics.render();
    let value = |line: &str| {
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse::<f64>().ok());
        found.unwrap_or_else(|| panic!("no {line} in {text}"))
    };
    let ticks = value(r#"wasmill_plugin_ticks_total{plugin="wasm/clock"} "#);
    assert_eq!(value(r#"wasmill_plugin_tick_faults_total{plugin="wasm/clock"} "#), 0.0);
    // One for each tick, and one for the end.
    let emitted = value(r#"wasmill_plugin_emitted_total{plugin="wasm/clock",signal="logs"} "#);
    assert_eq!((emitted, bodies(&backend.received(Signal::Logs)).len() as f64), (ticks + 1.0, ticks + 1.0));
}

/// The example: metrics of spans. Every span is in one point of its series, by service and name, whose buckets add up, in requests
/// that are OTLP.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_counts_spans_and_their_durations() {
    let backend = Backend::start().await;
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("span_metrics.wasm");
    std::fs::write(&plugin, wasmill_fixtures::span_metrics()).unwrap();
    let yaml = format!(
        r#"
processors:
  wasm/span-metrics: {{plugin: '{}', config: {{interval_ms: 60000, bounds_ms: [0.0005, 2]}}, limits: {{instances_max: 1}}, emit_to: [otlp]}}
exporters:
{}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/span-metrics], exporters: [otlp]}}
"#,
        plugin.display(),
        exporter("otlp", &backend)
    );
    let gateway = Gateway::start(&yaml).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["GET /", "GET /cart", "GET /"])).await.unwrap();
    client.spans(spans(&["GET /"])).await.unwrap();
    assert!(gateway.stop().await.is_nothing());
    let received = backend.received(Signal::Metrics);
    assert_eq!(total(&received, "traces.span.metrics.calls"), 4);
    let mut series = Vec::new();
    for request in &received {
        for resource in ExportMetricsServiceRequest::decode(request.clone()).unwrap().resource_metrics {
            let service = text_of(&resource.resource.unwrap().attributes, "service.name");
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let Some(Data::Histogram(histogram)) = metric.data else { continue };
                assert_eq!((metric.unit.as_str(), histogram.aggregation_temporality), ("ms", 1));
                for point in histogram.data_points {
                    assert!(point.start_time_unix_nano <= point.time_unix_nano && point.start_time_unix_nano > 0);
                    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    let name = text_of(&point.attributes, "span.name").concat();
                    // A microsecond each: above the first bound, below the second.
                    assert_eq!(
                        (point.bucket_counts, point.explicit_bounds),
                        (vec![0, point.count, 0], vec![0.0005, 2.0])
                    );
                    series.push((service.concat(), name, point.count, point.sum));
                }
            }
        }
    }
    series.sort_by(|a, b| a.1.cmp(&b.1));
    let of = |name: &str, count: u64| ("checkout".to_owned(), name.to_owned(), count, Some(count as f64 / 1e3));
    assert_eq!(series, [of("GET /", 3), of("GET /cart", 1)]);
}

/// Records of every signal may be the origin of others, and a signal that a stage is not told of passes it.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_each_signal_have_the_resource_of_their_row() {
    let backend = Backend::start().await;
    let (_plugins, plugin) = fixture();
    let yaml = format!(
        r#"
processors:
  wasm/alert: {{plugin: '{plugin}', config: {{do: emit, what: log}}, emit_to: [logs/alerts]}}
exporters:
{}
service:
  pipelines:
    metrics: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp]}}
    logs: {{receivers: [otlp], processors: [wasm/alert], exporters: [otlp]}}
    logs/alerts: {{exporters: [otlp]}}
"#,
        exporter("otlp", &backend)
    );
    let gateway = Gateway::start(&yaml).await;
    let client = gateway.grpc().await;
    client.send(Signal::Metrics, metrics(&["m"])).await.unwrap();
    client.send(Signal::Logs, logs(&["l"])).await.unwrap();
    assert!(gateway.stop().await.is_nothing());
    let records = records(&backend.received(Signal::Logs));
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|(service, _)| service == &["checkout"]), "{records:?}");
}
