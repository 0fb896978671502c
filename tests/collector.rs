//! The OpenTelemetry Collector delivers into the gateway and receives from it.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use wasmill_tests::{Backend, Collector, Folder, Gateway, counts, free_port, output, python};

const RECORDS: usize = 200;

/// A Collector that passes on what it gets, by gRPC or by HTTP.
fn relay(grpc: u16, exporter: &str, target: u16) -> String {
    let scheme = if exporter == "otlphttp" { "http://" } else { "" };
    format!(
        r#"
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
exporters:
  {exporter}:
    endpoint: "{scheme}127.0.0.1:{target}"
    tls: {{insecure: true}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{exporter}]}}
    logs: {{receivers: [otlp], exporters: [{exporter}]}}
    metrics: {{receivers: [otlp], exporters: [{exporter}]}}
"#
    )
}

/// A gateway that drops health checks.
fn gateway(grpc: u16, http: u16, exporter: &str, target: u16) -> String {
    let scheme = if exporter == "otlphttp" { "http://" } else { "" };
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
exporters:
  {exporter}:
    endpoint: "{scheme}127.0.0.1:{target}"
    tls: {{insecure: true}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/filter], exporters: [{exporter}]}}
    logs: {{receivers: [otlp], exporters: [{exporter}]}}
    metrics: {{receivers: [otlp], exporters: [{exporter}]}}
"#
    )
}

fn send(port: u16) -> Result<HashMap<String, usize>> {
    let printed = output(
        python("tests/peers/sdk.py")?
            .arg(RECORDS.to_string())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    )?;
    let sent: Vec<(&str, &str)> = printed.lines().filter_map(|line| line.split_once(' ')).collect();
    ensure!(sent.len() == RECORDS, "the SDK made {} spans", sent.len());
    let kept = sent.iter().filter(|(_, route)| *route != "/healthz");
    Ok(kept.map(|(id, _)| ((*id).to_owned(), 1)).collect())
}

/// SDK → Collector → gateway → backend.
fn into_the_gateway(exporter: &str) -> Result<()> {
    let folder = Folder::new()?;
    let backend = Backend::start(&folder)?;
    let (grpc, http, front) = (free_port()?, free_port()?, free_port()?);
    let gateway = Gateway::start(&folder, &gateway(grpc, http, "otlp", backend.port))?;
    let target = if exporter == "otlphttp" { http } else { grpc };
    let collector = Collector::start(&folder, "collector", &relay(front, exporter, target), front)?;

    let expected = send(front)?;
    collector.stop()?;
    gateway.stop()?;
    let arrived = backend.stop()?;
    assert_eq!(counts(&arrived, "traces"), expected);
    assert_eq!(arrived.iter().filter(|record| record.signal == "logs").count(), RECORDS);
    assert!(arrived.iter().any(|record| record.name == "sdk.requests"));
    Ok(())
}

/// SDK → gateway → Collector → backend.
fn out_of_the_gateway(exporter: &str) -> Result<()> {
    let folder = Folder::new()?;
    let backend = Backend::start(&folder)?;
    let (grpc, http, middle, middle_http) = (free_port()?, free_port()?, free_port()?, free_port()?);
    let configuration = relay(middle, "otlp", backend.port).replace(
        "exporters:\n  otlp",
        &format!("      http: {{endpoint: \"127.0.0.1:{middle_http}\"}}\nexporters:\n  otlp"),
    );
    let collector = Collector::start(&folder, "collector", &configuration, middle)?;
    let target = if exporter == "otlphttp" { middle_http } else { middle };
    let gateway = Gateway::start(&folder, &gateway(grpc, http, exporter, target))?;

    let expected = send(grpc)?;
    gateway.stop()?;
    collector.stop()?;
    let arrived = backend.stop()?;
    assert_eq!(counts(&arrived, "traces"), expected);
    assert_eq!(arrived.iter().filter(|record| record.signal == "logs").count(), RECORDS);
    assert!(arrived.iter().any(|record| record.name == "sdk.requests"));
    Ok(())
}

#[test]
fn the_collector_delivers_into_the_gateway_over_grpc() -> Result<()> {
    into_the_gateway("otlp")
}

#[test]
fn the_collector_delivers_into_the_gateway_over_http() -> Result<()> {
    into_the_gateway("otlphttp")
}

#[test]
fn the_collector_receives_from_the_gateway_over_grpc() -> Result<()> {
    out_of_the_gateway("otlp")
}

#[test]
fn the_collector_receives_from_the_gateway_over_http() -> Result<()> {
    out_of_the_gateway("otlphttp")
}
