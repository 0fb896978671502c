//! The gateway as its users run it, between peers that we did not write: the official Python SDK, servers made of the
//! official Python packages, the OpenTelemetry Collector. Everything listens on loopback, on ports that were free.
//!
//! `cargo xtask test` sets up what this needs; without it the tests here fail and say so.

mod jaeger;
pub mod loki;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use xtask::places;
use xtask::process::{Running, page};

pub use jaeger::Jaeger;

/// How long anything may take that a test waits for. Long: it bounds a hang, it measures nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for one test: configurations, logs, what arrived. It goes with the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Result<Folder> {
        Ok(Folder(tempfile::tempdir()?))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, content)?;
        Ok(path)
    }

    fn log(&self, name: &str) -> Result<File> {
        Ok(File::create(self.path(&format!("{name}.log")))?)
    }
}

/// A port of loopback that nobody has at the moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The binary under test, as the workspace's tests build it.
pub fn wasmill() -> Result<Command> {
    let folder = std::env::current_exe()?;
    let binary = folder.ancestors().map(|folder| folder.join("wasmill")).find(|path| path.is_file());
    Ok(Command::new(binary.context("the binary `wasmill` is built beside the tests: run `cargo xtask test`")?))
}

/// A script of ours in Python, run where the set-up put the official packages.
pub fn python(script: &str) -> Result<Command> {
    let interpreter = places::python()?;
    ensure!(interpreter.exists(), "the Python packages are missing: run `cargo xtask setup`");
    let mut command = Command::new(interpreter);
    command.arg(places::checkout().join(script));
    Ok(command)
}

/// A script of ours in Python that checks something, with the packages in `tests/peers/requirements.txt`.
pub fn checks(script: &str) -> Result<Command> {
    let interpreter = places::checks_python()?;
    ensure!(interpreter.exists(), "the Python packages are missing: run `cargo xtask setup`");
    let mut command = Command::new(interpreter);
    command.arg(places::checkout().join(script));
    Ok(command)
}

/// A gateway in a process of its own.
pub struct Gateway {
    running: Running,
    log: PathBuf,
}

impl Gateway {
    /// Starts it, and waits until every port listens.
    pub fn start(folder: &Folder, configuration: &str) -> Result<Gateway> {
        Gateway::start_file(folder, &folder.write("gateway.yaml", configuration)?, &[])
    }

    /// The same with a file that is there, and variables for it.
    pub fn start_file(folder: &Folder, file: &Path, variables: &[(&str, String)]) -> Result<Gateway> {
        Gateway::start_of(folder, &[file.display().to_string()], variables)
    }

    /// The same with several `--config`.
    pub fn start_of(folder: &Folder, configurations: &[String], variables: &[(&str, String)]) -> Result<Gateway> {
        Gateway::start_as(wasmill()?, folder, configurations, variables)
    }

    /// One that permissions of files hold for, whoever runs the tests.
    pub fn start_without_override(folder: &Folder, configuration: &str) -> Result<Gateway> {
        let gateway = wasmill()?;
        let mut command = Command::new("setpriv");
        // What lets root write to whatever it wants is out of reach for the process that follows.
        command.args(["--inh-caps", "-dac_override,-dac_read_search"]);
        command.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]).arg(gateway.get_program());
        let is_root = fs::metadata("/proc/self")?.uid() == 0;
        let file = folder.write("gateway.yaml", configuration)?.display().to_string();
        Gateway::start_as(if is_root { command } else { gateway }, folder, &[file], &[])
    }

    fn start_as(
        mut command: Command,
        folder: &Folder,
        configurations: &[String],
        variables: &[(&str, String)],
    ) -> Result<Gateway> {
        let log = folder.path("gateway.log");
        command.arg("run").stderr(folder.log("gateway")?);
        for configuration in configurations {
            command.args(["--config", configuration.as_str()]);
        }
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut running = Running::start("the gateway", &mut command)?;
        running
            .line(PATIENCE, |line| line.contains("ready"))
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Gateway { running, log })
    }

    pub fn id(&self) -> u32 {
        self.running.id()
    }

    pub fn signal(&self, signal: i32) -> Result<()> {
        self.running.signal(signal)
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM: drains, and ends well.
    pub fn stop(self) -> Result<()> {
        let log = self.log.clone();
        ended_well("the gateway", self.running.stop()?).with_context(|| fs::read_to_string(log).unwrap_or_default())
    }
}

/// The OpenTelemetry Collector in a process of its own.
pub struct Collector(Running);

impl Collector {
    /// Starts it, and waits until something listens on `port`.
    pub fn start(folder: &Folder, name: &str, configuration: &str, port: u16) -> Result<Collector> {
        let file = folder.write(&format!("{name}.yaml"), configuration)?;
        Collector::start_of(folder, name, &[file.display().to_string()], &[], port)
    }

