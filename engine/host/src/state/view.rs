//! What the instances of one stage see of a store.
//!
//! A stage that serves sees the store itself, within its own bounds. One that does not (a shadow run, a rehearsal, a measurement) sees it
//! through an overlay: what it writes lies there, and goes with it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use wasmill_columns::Bitmap;

use super::cells::Cells;
use super::shelf::{Bounds, Shelf, number};
use super::store::{StateSize, Store};
use super::{StateSettings, Stores};
use crate::StageStats;
use crate::bindings::wasmill::plugin::types::Failure;

/// Bytes that an overlay may have: what a shadow run of some hundred batches writes. Above it what was written first is forgotten, and the
/// store shows again.
const OVERLAY_BYTES_MAX: usize = 8 << 20;

/// After so many keys whoever waits for the store comes first: 0.1 ms.
const KEYS_BETWEEN_TURNS: usize = 1 << 10;

#[derive(Debug)]
pub(crate) struct View {
    store: Arc<Store>,
    /// `None`: it serves.
    overlay: Option<Mutex<Shelf>>,
    bounds: Bounds,
    stats: Arc<StageStats>,
}

/// What was found for some keys.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub valid: Bitmap,
    /// Where each key's value ends in `values`.
    pub ends: Vec<u32>,
    pub values: Vec<u8>,
}

impl View {
    /// `serves`: what is written is kept.
    pub fn new(
        stores: &Stores,
        stage: &Arc<str>,
        settings: &StateSettings,
        serves: bool,
        stats: &Arc<StageStats>,
    ) -> View {
        let bytes_max = if serves { settings.bytes_max } else { settings.bytes_max.min(OVERLAY_BYTES_MAX) };
        View {
            store: stores.of(stage),
            overlay: (!serves).then(Mutex::default),
            bounds: Bounds { bytes_max, keys_max: settings.keys_max },
            stats: Arc::clone(stats),
        }
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub fn size(&self) -> StateSize {
        self.store.size()
    }

    /// At most `bytes_max` bytes of values and their places; with more it is `limit`.
    pub(super) fn get(&self, keys: &Cells<'_>, bytes_max: usize, now: Instant) -> Result<Found, Failure> {
        let mut found = Found { ends: Vec::with_capacity(keys.len()), ..Found::default() };
        let bytes_max = bytes_max.saturating_sub(keys.len() * 4);
        let mut take = |value: Option<&[u8]>| {
            if found.values.len() + value.map_or(0, <[u8]>::len) > bytes_max {
                return Err(Failure::Limit);
            }
            found.valid.push(value.is_some());
            found.values.extend_from_slice(value.unwrap_or_default());
            // The bound is one of a block, which is below 2^31.
            found.ends.push(found.values.len() as u32);
            Ok(())
        };
        let mut store = self.store.lock();
        let mut overlay = self.overlay.as_ref().map(Mutex::lock);
        for row in 0..keys.len() {
            take_turns(&mut store, row);
            keys.at(row, |key| match (key, &mut overlay) {
                (None, _) => take(None),
                (Some(key), None) => take(store.get(key).and_then(|entry| entry.value(now))),
                (Some(key), Some(overlay)) => {
                    take(overlay.get(key).or_else(|| store.peek(key)).and_then(|entry| entry.value(now)))
                }
            })?;
        }
        Ok(found)
    }

    /// All of it or nothing: `limit` where one entry is larger than all that may be kept.
    pub(super) fn put(
        &self,
        keys: &Cells<'_>,
        values: &Cells<'_>,
        expires: Option<Instant>,
        now: Instant,
    ) -> Result<(), Failure> {
        let of = values.beside(keys.len()).ok_or(Failure::Invalid)?;
        let fits = |row| keys.at(row, |key| values.at(of(row), |value| self.fits(key, value)));
        if !(0..keys.len()).all(fits) {
            return Err(Failure::Limit);
        }
        let mut evicted = 0;
        let mut store = self.store.lock();
        let mut overlay = self.overlay.as_ref().map(Mutex::lock);
        for row in 0..keys.len() {
            take_turns(&mut store, row);
            keys.at(row, |key| {
                values.at(of(row), |value| {
                    let Some(key) = key else { return };
                    match (&mut overlay, value) {
                        (None, None) => store.remove(key),
                        (None, value) => {
                            store.put(key, value, expires);
                            evicted += store.trim(self.bounds, now);
                        }
                        // That there is none has to be known, for the store may have one.
                        (Some(overlay), value) => {
                            overlay.put(key, value, expires);
                            overlay.trim(self.bounds, now);
                        }
                    }
                })
            });
        }
        self.stats.state_evicted.fetch_add(evicted, Relaxed);
        Ok(())
    }

    /// The sums, `None` for rows without a key or a delta, and where a key has what is no number.
    pub(super) fn add(
        &self,
        keys: &Cells<'_>,
        deltas: &Cells<'_>,
        expires: Option<Instant>,
        now: Instant,
    ) -> Result<Vec<Option<i64>>, Failure> {
        let of = deltas.beside(keys.len()).filter(|_| deltas.is_int64()).ok_or(Failure::Invalid)?;
        let fits = |row| keys.at(row, |key| self.fits(key, Some(&[0; size_of::<i64>()])));
        if !(0..keys.len()).all(fits) {
            return Err(Failure::Limit);
        }
        let mut evicted = 0;
        let mut sums = Vec::with_capacity(keys.len());
        let mut store = self.store.lock();
        let mut overlay = self.overlay.as_ref().map(Mutex::lock);
        for row in 0..keys.len() {
            take_turns(&mut store, row);
            sums.push(keys.at(row, |key| {
                let (key, delta) = (key?, deltas.int(of(row))?);
                let Some(overlay) = &mut overlay else {
                    let sum = store.add(key, delta, expires, now);
                    evicted += store.trim(self.bounds, now);
                    return sum;
                };
                if overlay.peek(key).is_none()
                    && let Some(entry) = store.peek(key)
                {
                    let value = entry.value(now);
                    number(value.unwrap_or(&[0; size_of::<i64>()]))?;
                    overlay.put(key, value, entry.expires);
                }
                let sum = overlay.add(key, delta, expires, now);
                overlay.trim(self.bounds, now);
                sum
            }));
        }
        self.stats.state_evicted.fetch_add(evicted, Relaxed);
        Ok(sums)
    }

    fn fits(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        key.is_none_or(|key| self.bounds.fits(key, value.unwrap_or_default()))
    }
}

fn take_turns(store: &mut MutexGuard<'_, Shelf>, row: usize) {
    if row % KEYS_BETWEEN_TURNS == KEYS_BETWEEN_TURNS - 1 {
        MutexGuard::bump(store);
    }
}
