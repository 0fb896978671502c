//! Compiling, in a process of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Where compiling happens.
#[derive(Clone, Debug)]
pub enum Compile {
    /// In a child process with limits of its own: what a gateway does.
    Child(CompileCommand),
    /// In this process, on a thread of its own: for tests and short-lived tools. A plugin that makes the compiler hungry
    /// makes this process so.
    InProcess,
}

/// How to start the child. It must end up in [`compile_child_main`] with the arguments that follow `args`.
#[derive(Clone, Debug)]
pub struct CompileCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Address space of the child. CPython takes 400 MB.
    pub memory_bytes_max: u64,
    /// Until the child is ended.
    pub timeout: Duration,
}

/// Why there is nothing compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("the compiler `{program}` does not start")]
    Start { program: String, #[source] source: std::io::Error },
    #[error("compiling took longer than {seconds} s")]
    Timeout { seconds: u64 },
    #[error("the compiler was ended by signal {signal}: it needed more than {memory_mib} MiB, or memory is short")]
    Killed { signal: i32, memory_mib: u64 },
    #[error("the compiler refuses it: {reason}")]
    Refused { reason: String },
    #[error("`{path}` cannot be written or read")]
    Io { path: String, #[source] source: std::io::Error },
}

impl Default for Compile {
    fn default() -> Self {
        Compile::Child(CompileCommand::default())
    }
}

impl Default for CompileCommand {
    /// This program with `__compile`.
    fn default() -> Self {
        CompileCommand {
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("wasmill")),
            args: vec![OsString::from("__compile")],
            memory_bytes_max: 2 << 30,
            timeout: Duration::from_secs(120),
        }
    }
}

/// The child's `main`: `args` are what follows [`CompileCommand::args`]. Gives the exit code.
///
/// Lowers its own priority and limits first, so call it before anything else.
pub fn compile_child_main(_args: impl Iterator<Item = OsString>) -> i32 {
    todo!()
}
