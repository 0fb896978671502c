//! Python: CPython and the project in one component, by `componentize-py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::{VENV, executable, find, pip_install, run};
use super::{BuildError, Install};
use crate::language::Language;

/// What the SDK was tried with.
pub(super) const PACKAGE: &str = "componentize-py==0.25.0";

pub(super) fn build(dir: &Path, install: Install, made: &Path) -> Result<PathBuf, BuildError> {
    let tool = match (componentize(dir), install) {
        (Some(tool), _) => tool,
        (None, Install::Missing) => {
            let python = find(&["python3"]).ok_or_else(|| missing("python3", "get Python 3.10 or newer"))?;
            pip_install(dir, &python, PACKAGE)?;
            componentize(dir).ok_or_else(|| missing("componentize-py", "it was installed, and is not there"))?
        }
        (None, Install::No) => {
            let help = format!(
                "`wasmill plugin build --install-tools` puts it into the project's `{VENV}`, `pip install {PACKAGE}` \
                 into your own environment"
            );
            return Err(missing("componentize-py", &help));
        }
    };
    let mut command = Command::new(tool);
    command.current_dir(dir).args(["--quiet", "--wit-path", "wasmill/wit", "--world", "plugin"]);
    command.args(["componentize", "--stub-wasi", "wasmill.component", "--output"]).arg(made);
    if let Some(venv) = std::path::absolute(dir.join(VENV)).ok().filter(|venv| venv.is_dir()) {
        // Where the plugin's packages are looked for.
        command.env("VIRTUAL_ENV", venv);
    }
    run(&mut command)?;
    Ok(made.to_owned())
}

fn missing(tool: &str, help: &str) -> BuildError {
    BuildError::ToolMissing { language: Language::Python, tool: tool.to_owned(), help: help.to_owned() }
}

/// The project's own, or else the user's.
fn componentize(dir: &Path) -> Option<PathBuf> {
    let own = std::path::absolute(dir.join(VENV).join("bin/componentize-py")).ok();
    own.filter(|own| executable(own)).or_else(|| find(&["componentize-py"]))
}
