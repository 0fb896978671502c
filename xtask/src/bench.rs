//! `cargo xtask bench`: the gateway beside what a user would take instead, each a process of its own, in turns on the same load.
//!
//! ```text
//!  for each round, for each workload, for each engine:
//!    load ──OTLP/gRPC──► engine ──OTLP/gRPC──► load      CPU time and memory from the kernel, every record looked for
//! ```
//!
//! A run with a failure, a lost, a doubled or an unwanted record has no figure, and neither has a workload of which the
//! Collector and Wasmill do not deliver the same. Take the ratios; the absolute figures are the machine's.

mod compare;
mod engine;
mod exporters;
mod idle;
mod isolation;
mod plot;
mod report;
mod train;
mod workload;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xtask::places;

use crate::{dist, setup};
use engine::{Engine, Ports};
use exporters::Exporters;
use report::{Results, Run};
use workload::{Task, Workload};

/// How long an engine may take to listen.
const START_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// Pairs of turns with and without a plugin: its price is a few percent, which single runs do not show.
const LOOK_PAIRS: usize = 10;

const USAGE: &str = "expected --quick, --workload WORKLOAD, --peer PEER, --rounds N, --seconds N, --isolation, \
                     --exporters, --train, --binaries FOLDER, --into FOLDER";

struct Plan {
    rounds: usize,
    seconds: f64,
    warm_up_seconds: f64,
    workloads: Vec<Workload>,
    peers: Vec<Engine>,
    /// Pairs of turns, alone and beside a plugin that loops.
    pairs: usize,
    /// What is not a workload: latency, idle memory, isolation.
    besides: bool,
    exporters: bool,
    /// Of a scrape that is measured, and how often there is one of each form.
    series: usize,
    scrapes: u32,
    only: Option<Part>,
    /// `None`: built with optimisation.
    binaries: Option<PathBuf>,
    /// Where results go; `None`: they are printed.
    into: Option<PathBuf>,
}

/// What may be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Isolation,
    Exporters,
    /// Not to be measured: see [`train`].
    Train,
}

impl Plan {
    fn full() -> Plan {
        Plan {
            rounds: 3,
            seconds: 6.0,
            warm_up_seconds: 2.0,
            workloads: Workload::standard(),
            peers: Engine::ALL.to_vec(),
            pairs: 5,
            besides: true,
            exporters: true,
            series: 100_000,
            scrapes: 10,
            only: None,
            binaries: None,
            into: Some(places::checkout().join("benches/results")),
        }
    }

    fn parse(args: &[String]) -> Result<Plan> {
        let mut plan = Plan::full();
        let (mut workloads, mut peers) = (Vec::new(), Vec::new());
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("`{arg}` needs a value; {USAGE}"));
            match arg.as_str() {
                "--quick" => {
                    plan.rounds = 1;
                    (plan.seconds, plan.warm_up_seconds) = (1.0, 0.5);
                    plan.pairs = 1;
                    plan.besides = false;
                    (plan.series, plan.scrapes) = (5_000, 2);
                    plan.into = None;
                    plan.workloads.retain(|workload| workload.connections < 1000);
                }
                "--workload" => workloads.push(Workload::parse(value()?)?),
                "--peer" => {
                    let name = value()?;
                    let found = Engine::ALL.into_iter().find(|engine| engine.name() == name);
                    let names = Engine::ALL.map(Engine::name).join(", ");
                    peers.push(found.with_context(|| format!("no peer `{name}`; there are {names}"))?);
                }
                "--rounds" => plan.rounds = value()?.parse().context("`--rounds` is a number")?,
                "--seconds" => plan.seconds = value()?.parse().context("`--seconds` is a number")?,
                "--isolation" => plan.only = Some(Part::Isolation),
                "--exporters" => plan.only = Some(Part::Exporters),
                "--train" => {
                    plan.only = Some(Part::Train);
                    plan.rounds = 1;
                    (plan.seconds, plan.warm_up_seconds) = (1.0, 0.5);
                }
                "--binaries" => plan.binaries = Some(value()?.into()),
                "--into" => plan.into = Some(value()?.into()),
                other => bail!("unknown option `{other}`; {USAGE}"),
            }
        }
        ensure!(plan.rounds > 0 && plan.seconds > 0.0, "`--rounds` and `--seconds` are above 0");
        if plan.only == Some(Part::Train) {
            peers = vec![Engine::Wasmill];
            if workloads.is_empty() {
                workloads = train::workloads();
            }
        }
        if !(workloads.is_empty() && peers.is_empty()) {
            // A part is not the result.
            (plan.besides, plan.exporters) = (false, false);
            plan.into = plan.into.filter(|into| *into != places::checkout().join("benches/results"));
        }
        if !workloads.is_empty() {
            plan.workloads = workloads;
        }
        if !peers.is_empty() {
            peers.push(Engine::Wasmill);
            plan.peers.retain(|engine| peers.contains(engine));
        }
        Ok(plan)
    }

    fn engines(&self, workload: &Workload) -> impl Iterator<Item = Engine> {
        self.peers.iter().copied().filter(|engine| engine.takes(workload))
    }

    fn rounds(&self, workload: &Workload) -> usize {
        if workload.task == Task::Look && self.rounds > 1 { LOOK_PAIRS } else { self.rounds }
    }
}

