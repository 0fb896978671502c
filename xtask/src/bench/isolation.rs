//! What one pipeline notices of another one's plugin: its p99 alone, and while that plugin loops or is slow.
//!
//! ```text
//!  load, at a fixed rate ──otlp───────► builtin:filter ──► its sink: latency is measured here
//!                          one gateway
//!  its neighbour's load  ──otlp/other─► the plugin that loops, or takes long
//! ```
//!
//! In turns, in one process: alone, beside, alone, beside. A bad minute of the machine falls on both; the ratio is the
//! median of those of the pairs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xtask::process::Running;

use super::{START_TIMEOUT, binary, free_port, median};
use crate::setup;

/// Requests a second of the measured pipeline: a few percent of what the engine can do, so that waiting is the neighbour's
/// doing, and some thousand latencies a turn, so that a p99 stands on dozens of them.
const RATE: u32 = 400;
/// Its spans a request.
const SPANS: u32 = 100;
/// Requests a second of the neighbour: more than its plugin ever answers, so that it never rests.
const NEIGHBOUR_RATE: u32 = 40;
/// Before each turn's latencies count.
const WARM_UP_SECONDS: f64 = 1.0;

/// What the neighbour's plugin does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// Until its deadline ends it, the default.
    Loops,
    /// Within its deadline, as one in an interpreted language may.
    Slow,
}

impl Neighbour {
    const ALL: [Neighbour; 2] = [Neighbour::Loops, Neighbour::Slow];

    fn name(self) -> &'static str {
        match self {
            Neighbour::Loops => "loops until its deadline (250 ms)",
            Neighbour::Slow => "computes 20 ms a call",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Neighbour::Loops => r#"{do: loop}"#,
            Neighbour::Slow => r#"{do: slow, ms: 20}"#,
        }
    }
}

/// One turn alone and one beside, as `load` printed them.
struct Pair {
    neighbour: Neighbour,
    alone: Value,
    beside: Value,
    /// The neighbour's own.
    other: Value,
}

pub struct Isolation {
    pairs: Vec<Pair>,
}

/// `pairs` pairs of turns of `seconds` each, for each kind of neighbour.
pub fn measure(folder: &Path, pairs: usize, seconds: f64) -> Result<Isolation> {
    let plugin = folder.join("hostile.wasm");
    setup::shown(Command::new(binary("hostile")).arg(&plugin))?;
    let mut measured = Vec::new();
    for neighbour in Neighbour::ALL {
        let ports =
            Ports { front: free_port()?, back: free_port()?, other_front: free_port()?, other_back: free_port()? };
        let file = folder.join("isolation.yaml");
        fs::write(&file, configuration(&ports, &plugin, neighbour))?;
        let log = folder.join("isolation.log");
        let mut command = Command::new(binary("wasmill"));
        command.arg("run").arg("--config").arg(&file).stderr(fs::File::create(&log)?);
        let mut gateway = Running::start("wasmill", &mut command)?;
        gateway
            .line(START_TIMEOUT, |line| line.contains("listening") || line.contains("ready"))
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        for pair in 0..pairs {
            setup::step(&format!("a plugin beside that {}, pair {} of {pairs}", neighbour.name(), pair + 1));
            let alone = finished(victim(&ports, seconds).output().context("running the load")?)?;
            let other = aggressor(&ports, seconds).stdout(Stdio::piped()).spawn().context("running the load beside")?;
            let beside = finished(victim(&ports, seconds).output().context("running the load")?)?;
            let other = finished(other.wait_with_output()?)?;
            proven(neighbour, &other)?;
            measured.push(Pair { neighbour, alone, beside, other });
        }
        gateway.stop()?;
    }
    Ok(Isolation { pairs: measured })
}

struct Ports {
    front: u16,
    back: u16,
    other_front: u16,
    other_back: u16,
}

fn victim(ports: &Ports, seconds: f64) -> Command {
    let mut load = load(ports.front, ports.back, seconds);
    load.args(["--rate", &RATE.to_string(), "--records", &SPANS.to_string(), "--expect", "health-checks-dropped"]);
    load
}

