//! A short overload in the tests; `cargo xtask overload` is the long one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use wasmill_bench_gateway::overload::{GOODPUT_MIN, Plan, beside, overload};
use wasmill_bench_gateway::stalled::stalled;

/// The binary, which the workspace's tests build.
fn wasmill() -> Result<PathBuf> {
    let wasmill = Path::new(env!("CARGO_BIN_EXE_load")).with_file_name("wasmill");
    wasmill
        .is_file()
        .then_some(wasmill)
        .context("the binary `wasmill` is built beside the tests: run `cargo xtask test`")
}

fn plan() -> Result<Plan> {
    // Little enough for a machine that runs other tests meanwhile: it is the backend that is overloaded, not the machine.
    Ok(Plan { wasmill: wasmill()?, connections: 300, capacity: 20.0, factor: 5.0, duration: Duration::from_secs(6) })
}

/// Scenario: five times more than the backend takes, on hundreds of connections that do not listen.
/// Guarantee: the backend is kept busy, memory stays in its limit, everything that is refused may be sent again, and what was
/// acknowledged arrives once.
#[tokio::test(flavor = "multi_thread")]
async fn an_overload_is_refused_and_the_backend_kept_busy() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report = overload(&plan()?, folder.path()).await?;
    println!("{report}");
    assert!(report.problems().is_empty(), "{report}");
    Ok(())
}

/// Scenario: a pipeline to two backends, of which one takes a request a second, and its exporter drops what finds its queue full.
/// Guarantee: the other one gets what it would get alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_backend_does_not_hold_up_a_fast_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let beside = beside(&plan()?, folder.path()).await?;
    println!("{beside}");
    assert!(beside.share() >= GOODPUT_MIN && beside.arrived_slow < beside.offered / 2, "{beside}");
    Ok(())
}

/// Scenario: hundreds of connections fill their windows with messages that never end, and half a frame.
/// Guarantee: memory stays in its limit, where the kernel enforces one, and a client that comes again when it is refused is served,
/// well before bodies that do not end are cut off.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stall_keep_nobody_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report = stalled(&plan()?, folder.path()).await?;
    println!("{report}");
    assert!(report.problems().is_empty(), "{report}");
    Ok(())
}
