//! An exporter with everything around it: a queue, consumers, retries, counts. One for each signal that reaches the exporter,
//! as in the Collector, so that a flood of one signal does not hold up another.
//!
//! ```text
//!                ┌─ queue ──► consumers ─┐
//!  submit ───────┤                       ├──► deliver: attempt, wait, attempt … ──► Exporter::send
//!                └─ no queue ────────────┘
//! ```
//!
//! With a queue the sender is answered on acceptance, or when its data is on disk; without one, when the backend has answered. What
//! is given up after that answer is logged and counted (`otelcol_exporter_send_failed_…`): nobody else would hear of it.
//!
//! A queue on disk outlives its outlet. It is [opened](Outlet::open) when a configuration is put into service, not when one is
//! built: until then another outlet, or another process, may have it. An outlet that is replaced [hands over](Outlet::hand_over):
//! what it waits to send again goes back to the queue, and is the next one's.

mod gather;
mod sources;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmill_batch::{Outcome, Refusal, RefusalKind, TelemetryBatch};
use wasmill_config::{ComponentId, OnFull, Retry, SendingQueue, Sizer};
use wasmill_wire::Signal;

use crate::ack_point::AckPoint;
use crate::exporter::{Exporter, Request};
use crate::queue::{Capacity, Content, DurableQueue, Held, Lease, MemoryQueue, Queue, Rejected, RejectedReason};
use crate::retry::Backoff;
use crate::telemetry::{ExporterMetrics, Tracing, items};

pub use sources::Delivered;

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
    /// `None`: the sender waits for the backend.
    queue: Option<Waiting>,
    settings: Option<SendingQueue>,
    on_full: OnFull,
    consumers: Mutex<JoinSet<()>>,
    /// `true`: consumers end with what they are sending.
    handed_over: watch::Sender<bool>,
    /// `true`: nothing waits for more to be sent with.
    closing: watch::Sender<bool>,
}

enum Waiting {
    Memory(MemoryQueue),
    /// Empty until it is opened.
    Durable(OnceLock<DurableQueue>),
}

/// What consumers share, and what a batch without a queue uses on its own task.
struct Delivery {
    name: Arc<str>,
    signal: Signal,
    exporter: Arc<dyn Exporter>,
    retry: Option<Retry>,
    metrics: ExporterMetrics,
    tracing: Tracing,
    handed_over: watch::Receiver<bool>,
}

/// How an outlet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing will deliver what it leaves, for a while at least.
    Removed,
    /// The process ends, and another one will come.
    Shutdown,
}

impl Outlet {
    /// Starts the consumers of a queue in memory; one on disk is to be [opened](Outlet::open). To be called within a runtime.
    pub fn start(
        name: Arc<str>,
        signal: Signal,
        exporter: Arc<dyn Exporter>,
        settings: OutletSettings,
        metrics: ExporterMetrics,
        tracing: Tracing,
    ) -> Outlet {
        let OutletSettings { queue: settings, retry, on_full } = settings;
        let (handed_over, stop) = watch::channel(false);
        let delivery = Arc::new(Delivery { name, signal, exporter, retry, metrics, tracing, handed_over: stop });
        let mut consumers = JoinSet::new();
        let closing = watch::Sender::new(false);
        let queue = settings.as_ref().map(|settings| {
            if settings.storage.is_some() {
                return Waiting::Durable(OnceLock::new());
            }
            let queue = MemoryQueue::new(capacity(settings), settings.wait_for_result);
            spawn_consumers(&mut consumers, &delivery, &queue, settings, &closing);
            delivery.metrics.watch_queue(capacity(settings), &queue);
            Waiting::Memory(queue)
        });
        Outlet { delivery, queue, settings, on_full, consumers: Mutex::new(consumers), handed_over, closing }
    }

    pub fn name(&self) -> &Arc<str> {
        &self.delivery.name
    }

    pub fn signal(&self) -> Signal {
        self.delivery.signal
    }

    /// What its exporter keeps for scrapers.
    pub fn scraped(&self) -> Option<&Arc<wasmill_prometheus::Store>> {
        self.delivery.exporter.scraped()
    }

    /// The extension that keeps the queue; `None`: it is in memory, or there is none.
    pub fn storage(&self) -> Option<&ComponentId> {
        self.settings.as_ref()?.storage.as_ref()
    }

