//! Lets the gateway run under load for a while, its plugin swapped each second, and looks for what grows.
//!
//! ```text
//!  load ──gRPC──► wasmill, a plugin that stamps ──gRPC──► load        each second: another build of the plugin in its place,
//!                   │                                                 and a look at memory, descriptors, threads
//!                   └── /proc/PID
//! ```
//!
//! It ends with a report, and with an error where memory, descriptors or threads have grown, a swap was not published, or a span
//! was lost or doubled.

use std::fmt;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::process::{Running, page};

use crate::process::{Usage, usage};

/// What memory may grow by after the warm-up.
pub const GROWTH_MAX_MIB: f64 = 5.0;

/// Threads and descriptors may be some more while a plugin is compiled or a connection is opened anew.
const HANDLES_SLACK: u64 = 8;

/// Caches fill, buffers reach their size: as long, and not more than a half of the run.
const WARM_UP_MAX: Duration = Duration::from_secs(60);

/// Looks that one end of the comparison is the median of: memory breathes with the load.
const LOOKS: usize = 10;

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// A swap compiles a plugin, on a machine that does other things too.
const SWAP_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Plan {
    pub wasmill: PathBuf,
    pub load: PathBuf,
    pub duration: Duration,
    /// Requests a second, of 100 spans.
    pub rate: f64,
}

pub struct Report {
    seconds: u64,
    swaps: u32,
    spans: u64,
    first: Usage,
    last: Usage,
    peak_mib: f64,
    /// The load's own figures.
    load: Value,
    problems: Vec<String>,
}

pub fn run(plan: &Plan, folder: &Path) -> Result<Report> {
    let (front, back, metrics) = (free_port()?, free_port()?, free_port()?);
    let plugin = folder.join("stamp.wasm");
    fs::write(&plugin, wasmill_fixtures::stamped(0))?;
    let file = folder.join("gateway.yaml");
    fs::write(&file, configuration(front, back, metrics, &plugin))?;
    let log = folder.join("gateway.log");
    let mut command = Command::new(&plan.wasmill);
    command.arg("run").arg("--config").arg(&file).stderr(fs::File::create(&log)?);
    let mut gateway = Running::start("wasmill", &mut command)?;
    gateway
        .line(START_TIMEOUT, |line| line.contains("ready"))
        .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;

    let mut command = Command::new(&plan.load);
    command.args(["--target", &format!("127.0.0.1:{front}"), "--listen", &format!("127.0.0.1:{back}")]);
    command.args(["--records", "100", "--rate", &plan.rate.to_string(), "--warm-up-seconds", "1"]);
    // It sends for as long as this looks, and a little longer.
    command.args(["--seconds", &(plan.duration.as_secs() + 1).to_string(), "--pid", &gateway.id().to_string()]);
    let load = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().context("starting the load")?;

    let begun = Instant::now();
    let (mut looks, mut swaps, mut problems) = (Vec::new(), 0, Vec::new());
    while begun.elapsed() < plan.duration {
        let second = begun + Duration::from_secs(looks.len() as u64 + 1);
        thread::sleep(second.saturating_duration_since(Instant::now()));
        let new = folder.join("stamp.new");
        fs::write(&new, wasmill_fixtures::stamped(swaps + 1))?;
        fs::rename(&new, &plugin)?;
        match wait_for_swap(metrics, swaps + 1) {
            Ok(()) => swaps += 1,
            Err(error) => {
                problems.push(format!("swap {}: {error:#}", swaps + 1));
                break;
            }
        }
        looks.push((begun.elapsed(), usage(gateway.id())?));
    }
    let output = load.wait_with_output()?;
    let load: Value = serde_json::from_slice(&output.stdout).context("what the load printed")?;
    if !output.status.success() {
        problems.push(format!("the load ended with {}", output.status));
    }
    let peak_mib = crate::process::peak_kib(gateway.id())? as f64 / 1024.0;
    let status = gateway.stop()?;
    if !status.success() {
        problems.push(format!("the gateway ended with {status}"));
    }
    let warm_up = WARM_UP_MAX.min(plan.duration / 2);
    let settled: Vec<Usage> = looks.iter().filter(|(at, _)| *at >= warm_up).map(|(_, usage)| *usage).collect();
    ensure!(settled.len() >= 4, "too few looks to compare: {problems:?}");
    let each = LOOKS.min(settled.len() / 2);
    let (first, last) = (Usage::median(&settled[..each]), Usage::median(&settled[settled.len() - each..]));
    for (key, what) in [("records_lost", "lost"), ("records_duplicated", "doubled"), ("records_strange", "changed")] {
        if load[key] != 0 {
            problems.push(format!("{} spans were {what}", load[key]));
        }
    }
    let spans = load["records"].as_u64().unwrap_or(0);
    let mut report = Report { seconds: begun.elapsed().as_secs(), swaps, spans, first, last, peak_mib, load, problems };
    report.compare();
    Ok(report)
}

impl Report {
    fn compare(&mut self) {
        let (first, last) = (self.first, self.last);
        let growth = last.resident_mib - first.resident_mib;
        if growth > GROWTH_MAX_MIB {
            self.problems.push(format!("memory has grown by {growth:.1} MiB, allowed are {GROWTH_MAX_MIB}"));
        }
        for (what, first, last) in
            [("descriptors", first.descriptors, last.descriptors), ("threads", first.threads, last.threads)]
        {
            if last > first + HANDLES_SLACK {
                self.problems.push(format!("{what} have grown from {first} to {last}"));
            }
        }
        if self.spans == 0 {
            self.problems.push("nothing was delivered".to_owned());
        }
    }

    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { seconds, swaps, spans, first, last, peak_mib, load, problems } = self;
        writeln!(
            f,
            "{seconds} s, {swaps} swaps, {spans} spans, {} lost, {} doubled",
            load["records_lost"], load["records_duplicated"]
        )?;
        writeln!(f, "| | after the warm-up | at the end |\n|---|---|---|")?;
        writeln!(f, "| resident memory, MiB | {:.1} | {:.1} |", first.resident_mib, last.resident_mib)?;
        writeln!(f, "| descriptors | {} | {} |", first.descriptors, last.descriptors)?;
        writeln!(f, "| threads | {} | {} |", first.threads, last.threads)?;
        writeln!(f, "\npeak {peak_mib:.1} MiB; latency {}", load["latency_ms"])?;
        problems.iter().try_for_each(|problem| writeln!(f, "PROBLEM: {problem}"))
    }
}

fn configuration(front: u16, back: u16, metrics: u16, plugin: &Path) -> String {
    format!(
        "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{front}'}}}}}}\n\
         processors:\n  wasm/stamp: {{plugin: {}, config: {{do: stamp}}}}\n\
         exporters:\n  otlp: {{endpoint: '127.0.0.1:{back}', tls: {{insecure: true}}}}\n\
         service:\n  telemetry: {{metrics: {{address: '127.0.0.1:{metrics}'}}, logs: {{level: warn}}}}\n  \
           pipelines:\n    traces: {{receivers: [otlp], processors: [wasm/stamp], exporters: [otlp]}}\n",
        plugin.display()
    )
}

fn wait_for_swap(metrics: u16, number: u32) -> Result<()> {
    let end = Instant::now() + SWAP_TIMEOUT;
    loop {
        let text = page(metrics, "/metrics")?;
        let line =
            text.lines().find(|line| line.starts_with("wasmill_plugin_swap_total{") && line.contains("published"));
        let published = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0);
        if published >= f64::from(number) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "not published within {SWAP_TIMEOUT:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
