//! What of an index an output holds, and how long each of its messages is.

use crate::encode::data_tag;
use crate::{Index, Parent, Selection, Signal, varint};

/// What becomes of parents that came without rows, and of the request's own unknown fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rowless {
    Kept,
    /// Left out: the second and later parts of what is sent in parts.
    LeftOut,
}

/// What becomes of a parent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept {
    /// Whether it has anything under it, selected or not.
    pub occupied: bool,
    pub kept: bool,
    /// Of its message.
    pub len: usize,
    /// Of its selected records; 0 for what is no parent of records.
    pub rows_len: usize,
}

/// Children by parent: those of parent `n` are `children[starts[n]..starts[n + 1]]`, in their order.
pub(crate) struct Grouped {
    starts: Vec<u32>,
    children: Vec<u32>,
}

impl Grouped {
    /// Sorts children by parent, by counting: `pairs` gives (child, parent), each time it is asked the same.
    fn new<I: Iterator<Item = (u32, u32)>>(parents: usize, pairs: impl Fn() -> I) -> Grouped {
        let mut starts = vec![0u32; parents + 2];
        for (_, parent) in pairs() {
            starts[parent as usize + 2] += 1;
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        // `starts[n + 1]` is where parent n's next child goes, and ends as where parent n + 1 begins.
        let mut children = vec![0u32; starts[parents + 1] as usize];
        for (child, parent) in pairs() {
            let place = &mut starts[parent as usize + 1];
            children[*place as usize] = child;
            *place += 1;
        }
        Grouped { starts, children }
    }

    pub fn of(&self, parent: usize) -> &[u32] {
        &self.children[self.starts[parent] as usize..self.starts[parent + 1] as usize]
    }
}

/// All that is known of an output before its first byte is written.
pub(crate) struct Plan {
    pub rowless: Rowless,
    pub resources: Vec<Kept>,
    pub scopes: Vec<Kept>,
    /// Empty but for metrics.
    pub metrics: Vec<Kept>,
    pub scopes_by_resource: Grouped,
    /// `None` but for metrics.
    pub metrics_by_scope: Option<Grouped>,
    /// Selected rows by scope, for metrics by metric.
    pub rows_by_leaf: Grouped,
    pub total: usize,
}

impl Plan {
    pub fn new(signal: Signal, index: &Index, selection: &Selection, rowless: Rowless) -> Plan {
        assert_eq!(selection.len(), index.records.len(), "a selection of this index' rows");
        let leaves = if signal == Signal::Metrics { &index.metrics } else { &index.scopes };
        let mut leaf = vec![Kept::default(); leaves.len()];
        for record in &index.records {
            leaf[record.parent as usize].occupied = true;
        }
        for (start, end) in selection.runs() {
            for record in &index.records[start..end] {
                let kept = &mut leaf[record.parent as usize];
                kept.kept = true;
                kept.rows_len += record.len as usize;
            }
        }
        for (kept, parent) in leaf.iter_mut().zip(leaves) {
            kept.len = parent.header_len as usize + kept.rows_len;
        }
        let rows = || selection.rows().map(|row| (row as u32, index.records[row].parent));
        let mut plan = Plan {
            rowless,
            resources: vec![Kept::default(); index.resources.len()],
            scopes: Vec::new(),
            metrics: Vec::new(),
            scopes_by_resource: Grouped::new(index.resources.len(), || numbered(&index.scopes)),
            metrics_by_scope: None,
            rows_by_leaf: Grouped::new(leaves.len(), rows),
            total: 0,
        };
        match signal {
            Signal::Metrics => plan.metrics(index, leaf),
            Signal::Traces | Signal::Logs => plan.scopes = leaf,
        }
        plan.resources(index);
        plan
    }

    fn metrics(&mut self, index: &Index, mut metrics: Vec<Kept>) {
        for ((kept, metric), data) in metrics.iter_mut().zip(&index.metrics).zip(&index.metric_data) {
            let wrapped = match data_tag(data.kind) {
                Some(_) => field_len(data.header_len as usize + kept.rows_len),
                None => 0,
            };
            kept.len = metric.header_len as usize + wrapped;
        }
        self.scopes = vec![Kept::default(); index.scopes.len()];
        for (kept, scope) in self.scopes.iter_mut().zip(&index.scopes) {
            kept.len = scope.header_len as usize;
        }
        add_up(&mut metrics, index.metrics.iter().map(|metric| metric.parent), &mut self.scopes, self.rowless);
        self.metrics = metrics;
        self.metrics_by_scope = Some(Grouped::new(index.scopes.len(), || numbered(&index.metrics)));
    }

    fn resources(&mut self, index: &Index) {
        for (kept, resource) in self.resources.iter_mut().zip(&index.resources) {
            kept.len = resource.header_len as usize;
        }
        let parents = index.scopes.iter().map(|scope| scope.parent);
        add_up(&mut self.scopes, parents, &mut self.resources, self.rowless);
        if self.rowless == Rowless::Kept {
            self.total = span_len(index, index.header);
        }
        for kept in &mut self.resources {
            kept.kept |= !kept.occupied && self.rowless == Rowless::Kept;
            if kept.kept {
                self.total += field_len(kept.len);
            }
        }
    }
}

/// Settles which children stay, and adds them to their parents.
fn add_up(children: &mut [Kept], parents: impl Iterator<Item = u32>, above: &mut [Kept], rowless: Rowless) {
    for (child, parent) in children.iter_mut().zip(parents) {
        let above = &mut above[parent as usize];
        above.occupied = true;
        child.kept |= !child.occupied && rowless == Rowless::Kept;
        if child.kept {
            above.kept = true;
            above.len += field_len(child.len);
        }
    }
}

fn numbered(children: &[Parent]) -> impl Iterator<Item = (u32, u32)> {
    children.iter().zip(0u32..).map(|(child, number)| (number, child.parent))
}

/// Bytes of a field with a tag of one byte and a message of `len`.
pub(crate) fn field_len(len: usize) -> usize {
    1 + varint::len(len as u64) + len
}

fn span_len(index: &Index, (start, end): (u32, u32)) -> usize {
    index.extents[start as usize..end as usize].iter().map(|extent| extent.len as usize).sum()
}
