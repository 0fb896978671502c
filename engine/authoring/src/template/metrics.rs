//! Data points: gauges, sums and histograms in turn, ten to a metric.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    number_data_point::Value,
};
use prost::Message;

use super::{attributes, placeholder, resource, scope, services, skewed};

/// Data points of a metric.
const POINTS: u64 = 10;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;

pub fn request(records: usize, start: u64) -> Vec<u8> {
    let resource_metrics = services(records)
        .map(|(service, records)| {
            let firsts = records.clone().step_by(POINTS as usize);
            let metrics = firsts.map(|first| metric(first..records.end.min(first + POINTS), start)).collect();
            let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
            ResourceMetrics { resource: Some(resource(service)), scope_metrics, ..ResourceMetrics::default() }
        })
        .collect();
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn metric(points: std::ops::Range<u64>, start: u64) -> Metric {
    let (name, unit, data) = match points.start / POINTS % 3 {
        0 => {
            let data_points = points.map(|number| number_point(number, start)).collect();
            ("http.server.active_requests", "{request}", Data::Gauge(Gauge { data_points }))
        }
        1 => {
            let data_points = points.map(|number| number_point(number, start)).collect();
            let sum = Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true };
            ("http.server.response.body.size", "By", Data::Sum(sum))
        }
        _ => {
            let data_points = points.map(|number| histogram_point(number, start)).collect();
            let histogram = Histogram { data_points, aggregation_temporality: CUMULATIVE };
            ("http.server.request.duration", "s", Data::Histogram(histogram))
        }
    };
    Metric {
        name: name.into(),
        description: "Of requests to this server.".into(),
        unit: unit.into(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number_point(number: u64, start: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(number),
        start_time_unix_nano: start,
        time_unix_nano: placeholder(number),
        value: Some(Value::AsInt(skewed(number, 997) as i64)),
        ..NumberDataPoint::default()
    }
}

fn histogram_point(number: u64, start: u64) -> HistogramDataPoint {
    let bucket_counts: Vec<u64> = (0..8).map(|bucket| skewed(number + bucket, 100) as u64).collect();
    HistogramDataPoint {
        attributes: attributes(number),
        start_time_unix_nano: start,
        time_unix_nano: placeholder(number),
        count: bucket_counts.iter().sum(),
        sum: Some(skewed(number, 997) as f64 / 7.0),
        bucket_counts,
        explicit_bounds: vec![0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0],
        ..HistogramDataPoint::default()
    }
}
