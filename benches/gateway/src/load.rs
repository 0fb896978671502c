//! A load and its backend: what goes into an engine, what comes out, what that cost the engine.
//!
//! ```text
//!  client ──gRPC──► engine under test ──gRPC──────────► backend, and a second one where the engine routes
//!  ids out          │ /proc/PID       ──remote write──► samples: a point's id is in its time
//!                   │                 ──► file, which is read while it grows
//!                   └────────────────◄── scrapes, once a second
//! ```
//!
//! Both ends are one process, so that it knows of every record whether it was sent, acknowledged, and delivered, how often, and
//! whether it should have been.

mod backend;
mod client;
mod remote_write;
mod report;
mod written;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use wasmill_wire::Signal;

use crate::grpc::FRAME_BYTES;
use crate::latency::Latencies;
use crate::process::Spent;
use crate::scrape::{self, Scraper};
use backend::Backend;
use report::Measured;
use wasmill_authoring::template::{HEALTH_CHECK_EVERY, Template};

/// Sends records through an engine to itself, and says what that cost the engine.
#[derive(Parser)]
pub struct Arguments {
    /// Where the engine under test listens (OTLP/gRPC, plain).
    #[arg(long, default_value = "127.0.0.1:4317")]
    pub target: SocketAddr,
    /// Where this program listens as the backend.
    #[arg(long, default_value = "127.0.0.1:14317")]
    pub listen: SocketAddr,
    /// Where it listens as a second backend, for `--expect routed`.
    #[arg(long, required_if_eq("expect", "routed"))]
    pub listen_other: Option<SocketAddr>,
    /// The engine's process, whose CPU time and memory are measured.
    #[arg(long)]
    pub pid: Option<u32>,
    #[arg(long, value_enum, default_value = "traces")]
    pub signal: SignalName,
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// Requests under way on each connection, without `--rate`.
    #[arg(long, default_value_t = 4)]
    pub in_flight: usize,
    /// Requests a second over all connections, whether the engine keeps up or not; reports latency from when each was due.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Failed requests are counted and do not end the run with an error: for an engine whose plugin fails.
    #[arg(long, requires = "rate")]
    pub failures_allowed: bool,
    /// Spans, log records or data points of a request: a multiple of ten.
    #[arg(long, default_value_t = 1000)]
    pub records: usize,
    /// Of requests.
    #[arg(long, value_enum, default_value = "none")]
    pub compression: Compression,
    /// Largest HTTP/2 frame that is sent.
    #[arg(long, default_value_t = FRAME_BYTES)]
    pub frame_bytes: usize,
    #[arg(long, default_value_t = 2.0)]
    pub warm_up_seconds: f64,
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// What is to arrive.
    #[arg(long, value_enum, default_value = "all")]
    pub expect: Expect,
    /// What the engine has at its end, and so where records are looked for.
    #[arg(long, value_enum, default_value = "otlp")]
    pub exporter: Exporter,
    /// What the exporter writes.
    #[arg(long, required_if_eq_any([("exporter", "file-json"), ("exporter", "file-proto")]))]
    pub file: Option<PathBuf>,
    /// Where the exporter serves metrics.
    #[arg(long, required_if_eq("exporter", "prometheus"))]
    pub scrape: Option<SocketAddr>,
    /// Writes what arrived of the first records to this file, a line each, or the last scrape: two engines can be compared.
    #[arg(long)]
    pub capture: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Exporter {
    /// To `--listen`, by gRPC.
    Otlp,
    /// To `--listen`, each point as a sample.
    RemoteWrite,
    /// A request a line.
    FileJson,
    /// Each request behind its length.
    FileProto,
    /// It is scraped once a second. What came of a record is not known, but the last scrape is there to compare.
    Prometheus,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SignalName {
    Traces,
    Logs,
    Metrics,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What an engine is to deliver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Expect {
    All,
    /// All but those whose id ten divides.
    HealthChecksDropped,
    /// Those to the other backend, the rest to the first.
    Routed,
    /// All, and no text has an e-mail address.
    Redacted,
    /// From 5 to 15 in a hundred.
    Sampled,
}

/// Records of one run at most: 16 MiB of bits.
const IDS_MAX: u64 = 1 << 27;

/// What the engine has to deliver what it has acknowledged, when the load has ended.
const SETTLE: Duration = Duration::from_secs(10);

/// What a run counts, at both ends.
struct Run {
    template: Template,
    compression: Compression,
    frame_bytes: usize,
    next_id: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    latencies: Latencies,
    measured_from: Instant,
    until: Instant,
}

impl Run {
    /// The ids of a request that is sent next.
    fn take_ids(&self) -> Result<u64> {
        let records = self.template.records() as u64;
        let first = self.next_id.fetch_add(records, Ordering::Relaxed);
        ensure!(first + records <= IDS_MAX, "the run is out of ids");
        Ok(first)
    }
}

impl Arguments {
    /// Not 0: an id of zeros says that there is none.
    fn first_id(&self) -> u64 {
        self.records as u64
    }
}

impl Expect {
    /// Whether the record is to arrive at the first backend, and at the other; `None`: it may or may not.
    fn of(self, id: u64) -> Option<(bool, bool)> {
        let is_health_check = id.is_multiple_of(HEALTH_CHECK_EVERY);
        match self {
            Expect::All | Expect::Redacted => Some((true, false)),
            Expect::HealthChecksDropped => Some((!is_health_check, false)),
            Expect::Routed => Some((!is_health_check, is_health_check)),
            Expect::Sampled => None,
        }
    }
}

impl From<SignalName> for Signal {
    fn from(name: SignalName) -> Signal {
        match name {
            SignalName::Traces => Signal::Traces,
            SignalName::Logs => Signal::Logs,
            SignalName::Metrics => Signal::Metrics,
        }
    }
}

/// Runs the load to its end. The result as JSON, and whether it is one: no request failed, and what arrived is what should.
///
/// Errors: a port that is taken, an engine that does not answer, arguments out of range.
pub async fn run(arguments: &Arguments) -> Result<(serde_json::Value, bool)> {
    ensure!(
        arguments.records > 0 && (arguments.records as u64).is_multiple_of(HEALTH_CHECK_EVERY),
        "`--records` is a multiple of {HEALTH_CHECK_EVERY}"
    );
    ensure!(arguments.rate.is_none_or(|rate| (0.1..=1e6).contains(&rate)), "`--rate` is from 0.1 to 1,000,000");
    ensure!(
        arguments.exporter == Exporter::Otlp || arguments.expect == Expect::All,
        "`--expect` is `all` where records do not arrive by OTLP"
    );
    let warm_up = Duration::try_from_secs_f64(arguments.warm_up_seconds)?;
    let measured = Duration::try_from_secs_f64(arguments.seconds)?;
    let mut run = Run {
        template: Template::new(arguments.signal.into(), arguments.records),
        compression: arguments.compression,
        frame_bytes: arguments.frame_bytes.max(1),
        next_id: AtomicU64::new(arguments.first_id()),
        acknowledged: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        latencies: Latencies::default(),
        measured_from: Instant::now(),
        until: Instant::now(),
    };
    let mut backends = Vec::new();
    if arguments.exporter != Exporter::Prometheus {
        backends.push(Backend::start(arguments.listen, arguments).await?);
    }
    if let Some(listen) = arguments.listen_other {
        backends.push(Backend::start(listen, arguments).await?);
    }
    let backends = Arc::new(backends);
    let connections = client::connect(arguments).await?;
    // An engine that started before its backend may try to reach it again only after a second.
    client::send_first(&run, &connections, arguments.target).await?;
    run.measured_from = Instant::now() + warm_up;
    run.until = run.measured_from + measured;
    let run = Arc::new(run);
    let senders = client::send_all(arguments, &run, &connections);
    let follower = arguments.file.as_ref().map(|_| {
        let (backends, until) = (Arc::clone(&backends), run.until);
        tokio::task::spawn_blocking(move || follow(&backends, until))
    });
    let scraper = arguments.scrape.map(|address| tokio::spawn(scrape::every_second(address, run.until)));

    tokio::time::sleep(warm_up).await;
    let spent = || arguments.pid.map(Spent::of).transpose();
    let acknowledged = || run.acknowledged.load(Ordering::Relaxed);
    let (before, start, records_before) = (spent()?, Instant::now(), acknowledged());
    tokio::time::sleep(measured).await;
    let measured = Measured {
        elapsed: start.elapsed(),
        records: acknowledged() - records_before,
        spent: before.zip(spent()?).map(|(before, after)| after.since(before)),
        steady: arguments.pid.map(crate::process::usage).transpose()?,
        scrapes: None,
    };
    let mut first_error = None;
    for sender in senders {
        if let Err(error) = sender.await? {
            first_error.get_or_insert(error);
        }
    }
    if let Some(error) = first_error {
        eprintln!("first failure: {error:#}");
    }
    if let Some(follower) = follower {
        follower.await??;
    }
    settle(&run, arguments.expect, &backends).await?;
    let mut captured: Vec<u8> = backends.iter().map(Backend::captured).collect::<String>().into();
    let mut scrapes = None;
    if let (Some(scraper), Some(address)) = (scraper, arguments.scrape) {
        scrapes = Some(scraper.await??);
        captured = Scraper::connect(address).await?.get(scrape::TEXT).await?.body;
    }
    if let Some(path) = &arguments.capture {
        std::fs::write(path, captured)?;
    }
    report::report(arguments, &run, &backends, &Measured { scrapes, ..measured })
}

/// Reads what is written to files until the load ends.
fn follow(backends: &[Backend], until: Instant) -> Result<()> {
    while Instant::now() < until {
        backends.iter().try_for_each(Backend::look)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits until what was acknowledged has arrived, or nothing has for a while: an engine may queue.
async fn settle(run: &Run, expect: Expect, backends: &[Backend]) -> Result<()> {
    let acknowledged = run.acknowledged.load(Ordering::Relaxed);
    let (wanted, patience) = match expect {
        Expect::HealthChecksDropped => (acknowledged - acknowledged / HEALTH_CHECK_EVERY, SETTLE),
        Expect::All | Expect::Redacted | Expect::Routed => (acknowledged, SETTLE),
        // Not known; what comes no more for a while has come.
        Expect::Sampled => (u64::MAX, SETTLE / 5),
    };
    let (mut last, mut since) = (0, Instant::now());
    while !backends.is_empty() {
        backends.iter().try_for_each(Backend::look)?;
        let arrived = backends.iter().map(Backend::arrived).sum::<u64>();
        if arrived != last {
            (last, since) = (arrived, Instant::now());
        }
        if arrived >= wanted || since.elapsed() > patience {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
