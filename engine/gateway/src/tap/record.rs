//! One record as JSON, with the resource and scope that it belongs to.
//!
//! Its fields have the names of the Collector's transformation language; times are RFC 3339, ids hexadecimal digits, enumerations words.
//! What is empty is left out. Of an attribute's key that occurs twice the last value is shown.

use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    SummaryDataPoint, exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message;
use serde_json::{Map, Value, json};
use wasmill_wire::Signal;

use crate::exporter::debug::text::{hex, json as value, points};
use crate::timestamp::rfc3339;

const NANOS_PER_MS: f64 = 1e6;

/// The record of a request that has one. `None`: there is none.
pub fn record(signal: Signal, request: &[u8]) -> Option<Map<String, Value>> {
    let mut record = Fields(Map::new());
    // The wire engine has validated what comes here: an error is a request without a record.
    match signal {
        Signal::Traces => {
            let request = ExportTraceServiceRequest::decode(request).ok()?;
            let mut scopes = request.resource_spans.iter().flat_map(|r| r.scope_spans.iter().map(move |s| (r, s)));
            let (resource, scope, first) = scopes.find_map(|(r, s)| Some((r, s, s.spans.first()?)))?;
            span(&mut record, first);
            parents(&mut record, scope.scope.as_ref(), resource.resource.as_ref());
        }
        Signal::Logs => {
            let request = ExportLogsServiceRequest::decode(request).ok()?;
            let mut scopes = request.resource_logs.iter().flat_map(|r| r.scope_logs.iter().map(move |s| (r, s)));
            let (resource, scope, log) = scopes.find_map(|(r, s)| Some((r, s, s.log_records.first()?)))?;
            log_record(&mut record, log);
            parents(&mut record, scope.scope.as_ref(), resource.resource.as_ref());
        }
        Signal::Metrics => {
            let request = ExportMetricsServiceRequest::decode(request).ok()?;
            let scopes = request.resource_metrics.iter().flat_map(|r| r.scope_metrics.iter().map(move |s| (r, s)));
            let mut metrics = scopes.flat_map(|(r, s)| s.metrics.iter().map(move |metric| (r, s, metric)));
            // Metrics that came without points are kept beside the one whose point this is.
            let (resource, scope, metric) = metrics.find(|(_, _, metric)| points(metric) > 0)?;
            metric_point(&mut record, metric);
            parents(&mut record, scope.scope.as_ref(), resource.resource.as_ref());
        }
    }
    Some(record.0)
}

/// Fields that are there.
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.set(key, text);
        }
    }

    fn id(&mut self, key: &str, id: &[u8]) {
        self.text(key, &hex(id));
    }

    fn time(&mut self, key: &str, unix_nanos: u64) {
        if unix_nanos > 0 {
            self.set(key, time(unix_nanos));
        }
    }

    fn number<N: Into<Value>>(&mut self, key: &str, number: Option<N>) {
        if let Some(number) = number {
            self.set(key, number);
        }
    }

    fn map(&mut self, key: &str, fields: Fields) {
        if !fields.0.is_empty() {
            self.set(key, fields.0);
        }
    }

    fn attributes(&mut self, attributes: &[KeyValue]) {
        if !attributes.is_empty() {
            self.set("attributes", map(attributes));
        }
    }

    fn list(&mut self, key: &str, items: impl Iterator<Item = Fields>) {
        let items: Vec<Value> = items.map(|fields| Value::Object(fields.0)).collect();
        if !items.is_empty() {
            self.set(key, items);
        }
    }
}

fn fields(fill: impl FnOnce(&mut Fields)) -> Fields {
    let mut fields = Fields(Map::new());
    fill(&mut fields);
    fields
}

fn map(attributes: &[KeyValue]) -> Map<String, Value> {
    attributes.iter().map(|attribute| (attribute.key.clone(), value(attribute.value.as_ref()))).collect()
}

fn time(unix_nanos: u64) -> String {
    rfc3339(UNIX_EPOCH + Duration::from_nanos(unix_nanos))
}

fn parents(record: &mut Fields, scope: Option<&InstrumentationScope>, resource: Option<&Resource>) {
    if let Some(scope) = scope {
        let scope = fields(|fields| {
            fields.text("name", &scope.name);
            fields.text("version", &scope.version);
            fields.attributes(&scope.attributes);
        });
        record.map("scope", scope);
    }
    if let Some(resource) = resource {
        record.map("resource", fields(|fields| fields.attributes(&resource.attributes)));
    }
}

