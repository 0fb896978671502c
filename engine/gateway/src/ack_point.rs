//! When a client is answered: computed when a pipeline is built, shown by `wasmill validate`.

use std::fmt;

use wasmill_config::SendingQueue;

/// The latest of the promises that a pipeline's paths make; the answer waits for all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AckPoint {
    /// Every path ends in this process: answered when it is written.
    Written,
    /// Every path queues in memory: answered on acceptance. What is queued does not survive a crash.
    QueuedInMemory,
    /// Every path queues, some on disk: answered when it is there. It survives a crash.
    DurablyQueued,
    /// Some path has no queue, or a queue that waits for the result: answered when its backend has answered.
    Delivered,
}

impl AckPoint {
    /// Of one exporter with this sending queue, or without one.
    pub fn of_exporter(queue: Option<&SendingQueue>) -> AckPoint {
        match queue {
            Some(queue) if queue.storage.is_some() => AckPoint::DurablyQueued,
            Some(queue) if !queue.wait_for_result => AckPoint::QueuedInMemory,
            _ => AckPoint::Delivered,
        }
    }

    /// Of a pipeline that leads to exporters with these ack points.
    pub fn of_pipeline(exporters: impl IntoIterator<Item = AckPoint>) -> AckPoint {
        exporters.into_iter().max().unwrap_or(AckPoint::Written)
    }

    /// Whether whoever keeps rows in memory keeps this promise too.
    pub fn memory_suffices(self) -> bool {
        self <= AckPoint::QueuedInMemory
    }
}

impl fmt::Display for AckPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AckPoint::Written => "written",
            AckPoint::QueuedInMemory => "queued in memory",
            AckPoint::DurablyQueued => "durably queued",
            AckPoint::Delivered => "delivered",
        })
    }
}

#[cfg(test)]
mod tests {
    use wasmill_config::ComponentId;

    use super::*;

    /// One of two exporters has no queue, or one that waits: the client waits for that one.
    #[test]
    fn the_latest_promise_counts() {
        let in_memory = SendingQueue::default();
        let waiting = SendingQueue { wait_for_result: true, ..SendingQueue::default() };
        let on_disk = SendingQueue { storage: ComponentId::parse("file_storage").ok(), ..SendingQueue::default() };
        let [queued, waited, durable, held] =
            [Some(&in_memory), Some(&waiting), Some(&on_disk), None].map(AckPoint::of_exporter);
        assert_eq!(AckPoint::of_pipeline([queued, queued]), AckPoint::QueuedInMemory);
        assert_eq!(AckPoint::of_pipeline([queued, durable]), AckPoint::DurablyQueued);
        assert_eq!(AckPoint::of_pipeline([durable, held]), AckPoint::Delivered);
        assert_eq!(AckPoint::of_pipeline([queued, waited]), AckPoint::Delivered);
    }
}
