//! Several batches to one, and few rows out of large buffers.
//!
//! Merging moves no record: the new index points into the buffers of all the parts. Parents are joined where their headers
//! are byte for byte the same and so are their parents': clients of one process repeat their resource in every request,
//! and a backend should see it once. Equal meaning in other bytes is not looked for.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;

use crate::encode::{Plan, Rowless};
use crate::index::{MetricData, Parent, Record};
use crate::parse::BUFFER_LEN_MAX;
use crate::{Extent, Index, MetricKind, Selection, Signal, WireBatch};

/// What one batch gives to a merged one.
#[derive(Clone, Copy)]
pub struct MergePart<'a> {
    pub index: &'a Index,
    pub selection: &'a Selection,
    /// Whether its parents that came without rows, and its unknown fields, come along. Where a batch is cut in pieces they belong
    /// to one of these.
    pub with_rowless: bool,
}

/// One batch of all the selected rows, in order; parents with equal headers are joined. Buffers are shared, not copied.
///
/// Parents that came without rows are kept, each by itself. Unknown fields of the requests come one after another.
pub fn merge(signal: Signal, parts: &[MergePart]) -> WireBatch {
    WireBatch::from_index(signal, merge_indexes(signal, parts))
}

/// The selected rows alone in one buffer of their own (several, where that would be 2 GiB or longer).
pub fn compact(signal: Signal, index: &Index, selection: &Selection) -> WireBatch {
    let mut index = merge_indexes(signal, &[MergePart { index, selection, with_rowless: true }]);
    let mut copier = Copier::new(&index);
    for extent in &mut index.extents {
        (extent.buffer, extent.offset) = copier.copy(&index.buffers, *extent);
    }
    for record in &mut index.records {
        let extent = Extent { buffer: record.buffer, offset: record.offset, len: record.len };
        (record.buffer, record.offset) = copier.copy(&index.buffers, extent);
    }
    index.buffers = copier.finish();
    WireBatch::from_index(signal, index)
}

const UNPLACED: u32 = u32::MAX;

fn merge_indexes(signal: Signal, parts: &[MergePart]) -> Index {
    let mut merger = Merger::default();
    for MergePart { index, .. } in parts.iter().filter(|part| part.with_rowless) {
        merger.begin(index);
        merger.extents(index, index.header);
    }
    merger.out.header = (0, merger.out.extents.len() as u32);
    merger.out.records.reserve_exact(parts.iter().map(|part| part.selection.count()).sum());
    for part in parts {
        merger.add(signal, part);
    }
    merger.out
}

/// What two parents have in common if they are the same.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    level: Level,
    /// Its parent's number in the merged index.
    parent: u32,
    header: Cow<'a, [u8]>,
    /// A metric's data without its points.
    data: Option<(MetricKind, Cow<'a, [u8]>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Level {
    Resource,
    Scope,
    Metric,
}

#[derive(Default)]
struct Merger<'a> {
    out: Index,
    /// Where a buffer is that was seen before, by address and length: two branches of one request share their buffers.
    buffers: HashMap<(usize, usize), u32, RandomState>,
    /// Where the buffers of the part at hand are, [`UNPLACED`] for those that nothing kept lies in so far.
    placed: Vec<u32>,
    parents: HashMap<Key<'a>, u32, RandomState>,
}

impl<'a> Merger<'a> {
    fn begin(&mut self, index: &Index) {
        self.placed.clear();
        self.placed.resize(index.buffers.len(), UNPLACED);
    }

    fn add(&mut self, signal: Signal, &MergePart { index, selection, with_rowless }: &MergePart<'a>) {
        self.begin(index);
        let rowless = if with_rowless { Rowless::Kept } else { Rowless::LeftOut };
        let plan = Plan::new(signal, index, selection, rowless);
        // Numbers in the merged index; of no meaning for parents that are not kept, which nothing kept refers to.
        let mut resources = vec![0; index.resources.len()];
        let mut scopes = vec![0; index.scopes.len()];
        let mut metrics = vec![0; index.metrics.len()];
        for (number, resource) in index.resources.iter().enumerate().filter(|(number, _)| plan.resources[*number].kept)
        {
            let key = Key { level: Level::Resource, parent: 0, header: bytes_of(index, resource.header), data: None };
            resources[number] = self.joined(key, plan.resources[number].occupied, |merger| {
                let header = merger.extents(index, resource.header);
                merger.out.resources.push(Parent { parent: 0, header, header_len: resource.header_len });
                merger.out.resources.len() - 1
            });
        }
        for (number, scope) in index.scopes.iter().enumerate().filter(|(number, _)| plan.scopes[*number].kept) {
            let parent = resources[scope.parent as usize];
            let key = Key { level: Level::Scope, parent, header: bytes_of(index, scope.header), data: None };
            scopes[number] = self.joined(key, plan.scopes[number].occupied, |merger| {
                let header = merger.extents(index, scope.header);
                merger.out.scopes.push(Parent { parent, header, header_len: scope.header_len });
                merger.out.scopes.len() - 1
            });
        }
        for (number, metric) in index.metrics.iter().enumerate().filter(|(number, _)| plan.metrics[*number].kept) {
            let parent = scopes[metric.parent as usize];
            metrics[number] = self.metric(index, number, parent, plan.metrics[number].occupied);
        }
        let leaves = if signal == Signal::Metrics { &metrics } else { &scopes };
        for row in selection.rows() {
            let record = &index.records[row];
            let (buffer, parent) = (self.buffer(index, record.buffer), leaves[record.parent as usize]);
            self.out.records.push(Record { buffer, parent, ..*record });
        }
    }

