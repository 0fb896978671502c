//! When a client is answered: computed when a pipeline is built, shown by `wasmill validate`.

use std::fmt;

/// The latest of the promises that a pipeline's paths make; the answer waits for all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AckPoint {
    /// Every path queues in memory: answered on acceptance. What is queued does not survive a crash.
    QueuedInMemory,
    /// Some path has no queue: answered when its backend has answered.
    Delivered,
}

impl AckPoint {
    /// Of one exporter: `queued`, whether it has a sending queue.
    pub fn of_exporter(queued: bool) -> AckPoint {
        if queued { AckPoint::QueuedInMemory } else { AckPoint::Delivered }
    }

    /// Of a pipeline that leads to exporters with these ack points.
    pub fn of_pipeline(exporters: impl IntoIterator<Item = AckPoint>) -> AckPoint {
        exporters.into_iter().max().unwrap_or(AckPoint::QueuedInMemory)
    }
}

impl fmt::Display for AckPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AckPoint::QueuedInMemory => "queued in memory",
            AckPoint::Delivered => "delivered",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of two exporters has no queue: the client waits for that one.
    #[test]
    fn the_latest_promise_counts() {
        let (queued, held) = (AckPoint::of_exporter(true), AckPoint::of_exporter(false));
        assert_eq!(AckPoint::of_pipeline([queued, queued]), AckPoint::QueuedInMemory);
        assert_eq!(AckPoint::of_pipeline([queued, held]), AckPoint::Delivered);
    }
}
