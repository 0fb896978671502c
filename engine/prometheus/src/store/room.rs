//! How much may be kept.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for so many things, and for so many bytes of them.
#[derive(Debug)]
pub(super) struct Room {
    count: AtomicUsize,
    bytes: AtomicUsize,
    count_max: usize,
    bytes_max: usize,
}

impl Room {
    pub fn new(count_max: usize, bytes_max: usize) -> Room {
        Room { count: AtomicUsize::new(0), bytes: AtomicUsize::new(0), count_max, bytes_max }
    }

    /// Takes room for one more, if there is.
    pub fn take(&self, bytes: usize) -> bool {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = count < self.count_max && before.saturating_add(bytes) <= self.bytes_max;
        if !fits {
            self.give(bytes);
        }
        fits
    }

    /// Gives back what was taken for one.
    pub fn give(&self, bytes: usize) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
