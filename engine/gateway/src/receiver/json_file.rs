//! `otlpjsonfile`: reads files of OTLP/JSON, a request on each line, and follows them as they grow and are rotated.
//!
//! ```text
//!  [blocking thread] look for files ─► read lines ─► transcode ──► window ──► pipelines, side by side ──► acks
//!         ▲                                                                                              │
//!         └──────────────── the file's offset moves, when every line of the window has ended ◄───────────┘
//! ```
//!
//! A line counts as read when its ack is resolved: delivered, queued, dropped on purpose, or refused for good. One that is refused
//! until later is sent again, with back-off, and until then nothing further of the file is read: back-pressure ends at the file,
//! which holds what waits. After a crash the lines of the last window come again, and those since the offsets were last kept.
//!
//! Everything that reads is done on a blocking thread ([`Tail`]); what is here only waits.

mod known;
mod lines;
mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use wasmill_batch::{Refusal, RefusalKind, RequestContext};
use wasmill_config::{ComponentId, OtlpJsonFileReceiver, Retry};
use wasmill_storage::Folder;
use wasmill_transport::Permit;
use wasmill_wire::Signal;

use super::{Intake, take};
use crate::pipeline::Incoming;
use crate::retry::Backoff;
use crate::telemetry::ReceiverMetrics;
pub use known::Known;
use lines::Bad;
use tail::{Tail, Window};

/// In the receiver's metrics.
const TRANSPORT: &str = "file";

/// How often offsets are kept while there is more to read.
const KEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Of the lines of one file, between messages in the log: a file of rubbish would else write as much again.
const REPORTED_PER_WINDOW_MAX: usize = 10;

/// How far every receiver of this process has read, so that one that a reload replaces goes on where it stopped. The lock is held
/// by the receiver that runs.
#[derive(Clone, Default)]
pub struct Tails(Arc<Mutex<BTreeMap<ComponentId, Place>>>);

type Place = Arc<tokio::sync::Mutex<Option<Known>>>;

impl Tails {
    fn place(&self, id: &ComponentId) -> Place {
        Arc::clone(self.0.lock().entry(id.clone()).or_default())
    }
}

/// Reads until it is told to stop.
pub async fn run(id: ComponentId, settings: OtlpJsonFileReceiver, intake: Intake, mut stopped: oneshot::Receiver<()>) {
    let metrics = intake.metrics.receiver(&id.to_string(), TRANSPORT);
    let place = intake.tails.place(&id);
    // The receiver before this one ends with the lines that it has under way.
    let mut place = tokio::select! {
        place = place.lock() => place,
        _ = &mut stopped => return,
    };
    let reader = Arc::new(Reader { id, intake, metrics, storage: settings.storage.clone() });
    let known = match place.take() {
        Some(known) => Some(known),
        None => reader.kept().await,
    };
    let interval = settings.poll_interval;
    let mut tail = Tail::new(settings, known);
    let mut kept_at = Instant::now();
    loop {
        tail = match blocking(tail, Tail::look).await {
            Some((tail, ())) => tail,
            None => return,
        };
        let ended = loop {
            let (back, window) = match blocking(tail, Tail::read).await {
                Some(read) => read,
                None => return,
            };
            tail = back;
            let Some(window) = window else { break false };
            let (done, is_stopped) = reader.deliver(&window, &mut stopped).await;
            tail.advance(&window, done);
            if is_stopped {
                break true;
            }
            if kept_at.elapsed() >= KEEP_INTERVAL {
                reader.keep(&mut tail).await;
                kept_at = Instant::now();
            }
        };
        reader.keep(&mut tail).await;
        kept_at = Instant::now();
        if ended || tokio::time::timeout(interval, &mut stopped).await.is_ok() {
            *place = Some(tail.known());
            return;
        }
    }
}

/// Does something with the files. `None`: it panicked, which was reported where it did.
async fn blocking<T: Send + 'static>(
    mut tail: Tail,
    act: impl FnOnce(&mut Tail) -> T + Send + 'static,
) -> Option<(Tail, T)> {
    let done = spawn_blocking(move || {
        let done = act(&mut tail);
        (tail, done)
    });
    done.await.ok()
}

struct Reader {
    id: ComponentId,
    intake: Intake,
    metrics: ReceiverMetrics,
    storage: Option<ComponentId>,
}

