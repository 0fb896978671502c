//! A short soak in the tests; `cargo xtask soak` is the long one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use wasmill_bench_gateway::soak::{Plan, run};

/// `WASMILL_SOAK_SECONDS` sets another length.
const SECONDS: u64 = 60;

/// The binary, which the workspace's tests build.
fn wasmill() -> Result<PathBuf> {
    let load = Path::new(env!("CARGO_BIN_EXE_load"));
    let wasmill = load.with_file_name("wasmill");
    wasmill
        .is_file()
        .then_some(wasmill)
        .context("the binary `wasmill` is built beside the tests: run `cargo xtask test`")
}

/// Scenario: a minute of load, with a swap each second.
/// Guarantee: every swap is published, nothing is lost or doubled, and memory, descriptors and threads are at the end what they were.
#[test]
fn nothing_grows_while_plugins_are_swapped_under_load() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let seconds =
        std::env::var("WASMILL_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS);
    let plan = Plan {
        wasmill: wasmill()?,
        load: env!("CARGO_BIN_EXE_load").into(),
        duration: Duration::from_secs(seconds),
        rate: 20.0,
    };
    let report = run(&plan, folder.path())?;
    println!("{report}");
    assert!(report.problems().is_empty(), "{report}");
    Ok(())
}
