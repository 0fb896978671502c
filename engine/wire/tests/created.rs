//! New records: what prost reads of them is what was given, joined under as few parents as there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, BooleanArray, FixedSizeBinaryArray, Int32Array, StringArray, UInt64Array};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, NumberDataPoint, number_data_point};
use proptest::prelude::*;
use prost::Message;
use wasmill_wire::{Like, NewRecords, NewRecordsError, Path, Projection, Selection, Signal, WireBatch, create, encode};

const NOW: u64 = 1_700_000_000_000_000_000;

fn make(
    signal: Signal,
    rows: usize,
    fields: &[(&str, ArrayRef)],
    like: Option<Like<'_>>,
) -> Result<Vec<u8>, NewRecordsError> {
    let fields: Vec<(Path, ArrayRef)> =
        fields.iter().map(|(path, array)| (Path::parse(signal, path).unwrap(), Arc::clone(array))).collect();
    let new = NewRecords { signal, rows, fields: &fields, like, now_unix_nano: NOW, bytes_max: 64 << 20 };
    let made = create(&new)?;
    assert_eq!(made.rows(), rows);
    let wire = encode(signal, made.index(), &Selection::all(rows));
    // What goes out is a request that we ourselves take, with no ids to complain of.
    let parsed = WireBatch::parse(signal, wire.clone(), &Projection::new(signal, Vec::new())).unwrap();
    assert_eq!((parsed.rows(), parsed.id_faults().wrong_length.len(), parsed.id_faults().missing.len()), (rows, 0, 0));
    Ok(wire.to_vec())
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn texts<'v>(values: impl IntoIterator<Item = Option<&'v str>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.into_iter().for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

/// One data point with all that it is under, as it is given and as it is read.
#[derive(Clone, PartialEq, Debug)]
struct Point {
    service: Option<String>,
    scope: Option<String>,
    name: String,
    /// 1 gauge, 2 sum, 3 histogram.
    kind: i32,
    cumulative: bool,
    monotonic: bool,
    attribute: Option<String>,
    time: Option<u64>,
    /// Of gauges and sums.
    int: Option<i64>,
    double: Option<f64>,
    /// Of histograms: the counts, for one bound fewer.
    counts: Vec<u64>,
    sum: Option<f64>,
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    let word = || prop::sample::select(&["a", "b", "c"][..]).prop_map(str::to_owned);
    let parents = (prop::option::of(word()), prop::option::of(word()), word(), 1..=3_i32, any::<bool>(), any::<bool>());
    let own = (
        prop::option::of(word()),
        prop::option::of(1..u64::MAX >> 1),
        prop::bool::ANY,
        any::<i64>(),
        any::<f64>().prop_filter("comparable", |double| !double.is_nan()),
        prop::collection::vec(any::<u64>(), 0..5),
        prop::option::of(0.0..1e9_f64),
    );
    let point = (parents, own).prop_map(|(parents, own)| {
        let (service, scope, name, kind, cumulative, monotonic) = parents;
        let (attribute, time, is_int, int, double, counts, sum) = own;
        let number = kind < 3;
        Point {
            service,
            scope,
            name,
            kind,
            cumulative: kind != 1 && cumulative,
            monotonic: kind == 2 && monotonic,
            attribute,
            time,
            int: (number && is_int).then_some(int),
            double: (number && !is_int).then_some(double),
            counts: if number { Vec::new() } else { counts },
            sum: sum.filter(|_| !number),
        }
    });
    prop::collection::vec(point, 1..40)
}

fn columns(points: &[Point]) -> Vec<(&'static str, ArrayRef)> {
    let text = |value: fn(&Point) -> Option<&str>| texts(points.iter().map(value));
    let mut counts = ListBuilder::new(UInt64Builder::new());
    let mut bounds = ListBuilder::new(Float64Builder::new());
    for point in points {
        point.counts.iter().for_each(|count| counts.values().append_value(*count));
        counts.append(true);
        (1..point.counts.len()).for_each(|bound| bounds.values().append_value(bound as f64));
        bounds.append(true);
    }
    let mut ints = Int64Builder::new();
    let mut doubles = Float64Builder::new();
    let mut sums = Float64Builder::new();
    let mut times = UInt64Builder::new();
    let mut temporalities = Int32Builder::new();
    for point in points {
        ints.append_option(point.int);
        doubles.append_option(point.double);
        sums.append_option(point.sum);
        times.append_option(point.time);
        temporalities.append_option(point.cumulative.then_some(2));
    }
    vec![
        (r#"resource.attributes["service.name"]"#, text(|point| point.service.as_deref())),
        ("scope.name", text(|point| point.scope.as_deref())),
        ("metric.name", text(|point| Some(&point.name))),
        ("metric.type", Arc::new(Int32Array::from_iter_values(points.iter().map(|point| point.kind)))),
        ("metric.aggregation_temporality", Arc::new(temporalities.finish())),
        ("metric.is_monotonic", Arc::new(points.iter().map(|point| Some(point.monotonic)).collect::<BooleanArray>())),
        (r#"attributes["k"]"#, text(|point| point.attribute.as_deref())),
        ("time_unix_nano", Arc::new(times.finish())),
        ("value_int", Arc::new(ints.finish())),
        ("value_double", Arc::new(doubles.finish())),
        ("sum", Arc::new(sums.finish())),
        ("bucket_counts", Arc::new(counts.finish())),
        ("explicit_bounds", Arc::new(bounds.finish())),
    ]
}

/// All points of a request, each with its parents; and how many parents there are of each kind.
fn read(wire: &[u8]) -> (Vec<Point>, [usize; 3]) {
    let request = ExportMetricsServiceRequest::decode(wire).unwrap();
    let (mut points, mut parents) = (Vec::new(), [request.resource_metrics.len(), 0, 0]);
    for resource in request.resource_metrics {
        let service = resource.resource.as_ref().and_then(|resource| value_of(&resource.attributes));
        parents[1] += resource.scope_metrics.len();
        for scope in resource.scope_metrics {
            let name = scope.scope.as_ref().map(|scope| scope.name.clone());
            parents[2] += scope.metrics.len();
            for metric in scope.metrics {
                let under = Point {
                    service: service.clone(),
                    scope: name.clone(),
                    name: metric.name,
                    kind: 0,
                    cumulative: false,
                    monotonic: false,
                    attribute: None,
                    time: None,
                    int: None,
                    double: None,
                    counts: Vec::new(),
                    sum: None,
                };
                match metric.data.unwrap() {
                    Data::Gauge(gauge) => {
                        points.extend(
                            gauge.data_points.iter().map(|point| number(&Point { kind: 1, ..under.clone() }, point)),
                        );
                    }
                    Data::Sum(sum) => {
                        let cumulative = sum.aggregation_temporality == 2;
                        assert!(cumulative || sum.aggregation_temporality == 1, "delta where nothing was said");
                        let under = Point { kind: 2, cumulative, monotonic: sum.is_monotonic, ..under };
                        points.extend(sum.data_points.iter().map(|point| number(&under, point)));
                    }
                    Data::Histogram(histogram) => {
                        let under = Point { kind: 3, cumulative: histogram.aggregation_temporality == 2, ..under };
                        points.extend(histogram.data_points.iter().map(|point| of_histogram(&under, point)));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    (points, parents)
}

fn value_of(attributes: &[KeyValue]) -> Option<String> {
    match attributes {
        [] => None,
        [KeyValue { value: Some(AnyValue { value: Some(Value::StringValue(text)) }), .. }] => Some(text.clone()),
        other => panic!("{other:?}"),
    }
}

fn time(nanos: u64) -> Option<u64> {
    (nanos != NOW).then_some(nanos)
}

fn number(under: &Point, point: &NumberDataPoint) -> Point {
    let (int, double) = match point.value.unwrap() {
        number_data_point::Value::AsInt(int) => (Some(int), None),
        number_data_point::Value::AsDouble(double) => (None, Some(double)),
    };
    Point { attribute: value_of(&point.attributes), time: time(point.time_unix_nano), int, double, ..under.clone() }
}

fn of_histogram(under: &Point, point: &HistogramDataPoint) -> Point {
    let bounds: Vec<f64> = (1..point.bucket_counts.len()).map(|bound| bound as f64).collect();
    assert_eq!(point.explicit_bounds, bounds);
    Point {
        attribute: value_of(&point.attributes),
        time: time(point.time_unix_nano),
        counts: point.bucket_counts.clone(),
        sum: point.sum,
        ..under.clone()
    }
}

/// In an order that does not depend on how they were grouped.
fn sorted(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by_key(|point| format!("{point:?}"));
    points
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Points of all kinds, with and without each of their parents' names: prost reads what was given, and points of equal metrics
    /// are points of one.
    #[test]
    fn points_are_read_as_they_were_given(points in points()) {
        let wire = make(Signal::Metrics, points.len(), &columns(&points), None).unwrap();
        let (read, parents) = read(&wire);
        let services: BTreeSet<_> = points.iter().map(|point| &point.service).collect();
        let scopes: BTreeSet<_> = points.iter().map(|point| (&point.service, &point.scope)).collect();
        let metrics: BTreeSet<_> = points
            .iter()
            .map(|point| (&point.service, &point.scope, &point.name, point.kind, point.cumulative, point.monotonic))
            .collect();
        prop_assert_eq!(parents, [services.len(), scopes.len(), metrics.len()]);
        prop_assert_eq!(sorted(read), sorted(points));
    }
}

/// Log records like spans: resources and scopes of the rows that they name, of whatever signal; none where they name none. The
/// times are those of now.
#[test]
fn records_have_the_parents_of_what_they_are_like() {
    let fields: [(&str, ArrayRef); 4] = [
        ("trace_id", Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 16]; 3].iter()).unwrap())),
        ("span_id", Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 8]; 3].iter()).unwrap())),
        (r#"resource.attributes["service.name"]"#, texts([Some("cart"), Some("shop"), Some("cart")])),
        ("scope.name", texts([Some("http")])),
    ];
    let spans = make(Signal::Traces, 3, &fields, None).unwrap();
    assert_eq!(ExportTraceServiceRequest::decode(&*spans).unwrap().resource_spans.len(), 2);
    let spans = WireBatch::parse(Signal::Traces, spans.into(), &Projection::new(Signal::Traces, Vec::new())).unwrap();

    let rows = [Some(0), None, Some(1), Some(2)];
    let like = Like { signal: Signal::Traces, index: spans.index(), rows: &rows };
    let body: [(&str, ArrayRef); 2] = [
        ("body", texts([Some("a"), Some("b"), Some("c"), Some("d")])),
        (r#"scope.attributes["own"]"#, texts([Some("1")])),
    ];
    let logs = make(Signal::Logs, 4, &body, Some(like)).unwrap();
    let logs = ExportLogsServiceRequest::decode(&*logs).unwrap().resource_logs;
    let services: Vec<_> =
        logs.iter().map(|logs| value_of(&logs.resource.clone().unwrap_or_default().attributes)).collect();
    assert_eq!(services.iter().collect::<BTreeSet<_>>().len(), 3, "{services:?}");
    for resource in logs {
        let [scope] = &resource.scope_logs[..] else { panic!("one scope") };
        let about = scope.scope.clone().unwrap();
        assert_eq!(about.attributes, [text("own", "1")]);
        assert_eq!(about.name, if resource.resource.is_some() { "http" } else { "" });
        assert!(
            scope.log_records.iter().all(|record| record.observed_time_unix_nano == NOW && record.time_unix_nano == 0)
        );
    }
}

/// Events and links are made with their record: so many as their fields' lists have values, which agree.
#[test]
fn inner_records_are_made_with_their_record() {
    let lists = |lists: &[&[u64]]| -> ArrayRef {
        let mut builder = ListBuilder::new(UInt64Builder::new());
        for list in lists {
            list.iter().for_each(|value| builder.values().append_value(*value));
            builder.append(true);
        }
        Arc::new(builder.finish())
    };
    let names: ArrayRef = {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for list in [&["x", "y"][..], &[]] {
            list.iter().for_each(|name| builder.values().append_value(name));
            builder.append(true);
        }
        Arc::new(builder.finish())
    };
    let mut fields: Vec<(&str, ArrayRef)> = vec![
        ("trace_id", Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 16]; 2].iter()).unwrap())),
        ("span_id", Arc::new(FixedSizeBinaryArray::try_from_iter([[2_u8; 8]; 2].iter()).unwrap())),
        ("spanevent.name", names),
        ("spanevent.time_unix_nano", lists(&[&[5, 6], &[]])),
    ];
    let wire = make(Signal::Traces, 2, &fields, None).unwrap();
    let request = ExportTraceServiceRequest::decode(&*wire).unwrap();
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    let events: Vec<_> = spans[0].events.iter().map(|event| (event.name.as_str(), event.time_unix_nano)).collect();
    assert_eq!((events, spans[1].events.len()), (vec![("x", 5), ("y", 6)], 0));

    fields[3].1 = lists(&[&[5, 6], &[7]]);
    let error = make(Signal::Traces, 2, &fields, None).unwrap_err();
    assert!(matches!(error, NewRecordsError::Inner { row: 1, values: 1, expected: 0, .. }), "{error}");
}

