//! `cargo xtask soak` and `cargo xtask overload`: the gateway, built with optimisation, for longer than a test may take.

use std::process::Command;

use anyhow::Result;
use xtask::places;

use crate::setup;

/// Ten minutes of load with a swap each second; `--seconds N`, `--rate N`.
pub fn soak(args: &[String]) -> Result<()> {
    run("soak", args)
}

/// Five times more than the backend takes, on 1,000 connections; `--seconds N`, `--connections N`, `--capacity N`, `--factor N`.
pub fn overload(args: &[String]) -> Result<()> {
    run("overload", args)
}

fn run(program: &str, args: &[String]) -> Result<()> {
    setup::step("cargo build --release (the first time takes ten minutes or more)");
    let mut build = Command::new("cargo");
    setup::wasm()?.environment(&mut build);
    setup::shown(build.args(["build", "--release", "--workspace", "--bins"]))?;
    let mut command = Command::new(places::target().join("release").join(program));
    setup::shown(command.args(args).arg("--folder").arg(places::target().join(program)))
}
