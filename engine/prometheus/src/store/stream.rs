//! What a point's parents are, by the bytes that they have on the wire.
//!
//! ```text
//!  resource + scope ──► Source ──► metric without its points ──► Stream ──► attributes ──► Series
//! ```
//!
//! Two streams may lead to one series: whoever writes the same attributes in another order means the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};
use wasmill_wire::{Message, MetricKind};

use super::Temporality;
use super::family::Members;
use super::histogram::Bounds;
use super::series::Series;
use crate::translate::Origin;

pub(super) type Keyed<T> = RwLock<HashMap<Box<[u8]>, Arc<T>, RandomState>>;

/// A resource and a scope.
pub(super) struct Source {
    pub origin: Origin,
    pub streams: Keyed<Stream>,
    /// The series of its `target_info`.
    pub target: Option<Arc<Series>>,
    /// On the store's clock.
    pub used_ms: AtomicU64,
}

/// A metric of a source.
pub(super) struct Stream {
    pub kind: MetricKind,
    pub temporality: Temporality,
    pub is_monotonic: bool,
    pub members: Mutex<Arc<Members>>,
    pub series: Keyed<Series>,
    /// Those of the last point.
    pub bounds: Mutex<Arc<Bounds>>,
    pub used_ms: AtomicU64,
}

impl Source {
    pub fn touch(&self, now_ms: u64) {
        self.used_ms.store(now_ms, Ordering::Relaxed);
        if let Some(target) = &self.target {
            target.state.lock().updated_ms = now_ms;
        }
    }
}

/// Appends a message to a key, so that no two sequences of messages are the same key.
pub(super) fn put_key(key: &mut Vec<u8>, message: &Message<'_>) {
    let start = key.len();
    message.parts().for_each(|part| key.extend_from_slice(part));
    let len = (key.len() - start) as u64;
    key.extend_from_slice(&len.to_le_bytes());
}