/// `--quick`: each workload once and short, about four minutes. `--workload`, repeatable: only these, such as `filter` or
/// `filter:logs:records=10:in=gzip:out=gzip:connections=100:batch`. `--peer`, repeatable: only beside these. `--isolation`: only
/// what a plugin that loops does to another pipeline. `--exporters`: only exporters beside the Collector's. `--train`: see [`train`].
/// `--binaries`: what is built already, instead of an optimised build.
pub fn run(args: &[String]) -> Result<()> {
    let plan = Plan::parse(args)?;
    let folder = places::target().join("bench");
    fs::create_dir_all(&folder)?;
    match &plan.binaries {
        Some(binaries) => BINARIES.set(binaries.clone()),
        None => {
            setup::step("the gateway as `cargo xtask dist` builds it, and the rest with it");
            BINARIES.set(dist::build(&["--bins"])?)
        }
    }
    .ok()
    .context("measured once")?;
    if plan.only == Some(Part::Isolation) {
        println!("\n{}", isolation::measure(&folder, plan.pairs, plan.seconds)?.text());
        return Ok(());
    }
    if plan.only == Some(Part::Train) {
        return train::train(&plan, &folder);
    }
    if plan.peers.contains(&Engine::Collector) {
        setup::collector()?;
    }
    if plan.only == Some(Part::Exporters) {
        let (measured, failed) = exporters::measure(&folder, &plan);
        keep_exporters(&plan, &measured)?;
        return figures(&failed);
    }
    let mut results = measure_all(&plan, &folder);
    if plan.besides {
        measure_latency(&plan, &folder, &mut results);
        results.idle = Some(idle::measure(&folder)?);
        results.isolation = Some(isolation::measure(&folder, plan.pairs, plan.seconds)?);
    }
    if plan.exporters {
        let (measured, failed) = exporters::measure(&folder, &plan);
        keep_exporters(&plan, &measured)?;
        results.exporters = Some(measured);
        results.failed.extend(failed);
    }
    let text = results.text(&plan);
    println!("\n{text}");
    if let Some(into) = &plan.into {
        fs::create_dir_all(into)?;
        fs::write(into.join("gateway.md"), &text)?;
        fs::write(into.join("gateway.json"), serde_json::to_string_pretty(&results.json())?)?;
        fs::write(into.join("gateway.svg"), plot::bars(&results.chart()))?;
    }
    figures(&results.failed)
}

/// On a page of their own.
fn keep_exporters(plan: &Plan, measured: &Exporters) -> Result<()> {
    let text = measured.text(plan);
    println!("\n{text}");
    if let Some(into) = &plan.into {
        fs::create_dir_all(into)?;
        fs::write(into.join("exporters.md"), text)?;
    }
    Ok(())
}

/// An error if something has none.
fn figures(failed: &[String]) -> Result<()> {
    ensure!(failed.is_empty(), "{} runs have no figure:\n{}", failed.len(), failed.join("\n"));
    Ok(())
}

/// All workloads by all engines, in turns.
fn measure_all(plan: &Plan, folder: &Path) -> Results {
    let mut results = Results::default();
    let rounds = plan.workloads.iter().map(|workload| plan.rounds(workload)).max().unwrap_or_default();
    for round in 0..rounds {
        for workload in plan.workloads.iter().filter(|workload| round < plan.rounds(workload)) {
            for engine in plan.engines(workload) {
                let (name, of) = (workload.name(), plan.rounds(workload));
                setup::step(&format!("round {} of {of}: {name}: {}", round + 1, engine.title().replace("**", "")));
                match measure(plan, folder, engine, workload, None) {
                    Ok(values) => results.runs.push(Run { workload: *workload, engine, round, values }),
                    Err(error) => results.failed.push(format!("{name}, {}: {error:#}", engine.name())),
                }
            }
            let both = [Engine::Collector, Engine::Wasmill];
            if both.iter().all(|engine| results.has(workload, *engine, round)) {
                let [collector, wasmill] = both.map(|engine| captured(folder, engine));
                if let Err(error) = compare::same(&collector, &wasmill) {
                    results.failed.push(format!("{}: the Collector and Wasmill differ: {error:#}", workload.name()));
                    results.runs.retain(|run| run.workload != *workload);
                }
            }
        }
    }
    results
}

