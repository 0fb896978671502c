//! The `batch` processor: several requests as one, so that a backend gets fewer and larger ones.
//!
//! ```text
//!  batch ─┐                       ┌── size, timeout, deadline, memory, nobody left to wait for
//!  batch ─┼─► shard (one for each ▼
//!  batch ─┘   set of metadata) ═══════► merge ──► the rest of the newest generation's pipeline
//! ```
//!
//! A batcher outlives generations: what waits in it is decided by the stages that stand behind it when it is sent. A reload that
//! changes it, takes it away, or changes what routes before it mean, sends what waits through the pipeline that it came in by.
//!
//! When its clients are answered depends on what the exporters promise:
//!
//! - *All queue in memory* (the default): the batcher, which is memory too, answers on acceptance, as the Collector's does. What is
//!   refused behind it then is lost: counted and logged.
//! - *Some promise more*: nobody is answered before they are. To wait for more rows would be to wait for clients that wait
//!   themselves, so a batch is sent as soon as no other request of the pipeline is under way, be it before the batcher or behind
//!   it. While a backend answers, requests gather; the next batch is all of them. And none waits for longer than half of the time
//!   that its client gives it: the backend needs some.
//!
//! Requests are merged only where the configured metadata is the same, and what is merged keeps that metadata and nothing else of
//! its requests: no header of one tenant may travel with rows of another.

mod shard;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wasmill_batch::{Ack, Outcome, Refusal, RefusalKind, TelemetryBatch};
use wasmill_config::{BatchProcessor, RouteTarget};

use crate::generation::Generation;
use crate::pipeline::Pipeline;
use crate::queue::Held;
use crate::telemetry::{BatcherMetrics, SendReason};
use crate::way::{Next, Way, watch_clock};
pub(crate) use shard::Metadata;
use shard::{Load, Shard};

/// A batch is sent when it keeps so much memory, whatever its rows: as much as one request may have. A batch of 8,192 spans has 4 MiB.
const SHARD_BYTES_MAX: usize = 64 << 20;

/// What one batcher may keep in memory, batches included that are on their way to the exporters' queues. Above that, requests are
/// refused, and their clients told to retry: what is behind is slower than what comes.
const RETAINED_BYTES_MAX: usize = 256 << 20;

/// What a batcher is: one that stands on over a reload is the same in all of this.
#[derive(Clone, PartialEq, Debug)]
pub struct BatcherSpec {
    pub settings: BatchProcessor,
    /// Whether clients are answered only when the exporters have kept their promises.
    pub holds_acks: bool,
    /// What the routes mean that rows may have when they come: a row keeps its number while it waits.
    pub routes: Vec<Vec<RouteTarget>>,
}

/// One `batch` processor in one pipeline.
pub struct Batcher {
    shared: Arc<Shared>,
    timer: JoinHandle<()>,
}

struct Shared {
    name: Arc<str>,
    spec: BatcherSpec,
    metrics: BatcherMetrics,
    shard_bytes_max: usize,
    retained_bytes_max: usize,
    state: Mutex<State>,
    /// A shard is due earlier than the timer knows.
    due: Notify,
    /// A receiver for each flight.
    flights: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    shards: HashMap<Metadata, Shard>,
    /// Waiting or under way.
    held: Held,
    /// Batches on their way to this batcher, where it holds acks.
    arriving: usize,
    /// Batches on their way to the exporters.
    flying: usize,
    /// `None`: closed. Batches pass by as they come.
    next: Option<Next>,
}

/// A batch that may come to a batcher. To be dropped when it has, or will not any more.
pub struct Arriving(Arc<Shared>);

impl Batcher {
    /// One without a way to go on, which passes on what comes until it [follows](Batcher::follow) a generation. To be called
    /// within a runtime.
    pub fn start(name: Arc<str>, spec: BatcherSpec, metrics: BatcherMetrics) -> Batcher {
        Batcher::with_limits(name, spec, metrics, SHARD_BYTES_MAX, RETAINED_BYTES_MAX)
    }

