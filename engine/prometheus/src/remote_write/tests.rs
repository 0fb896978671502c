//! Requests, read back by messages of the tests' own, which have the numbers of `prompb/remote.proto`, `prompb/types.proto` and
//! `io/prometheus/write/v2/types.proto`.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Case};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric::Data,
    number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use wasmill_wire::{Projection, Signal, WireBatch};

use super::*;

#[derive(Clone, PartialEq, prost::Message)]
struct V1 {
    #[prost(message, repeated, tag = "1")]
    series: Vec<V1Series>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<V1Metadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct V1Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<V1Exemplar>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Native>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct V1Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    family: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    time: i64,
    /// 2.0 alone.
    #[prost(int64, tag = "3")]
    start: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct V1Exemplar {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    time: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Native {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(uint64, tag = "6")]
    zero_count: u64,
    #[prost(message, repeated, tag = "8")]
    negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    time: i64,
    #[prost(int64, tag = "17")]
    start: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct V2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<V2Series>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct V2Series {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Native>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<V2Exemplar>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<V2Metadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct V2Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    time: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct V2Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}

type Labels = Vec<(String, String)>;

/// A series of either protocol.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    /// As `name{label="value"}`.
    id: String,
    samples: Vec<Sample>,
    histograms: Vec<Native>,
    /// Labels, value, time.
    exemplars: Vec<(Labels, f64, i64)>,
    /// Of 2.0: type, description, unit.
    metadata: Option<(i32, String, String)>,
}

const BILLION: u64 = 1_000_000_000;
const TIME: u64 = 1_700_000_000 * BILLION;
const TIME_MS: i64 = 1_700_000_000_000;

fn settings(protocol: WriteProtocol) -> WriteSettings {
    let translation = Translation { scope_labels: false, ..Translation::default() };
    WriteSettings { translation, protocol, target_info: false, metadata: false, request_bytes_max: 1 << 20 }
}

fn parse(resource_metrics: Vec<ResourceMetrics>) -> WireBatch {
    let request = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    WireBatch::parse(Signal::Metrics, request.into(), &Projection::new(Signal::Metrics, Vec::new())).expect("valid")
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Case::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

fn resource(attributes: &[(&str, &str)], metrics: Vec<Metric>) -> ResourceMetrics {
    let attributes = attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.into(), unit: unit.into(), description: "why".into(), data: Some(data), ..Metric::default() }
}

fn point(value: f64, attributes: &[(&str, &str)]) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes.iter().map(|(key, value)| attribute(key, value)).collect(),
        start_time_unix_nano: TIME - BILLION,
        time_unix_nano: TIME,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn sum(points: Vec<NumberDataPoint>, temporality: i32, is_monotonic: bool) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: temporality, is_monotonic })
}

fn gauge(points: Vec<NumberDataPoint>) -> Data {
    Data::Gauge(Gauge { data_points: points })
}

fn written(settings: &WriteSettings, metrics: Vec<Metric>) -> (Vec<Read>, Writing) {
    let batch = parse(vec![resource(&[("service.name", "shop")], metrics)]);
    let writing = write(settings, batch.index(), &Selection::all(batch.rows()));
    (read(settings.protocol, &writing), writing)
}

fn unpacked(request: &WriteRequest) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(&request.body).expect("snappy")
}

fn id(labels: &[(String, String)]) -> String {
    let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.is_sorted_by(|one, other| one < other), "in order, each once: {names:?}");
    assert!(labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()), "{labels:?}");
    let name = labels.iter().find(|(name, _)| name == "__name__").map_or("", |(_, value)| value);
    let others = labels.iter().filter(|(name, _)| name != "__name__" && name != "job");
    let others: Vec<_> = others.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{name}{{{}}}", others.join(","))
}

fn read(protocol: WriteProtocol, writing: &Writing) -> Vec<Read> {
    let mut all = Vec::new();
    for request in &writing.requests {
        let bytes = unpacked(request);
        let before = all.len();
        match protocol {
            WriteProtocol::V1 => {
                let pairs = |labels: Vec<Label>| -> Vec<(String, String)> {
                    labels.into_iter().map(|label| (label.name, label.value)).collect()
                };
                all.extend(V1::decode(&*bytes).expect("1.0").series.into_iter().map(|series| Read {
                    id: id(&pairs(series.labels)),
                    samples: series.samples,
                    histograms: series.histograms,
                    exemplars:
                        series.exemplars.into_iter().map(|one| (pairs(one.labels), one.value, one.time)).collect(),
                    metadata: None,
                }));
            }
            WriteProtocol::V2 => {
                let V2 { symbols, series } = V2::decode(&*bytes).expect("2.0");
                assert_eq!(symbols[0], "");
                let distinct: std::collections::BTreeSet<_> = symbols.iter().collect();
                assert_eq!(distinct.len(), symbols.len(), "each text once: {symbols:?}");
                let text = |number: u32| symbols[number as usize].clone();
                let pairs = |refs: Vec<u32>| -> Vec<(String, String)> {
                    refs.chunks(2).map(|pair| (text(pair[0]), text(pair[1]))).collect()
                };
                all.extend(series.into_iter().map(|series| Read {
                    id: id(&pairs(series.labels)),
                    samples: series.samples,
                    histograms: series.histograms,
                    exemplars:
                        series.exemplars.into_iter().map(|one| (pairs(one.labels), one.value, one.time)).collect(),
                    metadata: series.metadata.map(|data| (data.kind, text(data.help), text(data.unit))),
                }));
            }
        }
        let samples: usize = all[before..].iter().map(|series| series.samples.len()).sum();
        let histograms: usize = all[before..].iter().map(|series| series.histograms.len()).sum();
        assert_eq!((samples as u64, histograms as u64), (request.samples, request.histograms));
    }
    all
}

