//! What waits between a pipeline and an exporter.
//!
//! A queue is written as *append, lease, ack*, the three steps that a queue on disk has: what is appended is the queue's
//! duty, a lease lends it to a consumer, and only the lease's ack lets go of it. A lease that ends without one (its consumer
//! was cancelled, or panicked) puts the batch back where it was. The queue in memory below promises less than one on disk,
//! and says so in the outcome that it resolves the batch's ack with; nothing else about it differs.
//!
//! ```text
//!  pipeline ──append──► [ b ][ b ][ b ] ──lease──► consumer ──ack──► gone
//!               │             ▲                        │
//!            the sender       └────── dropped ─────────┘
//!            is answered
//! ```
//!
//! Batches are counted from append to ack, so that `requests_max` bounds what is held, being sent or not.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use wasmill_batch::{Ack, Outcome, TelemetryBatch};

/// A bounded, ordered store of batches.
pub trait Queue: Send + Sync + 'static {
    type Lease: Lease;

    /// Takes over a batch and resolves its ack with what this queue promises. Does not wait for room.
    fn append(&self, batch: TelemetryBatch) -> impl Future<Output = Result<(), Rejected>> + Send;

    /// Resolves when there may be room again, or when the queue is closed. May resolve for nothing.
    fn room(&self) -> impl Future<Output = ()> + Send;

    /// The oldest batch that nobody has. Waits for one; `None` when the queue is closed and empty.
    fn lease(&self) -> impl Future<Output = Option<Self::Lease>> + Send;

    /// No more is taken. What is there can still be leased.
    fn close(&self);

    /// What it holds now, leased or not.
    fn held(&self) -> Held;
}

/// A batch on loan. Dropped without [`ack`](Lease::ack), it goes back to the head of the queue.
pub trait Lease: Send + 'static {
    fn batch(&self) -> &TelemetryBatch;

    /// It is delivered, or given up: the queue forgets it.
    fn ack(self);
}

/// A batch that a queue did not take, its ack unresolved.
pub struct Rejected {
    pub batch: TelemetryBatch,
    pub reason: RejectedReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedReason {
    /// There will be room when something is acked.
    Full,
    /// There will never be room again.
    Closed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub requests: usize,
    pub rows: u64,
    /// Buffers, indexes and columns that the batches keep in memory, those that they share with others included.
    pub retained_bytes: usize,
}

/// The queue in memory: the default, as in the Collector. What it holds does not survive a crash.
#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    requests_max: usize,
    state: Mutex<State>,
    /// Notified once for each batch that becomes available, and all on closing.
    available: Notify,
    /// Notified once for each ack, and all on closing.
    acked: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    held: Held,
    closed: bool,
}

struct Entry {
    batch: TelemetryBatch,
    retained_bytes: usize,
}

pub struct MemoryLease {
    queue: Arc<Shared>,
    /// `None` once acked.
    entry: Option<Entry>,
}

impl MemoryQueue {
    pub fn new(requests_max: usize) -> Self {
        MemoryQueue {
            shared: Arc::new(Shared {
                requests_max,
                state: Mutex::default(),
                available: Notify::new(),
                acked: Notify::new(),
            }),
        }
    }
}

impl Queue for MemoryQueue {
    type Lease = MemoryLease;

