//! `sending_queue` and `on_full`: what waits for a backend.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use crate::id::ComponentId;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{BatchSizer, OnFull, QueueBatch, SendingQueue, Sizer};
use crate::schema::{Key, Kind, Section, key};
use crate::values::words;

pub(super) const KEY: Key =
    key("sending_queue", Kind::Section(&SECTION), "", "What waits for the backend, in memory or on disk.");
pub(super) const ON_FULL_KEY: Key = key(
    "on_full",
    Kind::Word(ON_FULL),
    "refuse",
    "What happens to a batch that finds the queue full: the client is told to retry, the batch is dropped and counted, or it \
     waits.",
);

pub(super) static SECTION: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "true", "`false`: no queue, the client waits for the backend's answer."),
        key("num_consumers", Kind::Integer, "10", "Requests being sent at one time; 1 to 10000."),
        key(
            "queue_size",
            Kind::Integer,
            "1000",
            "How much it may hold, in the unit of `sizer`, what is being sent included.",
        ),
        key(
            "sizer",
            Kind::Word(SIZER),
            "requests",
            "What `queue_size` counts: requests (1 to 10000000), items (spans, log records, data points), or bytes: of memory \
             that is kept for what waits, or on disk with `storage`.",
        ),
        key("block_on_overflow", Kind::Bool, "false", "The Collector's way to say `on_full: block`."),
        key("blocking", Kind::Bool, "false", "The older name of `block_on_overflow`."),
        key(
            "wait_for_result",
            Kind::Bool,
            "false",
            "`true`: clients wait for the backend's answer, as with `enabled: false`, and the queue bounds how many do.",
        ),
        key(
            "batch",
            Kind::Section(&BATCH),
            "",
            "Makes one request of several that wait. Without it each is sent as it came; empty: with these defaults.",
        ),
        key(
            "storage",
            Kind::Id,
            "",
            "A `file_storage` extension; without one the queue is in memory. With it clients are answered when their data is on disk, and what was not delivered is \
             delivered after a restart.",
        ),
    ],
};

static BATCH: Section = Section {
    keys: &[
        key("flush_timeout", Kind::Duration, "200ms", "How long a request waits for others at most; 1ms to 1h."),
        key(
            "min_size",
            Kind::Integer,
            "8192",
            "A batch of this size is sent without waiting any longer. `0`: nothing waits.",
        ),
        key(
            "max_size",
            Kind::Integer,
            "0",
            "No batch is larger: larger requests are split. At least `min_size`; `0`: no limit.",
        ),
        key(
            "sizer",
            Kind::Word(BATCH_SIZER),
            "items",
            "What both sizes count: items (spans, log records, data points; sizes up to 1000000), or bytes as sent, before compression \
             (up to 268435456). Where the queue's `sizer` is one of the two, that is the default.",
        ),
        key("partition", Kind::Section(&PARTITION), "", "What is not to be sent together."),
    ],
};

static PARTITION: Section = Section {
    keys: &[key(
        "metadata_keys",
        Kind::Ids,
        "[]",
        "Headers of the clients, which the receiver passes on with `include_metadata`: only requests in which all of these are the \
         same are sent together, and a batch keeps these alone. Without any, a batch keeps no header.",
    )],
};

words!(BatchSizer, BATCH_SIZER: "items" => BatchSizer::Items, "bytes" => BatchSizer::Bytes);
words!(Sizer, SIZER: "requests" => Sizer::Requests, "items" => Sizer::Items, "bytes" => Sizer::Bytes);
words!(OnFull, ON_FULL:
    "refuse" => OnFull::Refuse, "drop_newest" => OnFull::DropNewest, "block" => OnFull::Block);

/// Each consumer is a task with a request in flight.
const CONSUMERS_MAX: usize = 10_000;
/// A request takes a kilobyte at the very least.
const REQUESTS_MAX: usize = 10_000_000;
/// Items and bytes: more than any disk, and far from where sums overflow.
const SIZE_MAX: usize = 1 << 50;

const FLUSH_TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// A request that waits longer is not batched but stored.
const FLUSH_TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// As many records as a request may have that somebody else takes in.
const BATCH_ITEMS_MAX: u64 = 1_000_000;
/// With a request of 64 MiB more it is far below what a buffer may hold.
const BATCH_BYTES_MAX: u64 = 256 << 20;

