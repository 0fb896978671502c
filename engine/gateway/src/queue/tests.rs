//! Both queues, and what is the same for them.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill_batch::{Ack, Acked, Outcome, RequestContext};
use wasmill_storage::{Folder, FolderOptions};
use wasmill_wire::{Projection, Signal, WireBatch};

use crate::telemetry::Metrics;

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

fn requests(size_max: u64) -> Capacity {
    Capacity { size_max, sizer: Sizer::Requests }
}

fn in_memory(requests_max: u64) -> MemoryQueue {
    MemoryQueue::new(requests(requests_max), false)
}

fn is_ready<F: Future>(future: F) -> bool {
    matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

/// A batch is appended: its sender is told what a queue in memory promises, and it counts until its lease is acked.
#[tokio::test]
async fn what_is_appended_counts_until_it_is_acked() {
    let queue = in_memory(10);
    let (first, acked) = batch(3);
    assert!(queue.append(first).await.is_ok());
    assert_eq!(acked.await, Outcome::HeldInMemory);
    assert_eq!((queue.held().requests, queue.held().rows), (1, 3));
    assert!(queue.held().retained_bytes > 0);
    let lease = queue.lease().await.unwrap();
    assert_eq!(lease.content().rows(), 3);
    assert_eq!(queue.held().requests, 1, "it is lent, not gone");
    lease.ack(Outcome::Delivered);
    assert_eq!(queue.held(), Held::default());
}

/// A consumer ends with a batch in its hands: the batch is the next one again, before those that came later.
#[tokio::test]
async fn a_lease_that_is_dropped_goes_back_to_the_head() {
    let queue = in_memory(10);
    for spans in [1, 2] {
        assert!(queue.append(batch(spans).0).await.is_ok());
    }
    drop(queue.lease().await.unwrap());
    let order = [queue.lease().await.unwrap(), queue.lease().await.unwrap()];
    assert_eq!(order.map(|lease| lease.content().rows()), [1, 2]);
}

/// No room: the batch comes back with its sender still waiting, and room is told of when something is acked.
#[tokio::test]
async fn a_full_queue_takes_nothing_until_there_is_room() {
    let queue = in_memory(1);
    assert!(queue.append(batch(1).0).await.is_ok());
    let (second, mut acked) = batch(1);
    let Err(Rejected { batch: second, reason }) = queue.append(second).await else { panic!("it was full") };
    assert_eq!(reason, RejectedReason::Full);
    assert!(!is_ready(&mut acked), "its ack is not resolved");
    let mut room = pin!(queue.room(&reason));
    assert!(!is_ready(&mut room));
    queue.lease().await.unwrap().ack(Outcome::Delivered);
    room.await;
    assert!(queue.append(second).await.is_ok());
    assert_eq!(acked.await, Outcome::HeldInMemory);
}

/// A queue is closed: it takes nothing more, what is there is still lent out, and consumers end when it is empty.
#[tokio::test]
async fn a_closed_queue_empties_and_ends() {
    let queue = in_memory(10);
    assert!(queue.append(batch(1).0).await.is_ok());
    queue.close();
    let Err(rejected) = queue.append(batch(1).0).await else { panic!("it was closed") };
    assert_eq!(rejected.reason, RejectedReason::Closed);
    let lease = queue.lease().await.unwrap();
    let mut end = pin!(queue.lease());
    assert!(!is_ready(&mut end), "what is lent may still come back");
    lease.ack(Outcome::Delivered);
    assert!(end.await.is_none());
}

/// Many consumers and many batches: each batch is lent to one consumer, none is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn every_batch_is_leased_once() {
    let queue = in_memory(1_000);
    let mut consumers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let queue = queue.clone();
        consumers.spawn(async move {
            let mut rows = 0;
            while let Some(lease) = queue.lease().await {
                rows += lease.content().rows();
                lease.ack(Outcome::Delivered);
            }
            rows
        });
    }
    for spans in 1..=200 {
        assert!(queue.append(batch(spans).0).await.is_ok());
    }
    queue.close();
    let rows: u64 = consumers.join_all().await.into_iter().sum();
    assert_eq!(rows, 200 * 201 / 2);
}

/// A queue that counts rows, or bytes: it is full when they are, and refuses for good what it could never hold.
#[tokio::test]
async fn sizers_count_what_they_say() {
    let bytes = batch(1).0.retained_bytes() as u64;
    for (sizer, size_max, fits) in [(Sizer::Items, 5, 2), (Sizer::Bytes, 2 * bytes + bytes / 2, 1)] {
        let queue = MemoryQueue::new(Capacity { size_max, sizer }, false);
        assert!(queue.append(batch(fits).0).await.is_ok());
        assert!(queue.append(batch(fits).0).await.is_ok());
        let Err(rejected) = queue.append(batch(fits).0).await else { panic!("it was full") };
        assert_eq!(rejected.reason, RejectedReason::Full);
        let Err(rejected) = queue.append(batch(1_000).0).await else { panic!("it never fits") };
        assert_eq!(rejected.reason, RejectedReason::TooLarge);
        assert_eq!(queue.held().size(sizer), if sizer == Sizer::Items { 4 } else { 2 * bytes });
    }
}

