//! `cargo xtask bench`: the gateway beside a relay of raw bytes, each a process of its own, in turns on the same load.
//!
//! What the engines spend is the kernel's own accounting, and every span is looked for at the backend: a run with a failure
//! has no figure. Take the ratios; the absolute figures are the machine's. The split comes from the engines themselves: the
//! relay is the transport, the gateway without plugin adds the wire engine, the gateway with one adds the plugin.

mod idle;
mod isolation;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use xtask::places;
use xtask::process::Running;

use crate::setup;

/// How long an engine may take to listen.
const START_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

struct Plan {
    rounds: usize,
    seconds: u64,
    spans: Vec<u64>,
    /// Pairs of turns, alone and beside a plugin that loops.
    pairs: usize,
}

/// What stands between the load and its backend.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Relay,
    PassThrough,
    Filter,
}

impl Engine {
    const ALL: [Engine; 3] = [Engine::Relay, Engine::PassThrough, Engine::Filter];

    fn name(self) -> &'static str {
        match self {
            Engine::Relay => "relay of raw bytes on tonic",
            Engine::PassThrough => "wasmill without plugin",
            Engine::Filter => "wasmill with builtin:filter",
        }
    }
}

/// `--quick`: one short round. `--spans N`: only requests of N spans. `--isolation`: only what a plugin that loops does to
/// another pipeline.
pub fn run(args: &[String]) -> Result<()> {
    let mut plan = Plan { rounds: 3, seconds: 8, spans: vec![1000, 100], pairs: 5 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => plan = Plan { rounds: 1, seconds: 2, spans: vec![1000], pairs: 1 },
            "--spans" => plan.spans = vec![args.next().context("`--spans` needs a number")?.parse()?],
            "--isolation" => plan.spans.clear(),
            other => bail!("unknown option `{other}`; there are `--quick`, `--spans N` and `--isolation`"),
        }
    }
    setup::step("cargo build --release (the first time takes ten minutes or more)");
    let mut build = Command::new("cargo");
    setup::wasm()?.environment(&mut build);
    setup::shown(build.args(["build", "--release", "--workspace", "--bins"]))?;
    let folder = places::target().join("bench");
    fs::create_dir_all(&folder)?;

    let mut results = Vec::new();
    for &spans in &plan.spans {
        for round in 0..plan.rounds {
            for engine in Engine::ALL {
                setup::step(&format!(
                    "{spans} spans a request, round {} of {}: {}",
                    round + 1,
                    plan.rounds,
                    engine.name()
                ));
                results.push((spans, engine, measure(&folder, engine, spans, plan.seconds)?));
            }
        }
    }
    if plan.spans.is_empty() {
        println!("\n{}", isolation::measure(&folder, plan.pairs, plan.seconds)?.text());
        return Ok(());
    }
    let idle = idle::measure(&folder)?;
    let isolation = isolation::measure(&folder, plan.pairs, plan.seconds)?;
    let report = report(&plan, &results, &idle) + &isolation.text();
    println!("\n{report}");
    let into = places::checkout().join("benches/results");
    fs::create_dir_all(&into)?;
    fs::write(into.join("gateway.md"), &report)?;
    let raw: Vec<Value> = results.iter().map(|(_, engine, run)| json!({"engine": engine.name(), "run": run})).collect();
    fs::write(
        into.join("gateway.json"),
        serde_json::to_string_pretty(&json!({"runs": raw, "idle": idle.json(), "isolation": isolation.json()}))?,
    )?;
    Ok(())
}

fn binary(name: &str) -> PathBuf {
    places::target().join("release").join(name)
}