/// The one sample of each series.
fn values(read: &[Read]) -> Vec<(&str, f64)> {
    read.iter().map(|series| (series.id.as_str(), series.samples[0].value)).collect()
}

const BOTH: [WriteProtocol; 2] = [WriteProtocol::V1, WriteProtocol::V2];

/// Numbers, with names, labels and times; in 2.0 with what they are and since when they count.
#[test]
fn numbers_are_samples() {
    for protocol in BOTH {
        let (read, writing) = written(
            &settings(protocol),
            vec![
                metric(
                    "http.requests",
                    "{request}",
                    sum(vec![point(7.0, &[("http.route", "/a"), ("Zone", "z")])], 2, true),
                ),
                metric("queue.length", "", sum(vec![point(-3.0, &[])], 2, false)),
                metric("temperature", "Cel", gauge(vec![point(21.5, &[])])),
            ],
        );
        let expected = [
            ("http_requests_total{Zone=z,http_route=/a}", 7.0),
            ("queue_length{}", -3.0),
            ("temperature_celsius{}", 21.5),
        ];
        assert_eq!(values(&read), expected, "{protocol:?}");
        assert!(read.iter().all(|series| series.samples[0].time == TIME_MS), "{read:?}");
        assert_eq!((writing.tally.taken, writing.tally.refused()), (3, 0));
        let starts: Vec<i64> = read.iter().map(|series| series.samples[0].start).collect();
        let kinds: Vec<_> = read.iter().map(|series| series.metadata.as_ref().map(|data| data.0)).collect();
        match protocol {
            WriteProtocol::V1 => assert_eq!((starts, kinds), (vec![0; 3], vec![None; 3])),
            WriteProtocol::V2 => {
                assert_eq!((starts, kinds), (vec![TIME_MS - 1_000, 0, 0], vec![Some(1), Some(2), Some(2)]));
                assert_eq!(read[2].metadata, Some((2, "why".into(), "celsius".into())));
            }
        }
    }
}

/// A histogram is a series for each bucket, its exemplars with theirs; a summary one for each quantile.
#[test]
fn histograms_and_summaries_are_several_series() {
    let exemplar = |value: f64, time: u64| Exemplar {
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
        time_unix_nano: time,
        value: Some(exemplar::Value::AsDouble(value)),
        ..Exemplar::default()
    };
    let histogram = HistogramDataPoint {
        time_unix_nano: TIME,
        count: 6,
        sum: Some(9.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 1.0],
        exemplars: vec![exemplar(0.7, TIME - 5 * BILLION), exemplar(4.0, 0)],
        ..HistogramDataPoint::default()
    };
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let summary = SummaryDataPoint {
        time_unix_nano: TIME,
        count: 4,
        sum: 8.0,
        quantile_values: vec![quantile(0.99, 3.0), quantile(0.5, 2.0)],
        ..SummaryDataPoint::default()
    };
    for protocol in BOTH {
        let (read, _) = written(
            &settings(protocol),
            vec![
                metric(
                    "d",
                    "s",
                    Data::Histogram(Histogram { data_points: vec![histogram.clone()], aggregation_temporality: 2 }),
                ),
                metric("s", "", Data::Summary(Summary { data_points: vec![summary.clone()] })),
            ],
        );
        let expected = [
            ("d_seconds_bucket{le=0.5}", 1.0),
            ("d_seconds_bucket{le=1}", 3.0),
            ("d_seconds_bucket{le=+Inf}", 6.0),
            ("d_seconds_sum{}", 9.5),
            ("d_seconds_count{}", 6.0),
            ("s{quantile=0.5}", 2.0),
            ("s{quantile=0.99}", 3.0),
            ("s_sum{}", 8.0),
            ("s_count{}", 4.0),
        ];
        assert_eq!(values(&read), expected, "{protocol:?}");
        let mut labels = vec![("trace_id".to_owned(), "ab".repeat(16)), ("span_id".to_owned(), "cd".repeat(8))];
        if protocol == WriteProtocol::V2 {
            labels.sort();
        }
        let exemplars: Vec<_> = read.iter().map(|series| series.exemplars.clone()).collect();
        assert_eq!(exemplars[1], [(labels.clone(), 0.7, TIME_MS - 5_000)]);
        assert_eq!(exemplars[2], [(labels, 4.0, TIME_MS)], "one without a time has that of its point");
        assert_eq!(exemplars.iter().map(Vec::len).sum::<usize>(), 2);
    }
}

