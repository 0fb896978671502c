//! `examples/rate-limit`: built and tested as its README says, in the gateway's own host.

use anyhow::{Result, ensure};
use wasmill_tests::wasmill;
use xtask::places;

/// Scenario: the plugin is built, and its cases run, with the commands of its README; then it is looked at.
/// Guarantee: the cases pass, and it says that it uses the gateway's state.
#[test]
fn the_rate_limit_is_built_and_passes_its_cases() -> Result<()> {
    let example = places::checkout().join("examples/rate-limit");
    let run = |args: &[&str]| -> Result<String> {
        let mut command = wasmill()?;
        command.args(args).arg(&example);
        command.env("CARGO_TARGET_DIR", places::target().join("plugin-projects"));
        command.env("WASMILL_CACHE_DIR", places::cache().join("plugins-compiled"));
        let output = command.output()?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{args:?}: {text}");
        Ok(text)
    };
    run(&["plugin", "build"])?;
    let tested = run(&["plugin", "test"])?;
    ensure!(tested.contains("burst") && tested.contains("refused"), "{tested}");
    Ok(())
}