    /// Of its queue. Without one it holds nothing.
    pub fn capacity(&self) -> Capacity {
        self.settings.as_ref().map_or(Capacity { size_max: 0, sizer: Sizer::Requests }, capacity)
    }

    /// What waits in its queue, what is being sent included.
    pub fn held(&self) -> Held {
        match &self.queue {
            Some(Waiting::Memory(queue)) => queue.held(),
            Some(Waiting::Durable(queue)) => queue.get().map(Queue::held).unwrap_or_default(),
            None => Held::default(),
        }
    }

    pub fn metrics(&self) -> &ExporterMetrics {
        &self.delivery.metrics
    }

    /// Gives it its queue on disk. Nothing is delivered before [`begin`](Outlet::begin).
    pub fn open(&self, queue: DurableQueue) {
        if let Some(Waiting::Durable(place)) = &self.queue {
            // It is opened once: what is in service already keeps what it has.
            let _ = place.set(queue);
        }
    }

    /// The queue on disk, once it is opened.
    pub fn durable(&self) -> Option<&DurableQueue> {
        match &self.queue {
            Some(Waiting::Durable(queue)) => queue.get(),
            _ => None,
        }
    }

    /// Tells the exporter that it serves, and starts the consumers of a queue on disk, unless they run. To be called within a runtime.
    pub fn begin(&self) {
        self.delivery.exporter.begin(self.delivery.signal);
        let (Some(queue), Some(settings)) = (self.durable(), &self.settings) else { return };
        let mut consumers = self.consumers.lock();
        if consumers.is_empty() {
            queue.set_capacity(capacity(settings));
            spawn_consumers(&mut consumers, &self.delivery, queue, settings, &self.closing);
            self.delivery.metrics.watch_queue(capacity(settings), queue);
        }
    }

    /// Leaves the queue on disk to another outlet: consumers end with what they are sending, and put back what they wait to send
    /// again. Batches that come are appended as before.
    pub fn hand_over(&self) {
        if self.durable().is_some() {
            self.handed_over.send_replace(true);
            self.delivery.metrics.forget_queue();
        }
    }

    pub fn ack_point(&self) -> AckPoint {
        match &self.queue {
            None if self.delivery.exporter.writes_at_once() => AckPoint::Written,
            _ => AckPoint::of_exporter(self.settings.as_ref()),
        }
    }

    /// Whether [`submit`](Outlet::submit) may wait: for the backend, for the disk, or for room.
    pub fn waits(&self) -> bool {
        !matches!(self.queue, Some(Waiting::Memory(_))) || self.on_full == OnFull::Block
    }

    /// Takes a batch and sees to it that its ack is resolved. Waits for the backend where there is no queue, for the disk where the
    /// queue is there, and for room where `on_full` says so.
    pub async fn submit(&self, batch: TelemetryBatch) {
        match &self.queue {
            Some(Waiting::Memory(queue)) => self.enqueue(queue, batch).await,
            Some(Waiting::Durable(queue)) => match queue.get() {
                Some(queue) => self.enqueue(queue, batch).await,
                None => batch.resolve(self.not_queued(&RejectedReason::Closed, false)),
            },
            None => {
                let request = self.delivery.exporter.prepare(&batch);
                let deadline = batch.context().deadline.map(Instant::from_std);
                match self.delivery.deliver(Some(&batch), &request, deadline).await {
                    Some(delivered) => delivered.resolve(batch),
                    // Only outlets with a queue on disk hand over.
                    None => batch.resolve(self.not_queued(&RejectedReason::Closed, false)),
                }
            }
        }
    }

    async fn enqueue<Q: Queue>(&self, queue: &Q, mut batch: TelemetryBatch) {
        let now = Instant::now();
        let until = batch.context().deadline.map_or(now + BLOCK_MAX, |at| Instant::from_std(at).min(now + BLOCK_MAX));
        loop {
            let Rejected { batch: back, reason } = match queue.append(batch).await {
                Ok(()) => return,
                Err(rejected) => rejected,
            };
            let may_pass = matches!(reason, RejectedReason::Full | RejectedReason::Disk(_));
            let may_wait = may_pass && self.on_full == OnFull::Block;
            if may_wait && tokio::time::timeout_at(until, queue.room(&reason)).await.is_ok() {
                batch = back;
                continue;
            }
            self.delivery.metrics.enqueue_failed(back.selection().count() as u64);
            back.resolve(self.not_queued(&reason, may_wait));
            return;
        }
    }

