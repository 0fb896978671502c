//! What does it cost to turn log records into a push?
//!
//! Axes: what the records are like; how the push is written. Baseline in the same run: `prost` decoding the request, which a gateway that
//! decodes does before it has begun.
//!
//! Run with `cargo bench -p wasmill-loki --bench translate`.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use wasmill_loki::{Encoding, LineFormat, Options, Translator};
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

const ROWS: u64 = 1_000;

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// A service's log: four levels, eight attributes a record, ids of traces.
fn request() -> Bytes {
    let record = |n: u64| LogRecord {
        time_unix_nano: 1_663_135_334_000_000_000 + n,
        observed_time_unix_nano: 1_663_135_334_000_000_100 + n,
        severity_number: 5 + 4 * (n % 4) as i32,
        severity_text: ["debug", "info", "warn", "error"][(n % 4) as usize].to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(format!("request {n} was answered after {} ms", n * 7 % 991))),
        }),
        attributes: vec![
            attribute("http.request.method", "GET"),
            attribute("http.route", "/api/v1/orders/{id}"),
            attribute("http.response.status_code", "200"),
            attribute("code.filepath", "/srv/app/orders/views.py"),
            attribute("code.function", "get_order"),
            attribute("code.lineno", "211"),
            attribute("user.id", &format!("user-{}", n % 97)),
            attribute("session.id", &format!("{n:032x}")),
        ],
        flags: 1,
        trace_id: (n as u128 * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835 + 1).to_le_bytes().to_vec(),
        span_id: (n * 0x9e37_79b9_7f4a_7c15 % u64::MAX + 1).to_le_bytes().to_vec(),
        ..LogRecord::default()
    };
    let resource = [
        ("service.name", "orders"),
        ("service.namespace", "shop"),
        ("service.instance.id", "orders-5f7b"),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "1.39.0"),
        ("k8s.namespace.name", "shop"),
        ("k8s.pod.name", "orders-5f7b-x2"),
    ];
    let scope = InstrumentationScope { name: "orders.views".to_owned(), ..InstrumentationScope::default() };
    let logs = ResourceLogs {
        resource: Some(Resource {
            attributes: resource.map(|(key, value)| attribute(key, value)).into(),
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(scope),
            log_records: (0..ROWS).map(record).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec().into()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let request = request();
    let batch =
        WireBatch::parse(Signal::Logs, request.clone(), &Projection::new(Signal::Logs, Vec::new())).expect("valid");
    let all = Selection::all(batch.rows());
    let mut group = criterion.benchmark_group("translate");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("baseline/prost-decode", |bencher| {
        bencher.iter(|| ExportLogsServiceRequest::decode(black_box(&*request)).expect("valid"));
    });
    let default = Options::default();
    let cases = [
        ("raw/protobuf", default.clone()),
        ("raw/json", Options { encoding: Encoding::Json, ..default.clone() }),
        ("json/protobuf", Options { format: LineFormat::Json, ..default.clone() }),
        ("label-of-record/protobuf", Options { attribute_labels: vec!["http.route".to_owned()], ..default.clone() }),
        ("no-metadata/protobuf", Options { structured_metadata: false, ..default }),
    ];
    for (name, options) in cases {
        let translator = Translator::new(options);
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| translator.translate(black_box(batch.index()), &all, 1));
        });
    }
    group.finish();
    criterion.final_summary();
}