    fn with_limits(
        name: Arc<str>,
        spec: BatcherSpec,
        metrics: BatcherMetrics,
        shard_bytes_max: usize,
        retained_bytes_max: usize,
    ) -> Batcher {
        let shared = Arc::new(Shared {
            name,
            spec,
            metrics,
            shard_bytes_max,
            retained_bytes_max,
            state: Mutex::default(),
            due: Notify::new(),
            flights: watch::Sender::new(()),
        });
        let timer = tokio::spawn(Arc::clone(&shared).watch_clock());
        Batcher { shared, timer }
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub fn spec(&self) -> &BatcherSpec {
        &self.shared.spec
    }

    /// From now on what is sent goes on at `step` of this pipeline.
    pub fn follow(&self, generation: &Arc<Generation>, pipeline: &Arc<Pipeline>, step: usize) {
        self.shared.state.lock().next = Some(Next::new(generation, pipeline, step));
    }

    /// Tells it of a batch that may come, where it matters.
    pub fn arriving(&self) -> Option<Arriving> {
        if !self.shared.spec.holds_acks {
            return None;
        }
        self.shared.state.lock().arriving += 1;
        Some(Arriving(Arc::clone(&self.shared)))
    }

    /// Takes a batch. What comes back goes on at once, on the caller's task.
    pub fn take(&self, mut batch: TelemetryBatch, arriving: Option<Arriving>) -> Vec<TelemetryBatch> {
        let shared = &self.shared;
        let settings = &shared.spec.settings;
        let metadata = Metadata::of(batch.context(), &settings.metadata_keys);
        if settings.timeout.is_zero() || settings.rows_trigger == 0 {
            return shared.pass(metadata, batch, SendReason::Size);
        }
        batch.park();
        let mut state = shared.state.lock();
        if state.next.is_none() {
            drop(state);
            return shared.pass(metadata, batch, SendReason::Closed);
        }
        if let Err(refusal) = shared.has_room(&state, &metadata) {
            drop(state);
            batch.resolve(Outcome::Refused(refusal));
            return Vec::new();
        }
        let ack = (!shared.spec.holds_acks).then(|| batch.replace_ack(Ack::unobserved()));
        shared.park(&mut state, metadata, batch);
        drop(state);
        // A client that is answered may send its next request before the one before is sent.
        if let Some(ack) = ack {
            ack.resolve(Outcome::HeldInMemory);
        }
        drop(arriving);
        Vec::new()
    }

    /// Sends what waits, and passes on what comes from now on.
    pub fn close(&self) {
        let mut state = self.shared.state.lock();
        self.shared.send_all(&mut state, SendReason::Closed);
        state.next = None;
    }

    /// Resolves when nothing that it has sent is under way.
    pub async fn idle(&self) {
        self.shared.flights.closed().await;
    }

    /// What it has answered for: nothing where clients still wait.
    pub fn held(&self) -> Held {
        if self.shared.spec.holds_acks { Held::default() } else { self.shared.state.lock().held }
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.arriving -= 1;
        self.0.send_if_all_wait(&mut state);
    }
}

impl Shared {
    fn has_room(&self, state: &State, metadata: &Metadata) -> Result<(), Refusal> {
        let refusal = |why: String| {
            Refusal::new(RefusalKind::Unavailable, format!("processor `{}` has no room: {why}", self.name))
        };
        if state.held.retained_bytes >= self.retained_bytes_max {
            let most = self.retained_bytes_max >> 20;
            return Err(refusal(format!("its batches keep {most} MiB, more than the exporters take")));
        }
        match self.spec.settings.metadata_combinations_max {
            Some(most) if state.shards.len() >= most.get() && !state.shards.contains_key(metadata) => Err(refusal(
                format!("{most} combinations of metadata (`metadata_cardinality_limit`) have rows waiting"),
            )),
            _ => Ok(()),
        }
    }

    /// Adds a batch to its shard, and sends what is full.
    fn park(self: &Arc<Self>, state: &mut State, metadata: Metadata, batch: TelemetryBatch) {
        let settings = &self.spec.settings;
        let now = Instant::now();
        let bytes = batch.retained_bytes();
        state.held.requests += 1;
        state.held.rows += batch.selection().count() as u64;
        state.held.retained_bytes += bytes;
        self.metrics.retained_bytes.inc_by(bytes as i64);
        let earliest = state.shards.values().map(|shard| shard.due).min();
        let shard = state.shards.entry(metadata.clone()).or_insert_with(|| {
            self.metrics.cardinality.inc();
            Shard::new(now + settings.timeout)
        });
        if self.spec.holds_acks {
            shard.hurry(now, batch.context().deadline.map(Instant::from_std));
        }
        shard.push(batch, bytes);
        if earliest.is_none_or(|earliest| shard.due < earliest) {
            self.due.notify_one();
        }
        if shard.rows >= settings.rows_trigger {
            self.send(state, &metadata, SendReason::Size);
        } else if shard.bytes >= self.shard_bytes_max {
            self.send(state, &metadata, SendReason::Memory);
        }
    }

    fn send_if_all_wait(self: &Arc<Self>, state: &mut State) {
        if self.spec.holds_acks && state.arriving == 0 && state.flying == 0 {
            self.send_all(state, SendReason::CallersWait);
        }
    }

