//! The example requests of the OpenTelemetry specification (`opentelemetry-proto/examples`), read column by column.

use std::fmt::Debug;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill_wire::{ColumnRequest, ColumnType, JsonDocument, Path, Projection, Signal, TextForm, WireBatch, from_json};

const TRACE_ID: [u8; 16] = 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c_u128.to_be_bytes();
const SPAN_ID: [u8; 8] = 0xeee1_9b7e_c3c1_b174_u64.to_be_bytes();
const PARENT_ID: [u8; 8] = 0xeee1_9b7e_c3c1_b173_u64.to_be_bytes();
const TIME: u64 = 1_544_712_660_300_000_000;

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn entry(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(any(value)), ..Default::default() }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.into())
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![entry("service.name", text("my.service"))], ..Default::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "my.library".into(),
        version: "1.0.0".into(),
        attributes: vec![entry("my.scope.attribute", text("some scope attribute"))],
        ..Default::default()
    })
}

/// The example as it stands in JSON, which is to mean what was read of it here.
fn parse<R: Message + Default + PartialEq + Debug>(signal: Signal, json: &str, request: R) -> WireBatch {
    let transcoded = from_json(JsonDocument::Request(signal), json.as_bytes(), usize::MAX).expect("an example");
    assert_eq!(R::decode(&*transcoded).expect("a request"), request);
    let nothing = Projection::new(signal, Vec::new());
    WireBatch::parse(signal, transcoded.into(), &nothing).expect("an example of the specification")
}

/// The column of a path in a type of its own, or in the one that it has by nature.
fn column(batch: &WireBatch, path: &str, column: Option<ColumnType>) -> ArrayRef {
    let path = Path::parse(batch.signal(), path).unwrap_or_else(|error| panic!("{error}"));
    let column = column.unwrap_or_else(|| path.column_type());
    assert!(path.accepts(&column));
    batch.columns(&[ColumnRequest { path, column }]).remove(0)
}

fn plain(batch: &WireBatch, path: &str) -> Vec<Option<String>> {
    let array = column(batch, path, Some(ColumnType::Text(TextForm::Plain)));
    let row = |row: usize| match array.as_any_dictionary_opt() {
        _ if array.is_null(row) => None,
        // What parents have is a dictionary whatever was asked.
        Some(dictionary) => {
            Some(dictionary.values().as_string::<i32>().value(dictionary.normalized_keys()[row]).to_owned())
        }
        None => Some(array.as_string::<i32>().value(row).to_owned()),
    };
    (0..array.len()).map(row).collect()
}

/// Scenario: `trace.json`. Guarantee: each column has what the example says.
#[test]
fn the_trace_example() {
    let span = Span {
        trace_id: TRACE_ID.to_vec(),
        span_id: SPAN_ID.to_vec(),
        parent_span_id: PARENT_ID.to_vec(),
        name: "I'm a server span".into(),
        start_time_unix_nano: 1_544_712_660_000_000_000,
        end_time_unix_nano: 1_544_712_661_000_000_000,
        kind: 2,
        attributes: vec![entry("my.span.attr", text("some value"))],
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { scope: scope(), spans: vec![span.clone()], ..Default::default() }];
    let resource_spans = vec![ResourceSpans { resource: resource(), scope_spans, ..Default::default() }];
    let batch =
        parse(Signal::Traces, include_str!("examples/trace.json"), ExportTraceServiceRequest { resource_spans });

    assert_eq!(batch.rows(), 1);
    assert_eq!(Span::decode(batch.records().value(0)).expect("a span"), span);
    assert!(batch.id_faults().wrong_length.is_empty() && batch.id_faults().missing.is_empty());
    assert_eq!(column(&batch, "trace_id", None).as_fixed_size_binary().value(0), TRACE_ID);
    assert_eq!(column(&batch, "parent_span_id", None).as_fixed_size_binary().value(0), PARENT_ID);
    assert_eq!(column(&batch, "kind", None).as_primitive::<Int32Type>().value(0), 2);
    assert_eq!(column(&batch, "duration", None).as_primitive::<Int64Type>().value(0), 1_000_000_000);
    assert_eq!(column(&batch, "status.code", None).as_primitive::<Int32Type>().value(0), 0);
    assert_eq!(plain(&batch, "name"), [Some("I'm a server span".into())]);
    assert_eq!(plain(&batch, "attributes[\"my.span.attr\"]"), [Some("some value".into())]);
    assert_eq!(plain(&batch, "attributes[\"other\"]"), [None]);
    assert_eq!(plain(&batch, "resource.attributes[\"service.name\"]"), [Some("my.service".into())]);
    assert_eq!(plain(&batch, "instrumentation_scope.version"), [Some("1.0.0".into())]);
}

