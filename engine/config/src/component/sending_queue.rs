//! `sending_queue` and `on_full`: what waits for a backend.

use std::num::NonZeroUsize;

use crate::id::ComponentId;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{OnFull, SendingQueue, Sizer};
use crate::schema::{Key, Kind, Section, key, not_yet};
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
        not_yet("batch", "requests are sent as they come"),
        key(
            "storage",
            Kind::Id,
            "",
            "A `file_storage` extension; without one the queue is in memory. With it clients are answered when their data is on disk, and what was not delivered is \
             delivered after a restart.",
        ),
    ],
};

words!(Sizer, SIZER: "requests" => Sizer::Requests, "items" => Sizer::Items, "bytes" => Sizer::Bytes);
words!(OnFull, ON_FULL:
    "refuse" => OnFull::Refuse, "drop_newest" => OnFull::DropNewest, "block" => OnFull::Block);

/// Each consumer is a task with a request in flight.
const CONSUMERS_MAX: usize = 10_000;
/// A request takes a kilobyte at the very least.
const REQUESTS_MAX: usize = 10_000_000;
/// Items and bytes: more than any disk, and far from where sums overflow.
const SIZE_MAX: usize = 1 << 50;

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
    };
    if queue.wait_for_result && queue.storage.is_some() {
        let problem = "with `storage` clients are answered when their data is on disk, and cannot wait for more";
        reader.report.error(&reader.place("wait_for_result"), Problem::Invalid(problem.to_owned()));
    }
    let enabled = reader.get_or("enabled", true);
    (enabled.then_some(queue), on_full.unwrap_or(if blocks { OnFull::Block } else { OnFull::Refuse }))
}

fn read_storage(reader: &Reader) -> Option<ComponentId> {
    let Located { value, place } = reader.located::<ComponentId>("storage")?;
    reader.report.refer(&place, &value);
    Some(value)
}
