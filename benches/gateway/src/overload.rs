//! Many times more than the backend takes, on many connections; and a slow backend beside a fast one.
//!
//! ```text
//!  1,000 connections, each at its pace ──HTTP──► wasmill, 256 MiB ──gRPC──► a backend of a known capacity
//! ```
//!
//! The backend's capacity is the measure: it has a few workers, and each request takes one of them a fixed time. So what is asked is
//! whether the gateway keeps them busy while it refuses the rest, not how fast the machine is. Whoever is refused goes on at its pace:
//! an overload that does not listen.

use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use wasmill_transport::settings::{GrpcServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Answer, Budget, Request, Server, Sink};
use wasmill_wire::Signal;
use xtask::process::Running;

use crate::control_group::ControlGroup;
use crate::process::peak_kib;
use crate::records::ids;
use crate::seen::Seen;
use wasmill_authoring::template::Template;

/// Of memory, for the gateway.
pub const LIMIT_MIB: u64 = 256;
/// How busy the backend is to be kept.
pub const GOODPUT_MIN: f64 = 0.9;

/// Spans of a request, some 46 KB.
pub(crate) const SPANS: usize = 100;
/// Requests that a backend works on at one time; the gateway sends twice as many, so that none waits for it.
const WORKERS: usize = 4;
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(2);
/// For what is queued when the load has ended.
const SETTLE: Duration = Duration::from_secs(30);
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// A `memory_limiter` for [`LIMIT_MIB`].
const LIMITER: &str = "{check_interval: 100ms, limit_mib: 200, spike_limit_mib: 40}";
/// A request that has no answer by then has failed: a refusal is an answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Spans of one run at most.
const IDS_MAX: u64 = 1 << 26;

pub struct Plan {
    pub wasmill: PathBuf,
    pub connections: usize,
    /// Requests a second that the backend takes.
    pub capacity: f64,
    /// How many times that is offered.
    pub factor: f64,
    pub duration: Duration,
}

/// What became of an overload.
pub struct Report {
    plan: String,
    pub goodput: f64,
    pub peak_mib: f64,
    /// What the kernel says of the group that enforced the limit. `None`: no group could be made, memory was measured only.
    pub enforced: Option<Enforced>,
    pub acknowledged: u64,
    pub refused: u64,
    pub failed: u64,
    pub lost: u64,
    pub doubled: u64,
}

/// Of the control group that the gateway ran in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// Processes that were killed for want of memory.
    pub killed: u64,
    /// With the pages of files that were read and written.
    pub peak_mib: Option<u64>,
}

/// What a slow backend did to a fast one.
pub struct Beside {
    pub offered: u64,
    pub arrived_fast: u64,
    pub arrived_slow: u64,
    /// As [`Report::enforced`].
    pub enforced: Option<Enforced>,
}

#[derive(Default)]
struct Counts {
    next: AtomicU64,
    acknowledged: AtomicU64,
    /// Told to send again.
    refused: AtomicU64,
    failed: AtomicU64,
}

/// A backend that takes so many requests a second.
pub(crate) struct Backend {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    seen: Seen,
    arrived: AtomicU64,
    workers: Semaphore,
    /// For a request, of one worker.
    takes: Duration,
    /// Of all workers.
    busy_nanos: AtomicU64,
}

impl Backend {
    pub async fn start(capacity: f64) -> Result<Backend> {
        let state = Arc::new(State {
            seen: Seen::new(IDS_MAX),
            arrived: AtomicU64::new(0),
            workers: Semaphore::new(WORKERS),
            takes: Duration::from_secs_f64(WORKERS as f64 / capacity),
            busy_nanos: AtomicU64::new(0),
        });
        let grpc = GrpcServerSettings { endpoint: "127.0.0.1:0".to_owned(), ..GrpcServerSettings::default() };
        let bound = Server::bind(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited()).await?;
        let address = bound.grpc_addr().context("a port")?;
        tokio::spawn(bound.serve(Arc::new(Slow(Arc::clone(&state))), std::future::pending()));
        Ok(Backend { address, state })
    }

    fn arrived(&self) -> u64 {
        self.state.arrived.load(Ordering::Relaxed)
    }

    fn busy(&self) -> Duration {
        Duration::from_nanos(self.state.busy_nanos.load(Ordering::Relaxed))
    }
}

struct Slow(Arc<State>);

impl Sink for Slow {
    async fn deliver(&self, request: Request) -> Answer {
        let state = &self.0;
        let _worker = state.workers.acquire().await;
        let begun = Instant::now();
        sleep(state.takes).await;
        let mut spans = 0;
        ids(request.signal, &request.payload, &mut |id| {
            state.seen.see(id);
            spans += 1;
        });
        state.arrived.fetch_add(spans, Ordering::Relaxed);
        state.busy_nanos.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        Ok(Accepted::default())
    }
}

fn receiver(port: u16) -> String {
    format!("{{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}")
}