/// At half of what the Collector does at most, on the first workload: all at the same rate. A relay shows what of it is the load's
/// and the backend's own.
fn measure_latency(plan: &Plan, folder: &Path, results: &mut Results) {
    let workload = Workload::of(Task::Filter);
    let Some(saturated) = results.median(&workload, Engine::Collector, "records_per_second") else { return };
    let rate = saturated / 2.0 / workload.records as f64;
    for round in 0..plan.rounds {
        for engine in Engine::TIMED {
            setup::step(&format!("latency at {rate:.0} requests a second, round {}: {}", round + 1, engine.name()));
            match measure(plan, folder, engine, &workload, Some(rate)) {
                Ok(values) => results.latencies.push(Run { workload, engine, round, values }),
                Err(error) => results.failed.push(format!("latency, {}: {error:#}", engine.name())),
            }
        }
    }
}

/// One engine under load; the figures as `load` printed them.
fn measure(plan: &Plan, folder: &Path, engine: Engine, workload: &Workload, rate: Option<f64>) -> Result<Value> {
    let ports = Ports::free()?;
    let running = engine.start(folder, workload, &ports)?;
    let mut load = load();
    let mut give = |key: &str, value: &dyn fmt::Display| {
        load.args([key, &value.to_string()]);
    };
    give("--target", &format_args!("127.0.0.1:{}", ports.front));
    give("--listen", &format_args!("127.0.0.1:{}", ports.back));
    give("--pid", &running.id());
    give("--signal", &workload.signal.name());
    give("--records", &workload.records);
    give("--connections", &workload.connections);
    // As many requests under way whatever the connections are, or there would be more to hold with more of them.
    give("--in-flight", &(16 / workload.connections).max(1));
    give("--compression", &workload.compression.0.name());
    give("--warm-up-seconds", &plan.warm_up_seconds);
    give("--seconds", &plan.seconds);
    give("--expect", &engine.expect(workload.task));
    give("--capture", &captured(folder, engine).display());
    if engine.expect(workload.task) == Task::Route.expect() {
        give("--listen-other", &format_args!("127.0.0.1:{}", ports.other));
    }
    if let Some(rate) = rate {
        give("--rate", &rate);
    }
    let measured = values(&mut load)?;
    running.stop()?;
    Ok(measured)
}

/// What a program of ours printed, to its end. An error: it says that this is no figure.
fn values(program: &mut Command) -> Result<Value> {
    let output = program.output().with_context(|| format!("running {}", program.get_program().to_string_lossy()))?;
    ensure!(
        output.status.success(),
        "the run had errors\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What an engine delivered of the first records.
fn captured(folder: &Path, engine: Engine) -> PathBuf {
    folder.join(format!("{}.captured", engine.name()))
}

static BINARIES: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();

fn binary(name: &str) -> PathBuf {
    BINARIES.get().cloned().unwrap_or_default().join(name)
}

/// Where it is of a build that counts, what it does is not to be learnt from.
fn load() -> Command {
    let mut load = Command::new(binary("load"));
    load.env("LLVM_PROFILE_FILE", "/dev/null");
    load
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The middle value; of an even number the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.len() / 2, values.len().saturating_sub(1) / 2);
    match (values.get(lower), values.get(upper)) {
        (Some(lower), Some(upper)) => (lower + upper) / 2.0,
        _ => f64::NAN,
    }
}

/// With a comma between thousands.
struct Quantity(u64);

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.write_str(",")?;
            }
            write!(out, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(args: &[&str]) -> Result<Plan> {
        Plan::parse(&args.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// A part of the measurements does not write over the whole.
    #[test]
    fn only_all_of_it_is_a_result() {
        assert!(plan(&[]).unwrap().into.is_some());
        assert!(plan(&["--workload", "filter"]).unwrap().into.is_none());
        assert!(plan(&["--peer", "collector"]).unwrap().into.is_none());
        assert_eq!(plan(&["--quick", "--into", "x"]).unwrap().into, Some("x".into()));
        assert!(plan(&["--quick"]).unwrap().exporters);
        assert!(!plan(&["--workload", "filter"]).unwrap().exporters);
        let peers = plan(&["--peer", "collector"]).unwrap().peers;
        assert_eq!(peers, [Engine::Collector, Engine::Wasmill]);
    }

    /// Nobody else is trained, and what is learnt from is no result.
    #[test]
    fn a_profile_is_of_the_gateway_alone() {
        let all = plan(&["--train"]).unwrap();
        assert_eq!(all.peers, [Engine::Wasmill]);
        assert!(all.workloads.len() > Workload::standard().len() && all.into.is_none());
        assert_eq!(plan(&["--train", "--workload", "pass"]).unwrap().workloads, [Workload::of(Task::Pass)]);
    }

    #[test]
    fn mistakes_say_what_is_expected() {
        let said = |args: &[&str]| plan(args).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said(&["--quik"]).contains("unknown option `--quik`; expected --quick"));
        assert!(said(&["--peer", "vector"]).contains("no peer `vector`; there are hyper, tonic, collector"));
        assert!(said(&["--rounds"]).contains("needs a value"));
        assert!(said(&["--rounds", "0"]).contains("above 0"));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1000, 2_345_678].map(|number| Quantity(number).to_string()),
            ["0", "999", "1,000", "2,345,678"]
        );
    }
}