/// One engine under load; the figures as `load` printed them.
fn measure(folder: &Path, engine: Engine, spans: u64, seconds: u64) -> Result<Value> {
    let (front, back) = (free_port()?, free_port()?);
    let mut command = match engine {
        Engine::Relay => {
            let mut command = Command::new(binary("relay"));
            command.args(["--kind", "tonic", "--listen", &format!("127.0.0.1:{front}")]);
            command.args(["--target", &format!("127.0.0.1:{back}")]);
            command
        }
        Engine::PassThrough | Engine::Filter => {
            let file = folder.join("gateway.yaml");
            fs::write(&file, configuration(front, back, engine == Engine::Filter))?;
            let mut command = Command::new(binary("wasmill"));
            command.arg("run").arg("--config").arg(file);
            command
        }
    };
    command.stderr(fs::File::create(folder.join("engine.log"))?);
    let mut running = Running::start(engine.name(), &mut command)?;
    running
        .line(START_TIMEOUT, |line| line.contains("listening") || line.contains("ready"))
        .with_context(|| fs::read_to_string(folder.join("engine.log")).unwrap_or_default())?;
    let mut load = Command::new(binary("load"));
    load.args(["--target", &format!("127.0.0.1:{front}"), "--listen", &format!("127.0.0.1:{back}")]);
    load.args(["--pid", &running.id().to_string(), "--spans", &spans.to_string(), "--seconds", &seconds.to_string()]);
    if engine == Engine::Filter {
        load.arg("--health-checks-dropped");
    }
    let output = load.output().context("running the load")?;
    ensure!(
        output.status.success(),
        "{}: no figure, the run had errors\n{}{}",
        engine.name(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// As its users would write it, but for the queue: the relay answers when the backend has, and so must the gateway.
fn configuration(front: u16, back: u16, filter: bool) -> String {
    let processors = if filter { "[wasm/filter]" } else { "[]" };
    format!(
        r#"receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{front}"}}
processors:
  wasm/filter:
    plugin: builtin:filter
    config: {{drop: ['attributes["url.path"] == "/healthz"']}}
exporters:
  otlp:
    endpoint: "127.0.0.1:{back}"
    compression: none
    tls: {{insecure: true}}
    sending_queue: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: {processors}, exporters: [otlp]}}
"#
    )
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn report(plan: &Plan, results: &[(u64, Engine, Value)], idle: &idle::Idle) -> String {
    let mut text = format!(
        "OTLP/gRPC to OTLP/gRPC, spans of about 450 bytes, no compression; {} rounds in turns of {} s, medians; {}\n",
        plan.rounds,
        plan.seconds,
        machine()
    );
    text += "\n| spans a request | engine | CPU-seconds per GB | of these in the kernel | spans per CPU-second | to the relay | peak MiB |\n";
    text += "|---|---|---|---|---|---|---|\n";
    for &spans in &plan.spans {
        let figure = |engine: Engine, key: &str| {
            let runs = results.iter().filter(|(count, of, _)| (*count, *of) == (spans, engine));
            median(runs.filter_map(|(_, _, run)| run[key].as_f64()).collect())
        };
        let relay = figure(Engine::Relay, "cpu_seconds_per_gb");
        for engine in Engine::ALL {
            let per_gb = figure(engine, "cpu_seconds_per_gb");
            let system = figure(engine, "cpu_system_seconds");
            let share = system / (system + figure(engine, "cpu_user_seconds"));
            text += &format!(
                "| {spans} | {} | {per_gb:.2} | {:.2} | {:.0} | {:.2} | {:.0} |\n",
                engine.name(),
                per_gb * share,
                figure(engine, "spans_per_cpu_second"),
                per_gb / relay,
                figure(engine, "peak_memory_kib") / 1024.0
            );
        }
        let pass = figure(Engine::PassThrough, "cpu_seconds_per_gb");
        let filter = figure(Engine::Filter, "cpu_seconds_per_gb");
        text += &format!(
            "\n{spans} spans a request, the split of wasmill's {filter:.2} CPU-seconds per GB: transport {relay:.2} (the relay), \
             wire engine and pipeline {:+.2}, plugin (with what it drops) {:+.2}.\n\n",
            pass - relay,
            filter - pass
        );
    }
    text + &idle.text()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The processor, as far as it says what it is.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> =
        info.lines().filter(|line| line.starts_with("model name")).filter_map(|line| line.split(": ").nth(1)).collect();
    format!("{} × {}", models.len(), models.first().copied().unwrap_or("an unknown processor"))
}