/// Scenario: `logs.json`, whose record has an attribute of each type. Guarantee: each has its type, by row.
#[test]
fn the_logs_example() {
    let list = ArrayValue { values: vec![any(text("many")), any(text("values"))] };
    let map = KeyValueList { values: vec![entry("some.map.key", text("some value"))] };
    let log = LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME,
        severity_number: 10,
        severity_text: "Information".into(),
        trace_id: TRACE_ID.to_vec(),
        span_id: SPAN_ID.to_vec(),
        body: Some(any(text("Example log record"))),
        attributes: vec![
            entry("string.attribute", text("some string")),
            entry("boolean.attribute", Value::BoolValue(true)),
            entry("int.attribute", Value::IntValue(10)),
            entry("double.attribute", Value::DoubleValue(637.704)),
            entry("array.attribute", Value::ArrayValue(list.clone())),
            entry("map.attribute", Value::KvlistValue(map.clone())),
        ],
        ..Default::default()
    };
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records: vec![log], ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource: resource(), scope_logs, ..Default::default() }];
    let batch = parse(Signal::Logs, include_str!("examples/logs.json"), ExportLogsServiceRequest { resource_logs });

    assert_eq!(column(&batch, "severity_number", None).as_primitive::<Int32Type>().value(0), 10);
    assert_eq!(column(&batch, "observed_time_unix_nano", None).as_primitive::<UInt64Type>().value(0), TIME);
    assert_eq!(plain(&batch, "body"), [Some("Example log record".into())]);
    let kinds = ["string", "boolean", "int", "double", "array", "map", "other"].map(|name| {
        let array = column(&batch, &format!("attributes[\"{name}.attribute\"]"), None);
        array.as_union().type_id(0)
    });
    assert_eq!(kinds, [2, 5, 3, 4, 7, 8, 0]);
    let lists = column(&batch, "attributes[\"array.attribute\"]", None);
    assert_eq!(lists.as_union().child(7).as_binary::<i32>().value(0), list.encode_to_vec());
    let double = column(&batch, "attributes[\"double.attribute\"]", Some(ColumnType::Double));
    assert_eq!(double.as_primitive::<Float64Type>().value(0), 637.704);
    assert_eq!(plain(&batch, "attributes[\"array.attribute\"][1]"), [Some("values".into())]);
    assert_eq!(plain(&batch, "attributes[\"map.attribute\"][\"some.map.key\"]"), [Some("some value".into())]);
    let whole = column(&batch, "attributes", None);
    assert_eq!(whole.as_map().value_length(0), 6);
}

