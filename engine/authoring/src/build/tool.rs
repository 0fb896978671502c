//! Programs of others: found, run, and what they said.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::BuildError;

/// A project's own Python environment.
pub(super) const VENV: &str = ".venv";
/// Of what a compiler said, the last so many bytes are shown: its mistakes come last, or are few.
const OUTPUT_BYTES_MAX: usize = 32 << 10;

/// The first of these programs that is on the path.
pub(super) fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    programs.iter().find_map(|program| folders.iter().map(|folder| folder.join(program)).find(|file| executable(file)))
}

pub(super) fn executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Runs it to its end. What it prints is kept, and shown where it fails.
pub(super) fn run(command: &mut Command) -> Result<Output, BuildError> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| BuildError::Start { command: shown(command), source })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    Err(BuildError::Failed { command: shown(command), code: output.status.code(), output: last(&said) })
}

/// Installs a package into the Python environment of the project, which is made if it is not there. Gives its interpreter.
pub(super) fn pip_install(dir: &Path, python: &Path, package: &str) -> Result<PathBuf, BuildError> {
    run(Command::new(python).current_dir(dir).args(["-m", "venv", VENV]))?;
    let own = dir.join(VENV).join("bin/python3");
    let own = std::path::absolute(&own).map_err(|source| BuildError::Io { path: own, source })?;
    run(Command::new(&own).current_dir(dir).args(["-m", "pip", "install", package]))?;
    Ok(own)
}

/// A command as it would be typed.
pub(super) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn last(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(OUTPUT_BYTES_MAX);
    let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default());
    // What follows in componentize-py's words is about its own insides.
    let (text, _) = text.split_once("Stack backtrace:").unwrap_or((&text, ""));
    text.trim_end().to_owned()
}
