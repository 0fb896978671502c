//! Sends records through an engine to itself, for a bounded time, and says what that cost the engine.
//!
//! It ends with one JSON object on standard output; its exit code is 1 if a record that was acknowledged did not arrive as it
//! should have, or one that should not did, or a request failed.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use wasmill_bench_gateway::load::{self, Arguments};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let (result, good) = load::run(&Arguments::parse()).await?;
    println!("{result:#}");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
