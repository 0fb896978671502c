//! A line for each record.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, metric::Data,
    number_data_point::Value,
};

use super::Decoded;
use super::text::{hex, pairs, plain};

/// Writes a line for each span, log record or data point.
pub fn write(out: &mut String, decoded: &Decoded) {
    match decoded {
        Decoded::Traces(request) => {
            let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            for span in scopes.flat_map(|scope| &scope.spans) {
                let (trace, id) = (hex(&span.trace_id), hex(&span.span_id));
                line(out, &format!("{} {trace} {id}", span.name), &pairs(&span.attributes, " "));
            }
        }
        Decoded::Logs(request) => {
            let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
            for record in scopes.flat_map(|scope| &scope.log_records) {
                line(out, &plain(record.body.as_ref()), &pairs(&record.attributes, " "));
            }
        }
        Decoded::Metrics(request) => {
            let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
            scopes.flat_map(|scope| &scope.metrics).for_each(|metric| write_points(out, metric));
        }
    }
}

fn line(out: &mut String, start: &str, attributes: &str) {
    let space = if attributes.is_empty() { "" } else { " " };
    let _ = writeln!(out, "{start}{space}{attributes}");
}

fn write_points(out: &mut String, metric: &Metric) {
    let mut point = |attributes, value: String| {
        let _ = writeln!(out, "{}{{{}}} {value}", metric.name, pairs(attributes, ","));
    };
    match &metric.data {
        None => {}
        Some(Data::Gauge(data)) => data.data_points.iter().for_each(|p| point(&p.attributes, number(p))),
        Some(Data::Sum(data)) => data.data_points.iter().for_each(|p| point(&p.attributes, number(p))),
        Some(Data::Histogram(data)) => data.data_points.iter().for_each(|p| point(&p.attributes, histogram(p))),
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter().for_each(|p| point(&p.attributes, exponential(p)));
        }
        Some(Data::Summary(data)) => data.data_points.iter().for_each(|p| point(&p.attributes, quantiles(p))),
    }
}

fn number(point: &NumberDataPoint) -> String {
    match point.value {
        None => String::new(),
        Some(Value::AsInt(value)) => value.to_string(),
        Some(Value::AsDouble(value)) => value.to_string(),
    }
}

fn totals(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> String {
    let mut text = format!("count={count}");
    for (name, value) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(value) = value {
            let _ = write!(text, " {name}={value}");
        }
    }
    text
}

fn histogram(point: &HistogramDataPoint) -> String {
    let mut text = totals(point.count, point.sum, point.min, point.max);
    for (i, count) in point.bucket_counts.iter().enumerate() {
        let _ = match point.explicit_bounds.get(i) {
            Some(bound) => write!(text, " le{bound}={count}"),
            // The last bucket has no upper bound.
            None => write!(text, " {count}"),
        };
    }
    text
}

fn exponential(point: &ExponentialHistogramDataPoint) -> String {
    let mut text = totals(point.count, point.sum, point.min, point.max);
    let base = 2f64.powf(2f64.powi(-point.scale));
    let mut buckets = |buckets: &Option<Buckets>| {
        for (i, count) in buckets.iter().flat_map(|buckets| buckets.bucket_counts.iter().enumerate()) {
            let offset = buckets.as_ref().map_or(0, |buckets| buckets.offset);
            let bound = base.powf(f64::from(offset) + i as f64);
            let _ = write!(text, " le{bound}={count}");
        }
    };
    buckets(&point.negative);
    buckets(&point.positive);
    text
}

fn quantiles(point: &SummaryDataPoint) -> String {
    let mut text = format!("count={} sum={:.6}", point.count, point.sum);
    for quantile in &point.quantile_values {
        let _ = write!(text, " q{}={}", quantile.quantile, quantile.value);
    }
    text
}
