//! `wasmill load` and `wasmill replay` against the OpenTelemetry Collector: what it says that it has is what they say that it took.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;
use wasmill_tests::{Collector, Folder, free_port, wasmill};

const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];
const SIGNALS: [&str; 3] = ["traces", "metrics", "logs"];

/// A Collector that writes what it gets to a file.
struct Server {
    collector: Collector,
    ports: [u16; 2],
}

impl Server {
    fn start(folder: &Folder, archive: &Path) -> Result<Server> {
        let ports = [free_port()?, free_port()?];
        let [grpc, http] = ports;
        let configuration = format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: '127.0.0.1:{grpc}'}}\n      http: {{endpoint: '127.0.0.1:{http}'}}\n\
             exporters:\n  file: {{path: '{}', flush_interval: 100ms}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
               traces: {{receivers: [otlp], exporters: [file]}}\n    \
               metrics: {{receivers: [otlp], exporters: [file]}}\n    \
               logs: {{receivers: [otlp], exporters: [file]}}\n",
            archive.display()
        );
        let collector = Collector::start(folder, "collector", &configuration, grpc)?;
        Ok(Server { collector, ports })
    }

    fn endpoint(&self, protocol: &str) -> String {
        let [grpc, http] = self.ports;
        if protocol == "grpc" { format!("127.0.0.1:{grpc}") } else { format!("http://127.0.0.1:{http}") }
    }

    /// Ends it, so that all that it took is in its file.
    fn stop(self) -> Result<()> {
        self.collector.stop()
    }
}

fn run(args: &[&str]) -> Result<Output> {
    let mut command = wasmill()?;
    command.args(args).env_remove("OTEL_EXPORTER_OTLP_ENDPOINT").env_remove("OTEL_EXPORTER_OTLP_PROTOCOL");
    Ok(command.output()?)
}

fn summary(output: &Output) -> Result<Json> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}{}", output.status, String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).context("a summary")
}

/// Spans, data points and log records in a Collector's file.
fn records(archive: &Path) -> Result<[usize; 3]> {
    let text = std::fs::read_to_string(archive)?;
    let count = |list: &str| {
        let documents = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        documents.map(|document| rows(&document, list)).sum()
    };
    Ok(["resourceSpans", "resourceMetrics", "resourceLogs"].map(count))
}

fn rows(document: &Json, list: &str) -> usize {
    let each = |value: &Json, list: &str| value[list].as_array().cloned().unwrap_or_default();
    let (scopes, records) = match list {
        "resourceSpans" => ("scopeSpans", "spans"),
        "resourceMetrics" => ("scopeMetrics", "metrics"),
        _ => ("scopeLogs", "logRecords"),
    };
    let records = each(document, list)
        .into_iter()
        .flat_map(|parent| each(&parent, scopes))
        .flat_map(|scope| each(&scope, records));
    if list != "resourceMetrics" {
        return records.count();
    }
    let points = |metric: Json| {
        ["gauge", "sum", "histogram", "exponentialHistogram", "summary"]
            .map(|kind| each(&metric[kind], "dataPoints").len())
            .iter()
            .sum::<usize>()
    };
    records.map(points).sum()
}

/// Every signal over every protocol, generated, and then what the Collector wrote of it, replayed: all of it arrives, once.
#[test]
fn the_collector_has_what_was_accepted() -> Result<()> {
    let folder = Folder::new()?;
    let archive = folder.path("archive.jsonl");
    let server = Server::start(&folder, &archive)?;
    for signal in SIGNALS {
        for protocol in PROTOCOLS {
            let endpoint = server.endpoint(protocol);
            let args = [
                "load", "--signal", signal, "--rows", "37", "--count", "5", "--rate", "500", "--gzip", "--output",
                "json",
            ];
            let output = run(&[&args[..], &["--endpoint", &endpoint, "--protocol", protocol]].concat())?;
            let summary = summary(&output)?;
            assert_eq!(
                (summary["requests"].as_u64(), summary["accepted_rows"].as_u64()),
                (Some(5), Some(185)),
                "{summary}"
            );
            assert_eq!((summary["refused_requests"].as_u64(), summary["refused_rows"].as_u64()), (Some(0), Some(0)));
            assert!(summary["latency_ms"]["p50"].as_f64() > Some(0.0), "{summary}");
        }
    }
    server.stop()?;
    assert_eq!(records(&archive)?, [555; 3]);

    let again = folder.path("again.jsonl");
    let server = Server::start(&folder, &again)?;
    for protocol in PROTOCOLS {
        let (file, endpoint) = (archive.display().to_string(), server.endpoint(protocol));
        let output = run(&["replay", &file, "--endpoint", &endpoint, "--protocol", protocol, "--output", "json"])?;
        assert_eq!(summary(&output)?["accepted_rows"].as_u64(), Some(3 * 555));
    }
    server.stop()?;
    assert_eq!(records(&again)?, [3 * 555; 3]);
    Ok(())
}

/// Nobody listens, the file is damaged, the exporter is not there: each is said, and the exit code is its own.
#[test]
fn what_goes_wrong_is_said() -> Result<()> {
    let folder = Folder::new()?;
    let line = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}"#;
    let file = folder.write("one.jsonl", format!("{line}\n"))?.display().to_string();
    let nobody = format!("127.0.0.1:{}", free_port()?);
    let output = run(&["replay", &file, "--endpoint", &nobody])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("refused:  1 requests, 1 rows\n  1 times: "), "{said}");

    let torn = folder.write("torn.jsonl", format!("{line}\n{}", &line[..20]))?.display().to_string();
    let output = run(&["replay", &torn, "--endpoint", &nobody])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("torn.jsonl`, line 2: "), "{said}");

    let configuration = folder.write(
        "gateway.yaml",
        "receivers: {otlp: {protocols: {grpc: }}}\nexporters: {debug: }\nservice: {pipelines: {logs: {receivers: [otlp], exporters: [debug]}}}\n",
    )?;
    let configuration = configuration.display().to_string();
    let output = run(&["replay", &file, "--config", &configuration, "--exporter", "otlp/none"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("there is no exporter `otlp/none`; there are debug"), "{said}");
    let output = run(&["replay", &file, "--config", &configuration, "--exporter", "debug"])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    for (args, why) in [
        (&["load"][..], "--count 1000"),
        (&["load", "--count", "1", "--rate", "0"], "0.001 to 1000000"),
        (&["load", "--count", "1", "--rows", "0"], "1..=100000"),
        (&["replay", "nowhere.jsonl"], "cannot read `nowhere.jsonl`"),
    ] {
        let output = run(args)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(why), "no `{why}` in {said}");
    }
    Ok(())
}