fn span(record: &mut Fields, span: &Span) {
    record.set("name", span.name.as_str());
    match SpanKind::try_from(span.kind).unwrap_or_default() {
        SpanKind::Unspecified => {}
        kind => record.set("kind", word(kind.as_str_name(), "SPAN_KIND_")),
    }
    record.id("trace_id", &span.trace_id);
    record.id("span_id", &span.span_id);
    record.id("parent_span_id", &span.parent_span_id);
    record.text("trace_state", &span.trace_state);
    record.time("start_time", span.start_time_unix_nano);
    record.time("end_time", span.end_time_unix_nano);
    let timed = span.start_time_unix_nano > 0;
    if let Some(duration) = span.end_time_unix_nano.checked_sub(span.start_time_unix_nano).filter(|_| timed) {
        record.set("duration_ms", duration as f64 / NANOS_PER_MS);
    }
    let status = span.status.clone().unwrap_or_default();
    let code = StatusCode::try_from(status.code).unwrap_or_default();
    let status = fields(|fields| {
        fields.set("code", word(code.as_str_name(), "STATUS_CODE_"));
        fields.text("message", &status.message);
    });
    record.map("status", status);
    record.attributes(&span.attributes);
    let events = span.events.iter().map(|event| {
        fields(|fields| {
            fields.set("name", event.name.as_str());
            fields.time("time", event.time_unix_nano);
            fields.attributes(&event.attributes);
        })
    });
    record.list("events", events);
    let links = span.links.iter().map(|link| {
        fields(|fields| {
            fields.id("trace_id", &link.trace_id);
            fields.id("span_id", &link.span_id);
            fields.attributes(&link.attributes);
        })
    });
    record.list("links", links);
}

fn log_record(record: &mut Fields, log: &LogRecord) {
    if log.body.is_some() {
        record.set("body", value(log.body.as_ref()));
    }
    record.set("severity_number", log.severity_number);
    record.text("severity_text", &log.severity_text);
    record.text("event_name", &log.event_name);
    record.time("time", log.time_unix_nano);
    record.time("observed_time", log.observed_time_unix_nano);
    record.id("trace_id", &log.trace_id);
    record.id("span_id", &log.span_id);
    record.attributes(&log.attributes);
}

fn metric_point(record: &mut Fields, metric: &Metric) {
    let (kind, temporality) = match &metric.data {
        None => ("empty", None),
        Some(Data::Gauge(_)) => ("gauge", None),
        Some(Data::Sum(data)) => ("sum", Some(data.aggregation_temporality)),
        Some(Data::Histogram(data)) => ("histogram", Some(data.aggregation_temporality)),
        Some(Data::ExponentialHistogram(data)) => ("exponential_histogram", Some(data.aggregation_temporality)),
        Some(Data::Summary(_)) => ("summary", None),
    };
    let of_metric = fields(|fields| {
        fields.set("name", metric.name.as_str());
        fields.text("description", &metric.description);
        fields.text("unit", &metric.unit);
        fields.set("type", kind);
        if let Some(temporality) =
            temporality.map(|number| AggregationTemporality::try_from(number).unwrap_or_default())
        {
            fields.set("aggregation_temporality", word(temporality.as_str_name(), "AGGREGATION_TEMPORALITY_"));
        }
        if let Some(Data::Sum(sum)) = &metric.data {
            fields.set("is_monotonic", sum.is_monotonic);
        }
    });
    record.map("metric", of_metric);
    match &metric.data {
        None => {}
        Some(Data::Gauge(data)) => data.data_points.iter().take(1).for_each(|point| number_point(record, point)),
        Some(Data::Sum(data)) => data.data_points.iter().take(1).for_each(|point| number_point(record, point)),
        Some(Data::Histogram(data)) => data.data_points.iter().take(1).for_each(|point| histogram(record, point)),
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter().take(1).for_each(|point| exponential(record, point));
        }
        Some(Data::Summary(data)) => data.data_points.iter().take(1).for_each(|point| summary(record, point)),
    }
}

fn number_point(record: &mut Fields, point: &NumberDataPoint) {
    match point.value {
        None => {}
        Some(number_data_point::Value::AsInt(value)) => record.set("value", value),
        Some(number_data_point::Value::AsDouble(value)) => record.set("value", value),
    }
    point_fields(record, point.start_time_unix_nano, point.time_unix_nano, &point.attributes);
}

fn histogram(record: &mut Fields, point: &HistogramDataPoint) {
    record.set("count", point.count);
    record.number("sum", point.sum);
    record.number("min", point.min);
    record.number("max", point.max);
    record.set("explicit_bounds", point.explicit_bounds.clone());
    record.set("bucket_counts", point.bucket_counts.clone());
    point_fields(record, point.start_time_unix_nano, point.time_unix_nano, &point.attributes);
}

fn exponential(record: &mut Fields, point: &ExponentialHistogramDataPoint) {
    record.set("count", point.count);
    record.number("sum", point.sum);
    record.number("min", point.min);
    record.number("max", point.max);
    record.set("scale", point.scale);
    record.set("zero_count", point.zero_count);
    let buckets = |buckets: &Option<Buckets>| {
        buckets.as_ref().map(|buckets| json!({ "offset": buckets.offset, "bucket_counts": buckets.bucket_counts }))
    };
    record.number("positive", buckets(&point.positive));
    record.number("negative", buckets(&point.negative));
    point_fields(record, point.start_time_unix_nano, point.time_unix_nano, &point.attributes);
}

