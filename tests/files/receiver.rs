//! The `otlpjsonfile` receiver.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use wasmill_tests::{Collector, Folder, Gateway, free_port, length_prefixed, metric, post, wait_until};
use wasmill_wire::Signal;

use crate::requests::json::meaning;
use crate::requests::{Choices, corpus, plain};

/// From files to a file.
fn configuration(folder: &Folder, port: u16, receiver: &str) -> String {
    format!(
        r#"
receivers:
  otlpjsonfile:
    include: ["{include}"]
    poll_interval: 20ms
    {receiver}
exporters:
  file: {{path: "{out}", format: proto, append: true}}
extensions:
  file_storage: {{directory: "{offsets}"}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{address: "127.0.0.1:{port}"}}}}
  pipelines:
    traces: {{receivers: [otlpjsonfile], exporters: [file]}}
    logs: {{receivers: [otlpjsonfile], exporters: [file]}}
    metrics: {{receivers: [otlpjsonfile], exporters: [file]}}
"#,
        include = folder.path("in*.jsonl").display(),
        out = folder.path("out.proto").display(),
        offsets = folder.path("offsets").display(),
    )
}

fn log(body: &str) -> String {
    format!(
        "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{{\"stringValue\":\"{body}\"}}}}]}}]}}]}}\n"
    )
}

fn append(path: &Path, text: &str) -> Result<()> {
    Ok(OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())?)
}

fn arrived(folder: &Folder) -> Result<Vec<Vec<u8>>> {
    match fs::read(folder.path("out.proto")) {
        // Written while we look: the last one may be in the making.
        Ok(bytes) => Ok(length_prefixed(&bytes).unwrap_or_default()),
        Err(_) => Ok(Vec::new()),
    }
}

/// The bodies of log records that arrived, in order.
fn bodies(folder: &Folder) -> Result<Vec<String>> {
    let mut bodies = Vec::new();
    for wire in arrived(folder)? {
        let json = crate::requests::json::write(Signal::Logs, &wire);
        let value: serde_json::Value = serde_json::from_slice(&json)?;
        let body = &value["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"];
        bodies.push(body.as_str().context("a body")?.to_owned());
    }
    Ok(bodies)
}

/// Scenario: generated requests of all signals, which the Collector writes to a file and the gateway reads.
/// Guarantee: everything arrives, and means what the Collector took in.
#[test]
fn the_collector_s_files_are_read() -> Result<()> {
    let folder = Folder::new()?;
    let http = free_port()?;
    let collector_yaml = format!(
        r#"
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}"}}}}}}
exporters:
  file/json: {{path: "{json}"}}
  file/proto: {{path: "{proto}", format: proto}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/json, file/proto]}}
    logs: {{receivers: [otlp], exporters: [file/json, file/proto]}}
    metrics: {{receivers: [otlp], exporters: [file/json, file/proto]}}
"#,
        json = folder.path("in.jsonl").display(),
        proto = folder.path("in.proto").display(),
    );
    let collector = Collector::start(&folder, "collector", &collector_yaml, http)?;
    for seed in 0..800 {
        for signal in Signal::ALL {
            let body = plain(signal, &mut Choices::new(&corpus(seed)));
            post(http, &format!("/v1/{signal}"), "application/x-protobuf", &body)?;
        }
    }
    collector.stop()?;
    let lines = fs::read_to_string(folder.path("in.jsonl"))?;
    let sent = length_prefixed(&fs::read(folder.path("in.proto"))?)?;
    let signals = lines.lines().map(|line| match () {
        () if line.starts_with("{\"resourceSpans") => Signal::Traces,
        () if line.starts_with("{\"resourceLogs") => Signal::Logs,
        () => Signal::Metrics,
    });
    let mut expected: Vec<String> = sent.iter().zip(signals).map(|(wire, signal)| meaning(signal, wire)).collect();
    ensure!(expected.len() > 60, "{} requests", expected.len());

    let yaml = configuration(&folder, free_port()?, "start_at: beginning");
    let gateway = Gateway::start(&folder, &yaml)?;
    wait_until(|| Ok(arrived(&folder)?.len() >= expected.len())).with_context(|| {
        format!("{} of {}\n{}", arrived(&folder).unwrap_or_default().len(), expected.len(), gateway.log())
    })?;
    gateway.stop()?;
    // Lines are handed on side by side.
    let mut found = Vec::new();
    for wire in arrived(&folder)? {
        let of = |signal| crate::requests::model::decode(signal, &wire).is_ok_and(|request| !request.rows().is_empty());
        let signals = Signal::ALL.into_iter().filter(|signal| of(*signal));
        found.push(signals.map(|signal| meaning(signal, &wire)).collect::<Vec<_>>());
    }
    for meanings in found {
        let place = expected.iter().position(|expected| meanings.contains(expected));
        expected.swap_remove(place.with_context(|| format!("{meanings:?} was not sent"))?);
    }
    assert!(expected.is_empty(), "{} did not arrive", expected.len());
    Ok(())
}

/// Scenario: lines are written while the gateway runs, with bad ones between; it is killed, more is written, the file is rotated, and it
/// is started again.
/// Guarantee: every good line arrives; after a restart that left it time to note its offsets, once. Bad ones are told with file, line and
/// byte, and counted.
#[test]
fn a_restart_goes_on_where_it_stopped() -> Result<()> {
    let folder = Folder::new()?;
    let path = folder.path("in.jsonl");
    let port = free_port()?;
    let yaml = configuration(&folder, port, "start_at: beginning\n    storage: file_storage");
    let gateway = Gateway::start(&folder, &yaml)?;
    append(&path, &log("one"))?;
    append(&path, "{\"resourceLogs\": true}\n")?;
    append(&path, &log("two"))?;
    append(&path, &log("three")[..20])?;
    wait_until(|| Ok(bodies(&folder)?.len() == 2))?;
    wait_until(|| Ok(gateway.log().contains("a line is left out")))?;
    let log_text = gateway.log();
    assert!(
        log_text.contains("in.jsonl line 2") && log_text.contains(&format!("byte={}", log("one").len() + 17)),
        "{log_text}"
    );
    let refused = metric(port, "wasmill_receiver_refused_requests_total", "receiver=\"otlpjsonfile\"")?;
    assert_eq!(refused, 1.0);
    wait_until(|| {
        Ok(fs::read_to_string(folder.path("offsets/otlpjsonfile.offsets"))
            .is_ok_and(|text| text.contains("\"line\":4")))
    })?;
    gateway.signal(libc::SIGKILL)?;
    drop(gateway);

    append(&path, &log("three")[20..])?;
    fs::rename(&path, folder.path("in-rotated.jsonl"))?;
    append(&path, &log("four"))?;
    let gateway = Gateway::start(&folder, &yaml)?;
    wait_until(|| Ok(bodies(&folder)?.len() >= 4))?;
    append(&path, &log("five"))?;
    wait_until(|| Ok(bodies(&folder)?.len() >= 5))?;
    gateway.stop()?;
    let mut found = bodies(&folder)?;
    found.sort();
    assert_eq!(found, ["five", "four", "one", "three", "two"]);
    Ok(())
}
