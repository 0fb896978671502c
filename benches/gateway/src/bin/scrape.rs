//! Makes many series in an engine that Prometheus scrapes, scrapes them, and says what that cost the engine, as one JSON object.

use anyhow::Result;
use clap::Parser;
use wasmill_bench_gateway::scrape::{Arguments, run};

#[tokio::main]
async fn main() -> Result<()> {
    println!("{:#}", run(&Arguments::parse()).await?);
    Ok(())
}
