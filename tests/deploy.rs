//! What `deploy/` has for those who run a gateway: alert rules, dashboards, a compose file. Prometheus is the real one.
//!
//! Grafana, Tempo and a container engine are not there. So dashboards are checked by the types that Grafana publishes of them, data sources
//! by what we know of their keys, and their queries by asking the servers that Grafana would ask: here those of the gateway's dashboard,
//! in `cargo xtask demo --full`, which is a test too, all. The compose file is checked by the types of its specification, its paths and the
//! gateway's configuration that it puts together. That Grafana draws what comes, that the images start and find each other, is not proven.

#[path = "deploy/compose.rs"]
mod compose;
#[path = "deploy/grafana.rs"]
mod grafana;
#[path = "deploy/live.rs"]
mod live;
#[path = "deploy/rules.rs"]
mod rules;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use wasmill_tests::{checks, output};
use xtask::places;

/// A file or a folder of `deploy/`.
fn deployed(path: &str) -> PathBuf {
    places::checkout().join("deploy").join(path)
}

/// The content of a file that is YAML.
fn yaml(path: &Path) -> Result<Value> {
    let printed = output(checks("tests/peers/as_json.py")?.arg(path))?;
    let mut files: Vec<Value> = serde_json::from_str(&printed)?;
    files.pop().context("the content of a file")
}

/// What is in a list; nothing where there is none.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
