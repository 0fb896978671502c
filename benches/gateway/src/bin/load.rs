//! Sends spans through an engine to itself, for a bounded time, and says what that cost the engine.
//!
//! `load` listens as the backend, connects to the engine, warms up, measures, and waits for what is on its way. Each
//! connection keeps a fixed number of requests under way, or all of them together send at a fixed rate (`--rate`), and then
//! latency is measured. It ends with one JSON object on standard output; its exit code is 1
//! if a span that was acknowledged did not arrive, or one that should not did, or a request failed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use http::header::{CONTENT_TYPE, TE};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use wasmill_bench_gateway::latency::{Latencies, Pace};
use wasmill_bench_gateway::process::{Spent, peak_kib};
use wasmill_bench_gateway::seen::{Seen, ids};
use wasmill_bench_gateway::template::{HEALTH_CHECK_EVERY, Template};
use wasmill_transport::settings::{GrpcServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Answer, Budget, Request, Server, Sink};

/// Sends spans through an engine to itself, and says what that cost the engine.
#[derive(Parser)]
struct Arguments {
    /// Where the engine under test listens (OTLP/gRPC, plain).
    #[arg(long, default_value = "127.0.0.1:4317")]
    target: SocketAddr,
    /// Where this program listens as the backend.
    #[arg(long, default_value = "127.0.0.1:14317")]
    listen: SocketAddr,
    /// The engine's process, whose CPU time is measured.
    #[arg(long)]
    pid: Option<u32>,
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Requests under way on each connection, without `--rate`.
    #[arg(long, default_value_t = 4)]
    in_flight: usize,
    /// Requests a second over all connections, whether the engine keeps up or not; reports latency from when each was due.
    #[arg(long)]
    rate: Option<f64>,
    /// Failed requests are counted and do not end the run with an error: for an engine whose plugin fails.
    #[arg(long, requires = "rate")]
    failures_allowed: bool,
    /// Spans of a request.
    #[arg(long, default_value_t = 1000)]
    spans: usize,
    /// Largest HTTP/2 frame that is sent; 16,384 is what most clients send.
    #[arg(long, default_value_t = 16_384)]
    frame_bytes: usize,
    #[arg(long, default_value_t = 2)]
    warm_up_seconds: u64,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The engine drops health checks (one span in ten): they must not arrive, the others must.
    #[arg(long)]
    health_checks_dropped: bool,
}

/// Spans of one run at most: 16 MiB of bits.
const IDS_MAX: u64 = 1 << 27;

/// What the engine has to deliver what it has acknowledged, when the load has ended.
const SETTLE: Duration = Duration::from_secs(10);

/// Requests under way at most with `--rate`: an engine that answers none must not fill this program's memory.
const UNDER_WAY_MAX: usize = 4096;

/// What the run counts.
struct Run {
    template: Template,
    frame_bytes: usize,
    next_id: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    arrived: AtomicU64,
    seen: Seen,
    latencies: Latencies,
    measured_from: Instant,
    until: Instant,
}

struct Backend(Arc<Run>);

impl Sink for Backend {
    async fn deliver(&self, request: Request) -> Answer {
        let run = &self.0;
        let mut arrived = 0;
        let read = ids(&request.payload, &mut |id| {
            run.seen.see(id);
            arrived += 1;
        });
        if read.is_none() {
            run.failed.fetch_add(1, Ordering::Relaxed);
        }
        run.arrived.fetch_add(arrived, Ordering::Relaxed);
        Ok(Accepted::default())
    }
}

/// A message in frames of a size, which hyper does not put together again.
struct Frames {
    left: Bytes,
    frame_bytes: usize,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.frame_bytes.min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let warm_up = Duration::from_secs(arguments.warm_up_seconds);
    let measured = Duration::from_secs(arguments.seconds);
    let template = Template::new(arguments.spans);
    let spans = template.spans() as u64;
    ensure!(spans.is_multiple_of(HEALTH_CHECK_EVERY), "`--spans` is a multiple of {HEALTH_CHECK_EVERY}");
    ensure!(arguments.rate.is_none_or(|rate| (0.1..=1e6).contains(&rate)), "`--rate` is from 0.1 to 1,000,000");
    let measured_from = Instant::now() + warm_up;
    let run = Arc::new(Run {
        template,
        frame_bytes: arguments.frame_bytes.max(1),
        next_id: AtomicU64::new(0),
        acknowledged: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        arrived: AtomicU64::new(0),
        seen: Seen::new(IDS_MAX),
        latencies: Latencies::default(),
        measured_from,
        until: measured_from + measured,
    });
    let grpc = GrpcServerSettings { endpoint: arguments.listen.to_string(), ..GrpcServerSettings::default() };
    let backend = Server::bind(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited()).await?;
    tokio::spawn(backend.serve(Arc::new(Backend(Arc::clone(&run))), std::future::pending()));