/// Scenario: `metrics.json`, with four kinds of metric. Guarantee: a row for each point, with what its kind has and
/// nothing of what it has not.
#[test]
fn the_metrics_example() {
    let attributes = |key: &str| vec![entry(key, text("some value"))];
    let number = |key, value| NumberDataPoint {
        attributes: attributes(key),
        start_time_unix_nano: TIME,
        time_unix_nano: TIME,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    };
    let histogram = HistogramDataPoint {
        attributes: attributes("my.histogram.attr"),
        count: 2,
        sum: Some(2.0),
        bucket_counts: vec![1, 1],
        explicit_bounds: vec![1.0],
        min: Some(0.0),
        max: Some(2.0),
        start_time_unix_nano: TIME,
        time_unix_nano: TIME,
        ..Default::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        attributes: attributes("my.exponential.histogram.attr"),
        count: 3,
        sum: Some(10.0),
        zero_count: 1,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![0, 2] }),
        min: Some(0.0),
        max: Some(5.0),
        start_time_unix_nano: TIME,
        time_unix_nano: TIME,
        ..Default::default()
    };
    let metric = |name: &str, description: &str, data| Metric {
        name: name.into(),
        description: description.into(),
        unit: "1".into(),
        data: Some(data),
        metadata: attributes("meta"),
    };
    let metrics = vec![
        metric(
            "my.counter",
            "I am a Counter",
            Data::Sum(Sum {
                data_points: vec![number("my.counter.attr", 5.0)],
                aggregation_temporality: 1,
                is_monotonic: true,
            }),
        ),
        metric("my.gauge", "I am a Gauge", Data::Gauge(Gauge { data_points: vec![number("my.gauge.attr", 10.0)] })),
        metric(
            "my.histogram",
            "I am a Histogram",
            Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 1 }),
        ),
        metric(
            "my.exponential.histogram",
            "I am an Exponential Histogram",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 1,
            }),
        ),
    ];
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..Default::default() }];
    let resource_metrics = vec![ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() }];
    let batch =
        parse(Signal::Metrics, include_str!("examples/metrics.json"), ExportMetricsServiceRequest { resource_metrics });

    let names = ["my.counter", "my.gauge", "my.histogram", "my.exponential.histogram"];
    assert_eq!(plain(&batch, "metric.name"), names.map(|name| Some(name.to_owned())));
    assert_eq!(column(&batch, "metric.type", None).as_primitive::<Int32Type>().values(), &[2, 1, 3, 4]);
    let temporality = column(&batch, "metric.aggregation_temporality", None);
    assert_eq!(temporality.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(1), Some(1)]);
    let values = column(&batch, "value_double", None);
    assert_eq!(values.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(5.0), Some(10.0), None, None]);
    let counts = column(&batch, "count", None);
    assert_eq!(counts.as_primitive::<UInt64Type>().iter().collect::<Vec<_>>(), [None, None, Some(2), Some(3)]);
    let max = column(&batch, "max", None);
    assert_eq!(max.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [None, None, Some(2.0), Some(5.0)]);
    let buckets = column(&batch, "bucket_counts", None);
    assert_eq!(buckets.as_list::<i32>().value(2).as_primitive::<UInt64Type>().values(), &[1, 1]);
    assert!(buckets.is_null(3));
    let buckets = column(&batch, "positive.bucket_counts", None);
    assert_eq!(buckets.as_list::<i32>().value(3).as_primitive::<UInt64Type>().values(), &[0, 2]);
    let flags = column(&batch, "flags", None);
    assert_eq!(flags.as_primitive::<UInt32Type>().values(), &[0; 4]);
    assert_eq!(plain(&batch, "attributes[\"my.gauge.attr\"]"), [None, Some("some value".into()), None, None]);
}

/// Scenario: `events.json`. Guarantee: an event is a log record with a name, and its body a map.
#[test]
fn the_events_example() {
    let values = vec![
        entry("type", Value::IntValue(0)),
        entry("url", text("https://www.guidgenerator.com/online-guid-generator.aspx")),
        entry("referrer", text("https://wwww.google.com")),
        entry("title", text("Free Online GUID Generator")),
    ];
    let log = LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME,
        severity_number: 9,
        event_name: "browser.page_view".into(),
        attributes: vec![entry("event.attribute", text("some event attribute"))],
        body: Some(any(Value::KvlistValue(KeyValueList { values }))),
        ..Default::default()
    };
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records: vec![log], ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource: resource(), scope_logs, ..Default::default() }];
    let request = ExportLogsServiceRequest { resource_logs };
    let batch = parse(Signal::Logs, include_str!("examples/events.json"), request);
    assert_eq!(plain(&batch, "event_name"), [Some("browser.page_view".into())]);
    assert_eq!(plain(&batch, "body[\"title\"]"), [Some("Free Online GUID Generator".into())]);
}
