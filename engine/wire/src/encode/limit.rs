//! A selection as several requests, none longer than a backend takes.

use bytes::Bytes;

use crate::encode::plan::{Plan, Rowless, field_len};
use crate::encode::write;
use crate::{Index, Selection, Signal};

/// The selected rows as one or more requests of at most `bytes_max` bytes, rows in their order.
///
/// A row that is too long by itself is a request of its own: it is for whoever sends it to say that it cannot be sent.
/// Parents without rows, and the request's unknown fields, go with the first.
pub fn encode_limited(signal: Signal, index: &Index, selection: &Selection, bytes_max: usize) -> Vec<Bytes> {
    let whole = Plan::new(signal, index, selection, Rowless::Kept);
    if whole.total <= bytes_max || selection.count() <= 1 {
        return vec![write(index, &whole)];
    }
    let rowless_len = Plan::new(signal, index, &none(index), Rowless::Kept).total;
    let mut parts = Vec::new();
    let mut part = Part::new(signal, index, rowless_len);
    for row in selection.rows() {
        if !part.rows.is_empty() && part.len_with(row) > bytes_max {
            parts.push(part.write(parts.is_empty()));
            part = Part::new(signal, index, 0);
        }
        part.push(row);
    }
    parts.push(part.write(parts.is_empty()));
    parts
}

fn none(index: &Index) -> Selection {
    Selection::from_rows(index.records.len(), &[])
}

/// The rows of one request, and a length that it will not exceed.
struct Part<'a> {
    signal: Signal,
    index: &'a Index,
    rows: Vec<u32>,
    len_max: usize,
    /// The parent of the last row: the next row of the same one pays for itself alone.
    last: Option<u32>,
}

impl<'a> Part<'a> {
    fn new(signal: Signal, index: &'a Index, len_max: usize) -> Self {
        Part { signal, index, rows: Vec::new(), len_max, last: None }
    }

    fn len_with(&self, row: usize) -> usize {
        let record = &self.index.records[row];
        let parents = if self.last == Some(record.parent) { 0 } else { self.parents_len(record.parent) };
        self.len_max + parents + record.len as usize
    }

    fn push(&mut self, row: usize) {
        self.len_max = self.len_with(row);
        self.last = Some(self.index.records[row].parent);
        self.rows.push(row as u32);
    }

    /// Of a row's parents with their tags and the longest lengths that they can have. Counted anew whenever the parent
    /// changes, even where it was there before: an upper bound is all that is needed.
    fn parents_len(&self, leaf: u32) -> usize {
        // A length prefix grows by at most 9 bytes over the one byte that `field_len` of an empty message counts.
        const HEAD_BYTES_MAX: usize = 9;
        let with_head = |header_len: u32| field_len(header_len as usize) + HEAD_BYTES_MAX;
        let (scope, metric) = match self.signal {
            Signal::Metrics => {
                let (metric, data) = (&self.index.metrics[leaf as usize], &self.index.metric_data[leaf as usize]);
                (metric.parent, with_head(metric.header_len) + with_head(data.header_len))
            }
            Signal::Traces | Signal::Logs => (leaf, 0),
        };
        let scope = &self.index.scopes[scope as usize];
        let resource = &self.index.resources[scope.parent as usize];
        with_head(resource.header_len) + with_head(scope.header_len) + metric
    }

    fn write(&self, first: bool) -> Bytes {
        let selection = Selection::from_rows(self.index.records.len(), &self.rows);
        let rowless = if first { Rowless::Kept } else { Rowless::LeftOut };
        write(self.index, &Plan::new(self.signal, self.index, &selection, rowless))
    }
}
