//! A request in memory, immutable and shared.

use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{Array, ArrayRef, BinaryViewArray};
use arrow_buffer::Buffer;
use bytes::Bytes;

use crate::{ColumnRequest, Extent, Index, MetricData, Parent, Projection, Record, Signal, WireError, parse, project};

/// One request (or several that were merged), validated and indexed, with the columns that were projected from it.
pub struct WireBatch {
    signal: Signal,
    index: Index,
    id_faults: IdFaults,
    /// Whether the index's one buffer is the request as it came.
    is_request: bool,
    cache: Mutex<Cache>,
}

/// Records whose ids are not what the specification says: valid protobuf, but not to be passed on as they are. Spans are
/// refused by partial success, log records lose their ids. Row numbers, ascending; a row is in one of the two at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdFaults {
    /// A trace id that has neither 16 bytes nor none, or a span id that has neither 8 nor none.
    pub wrong_length: Vec<u32>,
    /// Spans without a trace id or without a span id: empty or all zero. Log records need none.
    pub missing: Vec<u32>,
}

/// Columns that were projected.
#[derive(Default)]
struct Cache {
    columns: Vec<(ColumnRequest, ArrayRef)>,
    bytes: usize,
}

/// Cached columns of one batch: more than all stages of a pipeline ask for, few enough to be searched one by one.
pub(crate) const COLUMNS_CACHED_MAX: usize = 128;

/// Cached columns may take as much memory as the request's bytes so many times, and [`CACHED_BYTES_MIN`] in any case.
const CACHED_BYTES_FACTOR: usize = 2;
const CACHED_BYTES_MIN: usize = 1 << 20;

impl WireBatch {
    /// Validates and indexes a request, and projects the wanted columns in the same pass.
    ///
    /// Accepts exactly what `prost` accepts for the signal's export request, but for two limits: a buffer of 2 GiB or
    /// more is refused, and so are more than 1,048,576 records (or resources, scopes, metrics) in one request.
    pub fn parse(signal: Signal, request: Bytes, wanted: &Projection) -> Result<WireBatch, WireError> {
        let nothing;
        let wanted = if wanted.signal() == signal {
            wanted
        } else {
            nothing = Projection::new(signal, Vec::new());
            &nothing
        };
        match parse::parse(signal, &request, wanted) {
            Ok(parsed) => {
                let batch = WireBatch {
                    id_faults: parsed.id_faults,
                    is_request: true,
                    ..WireBatch::from_index(signal, parsed.index)
                };
                batch.keep(wanted.columns().iter().zip(parsed.columns));
                Ok(batch)
            }
            Err(fault) => Err(WireError { signal, offset: fault.offset, reason: fault.reason }),
        }
    }

    /// A batch over an index that was made of valid parts.
    pub(crate) fn from_index(signal: Signal, index: Index) -> WireBatch {
        WireBatch { signal, index, id_faults: IdFaults::default(), is_request: false, cache: Mutex::default() }
    }

    pub fn signal(&self) -> Signal {
        self.signal
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The request that this was parsed from, for who passes on all of it: no byte is copied. `None`: it was merged, compacted
    /// or edited, and has to be [encoded](crate::encode).
    pub fn request(&self) -> Option<&Bytes> {
        self.index.buffers.first().filter(|_| self.is_request)
    }

    /// Rows: spans, log records, data points.
    pub fn rows(&self) -> usize {
        self.index.records.len()
    }

    /// Rows whose ids are not as they should be. Found while parsing: empty for a batch that was merged.
    pub fn id_faults(&self) -> &IdFaults {
        &self.id_faults
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

    /// One array for each request, a value for each row, in the order asked.
    ///
    /// Cached: asked again, by whomever, the same arrays. Columns are no longer kept when there are very many, or when
    /// they are larger than the request.
    pub fn columns(&self, wanted: &[ColumnRequest]) -> Vec<ArrayRef> {
        let mut found: Vec<Option<ArrayRef>> = {
            let cache = self.cache();
            wanted.iter().map(|request| cache.find(request)).collect()
        };
        if found.iter().any(Option::is_none) {
            let missing = wanted.iter().zip(&found).filter(|(_, found)| found.is_none());
            let missing: Vec<ColumnRequest> = missing.map(|(request, _)| request.clone()).collect();
            let mut made = project::project(self.signal, &self.index, &missing).into_iter();
            for place in found.iter_mut().filter(|place| place.is_none()) {
                *place = made.next();
            }
            self.keep(wanted.iter().zip(found.iter().flatten().cloned()));
        }
        found.into_iter().flatten().collect()
    }

    /// Forgets the cached columns: for batches that are parked.
    pub fn forget_columns(&self) {
        *self.cache() = Cache::default();
    }

    /// Bytes that this keeps in memory: each buffer once, index and cached columns.
    pub fn retained_bytes(&self) -> usize {
        let index = &self.index;
        index.buffers.iter().map(Bytes::len).sum::<usize>()
            + size_of::<Extent>() * index.extents.capacity()
            + size_of::<Parent>() * (index.resources.capacity() + index.scopes.capacity() + index.metrics.capacity())
            + size_of::<MetricData>() * index.metric_data.capacity()
            + size_of::<Record>() * index.records.capacity()
            + self.cache().bytes
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Nothing panics while it is locked, and a cache that lacks a column is none the worse.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep<'a>(&self, columns: impl Iterator<Item = (&'a ColumnRequest, ArrayRef)>) {
        let request: usize = self.index.buffers.iter().map(Bytes::len).sum();
        let bytes_max = (CACHED_BYTES_FACTOR * request).max(CACHED_BYTES_MIN);
        let mut cache = self.cache();
        for (request, array) in columns {
            let bytes = array.get_array_memory_size();
            if cache.columns.len() < COLUMNS_CACHED_MAX
                && cache.bytes + bytes <= bytes_max
                && cache.find(request).is_none()
            {
                cache.bytes += bytes;
                cache.columns.push((request.clone(), array));
            }
        }
    }
}

impl Cache {
    fn find(&self, request: &ColumnRequest) -> Option<ArrayRef> {
        self.columns.iter().find(|(cached, _)| cached == request).map(|(_, array)| array.clone())
    }
}