    async fn append(&self, mut batch: TelemetryBatch) -> Result<(), Rejected> {
        batch.park();
        let retained_bytes = batch.retained_bytes();
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(Rejected { batch, reason: RejectedReason::Closed });
        }
        if state.held.requests >= self.shared.requests_max {
            return Err(Rejected { batch, reason: RejectedReason::Full });
        }
        let ack = batch.replace_ack(Ack::unobserved());
        state.held.requests += 1;
        state.held.rows += batch.selection().count() as u64;
        state.held.retained_bytes += retained_bytes;
        state.waiting.push_back(Entry { batch, retained_bytes });
        let has_room = state.held.requests < self.shared.requests_max;
        drop(state);
        self.shared.available.notify_one();
        if has_room {
            // Acks that came close together may have woken only this one of several who wait for room.
            self.shared.acked.notify_one();
        }
        ack.resolve(Outcome::HeldInMemory);
        Ok(())
    }

    async fn room(&self) {
        // Registered before the state is read, so that an ack in between is not missed.
        let acked = self.shared.acked.notified();
        let has_room = {
            let state = self.shared.state.lock();
            state.closed || state.held.requests < self.shared.requests_max
        };
        if !has_room {
            acked.await;
        }
    }

    async fn lease(&self) -> Option<MemoryLease> {
        loop {
            let available = self.shared.available.notified();
            {
                let mut state = self.shared.state.lock();
                if let Some(entry) = state.waiting.pop_front() {
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

    fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.available.notify_waiters();
        self.shared.acked.notify_waiters();
    }

    fn held(&self) -> Held {
        self.shared.state.lock().held
    }
}

impl Lease for MemoryLease {
    fn batch(&self) -> &TelemetryBatch {
        match &self.entry {
            Some(entry) => &entry.batch,
            None => unreachable!("only `ack` takes the entry, and it takes the lease"),
        }
    }

    fn ack(mut self) {
        let Some(entry) = self.entry.take() else { return };
        let ended = {
            let mut state = self.queue.state.lock();
            state.held.requests -= 1;
            state.held.rows -= entry.batch.selection().count() as u64;
            state.held.retained_bytes -= entry.retained_bytes;
            state.closed && state.held.requests == 0
        };
        self.queue.acked.notify_one();
        if ended {
            self.queue.available.notify_waiters();
        }
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.queue.state.lock().waiting.push_front(entry);
            self.queue.available.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;
    use wasmill_batch::{Acked, RequestContext};
    use wasmill_wire::{Projection, Signal, WireBatch};

    use super::*;

    /// A batch of so many spans, and who waits for it.
    fn batch(spans: usize) -> (TelemetryBatch, Acked) {
        let scope = ScopeSpans { spans: vec![Span::default(); spans], ..ScopeSpans::default() };
        let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
        let request = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
        let nothing = Projection::new(Signal::Traces, Vec::new());
        let base = WireBatch::parse(Signal::Traces, request.into(), &nothing).unwrap();
        let (ack, acked) = Ack::new();
        (TelemetryBatch::new(Arc::new(base), Arc::new(RequestContext::default()), ack), acked)
    }

    fn is_ready<F: Future>(future: F) -> bool {
        matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
    }

    /// A batch is appended: its sender is told what a queue in memory promises, and it counts until its lease is acked.
    #[tokio::test]
    async fn what_is_appended_counts_until_it_is_acked() {
        let queue = MemoryQueue::new(10);
        let (first, acked) = batch(3);
        assert!(queue.append(first).await.is_ok());
        assert_eq!(acked.await, Outcome::HeldInMemory);
        assert_eq!((queue.held().requests, queue.held().rows), (1, 3));
        assert!(queue.held().retained_bytes > 0);
        let lease = queue.lease().await.unwrap();
        assert_eq!(lease.batch().selection().count(), 3);
        assert_eq!(queue.held().requests, 1, "it is lent, not gone");
        lease.ack();
        assert_eq!(queue.held(), Held::default());
    }

    /// A consumer ends with a batch in its hands: the batch is the next one again, before those that came later.
    #[tokio::test]
    async fn a_lease_that_is_dropped_goes_back_to_the_head() {
        let queue = MemoryQueue::new(10);
        for spans in [1, 2] {
            assert!(queue.append(batch(spans).0).await.is_ok());
        }
        drop(queue.lease().await.unwrap());
        let order = [queue.lease().await.unwrap(), queue.lease().await.unwrap()];
        assert_eq!(order.map(|lease| lease.batch().selection().count()), [1, 2]);
    }

    /// No room: the batch comes back with its sender still waiting, and room is told of when something is acked.
    #[tokio::test]
    async fn a_full_queue_takes_nothing_until_there_is_room() {
        let queue = MemoryQueue::new(1);
        assert!(queue.append(batch(1).0).await.is_ok());
        let (second, mut acked) = batch(1);
        let Err(Rejected { batch: second, reason }) = queue.append(second).await else { panic!("it was full") };
        assert_eq!(reason, RejectedReason::Full);
        assert!(!is_ready(&mut acked), "its ack is not resolved");
        let mut room = pin!(queue.room());
        assert!(!is_ready(&mut room));
        queue.lease().await.unwrap().ack();
        room.await;
        assert!(queue.append(second).await.is_ok());
        assert_eq!(acked.await, Outcome::HeldInMemory);
    }

    /// A queue is closed: it takes nothing more, what is there is still lent out, and consumers end when it is empty.
    #[tokio::test]
    async fn a_closed_queue_empties_and_ends() {
        let queue = MemoryQueue::new(10);
        assert!(queue.append(batch(1).0).await.is_ok());
        queue.close();
        let Err(rejected) = queue.append(batch(1).0).await else { panic!("it was closed") };
        assert_eq!(rejected.reason, RejectedReason::Closed);
        let lease = queue.lease().await.unwrap();
        let mut end = pin!(queue.lease());
        assert!(!is_ready(&mut end), "what is lent may still come back");
        lease.ack();
        assert!(end.await.is_none());
    }

    /// Many consumers and many batches: each batch is lent to one consumer, none is forgotten.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_batch_is_leased_once() {
        let queue = MemoryQueue::new(1_000);
        let mut consumers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let queue = queue.clone();
            consumers.spawn(async move {
                let mut rows = 0;
                while let Some(lease) = queue.lease().await {
                    rows += lease.batch().selection().count();
                    lease.ack();
                }
                rows
            });
        }
        for spans in 1..=200 {
            assert!(queue.append(batch(spans).0).await.is_ok());
        }
        queue.close();
        let rows: usize = consumers.join_all().await.into_iter().sum();
        assert_eq!(rows, 200 * 201 / 2);
    }
}