    let mut connections = Vec::new();
    for _ in 0..arguments.connections.max(1) {
        connections.push(connect(arguments.target).await?);
    }
    let senders = send_all(&arguments, &run, &connections);
    tokio::time::sleep(warm_up).await;
    let spent = || arguments.pid.map(Spent::of).transpose();
    let (before, start) = (spent()?, Instant::now());
    let spans_before = run.acknowledged.load(Ordering::Relaxed);
    tokio::time::sleep(measured).await;
    let (after, elapsed) = (spent()?, start.elapsed());
    let spans = run.acknowledged.load(Ordering::Relaxed) - spans_before;
    let mut first_error = None;
    for sender in senders {
        if let Err(error) = sender.await? {
            first_error.get_or_insert(error);
        }
    }
    if let Some(error) = first_error {
        eprintln!("first failure: {error:#}");
    }
    settle(&run, arguments.health_checks_dropped).await;
    report(&arguments, &run, before.zip(after).map(|(before, after)| after.since(before)), spans, elapsed)
}

/// Starts what sends until the run's end.
fn send_all(arguments: &Arguments, run: &Arc<Run>, connections: &[SendRequest<Frames>]) -> Vec<JoinHandle<Result<()>>> {
    let target = arguments.target;
    if let Some(rate) = arguments.rate {
        let (run, connections, handle) = (Arc::clone(run), connections.to_vec(), Handle::current());
        let pace = Pace { start: Instant::now(), rate };
        // A thread of its own: timers of tasks are precise to a millisecond only, which is as long as a request takes.
        return vec![tokio::task::spawn_blocking(move || send_paced(&run, &connections, target, pace, &handle))];
    }
    let in_flight = arguments.in_flight.max(1);
    let each = connections.iter().flat_map(|connection| std::iter::repeat_n(connection, in_flight));
    each.map(|connection| tokio::spawn(send_until(Arc::clone(run), connection.clone(), target))).collect()
}

