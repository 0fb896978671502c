//! Messages of every kind, as prost structs.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::Choices;

/// Few, so that they repeat.
pub const KEYS: [&str; 6] = ["a", "b", "http.route", "", "ключ", "k.of.some.length.beyond.the.inline.ones.of.arrow"];

const TEXTS: [&str; 6] =
    ["", "x", "checkout", "/api/orders/{id}", "žluťoučký kůň", "a text that is longer than most of them are"];

fn many<T>(c: &mut Choices<'_>, max: usize, mut one: impl FnMut(&mut Choices<'_>) -> T) -> Vec<T> {
    let n = c.below(max + 1);
    (0..n).map(|_| one(c)).collect()
}

fn text(c: &mut Choices<'_>) -> String {
    match c.once_in(16) {
        true => "long ".repeat(c.below(64)),
        false => c.pick(&TEXTS).to_owned(),
    }
}

fn id(c: &mut Choices<'_>, len: usize) -> Vec<u8> {
    match c.below(8) {
        0 => Vec::new(),
        1 => vec![7; c.below(40)],
        _ => (0..len).map(|_| c.byte()).collect(),
    }
}

fn int(c: &mut Choices<'_>) -> i32 {
    match c.below(4) {
        0 => 0,
        1 => -1,
        _ => i32::from(c.byte()),
    }
}

fn count(c: &mut Choices<'_>) -> u32 {
    c.number() as u32
}

pub fn double(c: &mut Choices<'_>) -> f64 {
    match c.below(5) {
        0 => 0.0,
        1 => -0.0,
        2 => f64::NAN,
        _ => f64::from(c.byte()) / 3.0,
    }
}

pub fn any(c: &mut Choices<'_>, depth: usize) -> AnyValue {
    let value = match c.below(if depth == 0 { 6 } else { 9 }) {
        0 => None,
        1 | 6 => Some(Value::StringValue(text(c))),
        2 => Some(Value::BoolValue(c.once_in(2))),
        3 => Some(Value::IntValue(c.number() as i64)),
        4 => Some(Value::DoubleValue(double(c))),
        5 => Some(Value::BytesValue(id(c, 5))),
        7 => Some(Value::ArrayValue(ArrayValue { values: many(c, 3, |c| any(c, depth - 1)) })),
        _ => Some(Value::KvlistValue(KeyValueList { values: attributes(c, depth - 1) })),
    };
    AnyValue { value }
}

pub fn attributes(c: &mut Choices<'_>, depth: usize) -> Vec<KeyValue> {
    many(c, 5, |c| KeyValue {
        key: c.pick(&KEYS).to_owned(),
        value: (!c.once_in(12)).then(|| any(c, depth)),
        ..KeyValue::default()
    })
}

fn resource(c: &mut Choices<'_>) -> Option<Resource> {
    (!c.once_in(6)).then(|| Resource {
        attributes: attributes(c, 2),
        dropped_attributes_count: count(c),
        entity_refs: many(c, 1, |c| EntityRef {
            schema_url: text(c),
            r#type: text(c),
            id_keys: vec!["service.name".into(), String::new()],
            description_keys: vec!["host".into()],
        }),
    })
}

fn scope(c: &mut Choices<'_>) -> Option<InstrumentationScope> {
    (!c.once_in(6)).then(|| InstrumentationScope {
        name: text(c),
        version: text(c),
        attributes: attributes(c, 1),
        dropped_attributes_count: count(c),
    })
}

pub fn traces(c: &mut Choices<'_>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: many(c, 3, |c| ResourceSpans {
            resource: resource(c),
            scope_spans: many(c, 3, |c| ScopeSpans { scope: scope(c), spans: many(c, 5, span), schema_url: text(c) }),
            schema_url: text(c),
        }),
    }
}

fn span(c: &mut Choices<'_>) -> Span {
    Span {
        trace_id: id(c, 16),
        span_id: id(c, 8),
        trace_state: text(c),
        parent_span_id: id(c, 8),
        flags: count(c),
        name: text(c),
        kind: int(c),
        start_time_unix_nano: c.number(),
        end_time_unix_nano: c.number(),
        attributes: attributes(c, 3),
        dropped_attributes_count: count(c),
        events: many(c, 3, |c| Event {
            time_unix_nano: c.number(),
            name: text(c),
            attributes: attributes(c, 1),
            dropped_attributes_count: count(c),
        }),
        dropped_events_count: count(c),
        links: many(c, 2, |c| Link {
            trace_id: id(c, 16),
            span_id: id(c, 8),
            trace_state: text(c),
            attributes: attributes(c, 1),
            dropped_attributes_count: count(c),
            flags: count(c),
        }),
        dropped_links_count: count(c),
        status: (!c.once_in(3)).then(|| Status { message: text(c), code: int(c) }),
    }
}