/// Lasts as long as the measured one, which starts right after it.
fn aggressor(ports: &Ports, seconds: f64) -> Command {
    let mut load = load(ports.other_front, ports.other_back, seconds + 1.0);
    load.args(["--rate", &NEIGHBOUR_RATE.to_string(), "--records", "10", "--failures-allowed"]);
    load.stderr(Stdio::null());
    load
}

fn load(front: u16, back: u16, seconds: f64) -> Command {
    let mut load = Command::new(binary("load"));
    load.args(["--target", &format!("127.0.0.1:{front}"), "--listen", &format!("127.0.0.1:{back}")]);
    load.args(["--warm-up-seconds", &WARM_UP_SECONDS.to_string(), "--seconds", &seconds.to_string()]);
    load
}

fn finished(output: std::process::Output) -> Result<Value> {
    ensure!(
        output.status.success(),
        "no figure, the run had errors\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A neighbour that did not do what it should says nothing about isolation.
fn proven(neighbour: Neighbour, other: &Value) -> Result<()> {
    let (delivered, failed) = (other["records"].as_u64(), other["requests_failed"].as_u64());
    let good = match neighbour {
        Neighbour::Loops => delivered == Some(0) && failed > Some(0),
        Neighbour::Slow => delivered > Some(0),
    };
    ensure!(good, "the plugin beside was to be one that {}, and was not: {other:#}", neighbour.name());
    Ok(())
}

fn configuration(ports: &Ports, plugin: &Path, neighbour: Neighbour) -> String {
    let Ports { front, back, other_front, other_back } = ports;
    let exporter = |port: u16| {
        format!(
            r#"{{endpoint: "127.0.0.1:{port}", compression: none, tls: {{insecure: true}}, sending_queue: {{enabled: false}}}}"#
        )
    };
    format!(
        r#"receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{front}"}}}}}}
  otlp/other: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{other_front}"}}}}}}
processors:
  wasm/filter:
    plugin: builtin:filter
    config: {{drop: ['attributes["url.path"] == "/healthz"']}}
  wasm/other:
    plugin: {plugin:?}
    config: {other}
exporters:
  otlp: {exporter}
  otlp/other: {other_exporter}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/filter], exporters: [otlp]}}
    traces/other: {{receivers: [otlp/other], processors: [wasm/other], exporters: [otlp/other]}}
"#,
        other = neighbour.config(),
        exporter = exporter(*back),
        other_exporter = exporter(*other_back),
    )
}

impl Isolation {
    pub fn text(&self) -> String {
        let mut text = format!(
            "\nIsolation: {RATE} requests a second of {SPANS} spans through `builtin:filter`, alone and beside a second pipeline's \
             plugin, in turns in one process; latency from when a request was due to its answer, medians, ms.\n\n\
             | the other plugin | p50 alone | beside | p99 alone | beside | p99's ratio (its range) |\n|---|---|---|---|---|---|\n"
        );
        for neighbour in Neighbour::ALL {
            let pairs = || self.pairs.iter().filter(|pair| pair.neighbour == neighbour);
            let ms = |run: &Value, key: &str| run["latency_ms"][key].as_f64().unwrap_or(f64::NAN);
            let alone = |key: &str| median(pairs().map(|pair| ms(&pair.alone, key)).collect());
            let beside = |key: &str| median(pairs().map(|pair| ms(&pair.beside, key)).collect());
            let mut ratios: Vec<f64> = pairs().map(|pair| ms(&pair.beside, "p99") / ms(&pair.alone, "p99")).collect();
            ratios.sort_by(f64::total_cmp);
            let (least, most) = (ratios.first().unwrap_or(&f64::NAN), ratios.last().unwrap_or(&f64::NAN));
            text += &format!(
                "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} ({least:.2} to {most:.2}) |\n",
                neighbour.name(),
                alone("p50"),
                beside("p50"),
                alone("p99"),
                beside("p99"),
                median(ratios.clone())
            );
        }
        text
    }

    pub fn json(&self) -> Value {
        let pairs = self.pairs.iter().map(|pair| {
            json!({"other": pair.neighbour.name(), "alone": pair.alone, "beside": pair.beside, "others_run": pair.other})
        });
        pairs.collect()
    }
}
