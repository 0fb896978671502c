//! Logs to the real Loki, by its push API and by its OTLP endpoint: found by LogQL, with labels, structured metadata and trace ids; what
//! it does not take, and what is said about that.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use wasmill_tests::loki::{Line, Loki};
use wasmill_tests::{Folder, Gateway, free_port, metric, output, post, python, wait_until};

const RECORDS: usize = 100;

struct Ports {
    http: u16,
    metrics: u16,
}

/// A gateway with this exporter; traces go to a file, so that their ids are known.
fn gateway(folder: &Folder, exporter: &str) -> Result<(Gateway, Ports)> {
    let (http, metrics) = (free_port()?, free_port()?);
    let name = exporter.split(':').next().unwrap_or_default();
    let configuration = format!(
        r#"
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}", include_metadata: true}}}}}}
exporters:
  {exporter}
  file: {{path: {traces}}}
  debug:
extensions:
  headers_setter: {{headers: [{{key: X-Scope-OrgID, from_context: X-Tenant}}]}}
service:
  extensions: [headers_setter]
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [debug]}}
    logs: {{receivers: [otlp], exporters: [{name}]}}
"#,
        traces = folder.path("traces.jsonl").display()
    );
    Ok((Gateway::start(folder, &configuration)?, Ports { http, metrics }))
}

/// The SDK sends, as a tenant's client.
fn send(port: u16, tenant: &str) -> Result<()> {
    let mut sdk = python("tests/peers/sdk.py")?;
    output(
        sdk.arg(RECORDS.to_string())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .env("OTEL_EXPORTER_OTLP_HEADERS", format!("x-tenant={tenant}")),
    )?;
    Ok(())
}

/// The trace id of each span, both in hex.
fn trace_ids(folder: &Folder) -> Result<BTreeMap<String, String>> {
    let mut ids = BTreeMap::new();
    for line in std::fs::read_to_string(folder.path("traces.jsonl"))?.lines() {
        let request: serde_json::Value = serde_json::from_str(line)?;
        for resource in request["resourceSpans"].as_array().into_iter().flatten() {
            for span in resource["scopeSpans"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|scope| scope["spans"].as_array())
                .flatten()
            {
                let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                ids.insert(text("spanId"), text("traceId"));
            }
        }
    }
    Ok(ids)
}

