//! What a scrape of 100,000 series costs, and what a point of a known series does: CPU time of this thread, the least of some runs.
//!
//! ```sh
//! cargo bench -p wasmill-prometheus
//! ```
//!
//! The bar: at most 150 ms of CPU for a scrape of 100,000 series.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use wasmill_prometheus::{Format, Scrape, Store, StoreSettings, Translation};
use wasmill_wire::{Projection, Signal, WireBatch};

const SERIES: usize = 100_000;
/// As many as a `batch` processor would make one of.
const POINTS_PER_REQUEST: usize = 1_000;
const RUNS: usize = 7;
/// With these a histogram is 13 lines.
const BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

fn main() {
    for (what, series, per_series) in [("counters", SERIES, 1), ("histograms", SERIES / 13, 13)] {
        let store = Store::new(StoreSettings {
            translation: Translation::default(),
            expiration: Duration::from_secs(3_600),
            series_max: 1_000_000,
        });
        let requests: Vec<WireBatch> =
            (0..series.div_ceil(POINTS_PER_REQUEST)).map(|turn| request(turn, per_series > 1)).collect();
        let new = cpu(|| requests.iter().for_each(|batch| taken(&store, batch)));
        let known = least(|| requests.iter().for_each(|batch| taken(&store, batch)));
        let points: usize = requests.iter().map(WireBatch::rows).sum();
        let each = |time: Duration| time.as_nanos() / points as u128;
        println!("{what}: {points} points, {} lines", points * per_series);
        println!("  a point of a new series    {:>6} ns", each(new));
        println!("  a point of a known series  {:>6} ns", each(known));
        for (name, accept) in [
            ("text", "text/plain;version=0.0.4"),
            ("OpenMetrics", "application/openmetrics-text;version=1.0.0"),
            ("protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"),
        ] {
            let format = Format::negotiate(accept, true);
            let mut bytes = 0;
            let time = least(|| bytes = scraped(&store, format));
            println!("  scrape, {name:<12} {:>7.1} ms for {:>5.1} MB", time.as_secs_f64() * 1e3, bytes as f64 / 1e6);
        }
    }
}

fn taken(store: &Store, batch: &WireBatch) {
    let tally = store.take(batch.index(), 0..batch.rows());
    assert_eq!(tally.refused(), 0, "{}", tally.message);
}

/// Bytes of a whole scrape, whose pieces are let go as they come.
fn scraped(store: &Arc<Store>, format: Format) -> usize {
    let mut scrape = Scrape::new(Arc::clone(store), format, false);
    let (mut piece, mut bytes) = (Vec::new(), 0);
    loop {
        piece.clear();
        let is_more = scrape.next(&mut piece);
        bytes += piece.len();
        if !is_more {
            return bytes;
        }
    }
}

fn least(mut work: impl FnMut()) -> Duration {
    (0..RUNS).map(|_| cpu(&mut work)).min().unwrap_or_default()
}

/// CPU time of this thread.
fn cpu(work: impl FnOnce()) -> Duration {
    let on_cpu = || {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says how long a thread ran");
        let nanoseconds = stat.split(' ').next().and_then(|field| field.parse().ok());
        Duration::from_nanos(nanoseconds.expect("a number"))
    };
    let before = on_cpu();
    work();
    on_cpu() - before
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(Value::StringValue(value)) }), ..Default::default() }
}

fn request(turn: usize, has_buckets: bool) -> WireBatch {
    let numbers = (turn * POINTS_PER_REQUEST..(turn + 1) * POINTS_PER_REQUEST).take(POINTS_PER_REQUEST);
    let attributes = |number: usize| {
        vec![
            attribute("http.request.method", "GET".into()),
            attribute("http.route", format!("/api/v1/items/{}", number % 100)),
            attribute("http.response.status_code", "200".into()),
            attribute("server.address", format!("node-{number}.example.com")),
        ]
    };
    let (start, time) = (1_700_000_000_000_000_000, 1_700_000_060_000_000_000);
    let data = if has_buckets {
        let points = numbers.map(|number| HistogramDataPoint {
            attributes: attributes(number),
            start_time_unix_nano: start,
            time_unix_nano: time,
            count: 11 * 1_234,
            sum: Some(number as f64 * 0.7),
            bucket_counts: vec![1_234; 11],
            explicit_bounds: BOUNDS.to_vec(),
            ..Default::default()
        });
        Data::Histogram(Histogram { data_points: points.collect(), aggregation_temporality: 2 })
    } else {
        let points = numbers.map(|number| NumberDataPoint {
            attributes: attributes(number),
            start_time_unix_nano: start,
            time_unix_nano: time,
            value: Some(Number::AsDouble(number as f64 * 0.37)),
            ..Default::default()
        });
        Data::Sum(Sum { data_points: points.collect(), aggregation_temporality: 2, is_monotonic: true })
    };
    let metric = Metric { name: "http.server.work".into(), unit: "s".into(), data: Some(data), ..Default::default() };
    let scope = InstrumentationScope { name: "bench".into(), version: "1".into(), ..Default::default() };
    let resource = Resource {
        attributes: vec![attribute("service.name", "cart".into()), attribute("service.instance.id", "cart-1".into())],
        ..Default::default()
    };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics: vec![metric], ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..Default::default() }];
    let bytes = Bytes::from(ExportMetricsServiceRequest { resource_metrics }.encode_to_vec());
    WireBatch::parse(Signal::Metrics, bytes, &Projection::new(Signal::Metrics, Vec::new())).expect("a request")
}
