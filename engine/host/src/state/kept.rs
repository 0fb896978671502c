//! What an instance held when it was last asked, so that a fault costs what came since, and not everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many instances in a row that had it failed before they answered anything: then it is to blame, more likely than what they were called
/// with.
const FAILURES_MAX: u32 = 8;

/// A pool's; empty where its instance held nothing, or was never asked.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<Arc<Snapshot>>>);

#[derive(Debug)]
pub(crate) struct Snapshot {
    /// A block for `restore`.
    pub entries: Vec<u8>,
    taken: Instant,
    /// Instances that were given it, and have not answered a call since.
    unproved: AtomicU32,
}

impl Kept {
    pub fn set(&self, entries: Option<Vec<u8>>) {
        *self.0.lock() =
            entries.map(|entries| Arc::new(Snapshot { entries, taken: Instant::now(), unproved: AtomicU32::new(0) }));
    }

    pub fn clear(&self) {
        self.set(None);
    }

    pub fn get(&self) -> Option<Arc<Snapshot>> {
        self.0.lock().clone()
    }

    /// For a new instance. `None`: there is nothing, or it is no longer to be trusted, and is forgotten.
    pub fn give(&self) -> Option<Arc<Snapshot>> {
        let mut place = self.0.lock();
        if place.as_ref().is_some_and(|kept| kept.unproved.fetch_add(1, Relaxed) >= FAILURES_MAX) {
            *place = None;
        }
        place.clone()
    }

    /// An instance answered, which may have been given it.
    pub fn proved(&self) {
        if let Some(kept) = &*self.0.lock() {
            kept.unproved.store(0, Relaxed);
        }
    }
}

impl Snapshot {
    pub fn age(&self) -> Duration {
        self.taken.elapsed()
    }
}
