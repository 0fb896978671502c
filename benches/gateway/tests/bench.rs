//! That the benchmark measures what it says: not its times.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::process::Running;

/// Each task but `pass`, which `look` has beside it; each signal; compressed and batched.
const WORKLOADS: [&str; 8] = [
    "look:records=100",
    "filter:logs:records=100",
    "filter:records=10:batch",
    "filter:metrics:records=100:in=gzip:out=zstd",
    "attributes:metrics:records=100",
    "redact:logs:records=100:in=zstd:out=gzip",
    "route:records=100",
    "sample:records=100:connections=20",
];

fn binaries() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_load")).parent().unwrap_or(Path::new("."))
}

fn bench(args: &[&str], into: &Path) -> Result<Output> {
    let xtask = binaries().join("xtask");
    ensure!(xtask.is_file(), "`xtask` is built beside the tests: run `cargo xtask test`");
    let mut command = Command::new(xtask);
    command.args(["bench", "--quick", "--binaries"]).arg(binaries()).arg("--into").arg(into).args(args);
    command.env("CARGO_TARGET_DIR", into);
    Ok(command.output()?)
}

/// Scenario: tasks one after the other, for a moment, by the Collector, the relays and Wasmill.
/// Guarantee: each run has figures, nothing was lost, doubled or unwanted, and the Collector and Wasmill delivered the same records, word for word.
#[test]
fn engines_are_measured_on_the_same_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut args = vec!["--seconds", "0.3"];
    args.extend(WORKLOADS.iter().flat_map(|workload| ["--workload", workload]));
    let output = bench(&args, folder.path())?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}");
    let results: Value = serde_json::from_slice(&fs::read(folder.path().join("gateway.json"))?)?;
    let runs = results["runs"].as_array().context("runs")?;
    let of = |engine: &str| runs.iter().filter(|run| run["engine"] == engine).count();
    assert_eq!(
        ["collector", "wasmill", "hyper", "tonic", "bare"].map(of),
        [WORKLOADS.len(), WORKLOADS.len(), 1, 1, 1],
        "{said}"
    );
    for run in runs {
        let run = &run["run"];
        assert!(run["records"].as_u64() > Some(0) && run["records_per_cpu_second"].as_f64() > Some(0.0), "{run:#}");
        for count in ["records_lost", "records_unwanted", "records_duplicated", "records_strange", "requests_failed"] {
            assert_eq!(run[count], 0, "{run:#}");
        }
    }
    let page = fs::read_to_string(folder.path().join("gateway.md"))?;
    assert!(page.contains("| sample, 100 traces, 20 connections | **Wasmill** |"), "{page}");
    assert!(fs::read_to_string(folder.path().join("gateway.svg"))?.contains("redact, 100 logs"));
    Ok(())
}

/// Scenario: each exporter for a moment, by the Collector and Wasmill.
/// Guarantee: each has figures, so every record is in the file or came as a sample once, and both expose the same series.
#[test]
fn exporters_are_measured_beside_the_collectors() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = bench(&["--exporters", "--seconds", "0.3"], folder.path())?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}");
    for row in [
        "`file`, JSON, 1,000 traces",
        "`file`, JSON, 1,000 logs",
        "`file`, JSON, 1,000 metrics",
        "`file`, protobuf, 1,000 traces",
        "`prometheus`, scraped once a second, 1,000 metrics",
        "`prometheusremotewrite`, 1,000 metrics",
        "text | **Wasmill**",
        "OpenMetrics | **Wasmill**",
        "protobuf | **Wasmill**",
    ] {
        let line =
            said.lines().find(|line| line.contains(row)).with_context(|| format!("no row `{row}` in:\n{said}"))?;
        assert!(!line.contains("no figure"), "{said}");
    }
    assert!(!folder.path().join("bench/exported").exists(), "what was exported is not left behind");
    Ok(())
}

/// Scenario: what a build by a profile learns from, each kind but one workload for a moment.
/// Guarantee: the gateway's exporters, and two gateways behind one another with a queue on disk, a file of columns, and protobuf and JSON
/// over HTTP between them, are really at work: every record is at the end once.
#[test]
fn what_a_profile_is_of_is_done() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = bench(&["--train", "--workload", "pass:records=10", "--seconds", "0.3"], folder.path())?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}");
    for part in ["pass, 10 traces", "remotewrite", "traces over HTTP: proto", "metrics over HTTP: json"] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    let archive = fs::read_dir(folder.path().join("bench/first/archive"))?.count();
    assert!(archive > 0, "nothing was archived");
    Ok(())
}

/// Scenario: an engine delivers all, where a filter, a router, a mask or a sampler was to be measured.
/// Guarantee: the run is no result.
#[test]
fn an_engine_that_does_not_do_its_work_has_no_figure() -> Result<()> {
    for expect in ["health-checks-dropped", "routed", "redacted", "sampled"] {
        let port = || anyhow::Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?);
        let (front, back, other) = (port()?.to_string(), port()?.to_string(), port()?.to_string());
        let mut relay = Command::new(env!("CARGO_BIN_EXE_relay"));
        relay.args(["--kind", "hyper", "--listen", &front, "--target", &back]);
        let mut relay = Running::start("relay", &mut relay)?;
        relay.line(Duration::from_secs(60), |line| line.contains("listening"))?;
        let mut load = Command::new(env!("CARGO_BIN_EXE_load"));
        load.args(["--target", &front, "--listen", &back, "--listen-other", &other, "--expect", expect]);
        load.args(["--records", "100", "--warm-up-seconds", "0", "--seconds", "0.2"]);
        let output = load.output()?;
        let result: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        assert!(result["records_sent"].as_u64() > Some(0) && result["requests_failed"] == 0, "{result:#}");
        assert_eq!(output.status.code(), Some(1), "{expect}: {result:#}");
    }
    Ok(())
}
