//! Clients that send as much as they may and then nothing more, on a thousand connections; and one who only wants to be served.
//!
//! ```text
//!  1,000 connections: some streams each, whose messages never end, ──gRPC──┐
//!                     and half a frame                                     ├──► wasmill, 256 MiB ──► a backend
//!  one client that is refused, waits and comes again             ──HTTP──┘
//! ```
//!
//! What is asked is whether the gateway stays within its memory, and how long the one has to wait.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use wasmill_wire::Signal;

use crate::overload::{Backend, Enforced, LIMIT_MIB, Plan, SPANS, enforced, free_port, send, start};
use crate::process::peak_kib;
use wasmill_authoring::template::Template;

/// Of a connection. With [`FRAME_BYTES`] each, a thousand connections send four times the budget of a gateway with 256 MiB.
const STREAMS: usize = 16;
/// The largest that every peer takes.
const FRAME_BYTES: usize = 16 << 10;
/// What a connection may send before it hears of more (RFC 9113, 6.9.2).
const WINDOW_BYTES: usize = 65_535;
/// Without more window by then, a connection has sent what it may.
const WINDOW_WAIT: Duration = Duration::from_secs(5);

/// How often the client is to be served.
const SERVED: u64 = 50;
/// Between its requests, and before it comes again.
const PAUSE: Duration = Duration::from_millis(100);
/// Half the time after which bodies that do not end are cut off in any case.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_HEADERS: u8 = 4;

/// What became of it.
pub struct Report {
    connections: usize,
    /// That the connections sent, in bytes of messages.
    pub sent_mib: u64,
    /// Streams of theirs that were ended by the gateway.
    pub refused: u64,
    /// Requests of the client.
    pub served: u64,
    pub told_to_wait: u64,
    pub longest_wait: Duration,
    pub peak_mib: f64,
    pub enforced: Option<Enforced>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    refused: AtomicU64,
    stalled: AtomicUsize,
}

/// Stalls on `plan.connections` connections, and serves one client meanwhile. The plan's other figures are not used.
pub async fn stalled(plan: &Plan, folder: &Path) -> Result<Report> {
    let backend = Backend::start(1_000.0).await?;
    let (http, grpc) = (free_port()?, free_port()?);
    let receiver =
        format!("{{protocols: {{http: {{endpoint: '127.0.0.1:{http}'}}, grpc: {{endpoint: '127.0.0.1:{grpc}'}}}}}}");
    let exporter = format!("{{endpoint: '{}', tls: {{insecure: true}}}}", backend.address);
    // Without a `memory_limiter`: the budget alone is what is tried here.
    let (gateway, group) = start(plan, folder, &receiver, None, &[("otlp", exporter)])?;
    let counts = Arc::new(Counts::default());
    let mut hostile = JoinSet::new();
    for _ in 0..plan.connections {
        let counts = Arc::clone(&counts);
        hostile.spawn(async move {
            // One that is cut off has ended, and that is counted by those that go on.
            if let Ok((read, write)) = fill(grpc, &counts).await {
                counts.stalled.fetch_add(1, Ordering::Relaxed);
                let _write = write;
                ignore(read, &counts).await;
            }
        });
    }
    let (told_to_wait, longest_wait) = be_served(http).await?;
    ensure!(counts.stalled.load(Ordering::Relaxed) > plan.connections / 2, "too few connections came to stall");
    let report = Report {
        connections: plan.connections,
        sent_mib: counts.sent.load(Ordering::Relaxed) >> 20,
        refused: counts.refused.load(Ordering::Relaxed),
        served: SERVED,
        told_to_wait,
        longest_wait,
        peak_mib: peak_kib(gateway.id())? as f64 / 1024.0,
        enforced: enforced(&group)?,
    };
    hostile.shutdown().await;
    let status = tokio::task::spawn_blocking(move || gateway.stop()).await??;
    ensure!(status.success(), "the gateway ended with {status}");
    Ok(report)
}

/// A client that comes again when it is refused: how often that was, and the longest that one request took.
async fn be_served(port: u16) -> Result<(u64, Duration)> {
    let template = Template::new(Signal::Traces, SPANS);
    let (mut stream, mut told_to_wait, mut longest_wait) = (None, 0, Duration::ZERO);
    for number in 0..SERVED {
        let body = template.request(number * template.records() as u64);
        let begun = Instant::now();
        loop {
            let wait_max = WAIT_MAX.saturating_sub(begun.elapsed());
            match timeout(wait_max, send(&mut stream, port, &body)).await {
                Ok(Ok(200)) => break,
                Ok(Ok(503)) => told_to_wait += 1,
                Ok(Ok(status)) => bail!("a request was answered with {status}"),
                // Closed after an answer that came before the body's end.
                Ok(Err(_)) => stream = None,
                Err(_) => bail!("a request was not served for {WAIT_MAX:?}"),
            }
            sleep(PAUSE).await;
        }
        longest_wait = longest_wait.max(begun.elapsed());
        sleep(PAUSE).await;
    }
    Ok((told_to_wait, longest_wait))
}

