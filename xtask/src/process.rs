//! A process that was started here, and ends here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a process may take to end after it was asked to, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A running process whose standard output is read line by line. It is killed when this is dropped.
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts `command`; its standard output comes here, the rest goes where the command says.
    pub fn start(name: &str, command: &mut Command) -> Result<Running> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}: {}", command.get_program().to_string_lossy()))?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let (sender, lines) = channel();
        // The thread ends with the process, or when nobody listens; it goes on reading so that the pipe never fills.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Ok(Running { name: name.to_owned(), child, lines })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that `wanted` takes. An error when the process ends or `timeout` passes first.
    pub fn line(&mut self, timeout: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let end = Instant::now() + timeout;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if wanted(&line) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} did not say what was expected within {timeout:?}", self.name)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    bail!("{} ended early: {status}", self.name)
                }
            }
        }
    }

    pub fn signal(&self, signal: i32) -> Result<()> {
        let id = i32::try_from(self.child.id()).context("a process id")?;
        // SAFETY: `kill` takes no pointers; the process is our child and was not waited for, so its id is its own.
        if unsafe { libc::kill(id, signal) } != 0 {
            return Err(std::io::Error::last_os_error()).with_context(|| format!("signalling {}", self.name));
        }
        Ok(())
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks it to end (SIGTERM), waits, and says how it ended.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(libc::SIGTERM)?;
        let end = Instant::now() + STOP_TIMEOUT;
        loop {
            // Standard output closes when the process ends: that is the event to wait for.
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(self.child.wait()?),
                Err(RecvTimeoutError::Timeout) => bail!("{} did not end within {STOP_TIMEOUT:?}", self.name),
            }
        }
    }
}

/// A page that a process of ours serves on loopback, headers included.
pub fn page(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PAGE_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended already, and then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
