//! What the rows of a request are, as the schema's documentation has it, from what prost decoded.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Case;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric, exemplar, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Map, Value, json};

use crate::requests::model::Request;

type Row = Map<String, Value>;

/// In order; every column but those without a value.
pub fn rows(request: &Request) -> Vec<Row> {
    let mut rows = Vec::new();
    match request {
        Request::Traces(request) => {
            for resource in &request.resource_spans {
                for scope in &resource.scope_spans {
                    let parents = parents(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                    rows.extend(scope.spans.iter().map(|record| with(span(record), &parents)));
                }
            }
        }
        Request::Logs(request) => {
            for resource in &request.resource_logs {
                for scope in &resource.scope_logs {
                    let parents = parents(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                    rows.extend(scope.log_records.iter().map(|record| with(log(record), &parents)));
                }
            }
        }
        Request::Metrics(request) => {
            for resource in &request.resource_metrics {
                for scope in &resource.scope_metrics {
                    let parents = parents(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                    rows.extend(scope.metrics.iter().flat_map(points).map(|row| with(row, &parents)));
                }
            }
        }
    }
    rows
}

fn with(mut row: Row, parents: &Row) -> Row {
    row.extend(parents.clone());
    row
}

fn row<const N: usize>(columns: [(&str, Value); N]) -> Row {
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn parents(
    resource: &Option<Resource>,
    resource_url: &str,
    scope: &Option<InstrumentationScope>,
    scope_url: &str,
) -> Row {
    let resource = resource.clone().unwrap_or_default();
    let scope = scope.clone().unwrap_or_default();
    let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    let service = service.map(|attribute| any(attribute.value.as_ref()).0);
    let (resource_attributes, resource_types) = attributes(&resource.attributes);
    let (scope_attributes, scope_types) = attributes(&scope.attributes);
    row([
        ("service_name", service.filter(|name| name != "").unwrap_or_default()),
        ("resource_attributes", resource_attributes),
        ("resource_attribute_types", resource_types),
        ("resource_dropped_attributes_count", json!(resource.dropped_attributes_count)),
        ("resource_schema_url", text(resource_url)),
        ("scope_name", text(&scope.name)),
        ("scope_version", text(&scope.version)),
        ("scope_attributes", scope_attributes),
        ("scope_attribute_types", scope_types),
        ("scope_dropped_attributes_count", json!(scope.dropped_attributes_count)),
        ("scope_schema_url", text(scope_url)),
    ])
}

fn span(span: &Span) -> Row {
    let status = span.status.clone().unwrap_or_default();
    let (start, end) = (time(span.start_time_unix_nano), time(span.end_time_unix_nano));
    let duration = start.as_i64().zip(end.as_i64()).map(|(start, end)| end - start).filter(|nanos| *nanos >= 0);
    let (map, types) = attributes(&span.attributes);
    let events = span.events.iter().map(|event| {
        let (map, types) = attributes(&event.attributes);
        json!({"time": time(event.time_unix_nano), "name": text(&event.name), "attributes": map, "attribute_types": types,
            "dropped_attributes_count": event.dropped_attributes_count})
    });
    let links = span.links.iter().map(|link| {
        let (map, types) = attributes(&link.attributes);
        json!({"trace_id": id(&link.trace_id, 16), "span_id": id(&link.span_id, 8), "trace_state": text(&link.trace_state),
            "flags": link.flags, "attributes": map, "attribute_types": types,
            "dropped_attributes_count": link.dropped_attributes_count})
    });
    row([
        ("start_time", start),
        ("end_time", end),
        ("duration_nano", json!(duration)),
        ("trace_id", id(&span.trace_id, 16)),
        ("span_id", id(&span.span_id, 8)),
        ("parent_span_id", id(&span.parent_span_id, 8)),
        ("trace_state", text(&span.trace_state)),
        ("flags", json!(span.flags)),
        ("name", text(&span.name)),
        ("kind", word(&["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"], span.kind)),
        ("status_code", word(&["UNSET", "OK", "ERROR"], status.code)),
        ("status_message", text(&status.message)),
        ("attributes", map),
        ("attribute_types", types),
        ("dropped_attributes_count", json!(span.dropped_attributes_count)),
        ("events", events.collect()),
        ("dropped_events_count", json!(span.dropped_events_count)),
        ("links", links.collect()),
        ("dropped_links_count", json!(span.dropped_links_count)),
    ])
}

fn log(log: &LogRecord) -> Row {
    let (body, body_type) = any(log.body.as_ref());
    let (map, types) = attributes(&log.attributes);
    row([
        ("time", time(log.time_unix_nano)),
        ("observed_time", time(log.observed_time_unix_nano)),
        ("trace_id", id(&log.trace_id, 16)),
        ("span_id", id(&log.span_id, 8)),
        ("flags", json!(log.flags)),
        ("severity_number", json!(log.severity_number)),
        ("severity_text", text(&log.severity_text)),
        ("event_name", text(&log.event_name)),
        ("body", body),
        ("body_type", json!(body_type.to_string())),
        ("attributes", map),
        ("attribute_types", types),
        ("dropped_attributes_count", json!(log.dropped_attributes_count)),
    ])
}

fn points(metric: &Metric) -> Vec<Row> {
    let (metadata, metadata_types) = attributes(&metric.metadata);
    let of_metric = |kind: &str, temporality: Option<i32>, monotonic: Option<bool>| {
        let temporality = temporality.map(|number| word(&["UNSPECIFIED", "DELTA", "CUMULATIVE"], number));
        row([
            ("metric_name", text(&metric.name)),
            ("metric_description", text(&metric.description)),
            ("metric_unit", text(&metric.unit)),
            ("metric_type", json!(kind)),
            ("aggregation_temporality", temporality.unwrap_or_default()),
            ("is_monotonic", json!(monotonic)),
            ("metric_metadata", metadata.clone()),
            ("metric_metadata_types", metadata_types.clone()),
        ])
    };
    let common = |start: u64, at: u64, flags: u32, point: &[KeyValue], exemplars: &[Exemplar]| {
        let (map, types) = attributes(point);
        row([
            ("start_time", time(start)),
            ("time", time(at)),
            ("flags", json!(flags)),
            ("attributes", map),
            ("attribute_types", types),
            ("exemplars", exemplars.iter().map(exemplar).collect()),
            ("quantiles", json!([])),
        ])
    };
    let number = |point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint| {
        let (value, int) = match point.value {
            None => (Value::Null, None),
            Some(number_data_point::Value::AsDouble(value)) => (double(value), None),
            Some(number_data_point::Value::AsInt(value)) => (double(value as f64), Some(value)),
        };
        let own = row([("value", value), ("value_int", json!(int))]);
        let common =
            common(point.start_time_unix_nano, point.time_unix_nano, point.flags, &point.attributes, &point.exemplars);
        with(own, &common)
    };
    let optional = |value: Option<f64>| value.map(double).unwrap_or_default();
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => {
            data.data_points.iter().map(|point| with(number(point), &of_metric("gauge", None, None))).collect()
        }
        Some(Data::Sum(data)) => {
            let of_metric = of_metric("sum", Some(data.aggregation_temporality), Some(data.is_monotonic));
            data.data_points.iter().map(|point| with(number(point), &of_metric)).collect()
        }
        Some(Data::Histogram(data)) => {
            let of_metric = of_metric("histogram", Some(data.aggregation_temporality), None);
            let point = |point: &opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| {
                let own = row([
                    ("count", json!(point.count)),
                    ("sum", optional(point.sum)),
                    ("min", optional(point.min)),
                    ("max", optional(point.max)),
                    ("bucket_counts", json!(point.bucket_counts)),
                    ("explicit_bounds", point.explicit_bounds.iter().copied().map(double).collect()),
                ]);
                let common = common(
                    point.start_time_unix_nano,
                    point.time_unix_nano,
                    point.flags,
                    &point.attributes,
                    &point.exemplars,
                );
                with(with(own, &common), &of_metric)
            };
            data.data_points.iter().map(point).collect()
        }
        Some(Data::ExponentialHistogram(data)) => {
            let of_metric = of_metric("exponential_histogram", Some(data.aggregation_temporality), None);
            let point = |point: &opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint| {
                let [positive, negative] =
                    [&point.positive, &point.negative].map(|side| side.clone().unwrap_or_default());
                let own = row([
                    ("count", json!(point.count)),
                    ("sum", optional(point.sum)),
                    ("min", optional(point.min)),
                    ("max", optional(point.max)),
                    ("scale", json!(point.scale)),
                    ("zero_count", json!(point.zero_count)),
                    ("zero_threshold", double(point.zero_threshold)),
                    ("positive_offset", json!(positive.offset)),
                    ("positive_bucket_counts", json!(positive.bucket_counts)),
                    ("negative_offset", json!(negative.offset)),
                    ("negative_bucket_counts", json!(negative.bucket_counts)),
                ]);
                let common = common(
                    point.start_time_unix_nano,
                    point.time_unix_nano,
                    point.flags,
                    &point.attributes,
                    &point.exemplars,
                );
                with(with(own, &common), &of_metric)
            };
            data.data_points.iter().map(point).collect()
        }
        Some(Data::Summary(data)) => {
            let of_metric = of_metric("summary", None, None);
            let point = |point: &opentelemetry_proto::tonic::metrics::v1::SummaryDataPoint| {
                let common =
                    common(point.start_time_unix_nano, point.time_unix_nano, point.flags, &point.attributes, &[]);
                let quantiles = point.quantile_values.iter();
                let quantiles = quantiles
                    .map(|one| json!({"quantile": double(one.quantile), "value": double(one.value)}))
                    .collect();
                let own = row([("count", json!(point.count)), ("sum", double(point.sum)), ("quantiles", quantiles)]);
                with(with(common, &own), &of_metric)
            };
            data.data_points.iter().map(point).collect()
        }
    }
}

fn exemplar(one: &Exemplar) -> Value {
    let (value, int) = match one.value {
        None => (Value::Null, None),
        Some(exemplar::Value::AsDouble(value)) => (double(value), None),
        Some(exemplar::Value::AsInt(value)) => (double(value as f64), Some(value)),
    };
    let (map, types) = attributes(&one.filtered_attributes);
    json!({"time": time(one.time_unix_nano), "value": value, "value_int": int, "trace_id": id(&one.trace_id, 16),
        "span_id": id(&one.span_id, 8), "attributes": map, "attribute_types": types})
}

/// Of entries with the same key the first.
fn attributes(all: &[KeyValue]) -> (Value, Value) {
    let (mut map, mut types): (Vec<Value>, String) = Default::default();
    for (place, attribute) in all.iter().enumerate() {
        if all.iter().take(place).any(|before| before.key == attribute.key) {
            continue;
        }
        let (value, letter) = any(attribute.value.as_ref());
        map.push(json!([attribute.key, value]));
        types.push(letter);
    }
    (Value::Array(map), json!(types))
}

/// How lists, maps and doubles are written is `wasmill_wire`'s, and tested there.
fn any(value: Option<&AnyValue>) -> (Value, char) {
    let written = || {
        let mut text = Vec::new();
        wasmill_wire::any(&value.cloned().unwrap_or_default().encode_to_vec()).put_text(&mut text);
        json!(String::from_utf8(text).unwrap())
    };
    match value.and_then(|value| value.value.as_ref()) {
        Some(Case::StringValue(text)) => (json!(text), 's'),
        Some(Case::BoolValue(value)) => (json!(value.to_string()), 'b'),
        Some(Case::IntValue(value)) => (json!(value.to_string()), 'i'),
        Some(Case::DoubleValue(_)) => (written(), 'd'),
        Some(Case::BytesValue(_)) => (written(), 'y'),
        Some(Case::ArrayValue(_)) => (written(), 'a'),
        Some(Case::KvlistValue(_)) => (written(), 'm'),
        _ => (Value::Null, 'n'),
    }
}

fn time(nanos: u64) -> Value {
    match i64::try_from(nanos) {
        Ok(nanos) if nanos > 0 => json!(nanos),
        _ => Value::Null,
    }
}

fn id(id: &[u8], len: usize) -> Value {
    let is_one = id.len() == len && id.iter().any(|byte| *byte != 0);
    if is_one { json!(id.iter().map(|byte| format!("{byte:02x}")).collect::<String>()) } else { Value::Null }
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn word(words: &[&str], number: i32) -> Value {
    let word = usize::try_from(number).ok().and_then(|place| words.get(place));
    word.map_or_else(|| json!(number.to_string()), |word| json!(word))
}

/// Its bits, so that no digit is lost; not-a-number is one.
pub fn double(value: f64) -> Value {
    if value.is_nan() { json!("nan") } else { json!(format!("{:016x}", value.to_bits())) }
}