    fn metric(&mut self, index: &'a Index, number: usize, parent: u32, occupied: bool) -> u32 {
        let (metric, data) = (&index.metrics[number], &index.metric_data[number]);
        let key = Key {
            level: Level::Metric,
            parent,
            header: bytes_of(index, metric.header),
            data: Some((data.kind, bytes_of(index, data.header))),
        };
        self.joined(key, occupied, |merger| {
            let header = merger.extents(index, metric.header);
            merger.out.metrics.push(Parent { parent, header, header_len: metric.header_len });
            let header = merger.extents(index, data.header);
            merger.out.metric_data.push(MetricData { header, ..*data });
            merger.out.metrics.len() - 1
        })
    }

    /// The number of the parent that is like `key`, made by `make` if there is none. What nothing is under is not joined:
    /// it would be gone.
    fn joined(&mut self, key: Key<'a>, occupied: bool, make: impl FnOnce(&mut Self) -> usize) -> u32 {
        if !occupied {
            return make(self) as u32;
        }
        if let Some(&number) = self.parents.get(&key) {
            return number;
        }
        let number = make(self) as u32;
        self.parents.insert(key, number);
        number
    }

    fn extents(&mut self, index: &'a Index, (start, end): (u32, u32)) -> (u32, u32) {
        let first = self.out.extents.len() as u32;
        for extent in &index.extents[start as usize..end as usize] {
            let buffer = self.buffer(index, extent.buffer);
            self.out.extents.push(Extent { buffer, ..*extent });
        }
        (first, self.out.extents.len() as u32)
    }

    fn buffer(&mut self, index: &Index, number: u32) -> u32 {
        let placed = &mut self.placed[number as usize];
        if *placed == UNPLACED {
            let buffer = &index.buffers[number as usize];
            *placed = *self.buffers.entry((buffer.as_ptr() as usize, buffer.len())).or_insert_with(|| {
                self.out.buffers.push(buffer.clone());
                self.out.buffers.len() as u32 - 1
            });
        }
        *placed
    }
}

/// A header's bytes, copied only where they lie apart.
fn bytes_of(index: &Index, (start, end): (u32, u32)) -> Cow<'_, [u8]> {
    let bytes = |extent: &Extent| &index.buffers[extent.buffer as usize][range(extent)];
    match &index.extents[start as usize..end as usize] {
        [] => Cow::Borrowed(&[]),
        [one] => Cow::Borrowed(bytes(one)),
        several => Cow::Owned(several.iter().flat_map(bytes).copied().collect()),
    }
}

fn range(extent: &Extent) -> std::ops::Range<usize> {
    extent.offset as usize..extent.offset as usize + extent.len as usize
}

/// Copies extents one behind another into as few buffers as may be.
struct Copier {
    /// Bytes that are still to come.
    left: usize,
    filling: Vec<u8>,
    full: Vec<Bytes>,
}

impl Copier {
    fn new(index: &Index) -> Copier {
        let extents: usize = index.extents.iter().map(|extent| extent.len as usize).sum();
        let records: usize = index.records.iter().map(|record| record.len as usize).sum();
        let left = extents + records;
        Copier { left, filling: Vec::with_capacity(left.min(BUFFER_LEN_MAX)), full: Vec::new() }
    }

    /// Buffer and offset where the extent's bytes lie now.
    fn copy(&mut self, buffers: &[Bytes], extent: Extent) -> (u32, u32) {
        let bytes = &buffers[extent.buffer as usize][range(&extent)];
        if self.filling.len() + bytes.len() > BUFFER_LEN_MAX {
            let next = Vec::with_capacity(self.left.min(BUFFER_LEN_MAX));
            self.full.push(Bytes::from(std::mem::replace(&mut self.filling, next)));
        }
        let place = (self.full.len() as u32, self.filling.len() as u32);
        self.filling.extend_from_slice(bytes);
        self.left -= bytes.len();
        place
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.full.push(Bytes::from(self.filling));
        self.full
    }
}
