//! Taps: records on their way through the gateway, shown to whoever asks on the admin socket, with what a plugin made of them.
//!
//! ```text
//!  pipeline ──batch──► stage ──batch──► …               the data path: one atomic load each where nobody listens
//!              └ fork     └ fork                        where somebody does: two forks, which copy no records
//!                 ▼          ▼
//!               listener: condition, sample, encode ──► outbox ──► socket       a task of its own, bounded at each step
//! ```
//!
//! The data path never waits for a listener. A listener says beforehand whether it wants a batch (its second's limit is not used up,
//! it has room), is handed forks that share the batch's buffers, and does the rest on the task of its connection: it asks its condition,
//! picks rows, encodes these alone, masks, and puts lines into its outbox. What finds no room is skipped and counted, and the listener is
//! told how much that was.
//!
//! A condition is asked of the plugin `filter` that the binary carries, as a stage beside the pipelines: it means what it means there.
//!
//! What is refused: to change anything, and to promise all records. A tap is a look.

mod changes;
mod listener;
mod mask;
mod observed;
mod outbox;
mod record;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};
use wasmill_batch::TelemetryBatch;
use wasmill_config::PipelineId;
use wasmill_host::Stage;

use listener::Listener;
use observed::Observed;

pub use changes::{Change, ChangeKind};
pub(crate) use listener::Wish;
pub use mask::{Masks, NAME_BYTES_MAX as MASK_BYTES_MAX, NAMES_MAX as MASKS_MAX};
pub use observed::{Routing, Tapped};
pub use stream::Tap;

/// People who look at a time. Each may hold 16 MiB of batches and 1 MiB of lines.
pub const TAPS_MAX: usize = 4;

/// Records a second unless a listener asks for more or fewer: what people can follow.
pub const LIMIT_DEFAULT: u32 = 10;

/// How long the end of the gateway waits for listeners to hear of it.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// What a listener wants to see.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TapSpec {
    /// Of this pipeline alone; `None`: of all.
    pub pipeline: Option<String>,
    /// What goes through this stage; `None`: what comes to pipelines.
    pub stage: Option<String>,
    /// Without a stage it means nothing.
    pub side: Side,
    /// A condition of the Collector's transformation language, over what is shown.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// Keys whose values are not shown, besides the configuration's.
    pub mask: Vec<String>,
    /// Records a second at most; 0: as many as the listener reads.
    pub limit: u32,
}

/// What of a record is shown at a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The record as it came, and what the stage changed.
    #[default]
    Both,
    Before,
    /// As the stage left it. What it dropped is not there.
    After,
}

/// One line to a listener.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    Record(Box<Shown>),
    Skipped(Skipped),
    Generation(Serves),
    /// The last one.
    End {
        reason: String,
    },
}

/// A record, and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Shown {
    pub pipeline: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// That the batch runs by.
    pub generation: u64,
    /// `traces`, `metrics` or `logs`.
    pub signal: String,
    /// `None`: before a stage, or without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RowOutcome>,
    /// Why the stage refused the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The names that this stage routed it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Vec<String>>,
    /// Exporters and pipelines that it leads to as things stand behind the stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    pub record: Map<String, Value>,
    /// What the stage changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    Kept,
    /// By the plugin, or by `on_fault`.
    Dropped,
    /// By `on_fault`.
    Diverted,
    /// The stage refused the whole batch: its sender is told to try again, or not to.
    Refused,
}

/// Records that were not shown since this was last said, by why. With a condition, some of them may not have been asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Skipped {
    /// More than the limit.
    pub over_limit: u64,
    /// The listener did not read as fast as they came.
    pub slow: u64,
    /// Too large to be shown.
    pub large: u64,
    /// The condition's call failed.
    pub failed: u64,
}

/// Another generation serves.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Serves {
    pub generation: u64,
    /// The tapped stage's: a file, or `builtin:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// What was tapped and is no longer there: nothing more comes, unless it comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
}

/// Everybody who listens. One for a process: it goes on over swaps and reloads.
pub struct Taps {
    /// All that the data path looks at while nobody listens.
    listening: AtomicUsize,
    listeners: RwLock<Vec<Arc<Listener>>>,
    places: Arc<Semaphore>,
    /// Grows with each generation that is published, for those who want to say so.
    published: watch::Sender<u64>,
}

impl Default for Taps {
    fn default() -> Taps {
        Taps {
            listening: AtomicUsize::new(0),
            listeners: RwLock::default(),
            places: Arc::new(Semaphore::new(TAPS_MAX)),
            published: watch::Sender::new(0),
        }
    }
}

impl Taps {
    /// A batch has come to a pipeline. Costs an atomic load while nobody listens.
    pub fn arrived(&self, pipeline: &PipelineId, batch: &TelemetryBatch, generation: u64) {
        if self.is_silent() {
            return;
        }
        let wanting = self.wanting(pipeline, None, batch);
        if !wanting.is_empty() {
            let observed = Arc::new(Observed::arrived(pipeline, batch, generation));
            wanting.iter().for_each(|listener| listener.offer(&observed));
        }
    }

    /// A batch is about to be decided about; what it is now is kept for [`Tapped::decided`]. Costs an atomic load while nobody listens.
    pub fn before(&self, pipeline: &PipelineId, stage: &Stage, batch: &TelemetryBatch) -> Option<Tapped> {
        if self.is_silent() {
            return None;
        }
        let wanting = self.wanting(pipeline, Some(stage.name()), batch);
        (!wanting.is_empty()).then(|| Tapped::new(wanting, pipeline, stage, batch))
    }

    /// Another generation serves from now on.
    pub fn published(&self, generation: u64) {
        self.published.send_replace(generation);
    }

    /// Tells all listeners that it is over, and why, and waits a moment until they have heard.
    pub async fn end(&self, reason: &str) {
        for listener in std::mem::take(&mut *self.listeners.write()) {
            listener.end(reason);
        }
        self.listening.store(0, Relaxed);
        // Whoever does not read by then sees a closed connection.
        let _ = tokio::time::timeout(END_TIMEOUT, self.places.acquire_many(TAPS_MAX as u32)).await;
    }

    fn is_silent(&self) -> bool {
        self.listening.load(Relaxed) == 0
    }

    fn wanting(&self, pipeline: &PipelineId, stage: Option<&str>, batch: &TelemetryBatch) -> Vec<Arc<Listener>> {
        let listeners = self.listeners.read();
        listeners.iter().filter(|listener| listener.wants(pipeline, stage, batch)).map(Arc::clone).collect()
    }

    fn add(&self, listener: &Arc<Listener>) {
        let mut listeners = self.listeners.write();
        listeners.push(Arc::clone(listener));
        self.listening.store(listeners.len(), Relaxed);
    }

    fn remove(&self, listener: &Arc<Listener>) {
        let mut listeners = self.listeners.write();
        listeners.retain(|other| !Arc::ptr_eq(other, listener));
        self.listening.store(listeners.len(), Relaxed);
    }
}

impl Skipped {
    pub fn total(&self) -> u64 {
        self.over_limit + self.slow + self.large + self.failed
    }
}