pub fn logs(c: &mut Choices<'_>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: many(c, 3, |c| ResourceLogs {
            resource: resource(c),
            scope_logs: many(c, 3, |c| ScopeLogs {
                scope: scope(c),
                log_records: many(c, 5, log),
                schema_url: text(c),
            }),
            schema_url: text(c),
        }),
    }
}

fn log(c: &mut Choices<'_>) -> LogRecord {
    LogRecord {
        time_unix_nano: c.number(),
        observed_time_unix_nano: c.number(),
        severity_number: int(c),
        severity_text: text(c),
        body: (!c.once_in(4)).then(|| any(c, 3)),
        attributes: attributes(c, 3),
        dropped_attributes_count: count(c),
        flags: count(c),
        trace_id: id(c, 16),
        span_id: id(c, 8),
        event_name: text(c),
    }
}

pub fn metrics(c: &mut Choices<'_>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: many(c, 2, |c| ResourceMetrics {
            resource: resource(c),
            scope_metrics: many(c, 2, |c| ScopeMetrics {
                scope: scope(c),
                metrics: many(c, 4, metric),
                schema_url: text(c),
            }),
            schema_url: text(c),
        }),
    }
}

fn metric(c: &mut Choices<'_>) -> Metric {
    Metric { name: text(c), description: text(c), unit: text(c), metadata: attributes(c, 1), data: data(c) }
}

fn data(c: &mut Choices<'_>) -> Option<Data> {
    Some(match c.below(6) {
        0 => return None,
        1 => Data::Gauge(Gauge { data_points: many(c, 4, number_point) }),
        2 => Data::Sum(Sum {
            data_points: many(c, 4, number_point),
            aggregation_temporality: int(c),
            is_monotonic: c.once_in(2),
        }),
        3 => Data::Histogram(Histogram { data_points: many(c, 3, histogram_point), aggregation_temporality: int(c) }),
        4 => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: many(c, 3, exponential_point),
            aggregation_temporality: int(c),
        }),
        _ => Data::Summary(Summary { data_points: many(c, 3, summary_point) }),
    })
}

fn exemplar(c: &mut Choices<'_>) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(c, 1),
        time_unix_nano: c.number(),
        span_id: id(c, 8),
        trace_id: id(c, 16),
        value: match c.below(3) {
            0 => None,
            1 => Some(exemplar::Value::AsDouble(double(c))),
            _ => Some(exemplar::Value::AsInt(c.number() as i64)),
        },
    }
}

fn number_point(c: &mut Choices<'_>) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(c, 1),
        start_time_unix_nano: c.number(),
        time_unix_nano: c.number(),
        exemplars: many(c, 2, exemplar),
        flags: count(c),
        value: match c.below(3) {
            0 => None,
            1 => Some(number_data_point::Value::AsDouble(double(c))),
            _ => Some(number_data_point::Value::AsInt(c.number() as i64)),
        },
    }
}

fn histogram_point(c: &mut Choices<'_>) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(c, 1),
        start_time_unix_nano: c.number(),
        time_unix_nano: c.number(),
        count: c.number(),
        sum: (!c.once_in(2)).then(|| double(c)),
        bucket_counts: many(c, 4, |c| c.number()),
        explicit_bounds: many(c, 4, double),
        exemplars: many(c, 2, exemplar),
        flags: count(c),
        min: (!c.once_in(2)).then(|| double(c)),
        max: (!c.once_in(2)).then(|| double(c)),
    }
}

fn exponential_point(c: &mut Choices<'_>) -> ExponentialHistogramDataPoint {
    let buckets = |c: &mut Choices<'_>| Buckets { offset: int(c), bucket_counts: many(c, 4, |c| c.number()) };
    ExponentialHistogramDataPoint {
        attributes: attributes(c, 1),
        start_time_unix_nano: c.number(),
        time_unix_nano: c.number(),
        count: c.number(),
        sum: (!c.once_in(2)).then(|| double(c)),
        scale: int(c),
        zero_count: c.number(),
        positive: (!c.once_in(2)).then(|| buckets(c)),
        negative: (!c.once_in(2)).then(|| buckets(c)),
        flags: count(c),
        exemplars: many(c, 2, exemplar),
        min: (!c.once_in(2)).then(|| double(c)),
        max: (!c.once_in(2)).then(|| double(c)),
        zero_threshold: double(c),
    }
}

fn summary_point(c: &mut Choices<'_>) -> SummaryDataPoint {
    SummaryDataPoint {
        attributes: attributes(c, 1),
        start_time_unix_nano: c.number(),
        time_unix_nano: c.number(),
        count: c.number(),
        sum: double(c),
        quantile_values: many(c, 3, |c| ValueAtQuantile { quantile: double(c), value: double(c) }),
        flags: count(c),
    }
}
