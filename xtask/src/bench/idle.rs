//! What the gateway costs when nothing happens: memory, and the time that a start with a cached plugin takes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::process::Running;

use super::engine::{Ports, configuration};
use super::workload::{Task, Workload};
use super::{START_TIMEOUT, binary, median};

/// Starts that are timed, after one that fills the cache.
const STARTS: usize = 5;
/// What a process that has just started gets to come to rest.
const REST: Duration = Duration::from_secs(2);

pub struct Idle {
    /// Median of the starts: from `exec` to the line that says every port listens.
    start_ms: f64,
    /// Resident memory at rest, with the built-in filter loaded.
    resident_mib: f64,
}

pub fn measure(folder: &Path) -> Result<Idle> {
    let file = folder.join("idle.yaml");
    fs::write(&file, configuration(&Workload::of(Task::Filter), Task::Filter, &Ports::free()?))?;
    let mut times = Vec::new();
    let mut resident = Vec::new();
    for round in 0..=STARTS {
        let mut command = Command::new(binary("wasmill"));
        command.arg("run").arg("--config").arg(&file).stderr(fs::File::create(folder.join("idle.log"))?);
        let begun = Instant::now();
        let mut running = Running::start("wasmill", &mut command)?;
        running.line(START_TIMEOUT, |line| line.contains("ready"))?;
        let elapsed = begun.elapsed();
        if round > 0 {
            times.push(elapsed.as_secs_f64() * 1000.0);
            thread::sleep(REST);
            resident.push(resident_mib(running.id())?);
        }
        running.stop()?;
    }
    Ok(Idle { start_ms: median(times), resident_mib: median(resident) })
}

fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no `VmRSS`")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

impl Idle {
    pub fn text(&self) -> String {
        format!(
            "Idle, with the filter's plugin loaded from the cache: {:.1} MiB resident; from start to every port listening {:.0} ms \
             (median of {STARTS}).\n",
            self.resident_mib, self.start_ms
        )
    }

    pub fn json(&self) -> Value {
        json!({"start_ms": self.start_ms, "resident_mib": self.resident_mib})
    }
}
