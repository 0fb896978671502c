//! Offers the gateway five times more than its backend takes, then a slow backend beside a fast one: `cargo xtask overload`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use wasmill_bench_gateway::overload::{GOODPUT_MIN, Plan, beside, overload};
use wasmill_bench_gateway::stalled::stalled;

/// Offers the gateway five times more than its backend takes, then a slow backend beside a fast one.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Requests a second, of 100 spans, that the backend takes.
    #[arg(long, default_value_t = 200.0)]
    capacity: f64,
    #[arg(long, default_value_t = 5.0)]
    factor: f64,
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Where files go.
    #[arg(long)]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Arguments { connections, capacity, factor, seconds, folder } = Arguments::parse();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let wasmill = std::env::current_exe()?.with_file_name("wasmill");
    let plan = Plan { wasmill, connections, capacity, factor, duration: Duration::from_secs(seconds) };
    let report = overload(&plan, &folder).await?;
    println!("{report}");
    let beside = beside(&plan, &folder).await?;
    println!("{beside}");
    let stalled = stalled(&plan, &folder).await?;
    println!("{stalled}");
    let good = report.problems().is_empty() && stalled.problems().is_empty() && beside.share() >= GOODPUT_MIN;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
