//! A request in memory, immutable and shared.

use arrow_array::{ArrayRef, BinaryViewArray};
use bytes::Bytes;

use crate::{ColumnRequest, Index, Projection, Signal, WireError};

/// One request (or several that were merged), validated and indexed, with the columns that were projected from it.
pub struct WireBatch {
    signal: Signal,
    index: Index,
}

impl WireBatch {
    /// Validates and indexes a request, and projects the wanted columns in the same pass.
    ///
    /// Accepts exactly what `prost` accepts for the signal's export request. A buffer of 2 GiB or more is refused.
    pub fn parse(_signal: Signal, _request: Bytes, _wanted: &Projection) -> Result<WireBatch, WireError> {
        todo!()
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
        todo!()
    }

    /// One array for each request, a value for each row, in the order asked. Cached: asked again, the same arrays.
    pub fn columns(&self, _wanted: &[ColumnRequest]) -> Vec<ArrayRef> {
        todo!()
    }

    /// Bytes that this keeps in memory: each buffer once, index and cached columns.
    pub fn retained_bytes(&self) -> usize {
        todo!()
    }
}