    fn not_queued(&self, reason: &RejectedReason, waited: bool) -> Outcome {
        let name = &self.delivery.name;
        let kind = if waited { RefusalKind::DeadlineExceeded } else { RefusalKind::Unavailable };
        let refused = |kind, reason| Outcome::Refused(Refusal::new(kind, reason));
        match reason {
            RejectedReason::Full | RejectedReason::Disk(_) if self.on_full == OnFull::DropNewest => Outcome::Dropped,
            RejectedReason::Full => refused(kind, format!("the sending queue of exporter `{name}` is full")),
            RejectedReason::Disk(why) => {
                // Somebody has to do something about it, and clients are not those.
                tracing::error!(exporter = %name, signal = %self.delivery.signal, %why, "the queue cannot be written");
                refused(kind, format!("the sending queue of exporter `{name}` cannot be written: {why}"))
            }
            RejectedReason::TooLarge => {
                let reason = format!("this request is more than the sending queue of exporter `{name}` may hold");
                refused(RefusalKind::TooLarge, reason)
            }
            RejectedReason::Closed => refused(RefusalKind::Unavailable, format!("exporter `{name}` is shutting down")),
        }
    }

    /// Takes no more, and waits until everything is delivered or given up, at most until `limit`. Says what was left, which is
    /// lost then.
    ///
    /// What is left on disk is not lost, and not waited for on shutdown.
    pub async fn drain(&self, limit: Instant, ending: Ending) -> Held {
        if let Some(Waiting::Memory(queue)) = &self.queue {
            queue.close();
        }
        self.closing.send_replace(true);
        if let Some(queue) = self.durable() {
            let was_replaced = *self.delivery.handed_over.borrow();
            if ending == Ending::Removed && !was_replaced {
                // If not in time, it stays on disk.
                let _ = tokio::time::timeout_at(limit, queue.empty()).await;
            }
            self.hand_over();
        }
        let mut consumers = std::mem::take(&mut *self.consumers.lock());
        let all = async { while consumers.join_next().await.is_some() {} };
        if tokio::time::timeout_at(limit, all).await.is_err() {
            // Their leases go back to the queue, and are counted there.
            consumers.shutdown().await;
        }
        // What it holds is safe; whoever looks for it finds it sooner.
        let _ = tokio::time::timeout_at(limit, self.delivery.exporter.end(self.delivery.signal)).await;
        let Some(Waiting::Memory(queue)) = &self.queue else { return Held::default() };
        let left = queue.held();
        self.delivery.metrics.send_failed(left.rows);
        left
    }
}

fn capacity(settings: &SendingQueue) -> Capacity {
    Capacity { size_max: settings.size_max.get() as u64, sizer: settings.sizer }
}

fn spawn_consumers<Q: Queue>(
    consumers: &mut JoinSet<()>,
    delivery: &Arc<Delivery>,
    queue: &Q,
    settings: &SendingQueue,
    closing: &watch::Sender<bool>,
) {
    if let Some(batch) = &settings.batch {
        let most = settings.consumers.get();
        let gathers = gather::gather(Arc::clone(delivery), queue.clone(), batch.clone(), most, closing.subscribe());
        consumers.spawn(gathers);
        return;
    }
    for _ in 0..settings.consumers.get() {
        consumers.spawn(consume(Arc::clone(delivery), queue.clone()));
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.delivery.metrics.forget_queue();
    }
}

/// Leases, delivers and acks until the queue is closed and empty, or handed over.
async fn consume<Q: Queue>(delivery: Arc<Delivery>, queue: Q) {
    loop {
        let lease = tokio::select! {
            biased;
            () = delivery.stopped() => return,
            lease = queue.lease() => lease,
        };
        let Some(lease) = lease else { return };
        if !consume_one(&delivery, lease).await {
            return;
        }
    }
}

