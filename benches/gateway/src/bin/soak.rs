//! Runs the gateway under load with a swap each second, and says whether anything grows: `cargo xtask soak`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use wasmill_bench_gateway::soak::{Plan, run};

/// Runs the gateway under load with a swap each second, and says whether anything grows.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Requests a second, of 100 spans.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Where files go; what was there goes.
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> Result<ExitCode> {
    let Arguments { seconds, rate, folder } = Arguments::parse();
    let own = std::env::current_exe()?;
    let beside = |name: &str| own.with_file_name(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let plan = Plan { wasmill: beside("wasmill"), load: beside("load"), duration: Duration::from_secs(seconds), rate };
    let report = run(&plan, &folder)?;
    println!("{report}");
    Ok(if report.problems().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
