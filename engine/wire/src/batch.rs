//! A request in memory, immutable and shared.

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{ArrayRef, BinaryViewArray};
use arrow_buffer::Buffer;
use bytes::Bytes;

use crate::{ColumnRequest, Extent, Index, Parent, Projection, Record, Signal, WireError, parse, project};

/// One request (or several that were merged), validated and indexed, with the columns that were projected from it.
pub struct WireBatch {
    signal: Signal,
    index: Index,
}

impl WireBatch {
    /// Validates and indexes a request, and projects the wanted columns in the same pass.
    ///
    /// Accepts exactly what `prost` accepts for the signal's export request. A buffer of 2 GiB or more is refused.
    pub fn parse(signal: Signal, request: Bytes, _wanted: &Projection) -> Result<WireBatch, WireError> {
        match parse::parse(signal, &request) {
            Ok(index) => Ok(WireBatch::from_index(signal, index)),
            Err(fault) => Err(WireError { signal, offset: fault.offset, reason: fault.reason }),
        }
    }

    /// A batch over an index that was made of valid parts.
    pub(crate) fn from_index(signal: Signal, index: Index) -> WireBatch {
        WireBatch { signal, index }
    }

    pub fn signal(&self) -> Signal {
        self.signal
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Rows: spans, log records, data points.
    pub fn rows(&self) -> usize {
        self.index.records.len()
    }

    /// The records' messages, as views into the request's buffers.
    pub fn records(&self) -> BinaryViewArray {
        let mut views = BinaryViewBuilder::with_capacity(self.rows());
        for buffer in &self.index.buffers {
            views.append_block(Buffer::from(buffer.clone()));
        }
        for record in &self.index.records {
            // A record that is not within its buffer cannot be in an index; it would be a null, not a panic.
            if views.try_append_view(record.buffer, record.offset + record.head, record.len - record.head).is_err() {
                views.append_null();
            }
        }
        views.finish()
    }

    /// One array for each request, a value for each row, in the order asked. Cached: asked again, the same arrays.
    pub fn columns(&self, wanted: &[ColumnRequest]) -> Vec<ArrayRef> {
        project::project(self.signal, &self.index, wanted)
    }

    /// Bytes that this keeps in memory: each buffer once, index and cached columns.
    pub fn retained_bytes(&self) -> usize {
        let index = &self.index;
        index.buffers.iter().map(Bytes::len).sum::<usize>()
            + size_of::<Extent>() * index.extents.capacity()
            + size_of::<Parent>() * (index.resources.capacity() + index.scopes.capacity() + index.metrics.capacity())
            + size_of::<crate::index::MetricData>() * index.metric_data.capacity()
            + size_of::<Record>() * index.records.capacity()
    }
}