/// Delivers what is leased, and acks it. `false`: it went back to the queue, and is another outlet's.
async fn consume_one<L: Lease>(delivery: &Delivery, lease: L) -> bool {
    // A batch that an exporter cannot even write must not end its consumer, and must not come back to the next one.
    let prepared = catch_unwind(AssertUnwindSafe(|| delivery.prepare(&lease.content())));
    let delivered = match prepared {
        Ok(request) => {
            let content = lease.content();
            delivery.deliver(content.batch(), &request, deadline(&content)).await
        }
        Err(_) => Some(delivery.given_up(lease.content().rows()).into()),
    };
    // Without one it goes back, and is somebody else's.
    let Some(delivered) = delivered else { return false };
    lease.ack(delivered);
    true
}

/// When the sender stops waiting, if it does wait.
fn deadline(content: &Content<'_>) -> Option<Instant> {
    match content {
        Content::Batch(batch) if batch.is_waited_for() => batch.context().deadline.map(Instant::from_std),
        _ => None,
    }
}

impl Delivery {
    fn prepare(&self, content: &Content<'_>) -> Request {
        match content {
            Content::Batch(batch) => self.exporter.prepare(batch),
            Content::Encoded(request) => self.exporter.prepare_encoded((*request).clone()),
        }
    }

    fn given_up(&self, rows: u64) -> Outcome {
        self.metrics.send_failed(rows);
        tracing::error!(exporter = %self.name, signal = %self.signal, rows, "the exporter failed on a batch, which is lost");
        Outcome::Refused(Refusal::new(
            RefusalKind::Internal,
            format!("exporter `{}` failed on this request", self.name),
        ))
    }

    /// Resolves when what waits is another outlet's.
    async fn stopped(&self) {
        if self.handed_over.clone().wait_for(|handed_over| *handed_over).await.is_err() {
            // The outlet is gone, and nobody will tell any more. Its end cancels whoever waits here.
            std::future::pending().await
        }
    }

    /// As [`attempts`](Delivery::attempts), as a span where the request has one.
    async fn attempt(&self, request: &Request, deadline: Option<Instant>) -> Option<Result<(), Refusal>> {
        let (name, signal) = (&self.name, self.signal.name());
        let span = self.tracing.child(&request.context, SpanKind::Client, || format!("exporter/{name}/{signal}"));
        let ended = self.attempts(request, deadline).await;
        if let Some(mut span) = span {
            let failed = ended.as_ref().and_then(|ended| ended.as_ref().err());
            let (records, _) = items(self.signal);
            span.text("exporter", name);
            span.count(&format!("{}_{records}", if failed.is_some() { "failed" } else { "sent" }), request.rows);
            span.end(failed.map(|refusal| &*refusal.reason));
        }
        ended
    }

    /// Attempts until the backend has it, refuses it for good, or there is no more time. `None`: it is to be left to another outlet.
    async fn attempts(&self, request: &Request, deadline: Option<Instant>) -> Option<Result<(), Refusal>> {
        let mut backoff = self.retry.as_ref().map(Backoff::start);
        loop {
            let refusal = match self.exporter.send(request).await {
                Ok(sent) => {
                    if sent.rejected_rows > 0 {
                        let rejected = sent.rejected_rows;
                        tracing::warn!(exporter = %self.name, signal = %self.signal, rejected, message = %sent.message,
                            "the backend took the request in part");
                    } else if !sent.message.is_empty() {
                        tracing::warn!(exporter = %self.name, signal = %self.signal, message = %sent.message,
                            "the backend took the request, and warns");
                    }
                    let rejected = sent.rejected_rows.min(request.rows);
                    self.metrics.sent(request.rows - rejected);
                    self.metrics.send_failed(rejected);
                    self.metrics.altered(request.altered_rows);
                    return Some(Ok(()));
                }
                Err(refusal) => refusal,
            };
            self.metrics.failed_attempt();
            let wait = backoff.as_mut().filter(|_| refusal.is_retryable()).and_then(|b| b.next(refusal.retry_after));
            // A caller that will have gone by then sends the same data again: to go on would deliver it twice.
            let wait = wait.filter(|wait| deadline.is_none_or(|deadline| Instant::now() + *wait < deadline));
            let Some(wait) = wait else { return Some(Err(refusal)) };
            tracing::warn!(exporter = %self.name, signal = %self.signal, rows = request.rows, reason = %refusal, wait = ?wait,
                "exporting failed, will be tried again");
            tokio::select! {
                biased;
                () = self.stopped() => return None,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}
