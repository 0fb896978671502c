//! An exporter with everything around it: a queue, consumers, retries, counts. One for each signal that reaches the exporter,
//! as in the Collector, so that a flood of one signal does not hold up another.
//!
//! ```text
//!                ┌─ queue ──► consumers ─┐
//!  submit ───────┤                       ├──► deliver: attempt, wait, attempt … ──► Exporter::send
//!                └─ no queue ────────────┘
//! ```
//!
//! With a queue the sender is answered on acceptance; without one, when the backend has answered. What is given up after that
//! answer is logged and counted (`otelcol_exporter_send_failed_…`): nobody else would hear of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmill_batch::{Outcome, Refusal, RefusalKind, TelemetryBatch};
use wasmill_config::{OnFull, Retry, SendingQueue};
use wasmill_wire::Signal;

use crate::ack_point::AckPoint;
use crate::exporter::{Exporter, Request};
use crate::queue::{Held, Lease, MemoryQueue, Queue, Rejected, RejectedReason};
use crate::retry::Backoff;
use crate::telemetry::ExporterMetrics;

/// How long `on_full: block` waits for room when the caller has set no deadline: as long as SDKs wait at most by default for an
/// answer, thrice over. A wait without end would let one dead backend collect every request there is.
pub const BLOCK_MAX: Duration = Duration::from_secs(30);

/// How to treat batches around an exporter.
#[derive(Clone, Debug, PartialEq)]
pub struct OutletSettings {
    /// `None`: the sender waits for the backend.
    pub queue: Option<SendingQueue>,
    /// `None`: the first failure is final.
    pub retry: Option<Retry>,
    pub on_full: OnFull,
}

/// One signal's way to one exporter.
pub struct Outlet {
    delivery: Arc<Delivery>,
    queue: Option<MemoryQueue>,
    on_full: OnFull,
    consumers: Mutex<JoinSet<()>>,
}

/// What consumers share, and what a batch without a queue uses on its own task.
struct Delivery {
    name: Arc<str>,
    signal: Signal,
    exporter: Arc<dyn Exporter>,
    retry: Option<Retry>,
    metrics: ExporterMetrics,
}

impl Outlet {
    /// Starts the consumers. To be called within a runtime.
    pub fn start(
        name: Arc<str>,
        signal: Signal,
        exporter: Arc<dyn Exporter>,
        settings: OutletSettings,
        metrics: ExporterMetrics,
    ) -> Outlet {
        let OutletSettings { queue: queue_settings, retry, on_full } = settings;
        let delivery = Arc::new(Delivery { name, signal, exporter, retry, metrics });
        let mut consumers = JoinSet::new();
        let queue = queue_settings.map(|settings| {
            let queue = MemoryQueue::new(settings.requests_max.get());
            for _ in 0..settings.consumers.get() {
                consumers.spawn(consume(Arc::clone(&delivery), queue.clone()));
            }
            delivery.metrics.watch_queue(settings.requests_max.get(), &queue);
            queue
        });
        Outlet { delivery, queue, on_full, consumers: Mutex::new(consumers) }
    }

    pub fn name(&self) -> &Arc<str> {
        &self.delivery.name
    }

    pub fn ack_point(&self) -> AckPoint {
        AckPoint::of_exporter(self.queue.is_some())
    }

    /// Whether [`submit`](Outlet::submit) may wait: for the backend, or for room.
    pub fn waits(&self) -> bool {
        self.queue.is_none() || self.on_full == OnFull::Block
    }

    /// Takes a batch and sees to it that its ack is resolved. Waits for the backend where there is no queue, and for room where
    /// `on_full` says so.
    pub async fn submit(&self, batch: TelemetryBatch) {
        match &self.queue {
            Some(queue) => self.enqueue(queue, batch).await,
            None => {
                let request = self.delivery.exporter.prepare(&batch);
                let deadline = batch.context().deadline.map(Instant::from_std);
                let outcome = self.delivery.deliver(&request, deadline).await;
                batch.resolve(outcome);
            }
        }
    }

