//! Compiling, in a process of its own.
//!
//! Cranelift takes seconds and hundreds of megabytes for an interpreter, and a hostile file may take it further. So the
//! gateway compiles in a child: lowest priority, one thread, limits on memory and time, first to be ended when memory is
//! short. The plugin goes in on its standard input, the machine code comes out as a file, a refusal on its standard error.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime::Engine;

use crate::check::{self, Form};
use crate::host::engine_config;
use crate::preview1;

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
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("compiling took longer than {seconds} s")]
    Timeout { seconds: u64 },
    #[error("the compiler was ended by signal {signal}: it needed more than {memory_mib} MiB, or memory is short")]
    Killed { signal: i32, memory_mib: u64 },
    #[error("the compiler refuses it: {reason}")]
    Refused { reason: String },
    #[error("`{path}` cannot be written or read")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// The child's exit code when it says why on its standard error.
const EXIT_REFUSED: i32 = 3;
/// What a child may say.
const REFUSAL_BYTES_MAX: u64 = 16 << 10;
/// For the child: far below the data path, which gets nine times its share, but not as low as it goes: at 19, a machine whose
/// processors are all busy gave a compilation 0.3 % of one of them, and a plugin of 176 KB did not start within a minute.
const COMPILE_NICE: i32 = 10;

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

impl Compile {
    /// Compiles a plugin into a file. What was at `out` is written over.
    pub(crate) async fn compile(&self, bytes: &[u8], form: Form, out: &Path) -> Result<(), CompileError> {
        match self {
            Compile::Child(command) => command.compile(bytes, form, out).await,
            Compile::InProcess => {
                let (bytes, out) = (bytes.to_vec(), out.to_owned());
                let compiled = tokio::task::spawn_blocking(move || compile_to(&bytes, form, &out)).await;
                compiled.map_err(|error| CompileError::Refused { reason: error.to_string() })?
            }
        }
    }
}

impl CompileCommand {
    async fn compile(&self, bytes: &[u8], form: Form, out: &Path) -> Result<(), CompileError> {
        let start = |source| CompileError::Start { program: self.program.display().to_string(), source };
        let mut child = tokio::process::Command::new(&self.program)
            .args(&self.args)
            .arg(form.name())
            .arg(self.memory_bytes_max.to_string())
            .arg(self.timeout.as_secs().to_string())
            .arg(out)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let talk = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // A child that ends early has said why, or was ended: its status tells, not the broken pipe.
                    let _ = stdin.write_all(bytes).await;
                }
            };
            let read = async {
                let mut said = Vec::new();
                if let Some(stderr) = stderr {
                    let _ = stderr.take(REFUSAL_BYTES_MAX).read_to_end(&mut said).await;
                }
                String::from_utf8_lossy(&said).trim().to_owned()
            };
            let ((), said, status) = tokio::join!(write, read, child.wait());
            status.map(|status| (status, said))
        };
        let (status, said) = tokio::time::timeout(self.timeout, talk)
            .await
            .map_err(|_| CompileError::Timeout { seconds: self.timeout.as_secs() })?
            .map_err(start)?;
        if status.success() {
            return Ok(());
        }
        match std::os::unix::process::ExitStatusExt::signal(&status) {
            Some(signal) => Err(CompileError::Killed { signal, memory_mib: self.memory_bytes_max >> 20 }),
            None if said.is_empty() => Err(CompileError::Refused { reason: format!("it ended with {status}") }),
            None => Err(CompileError::Refused { reason: said }),
        }
    }
}

/// The child's `main`: `args` are what follows [`CompileCommand::args`]. Gives the exit code.
///
/// Lowers its own priority and limits first, so call it before anything else.
pub fn compile_child_main(args: impl Iterator<Item = OsString>) -> i32 {
    match compile_child(args) {
        Ok(()) => 0,
        Err(reason) => {
            // Whoever listens has gone if this fails.
            let _ = writeln!(io::stderr(), "{reason}");
            EXIT_REFUSED
        }
    }
}

fn compile_child(args: impl Iterator<Item = OsString>) -> Result<(), String> {
    let args: Vec<OsString> = args.collect();
    let [form, memory_bytes, seconds, out] = args.as_slice() else {
        return Err("this command is the gateway's own: expected a form, two limits and a file".to_owned());
    };
    let form =
        [Form::Component, Form::CoreModule].into_iter().find(|known| form == known.name()).ok_or("which form?")?;
    let number = |arg: &OsString| arg.to_str().and_then(|arg| arg.parse::<u64>().ok()).ok_or("not a number");
    lower(number(memory_bytes)?, number(seconds)?);
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| format!("the plugin does not arrive: {error}"))?;
    match compile_to(&bytes, form, Path::new(out)) {
        Ok(()) => Ok(()),
        Err(CompileError::Refused { reason }) => Err(reason),
        Err(error @ CompileError::Io { .. }) => {
            Err(format!("{error}: {}", std::error::Error::source(&error).map_or_else(String::new, ToString::to_string)))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Lowers this process's priority and limits. What the system refuses, it refuses: the parent's timeout still holds.
fn lower(memory_bytes: u64, seconds: u64) {
    let limit = |resource, value: u64| {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: reads one `rlimit` that outlives the call.
        unsafe { libc::setrlimit(resource, &limit) };
    };
    limit(libc::RLIMIT_AS, memory_bytes);
    limit(libc::RLIMIT_CPU, seconds);
    limit(libc::RLIMIT_CORE, 0);
    // SAFETY: takes three numbers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, COMPILE_NICE) };
    // Absent where there is no such file system.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

fn compile_to(bytes: &[u8], form: Form, out: &Path) -> Result<(), CompileError> {
    let refused = |reason: String| CompileError::Refused { reason };
    let component =
        check::componentize(bytes, form, preview1::drawn_seed()).map_err(|error| refused(error.to_string()))?;
    // Not the pooling engine: the same settings for code, without its address space.
    let engine = Engine::new(&engine_config()).map_err(|error| refused(format!("{error:#}")))?;
    let code = engine.precompile_component(&component).map_err(|error| refused(format!("{error:#}")))?;
    std::fs::write(out, code).map_err(|source| CompileError::Io { path: out.display().to_string(), source })
}
