//! `wasmill run` with a configuration, and what it says.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// Compiled plugins, kept between runs.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/plugins");

/// A request with one span: without any nothing would be sent on.
pub fn span() -> Bytes {
    let span = Span { trace_id: vec![1; 16], span_id: vec![1; 8], name: "a".to_owned(), ..Span::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
}

const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with `gateway.yaml` and what it names.
pub struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { root: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.root.path()
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        let beside = path.with_extension("new");
        std::fs::write(&beside, content).unwrap();
        std::fs::rename(&beside, &path).unwrap();
        path
    }

    fn command(&self, command: &str, under: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_wasmill");
        let mut wasmill = Command::new(under.first().unwrap_or(&binary));
        if !under.is_empty() {
            wasmill.args(&under[1..]).arg(binary);
        }
        wasmill.arg(command).arg("--config").arg(self.path().join("gateway.yaml"));
        wasmill.current_dir(self.path()).env("WASMILL_CACHE_DIR", CACHE).env_remove("WASMILL_LOG");
        wasmill
    }

    pub fn output(&self, command: &str, yaml: &str) -> Output {
        self.write("gateway.yaml", yaml);
        self.command(command, &[]).output().unwrap()
    }

    /// Runs it with this configuration until it is dropped.
    pub fn run(&self, yaml: &str) -> Gateway {
        self.run_under(yaml, &[])
    }

    /// As [`run`](Folder::run), started by another program that becomes it, such as `env`.
    pub fn run_under(&self, yaml: &str, under: &[&str]) -> Gateway {
        self.write("gateway.yaml", yaml);
        let mut child = self.command("run", under).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, log) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let Some(listening) = ready.trim().strip_prefix("wasmill: ready: ") else {
            panic!("`{ready}`: {:?}", log.iter().collect::<Vec<_>>());
        };
        let listening = listening.split(", ").map(str::to_owned).collect();
        Gateway { child, log, seen: Vec::new(), listening }
    }
}

/// Killed when it is dropped.
pub struct Gateway {
    child: Child,
    log: mpsc::Receiver<String>,
    /// Every line of its log that was read.
    seen: Vec<String>,
    listening: Vec<String>,
}

impl Gateway {
    /// Where it listens, by the words before the address: `otlp grpc`.
    pub fn address(&self, what: &str) -> SocketAddr {
        let of = |line: &String| line.strip_prefix(what)?.strip_prefix(' ')?.parse().ok();
        self.listening.iter().find_map(of).unwrap_or_else(|| panic!("no `{what}` in {:?}", self.listening))
    }

    /// Resident memory.
    pub fn rss_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// What it has used of the processors.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name, which may have any character: user and system time are the 12th and 13th, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let hundredths: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(10 * hundredths)
    }

    /// Waits for a line of the log.
    pub fn says(&mut self, what: &str) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(_) => panic!("it does not say `{what}` but\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Ends it, and returns every line of its log.
    pub fn end(mut self) -> Vec<String> {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut lines = std::mem::take(&mut self.seen);
        lines.extend(self.log.iter());
        lines
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended already where a test waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
