//! The gateway, its backend and its clients, what is done to them, and what the model remembers of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill_tests::{Folder, Gateway, free_port, metric, wait_until};

use super::Random;
use super::backend::{Backend, Mode};

/// Requests that the queue holds: few, so that it is full soon.
const QUEUE: usize = 20;
/// A client that has no answer by then is gone.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const SPANS: u64 = 3;

/// When the gateway answers its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Promise {
    Memory,
    Disk,
    Delivered,
}

/// What a client was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Acknowledged,
    Retry,
    Refused,
    /// It had gone, or the gateway had.
    Nothing,
}

pub struct World {
    promise: Promise,
    folder: Folder,
    backend: Backend,
    gateway: Option<Gateway>,
    http: u16,
    metrics: u16,
    consumers: u64,
    plugin: PathBuf,
    /// Of the newest build that was put in place and is a plugin.
    build: u32,
    builds: BTreeSet<String>,
    next: u64,
    told: BTreeMap<u64, Told>,
    /// Kills, and the backend's departures.
    disruptions: Vec<Instant>,
    /// Acknowledged and not delivered when the process was killed.
    in_memory_at_a_kill: BTreeSet<u64>,
    steps: String,
}

impl World {
    pub fn start(promise: Promise) -> Result<World> {
        let folder = Folder::new()?;
        let plugin = folder.write("stamp.wasm", wasmill_fixtures::stamped(0))?;
        let mut world = World {
            promise,
            backend: Backend::start()?,
            gateway: None,
            http: free_port()?,
            metrics: free_port()?,
            consumers: 2,
            plugin,
            build: 0,
            builds: [stamp(0)].into(),
            next: 1,
            told: BTreeMap::new(),
            disruptions: Vec::new(),
            in_memory_at_a_kill: BTreeSet::new(),
            steps: String::new(),
            folder,
        };
        world.boot()?;
        Ok(world)
    }

    /// What was done, for a failure's text.
    pub fn told(&self) -> String {
        let count = |wanted: Told| self.told.values().filter(|told| **told == wanted).count();
        let arrived: usize = self.backend.with(|state| state.arrived.values().map(Vec::len).sum());
        format!(
            "{:?}: {} spans acknowledged, {} to be sent again, {} refused, {} without an answer; {arrived} arrived; {}",
            self.promise,
            count(Told::Acknowledged),
            count(Told::Retry),
            count(Told::Refused),
            count(Told::Nothing),
            self.steps
        )
    }

    fn configuration(&self) -> String {
        let queue = match self.promise {
            Promise::Memory => format!("{{queue_size: {QUEUE}, num_consumers: {}}}", self.consumers),
            Promise::Disk => {
                format!("{{queue_size: {QUEUE}, num_consumers: {}, storage: file_storage}}", self.consumers)
            }
            Promise::Delivered => "{enabled: false}".to_owned(),
        };
        // Without a queue clients wait, and not for long.
        let elapsed = if self.promise == Promise::Delivered { "300ms" } else { "0" };
        format!(
            r#"
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}"}}}}}}
processors:
  wasm/stamp: {{plugin: "{plugin}", config: {{do: stamp}}}}
extensions:
  file_storage: {{directory: "{queues}"}}
exporters:
  otlp:
    endpoint: "127.0.0.1:{backend}"
    tls: {{insecure: true}}
    timeout: {timeout}s
    sending_queue: {queue}
    retry_on_failure: {{initial_interval: 10ms, max_interval: 50ms, max_elapsed_time: {elapsed}}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{address: "127.0.0.1:{metrics}"}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/stamp], exporters: [otlp]}}
