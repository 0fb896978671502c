//! Requests in, pushes out, read again by a decoder that is not ours.

mod formats;
mod hostile;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

use crate::{Encoding, Options, Push, Translation, Translator};

const NOW: u64 = 1_700_000_000_000_000_000;

/// `logproto.PushRequest`, as Loki's `push.proto` has it.
#[derive(Clone, PartialEq, prost::Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    structured_metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// An entry as it was read: its stream, its time, its line, its pairs.
type Read = (String, u64, String, Vec<(String, String)>);

fn decode(push: &Push) -> Vec<Read> {
    let bytes = snap::raw::Decoder::new().decompress_vec(&push.body).expect("snappy");
    let request = PushRequest::decode(&*bytes).expect("a push");
    let mut read = Vec::new();
    for stream in request.streams {
        assert!(!stream.entries.is_empty(), "a stream without entries");
        for entry in stream.entries {
            let time = entry.timestamp.expect("a time");
            let time = time.seconds as u64 * 1_000_000_000 + time.nanos as u64;
            let pairs = entry.structured_metadata.into_iter().map(|pair| (pair.name, pair.value)).collect();
            read.push((stream.labels.clone(), time, entry.line, pairs));
        }
    }
    read
}

fn decode_json(push: &Push) -> Vec<Read> {
    let json: serde_json::Value = serde_json::from_slice(&push.body).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let mut read = Vec::new();
    for stream in json["streams"].as_array().expect("streams") {
        for entry in stream["values"].as_array().expect("values") {
            let pairs = entry[2].as_object().expect("pairs").iter().map(|(name, value)| (name.clone(), text(value)));
            let time = text(&entry[0]).parse().expect("a time");
            read.push((stream["stream"].to_string(), time, text(&entry[1]), pairs.collect()));
        }
    }
    read
}

fn all(translation: &Translation) -> Vec<Read> {
    translation.pushes.iter().flat_map(decode).collect()
}

fn any(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn list(values: &[&str]) -> Value {
    let values = values.iter().map(|value| AnyValue { value: Some(text(value)) }).collect();
    Value::ArrayValue(ArrayValue { values })
}

fn map(entries: Vec<KeyValue>) -> Value {
    Value::KvlistValue(KeyValueList { values: entries })
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: any(value), ..KeyValue::default() }
}

fn texts(attributes: &[(&str, &str)]) -> Vec<KeyValue> {
    attributes.iter().map(|(key, value)| attribute(key, text(value))).collect()
}

fn record(time: u64, body: &str, attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord { time_unix_nano: time, body: any(text(body)), attributes, ..LogRecord::default() }
}

