//! Values as text, as the Collector's debug exporter writes them, and a tap.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};

/// `key=value` for each, with `separator` between.
pub fn pairs(attributes: &[KeyValue], separator: &str) -> String {
    let pairs: Vec<String> =
        attributes.iter().map(|attribute| format!("{}={}", attribute.key, plain(attribute.value.as_ref()))).collect();
    pairs.join(separator)
}

/// The value without its type: `checkout`, `42`, `{"a":1}`.
pub fn plain(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BytesValue(bytes)) => hex(bytes),
        Some(_) => json(value).to_string(),
    }
}

/// The value with its type: `Str(checkout)`, `Int(42)`.
pub fn typed(value: Option<&AnyValue>) -> String {
    let kind = match value.and_then(|value| value.value.as_ref()) {
        None => "Empty",
        Some(Value::StringValue(_) | Value::StringValueStrindex(_)) => "Str",
        Some(Value::BoolValue(_)) => "Bool",
        Some(Value::IntValue(_)) => "Int",
        Some(Value::DoubleValue(_)) => "Double",
        Some(Value::BytesValue(_)) => "Bytes",
        Some(Value::ArrayValue(_)) => "Slice",
        Some(Value::KvlistValue(_)) => "Map",
    };
    format!("{kind}({})", plain(value))
}

/// The value as JSON: bytes as hexadecimal digits, a number that JSON has not as `null`.
pub fn json(value: Option<&AnyValue>) -> serde_json::Value {
    match value.and_then(|value| value.value.as_ref()) {
        None => serde_json::Value::Null,
        Some(Value::StringValue(text)) => text.as_str().into(),
        Some(Value::BoolValue(value)) => (*value).into(),
        Some(Value::IntValue(value)) => (*value).into(),
        Some(Value::DoubleValue(value)) => (*value).into(),
        Some(Value::BytesValue(bytes)) => hex(bytes).into(),
        Some(Value::ArrayValue(list)) => list.values.iter().map(|item| json(Some(item))).collect(),
        Some(Value::KvlistValue(map)) => {
            map.values.iter().map(|entry| (entry.key.clone(), json(entry.value.as_ref()))).collect()
        }
        Some(Value::StringValueStrindex(number)) => format!("#{number}").into(),
    }
}

/// A line for each attribute under a heading; nothing where there are none.
pub fn attributes(out: &mut String, heading: &str, indent: &str, attributes: &[KeyValue]) {
    if attributes.is_empty() {
        return;
    }
    let _ = writeln!(out, "{heading}");
    for attribute in attributes {
        let _ = writeln!(out, "{indent}-> {}: {}", attribute.key, typed(attribute.value.as_ref()));
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Data points of a metric.
pub fn points(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
    }
}