"#,
            http = self.http,
            plugin = self.plugin.display(),
            queues = self.folder.path("queues").display(),
            backend = self.backend.port(),
            metrics = self.metrics,
            // A reload that changes the exporter, and nothing that matters here.
            timeout = 10 + self.consumers,
        )
    }

    fn boot(&mut self) -> Result<()> {
        self.gateway = Some(Gateway::start(&self.folder, &self.configuration())?);
        Ok(())
    }

    fn log(&self) -> String {
        self.gateway.as_ref().map(Gateway::log).unwrap_or_default()
    }

    pub fn step(&mut self, random: &mut Random) -> Result<()> {
        let (name, done) = match random.below(20) {
            0..=6 => ("send", self.send_some(1 + random.below(4))),
            7 => ("client-gone", self.send_and_go()),
            8 => ("fill", self.fill()),
            9 => ("swap", self.swap()),
            10 => ("bad-swap", self.swap_bad()),
            11 => ("reload", self.reload()),
            12 | 13 => ("up", self.up()),
            14 => ("slow", self.mode(Mode::Slow)),
            15 => ("busy", self.mode(Mode::Busy)),
            16 => ("refuses", self.mode(Mode::Refuses)),
            17 => ("down", self.down()),
            18 => ("kill", self.kill()),
            _ => ("restart", self.restart()),
        };
        let _ = write!(self.steps, "{name} ");
        done.with_context(|| format!("{name}\n{}", self.log()))
    }

    /// Brings everything up, and looks whether the rules were kept.
    pub fn end(&mut self) -> Result<()> {
        self.up()?;
        wait_until(|| {
            self.send_some(1)?;
            Ok(self.told.last_key_value().is_some_and(|(_, told)| *told == Told::Acknowledged))
        })
        .with_context(|| format!("with everything up, nothing is taken\n{}", self.log()))?;
        self.wait_for_an_empty_queue()?;
        if let Some(gateway) = self.gateway.take() {
            gateway.stop()?;
        }
        self.judge()
    }

    fn judge(&self) -> Result<()> {
        self.backend.with(|state| {
            for (id, told) in self.told.iter().filter(|(_, told)| **told == Told::Acknowledged) {
                let excused = state.refused.contains(id)
                    || (self.promise == Promise::Memory && self.in_memory_at_a_kill.contains(id));
                ensure!(
                    state.arrived.contains_key(id) || (excused && self.promise != Promise::Delivered),
                    "span {id}, {told:?}, did not arrive"
                );
            }
            for (id, arrivals) in &state.arrived {
                ensure!(self.told.contains_key(id), "span {id} was never sent");
                for arrival in arrivals {
                    let is_one =
                        arrival.stamps.len() == 1 && arrival.stamps.iter().all(|stamp| self.builds.contains(stamp));
                    ensure!(is_one, "span {id} has the stamps {:?}", arrival.stamps);
                }
                for pair in arrivals.windows(2) {
                    let between = |at: &&Instant| pair[0].at <= **at && **at <= pair[1].at;
                    ensure!(self.disruptions.iter().any(|at| between(&at)), "span {id} arrived twice for no reason");
                }
            }
            Ok(())
        })
    }

    /// Requests side by side, each of a few spans.
    fn send_some(&mut self, requests: u64) -> Result<()> {
        let firsts: Vec<u64> = (0..requests).map(|request| self.next + request * SPANS).collect();
        self.next += requests * SPANS;
        let port = self.http;
        let sent: Vec<_> = firsts.into_iter().map(|first| (first, thread::spawn(move || send(port, first)))).collect();
        for (first, answer) in sent {
            let told = answer.join().expect("a client does not panic").unwrap_or(Told::Nothing);
            self.told.extend((first..first + SPANS).map(|id| (id, told)));
        }
        Ok(())
    }

    /// A client that goes away without waiting for the answer.
    fn send_and_go(&mut self) -> Result<()> {
        let first = self.next;
        self.next += SPANS;
        self.told.extend((first..first + SPANS).map(|id| (id, Told::Nothing)));
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.http)) {
            // It may be gone before all of it is written, too.
            let _ = stream.write_all(&request(first));
        }
        Ok(())
    }

    /// With a backend that takes nothing, sends until the gateway does not either.
    fn fill(&mut self) -> Result<()> {
        self.mode(Mode::Busy)?;
        for _ in 0..=QUEUE {
            self.send_some(2)?;
            if self.told.last_key_value().is_some_and(|(_, told)| *told != Told::Acknowledged) {
                break;
            }
        }
        let told = self.told.last_key_value().map(|(_, told)| *told);
        ensure!(told != Some(Told::Acknowledged), "a full queue takes more");
        Ok(())
    }

    fn swap(&mut self) -> Result<()> {
        self.build += 1;
        self.builds.insert(stamp(self.build));
        self.put(wasmill_fixtures::stamped(self.build), "plugin swapped")
    }

    fn swap_bad(&mut self) -> Result<()> {
        const SAID: &str = "plugin not swapped, the old one serves on";
        // Each of its own: what was refused before is not tried again.
        let plugin = format!("no plugin {}", self.log().matches(SAID).count());
        self.put(plugin.into_bytes(), SAID)?;
        // A start needs one; the same one is no swap.
        fs::rename(self.folder.write("stamp.new", wasmill_fixtures::stamped(self.build))?, &self.plugin)?;
        Ok(())
    }

    /// Puts a plugin in place, and waits until the log says so.
    fn put(&mut self, plugin: Vec<u8>, said: &str) -> Result<()> {
        let before = self.log().matches(said).count();
        fs::rename(self.folder.write("stamp.new", plugin)?, &self.plugin)?;
        self.wait_for_log(said, before)
    }

    fn wait_for_log(&self, said: &str, before: usize) -> Result<()> {
        wait_until(|| Ok(self.log().matches(said).count() > before))
            .with_context(|| format!("the log does not say `{said}`"))
    }

    fn reload(&mut self) -> Result<()> {
        const SAID: &str = "configuration reloaded";
        self.consumers = 5 - self.consumers;
        let before = self.log().matches(SAID).count();
        let file = self.folder.write("gateway.new", self.configuration())?;
        fs::rename(file, self.folder.path("gateway.yaml"))?;
        self.wait_for_log(SAID, before)
    }

    fn mode(&mut self, mode: Mode) -> Result<()> {
        self.backend.set(mode);
        Ok(())
    }

    fn up(&mut self) -> Result<()> {
        self.backend.set(Mode::Up);
        self.backend.come_back()
    }

    fn down(&mut self) -> Result<()> {
        self.backend.go_away();
        self.disruptions.push(Instant::now());
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        if let Some(gateway) = self.gateway.take() {
            gateway.signal(libc::SIGKILL)?;
            // Waits for its end.
            drop(gateway);
        }
        self.disruptions.push(Instant::now());
        let acknowledged = self.told.iter().filter(|(_, told)| **told == Told::Acknowledged).map(|(id, _)| *id);
        let lost: Vec<u64> =
            self.backend.with(|state| acknowledged.filter(|id| !state.arrived.contains_key(id)).collect());
        self.in_memory_at_a_kill.extend(lost);
        self.boot()
    }

    /// As an orchestrator does it. What is queued in memory is delivered first, so that the backend has to be there.
    fn restart(&mut self) -> Result<()> {
        if self.promise == Promise::Memory {
            self.up()?;
        }
        if let Some(gateway) = self.gateway.take() {
            gateway.stop()?;
        }
        self.disruptions.push(Instant::now());
        self.boot()
    }

    fn wait_for_an_empty_queue(&self) -> Result<()> {
        if self.promise == Promise::Delivered {
            return Ok(());
        }
        let size = || metric(self.metrics, "otelcol_exporter_queue_size{", "data_type=\"traces\"");
        wait_until(|| Ok(size()? == 0.0)).with_context(|| format!("the queue is not emptied\n{}", self.log()))
    }
}

/// As a build of the fixture writes it.
fn stamp(build: u32) -> String {
    format!("{build:010}")
}

fn request(first: u64) -> Vec<u8> {
    let spans = (first..first + SPANS).map(|id| Span {
        trace_id: u128::from(id).to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: "work".to_owned(),
        ..Span::default()
    });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

fn send(port: u16, first: u64) -> Result<Told> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(&request(first))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status: u16 = answer.split(' ').nth(1).context("no answer")?.parse()?;
    Ok(match status {
        200 => Told::Acknowledged,
        429 | 502 | 503 | 504 => Told::Retry,
        _ => Told::Refused,
    })
}
