//! `cargo xtask test`: every test, after all the set-up that they need; `cargo xtask lint`: what is checked without running.

use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow};
use xtask::places;

use crate::{demo, setup};

/// Tests of ours and against real peers, the examples' plugins as their authors test them, and the demo, which fails where a span
/// is lost. With `args`, which go to `cargo test`, only that.
pub fn run(args: &[String]) -> Result<()> {
    // Built beside everything else, and before any test runs.
    let servers = thread::spawn(setup::servers);
    let wasm = setup::wasm()?;
    setup::python()?;
    setup::checks()?;
    setup::plugins()?;
    setup::observability()?;
    setup::alertmanager()?;
    let cargo = |words: &[&str]| {
        let mut command = Command::new("cargo");
        wasm.environment(&mut command);
        command.args(words);
        command
    };
    let built = setup::shown(&mut cargo(&["test", "--workspace", "--no-run", "--quiet"]));
    servers.join().map_err(|_| anyhow!("building the servers failed"))??;
    built?;
    setup::shown(cargo(&["test", "--workspace"]).args(args))?;
    if args.is_empty() {
        let target = places::target().join("demo-plugin");
        for plugin in ["examples/quickstart/plugin", "examples/span-metrics/plugin", "examples/rate-limit"] {
            let mut test = cargo(&["test", "--manifest-path"]);
            let manifest = places::checkout().join(plugin).join("Cargo.toml");
            setup::shown(test.arg(manifest).env("CARGO_TARGET_DIR", &target))?;
        }
        demo::run(demo::Gateway::IsBuilt)?;
        demo::full::run(demo::Gateway::IsBuilt)?;
    }
    Ok(())
}

/// Format and clippy, with warnings as errors. The built-in plugins are compiled on the way, so it needs their toolchain.
pub fn lint() -> Result<()> {
    let wasm = setup::wasm()?;
    setup::shown(Command::new("cargo").args(["fmt", "--all", "--check"]))?;
    let mut clippy = Command::new("cargo");
    wasm.environment(&mut clippy);
    setup::shown(clippy.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}
