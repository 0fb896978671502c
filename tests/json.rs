//! Our JSON and the Collector's are the same JSON: generated requests of every signal, read and written by either.

#[path = "../engine/wire/tests/requests/mod.rs"]
mod requests;

use std::fs;

use anyhow::{Context, Result, ensure};
use requests::json::{meaning, read, write};
use requests::{Choices, corpus, plain};
use serde_json::Value;
use wasmill_tests::{Collector, Folder, free_port, length_prefixed, post};
use wasmill_wire::Signal;

/// Of each signal. Some are refused for their ids, some have no rows.
const REQUESTS: u64 = 2000;

/// A Collector that writes what it gets, as JSON and as protobuf.
fn writer(http: u16, folder: &Folder, signal: Signal) -> String {
    format!(
        r#"
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  file/json: {{path: "{json}"}}
  file/proto: {{path: "{proto}", format: proto}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    {signal}: {{receivers: [otlp], exporters: [file/json, file/proto]}}
"#,
        json = folder.path("out.json").display(),
        proto = folder.path("out.proto").display(),
    )
}

/// What the Collector wrote: each request as JSON, and as protobuf.
fn written(folder: &Folder) -> Result<Vec<(String, Vec<u8>)>> {
    let json = fs::read_to_string(folder.path("out.json"))?;
    let proto = length_prefixed(&fs::read(folder.path("out.proto"))?)?;
    let lines: Vec<String> = json.lines().map(str::to_owned).collect();
    ensure!(lines.len() == proto.len(), "{} lines and {} messages", lines.len(), proto.len());
    Ok(lines.into_iter().zip(proto).collect())
}

fn through_the_collector(
    signal: Signal,
    content: &str,
    bodies: impl Iterator<Item = Vec<u8>>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = Folder::new()?;
    let http = free_port()?;
    let collector = Collector::start(&folder, "collector", &writer(http, &folder, signal), http)?;
    for body in bodies {
        let (status, answer) = post(http, &format!("/v1/{signal}"), content, &body)?;
        ensure!(status == 200 || status == 400, "{status}: {answer}");
    }
    collector.stop()?;
    written(&folder)
}

/// Scenario: generated requests, which the Collector writes both as JSON and as protobuf; the same by our writer, to the Collector.
/// Guarantee: its JSON read by us is its protobuf; our JSON is its JSON; our JSON read by it is what we wrote.
fn agree(signal: Signal) -> Result<()> {
    let generated = (0..REQUESTS).map(|seed| plain(signal, &mut Choices::new(&corpus(seed))));
    let theirs = through_the_collector(signal, "application/x-protobuf", generated)?;
    ensure!(theirs.len() > 20, "only {} requests of {signal} have rows that the Collector takes", theirs.len());
    for (json, wire) in &theirs {
        let back = read(signal, json.as_bytes()).with_context(|| json.clone())?;
        assert_eq!(meaning(signal, &back), meaning(signal, wire), "{json}");
        let ours: Value = serde_json::from_slice(&write(signal, wire))?;
        let expected: Value = serde_json::from_str(json)?;
        assert_eq!(ours, expected);
    }
    let ours = theirs.iter().map(|(_, wire)| write(signal, wire));
    let back = through_the_collector(signal, "application/json", ours)?;
    assert_eq!(back.len(), theirs.len());
    for ((json, wire), (_, back)) in theirs.iter().zip(&back) {
        assert_eq!(meaning(signal, back), meaning(signal, wire), "{json}");
    }
    Ok(())
}

#[test]
fn the_collector_s_traces_are_ours() -> Result<()> {
    agree(Signal::Traces)
}

#[test]
fn the_collector_s_logs_are_ours() -> Result<()> {
    agree(Signal::Logs)
}

#[test]
fn the_collector_s_metrics_are_ours() -> Result<()> {
    agree(Signal::Metrics)
}
