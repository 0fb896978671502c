//! What a process has spent, by the kernel's own accounting.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// CPU time of all threads of a process, those that have ended included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub user: Duration,
    pub system: Duration,
}

impl Spent {
    /// Of a process that runs, from `/proc/PID/stat`. In steps of the kernel's tick, mostly 10 ms.
    pub fn of(pid: u32) -> Result<Spent> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).with_context(|| format!("`{path}`"))?;
        // The second field is a name in parentheses, which may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |number: usize| -> Result<u64> {
            fields.get(number - 3).context("a short line")?.parse().context("not a number")
        };
        // SAFETY: reads a constant of the system.
        let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) })?;
        let time = |ticks: u64| Duration::from_nanos(ticks * (1_000_000_000 / per_second));
        Ok(Spent { user: time(ticks(14)?), system: time(ticks(15)?) })
    }

    pub fn since(self, before: Spent) -> Spent {
        Spent { user: self.user - before.user, system: self.system - before.system }
    }

    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

/// The most memory that a process ever had, in KiB.
pub fn peak_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("`{path}`"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no `VmHWM`")?;
    line.trim().trim_end_matches("kB").trim().parse().context("not a number")
}

/// Begins the peak anew, from what the process has now.
pub fn reset_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    // "Reset the peak resident set size" (proc(5)).
    fs::write(&path, "5").with_context(|| format!("`{path}`"))
}

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub resident_mib: f64,
    pub descriptors: u64,
    pub threads: u64,
}

impl Usage {
    /// Of each figure by itself. Of nothing: zeros.
    pub fn median(of: &[Usage]) -> Usage {
        let middle = |mut figures: Vec<f64>| {
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(0.0)
        };
        Usage {
            resident_mib: middle(of.iter().map(|usage| usage.resident_mib).collect()),
            descriptors: middle(of.iter().map(|usage| usage.descriptors as f64).collect()) as u64,
            threads: middle(of.iter().map(|usage| usage.threads as f64).collect()) as u64,
        }
    }
}

/// Of a process that runs.
pub fn usage(pid: u32) -> Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let number = |key: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no `{key}`"))?;
        line.trim().trim_end_matches("kB").trim().parse().context("not a number")
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
    Ok(Usage { resident_mib: number("VmRSS:")? / 1024.0, descriptors, threads: number("Threads:")? as u64 })
}