    /// The same with several `--config`, and variables for them.
    pub fn start_of(
        folder: &Folder,
        name: &str,
        configurations: &[String],
        variables: &[(&str, String)],
        port: u16,
    ) -> Result<Collector> {
        let binary = places::collector()?;
        ensure!(binary.exists(), "the Collector is missing: run `cargo xtask setup`");
        let mut command = Command::new(binary);
        command.stderr(folder.log(name)?).envs(variables.iter().map(|(name, value)| (name, value)));
        for configuration in configurations {
            command.args(["--config", configuration.as_str()]);
        }
        let mut running = Running::start("the Collector", &mut command)?;
        let log = folder.path(&format!("{name}.log"));
        wait_until(|| {
            if let Some(status) = running.ended()? {
                bail!("the Collector ended with {status}:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        Ok(Collector(running))
    }

    pub fn stop(self) -> Result<()> {
        ended_well("the Collector", self.0.stop()?)
    }
}

/// A server made of the official Python packages, which keeps what it gets.
pub struct Backend {
    running: Running,
    arrived: PathBuf,
    pub port: u16,
}

/// A record as the backend read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// `traces`, `metrics` or `logs`.
    pub signal: String,
    pub service: String,
    /// The span's name, the log record's body, the metric's name.
    pub name: String,
    /// The span's id in hex; empty for metrics.
    pub id: String,
    /// The request's header `x-case`, if it had one.
    pub case: String,
    pub attributes: serde_json::Map<String, Value>,
}

impl Backend {
    pub fn start(folder: &Folder) -> Result<Backend> {
        let arrived = folder.write("arrived.jsonl", "")?;
        let mut command = python("examples/quickstart/app/backend.py")?;
        let mut running = Running::start("the backend", command.arg(&arrived).stderr(folder.log("backend")?))?;
        let port = running.line(PATIENCE, |line| line.parse::<u16>().is_ok())?.parse()?;
        Ok(Backend { running, arrived, port })
    }

    /// What arrived so far.
    pub fn arrived(&self) -> Result<Vec<Arrived>> {
        let text = fs::read_to_string(&self.arrived)?;
        // The last line may be half written.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(read_arrived).collect()
    }

    /// Waits until at least `count` records arrived.
    pub fn wait_for(&self, count: usize) -> Result<Vec<Arrived>> {
        wait_until(|| Ok(self.arrived()?.len() >= count)).with_context(|| format!("waiting for {count} records"))?;
        self.arrived()
    }

    pub fn stop(self) -> Result<Vec<Arrived>> {
        ended_well("the backend", self.running.stop()?)?;
        let text = fs::read_to_string(&self.arrived)?;
        text.lines().map(read_arrived).collect()
    }
}

/// A server as [`Backend`], which keeps records whole, with their parents.
pub struct Keeper {
    running: Running,
    kept: PathBuf,
    pub port: u16,
}

impl Keeper {
    pub fn start(folder: &Folder) -> Result<Keeper> {
        let kept = folder.write("kept.jsonl", "")?;
        let mut command = python("tests/peers/keep.py")?;
        let mut running = Running::start("the backend", command.arg(&kept).stderr(folder.log("backend")?))?;
        let port = running.line(PATIENCE, |line| line.parse::<u16>().is_ok())?.parse()?;
        Ok(Keeper { running, kept, port })
    }

    /// For each value of the header `x-case`, what arrived: JSON that is the same text where it means the same, in order.
    pub fn stop(self) -> Result<BTreeMap<String, Vec<String>>> {
        ended_well("the backend", self.running.stop()?)?;
        let mut cases: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in fs::read_to_string(&self.kept)?.lines() {
            let (case, record): (String, Value) = serde_json::from_str(line)?;
            cases.entry(case).or_default().push(record.to_string());
        }
        cases.values_mut().for_each(|records| records.sort_unstable());
        Ok(cases)
    }
}

fn read_arrived(line: &str) -> Result<Arrived> {
    let value: Value = serde_json::from_str(line)?;
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Ok(Arrived {
        signal: text("signal"),
        service: text("service"),
        name: text("name"),
        id: text("id"),
        case: text("case"),
        attributes: value["attributes"].as_object().cloned().unwrap_or_default(),
    })
}

/// How often each id of a signal arrived.
pub fn counts(arrived: &[Arrived], signal: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for record in arrived.iter().filter(|record| record.signal == signal) {
        *counts.entry(record.id.clone()).or_default() += 1;
    }
    counts
}

/// The value of a metric of the gateway's: of the first sample whose line starts with `name` and holds `label`; 0 without one.
pub fn metric(port: u16, name: &str, label: &str) -> Result<f64> {
    let text = page(port, "/metrics")?;
    let sample = text.lines().find(|line| line.starts_with(name) && line.contains(label));
    let value = sample.and_then(|line| line.rsplit(' ').next());
    Ok(value.map_or(Ok(0.0), str::parse)?)
}

/// Runs a client to its end and gives what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits for what a peer's process does; there is no event to wait for, so this looks, and looks again.
pub fn wait_until(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done()? {
        ensure!(Instant::now() < end, "nothing happened within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn ended_well(who: &str, status: ExitStatus) -> Result<()> {
    ensure!(status.success(), "{who} ended with {status}");
    Ok(())
}

/// Posts a body to loopback: the status, and the answer's body.
pub fn post(port: u16, path: &str, content_type: &str, body: &[u8]) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer over HTTP")?;
    Ok((status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())))
}

/// The messages of a file in which each stands behind its length, four bytes big-endian.
pub fn length_prefixed(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (message, rest) = rest.split_at_checked(length).context("a message that is cut off")?;
        messages.push(message.to_vec());
        bytes = rest;
    }
    ensure!(bytes.is_empty(), "a length that is cut off");
    Ok(messages)
}