/// Offers more than the backend takes.
pub async fn overload(plan: &Plan, folder: &Path) -> Result<Report> {
    let backend = Backend::start(plan.capacity).await?;
    let port = free_port()?;
    let exporter = format!(
        "{{endpoint: '{}', tls: {{insecure: true}}, timeout: 60s, sending_queue: {{num_consumers: {}, queue_size: 100}}}}",
        backend.address,
        2 * WORKERS
    );
    let (gateway, group) = start(plan, folder, &receiver(port), Some(LIMITER), &[("otlp", exporter)])?;
    let counts = Arc::new(Counts::default());
    let rate = plan.capacity * plan.factor;
    let mut clients = load(port, plan.connections, rate, WARM_UP + plan.duration, &counts);
    sleep(WARM_UP).await;
    let (busy, begun) = (backend.busy(), Instant::now());
    sleep(plan.duration).await;
    let goodput = (backend.busy() - busy).as_secs_f64() / (begun.elapsed().as_secs_f64() * WORKERS as f64);
    while clients.join_next().await.is_some() {}
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let acknowledged = count(&counts.acknowledged);
    settle(&backend, acknowledged).await;
    let enforced = enforced(&group)?;
    let peak_mib = peak_kib(gateway.id())? as f64 / 1024.0;
    let status = tokio::task::spawn_blocking(move || gateway.stop()).await??;
    ensure!(status.success(), "the gateway ended with {status}");
    Ok(Report {
        plan: format!(
            "{} connections, {rate:.0} requests/s offered to a backend that takes {:.0}, {:.0} s",
            plan.connections,
            plan.capacity,
            plan.duration.as_secs_f64()
        ),
        goodput,
        peak_mib,
        enforced,
        acknowledged,
        refused: count(&counts.refused),
        failed: count(&counts.failed),
        lost: acknowledged.saturating_sub(backend.arrived()),
        doubled: backend.state.seen.duplicates(),
    })
}

/// Offers what one backend takes easily, beside one that takes next to nothing.
pub async fn beside(plan: &Plan, folder: &Path) -> Result<Beside> {
    // As fast as anybody needs, and one request a second.
    let (fast, slow) = (Backend::start(plan.capacity * 4.0).await?, Backend::start(1.0).await?);
    let port = free_port()?;
    let exporter = |backend: &Backend, more: &str| {
        format!(
            "{{endpoint: '{}', tls: {{insecure: true}}, timeout: 60s, sending_queue: {{queue_size: 100}}{more}}}",
            backend.address
        )
    };
    let exporters = [("otlp/fast", exporter(&fast, "")), ("otlp/slow", exporter(&slow, ", on_full: drop_newest"))];
    let (gateway, group) = start(plan, folder, &receiver(port), Some(LIMITER), &exporters)?;
    let counts = Arc::new(Counts::default());
    let mut clients = load(port, plan.connections, plan.capacity, plan.duration, &counts);
    while clients.join_next().await.is_some() {}
    let offered = counts.next.load(Ordering::Relaxed);
    // A second for what is on its way; what is not there by then was held up.
    sleep(Duration::from_secs(1)).await;
    let result =
        Beside { offered, arrived_fast: fast.arrived(), arrived_slow: slow.arrived(), enforced: enforced(&group)? };
    // Not drained: the slow one would take minutes.
    drop(gateway);
    Ok(result)
}

/// `Err`: the kernel has killed the gateway.
pub(crate) fn enforced(group: &Option<ControlGroup>) -> Result<Option<Enforced>> {
    let Some(group) = group else { return Ok(None) };
    let enforced = Enforced { killed: group.killed()?, peak_mib: group.peak_bytes().map(|bytes| bytes >> 20) };
    ensure!(enforced.killed == 0, "the kernel killed the gateway: it had more than {LIMIT_MIB} MiB");
    Ok(Some(enforced))
}

/// The gateway within its limit: in a control group where these can be made.
pub(crate) fn start(
    plan: &Plan,
    folder: &Path,
    receiver: &str,
    limiter: Option<&str>,
    exporters: &[(&str, String)],
) -> Result<(Running, Option<ControlGroup>)> {
    let lines: Vec<String> = exporters.iter().map(|(name, settings)| format!("  {name}: {settings}\n")).collect();
    let names: Vec<&str> = exporters.iter().map(|(name, _)| *name).collect();
    let limiter_at = limiter.map(|limiter| format!("processors:\n  memory_limiter: {limiter}\n")).unwrap_or_default();
    let processors = limiter.map(|_| "memory_limiter").unwrap_or_default();
    let yaml = format!(
        "receivers:\n  otlp: {receiver}\n{limiter_at}exporters:\n{}service:\n  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  pipelines:\n    \
           traces: {{receivers: [otlp], processors: [{processors}], exporters: [{}]}}\n",
        lines.concat(),
        names.join(", ")
    );
    let file = folder.join("gateway.yaml");
    fs::write(&file, yaml)?;
    let log = folder.join("gateway.log");
    let group = ControlGroup::new(LIMIT_MIB << 20);
    let mut command = match &group {
        Some(group) => group.command(&plan.wasmill),
        None => Command::new(&plan.wasmill),
    };
    command.arg("run").arg("--config").arg(&file).stderr(fs::File::create(&log)?);
    let mut gateway = Running::start("wasmill", &mut command)?;
    gateway
        .line(START_TIMEOUT, |line| line.contains("ready"))
        .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    Ok((gateway, group))
}

