//! The configuration of years of guides, as it stands there: nothing in it is changed, and nothing is beside it.
//!
//! Its ports and its host are what they are, so everything runs in a network of its own (`unshare`), in which `jaeger` is this machine.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wasmill_tests::{Folder, output, python, wasmill};
use xtask::places;

/// The official SDK sends to the ports that it has by default. Guarantee: the traces are in the real Jaeger and the metrics at the port
/// that Prometheus scrapes, every span and the sum of all counts.
#[test]
fn the_configuration_of_the_guides_runs() -> Result<()> {
    let jaeger = places::JAEGER.binary("jaeger");
    ensure!(jaeger.exists(), "Jaeger is missing: run `cargo xtask setup`");
    let folder = Folder::new()?;
    let script = python("tests/peers/verbatim.py")?;
    let mut command = Command::new("unshare");
    // As a user of no rights where it is not run by root: namespaces are theirs too.
    command.args(["--map-root-user", "--net", "--mount", "--"]).arg(script.get_program()).args(script.get_args());
    command.arg(folder.path("")).arg(wasmill()?.get_program()).arg(jaeger);
    command.arg(places::checkout().join("tests/verbatim/gateway.yaml"));
    let found: Value = serde_json::from_str(&output(&mut command)?).context("what the script found")?;
    assert_eq!(found["spans"], 10, "{found}");
    assert_eq!(found["names"], serde_json::json!(["GET /healthz", "GET /orders"]), "{found}");
    assert_eq!(found["requests"], 10.0, "{found}");
    assert_eq!(found["info"], true, "{found}");
    Ok(())
}