/// Events of one call are bounded: a list costs its sender a bit for each where their values are truth values.
#[test]
fn inner_records_are_bounded() {
    let mut builder = ListBuilder::new(UInt64Builder::new());
    (0..(1 << 20) + 1).for_each(|_| builder.values().append_value(1));
    builder.append(true);
    let fields: [(&str, ArrayRef); 1] = [("spanevent.time_unix_nano", Arc::new(builder.finish()))];
    let error = make(Signal::Traces, 1, &fields, None).unwrap_err();
    assert!(matches!(error, NewRecordsError::TooMany { count: 1_048_577, max: 1_048_576, .. }), "{error}");
}

/// One value that is meant for all records is written for each: what that makes is bounded before it is made.
#[test]
fn what_is_made_of_little_is_bounded() {
    let large: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    for path in ["event_name", r#"resource.attributes["k"]"#] {
        let fields = [(Path::parse(Signal::Logs, path).unwrap(), Arc::clone(&large))];
        let rows = if path == "event_name" { 100 } else { 1 };
        let bytes_max = if path == "event_name" { 64 << 20 } else { 1 << 20 };
        let new = NewRecords { signal: Signal::Logs, rows, fields: &fields, like: None, now_unix_nano: NOW, bytes_max };
        assert_eq!(create(&new).err(), Some(NewRecordsError::Size { limit: bytes_max }), "{path}");
    }
    let new = NewRecords {
        signal: Signal::Logs,
        rows: (1 << 20) + 1,
        fields: &[],
        like: None,
        now_unix_nano: NOW,
        bytes_max: 1 << 20,
    };
    assert!(matches!(create(&new).err(), Some(NewRecordsError::TooMany { .. })));
}

/// A field that a point's kind does not have is refused where it has a value, and passed over where it has none.
#[test]
fn fields_fit_the_kind_of_point() {
    let names = || texts([Some("a"), Some("b")]);
    let kinds: ArrayRef = Arc::new(Int32Array::from(vec![1, 3]));
    let values: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![Some(1), None]));
    let counts = |counts: Vec<Option<u64>>| -> ArrayRef { Arc::new(UInt64Array::from(counts)) };
    let fields = |count: ArrayRef| -> Vec<(&str, ArrayRef)> {
        vec![
            ("metric.name", names()),
            ("metric.type", Arc::clone(&kinds)),
            ("value_int", Arc::clone(&values)),
            ("count", count),
        ]
    };
    make(Signal::Metrics, 2, &fields(counts(vec![None, Some(3)])), None).unwrap();
    let error = make(Signal::Metrics, 2, &fields(counts(vec![Some(2), Some(3)])), None).unwrap_err();
    assert_eq!(error, NewRecordsError::Unfit { path: "count".into(), row: 0, kind: "gauge" });
}
