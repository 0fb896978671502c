//! C and C++: clang and lld, with wasi-libc.
//!
//! The flags are the project's own file, `compile_flags.txt`, which editors read too. Without the system's clang there is zig's, which
//! comes as one package for Python, with its own linker and C library, and so can be installed in the project's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::{VENV, executable, find, pip_install, run};
use super::{BuildError, Install};
use crate::language::Language;

const CLANGS: [&str; 9] =
    ["clang", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14"];
/// What the linker and the C library are missed by.
const MISSING: [&str; 5] = [
    "unable to execute command",
    "invalid linker name",
    "'stdlib.h' file not found",
    "crt1-reactor.o",
    "libclang_rt.builtins",
];
const PACKAGES: &str = "on Debian and Ubuntu `apt-get install clang lld wasi-libc libclang-rt-dev-wasm32` gets it; anywhere \
     `wasmill plugin build --install-tools` puts zig's clang into the project's `.venv`";
/// What the SDK was tried with.
const PACKAGE: &str = "ziglang==0.17.1";

pub(super) fn build(dir: &Path, install: Install, made: &Path) -> Result<PathBuf, BuildError> {
    let own = zig(dir);
    let system = find(&CLANGS);
    let first = match (&own, &system) {
        (Some(python), _) => compile(zig_cc(python), dir, made),
        (None, Some(clang)) => {
            let mut command = Command::new(clang);
            // A stack that overflows traps then, instead of writing over what is before it; zig's linker does so by itself.
            command.arg("-Wl,--stack-first");
            compile(command, dir, made)
        }
        (None, None) => Err(missing("clang")),
    };
    let lacks_parts = match &first {
        Err(BuildError::ToolMissing { .. }) => true,
        Err(BuildError::Failed { output, .. }) => own.is_none() && MISSING.iter().any(|part| output.contains(part)),
        _ => false,
    };
    match (first, install) {
        (_, Install::Missing) if lacks_parts => {
            let python = find(&["python3"]).ok_or_else(|| missing("python3"))?;
            compile(zig_cc(&pip_install(dir, &python, PACKAGE)?), dir, made)?;
        }
        (Err(BuildError::Failed { .. }), Install::No) if lacks_parts => {
            return Err(missing("a linker or a C library for WebAssembly"));
        }
        (result, _) => result?,
    }
    Ok(made.to_owned())
}

fn missing(tool: &str) -> BuildError {
    BuildError::ToolMissing { language: Language::C, tool: tool.to_owned(), help: PACKAGES.to_owned() }
}

/// The project's own Python, if it has zig.
fn zig(dir: &Path) -> Option<PathBuf> {
    let python = std::path::absolute(dir.join(VENV).join("bin/python3")).ok().filter(|python| executable(python))?;
    run(Command::new(&python).args(["-c", "import ziglang"])).ok().map(|_| python)
}

fn zig_cc(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "ziglang", "cc"]);
    command
}

fn compile(mut command: Command, dir: &Path, made: &Path) -> Result<(), BuildError> {
    command.current_dir(dir).args(["@compile_flags.txt", "-o"]).arg(made);
    for folder in ["src", "wasmill"] {
        command.args(sources(dir, folder)?);
    }
    run(&mut command).map(drop)
}

/// The C and C++ files of a folder, in an order that does not change.
fn sources(dir: &Path, folder: &str) -> Result<Vec<PathBuf>, BuildError> {
    let io = |source| BuildError::Io { path: dir.join(folder), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir.join(folder)).map_err(io)? {
        let name = PathBuf::from(entry.map_err(io)?.file_name());
        if name.extension().is_some_and(|end| end == "c" || end == "cpp") {
            files.push(Path::new(folder).join(name));
        }
    }
    files.sort();
    Ok(files)
}
