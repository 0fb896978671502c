//! Each kind of work for a second, by the gateway alone: what a build by a profile learns from.
//!
//! ```text
//!  load ──OTLP/gRPC──► gateway ──OTLP/HTTP──► gateway ──OTLP/gRPC──► load
//!                      └ disk queue, Parquet
//! ```
//!
//! What is not done here is compiled as if it were never done. Every record is looked for, as in a measurement: a build that counts
//! wrong things is none.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::engine::{Engine, Ports};
use super::workload::{Compression, Signal, Task, Workload};
use super::{Plan, exporters, figures, free_port, load, measure_all, values};
use crate::setup;

/// What goes over HTTP between the two gateways.
const CHAINS: [(Signal, &str, &str); 4] = [
    (Signal::Traces, "proto", "gzip"),
    (Signal::Traces, "json", "none"),
    (Signal::Logs, "json", "gzip"),
    (Signal::Metrics, "json", "none"),
];

pub fn workloads() -> Vec<Workload> {
    let of = |task, signal, records| Workload { signal, records, ..Workload::of(task) };
    let mut all = Workload::standard();
    // A load that counts has no time for a thousand.
    all.retain(|workload| workload.connections < 1000);
    all.extend([
        of(Task::Attributes, Signal::Logs, 1000),
        of(Task::Attributes, Signal::Metrics, 1000),
        of(Task::Redact, Signal::Logs, 100),
        of(Task::Route, Signal::Metrics, 100),
        of(Task::Pass, Signal::Logs, 10),
        of(Task::Pass, Signal::Metrics, 10),
        Workload { batch: true, ..of(Task::Filter, Signal::Logs, 10) },
        Workload { batch: true, ..of(Task::Filter, Signal::Metrics, 10) },
        Workload { compression: (Compression::Gzip, Compression::Gzip), ..of(Task::Filter, Signal::Logs, 100) },
    ]);
    all
}

pub fn train(plan: &Plan, folder: &Path) -> Result<()> {
    let mut failed = measure_all(plan, folder).failed;
    failed.extend(exporters::train(folder, plan));
    for (signal, encoding, compression) in CHAINS {
        setup::step(&format!("{} over HTTP: {encoding}, {compression}", signal.name()));
        if let Err(error) = chain(plan, folder, signal, encoding, compression) {
            failed.push(format!("{} over HTTP as {encoding}: {error:#}", signal.name()));
        }
    }
    figures(&failed)
}

/// Two gateways, the first with a queue on disk.
fn chain(plan: &Plan, folder: &Path, signal: Signal, encoding: &str, compression: &str) -> Result<()> {
    let [first, second] = ["first", "second"].map(|name| folder.join(name));
    for folder in [&first, &second] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    let (ports, between) = (Ports::free()?, free_port()?);
    let behind = Engine::Wasmill.start_with(&second, &receives_http(signal, between, &ports), &ports)?;
    let before = Engine::Wasmill.start_with(
        &first,
        &sends_http(signal, between, &ports, encoding, compression, &first),
        &ports,
    )?;
    let mut load = load();
    load.args(["--target", &format!("127.0.0.1:{}", ports.front), "--listen", &format!("127.0.0.1:{}", ports.back)]);
    load.args(["--pid", &before.id().to_string(), "--signal", signal.name(), "--records", "100"]);
    load.args(["--warm-up-seconds", &plan.warm_up_seconds.to_string(), "--seconds", &plan.seconds.to_string()]);
    let log = |folder: &Path| fs::read_to_string(folder.join("engine.log")).unwrap_or_default();
    values(&mut load).with_context(|| format!("{}{}", log(&first), log(&second)))?;
    before.stop()?;
    behind.stop()?;
    Ok(())
}

fn sends_http(signal: Signal, between: u16, ports: &Ports, encoding: &str, compression: &str, folder: &Path) -> String {
    let (front, signal, folder) = (ports.front, signal.name(), folder.display());
    format!(
        "receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:{front}
extensions:
  file_storage:
    directory: {folder}/queues
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:{between}
    encoding: {encoding}
    compression: {compression}
    sending_queue:
      storage: file_storage
      block_on_overflow: true
  file:
    path: {folder}/archive
    format: parquet
    create_directory: true
service:
  extensions: [file_storage]
  telemetry:
    logs:
      level: warn
    metrics:
      level: none
  pipelines:
    {signal}:
      receivers: [otlp]
      exporters: [otlp_http, file]
"
    )
}

fn receives_http(signal: Signal, between: u16, ports: &Ports) -> String {
    let (back, signal) = (ports.back, signal.name());
    format!(
        "receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{between}
exporters:
  otlp:
    endpoint: 127.0.0.1:{back}
    tls:
      insecure: true
service:
  telemetry:
    logs:
      level: warn
    metrics:
      level: none
  pipelines:
    {signal}:
      receivers: [otlp]
      exporters: [otlp]
"
    )
}
