//! `cargo xtask test`: every test, after all the set-up that they need.

use std::process::Command;

use anyhow::Result;

use crate::setup;

/// Tests of ours and against real peers. `args` go to `cargo test`.
pub fn run(args: &[String]) -> Result<()> {
    let wasm = setup::wasm()?;
    setup::python()?;
    setup::collector()?;
    let mut command = Command::new("cargo");
    wasm.environment(&mut command);
    setup::shown(command.args(["test", "--workspace"]).args(args))
}
