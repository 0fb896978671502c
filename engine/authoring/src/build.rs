//! `wasmill plugin build`: the language's own compiler, and then a component.
//!
//! ```text
//!  Rust, Go, C ──compiler──► core module ──contract's type, preview 1 answered──► component
//!  Python, JavaScript, TypeScript ──interpreter and source, by its own tool─────► component
//! ```
//!
//! A compiler runs in the project's folder, with the user's environment: what builds by hand builds here. Nothing is installed
//! unless it is asked for.

mod c;
mod go;
mod javascript;
mod python;
mod rust;
mod sources;
mod tool;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wasmill_host::{Host, LoadError};

use crate::language::Language;

pub use sources::{Sources, sources};

/// What `--install-tools` installs for a project in Python, as `pip` takes it.
pub const PYTHON_PACKAGE: &str = python::PACKAGE;

/// What a build leaves in the project's folder.
pub const OUTPUT: &str = "plugin.wasm";

/// For what is on the way there, in the project's folder: the file is moved from it. What a build leaves that was ended stays in it.
const SCRATCH: &str = ".wasmill";

/// Whether tools that are missing are installed into the project's folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Install {
    /// They are named, with the command that gets them.
    No,
    Missing,
}

/// What came out.
#[derive(Debug)]
pub struct Built {
    pub language: Language,
    /// Absolute, or relative to the working directory, as the project's folder was given.
    pub path: PathBuf,
    /// The component's bytes, as they are in the file.
    pub component: Vec<u8>,
    pub took: Duration,
}

/// Why there is no plugin. What an earlier build left is still there.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "`{}` is no plugin's project: expected one of {} in it; `wasmill plugin new NAME --lang rust` makes one",
        .dir.display(), marks()
    )]
    NotAProject { dir: PathBuf },
    /// `help` is a command, or where to get it.
    #[error("{language} needs `{tool}`, which is not there: {help}")]
    ToolMissing { language: Language, tool: String, help: String },
    #[error("`{command}` failed{}:\n{output}", .code.map(|code| format!(" with {code}")).unwrap_or_default())]
    Failed { command: String, code: Option<i32>, output: String },
    #[error("`{command}` did not start")]
    Start {
        command: String,
        #[source]
        source: io::Error,
    },
    #[error("`{command}` ended well, but left no plugin: {expected}")]
    NoPlugin { command: String, expected: String },
    #[error("what the compiler made is no plugin")]
    NotAPlugin(#[source] LoadError),
    #[error("`{}` cannot be read or written", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

fn marks() -> String {
    let marks = Language::ALL.iter().flat_map(|language| language.marks());
    marks.map(|mark| format!("`{mark}`")).collect::<Vec<_>>().join(", ")
}

/// Builds the project in a folder, into its `plugin.wasm`, which is replaced whole.
///
/// Blocks for as long as the compiler takes: from a second (Go, C) to a minute (Rust, the first time).
pub fn build(host: &Host, dir: &Path, install: Install) -> Result<Built, BuildError> {
    let language = Language::of(dir).ok_or_else(|| BuildError::NotAProject { dir: dir.to_owned() })?;
    let started = Instant::now();
    let scratch = std::fs::create_dir_all(dir.join(SCRATCH)).and_then(|()| tempfile::tempdir_in(dir.join(SCRATCH)));
    let scratch = scratch.map_err(|source| BuildError::Io { path: dir.join(SCRATCH), source })?;
    // Tools run in the project's folder, and are told of this one.
    let made = std::path::absolute(scratch.path().join("made.wasm"))
        .map_err(|source| BuildError::Io { path: scratch.path().to_owned(), source })?;
    let module = match language {
        Language::Rust => rust::build(dir, install)?,
        Language::Go => go::build(dir, install, &made)?,
        Language::Python => python::build(dir, install, &made)?,
        Language::JavaScript | Language::TypeScript => javascript::build(dir, language, install, &made)?,
        Language::C => c::build(dir, install, &made)?,
    };
    let bytes = std::fs::read(&module).map_err(|source| BuildError::Io { path: module, source })?;
    let component = host.component(&bytes).map_err(BuildError::NotAPlugin)?;
    let path = dir.join(OUTPUT);
    let io = |source| BuildError::Io { path: path.clone(), source };
    // A gateway that watches the file sees the old one or the new one.
    let whole = scratch.path().join(OUTPUT);
    std::fs::write(&whole, &component).and_then(|()| std::fs::rename(&whole, &path)).map_err(io)?;
    Ok(Built { language, path, component, took: started.elapsed() })
}
