//! The `file` exporter.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use serde_json::Value;
use wasmill_tests::{Collector, Folder, Gateway, free_port, length_prefixed, post};
use wasmill_wire::Signal;

use crate::requests::json::meaning;
use crate::requests::{Choices, corpus, plain};

pub fn configuration(http: u16, exporters: &str, names: &str) -> String {
    format!(
        r#"
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
{exporters}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{names}]}}
    logs: {{receivers: [otlp], exporters: [{names}]}}
    metrics: {{receivers: [otlp], exporters: [{names}]}}
"#
    )
}

pub fn log(body: &str) -> String {
    format!(
        "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{{\"stringValue\":\"{body}\"}}}}]}}]}}]}}"
    )
}

/// Scenario: generated requests of all signals to a Collector, and what it made of them to the gateway, each with the same `file`
/// exporters.
/// Guarantee: the files hold the same, as lines of JSON and as protobuf behind its length.
#[test]
fn files_are_the_collector_s() -> Result<()> {
    let folder = Folder::new()?;
    let (theirs, ours) = (free_port()?, free_port()?);
    let exporters = |who: &str| {
        let path = |name: &str| folder.path(&format!("{who}.{name}")).display().to_string();
        let json = format!("  file/json: {{path: \"{}\"}}", path("jsonl"));
        format!("{json}\n  file/proto: {{path: \"{}\", format: proto, flush_interval: 10ms}}", path("proto"))
    };
    let names = "file/json, file/proto";
    let collector =
        Collector::start(&folder, "collector", &configuration(theirs, &exporters("theirs"), names), theirs)?;
    for seed in 0..800 {
        for signal in Signal::ALL {
            // Some it does not take for their ids, and what has no rows it does not pass on.
            let body = plain(signal, &mut Choices::new(&corpus(seed)));
            post(theirs, &format!("/v1/{signal}"), "application/x-protobuf", &body)?;
        }
    }
    collector.stop()?;
    let messages = |name: &str| length_prefixed(&fs::read(folder.path(name))?);
    let lines = |name: &str| -> Result<Vec<Value>> {
        let text = fs::read_to_string(folder.path(name))?;
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    let (sent, expected) = (messages("theirs.proto")?, lines("theirs.jsonl")?);
    ensure!(sent.len() == expected.len() && sent.len() > 60, "{} lines and {}", sent.len(), expected.len());

    let gateway = Gateway::start(&folder, &configuration(ours, &exporters("ours"), names))?;
    for (message, line) in sent.iter().zip(&expected) {
        let path = format!("/v1/{}", signal_of(line));
        let (status, answer) = post(ours, &path, "application/x-protobuf", message)?;
        ensure!(status == 200, "{status}: {answer}");
    }
    gateway.stop()?;
    assert_eq!(lines("ours.jsonl")?, expected);
    for ((message, sent), line) in messages("ours.proto")?.iter().zip(&sent).zip(&expected) {
        let signal = signal_of(line);
        assert_eq!(meaning(signal, message), meaning(signal, sent));
    }
    Ok(())
}

fn signal_of(request: &Value) -> Signal {
    let names = [("resourceSpans", Signal::Traces), ("resourceMetrics", Signal::Metrics)];
    names.into_iter().find(|(name, _)| request.get(name).is_some()).map_or(Signal::Logs, |(_, signal)| signal)
}

/// Lets a process's files grow to `bytes`, and no further: a disk that is full for it alone.
pub fn limit_files(process: u32, bytes: u64) -> Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `prlimit` reads the limit, and writes nothing where it is given no place for the old one.
    let done = unsafe { libc::prlimit(process as i32, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    ensure!(done == 0, "{}", std::io::Error::last_os_error());
    Ok(())
}

/// Scenario: a disk that is full in the middle of a request, and has room again later.
/// Guarantee: the client is told to retry, and why; the file has whole lines at any moment, and in the end exactly those that were
/// acknowledged.
#[test]
fn a_full_disk_is_told_to_clients_and_leaves_no_half_line() -> Result<()> {
    let folder = Folder::new()?;
    let http = free_port()?;
    let path = folder.path("archive.jsonl");
    let exporter = format!("  file: {{path: \"{}\"}}", path.display());
    let gateway = Gateway::start(&folder, &configuration(http, &exporter, "file"))?;
    let body = |number: usize| format!("{number:05} {}", "x".repeat(3000));
    let send = |number: usize| post(http, "/v1/logs", "application/json", log(&body(number)).as_bytes());

    limit_files(gateway.id(), 100_000)?;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let number = acknowledged.len();
        ensure!(number < 100, "the disk was never full");
        let (status, answer) = send(number)?;
        if status != 200 {
            break (status, answer);
        }
        acknowledged.push(body(number));
    };
    let (status, answer) = refused;
    assert_eq!(status, 503, "retryable, as OTLP/HTTP has it");
    assert!(answer.contains("archive.jsonl") && answer.contains("cannot be written"), "{answer}");
    let full = fs::read_to_string(&path)?;
    assert!(full.ends_with('\n') && full.lines().count() == acknowledged.len(), "the half line was cut off");
    assert!(gateway.log().contains("the file cannot be written"), "{}", gateway.log());

    limit_files(gateway.id(), libc::RLIM_INFINITY)?;
    for number in acknowledged.len()..acknowledged.len() + 3 {
        let (status, answer) = send(number)?;
        ensure!(status == 200, "{status}: {answer}");
        acknowledged.push(body(number));
    }
    gateway.stop()?;
    let text = fs::read_to_string(&path)?;
    let values: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let bodies = values.iter().map(|value| {
        value["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"].as_str().unwrap_or_default()
    });
    assert!(bodies.eq(acknowledged.iter()), "exactly what was acknowledged, in order");
    Ok(())
}

/// Scenario: permissions of the folders are lost while the gateway writes a file that is to be rotated, and Parquet behind a journal; then
/// they are given back.
/// Guarantee: clients are told to retry, and the log says what cannot be written and why; the gateway serves on; in the end there is exactly
/// what was acknowledged, and no half file.
#[test]
fn lost_permissions_lose_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let http = free_port()?;
    let (single, root) = (folder.path("single"), folder.path("root"));
    let path = single.join("archive.jsonl");
    let exporters = format!(
        "  file: {{path: \"{}\", create_directory: true, rotation: {{max_megabytes: 1}}}}\n  file/columns: {{path: \"{}/{{signal}}\", format: \
         parquet, create_directory: true, rotation: {{interval: 1s}}}}",
        path.display(),
        root.display()
    );
    // Each signal has an exporter of its own.
    let configuration = configuration(http, &exporters, "file").replace(
        "traces: {receivers: [otlp], exporters: [file]}",
        "traces: {receivers: [otlp], exporters: [file/columns]}",
    );
    let gateway = Gateway::start_without_override(&folder, &configuration)?;
    let body = |number: usize| format!("{number:05} {}", "x".repeat(300_000));
    let span = |number: usize| {
        let ids = format!("\"traceId\":\"{:032x}\",\"spanId\":\"{:016x}\"", number + 1, number + 1);
        format!("{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{{ids},\"name\":\"{number:05}\"}}]}}]}}]}}")
    };
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    let mut refused = [0, 0];
    let mut send = |number: usize| -> Result<()> {
        let json = "application/json";
        let answers = [
            post(http, "/v1/logs", json, log(&body(number)).as_bytes())?,
            post(http, "/v1/traces", json, span(number).as_bytes())?,
        ];
        for (at, (status, answer)) in answers.into_iter().enumerate() {
            match status {
                200 if at == 0 => lines.push(body(number)),
                200 => rows.push(format!("{number:05}")),
                503 if answer.contains("Permission denied") => refused[at] += 1,
                other => anyhow::bail!("{other}: {answer}"),
            }
        }
        Ok(())
    };
    send(0)?;
    let state = root.join(".wasmill");
    for forbidden in [&single, &state] {
        fs::set_permissions(forbidden, fs::Permissions::from_mode(0o500))?;
    }
    // The file is full, and the journal a second old, somewhere on the way.
    for number in 1..40 {
        send(number)?;
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for allowed in [&single, &state] {
        fs::set_permissions(allowed, fs::Permissions::from_mode(0o700))?;
    }
    for number in 40..45 {
        send(number)?;
    }
    let log = gateway.log();
    gateway.stop()?;
    ensure!(refused.iter().all(|count| (1..40).contains(count)), "{refused:?} were refused");
    ensure!(log.contains("the file cannot be written") && log.contains("Permission denied"), "{log}");
    let mut found: Vec<String> = Vec::new();
    for entry in fs::read_dir(&single)? {
        let text = fs::read_to_string(entry?.path())?;
        ensure!(text.ends_with('\n'), "half a line");
        for line in text.lines() {
            let value: Value = serde_json::from_str(line)?;
            let body = &value["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"];
            found.push(body.as_str().unwrap_or_default().to_owned());
        }
    }
    found.sort();
    ensure!(found == lines, "{} lines of {}", found.len(), lines.len());
    let mut names: Vec<String> = Vec::new();
    for row in crate::archive::read("duckdb", &root, Signal::Traces)? {
        names.push(row.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
    }
    names.sort();
    ensure!(names == rows, "{} rows of {}", names.len(), rows.len());
    Ok(())
}