    async fn enqueue(&self, queue: &MemoryQueue, mut batch: TelemetryBatch) {
        let now = Instant::now();
        let until = batch.context().deadline.map_or(now + BLOCK_MAX, |at| Instant::from_std(at).min(now + BLOCK_MAX));
        loop {
            let Rejected { batch: back, reason } = match queue.append(batch).await {
                Ok(()) => return,
                Err(rejected) => rejected,
            };
            let may_wait = reason == RejectedReason::Full && self.on_full == OnFull::Block;
            if may_wait && tokio::time::timeout_at(until, queue.room()).await.is_ok() {
                batch = back;
                continue;
            }
            self.delivery.metrics.enqueue_failed(back.selection().count() as u64);
            back.resolve(self.not_queued(reason, may_wait));
            return;
        }
    }

    fn not_queued(&self, reason: RejectedReason, waited: bool) -> Outcome {
        let name = &self.delivery.name;
        match reason {
            RejectedReason::Full if self.on_full == OnFull::DropNewest => Outcome::Dropped,
            RejectedReason::Full => {
                let kind = if waited { RefusalKind::DeadlineExceeded } else { RefusalKind::Unavailable };
                Outcome::Refused(Refusal::new(kind, format!("the sending queue of exporter `{name}` is full")))
            }
            RejectedReason::Closed => {
                Outcome::Refused(Refusal::new(RefusalKind::Unavailable, format!("exporter `{name}` is shutting down")))
            }
        }
    }

    /// Takes no more, and waits until everything is delivered or given up, at most until `limit`. Says what was left, which is
    /// lost then.
    pub async fn drain(&self, limit: Instant) -> Held {
        let Some(queue) = &self.queue else { return Held::default() };
        queue.close();
        let mut consumers = std::mem::take(&mut *self.consumers.lock());
        let all = async { while consumers.join_next().await.is_some() {} };
        if tokio::time::timeout_at(limit, all).await.is_err() {
            // Their leases go back to the queue, and are counted there.
            consumers.shutdown().await;
        }
        let left = queue.held();
        self.delivery.metrics.send_failed(left.rows);
        left
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.delivery.metrics.forget_queue();
    }
}

/// Leases, delivers and acks until the queue is closed and empty.
async fn consume(delivery: Arc<Delivery>, queue: MemoryQueue) {
    while let Some(lease) = queue.lease().await {
        // A batch that an exporter cannot even write must not end its consumer, and must not come back to the next one.
        let prepared = catch_unwind(AssertUnwindSafe(|| delivery.exporter.prepare(lease.batch())));
        match prepared {
            Ok(request) => drop(delivery.deliver(&request, None).await),
            Err(_) => delivery.given_up(lease.batch().selection().count() as u64),
        }
        lease.ack();
    }
}

impl Delivery {
    fn given_up(&self, rows: u64) {
        self.metrics.send_failed(rows);
        tracing::error!(exporter = %self.name, signal = %self.signal, rows, "the exporter failed on a batch, which is lost");
    }

    /// Attempts until the backend has it, refuses it for good, or there is no more time.
    async fn deliver(&self, request: &Request, deadline: Option<Instant>) -> Outcome {
        let mut backoff = self.retry.as_ref().map(Backoff::start);
        loop {
            let refusal = match self.exporter.send(request).await {
                Ok(sent) => {
                    if sent.rejected_rows > 0 {
                        let rejected = sent.rejected_rows;
                        tracing::warn!(exporter = %self.name, signal = %self.signal, rejected, message = %sent.message,
                            "the backend took the request in part");
                    }
                    let rejected = sent.rejected_rows.min(request.rows);
                    self.metrics.sent(request.rows - rejected);
                    self.metrics.send_failed(rejected);
                    return Outcome::Delivered;
                }
                Err(refusal) => refusal,
            };
            let wait = backoff.as_mut().filter(|_| refusal.is_retryable()).and_then(|b| b.next(refusal.retry_after));
            // A caller that will have gone by then sends the same data again: to go on would deliver it twice.
            let wait = wait.filter(|wait| deadline.is_none_or(|deadline| Instant::now() + *wait < deadline));
            let Some(wait) = wait else {
                self.metrics.send_failed(request.rows);
                tracing::error!(exporter = %self.name, signal = %self.signal, rows = request.rows, reason = %refusal,
                    retryable = refusal.is_retryable(), "exporting failed");
                return Outcome::Refused(refusal);
            };
            tracing::warn!(exporter = %self.name, signal = %self.signal, rows = request.rows, reason = %refusal, wait = ?wait,
                "exporting failed, will be tried again");
            tokio::time::sleep(wait).await;
        }
    }
}
