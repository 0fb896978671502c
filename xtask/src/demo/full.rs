//! `cargo xtask demo --full`: the whole system of `examples/observability` and `deploy/`, on loopback, with what it should show.
//!
//! ```text
//!  load ──► shop ──► inventory ◄──scrape─────────── Prometheus ──alerts──► Alertmanager
//!             │ OTLP     │ OTLP                      │ scrape ▲
//!             └──► wasmill ◄─────────────────────────┘        │
//!                    ├─Thrift─► Jaeger                        │
//!                    ├─OTLP───► a stand-in for Tempo          │ each query of
//!                    └─push───► Loki                          └─ deploy/grafana
//! ```
//!
//! Jaeger, Prometheus, Alertmanager and Loki are the real ones. Grafana and Tempo cannot be had everywhere: Grafana's queries are asked
//! of the servers that it would ask, and Tempo's place is taken by `app/tempo.py`, which says of itself what it is.

mod proof;
mod scene;

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use xtask::places;

use super::Gateway;
use crate::setup;
use proof::Summary;
use scene::Scene;

pub fn run(gateway: Gateway) -> Result<()> {
    let begun = Instant::now();
    println!("\nWasmill: services, gateway, backends, dashboards and alerts\n");
    chapter(1, "Set-up (the first time, Jaeger, Loki and Prometheus are built of their sources: some ten minutes)");
    let wasm = setup::wasm()?;
    setup::observability()?;
    setup::alertmanager()?;
    setup::backends()?;
    if gateway == Gateway::Build {
        let mut build = Command::new("cargo");
        wasm.environment(&mut build);
        setup::shown(build.args(["build", "--workspace", "--bin", "wasmill"]))?;
    }

    chapter(2, "Start: five backends, the gateway, two instrumented Flask services, shoppers");
    let mut scene = Scene::start()?;

    chapter(3, "One trace in all backends");
    let trace = proof::one_trace(&scene)?;
    trace.show();

    chapter(4, "Metrics: of services through the gateway, of a Prometheus client beside it, of the gateway");
    let metrics = proof::metrics(&scene)?;

    chapter(5, "Dashboards: every query, asked of the server that Grafana would ask");
    let panels = proof::panels(&scene, &trace.id)?;

    chapter(6, "An alert: Jaeger is stopped");
    let alert = proof::alert(&mut scene)?;

    chapter(7, "Jaeger is back: what was sent meanwhile arrives, and the alert ends");
    let late = proof::recovery(&mut scene, &alert)?;

    scene.stop()?;
    Summary { trace, metrics, panels, alert, late, took: begun.elapsed() }.show();
    Ok(())
}

fn chapter(number: u32, title: &str) {
    println!("\n\x1b[1m{number}/7  {title}\x1b[0m");
}

/// The example, and where its Python is.
fn example() -> Result<(std::path::PathBuf, std::path::PathBuf)> {
    let python = places::observability_environment()?.join("bin");
    ensure!(python.join("python").exists(), "the Python packages are missing: run `cargo xtask setup`");
    Ok((places::checkout().join("examples/observability"), python))
}