    fn send_all(self: &Arc<Self>, state: &mut State, reason: SendReason) {
        let shards: Vec<Metadata> = state.shards.keys().cloned().collect();
        shards.iter().for_each(|metadata| self.send(state, metadata, reason));
    }

    /// Sends what waits in a shard; because of its size, all but what is too little for a batch.
    fn send(self: &Arc<Self>, state: &mut State, metadata: &Metadata, reason: SendReason) {
        let settings = &self.spec.settings;
        let Some(mut shard) = state.shards.remove(metadata) else { return };
        // Pinned here, where the caller sees to it that the generation lives: it may be about to go. Without one the engine is gone,
        // and the acks go the way of everything that is dropped.
        let Some(way) = state.next.as_ref().and_then(Next::pin) else { return };
        let least = if reason == SendReason::Size { settings.rows_trigger } else { 1 };
        let mut loads = Vec::new();
        while shard.rows >= least {
            loads.push(shard.unload(settings.rows_max));
        }
        if shard.rows > 0 {
            shard.wait_until(Instant::now() + settings.timeout, self.spec.holds_acks);
            state.shards.insert(metadata.clone(), shard);
            self.due.notify_one();
        } else {
            self.metrics.cardinality.dec();
        }
        let mut flights: Vec<(Load, Flight)> = Vec::new();
        for load in loads {
            self.metrics.sent(load.rows, reason);
            state.flying += 1;
            let held =
                Held { requests: load.requests(), rows: load.rows as u64, retained_bytes: load.bytes, disk_bytes: 0 };
            flights.push((load, Flight { shared: Arc::clone(self), held, _lands: self.flights.subscribe() }));
        }
        let (metadata, holds_acks) = (metadata.clone(), self.spec.holds_acks);
        tokio::spawn(async move {
            for (load, flight) in flights {
                let flies = flight.fly(load, metadata.clone(), way.clone());
                // Clients wait for these: side by side. Otherwise in order, as they came.
                if holds_acks {
                    tokio::spawn(flies);
                } else {
                    flies.await;
                }
            }
        });
    }

    /// What does not wait: as it came, but for its context and its size.
    fn pass(&self, metadata: Metadata, batch: TelemetryBatch, reason: SendReason) -> Vec<TelemetryBatch> {
        let mut shard = Shard::new(Instant::now());
        shard.push(batch, 0);
        let mut passed = Vec::new();
        while shard.rows > 0 {
            let load = shard.unload(self.spec.settings.rows_max);
            self.metrics.sent(load.rows, reason);
            passed.extend(load.merge(&metadata, None));
        }
        passed
    }

    /// Sends what has waited for long enough.
    async fn watch_clock(self: Arc<Self>) {
        watch_clock(&self.due, || self.send_due(self.state.lock())).await;
    }

    /// When the next one is due.
    fn send_due(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Option<Instant> {
        let now = Instant::now();
        let due = state.shards.iter().filter(|(_, shard)| shard.due <= now);
        let due: Vec<_> = due.map(|(metadata, shard)| (metadata.clone(), shard.hurried)).collect();
        for (metadata, hurried) in due {
            self.send(&mut state, &metadata, if hurried { SendReason::Deadline } else { SendReason::Timeout });
        }
        state.shards.values().map(|shard| shard.due).min()
    }
}

/// One batch on its way from the batcher until everybody behind has said what became of it.
struct Flight {
    shared: Arc<Shared>,
    held: Held,
    _lands: watch::Receiver<()>,
}

impl Flight {
    async fn fly(self, load: Load, metadata: Metadata, way: Way) {
        let (ack, acked) = Ack::new();
        // Accepted is accepted: only this flight waits for what becomes of it.
        let batches = match self.shared.spec.holds_acks {
            true => load.merge(&metadata, Some(ack)),
            false => load.merge_accepted(&metadata, ack),
        };
        if let Some(batch) = batches {
            way.pipeline.run_from(way.step, batch, &way.generation).await;
        }
        // What waits for a backend now needs no plugin.
        drop(way);
        if let Outcome::Refused(refusal) = acked.await
            && !self.shared.spec.holds_acks
        {
            self.shared.metrics.lost.inc_by(self.held.rows);
            tracing::error!(processor = %self.shared.name, rows = self.held.rows, reason = %refusal,
                "a batch was refused after its clients had been answered: at least a part of it is lost");
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.flying -= 1;
        state.held.requests -= self.held.requests;
        state.held.rows -= self.held.rows;
        state.held.retained_bytes -= self.held.retained_bytes;
        self.shared.metrics.retained_bytes.dec_by(self.held.retained_bytes as i64);
        self.shared.send_if_all_wait(&mut state);
    }
}

#[cfg(test)]
pub(crate) mod tests;
