//! The queue on disk: what it has taken survives a crash.
//!
//! In memory is what finds a request again, some hundred bytes for each; the requests are read when a consumer leases them, one
//! for each consumer. A batch is written as the request that it would be sent as, and comes back as that.
//!
//! One log may have two outlets for a while, when a reload replaces an exporter: both append, and what the old one has not
//! delivered is the new one's.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use wasmill_batch::{Outcome, TelemetryBatch};
use wasmill_storage::{AppendError, Folder, Log, NewRecord, Record, Recovered};
use wasmill_wire::Signal;

use super::{Capacity, Content, Held, Lease, Queue, Rejected, RejectedReason, envelope};
use crate::engine::chain;
use crate::exporter::Request;
use crate::outlet::Delivered;
use crate::telemetry::ExporterMetrics;

/// Between attempts to read what a disk does not give, and to write what it does not take.
const DISK_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Damage that is logged one by one; it is counted in any case.
const DAMAGE_LOGGED_MAX: usize = 100;

#[derive(Clone)]
pub struct DurableQueue {
    shared: Arc<Shared>,
}

struct Shared {
    /// For messages.
    exporter: Arc<str>,
    signal: Signal,
    log: Log,
    metrics: ExporterMetrics,
    state: Mutex<State>,
    /// Notified once for each request that becomes available.
    available: Notify,
    /// Notified once for each ack.
    acked: Notify,
    /// Kept as long as its logs are.
    _folder: Arc<Folder>,
}

struct State {
    capacity: Capacity,
    /// By sequence number: what comes back from a lease goes where it was.
    waiting: BTreeMap<u64, Record>,
    held: Held,
}

/// A request on loan. Dropped without an ack, it goes back.
pub struct DurableLease {
    queue: Arc<Shared>,
    /// `None` once acked.
    record: Option<Record>,
    /// `None` until it is read.
    request: Option<Request>,
}

impl DurableQueue {
    /// A queue on a log that was just opened, with what was found in it.
    pub fn new(
        exporter: Arc<str>,
        signal: Signal,
        capacity: Capacity,
        folder: Arc<Folder>,
        (log, recovered): (Log, Recovered),
        metrics: ExporterMetrics,
    ) -> DurableQueue {
        report(&exporter, signal, &recovered, &metrics);
        let mut held = Held::default();
        recovered.records.iter().for_each(|record| held.add(held_of(record)));
        let waiting = recovered.records.into_iter().map(|record| (record.sequence, record)).collect();
        let state = Mutex::new(State { capacity, waiting, held });
        let (available, acked) = (Notify::new(), Notify::new());
        let shared = Shared { exporter, signal, log, metrics, state, available, acked, _folder: folder };
        DurableQueue { shared: Arc::new(shared) }
    }

    /// How much it may hold from now on. What it holds above that stays.
    pub fn set_capacity(&self, capacity: Capacity) {
        self.shared.state.lock().capacity = capacity;
        self.shared.acked.notify_waiters();
    }

    pub fn same_log(&self, other: &DurableQueue) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    pub fn downgrade(&self) -> WeakDurableQueue {
        WeakDurableQueue(Arc::downgrade(&self.shared))
    }

    pub fn exporter(&self) -> &str {
        &self.shared.exporter
    }

    pub fn signal(&self) -> Signal {
        self.shared.signal
    }

    /// Resolves when nothing is held, leased or not.
    pub async fn empty(&self) {
        loop {
            let acked = self.shared.acked.notified();
            if self.held().requests == 0 {
                return;
            }
            acked.await;
        }
    }

    /// Takes no more, and waits until acknowledgements are on disk. Blocks.
    pub fn close(&self) {
        self.shared.log.close();
    }
}

pub struct WeakDurableQueue(std::sync::Weak<Shared>);

impl WeakDurableQueue {
    pub fn upgrade(&self) -> Option<DurableQueue> {
        self.0.upgrade().map(|shared| DurableQueue { shared })
    }
}

impl Queue for DurableQueue {
    type Lease = DurableLease;

    async fn append(&self, batch: TelemetryBatch) -> Result<(), Rejected> {
        let body = batch.encode();
        let rows = batch.selection().count() as u64;
        let record = NewRecord {
            parts: envelope::seal(self.shared.signal, batch.context(), body),
            items: u32::try_from(rows).unwrap_or(u32::MAX),
            partition: 0,
        };
        let payload_bytes = record.parts.iter().map(|part| part.len() as u64).sum();
        let held = Held { requests: 1, rows, retained_bytes: 0, disk_bytes: payload_bytes };
        {
            let mut state = self.shared.state.lock();
            if let Err(reason) = state.capacity.check(state.held, held) {
                return Err(Rejected { batch, reason });
            }
            state.held.add(held);
        }
        let (sender, written) = oneshot::channel();
        let queue = Arc::clone(&self.shared);
        // On the log's thread, so that what is on disk is available in the order in which it is there, whoever waits or not.
        let done = move |result: Result<Record, AppendError>| {
            let result = match result {
                Ok(record) => {
                    queue.state.lock().waiting.insert(record.sequence, record);
                    queue.available.notify_one();
                    Ok(())
                }
                Err(error) => {
                    queue.state.lock().held.remove(held);
                    queue.acked.notify_one();
                    Err(error)
                }
            };
            drop(sender.send(result));
        };
        self.shared.log.append(record, Box::new(done));
        match written.await {
            Ok(Ok(())) => {
                batch.resolve(Outcome::DurablyQueued);
                Ok(())
            }
            Ok(Err(error)) => Err(Rejected { batch, reason: reason(&error) }),
            // The log's thread is gone, with what it was asked for.
            Err(_) => Err(Rejected { batch, reason: RejectedReason::Closed }),
        }
    }