/// Connections that together send so many requests a second, whether they are answered well or not.
fn load(port: u16, connections: usize, rate: f64, duration: Duration, counts: &Arc<Counts>) -> JoinSet<()> {
    let template = Arc::new(Template::new(Signal::Traces, SPANS));
    let every = Duration::from_secs_f64(connections as f64 / rate);
    let begun = tokio::time::Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..connections {
        let (template, counts) = (Arc::clone(&template), Arc::clone(counts));
        clients.spawn(async move {
            let mut due = begun + every.mul_f64(number as f64 / connections as f64);
            let mut stream = None;
            while due < begun + duration {
                sleep_until(due).await;
                due += every;
                let first = counts.next.fetch_add(template.records() as u64, Ordering::Relaxed);
                let body = template.request(first);
                let counter = match timeout(ANSWER_MAX, send(&mut stream, port, &body)).await {
                    Ok(Ok(200)) => {
                        counts.acknowledged.fetch_add(template.records() as u64, Ordering::Relaxed);
                        continue;
                    }
                    Ok(Ok(429 | 502 | 503 | 504)) => &counts.refused,
                    Ok(_) | Err(_) => {
                        stream = None;
                        &counts.failed
                    }
                };
                counter.fetch_add(template.records() as u64, Ordering::Relaxed);
            }
        });
    }
    clients
}

/// Sends a request on a connection that stays open, and gives the answer's status.
pub(crate) async fn send(stream: &mut Option<TcpStream>, port: u16, body: &[u8]) -> Result<u16> {
    let stream = match stream {
        Some(stream) => stream,
        none => none.insert(TcpStream::connect(("127.0.0.1", port)).await?),
    };
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let read = stream.read(&mut chunk).await?;
        ensure!(read > 0, "the connection was closed");
        answer.extend_from_slice(&chunk[..read]);
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(Ok(0), |length| length.trim().parse())?;
        if answer.len() >= end + 4 + length {
            return head.split(' ').nth(1).context("a status")?.parse().context("a status");
        }
    }
}

/// Waits until what was acknowledged has arrived, for a while.
async fn settle(backend: &Backend, acknowledged: u64) {
    let by = Instant::now() + SETTLE;
    while backend.arrived() < acknowledged && Instant::now() < by {
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Report {
    /// What breaks the promise.
    pub fn problems(&self) -> Vec<String> {
        let checks = [
            (self.goodput < GOODPUT_MIN, format!("the backend was busy for {:.0} % only", self.goodput * 100.0)),
            (self.peak_mib > LIMIT_MIB as f64, format!("the gateway had {:.0} MiB", self.peak_mib)),
            (
                self.failed > 0,
                format!("{} spans had no answer, or one that does not say to send them again", self.failed),
            ),
            (self.refused == 0, "nothing was refused: this was no overload".to_owned()),
            (self.lost > 0, format!("{} acknowledged spans did not arrive", self.lost)),
            (self.doubled > 0, format!("{} spans arrived twice", self.doubled)),
        ];
        checks.into_iter().filter(|(is_problem, _)| *is_problem).map(|(_, problem)| problem).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = Enforced::words(&self.enforced);
        writeln!(f, "{}", self.plan)?;
        writeln!(
            f,
            "backend busy {:.1} %; memory at most {:.1} MiB of {LIMIT_MIB} ({limit})",
            self.goodput * 100.0,
            self.peak_mib
        )?;
        write!(
            f,
            "spans: {} acknowledged, {} to be sent again, {} failed, {} lost, {} doubled",
            self.acknowledged, self.refused, self.failed, self.lost, self.doubled
        )?;
        self.problems().iter().try_for_each(|problem| write!(f, "\nPROBLEM: {problem}"))
    }
}

impl Enforced {
    /// How the limit was kept.
    pub(crate) fn words(of: &Option<Enforced>) -> String {
        match of {
            Some(Enforced { killed, peak_mib }) => {
                let peak = peak_mib.map(|peak| format!(", the group's peak with files {peak} MiB")).unwrap_or_default();
                format!("enforced by a control group: {killed} killed{peak}")
            }
            None => "NOT ENFORCED, only measured: no control group can be made here".to_owned(),
        }
    }
}

impl Beside {
    /// Of what was offered, the part that the fast backend has.
    pub fn share(&self) -> f64 {
        self.arrived_fast as f64 / self.offered.max(1) as f64
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Beside { offered, arrived_fast, arrived_slow, .. } = self;
        let share = self.share() * 100.0;
        write!(
            f,
            "a slow backend beside a fast one: of {offered} spans the fast one has {arrived_fast} ({share:.1} %), the slow one {arrived_slow}"
        )
    }
}