fn text(line: &Line, name: &str) -> String {
    line.metadata.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn push(loki: &Loki, settings: &str) -> String {
    format!(
        "loki: {{endpoint: 'http://127.0.0.1:{}/loki/api/v1/push', auth: {{authenticator: headers_setter}}{settings}}}",
        loki.port
    )
}

/// Scenario: two tenants' SDKs send logs; one query finds a trace's line by the id of its span, another by labels.
/// Guarantee: each tenant finds all of its own, labelled, in order, with the ids of the traces that they belong to, and nothing of the other.
fn logs_are_found(settings: &str) -> Result<()> {
    let folder = Folder::new()?;
    let loki = Loki::start(&folder)?;
    let (gateway, ports) = gateway(&folder, &push(&loki, settings))?;
    send(ports.http, "a")?;
    send(ports.http, "b")?;
    gateway.stop()?;
    let ids = trace_ids(&folder)?;
    ensure!(ids.len() == 2 * RECORDS, "{} spans", ids.len());
    let mut spans = Vec::new();
    for tenant in ["a", "b"] {
        let query = r#"{service_name="sdk-client", job="sdk-client", exporter="OTLP", level="INFO", deployment_environment_name="demo"}"#;
        let lines = loki.lines(tenant, query, RECORDS)?;
        assert_eq!(lines.len(), RECORDS);
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(line.line, format!("request {number}"));
            assert_eq!(Some(&text(line, "trace_id")), ids.get(&text(line, "span_id")), "{line:?}");
            assert_eq!(text(line, "severity_number"), "9");
            assert_eq!(text(line, "telemetry_sdk_language"), "python");
        }
        let span = text(&lines[7], "span_id");
        let found = loki.query(tenant, &format!(r#"{{job="sdk-client"}} | span_id="{span}""#))?;
        assert_eq!(found.iter().map(|line| &*line.line).collect::<Vec<_>>(), ["request 7"]);
        spans.extend(lines.iter().map(|line| text(line, "span_id")));
    }
    spans.sort();
    spans.dedup();
    assert_eq!(spans.len(), 2 * RECORDS, "a line of one tenant was found by the other");
    Ok(())
}

#[test]
fn logs_are_found_by_their_labels_and_traces() -> Result<()> {
    logs_are_found("")
}

#[test]
fn logs_are_found_that_were_pushed_as_json() -> Result<()> {
    logs_are_found(", encoding: json")
}

/// Scenario: the same logs by the push API and by Loki's own OTLP endpoint, through `otlphttp` with the tenant's header.
/// Guarantee: Loki has the same lines with the same metadata, so that a query finds both.
#[test]
fn both_ways_lead_to_the_same() -> Result<()> {
    let folder = Folder::new()?;
    let loki = Loki::start(&folder)?;
    let otlp = format!(
        "otlphttp: {{endpoint: 'http://127.0.0.1:{}/otlp', auth: {{authenticator: headers_setter}}, retry_on_failure: {{enabled: false}}}}\n  {}",
        loki.port,
        push(&loki, "")
    );
    let (http, other) = (free_port()?, free_port()?);
    let configuration = format!(
        r#"
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}", include_metadata: true}}}}}}
  otlp/other: {{protocols: {{http: {{endpoint: "127.0.0.1:{other}", include_metadata: true}}}}}}
exporters:
  {otlp}
  debug:
extensions:
  headers_setter: {{headers: [{{key: X-Scope-OrgID, from_context: X-Tenant}}]}}
service:
  extensions: [headers_setter]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs: {{receivers: [otlp], exporters: [loki]}}
    logs/other: {{receivers: [otlp/other], exporters: [otlphttp]}}
"#
    );
    let gateway = Gateway::start(&folder, &configuration)?;
    let now = now();
    let request = request(&[("service.name", "shop"), ("host.name", "h1")], full_records(now));
    for (port, tenant) in [(http, "pushed"), (other, "otlp")] {
        let (status, body) = post_as(port, tenant, &request)?;
        ensure!(status == 200, "{status}: {body}");
    }
    let query = r#"{service_name="shop"}"#;
    let read = |tenant| -> Result<Vec<_>> {
        let lines = loki.lines(tenant, query, 3)?;
        Ok(lines.into_iter().map(|line| (line.time, line.line, line.metadata)).collect())
    };
    let (pushed, by_otlp) = (read("pushed")?, read("otlp")?);
    assert_eq!(pushed, by_otlp);
    gateway.stop()
}

/// Scenario: names and values that no label and no metadata of Loki's can have as they are, lines and labels of 1 MB.
/// Guarantee: Loki takes every record; what was cut is counted.
#[test]
fn hostile_values_are_taken() -> Result<()> {
    let folder = Folder::new()?;
    let loki = Loki::start(&folder)?;
    let labels = ", labels: {resource: ['', 'quo\"te', service.name, long], attributes: [kind]}";
    let (gateway, ports) = gateway(&folder, &push(&loki, labels))?;
    let long = "ü".repeat(500_000);
    let now = now();
    let many: Vec<(String, String)> = (0..300).map(|n| (format!("many.{n}"), "v".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (&**key, &**value)).collect();
    let odd = [
        ("", "x"),
        ("...", "y"),
        ("___", "z"),
        ("a.b", "1"),
        ("a..b", "2"),
        ("__error__", "e"),
        ("9", "n"),
        ("trace_id", "t"),
        ("nul\0", "a\0b"),
    ];
    let records = vec![
        record(now, "odd names", &odd),
        record(now + 1, &long, &[("k", &long)]),
        record(now + 2, "many", &many),
        record(now + 3, "a label", &[("kind", "line\nfeed \"quoted\" \\ back \u{1} \u{7f} 日本")]),
        record(now + 4, "", &[]),
        record(now + 5, "in the same place", &[("service_name", "again"), ("exporter", "me"), ("level", "l")]),
    ];
    let resource = [("service.name", "hostile"), ("", "empty"), ("quo\"te", "q"), ("long", &long)];
    let request = request(&resource, records);
    let (status, body) = post_as(ports.http, "a", &request)?;
    ensure!(status == 200, "{status}: {body}");
    let lines = loki.lines("a", r#"{service_name="hostile"}"#, 6).with_context(|| gateway.log())?;
    assert_eq!(lines.len(), 6);
    let of = |line: &str| lines.iter().find(|found| found.line == line).with_context(|| line.to_owned());
    let found = of("odd names")?;
    // Loki itself gives a name that is a label, too, its end.
    let expected = [
        ("key__extracted", "x"),
        ("key_2", "y"),
        ("a_b", "1"),
        ("a_b_2", "2"),
        ("_error_", "e"),
        ("key_9", "n"),
        ("trace_id", "t"),
        ("nul_", "a\0b"),
    ];
    for (name, value) in expected {
        assert_eq!(text(found, name), value, "{name}");
    }
    assert_eq!(of("a label")?.labels["kind"], "line\nfeed \"quoted\" \\ back \u{1} \u{7f} 日本");
    assert_eq!(of("a label")?.labels["quo_te"], "q");
    assert!(lines.iter().any(|line| line.line.len() == 256 << 10), "the long line is there, cut");
    assert!(of("many")?.metadata.len() > 100);
    wait_until(|| Ok(metric(ports.metrics, "wasmill_exporter_altered_rows_total", "loki")? == 6.0))
        .context("altered rows")?;
    assert_eq!(metric(ports.metrics, "otelcol_exporter_send_failed_log_records_total", "loki")?, 0.0);
    gateway.stop()
}

/// Scenario: a request with entries that are too old, too new, and good ones; then one whose entries are behind their stream.
/// Guarantee: the good ones are there once; the others are counted as failed, exactly, and nothing is sent again.
#[test]
fn entries_that_loki_refuses_are_counted() -> Result<()> {
    const HOUR: u64 = 3_600_000_000_000;
    let folder = Folder::new()?;
    let loki = Loki::start(&folder)?;
    let (gateway, ports) = gateway(&folder, &push(&loki, ""))?;
    let now = now();
    let of = |offset: i64, body: &str| record(now.wrapping_add_signed(offset * HOUR as i64), body, &[]);
    let first = vec![
        of(0, "good"),
        of(-24 * 30, "old"),
        of(-24 * 40, "older"),
        of(2, "new"),
        record(u64::MAX, "never", &[]),
        record(1, "1970", &[]),
        record(now + 1, "good, too", &[]),
    ];
    let (failed, sent) = ("otelcol_exporter_send_failed_log_records_total", "otelcol_exporter_sent_log_records_total");
    let (status, _) = post_as(ports.http, "a", &request(&[("service.name", "late")], first))?;
    assert_eq!(status, 200);
    wait_until(|| Ok(metric(ports.metrics, failed, "loki")? == 5.0)).with_context(|| gateway.log())?;
    assert_eq!(metric(ports.metrics, sent, "loki")?, 2.0);

    let behind = vec![of(-2, "behind"), of(-3, "further behind"), record(now + 2, "good again", &[])];
    let (status, _) = post_as(ports.http, "a", &request(&[("service.name", "late")], behind))?;
    assert_eq!(status, 200);
    wait_until(|| Ok(metric(ports.metrics, failed, "loki")? == 7.0)).with_context(|| gateway.log())?;
    assert_eq!(metric(ports.metrics, sent, "loki")?, 3.0);
    let lines = loki.lines("a", r#"{service_name="late"}"#, 3)?;
    assert_eq!(lines.iter().map(|line| &*line.line).collect::<Vec<_>>(), ["good", "good, too", "good again"]);
    gateway.stop()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn value(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn texts(attributes: &[(&str, &str)]) -> Vec<KeyValue> {
    let attribute = |(key, text): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: value(Value::StringValue((*text).to_owned())),
        ..KeyValue::default()
    };
    attributes.iter().map(attribute).collect()
}

fn record(time: u64, body: &str, attributes: &[(&str, &str)]) -> LogRecord {
    LogRecord {
        time_unix_nano: time,
        severity_number: 9,
        body: value(Value::StringValue(body.to_owned())),
        attributes: texts(attributes),
        ..LogRecord::default()
    }
}

/// Records that have something in each field.
fn full_records(now: u64) -> Vec<LogRecord> {
    let record = |number: u64| LogRecord {
        observed_time_unix_nano: now + 10,
        severity_text: "Info".to_owned(),
        flags: 1,
        dropped_attributes_count: 3,
        trace_id: vec![number as u8 + 1; 16],
        span_id: vec![number as u8 + 1; 8],
        ..record(now + number, &format!("line {number}"), &[("http.route", "/pay"), ("user.id", "u1")])
    };
    (0..3).map(record).collect()
}

fn request(resource: &[(&str, &str)], records: Vec<LogRecord>) -> Vec<u8> {
    let scope = ScopeLogs { log_records: records, ..ScopeLogs::default() };
    let resource = ResourceLogs {
        resource: Some(Resource { attributes: texts(resource), ..Resource::default() }),
        scope_logs: vec![scope],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
}

/// Posts logs as a tenant's client.
fn post_as(port: u16, tenant: &str, request: &[u8]) -> Result<(u16, String)> {
    post(port, "/v1/logs", &format!("application/x-protobuf\r\nX-Tenant: {tenant}"), request)
}