/// Opens streams, sends on each a part of a message, and half a frame at last.
async fn fill(port: u16, counts: &Counts) -> Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let (mut read, mut write) = TcpStream::connect(("127.0.0.1", port)).await?.into_split();
    write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    write.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let mut window = WINDOW_BYTES;
    // A message of 1 MiB begins.
    let mut piece = vec![b'x'; FRAME_BYTES];
    piece.splice(0..5, [0, 0, 0x10, 0, 0]);
    let mut id = 1;
    for _ in 0..STREAMS {
        while window < FRAME_BYTES {
            let Ok(heard) = timeout(WINDOW_WAIT, hear(&mut read)).await else { break };
            window += counted(heard?, counts);
        }
        if window < FRAME_BYTES {
            break;
        }
        write.write_all(&frame(HEADERS, END_HEADERS, id, &head())).await?;
        write.write_all(&frame(DATA, 0, id, &piece)).await?;
        counts.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        window -= FRAME_BYTES;
        id += 2;
    }
    write.write_all(&frame(HEADERS, END_HEADERS, id, &head())).await?;
    let half = frame(DATA, 0, id, &piece);
    write.write_all(&half[..half.len() - 1]).await?;
    Ok((read, write))
}

/// Reads what comes, until the connection ends.
async fn ignore(mut read: OwnedReadHalf, counts: &Counts) {
    while let Ok(heard) = hear(&mut read).await {
        counted(heard, counts);
    }
}

/// A frame's kind, stream and payload.
type Heard = (u8, u32, Vec<u8>);

/// Counts a stream that was ended; gives by how much the connection's window has grown.
fn counted((kind, stream, payload): Heard, counts: &Counts) -> usize {
    match (kind, stream, payload.as_slice()) {
        (HEADERS, ..) => {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            0
        }
        (WINDOW_UPDATE, 0, &[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]) as usize,
        _ => 0,
    }
}

async fn hear(read: &mut OwnedReadHalf) -> Result<Heard> {
    let mut head = [0; 9];
    read.read_exact(&mut head).await?;
    let [a, b, c, kind, _, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    read.read_exact(&mut payload).await?;
    Ok((kind, u32::from_be_bytes(stream), payload))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A gRPC call's headers (RFC 7541): the first two by their numbers in the static table, the others with names from there.
fn head() -> Vec<u8> {
    const POST: u8 = 0x83;
    const HTTP: u8 = 0x86;
    let mut head = vec![POST, HTTP];
    let names: [(&[u8], &str); 3] = [
        (&[0x01], "localhost"),
        (&[0x04], "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        // `content-type` is number 31: 15 and 16 more.
        (&[0x0f, 0x10], "application/grpc"),
    ];
    for (name, value) in names {
        head.extend(name);
        head.push(value.len() as u8);
        head.extend(value.as_bytes());
    }
    head
}

impl Report {
    /// What breaks the promise.
    pub fn problems(&self) -> Vec<String> {
        // Without the group the budget is a quarter of the machine's memory: there is nothing to fill.
        let enforced = self.enforced.is_some();
        let checks = [
            (enforced && self.refused == 0, "nobody was refused: the budget was not filled".to_owned()),
            (enforced && self.peak_mib > LIMIT_MIB as f64, format!("the gateway had {:.0} MiB", self.peak_mib)),
        ];
        checks.into_iter().filter(|(is_problem, _)| *is_problem).map(|(_, problem)| problem).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { connections, sent_mib, refused, served, told_to_wait, longest_wait, peak_mib, enforced } = self;
        let limit = Enforced::words(enforced);
        writeln!(
            f,
            "{connections} connections that stall: {sent_mib} MiB sent, {refused} streams ended by the gateway"
        )?;
        writeln!(f, "memory at most {peak_mib:.1} MiB of {LIMIT_MIB} ({limit})")?;
        write!(
            f,
            "one client: {served} requests served, told to wait {told_to_wait} times, for {:.1} s at most",
            longest_wait.as_secs_f64()
        )?;
        self.problems().iter().try_for_each(|problem| write!(f, "\nPROBLEM: {problem}"))
    }
}