fn logs(resource: Vec<KeyValue>, records: Vec<LogRecord>) -> ResourceLogs {
    ResourceLogs {
        resource: Some(Resource { attributes: resource, ..Resource::default() }),
        scope_logs: vec![ScopeLogs { log_records: records, ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    }
}

fn parse(resource_logs: Vec<ResourceLogs>) -> WireBatch {
    let request = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
    WireBatch::parse(Signal::Logs, request.into(), &Projection::new(Signal::Logs, Vec::new())).expect("a request")
}

fn translate(options: Options, resource_logs: Vec<ResourceLogs>) -> Translation {
    let batch = parse(resource_logs);
    Translator::new(options).translate(batch.index(), &Selection::all(batch.rows()), NOW)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A record with everything: its labels are those of the defaults, the rest is in the metadata under the names of Loki's OTLP endpoint.
#[test]
fn a_record_goes_over_whole() {
    let record = LogRecord {
        time_unix_nano: 1_663_135_334_000_000_005,
        observed_time_unix_nano: 1_663_135_334_000_000_009,
        severity_number: 17,
        severity_text: "Error".to_owned(),
        body: any(text("card \"declined\"\n")),
        attributes: vec![
            attribute("http.route", text("/pay")),
            attribute("retries", Value::IntValue(3)),
            attribute("user", map(vec![attribute("id", text("u1")), attribute("vip", Value::BoolValue(true))])),
            attribute("tags", list(&["a", "b"])),
        ],
        dropped_attributes_count: 2,
        flags: 1,
        trace_id: (1..=16).collect(),
        span_id: (17..=24).collect(),
        event_name: "payment".to_owned(),
    };
    let mut logs = logs(
        texts(&[
            ("service.name", "checkout"),
            ("service.namespace", "shop"),
            ("service.instance.id", "c-1"),
            ("k8s.pod.name", "checkout-7d"),
        ]),
        vec![record],
    );
    logs.scope_logs[0].scope = Some(InstrumentationScope {
        name: "py".to_owned(),
        version: "1.2".to_owned(),
        attributes: texts(&[("short", "yes")]),
        dropped_attributes_count: 4,
    });
    let translation = translate(Options::default(), vec![logs]);
    let labels = r#"{exporter="OTLP", instance="c-1", job="shop/checkout", level="ERROR", service_name="checkout", service_namespace="shop"}"#;
    let expected = pairs(&[
        ("trace_id", "0102030405060708090a0b0c0d0e0f10"),
        ("span_id", "1112131415161718"),
        ("severity_text", "Error"),
        ("severity_number", "17"),
        ("flags", "1"),
        ("observed_timestamp", "1663135334000000009"),
        ("dropped_attributes_count", "2"),
        ("event_name", "payment"),
        ("scope_name", "py"),
        ("scope_version", "1.2"),
        ("scope_dropped_attributes_count", "4"),
        ("short", "yes"),
        ("service_instance_id", "c-1"),
        ("k8s_pod_name", "checkout-7d"),
        ("http_route", "/pay"),
        ("retries", "3"),
        ("user_id", "u1"),
        ("user_vip", "true"),
        ("tags", r#"["a","b"]"#),
    ]);
    let line = "card \"declined\"\n".to_owned();
    assert_eq!(all(&translation), [(labels.to_owned(), 1_663_135_334_000_000_005, line, expected)]);
    assert!(translation.altered.is_empty());
    assert_eq!(translation.pushes[0].rows, 1);
}

/// Streams are by labels, wherever their records were; within one, entries are by time, and those of one time as they came. A record
/// without a time has that of its observation, or now.
#[test]
fn streams_are_gathered_and_in_order() {
    let a = || texts(&[("service.name", "a")]);
    let unseen = LogRecord { observed_time_unix_nano: 4, body: any(text("seen")), ..LogRecord::default() };
    let leveled = LogRecord { severity_number: 9, ..record(1, "info", vec![]) };
    let translation = translate(
        Options::default(),
        vec![
            logs(a(), vec![record(5, "five", vec![]), record(2, "two", vec![]), record(0, "now", vec![])]),
            logs(texts(&[("service.name", "b")]), vec![record(9, "other", vec![])]),
            logs(a(), vec![leveled, unseen, record(2, "two again", vec![])]),
        ],
    );
    let read: Vec<(u64, String)> = all(&translation).into_iter().map(|(_, time, line, _)| (time, line)).collect();
    let expected = [(2, "two"), (2, "two again"), (4, "seen"), (5, "five"), (NOW, "now"), (9, "other"), (1, "info")];
    assert_eq!(read, expected.map(|(time, line)| (time, line.to_owned())));
    let streams: Vec<String> = all(&translation).into_iter().map(|read| read.0).collect();
    assert_eq!(streams.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

/// What is not selected is not sent.
#[test]
fn only_selected_rows_are_sent() {
    let batch = parse(vec![logs(vec![], (0..4).map(|n| record(n + 1, &n.to_string(), vec![])).collect())]);
    let selection = Selection::from_rows(4, &[1, 3]);
    let translation = Translator::new(Options::default()).translate(batch.index(), &selection, NOW);
    let lines: Vec<String> = all(&translation).into_iter().map(|read| read.2).collect();
    assert_eq!(lines, ["1", "3"]);
}

/// Both encodings say the same.
#[test]
fn json_says_what_protobuf_says() {
    let request = || {
        let leveled = LogRecord { severity_number: 13, ..record(7, "a \"line\"\u{1}\n", texts(&[("k\"", "v\\\n")])) };
        vec![
            logs(texts(&[("service.name", "q\"\\\n\u{2}é")]), vec![leveled, record(3, "", vec![])]),
            logs(vec![], vec![record(u64::MAX, "late", vec![])]),
        ]
    };
    let protobuf = all(&translate(Options::default(), request()));
    let json = translate(Options { encoding: Encoding::Json, ..Options::default() }, request());
    let json: Vec<Read> = json.pushes.iter().flat_map(decode_json).collect();
    let rest = |read: Vec<Read>| {
        let pairs = |pairs: Vec<(String, String)>| pairs.into_iter().collect::<BTreeMap<_, _>>();
        read.into_iter().map(|read| (read.1, read.2, pairs(read.3))).collect::<Vec<_>>()
    };
    let labels: Vec<String> = json.iter().map(|read| read.0.clone()).collect();
    assert_eq!(
        labels[0],
        r#"{"exporter":"OTLP","job":"q\"\\\n\u0002é","level":"WARN","service_name":"q\"\\\n\u0002é"}"#
    );
    assert_eq!(protobuf[0].0, r#"{exporter="OTLP", job="q\"\\\n\x02é", level="WARN", service_name="q\"\\\n\x02é"}"#);
    assert_eq!(json[2].1, i64::MAX as u64);
    assert_eq!(rest(json), rest(protobuf));
}

/// Attributes of the configuration become labels and are nowhere else; without any label there is one that says so.
#[test]
fn labels_are_chosen() {
    let none = crate::DefaultLabels { exporter: false, job: false, instance: false, level: false };
    let options = Options {
        default_labels: none,
        resource_labels: vec!["host.name".to_owned()],
        attribute_labels: vec!["http.route".to_owned()],
        ..Options::default()
    };
    let translation = translate(
        options.clone(),
        vec![
            logs(texts(&[("host.name", "h")]), vec![record(1, "a", texts(&[("http.route", "/"), ("x", "1")]))]),
            logs(vec![], vec![record(1, "b", vec![])]),
        ],
    );
    let expected = [
        (r#"{host_name="h", http_route="/"}"#.to_owned(), 1, "a".to_owned(), pairs(&[("x", "1")])),
        (r#"{service_name="unknown_service"}"#.to_owned(), 1, "b".to_owned(), vec![]),
    ];
    assert_eq!(all(&translation), expected);
    let bare = translate(
        Options { structured_metadata: false, ..options },
        vec![logs(texts(&[("host.name", "h")]), vec![record(1, "a", texts(&[("x", "1")]))])],
    );
    assert_eq!(all(&bare)[0].3, []);
}

/// A record's own `level` is its level, where it has a severity.
#[test]
fn a_level_of_its_own_counts() {
    let leveled =
        |number, level: &[(&str, &str)]| LogRecord { severity_number: number, ..record(1, "a", texts(level)) };
    let records =
        vec![leveled(5, &[]), leveled(24, &[("level", "panic")]), leveled(0, &[("level", "panic")]), leveled(25, &[])];
    let read = all(&translate(Options { resource_labels: vec![], ..Options::default() }, vec![logs(vec![], records)]));
    let levels: BTreeMap<String, usize> = read.iter().fold(BTreeMap::new(), |mut counts, read| {
        *counts.entry(read.0.clone()).or_default() += 1;
        counts
    });
    let expected = [
        (r#"{exporter="OTLP", level="DEBUG"}"#, 1),
        (r#"{exporter="OTLP", level="panic"}"#, 1),
        (r#"{exporter="OTLP"}"#, 2),
    ];
    assert_eq!(levels, expected.map(|(labels, count)| (labels.to_owned(), count)).into());
}
