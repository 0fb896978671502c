//! One listener: what it wants, what it may have, and how batches become its lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use wasmill_batch::TelemetryBatch;
use wasmill_config::PipelineId;
use wasmill_host::Stage;

use crate::pipeline::connector;

use super::mask::Masks;
use super::observed::Observed;
use super::outbox::Outbox;
use super::{Line, Side, Skipped};

/// Batches that wait to be looked at, for each listener. They wait for its condition, never for its reader.
const BATCHES_MAX: usize = 16;

/// What they keep in memory, unless a single one is larger: a part of the budget that clients send into.
pub const HELD_BYTES_MAX: usize = 16 << 20;

/// A listener's limit is for so long.
const SAMPLING_PERIOD: Duration = Duration::from_secs(1);

/// Records that are encoded before other tasks have a turn: some 30 µs each.
const RECORDS_AT_ONCE: usize = 16;

/// What a listener was found to want.
pub struct Wish {
    pub pipeline: Option<PipelineId>,
    pub stage: Option<String>,
    pub side: Side,
    /// A stage of the plugin `filter`, that keeps what is to be shown.
    pub condition: Option<Arc<Stage>>,
    pub masks: Masks,
    /// Records a second; 0: no limit.
    pub limit: u32,
}

/// Shared by the data path, which offers batches, and the task of its connection, which looks at them.
pub struct Listener {
    wish: Wish,
    sampled: Mutex<Sampled>,
    batches: mpsc::Sender<Held>,
    /// By what is in `batches`, or being looked at.
    held_bytes: AtomicUsize,
    pub outbox: Outbox,
    over_limit: AtomicU64,
    slow: AtomicU64,
    large: AtomicU64,
    failed: AtomicU64,
    /// Why it is over.
    ending: Mutex<Option<String>>,
    ended: Notify,
}

/// A batch that waits to be looked at, with what it counts as until then: what it retains can grow.
pub struct Held {
    observed: Arc<Observed>,
    bytes: usize,
}

/// Records of the running second.
struct Sampled {
    since: Instant,
    records: u32,
}

impl Listener {
    pub fn new(wish: Wish) -> (Listener, mpsc::Receiver<Held>) {
        let (batches, receiver) = mpsc::channel(BATCHES_MAX);
        let listener = Listener {
            wish,
            sampled: Mutex::new(Sampled { since: Instant::now(), records: 0 }),
            batches,
            held_bytes: AtomicUsize::new(0),
            outbox: Outbox::default(),
            over_limit: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            large: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            ending: Mutex::default(),
            ended: Notify::new(),
        };
        (listener, receiver)
    }

    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Whether it would look at a batch now. What it would have looked at at another time is counted.
    pub fn wants(&self, pipeline: &PipelineId, stage: Option<&str>, batch: &TelemetryBatch) -> bool {
        let Wish { condition, .. } = &self.wish;
        let of_signal = condition.as_ref().is_none_or(|condition| condition.columns(batch.signal()).is_some());
        let rows = batch.selection().count() as u64;
        if !self.is_at(pipeline, stage) || !of_signal || rows == 0 {
            return false;
        }
        if self.left() == 0 {
            self.over_limit.fetch_add(rows, Relaxed);
            return false;
        }
        let held = self.held_bytes.load(Relaxed);
        let fits = held == 0 || held.saturating_add(batch.retained_bytes()) <= HELD_BYTES_MAX;
        if !fits || !self.outbox.has_room() {
            self.slow.fetch_add(rows, Relaxed);
            return false;
        }
        true
    }

    fn is_at(&self, pipeline: &PipelineId, stage: Option<&str>) -> bool {
        let Wish { pipeline: own, stage: own_stage, .. } = &self.wish;
        match own {
            Some(own) => own == pipeline && own_stage.as_deref() == stage,
            // What comes to a connector's table has come to a pipeline before.
            None => own_stage.as_deref() == stage && (stage.is_some() || connector(pipeline).is_none()),
        }
    }

