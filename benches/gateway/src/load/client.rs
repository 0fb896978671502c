//! What sends: each connection with a fixed number of requests under way, or all together at a fixed rate.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Arguments, Compression, Run};
use crate::grpc::{self, Call, Connection, Message};
use crate::latency::Pace;

/// Requests under way at most with `--rate`: an engine that answers none must not fill this program's memory.
const UNDER_WAY_MAX: usize = 4096;

/// What an engine gets to answer the first request.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(30);

/// zlib's usual one, which SDKs take.
const GZIP_LEVEL: flate2::Compression = flate2::Compression::new(6);
/// The library's own, by its convention.
const ZSTD_LEVEL: i32 = 0;

pub async fn connect(arguments: &Arguments) -> Result<Vec<Connection>> {
    let mut connections = Vec::new();
    for _ in 0..arguments.connections.max(1) {
        connections.push(grpc::connect(arguments.target).await?);
    }
    Ok(connections)
}

/// One request, before time counts.
pub async fn send_first(run: &Run, connections: &[Connection], target: SocketAddr) -> Result<()> {
    let mut connection = connections.first().context("a connection")?.clone();
    let message = run.message(run.take_ids()?)?;
    let sent = tokio::time::timeout(FIRST_ANSWER_MAX, send(run, &mut connection, target, message));
    let sent = sent.await.with_context(|| format!("no answer within {FIRST_ANSWER_MAX:?}"))?;
    if let Err(error) = sent {
        eprintln!("the first request failed: {error:#}");
        run.failed.fetch_add(1, Ordering::Relaxed);
    } else {
        run.acknowledged.fetch_add(run.template.records() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Starts what sends until the run's end.
pub fn send_all(arguments: &Arguments, run: &Arc<Run>, connections: &[Connection]) -> Vec<JoinHandle<Result<()>>> {
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
    connections: &[Connection],
    target: SocketAddr,
    pace: Pace,
    handle: &Handle,
) -> Result<()> {
    let records = run.template.records() as u64;
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let first_error = Arc::new(Mutex::new(None));
    for (number, connection) in (0..).zip(connections.iter().cycle()) {
        let due = pace.due(number);
        if due >= run.until {
            break;
        }
        // Made before it is due: what that takes is no latency of the engine's.
        let message = run.message(run.take_ids()?)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let permit = Arc::clone(&under_way).try_acquire_owned().context("the engine is too far behind")?;
        let (run, mut connection, first_error) = (Arc::clone(run), connection.clone(), Arc::clone(&first_error));
        handle.spawn(async move {
            let sent = send(&run, &mut connection, target, message).await;
            if due >= run.measured_from {
                run.latencies.record(due.elapsed());
            }
            match sent {
                Ok(()) => run.acknowledged.fetch_add(records, Ordering::Relaxed),
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

/// Sends one request after the other until the run's end, or the first failure.
async fn send_until(run: Arc<Run>, mut connection: Connection, target: SocketAddr) -> Result<()> {
    let records = run.template.records() as u64;
    while Instant::now() < run.until {
        let message = run.message(run.take_ids()?)?;
        match send(&run, &mut connection, target, message).await {
            Ok(()) => {
                run.acknowledged.fetch_add(records, Ordering::Relaxed);
            }
            Err(error) => {
                run.failed.fetch_add(1, Ordering::Relaxed);
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn send(run: &Run, connection: &mut Connection, target: SocketAddr, message: Message) -> Result<()> {
    let call = Call { signal: run.template.signal(), message, frame_bytes: run.frame_bytes };
    grpc::export(connection, target, call).await
}

impl Run {
    /// The request with the ids from `first` on, as it is sent.
    fn message(&self, first: u64) -> Result<Message> {
        let (message, encoding) = compressed(&self.template.request(first), self.compression)?;
        Message::new(&message, encoding)
    }
}

/// A message as it is sent, and the name of its encoding.
fn compressed(message: &Bytes, compression: Compression) -> Result<(Bytes, Option<&'static str>)> {
    Ok(match compression {
        Compression::None => (message.clone(), None),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), GZIP_LEVEL);
            encoder.write_all(message)?;
            (encoder.finish()?.into(), Some("gzip"))
        }
        Compression::Zstd => (zstd::encode_all(message.as_ref(), ZSTD_LEVEL)?.into(), Some("zstd")),
    })
}
