//! From an index and a selection back to a request.
//!
//! Two passes. The first ([`plan`]) looks at positions alone: which rows stay, grouped by the parent they belong to, which
//! parents stay, and how long every message then is. The second writes: tags and lengths are made anew, everything
//! else is copied. Records that are kept and that are neighbours in the buffer are one copy, so that a request of which
//! all is kept costs little more than moving its bytes.
//!
//! Whoever writes to a socket need not have them together: [`gather`] copies what is short, and refers to the rest where it lies.
//!
//! What comes out means what went in, but is not always the same bytes: a parent's children come after its own fields,
//! and rows of one parent that lay apart come together.

mod limit;
mod plan;

use bytes::Bytes;

pub use limit::encode_limited;
pub(crate) use plan::{Plan, Rowless};

use crate::gather::Part;
use crate::{Extent, GatherList, Index, MetricKind, Selection, Signal, varint};

/// Tag bytes of the fields that hold children. All are below 16, and so one byte.
const RESOURCE_TAG: u8 = 1 << 3 | 2;
const SCOPE_TAG: u8 = 2 << 3 | 2;
const METRIC_TAG: u8 = 2 << 3 | 2;

/// The tag of a metric's `data` field, `None` where it has none.
fn data_tag(kind: MetricKind) -> Option<u8> {
    match kind {
        MetricKind::None => None,
        _ => Some((kind.field() as u8) << 3 | 2),
    }
}

/// Bytes that [`encode`] would write.
pub fn encoded_len(signal: Signal, index: &Index, selection: &Selection) -> usize {
    Plan::new(signal, index, selection, Rowless::Kept).total
}

/// The request that holds the selected rows: unchanged ranges are copied, only lengths are written anew.
///
/// A parent that came without rows is kept; one that had rows, of which none is selected, is not. `selection` has as many
/// rows as the index.
pub fn encode(signal: Signal, index: &Index, selection: &Selection) -> Bytes {
    write(index, &Plan::new(signal, index, selection, Rowless::Kept))
}

/// What [`encode`] writes, with ranges of `referred_min` bytes and more left where they lie: they keep the index's buffers in memory.
pub fn gather(signal: Signal, index: &Index, selection: &Selection, referred_min: usize) -> GatherList {
    let plan = Plan::new(signal, index, selection, Rowless::Kept);
    // Parts are counted by 32 bits; no protocol takes more in one message.
    if plan.total < referred_min || u32::try_from(plan.total).is_err() {
        return write(index, &plan).into();
    }
    let mut writer = Writer { index, out: Gathered { referred_min, ..Gathered::default() } };
    writer.request(&plan);
    let list = writer.out.finish(&index.buffers);
    debug_assert_eq!(list.len(), plan.total, "the plan knows every length");
    list
}

/// Writes what a plan says, into one allocation of exactly its size.
fn write(index: &Index, plan: &Plan) -> Bytes {
    let mut writer = Writer { index, out: Vec::with_capacity(plan.total) };
    writer.request(plan);
    debug_assert_eq!(writer.out.len(), plan.total, "the plan knows every length");
    Bytes::from(writer.out)
}

/// Where a request is written to.
trait Output {
    /// For tags and lengths.
    fn made(&mut self) -> &mut Vec<u8>;
    /// A range of a buffer with this number, not empty.
    fn range(&mut self, buffer: &[u8], extent: Extent);
}

impl Output for Vec<u8> {
    fn made(&mut self) -> &mut Vec<u8> {
        self
    }

    fn range(&mut self, buffer: &[u8], extent: Extent) {
        self.extend_from_slice(&buffer[extent.offset as usize..][..extent.len as usize]);
    }
}

/// What is made and copied, and, between its parts, what is not.
#[derive(Default)]
struct Gathered {
    copied: Vec<u8>,
    /// Of `copied` (buffer 0), and of the index's buffers behind it.
    parts: Vec<Part>,
    /// Bytes of `copied` that are in `parts`.
    listed: usize,
    referred_min: usize,
}

impl Gathered {
    fn list(&mut self) {
        let (start, len) = (self.listed as u32, (self.copied.len() - self.listed) as u32);
        self.parts.push(Part { buffer: 0, start, len });
        self.listed = self.copied.len();
    }

    fn finish(mut self, buffers: &[Bytes]) -> GatherList {
        if self.parts.is_empty() {
            return Bytes::from(self.copied).into();
        }
        self.list();
        let copied = [Bytes::from(self.copied)];
        GatherList::new(copied.into_iter().chain(buffers.iter().cloned()).collect(), self.parts)
    }
}

impl Output for Gathered {
    fn made(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    fn range(&mut self, buffer: &[u8], extent: Extent) {
        if (extent.len as usize) < self.referred_min {
            return self.copied.range(buffer, extent);
        }
        self.list();
        self.parts.push(Part { buffer: extent.buffer + 1, start: extent.offset, len: extent.len });
    }
}

struct Writer<'a, O> {
    index: &'a Index,
    out: O,
}

impl<O: Output> Writer<'_, O> {
    fn request(&mut self, plan: &Plan) {
        let index = self.index;
        if plan.rowless == Rowless::Kept {
            self.extents(index.header);
        }
        for (number, resource) in index.resources.iter().enumerate().filter(|(number, _)| plan.resources[*number].kept)
        {
            self.open(RESOURCE_TAG, plan.resources[number].len);
            self.extents(resource.header);
            for &scope in plan.scopes_by_resource.of(number) {
                self.scope(plan, scope as usize);
            }
        }
    }

    fn scope(&mut self, plan: &Plan, number: usize) {
        if !plan.scopes[number].kept {
            return;
        }
        self.open(SCOPE_TAG, plan.scopes[number].len);
        self.extents(self.index.scopes[number].header);
        let Some(metrics_by_scope) = &plan.metrics_by_scope else {
            return self.rows(plan.rows_by_leaf.of(number));
        };
        for metric in metrics_by_scope.of(number).iter().map(|&metric| metric as usize) {
            if plan.metrics[metric].kept {
                self.metric(plan, metric);
            }
        }
    }

    fn metric(&mut self, plan: &Plan, number: usize) {
        self.open(METRIC_TAG, plan.metrics[number].len);
        self.extents(self.index.metrics[number].header);
        let data = &self.index.metric_data[number];
        if let Some(tag) = data_tag(data.kind) {
            self.open(tag, data.header_len as usize + plan.metrics[number].rows_len);
            self.extents(data.header);
            self.rows(plan.rows_by_leaf.of(number));
        }
    }

    /// The tag and the length of a message whose bytes come next.
    fn open(&mut self, tag: u8, len: usize) {
        let made = self.out.made();
        made.push(tag);
        varint::put(made, len as u64);
    }

    fn extents(&mut self, (start, end): (u32, u32)) {
        for extent in &self.index.extents[start as usize..end as usize] {
            self.copy(*extent);
        }
    }

    /// The records of one parent; those that are neighbours in a buffer with one copy.
    fn rows(&mut self, rows: &[u32]) {
        let mut run = Extent { buffer: 0, offset: 0, len: 0 };
        for &row in rows {
            let record = &self.index.records[row as usize];
            if record.buffer == run.buffer && record.offset == run.offset + run.len {
                run.len += record.len;
            } else {
                self.copy(run);
                run = Extent { buffer: record.buffer, offset: record.offset, len: record.len };
            }
        }
        self.copy(run);
    }

    fn copy(&mut self, extent: Extent) {
        if extent.len > 0 {
            self.out.range(&self.index.buffers[extent.buffer as usize], extent);
        }
    }
}