impl Reader {
    /// Hands the lines on, side by side, and waits for what becomes of them. Says how many from the first on have ended; fewer than
    /// all only where it was told to stop, which is the second that it says.
    async fn deliver(self: &Arc<Self>, window: &Window, stopped: &mut oneshot::Receiver<()>) -> (usize, bool) {
        self.report(window);
        let (stop, _) = watch::channel(false);
        let requests = window.lines.iter().enumerate().flat_map(|(number, line)| {
            let requests = line.content.as_deref().unwrap_or_default();
            requests.iter().map(move |(signal, wire)| (number, *signal, wire.clone()))
        });
        let tasks: Vec<_> = requests
            .map(|(number, signal, wire)| {
                let (reader, place) = (Arc::clone(self), window.place(number));
                let stop = stop.subscribe();
                (number, tokio::spawn(async move { reader.send(signal, wire, &place, stop).await }))
            })
            .collect();
        let mut done = window.lines.len();
        for (number, mut task) in tasks {
            let ended = loop {
                tokio::select! {
                    // One that panicked, which was reported where it did, would panic again.
                    ended = &mut task => break ended.unwrap_or(true),
                    _ = &mut *stopped, if !*stop.borrow() => drop(stop.send_replace(true)),
                }
            };
            if !ended {
                done = done.min(number);
            }
        }
        let is_stopped = *stop.borrow();
        (done, is_stopped)
    }

    /// Until it has ended, whichever way. `false`: it would have to be sent again, and is left to whoever reads it next.
    async fn send(&self, signal: Signal, wire: Bytes, place: &str, mut stop: watch::Receiver<bool>) -> bool {
        let retry = Retry { interval_initial: Duration::from_millis(200), elapsed_max: None, ..Retry::default() };
        let mut backoff = Backoff::start(&retry);
        loop {
            let refusal = match self.take(signal, wire.clone()).await {
                Ok(()) => return true,
                Err(refusal) => refusal,
            };
            let wait = backoff.next(refusal.retry_after).filter(|_| refusal.is_retryable());
            let Some(wait) = wait else {
                tracing::error!(receiver = %self.id, %place, %signal, reason = %refusal, "a line was refused for good, and is left out");
                return true;
            };
            tracing::warn!(receiver = %self.id, %place, %signal, reason = %refusal, ?wait, "a line was refused, and will be sent again");
            if tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await.is_ok() {
                return false;
            }
        }
    }

    async fn take(&self, signal: Signal, wire: Bytes) -> Result<(), Refusal> {
        let generation = self.intake.generations.current();
        // A file may hold signals that nobody asked for.
        if generation.inlet(&self.id, signal).is_none() {
            return Ok(());
        }
        let mut permit = self.intake.budget.permit();
        permit.grow(wire.len()).map_err(|spent| Refusal::new(RefusalKind::Unavailable, spent.to_string()))?;
        let payload = Bytes::from_owner(Owned { wire, _permit: permit });
        let incoming = Incoming { signal, payload, context: RequestContext::default() };
        take(&self.id, &self.intake, &self.metrics, incoming).await.0.map(drop)
    }

    fn report(&self, window: &Window) {
        let bad: Vec<(usize, &Bad)> = window
            .lines
            .iter()
            .enumerate()
            .filter_map(|(number, line)| Some((number, line.content.as_ref().err()?)))
            .collect();
        for (number, bad) in bad.iter().take(REPORTED_PER_WINDOW_MAX) {
            tracing::error!(receiver = %self.id, place = %window.place(*number), byte = bad.byte, reason = %bad.reason, "a line is left out");
        }
        if bad.len() > REPORTED_PER_WINDOW_MAX {
            let more = bad.len() - REPORTED_PER_WINDOW_MAX;
            tracing::error!(receiver = %self.id, file = %window.path.display(), more, "more lines are left out");
        }
        bad.iter().for_each(|_| self.metrics.refused_request());
    }

    fn folder(&self) -> Option<Arc<Folder>> {
        self.intake.storages.folder_of(self.storage.as_ref()?)
    }

    fn file_name(&self) -> String {
        format!("{}.offsets", self.id)
    }

    /// What an earlier process has kept.
    async fn kept(&self) -> Option<Known> {
        let (folder, name) = (self.folder()?, self.file_name());
        let loaded = spawn_blocking(move || folder.load(&name)).await.ok()?;
        let text = match loaded {
            Ok(text) => text?,
            Err(error) => {
                tracing::error!(receiver = %self.id, %error, "what was read before cannot be looked up");
                return None;
            }
        };
        let known = serde_json::from_slice(&text);
        known.map_err(|error| tracing::error!(receiver = %self.id, %error, "what was read before is not legible")).ok()
    }

    /// Keeps the offsets, where they have changed and a folder is there.
    async fn keep(&self, tail: &mut Tail) {
        if !tail.take_changed() {
            return;
        }
        let (Some(folder), name) = (self.folder(), self.file_name()) else { return };
        let known = match serde_json::to_vec(&tail.known()) {
            Ok(known) => known,
            Err(error) => return tracing::error!(receiver = %self.id, %error, "offsets cannot be written"),
        };
        // That it panicked was reported where it did.
        if let Ok(Err(error)) = spawn_blocking(move || folder.save(&name, &known)).await {
            tracing::error!(receiver = %self.id, %error, "offsets cannot be kept: after a restart lines will come again");
            tail.set_changed();
        }
    }
}

/// A request and its part of the process's budget.
struct Owned {
    wire: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.wire
    }
}
