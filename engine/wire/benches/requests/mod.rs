//! Requests as SDKs send them: 1,000 records of about 450 bytes with ten attributes each (metrics: about 300).

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use wasmill_wire::Signal;

const START: u64 = 1_700_000_000_000_000_000;
const ROUTES: [&str; 5] =
    ["/api/v1/orders/{id}", "/api/v1/users/{id}/cart", "/healthz", "/api/v1/checkout", "/api/v1/search"];

fn text(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.into(), value, ..Default::default() }
}

fn int(key: &str, value: i64) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::IntValue(value)) });
    KeyValue { key: key.into(), value, ..Default::default() }
}

fn attributes(row: usize) -> Vec<KeyValue> {
    let route = ROUTES[row % ROUTES.len()];
    vec![
        text("http.request.method", ["GET", "POST"][row % 2].into()),
        text("http.route", route.into()),
        text("url.path", format!("/api/v1/orders/{}", 100_000 + row)),
        int("http.response.status_code", if row.is_multiple_of(10) { 500 } else { 200 }),
        text("server.address", "orders.prod.example.com".into()),
        int("server.port", 8443),
        text("client.address", format!("10.1.{}.{}", row % 256, row % 199)),
        text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)".into()),
        text("network.protocol.version", "1.1".into()),
        text("session.id", format!("{:016x}", row * 7919)),
    ]
}

fn id(row: usize, len: usize) -> Vec<u8> {
    let word = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word.to_be_bytes().into_iter().cycle().take(len).collect()
}

fn resource() -> Option<Resource> {
    let attributes = vec![
        text("service.name", "checkout".into()),
        text("service.version", "2.14.0".into()),
        text("k8s.pod.name", "checkout-6d5f9c7b8-x2x9q".into()),
        text("telemetry.sdk.language", "python".into()),
    ];
    Some(Resource { attributes, ..Default::default() })
}

fn scope() -> Option<InstrumentationScope> {
    let name = "opentelemetry.instrumentation.flask".into();
    Some(InstrumentationScope { name, version: "0.48b0".into(), ..Default::default() })
}

/// An export request of `rows` records.
pub fn request(signal: Signal, rows: usize) -> Vec<u8> {
    match signal {
        Signal::Traces => traces(rows).encode_to_vec(),
        Signal::Logs => logs(rows).encode_to_vec(),
        Signal::Metrics => metrics(rows).encode_to_vec(),
    }
}

fn traces(rows: usize) -> ExportTraceServiceRequest {
    let span = |row: usize| Span {
        trace_id: id(row / 8, 16),
        span_id: id(row, 8),
        parent_span_id: if row.is_multiple_of(8) { Vec::new() } else { id(row - 1, 8) },
        flags: 0x101,
        name: format!("GET {}", ROUTES[row % ROUTES.len()]),
        kind: 2,
        start_time_unix_nano: START + row as u64 * 1_000,
        end_time_unix_nano: START + row as u64 * 1_000 + 350_000,
        attributes: attributes(row),
        status: Some(Status { code: if row.is_multiple_of(10) { 2 } else { 0 }, ..Default::default() }),
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { scope: scope(), spans: (0..rows).map(span).collect(), ..Default::default() }];
    let resource_spans = vec![ResourceSpans { resource: resource(), scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }
}

fn logs(rows: usize) -> ExportLogsServiceRequest {
    let log = |row: usize| LogRecord {
        time_unix_nano: START + row as u64,
        observed_time_unix_nano: START + row as u64 + 50,
        severity_number: 9 + (row % 3) as i32 * 4,
        severity_text: ["INFO", "WARN", "ERROR"][row % 3].into(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(format!("order {row} was placed after {} ms", row % 350))),
        }),
        attributes: attributes(row),
        trace_id: id(row / 8, 16),
        span_id: id(row, 8),
        ..Default::default()
    };
    let scope_logs =
        vec![ScopeLogs { scope: scope(), log_records: (0..rows).map(log).collect(), ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource: resource(), scope_logs, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs }
}

fn metrics(rows: usize) -> ExportMetricsServiceRequest {
    let point = |row: usize| NumberDataPoint {
        start_time_unix_nano: START,
        time_unix_nano: START + 10_000_000_000,
        attributes: attributes(row),
        value: Some(number_data_point::Value::AsInt(row as i64 * 3)),
        ..Default::default()
    };
    // Ten points a metric, as a request counter over methods and status codes has.
    let metric = |number: usize| Metric {
        name: format!("http.server.request.count.{number}"),
        unit: "{request}".into(),
        description: "requests answered".into(),
        data: Some(Data::Sum(Sum {
            data_points: (10 * number..(10 * number + 10).min(rows)).map(point).collect(),
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
        ..Default::default()
    };
    let metrics = (0..rows.div_ceil(10)).map(metric).collect();
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}
