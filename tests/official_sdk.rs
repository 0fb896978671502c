//! The official Python SDK delivers through the gateway, over gRPC and over HTTP, plain and compressed. The configuration is
//! that of `examples/filter-and-enrich`.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use wasmill_tests::{Backend, Folder, Gateway, counts, free_port, output, python};
use xtask::places::checkout;

const RECORDS: usize = 200;

/// The SDK sends spans, logs and metrics by `protocol`; each span is delivered once and stamped, or dropped by the filter.
fn delivers(protocol: &str, compression: Option<&str>) -> Result<()> {
    let folder = Folder::new()?;
    let backend = Backend::start(&folder)?;
    let (grpc, http) = (free_port()?, free_port()?);
    let ports = [("GRPC_PORT", grpc), ("HTTP_PORT", http), ("METRICS_PORT", free_port()?)];
    let mut variables: Vec<(&str, String)> = ports.map(|(name, port)| (name, port.to_string())).into();
    variables.push(("BACKEND", format!("127.0.0.1:{}", backend.port)));
    let example = checkout().join("examples/filter-and-enrich/gateway.yaml");
    let gateway = Gateway::start_file(&folder, &example, &variables)?;

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
        assert_eq!(record.attributes["team"], "platform", "{record:?}");
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