    /// Takes a batch, if it has not become too much meanwhile. Does not wait.
    pub fn offer(&self, observed: &Arc<Observed>) {
        let bytes = observed.retained_bytes();
        self.held_bytes.fetch_add(bytes, Relaxed);
        if self.batches.try_send(Held { observed: Arc::clone(observed), bytes }).is_err() {
            self.held_bytes.fetch_sub(bytes, Relaxed);
            let rows = observed.subject(self.wish.side).map_or(0, |batch| batch.selection().count());
            self.slow.fetch_add(rows as u64, Relaxed);
        }
    }

    /// Makes lines of a batch.
    pub async fn look(&self, Held { observed, bytes }: Held) {
        if let Some(rows) = self.matching(&observed).await {
            let skipped = self.show(&observed, &rows).await;
            self.slow.fetch_add(skipped, Relaxed);
        }
        drop(observed);
        self.held_bytes.fetch_sub(bytes, Relaxed);
    }

    /// The rows that are to be shown: some from all over the batch, where it has more than the limit leaves.
    async fn matching(&self, observed: &Observed) -> Option<Vec<usize>> {
        let subject = observed.subject(self.wish.side)?;
        let selection = match &self.wish.condition {
            None => subject.selection().clone(),
            Some(condition) => {
                let mut asked = subject.fork_unobserved();
                if condition.process(&mut asked, 0).await.is_err() {
                    self.failed.fetch_add(subject.selection().count() as u64, Relaxed);
                    return None;
                }
                asked.selection().clone()
            }
        };
        let (count, shown) = (selection.count(), self.take(selection.count()));
        self.over_limit.fetch_add((count - shown) as u64, Relaxed);
        let mut wanted = (0..shown).map(|number| number * count / shown).peekable();
        let chosen = selection.rows().enumerate().filter(|(at, _)| wanted.next_if_eq(at).is_some());
        Some(chosen.map(|(_, row)| row).collect())
    }

    /// Puts rows into the outbox while there is room. Returns how many found none.
    async fn show(&self, observed: &Observed, rows: &[usize]) -> u64 {
        for (number, row) in rows.iter().enumerate() {
            if !self.outbox.has_room() {
                return (rows.len() - number) as u64;
            }
            match observed.show(*row, self.wish.side, &self.wish.masks) {
                Ok(Some(shown)) => self.say(&Line::Record(Box::new(shown))),
                Ok(None) => {}
                Err(_too_large) => {
                    self.large.fetch_add(1, Relaxed);
                }
            }
            if (number + 1) % RECORDS_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        0
    }

    pub fn say(&self, line: &Line) {
        // Plain data with texts for keys: it can be written.
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        self.outbox.push(bytes);
    }

    /// What was not shown since this was last asked.
    pub fn skipped(&self) -> Option<Skipped> {
        let take = |count: &AtomicU64| count.swap(0, Relaxed);
        let skipped = Skipped {
            over_limit: take(&self.over_limit),
            slow: take(&self.slow),
            large: take(&self.large),
            failed: take(&self.failed),
        };
        (skipped.total() > 0).then_some(skipped)
    }

    /// Lets it say why it is over, and end.
    pub fn end(&self, reason: &str) {
        *self.ending.lock() = Some(reason.to_owned());
        self.ended.notify_one();
    }

    /// Waits for [`end`](Listener::end), and says why.
    pub async fn ended(&self) -> String {
        loop {
            if let Some(reason) = self.ending.lock().clone() {
                return reason;
            }
            self.ended.notified().await;
        }
    }

    /// Records that may still be shown in this second.
    fn left(&self) -> usize {
        match self.wish.limit {
            0 => usize::MAX,
            limit => limit.saturating_sub(self.sampled.lock().now().records) as usize,
        }
    }

    /// Takes so many of them at most.
    fn take(&self, count: usize) -> usize {
        if self.wish.limit == 0 {
            return count;
        }
        let mut sampled = self.sampled.lock();
        let sampled = sampled.now();
        let taken = self.wish.limit.saturating_sub(sampled.records).min(u32::try_from(count).unwrap_or(u32::MAX));
        sampled.records += taken;
        taken as usize
    }
}

impl Sampled {
    /// Begins anew where a second has passed.
    fn now(&mut self) -> &mut Sampled {
        if self.since.elapsed() >= SAMPLING_PERIOD {
            *self = Sampled { since: Instant::now(), records: 0 };
        }
        self
    }
}
