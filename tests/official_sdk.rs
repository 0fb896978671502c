//! The official Python SDK delivers through the gateway, over gRPC and over HTTP, plain and compressed.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use wasmill_tests::{Backend, Folder, Gateway, counts, free_port, output, python};

const RECORDS: usize = 200;

fn configuration(grpc: u16, http: u16, backend: u16) -> String {
    format!(
        r#"
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
processors:
  wasm/filter:
    plugin: builtin:filter
    config: {{drop: ['attributes["http.route"] == "/healthz"']}}
  wasm/enrich:
    plugin: builtin:enrich
    config: {{statements: ['set(attributes["team"], "payments") where resource.attributes["service.name"] == "sdk-client"']}}
exporters:
  otlp:
    endpoint: "127.0.0.1:{backend}"
    tls: {{insecure: true}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/filter, wasm/enrich], exporters: [otlp]}}
    logs: {{receivers: [otlp], processors: [wasm/enrich], exporters: [otlp]}}
    metrics: {{receivers: [otlp], processors: [wasm/enrich], exporters: [otlp]}}
"#
    )
}

/// The SDK sends spans, logs and metrics by `protocol`; each span is delivered once and stamped, or dropped by the filter.
fn delivers(protocol: &str, compression: Option<&str>) -> Result<()> {
    let folder = Folder::new()?;
    let backend = Backend::start(&folder)?;
    let (grpc, http) = (free_port()?, free_port()?);
    let gateway = Gateway::start(&folder, &configuration(grpc, http, backend.port))?;

    let port = if protocol == "grpc" { grpc } else { http };
    let printed = output(
        python("tests/peers/sdk.py")?
            .arg(RECORDS.to_string())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .envs(compression.map(|compression| ("OTEL_EXPORTER_OTLP_COMPRESSION", compression))),
    )?;
    gateway.stop()?;
    let arrived = backend.stop()?;

    let sent: Vec<(&str, &str)> = printed.lines().filter_map(|line| line.split_once(' ')).collect();
    ensure!(sent.len() == RECORDS, "the SDK made {} spans", sent.len());
    let kept = sent.iter().filter(|(_, route)| *route != "/healthz");
    let expected: HashMap<String, usize> = kept.map(|(id, _)| ((*id).to_owned(), 1)).collect();
    assert_eq!(counts(&arrived, "traces"), expected, "each kept span once, and no other");
    assert_eq!(arrived.iter().filter(|record| record.signal == "logs").count(), RECORDS);
    assert!(arrived.iter().any(|record| record.signal == "metrics" && record.name == "sdk.requests"));
    for record in &arrived {
        assert_eq!(record.attributes["team"], "payments", "{record:?}");
    }
    let numbered = arrived.iter().find(|record| record.signal == "traces").map(|record| &record.attributes["number"]);
    assert!(numbered.is_some_and(serde_json::Value::is_i64), "the SDK's own attributes are there as they were");
    Ok(())
}

#[test]
fn over_grpc() -> Result<()> {
    delivers("grpc", None)
}

#[test]
fn over_grpc_with_gzip() -> Result<()> {
    delivers("grpc", Some("gzip"))
}

#[test]
fn over_http() -> Result<()> {
    delivers("http/protobuf", None)
}

#[test]
fn over_http_with_gzip() -> Result<()> {
    delivers("http/protobuf", Some("gzip"))
}