/// `wait_for_result`: the sender is answered with what became of its batch, not when it is taken.
#[tokio::test]
async fn a_waiting_queue_answers_with_the_result() {
    let queue = MemoryQueue::new(requests(10), true);
    let (first, mut acked) = batch(1);
    assert!(queue.append(first).await.is_ok());
    assert!(!is_ready(&mut acked));
    drop(queue.lease().await.unwrap());
    assert!(!is_ready(&mut acked), "its consumer was cancelled, and it goes to another");
    queue.lease().await.unwrap().ack(Outcome::Delivered);
    assert_eq!(acked.await, Outcome::Delivered);
}

/// A queue on disk, in a folder that a test may damage.
struct OnDisk {
    folder: tempfile::TempDir,
    metrics: Metrics,
}

impl OnDisk {
    fn new() -> OnDisk {
        OnDisk { folder: tempfile::tempdir().unwrap(), metrics: Metrics::new() }
    }

    fn open(&self, capacity: Capacity) -> DurableQueue {
        let lock_timeout = std::time::Duration::from_secs(60);
        let options = FolderOptions { create: true, permissions: 0o750, lock_timeout, fsync: true, bytes_max: 1 << 30 };
        let folder = Arc::new(Folder::open(self.folder.path(), &options).unwrap());
        let log = folder.log("otlp.traces").unwrap();
        let metrics = self.metrics.exporter("otlp", Signal::Traces);
        DurableQueue::new("otlp".into(), Signal::Traces, capacity, folder, log, metrics)
    }

    /// The only file of records.
    fn segment(&self) -> std::path::PathBuf {
        let files = std::fs::read_dir(self.folder.path().join("otlp.traces")).unwrap();
        let is_segment = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "log");
        files.map(|entry| entry.unwrap().path()).find(is_segment).expect("a segment")
    }
}

/// A batch goes to disk: its sender hears that it is there, and what comes back after a restart is what would have been sent, with
/// what was known of its sender.
#[tokio::test]
async fn what_is_on_disk_comes_back_as_it_would_be_sent() {
    let disk = OnDisk::new();
    let queue = disk.open(requests(10));
    let (first, acked) = batch(3);
    assert!(queue.append(first).await.is_ok());
    assert_eq!(acked.await, Outcome::DurablyQueued);
    assert!(queue.append(batch(2).0).await.is_ok());
    queue.lease().await.unwrap().ack(Outcome::Delivered);
    assert_eq!(queue.held().requests, 1);
    assert!(queue.append(batch(5).0).await.is_ok());
    queue.close();
    drop(queue);
    let queue = disk.open(requests(10));
    assert_eq!((queue.held().requests, queue.held().rows), (2, 7));
    let lease = queue.lease().await.unwrap();
    let Content::Encoded(request) = lease.content() else { panic!("it was not decoded") };
    assert_eq!((request.rows, request.body.clone().into_bytes()), (2, batch(2).0.encode()));
}

/// A consumer ends with a request in its hands, others come meanwhile: it is the next one again.
#[tokio::test]
async fn a_lease_of_the_disk_that_is_dropped_goes_back_to_the_head() {
    let queue = OnDisk::new();
    let queue = queue.open(requests(10));
    for spans in [1, 2, 3] {
        assert!(queue.append(batch(spans).0).await.is_ok());
    }
    let (first, second) = (queue.lease().await.unwrap(), queue.lease().await.unwrap());
    drop(second);
    drop(first);
    for spans in [1, 2, 3] {
        let lease = queue.lease().await.unwrap();
        assert_eq!(lease.content().rows(), spans);
        lease.ack(Outcome::Delivered);
    }
    assert_eq!(queue.held(), Held::default());
}

/// A full queue on disk refuses with the sender still waiting, and takes again when something is delivered.
#[tokio::test]
async fn a_full_queue_on_disk_takes_nothing_until_there_is_room() {
    let disk = OnDisk::new();
    let queue = disk.open(requests(1));
    assert!(queue.append(batch(1).0).await.is_ok());
    let (second, mut acked) = batch(1);
    let Err(Rejected { batch: second, reason }) = queue.append(second).await else { panic!("it was full") };
    assert!(!is_ready(&mut acked));
    let mut room = pin!(queue.room(&reason));
    assert!(!is_ready(&mut room));
    queue.lease().await.unwrap().ack(Outcome::Delivered);
    room.await;
    assert!(queue.append(second).await.is_ok());
    assert_eq!(acked.await, Outcome::DurablyQueued);
}

/// A bit flips in a request while it waits: it is counted as lost, and the next one is delivered.
#[tokio::test]
async fn a_request_that_is_damaged_while_it_waits_is_given_up() {
    let disk = OnDisk::new();
    let queue = disk.open(requests(10));
    for spans in [1, 2] {
        assert!(queue.append(batch(spans).0).await.is_ok());
    }
    let mut bytes = std::fs::read(disk.segment()).unwrap();
    bytes[32 + 40 + 6] ^= 1;
    std::fs::write(disk.segment(), bytes).unwrap();
    assert_eq!(queue.lease().await.unwrap().content().rows(), 2);
    let text = disk.metrics.render();
    assert!(text.contains(r#"wasmill_exporter_queue_damaged_total{exporter="otlp"} 1"#), "{text}");
    assert!(text.contains(r#"otelcol_exporter_send_failed_spans_total{exporter="otlp"} 1"#), "{text}");
}