/// An exponential histogram is a native one.
#[test]
fn exponential_histograms_are_native() {
    let point = ExponentialHistogramDataPoint {
        time_unix_nano: TIME,
        start_time_unix_nano: TIME - BILLION,
        count: 8,
        sum: Some(40.0),
        scale: 1,
        zero_count: 1,
        positive: Some(Buckets { offset: -1, bucket_counts: vec![2, 0, 0, 0, 3] }),
        negative: Some(Buckets { offset: 2, bucket_counts: vec![2] }),
        ..ExponentialHistogramDataPoint::default()
    };
    for protocol in BOTH {
        let data = ExponentialHistogram { data_points: vec![point.clone()], aggregation_temporality: 2 };
        let (read, _) = written(&settings(protocol), vec![metric("e", "", Data::ExponentialHistogram(data))]);
        let [series] = &read[..] else { panic!("{read:?}") };
        assert_eq!((series.id.as_str(), series.samples.len()), ("e{}", 0));
        let expected = Native {
            count: 8,
            sum: 40.0,
            schema: 1,
            zero_threshold: 1e-128,
            zero_count: 1,
            negative_spans: vec![Span { offset: 3, length: 1 }],
            negative_deltas: vec![2],
            positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: 3, length: 1 }],
            positive_deltas: vec![2, 1],
            time: TIME_MS,
            start: if protocol == WriteProtocol::V2 { TIME_MS - 1_000 } else { 0 },
        };
        assert_eq!(series.histograms, [expected], "{protocol:?}");
    }
}

/// A point that says that there is no value ends each of its series.
#[test]
fn points_without_a_value_are_stale() {
    const STALE: u64 = 0x7ff0_0000_0000_0002;
    let number = NumberDataPoint { flags: 1, value: None, ..point(0.0, &[]) };
    let histogram = HistogramDataPoint {
        time_unix_nano: TIME,
        explicit_bounds: vec![0.5],
        flags: 1,
        ..HistogramDataPoint::default()
    };
    let exponential =
        ExponentialHistogramDataPoint { time_unix_nano: TIME, flags: 1, ..ExponentialHistogramDataPoint::default() };
    let summary = SummaryDataPoint { time_unix_nano: TIME, flags: 1, ..SummaryDataPoint::default() };
    for protocol in BOTH {
        let (read, _) = written(
            &settings(protocol),
            vec![
                metric("n", "", gauge(vec![number.clone()])),
                metric(
                    "h",
                    "",
                    Data::Histogram(Histogram { data_points: vec![histogram.clone()], aggregation_temporality: 2 }),
                ),
                metric("s", "", Data::Summary(Summary { data_points: vec![summary.clone()] })),
                metric(
                    "e",
                    "",
                    Data::ExponentialHistogram(ExponentialHistogram {
                        data_points: vec![exponential.clone()],
                        aggregation_temporality: 2,
                    }),
                ),
            ],
        );
        let ids: Vec<&str> = read.iter().map(|series| series.id.as_str()).collect();
        let expected =
            ["n{}", "h_bucket{le=0.5}", "h_bucket{le=+Inf}", "h_sum{}", "h_count{}", "s_sum{}", "s_count{}", "e{}"];
        assert_eq!(ids, expected);
        for series in &read {
            let values = series.samples.iter().map(|sample| sample.value);
            let values: Vec<u64> =
                values.chain(series.histograms.iter().map(|one| one.sum)).map(f64::to_bits).collect();
            assert_eq!(values, [STALE], "{}", series.id);
        }
    }
}

