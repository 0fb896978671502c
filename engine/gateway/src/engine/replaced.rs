//! What a generation leaves behind that was replaced.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wasmill_host::Stage;

use super::{drain, end_stages};
use crate::allocator;
use crate::generation::Ended;
use crate::outlet::{Ending, Outlet};
use crate::queue::Held;
use crate::telemetry::Metrics;

/// How long a generation that was replaced may take for its last batches before that is worth a warning. It is not cut off: a
/// stage's calls have deadlines, and batches that wait for a backend end with their retries.
const GENERATION_DRAIN_WARN: Duration = Duration::from_secs(30);

/// How long the queue of an exporter that a reload removed may take to empty. As long as the Collector's retries last.
const REMOVED_DRAIN_MAX: Duration = Duration::from_secs(300);

/// What a newer generation has no use for.
pub struct Replaced {
    pub generation: u64,
    pub stages: Vec<Arc<Stage>>,
    pub outlets: Vec<Arc<Outlet>>,
    pub ended: Ended,
    /// The generation before may have batches in the same stages.
    pub earlier: Option<JoinHandle<()>>,
    /// A shutdown waits for this too.
    pub in_flight: watch::Receiver<()>,
}

impl Replaced {
    /// Waits for the last batch, then lets go.
    pub async fn retire(self, metrics: Metrics) {
        let Replaced { generation, stages, outlets, ended, earlier, in_flight } = self;
        if let Some(earlier) = earlier {
            // That it panicked would have been reported.
            let _ = earlier.await;
        }
        let mut ended = std::pin::pin!(ended.wait());
        if tokio::time::timeout(GENERATION_DRAIN_WARN, &mut ended).await.is_err() {
            tracing::warn!(generation, "batches still run by a generation that was replaced");
            ended.await;
        }
        end_stages(&stages).await;
        stages.iter().for_each(|stage| metrics.plugins.retire(stage));
        drop(stages);
        // Loading a plugin takes some MiB for a moment, on whatever thread is free: each has a heap that would keep them.
        tokio::task::spawn_blocking(allocator::give_back);
        for outlet in outlets {
            let in_flight = in_flight.clone();
            tokio::spawn(async move {
                let exporter = Arc::clone(outlet.name());
                let left = drain(outlet, Instant::now() + REMOVED_DRAIN_MAX, Ending::Removed).await;
                if left != Held::default() {
                    tracing::error!(%exporter, requests = left.requests, rows = left.rows,
                        "an exporter that is no longer configured could not deliver what it had queued");
                }
                drop(in_flight);
            });
        }
    }
}
