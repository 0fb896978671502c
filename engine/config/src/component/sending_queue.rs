//! `sending_queue` and `on_full`: what waits for a backend.

use std::num::NonZeroUsize;

use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::{OnFull, SendingQueue};
use crate::schema::{Key, Kind, Section, key, not_yet};
use crate::values::{word, words};

pub(super) const KEY: Key = key("sending_queue", Kind::Section(&SECTION), "", "What waits for the backend, in memory.");
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
        key("queue_size", Kind::Integer, "1000", "Requests that may wait; 1 to 10000000."),
        key(
            "sizer",
            Kind::Word(&["requests"]),
            "requests",
            "What `queue_size` counts. `items` and `bytes` are not served yet.",
        ),
        key("block_on_overflow", Kind::Bool, "false", "The Collector's way to say `on_full: block`."),
        key("blocking", Kind::Bool, "false", "The older name of `block_on_overflow`."),
        not_yet("wait_for_result", "`enabled: false` waits for the backend's answer"),
        not_yet("batch", "requests are sent as they come"),
        not_yet("storage", "the queue is in memory; `enabled: false` loses nothing that was acknowledged"),
    ],
};

words!(OnFull, ON_FULL:
    "refuse" => OnFull::Refuse, "drop_newest" => OnFull::DropNewest, "block" => OnFull::Block);

/// Each consumer is a task with a request in flight.
const CONSUMERS_MAX: usize = 10_000;
/// A request takes a kilobyte at the very least.
const REQUESTS_MAX: usize = 10_000_000;

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
    check_sizer(&reader);
    let count = |key: &str, most: usize, default: NonZeroUsize| {
        let what = format!("a whole number, 1 to {most}");
        reader.checked(key, &what, |count: &NonZeroUsize| count.get() <= most).unwrap_or(default)
    };
    let default = SendingQueue::default();
    let queue = SendingQueue {
        consumers: count("num_consumers", CONSUMERS_MAX, default.consumers),
        requests_max: count("queue_size", REQUESTS_MAX, default.requests_max),
    };
    let enabled = reader.get_or("enabled", true);
    (enabled.then_some(queue), on_full.unwrap_or(if blocks { OnFull::Block } else { OnFull::Refuse }))
}

fn check_sizer(reader: &Reader) {
    let Some(node) = reader.node("sizer") else { return };
    let problem = match word(node, &[("requests", true), ("items", false), ("bytes", false)]) {
        Ok(true) => return,
        Ok(false) => Problem::NotServedYet {
            what: "a queue that counts anything but requests".to_owned(),
            instead: "use `sizer: requests`".to_owned(),
        },
        Err(problem) => problem,
    };
    reader.report.error(&reader.place("sizer"), problem);
}