/// Deltas, metrics without a name, and histograms that do not add up are refused one by one, and say why.
#[test]
fn what_prometheus_cannot_hold_is_refused() {
    let broken = HistogramDataPoint { count: 5, bucket_counts: vec![1], ..HistogramDataPoint::default() };
    let large = "x".repeat(20_000);
    let (read, writing) = written(
        &settings(WriteProtocol::V1),
        vec![
            metric("delta", "", sum(vec![point(1.0, &[]), point(2.0, &[("a", "b")])], 1, true)),
            metric("", "", gauge(vec![point(1.0, &[])])),
            metric("h", "", Data::Histogram(Histogram { data_points: vec![broken], aggregation_temporality: 2 })),
            metric("large", "", gauge(vec![point(1.0, &[("label", &large)])])),
            metric("good", "", gauge(vec![point(1.0, &[("empty", "")])])),
        ],
    );
    assert_eq!(values(&read), [("good{}", 1.0)]);
    let refused = |reason: Reason| writing.tally.refused[reason as usize];
    assert_eq!(refused(Reason::Temporality), 2);
    assert_eq!((refused(Reason::Name), refused(Reason::Histogram), refused(Reason::Labels)), (1, 1, 1));
    assert!(writing.tally.message.contains("`delta` is not cumulative"), "{}", writing.tally.message);
}

/// Requests are bounded, hold every point once, in order, and points of one metric by their times.
#[test]
fn requests_are_bounded_and_in_order() {
    for protocol in BOTH {
        let value = "v".repeat(100);
        // The later half of the times comes first.
        let points = (0..100u64).map(|number| NumberDataPoint {
            time_unix_nano: TIME + (number + 50) % 100 * BILLION,
            ..point(number as f64, &[("number", &format!("{value}{}", number % 7))])
        });
        let metrics = vec![metric("m", "", gauge(points.collect()))];
        let settings = WriteSettings { request_bytes_max: 2_000, metadata: true, ..settings(protocol) };
        let (read, writing) = written(&settings, metrics);
        assert!(writing.requests.len() >= 3, "{}", writing.requests.len());
        for request in &writing.requests {
            assert!(unpacked(request).len() <= 2_000, "{}", unpacked(request).len());
        }
        assert_eq!(writing.requests.iter().map(|request| request.points).sum::<u64>(), 100);
        let mut by_series: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for series in &read {
            by_series.entry(&series.id).or_default().push(series.samples[0].time);
        }
        assert_eq!(by_series.len(), 7);
        assert!(by_series.values().all(|times| times.is_sorted()), "{by_series:?}");
        assert_eq!(by_series.values().map(Vec::len).sum::<usize>(), 100);
        let tiny = WriteSettings { request_bytes_max: 1, ..settings };
        let (_, writing) =
            written(&tiny, vec![metric("m", "", gauge(vec![point(1.0, &[]), point(2.0, &[("a", "b")])]))]);
        assert_eq!(writing.requests.len(), 2, "each is larger alone");
    }
}

/// A resource's attributes become `target_info`, once for each job and instance, at the newest time; those asked for become labels.
#[test]
fn resources_are_targets() {
    let attributes = [("service.name", "shop"), ("service.instance.id", "1"), ("host.name", "h")];
    let at = |time: u64| NumberDataPoint { time_unix_nano: time, ..point(1.0, &[]) };
    let batch = parse(vec![
        resource(&attributes, vec![metric("a", "", gauge(vec![at(TIME)]))]),
        resource(&attributes, vec![metric("b", "", gauge(vec![at(TIME + BILLION)]))]),
        resource(&attributes, vec![metric("c", "", sum(vec![at(TIME + 9 * BILLION)], 1, true))]),
    ]);
    for protocol in BOTH {
        let mut settings = WriteSettings { target_info: true, ..settings(protocol) };
        settings.translation.resource_labels = true;
        settings.translation.const_labels = vec![("cluster".into(), "c1".into())];
        let writing = write(&settings, batch.index(), &Selection::all(batch.rows()));
        let read = read(protocol, &writing);
        let targets: Vec<_> = read.iter().filter(|series| series.id.starts_with("target_info")).collect();
        let [target] = &targets[..] else { panic!("{read:?}") };
        assert_eq!(target.id, "target_info{host_name=h,instance=1}");
        assert_eq!((target.samples[0].value, target.samples[0].time), (1.0, TIME_MS + 1_000));
        assert!(read[0].id.contains("cluster=c1") && read[0].id.contains("host_name=h"), "{}", read[0].id);
        assert_eq!(writing.requests.iter().map(|request| request.points).sum::<u64>(), 2);
    }
}

/// 1.0 says what metrics are when it is asked to, each once.
#[test]
fn metadata_is_said_once() {
    let settings = WriteSettings { metadata: true, ..settings(WriteProtocol::V1) };
    let points = || vec![point(1.0, &[]), point(2.0, &[("a", "b")])];
    let metrics = vec![metric("m", "By", sum(points(), 2, true)), metric("m", "By", sum(points(), 2, true))];
    let (_, writing) = written(&settings, metrics);
    let request = V1::decode(&*unpacked(&writing.requests[0])).expect("1.0");
    let metadata = V1Metadata { kind: 1, family: "m_bytes_total".into(), help: "why".into(), unit: "bytes".into() };
    assert_eq!(request.metadata, [metadata]);
}
