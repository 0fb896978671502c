//! Metrics with their data points.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
};

use super::super::text::{attributes, hex};
use super::{INDENT, INDENT_INNER, utc};

pub fn metric(out: &mut String, number: usize, metric: &Metric) {
    let _ = writeln!(out, "Metric #{number}\nDescriptor:\n{INDENT}-> Name: {}", metric.name);
    let _ = writeln!(out, "{INDENT}-> Description: {}\n{INDENT}-> Unit: {}", metric.description, metric.unit);
    let (kind, temporality) = match &metric.data {
        None => ("Empty", None),
        Some(Data::Gauge(_)) => ("Gauge", None),
        Some(Data::Sum(data)) => ("Sum", Some(data.aggregation_temporality)),
        Some(Data::Histogram(data)) => ("Histogram", Some(data.aggregation_temporality)),
        Some(Data::ExponentialHistogram(data)) => ("ExponentialHistogram", Some(data.aggregation_temporality)),
        Some(Data::Summary(_)) => ("Summary", None),
    };
    let _ = writeln!(out, "{INDENT}-> DataType: {kind}");
    if let Some(Data::Sum(data)) = &metric.data {
        let _ = writeln!(out, "{INDENT}-> IsMonotonic: {}", data.is_monotonic);
    }
    if let Some(temporality) = temporality {
        let name = match AggregationTemporality::try_from(temporality) {
            Ok(AggregationTemporality::Unspecified) | Err(_) => "Unspecified",
            Ok(AggregationTemporality::Delta) => "Delta",
            Ok(AggregationTemporality::Cumulative) => "Cumulative",
        };
        let _ = writeln!(out, "{INDENT}-> AggregationTemporality: {name}");
    }
    match &metric.data {
        None => {}
        Some(Data::Gauge(data)) => each(&data.data_points, |i, point| number_point(out, i, point)),
        Some(Data::Sum(data)) => each(&data.data_points, |i, point| number_point(out, i, point)),
        Some(Data::Histogram(data)) => each(&data.data_points, |i, point| histogram_point(out, i, point)),
        Some(Data::ExponentialHistogram(data)) => each(&data.data_points, |i, point| exponential_point(out, i, point)),
        Some(Data::Summary(data)) => each(&data.data_points, |i, point| summary_point(out, i, point)),
    }
}

fn each<T>(points: &[T], mut write: impl FnMut(usize, &T)) {
    points.iter().enumerate().for_each(|(i, point)| write(i, point));
}

fn point_head(out: &mut String, what: &str, number: usize, own: &[KeyValue], start: u64, time: u64) {
    let _ = writeln!(out, "{what} #{number}");
    attributes(out, "Data point attributes:", INDENT, own);
    let _ = writeln!(out, "StartTimestamp: {}\nTimestamp: {}", utc(start), utc(time));
}

fn number_point(out: &mut String, number: usize, point: &NumberDataPoint) {
    let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
    point_head(out, "NumberDataPoints", number, &point.attributes, start, time);
    let _ = match point.value {
        None => Ok(()),
        Some(number_data_point::Value::AsInt(value)) => writeln!(out, "Value: {value}"),
        Some(number_data_point::Value::AsDouble(value)) => writeln!(out, "Value: {value:.6}"),
    };
    exemplars(out, &point.exemplars);
}

fn totals(out: &mut String, count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) {
    let _ = writeln!(out, "Count: {count}");
    for (name, value) in [("Sum", sum), ("Min", min), ("Max", max)] {
        if let Some(value) = value {
            let _ = writeln!(out, "{name}: {value:.6}");
        }
    }
}

fn histogram_point(out: &mut String, number: usize, point: &HistogramDataPoint) {
    let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
    point_head(out, "HistogramDataPoints", number, &point.attributes, start, time);
    totals(out, point.count, point.sum, point.min, point.max);
    for (i, bound) in point.explicit_bounds.iter().enumerate() {
        let _ = writeln!(out, "ExplicitBounds #{i}: {bound:.6}");
    }
    for (i, count) in point.bucket_counts.iter().enumerate() {
        let _ = writeln!(out, "Buckets #{i}, Count: {count}");
    }
    exemplars(out, &point.exemplars);
}

fn exponential_point(out: &mut String, number: usize, point: &ExponentialHistogramDataPoint) {
    let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
    point_head(out, "ExponentialHistogramDataPoints", number, &point.attributes, start, time);
    totals(out, point.count, point.sum, point.min, point.max);
    let base = 2f64.powf(2f64.powi(-point.scale));
    let bounds = |buckets: &Buckets, i: usize| {
        let at = f64::from(buckets.offset) + i as f64;
        (base.powf(at), base.powf(at + 1.0))
    };
    // From the lowest value to the highest.
    if let Some(buckets) = &point.negative {
        for (i, count) in buckets.bucket_counts.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
            let (lower, upper) = bounds(buckets, i);
            let _ = writeln!(out, "Bucket [{:.6}, {:.6}), Count: {count}", -upper, -lower);
        }
    }
    if point.zero_count > 0 {
        let _ = writeln!(out, "Bucket [0, 0], Count: {}", point.zero_count);
    }
    if let Some(buckets) = &point.positive {
        for (i, count) in buckets.bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (lower, upper) = bounds(buckets, i);
            let _ = writeln!(out, "Bucket ({lower:.6}, {upper:.6}], Count: {count}");
        }
    }
    exemplars(out, &point.exemplars);
}

fn summary_point(out: &mut String, number: usize, point: &SummaryDataPoint) {
    let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
    point_head(out, "SummaryDataPoints", number, &point.attributes, start, time);
    totals(out, point.count, Some(point.sum), None, None);
    for (i, value) in point.quantile_values.iter().enumerate() {
        let _ = writeln!(out, "QuantileValue #{i}: Quantile {:.6}, Value {:.6}", value.quantile, value.value);
    }
}

fn exemplars(out: &mut String, exemplars: &[Exemplar]) {
    if !exemplars.is_empty() {
        out.push_str("Exemplars:\n");
    }
    for (i, exemplar) in exemplars.iter().enumerate() {
        let (trace, span) = (hex(&exemplar.trace_id), hex(&exemplar.span_id));
        let _ = writeln!(out, "Exemplar #{i}\n{INDENT}-> Trace ID: {trace}\n{INDENT}-> Span ID: {span}");
        let _ = writeln!(out, "{INDENT}-> Timestamp: {}", utc(exemplar.time_unix_nano));
        let _ = match exemplar.value {
            None => Ok(()),
            Some(exemplar::Value::AsInt(value)) => writeln!(out, "{INDENT}-> Value: {value}"),
            Some(exemplar::Value::AsDouble(value)) => writeln!(out, "{INDENT}-> Value: {value:.6}"),
        };
        attributes(out, "     -> FilteredAttributes:", INDENT_INNER, &exemplar.filtered_attributes);
    }
}
