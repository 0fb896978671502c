//! Which records arrived, and which arrived more than once.

use std::sync::atomic::{AtomicU64, Ordering};

/// One bit for each record that a run may send.
pub struct Seen {
    bits: Vec<AtomicU64>,
    duplicates: AtomicU64,
    /// Ids that this run never sent.
    strange: AtomicU64,
}

impl Seen {
    pub fn new(ids: u64) -> Seen {
        let bits = (0..ids.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Seen { bits, duplicates: AtomicU64::new(0), strange: AtomicU64::new(0) }
    }

    /// Ids that fit.
    pub fn capacity(&self) -> u64 {
        self.bits.len() as u64 * 64
    }

    pub fn see(&self, id: u64) {
        let Some(bits) = usize::try_from(id / 64).ok().and_then(|word| self.bits.get(word)) else {
            self.strange.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let bit = 1 << (id % 64);
        if bits.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn has(&self, id: u64) -> bool {
        let word = usize::try_from(id / 64).ok().and_then(|word| self.bits.get(word));
        word.is_some_and(|bits| bits.load(Ordering::Relaxed) & 1 << (id % 64) != 0)
    }

    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    pub fn strange(&self) -> u64 {
        self.strange.load(Ordering::Relaxed)
    }
}