fn summary(record: &mut Fields, point: &SummaryDataPoint) {
    record.set("count", point.count);
    record.set("sum", point.sum);
    let quantiles = point.quantile_values.iter();
    let quantiles: Vec<Value> = quantiles.map(|of| json!({ "quantile": of.quantile, "value": of.value })).collect();
    record.set("quantile_values", quantiles);
    point_fields(record, point.start_time_unix_nano, point.time_unix_nano, &point.attributes);
}

fn point_fields(record: &mut Fields, start: u64, at: u64, attributes: &[KeyValue]) {
    record.time("start_time", start);
    record.time("time", at);
    record.attributes(attributes);
}

/// `SPAN_KIND_SERVER` as `server`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
    use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, ResourceMetrics, ScopeMetrics, Sum};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status, span::Event};

    use super::*;

    fn attribute(key: &str, value: any_value::Value) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    fn text(text: &str) -> any_value::Value {
        any_value::Value::StringValue(text.to_owned())
    }

    fn resource() -> Option<Resource> {
        Some(Resource { attributes: vec![attribute("service.name", text("shop"))], ..Resource::default() })
    }

    /// A span with all that a span has, behind a resource without spans.
    #[test]
    fn a_span_is_shown_with_its_parents() {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: "pay".to_owned(),
            kind: SpanKind::Server as i32,
            start_time_unix_nano: 1_581_452_772_000_000_321,
            end_time_unix_nano: 1_581_452_772_001_500_321,
            status: Some(Status { code: 2, message: "boom".to_owned() }),
            attributes: vec![
                attribute("n", any_value::Value::IntValue(i64::MAX)),
                attribute("b", any_value::Value::BytesValue(vec![255])),
            ],
            events: vec![Event { name: "retry".to_owned(), ..Event::default() }],
            ..Span::default()
        };
        let scope = ScopeSpans {
            scope: Some(InstrumentationScope { name: "lib".to_owned(), ..InstrumentationScope::default() }),
            spans: vec![span],
            ..ScopeSpans::default()
        };
        let resources = vec![
            ResourceSpans::default(),
            ResourceSpans {
                resource: resource(),
                scope_spans: vec![ScopeSpans::default(), scope],
                ..ResourceSpans::default()
            },
        ];
        let request = ExportTraceServiceRequest { resource_spans: resources }.encode_to_vec();
        let expected = json!({
            "name": "pay", "kind": "server", "trace_id": "01".repeat(16), "span_id": "02".repeat(8),
            "start_time": "2020-02-11T20:26:12.000000321Z", "end_time": "2020-02-11T20:26:12.001500321Z", "duration_ms": 1.5,
            "status": {"code": "error", "message": "boom"}, "attributes": {"n": i64::MAX, "b": "ff"}, "events": [{"name": "retry"}],
            "scope": {"name": "lib"}, "resource": {"attributes": {"service.name": "shop"}},
        });
        assert_eq!(record(Signal::Traces, &request).map(Value::Object), Some(expected));
        assert_eq!(record(Signal::Traces, &[]), None);
    }

    #[test]
    fn log_records_and_points_are_shown() {
        let body = Some(AnyValue { value: Some(text("hello")) });
        let log = LogRecord { severity_number: 17, body, ..LogRecord::default() };
        let scope = ScopeLogs { log_records: vec![log], ..ScopeLogs::default() };
        let resource_logs = ResourceLogs { resource: resource(), scope_logs: vec![scope], ..ResourceLogs::default() };
        let request = ExportLogsServiceRequest { resource_logs: vec![resource_logs] }.encode_to_vec();
        let expected = json!({
            "body": "hello", "severity_number": 17, "resource": {"attributes": {"service.name": "shop"}},
        });
        assert_eq!(record(Signal::Logs, &request).map(Value::Object), Some(expected));

        let point = NumberDataPoint {
            attributes: vec![attribute("state", text("user"))],
            value: Some(number_data_point::Value::AsDouble(1.5)),
            ..NumberDataPoint::default()
        };
        let sum = Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic: true };
        let metric = |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
        let metrics = vec![metric("empty", Data::Gauge(Gauge::default())), metric("cpu.time", Data::Sum(sum))];
        let scope = ScopeMetrics { metrics, ..ScopeMetrics::default() };
        let resource =
            ResourceMetrics { resource: resource(), scope_metrics: vec![scope], ..ResourceMetrics::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec();
        let expected = json!({
            "metric": {"name": "cpu.time", "type": "sum", "aggregation_temporality": "cumulative", "is_monotonic": true},
            "value": 1.5, "attributes": {"state": "user"}, "resource": {"attributes": {"service.name": "shop"}},
        });
        assert_eq!(record(Signal::Metrics, &request).map(Value::Object), Some(expected));
    }
}