/// Reads both keys of an exporter. No queue: it is disabled.
pub(super) fn read(exporter: &Reader) -> (Option<SendingQueue>, OnFull) {
    let on_full = exporter.get::<OnFull>("on_full");
    let Some(reader) = exporter.section("sending_queue", &SECTION) else {
        return (Some(SendingQueue::default()), on_full.unwrap_or_default());
    };
    let blocks = reader.get_or("block_on_overflow", false) || reader.get_or("blocking", false);
    if blocks && on_full.is_some_and(|on_full| on_full != OnFull::Block) {
        let problem = Problem::Invalid("`block_on_overflow` says to wait, this says not to".to_owned());
        reader.report.error(&exporter.place("on_full"), problem);
    }
    let count = |key: &str, most: usize, default: NonZeroUsize| {
        let what = format!("a whole number, 1 to {most}");
        reader.checked(key, &what, |count: &NonZeroUsize| count.get() <= most).unwrap_or(default)
    };
    let sizer = reader.get_or("sizer", Sizer::default());
    let size_max = if sizer == Sizer::Requests { REQUESTS_MAX } else { SIZE_MAX };
    let default = SendingQueue::default();
    let queue = SendingQueue {
        consumers: count("num_consumers", CONSUMERS_MAX, default.consumers),
        size_max: count("queue_size", size_max, default.size_max),
        sizer,
        wait_for_result: reader.get_or("wait_for_result", false),
        storage: read_storage(&reader),
        batch: reader.section("batch", &BATCH).map(|batch| read_batch(&batch, sizer)),
    };
    check_batch(&queue, &reader);
    if queue.wait_for_result && queue.storage.is_some() {
        let problem = "with `storage` clients are answered when their data is on disk, and cannot wait for more";
        reader.report.error(&reader.place("wait_for_result"), Problem::Invalid(problem.to_owned()));
    }
    let enabled = reader.get_or("enabled", true);
    (enabled.then_some(queue), on_full.unwrap_or(if blocks { OnFull::Block } else { OnFull::Refuse }))
}

fn read_batch(reader: &Reader, queue_sizer: Sizer) -> QueueBatch {
    let default = QueueBatch::default();
    let timeout = reader.checked("flush_timeout", "a duration, `1ms` to `1h`", |timeout: &Duration| {
        (FLUSH_TIMEOUT_MIN..=FLUSH_TIMEOUT_MAX).contains(timeout)
    });
    let of_queue = if queue_sizer == Sizer::Bytes { BatchSizer::Bytes } else { BatchSizer::Items };
    let sizer = reader.get_or("sizer", of_queue);
    let most = match sizer {
        BatchSizer::Items => BATCH_ITEMS_MAX,
        BatchSizer::Bytes => BATCH_BYTES_MAX,
    };
    let size = |key: &str| reader.checked(key, &format!("a whole number, 0 to {most}"), |size: &u64| *size <= most);
    let batch = QueueBatch {
        flush_timeout: timeout.unwrap_or(default.flush_timeout),
        size_min: size("min_size").unwrap_or(default.size_min),
        size_max: size("max_size").and_then(NonZeroU64::new),
        sizer,
        metadata_keys: reader
            .section("partition", &PARTITION)
            .map_or_else(Vec::new, |partition| super::batch::read_metadata_keys(&partition)),
    };
    if let Some(size_max) = batch.size_max.filter(|most| most.get() < batch.size_min) {
        let problem =
            Problem::Invalid(format!("expected at least `min_size`, which is {}; found {size_max}", batch.size_min));
        reader.report.error(&reader.place("max_size"), problem);
    }
    batch
}

/// A batch that the queue cannot hold would never be full.
fn check_batch(queue: &SendingQueue, reader: &Reader) {
    let Some(batch) = &queue.batch else { return };
    let same_unit =
        matches!((queue.sizer, batch.sizer), (Sizer::Items, BatchSizer::Items) | (Sizer::Bytes, BatchSizer::Bytes));
    if same_unit && batch.size_min > queue.size_max.get() as u64 {
        let problem = format!("`min_size` is {}, and `queue_size` only {}", batch.size_min, queue.size_max);
        reader.report.error(&reader.place("batch"), Problem::Invalid(problem));
    }
}

fn read_storage(reader: &Reader) -> Option<ComponentId> {
    let Located { value, place } = reader.located::<ComponentId>("storage")?;
    reader.report.refer(&place, &value);
    Some(value)
}
