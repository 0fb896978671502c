//! `examples/migrate`: configurations as the Collector's documentation and charts have them, run as they are by the Collector and
//! by the gateway, on the same data. What leaves is the same, record by record.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use wasmill_tests::{Collector, Folder, Gateway, Keeper, free_port, output, python};
use xtask::places;

const RECORDS: usize = 240;
const SIGNALS: [&str; 3] = ["traces", "logs", "metrics"];

/// Each file of `examples/migrate`, and the signals that it has pipelines for.
const FILES: [(&str, &[&str]); 10] = [
    ("gateway", &SIGNALS),
    ("drop-noise", &SIGNALS),
    ("flat-conditions", &SIGNALS),
    ("personal-data", &["traces", "logs"]),
    ("allowed-keys", &SIGNALS),
    ("environment", &SIGNALS),
    ("sampling", &["traces", "logs"]),
    ("transform", &SIGNALS),
    ("tenants", &["traces", "logs"]),
    ("fan-out", &["traces"]),
];

fn file(name: &str) -> PathBuf {
    places::checkout().join("examples/migrate").join(name).with_extension("yaml")
}

/// Runs a configuration in both engines, and gives how many records left.
fn moves_over(name: &str) -> Result<usize> {
    let (_, signals) = FILES.iter().find(|(file, _)| *file == name).context("the file is listed")?;
    let (ours, theirs) = (Folder::new()?, Folder::new()?);
    let (our_backend, their_backend) = (Keeper::start(&ours)?, Keeper::start(&theirs)?);
    let (our_port, their_port) = (free_port()?, free_port()?);
    let variables = |port: u16, backend: &Keeper| -> Result<Vec<(&str, String)>> {
        let backend = format!("127.0.0.1:{}", backend.port);
        let free = || Ok::<_, anyhow::Error>(format!("127.0.0.1:{}", free_port()?));
        Ok(vec![
            ("OTLP_GRPC", format!("127.0.0.1:{port}")),
            ("OTLP_HTTP", free()?),
            ("HEALTH", free()?),
            ("PPROF", free()?),
            ("ZPAGES", free()?),
            ("ARCHIVE", backend.clone()),
            ("BACKEND", backend),
        ])
    };
    // Both engines listen at 8888 else.
    let configurations = [file(name).display().to_string(), "yaml:service::telemetry::metrics::level: none".to_owned()];
    let gateway = Gateway::start_of(&ours, &configurations, &variables(our_port, &our_backend)?)?;
    let collector = Collector::start_of(
        &theirs,
        "collector",
        &configurations,
        &variables(their_port, &their_backend)?,
        their_port,
    )?;
    for signal in *signals {
        let file = ours.write(signal, request(signal))?;
        for port in [our_port, their_port] {
            let mut send = python("tests/peers/send.py")?;
            send.env("SEND_METADATA", "x-tenant=acme").args([port.to_string().as_str(), signal]);
            output(send.arg(&file))?;
        }
    }
    gateway.stop()?;
    collector.stop()?;
    let (ours, theirs) = (our_backend.stop()?, their_backend.stop()?);
    let records = |of: &std::collections::BTreeMap<String, Vec<String>>| -> Vec<String> {
        let mut records: Vec<String> = of.values().flatten().cloned().collect();
        records.sort_unstable();
        records
    };
    let (ours, theirs) = (records(&ours), records(&theirs));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|record| !those.contains(record)).take(2).cloned().collect()
    };
    ensure!(
        ours == theirs,
        "{name}: {} records here, {} there\n  here: {:#?}\n  there: {:#?}",
        ours.len(),
        theirs.len(),
        only(&ours, &theirs),
        only(&theirs, &ours)
    );
    Ok(ours.len())
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

/// The numbers of records: everything about a record follows from its own, so that runs are alike.
fn pick<T: Copy>(number: usize, step: usize, from: &[T]) -> T {
    from[(number / step) % from.len()]
}

fn resource(number: usize) -> Option<Resource> {
    let mut attributes = vec![text("deployment.environment", pick(number, 3, &["prod", "staging"]))];
    attributes.push(text("service.name", pick(number, 1, &["checkout", "cart", "load-test", "search"])));
    if number.is_multiple_of(2) {
        attributes.push(text("service.instance.id", format!("instance-{number}")));
    }
    Some(Resource { attributes, ..Default::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "shop".to_owned(), version: "1.2".to_owned(), ..Default::default() })
}

fn record_attributes(number: usize) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("http.route", pick(number, 1, &["/users/{id}", "/healthz", "/readyz", "/cart", "/orders/{id}/items"])),
        int("http.status_code", pick(number, 2, &[200, 404, 500, 204, 503])),
        text("http.target", pick(number, 3, &["/users/42?full=true", "/cart", "/a/b?c=d&e=f", "*"])),
        int("record", number as i64),
    ];
    match number % 4 {
        0 => attributes
            .extend([text("user.id", format!("user-{number}")), text("user.account", format!("a{}", number % 7))]),
        1 => attributes
            .extend([text("note", "paid with 4111111111111111 today"), text("internal.trace", "x".repeat(90))]),
        2 => attributes.extend([
            text("http.request.header.authorization", "Bearer abc"),
            text("api.token", "t0ken"),
            text("user.email", "ann@example.com"),
        ]),
        _ => attributes.extend([
            text("internal.a", "1"),
            int("internal.b", 2),
            text("contact", "to bob.b@example.org now"),
        ]),
    }
    attributes
}

