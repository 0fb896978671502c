//! The queue in memory: the default, as in the Collector. What it holds does not survive a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use wasmill_batch::{Ack, Outcome, TelemetryBatch};

use super::{Capacity, Content, Held, Lease, Queue, Rejected, RejectedReason};
use crate::outlet::Delivered;

#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    capacity: Capacity,
    /// The sender is answered when its batch is delivered, not when it is taken.
    wait_for_result: bool,
    state: Mutex<State>,
    /// Notified once for each batch that becomes available, and all on closing.
    available: Notify,
    /// Notified once for each ack, and all on closing.
    acked: Notify,
}

#[derive(Default)]
struct State {
    /// By the order in which they came: what comes back from a lease goes where it was.
    waiting: BTreeMap<u64, Entry>,
    next: u64,
    held: Held,
    closed: bool,
}

struct Entry {
    number: u64,
    batch: TelemetryBatch,
    held: Held,
}

pub struct MemoryLease {
    queue: Arc<Shared>,
    /// `None` once acked.
    entry: Option<Entry>,
}

impl MemoryQueue {
    pub fn new(capacity: Capacity, wait_for_result: bool) -> Self {
        MemoryQueue {
            shared: Arc::new(Shared {
                capacity,
                wait_for_result,
                state: Mutex::default(),
                available: Notify::new(),
                acked: Notify::new(),
            }),
        }
    }

    /// No more is taken. What is there can still be leased.
    pub fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.available.notify_waiters();
        self.shared.acked.notify_waiters();
    }
}

impl Queue for MemoryQueue {
    type Lease = MemoryLease;

    async fn append(&self, mut batch: TelemetryBatch) -> Result<(), Rejected> {
        batch.park();
        let rows = batch.selection().count() as u64;
        let held = Held { requests: 1, rows, retained_bytes: batch.retained_bytes(), disk_bytes: 0 };
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(Rejected { batch, reason: RejectedReason::Closed });
        }
        if let Err(reason) = self.shared.capacity.check(state.held, held) {
            return Err(Rejected { batch, reason });
        }
        let ack = (!self.shared.wait_for_result).then(|| batch.replace_ack(Ack::unobserved()));
        state.held.add(held);
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, Entry { number, batch, held });
        let has_room = self.shared.capacity.has_room(state.held);
        drop(state);
        self.shared.available.notify_one();
        if has_room {
            // Acks that came close together may have woken only this one of several who wait for room.
            self.shared.acked.notify_one();
        }
        if let Some(ack) = ack {
            ack.resolve(Outcome::HeldInMemory);
        }
        Ok(())
    }

    async fn room(&self, _: &RejectedReason) {
        // The caller has just been rejected: what matters is the next ack. One between the two has left its notification.
        let acked = self.shared.acked.notified();
        if !self.shared.state.lock().closed {
            acked.await;
        }
    }

    async fn lease(&self) -> Option<MemoryLease> {
        loop {
            let available = self.shared.available.notified();
            {
                let mut state = self.shared.state.lock();
                if let Some((_, entry)) = state.waiting.pop_first() {
                    if !state.waiting.is_empty() {
                        // Appends that came close together may have woken only this consumer.
                        self.shared.available.notify_one();
                    }
                    return Some(MemoryLease { queue: Arc::clone(&self.shared), entry: Some(entry) });
                }
                // A batch on loan may still come back: the queue has ended only when nothing is held.
                if state.closed && state.held.requests == 0 {
                    return None;
                }
            }
            available.await;
        }
    }

    fn held(&self) -> Held {
        self.shared.state.lock().held
    }
}

impl Lease for MemoryLease {
    fn content(&self) -> Content<'_> {
        match &self.entry {
            Some(entry) => Content::Batch(&entry.batch),
            None => unreachable!("only `ack` takes the entry, and it takes the lease"),
        }
    }

    fn ack(mut self, delivered: impl Into<Delivered>) {
        let Some(entry) = self.entry.take() else { return };
        let ended = {
            let mut state = self.queue.state.lock();
            state.held.remove(entry.held);
            state.closed && state.held.requests == 0
        };
        self.queue.acked.notify_one();
        if ended {
            self.queue.available.notify_waiters();
        }
        // Nobody hears of it unless the sender waits for the result.
        delivered.into().resolve(entry.batch);
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.queue.state.lock().waiting.insert(entry.number, entry);
            self.queue.available.notify_one();
        }
    }
}
