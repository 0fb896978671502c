//! JavaScript and TypeScript: esbuild makes one file of the project, `componentize-js` an engine and that file one component.
//!
//! Both run in a script of the SDK (`wasmill/build.mjs`), because the second has no command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::{find, run};
use super::{BuildError, Install};
use crate::language::Language;

const COMPONENTIZE: &str = "@bytecodealliance/componentize-js";

pub(super) fn build(dir: &Path, language: Language, install: Install, made: &Path) -> Result<PathBuf, BuildError> {
    let missing =
        |tool: &str, help: &str| BuildError::ToolMissing { language, tool: tool.to_owned(), help: help.to_owned() };
    let node = find(&["node"]).ok_or_else(|| missing("node", "get Node.js 20 or newer from https://nodejs.org"))?;
    if !dir.join("node_modules").join(COMPONENTIZE).is_dir() {
        let help = "`npm install` in the project's folder gets it, and so does `wasmill plugin build --install-tools`";
        if install == Install::No {
            return Err(missing(COMPONENTIZE, help));
        }
        let npm = find(&["npm"]).ok_or_else(|| missing("npm", "it comes with Node.js"))?;
        run(Command::new(npm).current_dir(dir).args(["install", "--no-audit", "--no-fund"]))?;
    }
    let mut command = Command::new(node);
    command.current_dir(dir).args(["wasmill/build.mjs", "--wit", "wasmill/wit/plugin.wit", "--out"]).arg(made);
    run(&mut command)?;
    Ok(made.to_owned())
}
