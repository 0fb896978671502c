//! Requests for tests, of the official types.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use wasmill_wire::{Projection, Signal, WireBatch};

use crate::{Escaping, Format, Protocol, Scrape, Store, StoreSettings, Tally, Translation};

pub(crate) const DELTA: i32 = 1;
pub(crate) const CUMULATIVE: i32 = 2;
pub(crate) const SECOND: u64 = 1_000_000_000;
/// When tests begin.
pub(crate) const BEGAN: u64 = 1_700_000_000 * SECOND;

pub(crate) const TEXT: Format =
    Format { protocol: Protocol::Text { has_quotes: false }, escaping: Escaping::Underscores };
pub(crate) const OPEN_METRICS: Format =
    Format { protocol: Protocol::OpenMetrics { is_old: false }, escaping: Escaping::Underscores };
pub(crate) const PROTOBUF: Format = Format { protocol: Protocol::Protobuf, escaping: Escaping::Underscores };

pub(crate) fn store() -> Arc<Store> {
    store_of(Translation { scope_labels: false, ..Translation::default() })
}

pub(crate) fn store_of(translation: Translation) -> Arc<Store> {
    Store::new(StoreSettings { translation, expiration: Duration::from_secs(300), series_max: 1_000 })
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<common::KeyValue> {
    let pairs = pairs.iter().map(|(key, value)| common::KeyValue {
        key: (*key).into(),
        value: Some(common::AnyValue { value: Some(Value::StringValue((*value).into())) }),
        ..Default::default()
    });
    pairs.collect()
}

pub(crate) fn request_of(resource: &[(&str, &str)], metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let resource = Resource { attributes: attributes(resource), ..Default::default() };
    let scope = common::InstrumentationScope { name: "tea".into(), version: "2".into(), ..Default::default() };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..Default::default() }],
    }
}

pub(crate) fn take(store: &Store, request: &ExportMetricsServiceRequest) -> Tally {
    let bytes = Bytes::from(request.encode_to_vec());
    let batch = WireBatch::parse(Signal::Metrics, bytes, &Projection::new(Signal::Metrics, Vec::new())).unwrap();
    store.take(batch.index(), 0..batch.rows())
}

/// Takes metrics of the service `cart`.
pub(crate) fn take_metrics(store: &Store, metrics: Vec<Metric>) -> Tally {
    take(store, &request_of(&[("service.name", "cart")], metrics))
}

pub(crate) fn scrape(store: &Arc<Store>, format: Format) -> Vec<u8> {
    let mut scrape = Scrape::new(Arc::clone(store), format, false);
    let mut out = Vec::new();
    while scrape.next(&mut out) {}
    out
}

pub(crate) fn text(store: &Arc<Store>) -> String {
    String::from_utf8(scrape(store, TEXT)).unwrap()
}

/// The samples of a scrape, without comments.
pub(crate) fn samples(store: &Arc<Store>) -> Vec<String> {
    text(store).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

pub(crate) fn number(pairs: &[(&str, &str)], value: f64, start: u64, time: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    }
}

pub(crate) fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        unit: unit.into(),
        description: format!("About {name}"),
        data: Some(data),
        ..Default::default()
    }
}

pub(crate) fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, "", Data::Gauge(Gauge { data_points }))
}

pub(crate) fn sum(name: &str, temporality: i32, is_monotonic: bool, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, "", Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic }))
}

pub(crate) fn histogram(name: &str, temporality: i32, data_points: Vec<HistogramDataPoint>) -> Metric {
    metric(name, "s", Data::Histogram(Histogram { data_points, aggregation_temporality: temporality }))
}

pub(crate) fn exponential(name: &str, temporality: i32, points: Vec<ExponentialHistogramDataPoint>) -> Metric {
    let data = ExponentialHistogram { data_points: points, aggregation_temporality: temporality };
    metric(name, "s", Data::ExponentialHistogram(data))
}

pub(crate) fn summary(name: &str, data_points: Vec<SummaryDataPoint>) -> Metric {
    metric(name, "", Data::Summary(Summary { data_points }))
}

pub(crate) fn buckets(bounds: &[f64], counts: &[u64], start: u64, time: u64) -> HistogramDataPoint {
    HistogramDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: time,
        count: counts.iter().sum(),
        sum: Some(counts.iter().sum::<u64>() as f64),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..Default::default()
    }
}

pub(crate) fn exemplar(value: f64, time: u64, filtered: &[(&str, &str)]) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(filtered),
        time_unix_nano: time,
        span_id: vec![2; 8],
        trace_id: vec![1; 16],
        value: Some(exemplar::Value::AsDouble(value)),
    }
}