/// Bits that look random, and are the same on every run.
fn mixed(number: usize) -> u64 {
    (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn trace_id(number: usize) -> Vec<u8> {
    let trace = number / 3;
    [mixed(trace).to_be_bytes(), mixed(trace + 1_000).to_be_bytes()].concat()
}

/// Records of one resource.
const GROUP: usize = 6;

fn groups() -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..RECORDS / GROUP).map(|group| group * GROUP..(group + 1) * GROUP)
}

fn request(signal: &str) -> Vec<u8> {
    match signal {
        "traces" => {
            let spans = |rows: std::ops::Range<usize>| rows.map(span).collect();
            let of = |(group, rows)| ResourceSpans {
                resource: resource(group),
                scope_spans: vec![ScopeSpans { scope: scope(), spans: spans(rows), ..Default::default() }],
                ..Default::default()
            };
            ExportTraceServiceRequest { resource_spans: groups().enumerate().map(of).collect() }.encode_to_vec()
        }
        "logs" => {
            let records = |rows: std::ops::Range<usize>| rows.map(log_record).collect();
            let of = |(group, rows)| ResourceLogs {
                resource: resource(group),
                scope_logs: vec![ScopeLogs { scope: scope(), log_records: records(rows), ..Default::default() }],
                ..Default::default()
            };
            ExportLogsServiceRequest { resource_logs: groups().enumerate().map(of).collect() }.encode_to_vec()
        }
        _ => {
            let of = |(group, rows)| ResourceMetrics {
                resource: resource(group),
                scope_metrics: vec![ScopeMetrics {
                    scope: scope(),
                    metrics: vec![metric(group, rows)],
                    ..Default::default()
                }],
                ..Default::default()
            };
            ExportMetricsServiceRequest { resource_metrics: groups().enumerate().map(of).collect() }.encode_to_vec()
        }
    }
}

fn span(number: usize) -> Span {
    let start = 1_700_000_000_000_000_000 + number as u64;
    Span {
        trace_id: trace_id(number),
        span_id: mixed(number).to_be_bytes().to_vec(),
        name: pick(number, 1, &["GET /users/42", "PING db", "HEAD /", "POST /orders/7/items", "work"]).to_owned(),
        kind: 1 + (number % 5) as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: start + pick(number, 4, &[5_000_000, 2_500_000_000]),
        attributes: record_attributes(number),
        status: Some(Status { code: pick(number, 5, &[0, 1, 2]), ..Default::default() }),
        ..Default::default()
    }
}

fn log_record(number: usize) -> LogRecord {
    let body =
        pick(number, 2, &["health check passed", "error: no such order", "card 4222222222222 declined", "started"]);
    LogRecord {
        time_unix_nano: 1_700_000_000_000_000_000 + number as u64,
        severity_number: pick(number, 1, &[0, 5, 9, 13, 17]),
        severity_text: pick(number, 1, &["", "DEBUG", "INFO", "WARN", "ERROR"]).to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) }),
        attributes: record_attributes(number),
        trace_id: if number.is_multiple_of(4) { Vec::new() } else { trace_id(number) },
        span_id: mixed(number).to_be_bytes().to_vec(),
        ..Default::default()
    }
}

fn metric(group: usize, rows: std::ops::Range<usize>) -> Metric {
    let data_points = rows
        .map(|number| NumberDataPoint {
            attributes: record_attributes(number),
            time_unix_nano: 1_700_000_000_000_000_000 + number as u64,
            value: Some(number_data_point::Value::AsInt(number as i64)),
            ..Default::default()
        })
        .collect();
    let data = match group % 2 {
        0 => Data::Gauge(Gauge { data_points }),
        _ => Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: true }),
    };
    let names = ["http.server.requests", "process.runtime.memory", "queue.size", "queue.size", "orders"];
    Metric {
        name: pick(group, 1, &names).to_owned(),
        unit: pick(group, 1, &["1", "By"]).to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

/// The files that there are, are those that are run.
#[test]
fn every_file_is_run() -> Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(places::checkout().join("examples/migrate"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    files.sort_unstable();
    let mut listed: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    listed.sort_unstable();
    assert_eq!(files, listed);
    Ok(())
}

/// A test for each, with the bounds of what leaves: a configuration that keeps or drops everything would prove little.
macro_rules! run {
    ($($test:ident: $name:literal, $least:literal..=$most:literal;)*) => {$(
        #[test]
        fn $test() -> Result<()> {
            let left = moves_over($name)?;
            ensure!(($least..=$most).contains(&left), "{left} records left");
            Ok(())
        }
    )*};
}

run! {
    gateway: "gateway", 720..=720;
    drop_noise: "drop-noise", 100..=600;
    flat_conditions: "flat-conditions", 100..=600;
    personal_data: "personal-data", 480..=480;
    allowed_keys: "allowed-keys", 720..=720;
    environment: "environment", 720..=720;
    sampling: "sampling", 60..=320;
    transform: "transform", 720..=720;
    tenants: "tenants", 480..=480;
    fan_out: "fan-out", 300..=460;
}