    async fn room(&self, rejected: &RejectedReason) {
        let acked = self.shared.acked.notified();
        match rejected {
            RejectedReason::Full => acked.await,
            // Others may free the disk, and nobody tells.
            _ => drop(tokio::time::timeout(DISK_RETRY_INTERVAL, acked).await),
        }
    }

    async fn lease(&self) -> Option<DurableLease> {
        loop {
            let available = self.shared.available.notified();
            let Some(mut lease) = self.next() else {
                available.await;
                continue;
            };
            match lease.read().await {
                Ok(()) => return Some(lease),
                Err(error) if error.kind() == ErrorKind::InvalidData => lease.give_up(&chain(&error)),
                Err(error) => {
                    tracing::error!(exporter = %self.shared.exporter, signal = %self.shared.signal, error = chain(&error),
                        "a queued request cannot be read, will be tried again");
                    drop(lease);
                    tokio::time::sleep(DISK_RETRY_INTERVAL).await;
                }
            }
        }
    }

    fn held(&self) -> Held {
        self.shared.state.lock().held
    }
}

impl DurableQueue {
    fn next(&self) -> Option<DurableLease> {
        let mut state = self.shared.state.lock();
        let (_, record) = state.waiting.pop_first()?;
        if !state.waiting.is_empty() {
            // Appends that came close together may have woken only this consumer.
            self.shared.available.notify_one();
        }
        Some(DurableLease { queue: Arc::clone(&self.shared), record: Some(record), request: None })
    }
}

impl DurableLease {
    async fn read(&mut self) -> std::io::Result<()> {
        let Some(record) = self.record.clone() else { return Ok(()) };
        let (log, rows) = (self.queue.log.clone(), u64::from(record.items));
        let read = tokio::task::spawn_blocking(move || log.read(&record)).await;
        let payload: Bytes = read.map_err(std::io::Error::other)??;
        let request = envelope::open(self.queue.signal, rows, payload);
        let unknown = || std::io::Error::new(ErrorKind::InvalidData, "the record is not a request of this signal");
        self.request = Some(request.ok_or_else(unknown)?);
        Ok(())
    }

    /// It was damaged since it was written, or since the log was opened.
    fn give_up(self, reason: &str) {
        let (queue, rows) = (Arc::clone(&self.queue), self.record.as_ref().map_or(0, |record| record.items));
        queue.metrics.queue_damaged(1);
        queue.metrics.send_failed(u64::from(rows));
        tracing::error!(exporter = %queue.exporter, signal = %queue.signal, rows, reason,
            "a queued request is damaged, and lost");
        self.ack(Outcome::Dropped);
    }
}

impl Lease for DurableLease {
    fn content(&self) -> Content<'_> {
        match &self.request {
            Some(request) => Content::Encoded(request),
            None => unreachable!("a lease is given out when it is read"),
        }
    }

    fn ack(mut self, _: impl Into<Delivered>) {
        let Some(record) = self.record.take() else { return };
        self.queue.state.lock().held.remove(held_of(&record));
        self.queue.log.ack(record);
        self.queue.acked.notify_one();
    }
}

impl Drop for DurableLease {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.queue.state.lock().waiting.insert(record.sequence, record);
            self.queue.available.notify_one();
        }
    }
}

fn held_of(record: &Record) -> Held {
    let (rows, disk_bytes) = (u64::from(record.items), u64::from(record.len));
    Held { requests: 1, rows, retained_bytes: 0, disk_bytes }
}

fn reason(error: &AppendError) -> RejectedReason {
    match error {
        AppendError::TooLarge { .. } => RejectedReason::TooLarge,
        AppendError::Closed => RejectedReason::Closed,
        AppendError::Full { .. } | AppendError::Disk(_) => RejectedReason::Disk(chain(error).into()),
    }
}

/// Says what recovery found.
fn report(exporter: &str, signal: Signal, recovered: &Recovered, metrics: &ExporterMetrics) {
    let Recovered { records, damage, torn_bytes, acks_damaged, foreign } = recovered;
    metrics.queue_damaged(damage.len() as u64);
    for (file, damage) in damage.iter().take(DAMAGE_LOGGED_MAX) {
        let (file, offset, bytes, reason) = (file.display(), damage.offset, damage.bytes, damage.reason);
        tracing::error!(%exporter, %signal, %file, offset, bytes, reason,
            "a part of the queue is damaged, and lost; what is intact is delivered");
    }
    if damage.len() > DAMAGE_LOGGED_MAX {
        tracing::error!(%exporter, %signal, places = damage.len(), "the queue is damaged in more places");
    }
    for file in foreign {
        tracing::warn!(%exporter, %signal, file = %file.display(), "this is no segment of a queue, and is left alone");
    }
    if *torn_bytes > 0 || *acks_damaged > 0 {
        tracing::warn!(%exporter, %signal, torn_bytes, acks_damaged,
            "the queue was not closed: what was being written is dropped, as nobody was told that it was taken");
    }
    if !records.is_empty() {
        let rows: u64 = records.iter().map(|record| u64::from(record.items)).sum();
        tracing::info!(%exporter, %signal, requests = records.len(), rows, "the queue has requests from before, which are delivered");
    }
}