/// Sends each request when it is due, and waits for the last. The first failure, if there was one.
fn send_paced(
    run: &Arc<Run>,
    connections: &[SendRequest<Frames>],
    target: SocketAddr,
    pace: Pace,
    handle: &Handle,
) -> Result<()> {
    let spans = run.template.spans() as u64;
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let first_error = Arc::new(Mutex::new(None));
    for (number, connection) in (0..).zip(connections.iter().cycle()) {
        let due = pace.due(number);
        if due >= run.until {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let first = run.next_id.fetch_add(spans, Ordering::Relaxed);
        ensure!(first + spans <= run.seen.capacity(), "the run is out of ids");
        let permit = Arc::clone(&under_way).try_acquire_owned().context("the engine is too far behind")?;
        let (run, mut connection, first_error) = (Arc::clone(run), connection.clone(), Arc::clone(&first_error));
        handle.spawn(async move {
            let sent = send(&run, &mut connection, target, first).await;
            if due >= run.measured_from {
                run.latencies.record(due.elapsed());
            }
            match sent {
                Ok(()) => run.acknowledged.fetch_add(spans, Ordering::Relaxed),
                Err(error) => {
                    first_error.lock().get_or_insert(error);
                    run.failed.fetch_add(1, Ordering::Relaxed)
                }
            };
            drop(permit);
        });
    }
    drop(handle.block_on(under_way.acquire_many(UNDER_WAY_MAX as u32)));
    first_error.lock().take().map_or(Ok(()), Err)
}

async fn connect(target: SocketAddr) -> Result<SendRequest<Frames>> {
    let stream = TcpStream::connect(target).await.with_context(|| format!("cannot connect to `{target}`"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends one request after the other until the run's end, or the first failure.
async fn send_until(run: Arc<Run>, mut connection: SendRequest<Frames>, target: SocketAddr) -> Result<()> {
    let spans = run.template.spans() as u64;
    while Instant::now() < run.until {
        let first = run.next_id.fetch_add(spans, Ordering::Relaxed);
        ensure!(first + spans <= run.seen.capacity(), "the run is out of ids");
        match send(&run, &mut connection, target, first).await {
            Ok(()) => {
                run.acknowledged.fetch_add(spans, Ordering::Relaxed);
            }
            Err(error) => {
                run.failed.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn send(run: &Run, connection: &mut SendRequest<Frames>, target: SocketAddr, first: u64) -> Result<()> {
    let message = run.template.request(first);
    let mut framed = Vec::with_capacity(message.len() + 5);
    framed.push(0);
    framed.extend(u32::try_from(message.len())?.to_be_bytes());
    framed.extend(message);
    let path = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let request = http::Request::post(format!("http://{target}/{path}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(Frames { left: framed.into(), frame_bytes: run.frame_bytes })?;
    let (head, body) = connection.send_request(request).await?.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().unwrap_or(&head.headers);
    let status = trailers.get("grpc-status").context("an answer without `grpc-status`")?;
    ensure!(status == "0", "refused with {trailers:?}");
    Ok(())
}

/// Waits until what was acknowledged has arrived, for a while: an engine may queue.
async fn settle(run: &Run, health_checks_dropped: bool) {
    let acknowledged = run.acknowledged.load(Ordering::Relaxed);
    let dropped = if health_checks_dropped { acknowledged / HEALTH_CHECK_EVERY } else { 0 };
    let by = Instant::now() + SETTLE;
    while run.arrived.load(Ordering::Relaxed) < acknowledged - dropped && Instant::now() < by {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn report(arguments: &Arguments, run: &Run, spent: Option<Spent>, spans: u64, elapsed: Duration) -> Result<ExitCode> {
    let failed = run.failed.load(Ordering::Relaxed);
    let sent = run.next_id.load(Ordering::Relaxed);
    let wanted = |id: &u64| !(arguments.health_checks_dropped && id.is_multiple_of(HEALTH_CHECK_EVERY));
    // With a failed request nothing can be said of its spans, and the run is no good anyway.
    let lost = (0..sent).filter(wanted).filter(|id| !run.seen.has(*id)).count();
    let unwanted = (0..sent).filter(|id| !wanted(id) && run.seen.has(*id)).count();
    let bytes = spans as f64 * run.template.bytes() as f64 / run.template.spans() as f64;
    let seconds = |time: Duration| time.as_secs_f64();
    let mut result = serde_json::json!({
        "spans_a_request": run.template.spans(),
        "bytes_a_span": run.template.bytes() as f64 / run.template.spans() as f64,
        "connections": arguments.connections,
        "in_flight": arguments.in_flight,
        "frame_bytes": arguments.frame_bytes,
        "seconds": seconds(elapsed),
        "spans": spans,
        "spans_per_second": spans as f64 / seconds(elapsed),
        "requests_failed": failed,
        "spans_lost": lost,
        "spans_unwanted": unwanted,
        "spans_duplicated": run.seen.duplicates(),
        "spans_strange": run.seen.strange(),
    });
    if let (Some(spent), Some(pid)) = (spent, arguments.pid) {
        result["cpu_user_seconds"] = seconds(spent.user).into();
        result["cpu_system_seconds"] = seconds(spent.system).into();
        result["cpu_seconds_per_gb"] = (seconds(spent.total()) / (bytes / 1e9)).into();
        result["cpu_ns_per_span"] = (seconds(spent.total()) * 1e9 / spans as f64).into();
        result["spans_per_cpu_second"] = (spans as f64 / seconds(spent.total())).into();
        result["peak_memory_kib"] = peak_kib(pid)?.into();
    }
    if let Some(latency) = run.latencies.json() {
        result["latency_ms"] = latency;
    }
    println!("{result:#}");
    let complete = arguments.failures_allowed || (failed == 0 && lost == 0);
    let good = complete && unwanted == 0 && run.seen.duplicates() == 0 && run.seen.strange() == 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
