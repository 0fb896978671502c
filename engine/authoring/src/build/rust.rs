//! Rust: cargo, for `wasm32-unknown-unknown`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use super::tool::{find, run, shown};
use super::{BuildError, Install};
use crate::language::Language;

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn build(dir: &Path, install: Install) -> Result<PathBuf, BuildError> {
    let Some(cargo) = find(&["cargo"]) else {
        let help = "get Rust from https://rustup.rs, or a package `cargo` of your system".to_owned();
        return Err(BuildError::ToolMissing { language: Language::Rust, tool: "cargo".to_owned(), help });
    };
    let mut command = Command::new(env::var_os("WASMILL_WASM_CARGO").unwrap_or_else(|| cargo.into()));
    command.current_dir(dir).args(["build", "--release", "--target", TARGET]);
    // Where rustup cannot get the target, its library is built from source by another compiler, which is named so for all of Wasmill's builds.
    if let Some(rustc) = env::var_os("WASMILL_WASM_RUSTC") {
        command.env("RUSTC", rustc);
    }
    if env::var_os("WASMILL_WASM_BUILD_STD").is_some_and(|set| set == "1") {
        command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
    }
    command.arg("--message-format=json-render-diagnostics");
    let output = match (run(&mut command), install) {
        (Err(BuildError::Failed { output, .. }), Install::Missing) if no_target(&output) => {
            run(Command::new("rustup").current_dir(dir).args(["target", "add", TARGET]))?;
            run(&mut command)?
        }
        (Err(BuildError::Failed { output, .. }), Install::No) if no_target(&output) => {
            let (tool, help) = (format!("the target {TARGET}"), format!("`rustup target add {TARGET}` gets it"));
            return Err(BuildError::ToolMissing { language: Language::Rust, tool, help });
        }
        (result, _) => result?,
    };
    module(dir, &String::from_utf8_lossy(&output.stdout)).ok_or_else(|| BuildError::NoPlugin {
        command: shown(&command),
        expected: "`crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in `Cargo.toml`".to_owned(),
    })
}

fn no_target(output: &str) -> bool {
    ["core", "std"].iter().any(|library| output.contains(&format!("can't find crate for `{library}`")))
}

/// The module of the project's own package among what cargo says that it made.
fn module(dir: &Path, messages: &str) -> Option<PathBuf> {
    let manifest = dir.join("Cargo.toml").canonicalize().ok()?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let mut modules = messages.filter_map(|message| {
        let own = Path::new(message["manifest_path"].as_str()?).canonicalize().ok()? == manifest;
        let files = message["filenames"].as_array()?.iter().filter_map(Json::as_str);
        let module = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "wasm"));
        module.filter(|_| own)
    });
    modules.next_back()
}
