//! What the process keeps in memory for rows that wait, in one number.
//!
//! Whatever parks a batch (a queue, a batcher) counts it by [parking](crate::TelemetryBatch::park) it; when the batch goes, its bytes
//! go from the count. The process has one memory, so this is one number of the process, which `/metrics` shows and the
//! `memory_limiter` reads. What several parked branches share is counted for each: an upper bound.

use std::sync::atomic::{AtomicUsize, Ordering};

static RETAINED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes that parked batches keep in memory, in the whole process.
pub fn retained_bytes() -> usize {
    RETAINED_BYTES.load(Ordering::Relaxed)
}

/// A parked batch's part of the count, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Retained(usize);

impl Retained {
    pub fn new(bytes: usize) -> Retained {
        RETAINED_BYTES.fetch_add(bytes, Ordering::Relaxed);
        Retained(bytes)
    }
}

impl Drop for Retained {
    fn drop(&mut self) {
        RETAINED_BYTES.fetch_sub(self.0, Ordering::Relaxed);
    }
}
