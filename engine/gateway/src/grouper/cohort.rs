//! Groups that are decided together, and how they become batches.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;
use wasmill_batch::{Ack, MergeInput, TelemetryBatch};
use wasmill_wire::Selection;

use super::Decision;
use crate::batcher::Metadata;
use crate::queue::Held;

/// A cohort that keeps more memory is decided in several batches: each is copied once.
const LOAD_BYTES_MAX: usize = 32 << 20;
/// The same of rows: what is behind gives way to others between batches.
const LOAD_ROWS_MAX: usize = 65_536;

/// Groups whose first rows came at about the same time.
pub(super) struct Cohort {
    pub number: u64,
    /// When its first row came.
    pub began: Instant,
    /// Of each group.
    pub keys: Vec<u128>,
    /// Bytes that its parts keep.
    pub bytes: usize,
    rows: usize,
    parts: HashMap<Metadata, Vec<Part>>,
}

/// What is left of one batch.
pub(super) struct Part {
    pub batch: TelemetryBatch,
    /// For each selected row the number of its group.
    pub groups: Vec<u32>,
    /// That it keeps in memory.
    pub bytes: usize,
    /// Whether it is the first part of its request, which takes parents without rows along.
    pub is_first: bool,
}

/// Rows that go on as one batch.
pub(super) struct Load {
    pub metadata: Metadata,
    /// What was decided about all of them before; `None`: the stage is to be asked.
    pub decided: Option<Decision>,
    parts: Vec<Part>,
}

impl Cohort {
    pub fn new(number: u64, began: Instant) -> Cohort {
        Cohort { number, began, keys: Vec::new(), bytes: 0, rows: 0, parts: HashMap::new() }
    }

    pub fn push(&mut self, metadata: Metadata, part: Part) {
        self.bytes += part.bytes;
        self.rows += part.groups.len();
        self.parts.entry(metadata).or_default().push(part);
    }

    /// Takes one group out, as a cohort of its own. What it keeps in memory is counted there only where nothing else is left of a part.
    pub fn split_off(&mut self, group: u32) -> Cohort {
        let mut alone = Cohort::new(self.number, self.began);
        alone.keys.extend(self.keys.get(group as usize).copied());
        let parts = std::mem::take(&mut self.parts);
        (self.bytes, self.rows) = (0, 0);
        for (metadata, parts) in parts {
            for part in parts {
                let (taken, left) = part.split(|number| number == group);
                if let Some(mut part) = taken {
                    // The only one there.
                    part.groups.fill(0);
                    alone.push(metadata.clone(), part);
                }
                if let Some(part) = left {
                    self.push(metadata.clone(), part);
                }
            }
        }
        alone
    }

    /// All rows, those of one group always in one load. `decided` has for each group what was decided before.
    pub fn into_loads(self, decided: &[Option<Decision>]) -> Vec<Load> {
        let loads = self.bytes.div_ceil(LOAD_BYTES_MAX).max(self.rows.div_ceil(LOAD_ROWS_MAX)).max(1);
        let decision = |group: u32| decided.get(group as usize).copied().flatten();
        let turn = |group: u32| group as usize % loads;
        let kinds: BTreeSet<Option<Decision>> = decided.iter().copied().collect();
        let mut out = Vec::new();
        for (metadata, mut parts) in self.parts {
            for (number, &decided) in (0..loads).flat_map(|number| kinds.iter().map(move |kind| (number, kind))) {
                let is_in = |group: u32| turn(group) == number && decision(group) == decided;
                let mut load = Load { metadata: metadata.clone(), decided, parts: Vec::new() };
                let mut rest = Vec::with_capacity(parts.len());
                for part in parts {
                    let (taken, left) = part.split(is_in);
                    load.parts.extend(taken);
                    rest.extend(left);
                }
                parts = rest;
                if !load.parts.is_empty() {
                    out.push(load);
                }
            }
        }
        out
    }
}

impl Part {
    /// The rows of some groups, and the others. What it keeps is counted with the others, where there are any.
    fn split(self, is_taken: impl Fn(u32) -> bool) -> (Option<Part>, Option<Part>) {
        let taken = self.groups.iter().filter(|&&group| is_taken(group)).count();
        if taken == self.groups.len() {
            return (Some(self), None);
        }
        if taken == 0 {
            return (None, Some(self));
        }
        let rows = self.batch.selection().rows().zip(&self.groups);
        let (mut ours, mut groups, mut others, mut other_groups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (row, &group) in rows {
            if is_taken(group) {
                ours.push(row as u32);
                groups.push(group);
            } else {
                others.push(row as u32);
                other_groups.push(group);
            }
        }
        let len = self.batch.selection().len();
        let Part { batch: mut left, bytes, is_first, .. } = self;
        let mut batch = left.fork_unobserved();
        batch.select(Selection::from_rows(len, &ours));
        left.select(Selection::from_rows(len, &others));
        let taken = Part { batch, groups, bytes: 0, is_first };
        (Some(taken), Some(Part { batch: left, groups: other_groups, bytes, is_first: false }))
    }
}

impl Load {
    pub fn held(&self) -> Held {
        Held {
            requests: self.parts.iter().filter(|part| part.is_first).count(),
            rows: self.parts.iter().map(|part| part.groups.len() as u64).sum(),
            retained_bytes: self.parts.iter().map(|part| part.bytes).sum(),
            disk_bytes: 0,
        }
    }

    /// One batch, whose outcome `ack` hears of.
    pub fn merge(self, metadata: &Metadata, ack: Ack) -> Option<TelemetryBatch> {
        let inputs: Vec<MergeInput<'_>> =
            self.parts.iter().map(|part| MergeInput { batch: &part.batch, with_rowless: part.is_first }).collect();
        TelemetryBatch::merge(&inputs, metadata.context(None), ack)
    }
}
