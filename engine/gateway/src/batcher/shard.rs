//! What waits under one set of metadata, and how it becomes a batch.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::time::Instant;
use wasmill_batch::{Ack, MergeInput, Outcome, RequestContext, TelemetryBatch};

/// A waiting batch is sent at the latest when one part in so many of its client's time is over: what is behind needs the rest.
const DEADLINE_PARTS: u32 = 2;

/// The values of the configured keys, in the order of these.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Metadata(Arc<[(String, String)]>);

/// Rows that wait for others.
pub(super) struct Shard {
    entries: Vec<Entry>,
    pub rows: usize,
    pub bytes: usize,
    pub due: Instant,
    /// Whether it is due for a client's sake, before its time.
    pub hurried: bool,
}

struct Entry {
    batch: TelemetryBatch,
    /// Whether parents without rows go along: with the first piece of what is cut.
    with_rowless: bool,
    /// Of the batch, where this is its last piece; before that they are still kept by what is left.
    requests: usize,
    bytes: usize,
}

/// Rows that are sent as one batch.
pub(super) struct Load {
    entries: Vec<Entry>,
    pub rows: usize,
    pub bytes: usize,
}

impl Metadata {
    pub fn of(context: &RequestContext, keys: &[Arc<str>]) -> Metadata {
        let values = |key: &Arc<str>| {
            let of_key = context.metadata.iter().filter(move |(name, _)| **name == **key).cloned().collect::<Vec<_>>();
            of_key.into_iter()
        };
        Metadata(keys.iter().flat_map(values).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that a merged batch knows of its requests.
    pub fn context(&self, deadline: Option<Instant>) -> Arc<RequestContext> {
        let deadline = deadline.map(Instant::into_std);
        Arc::new(RequestContext { metadata: self.0.to_vec(), deadline, ..RequestContext::default() })
    }
}

impl Shard {
    pub fn new(due: Instant) -> Shard {
        Shard { entries: Vec::new(), rows: 0, bytes: 0, due, hurried: false }
    }

    pub fn push(&mut self, batch: TelemetryBatch, bytes: usize) {
        self.rows += batch.selection().count();
        self.bytes += bytes;
        self.entries.push(Entry { batch, with_rowless: true, requests: 1, bytes });
    }

    /// Is due early enough for a client that waits until `deadline`.
    pub fn hurry(&mut self, now: Instant, deadline: Option<Instant>) {
        let Some(left) = deadline.map(|deadline| deadline.saturating_duration_since(now)) else { return };
        let due = now + left / DEADLINE_PARTS;
        if due < self.due {
            (self.due, self.hurried) = (due, true);
        }
    }

    /// What is left waits anew.
    pub fn wait_until(&mut self, due: Instant, holds_acks: bool) {
        (self.due, self.hurried) = (due, false);
        if holds_acks {
            let deadlines: Vec<_> = self.entries.iter().map(|entry| deadline(&entry.batch)).collect();
            deadlines.into_iter().for_each(|deadline| self.hurry(Instant::now(), deadline));
        }
    }

    /// The oldest `rows_max` rows; without a limit everything.
    pub fn unload(&mut self, rows_max: Option<NonZeroUsize>) -> Load {
        let mut room = rows_max.map_or(usize::MAX, NonZeroUsize::get);
        let mut load = Load { entries: Vec::new(), rows: 0, bytes: 0 };
        let mut whole = 0;
        for entry in &self.entries {
            let rows = entry.batch.selection().count();
            if rows > room {
                break;
            }
            room -= rows;
            whole += 1;
        }
        load.entries.extend(self.entries.drain(..whole));
        if let Some(entry) = self.entries.first_mut().filter(|_| room > 0) {
            let piece = entry.cut(room);
            load.entries.push(piece);
        }
        load.rows = load.entries.iter().map(|entry| entry.batch.selection().count()).sum();
        load.bytes = load.entries.iter().map(|entry| entry.bytes).sum();
        self.rows -= load.rows;
        self.bytes -= load.bytes;
        load
    }
}

impl Entry {
    /// The first `rows` rows, with a part of the ack. There are more.
    fn cut(&mut self, rows: usize) -> Entry {
        let (first, rest) = self.batch.selection().split_at(rows);
        let mut batch = self.batch.fork();
        batch.select(first);
        self.batch.select(rest);
        let with_rowless = std::mem::replace(&mut self.with_rowless, false);
        Entry { batch, with_rowless, requests: 0, bytes: 0 }
    }
}

impl Load {
    pub fn requests(&self) -> usize {
        self.entries.iter().map(|entry| entry.requests).sum()
    }

    /// One batch, which resolves the acks of all that it is made of, and `own`.
    pub fn merge(self, metadata: &Metadata, own: Option<Ack>) -> Option<TelemetryBatch> {
        let deadline = self.entries.iter().filter_map(|entry| deadline(&entry.batch)).min();
        let mut batch = self.merged(metadata.context(deadline))?;
        let mut acks: Vec<Ack> = self.entries.into_iter().map(|entry| entry.batch.into_ack()).collect();
        acks.extend(own);
        drop(batch.replace_ack(Ack::merge(acks)));
        Some(batch)
    }

    /// One batch of requests that were answered when they came: `own` alone hears of it.
    pub fn merge_accepted(self, metadata: &Metadata, own: Ack) -> Option<TelemetryBatch> {
        let mut batch = self.merged(metadata.context(None))?;
        drop(batch.replace_ack(own));
        for entry in self.entries {
            entry.batch.resolve(Outcome::Dropped);
        }
        Some(batch)
    }

    /// With an ack that nobody waits for.
    fn merged(&self, context: Arc<RequestContext>) -> Option<TelemetryBatch> {
        let inputs =
            self.entries.iter().map(|entry| MergeInput { batch: &entry.batch, with_rowless: entry.with_rowless });
        match self.entries.as_slice() {
            // Nothing to merge: the request goes on as it came, and is not encoded anew.
            [only] if only.with_rowless => {
                let mut batch = only.batch.fork_unobserved();
                batch.replace_context(context);
                Some(batch)
            }
            _ => TelemetryBatch::merge(&inputs.collect::<Vec<_>>(), context, Ack::unobserved()),
        }
    }
}

fn deadline(batch: &TelemetryBatch) -> Option<Instant> {
    batch.context().deadline.map(Instant::from_std)
}
