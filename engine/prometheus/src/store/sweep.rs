//! What is not heard of any more goes.
//!
//! It is looked for by whoever brings points or scrapes, a few times within [`expiration`](StoreSettings::expiration): a series is kept
//! for a while longer than it is exposed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::room::Room;
use super::series::State;
use super::stream::Keyed;
use super::{Store, StoreSettings};

/// Looks within an expiration, so that nothing is kept for more than a quarter longer.
const SWEEPS: u128 = 4;

pub(super) fn interval_ms(settings: &StoreSettings) -> u64 {
    u64::try_from(settings.expiration.as_millis() / SWEEPS).unwrap_or(u64::MAX).max(1)
}

pub(super) fn is_expired(state: &State, now_ms: u64, expiration: Duration) -> bool {
    u128::from(now_ms.saturating_sub(state.updated_ms)) > expiration.as_millis()
}

impl Store {
    /// Sweeps where it is time, and nobody else does.
    pub(crate) fn sweep_if_due(&self, now_ms: u64) {
        if now_ms < self.sweep_at_ms.load(Ordering::Relaxed) {
            return;
        }
        let Some(_one_at_a_time) = self.sweeping.try_lock() else { return };
        self.sweep_at_ms.store(now_ms.saturating_add(interval_ms(&self.settings)), Ordering::Relaxed);
        self.sweep(now_ms);
    }

    fn sweep(&self, now_ms: u64) {
        let expiration = self.settings.expiration;
        let mut name: Option<String> = None;
        while let Some(members) = self.family_after(name.as_deref()) {
            let is_empty = members.sweep(
                |state| is_expired(state, now_ms, expiration),
                |series, _| {
                    self.room.give(series.labels.pairs.len());
                    self.counters.expired.fetch_add(1, Ordering::Relaxed);
                },
            );
            if is_empty {
                self.registry.write().remove(&members, &self.ways);
            }
            name = Some(members.family.name.clone());
        }
        self.targets.lock().retain(|_, series| !series.state.lock().is_gone);
        // Ways to series that are gone, and parents that nobody sends any more.
        let is_old = |used_ms: u64| u128::from(now_ms.saturating_sub(used_ms)) > expiration.as_millis();
        let sources: Vec<_> = self.sources.read().values().cloned().collect();
        for source in sources {
            let streams: Vec<_> = source.streams.read().values().cloned().collect();
            for stream in streams {
                drop_from(&stream.series, &self.ways, |series| series.state.lock().is_gone);
            }
            drop_from(&source.streams, &self.ways, |stream| {
                let is_old = is_old(stream.used_ms.load(Ordering::Relaxed));
                // One that is dropped takes its series along.
                if is_old {
                    stream.series.write().drain().for_each(|(key, _)| self.ways.give(key.len()));
                }
                is_old
            });
        }
        // A source whose streams are still there is as new as they are.
        drop_from(&self.sources, &self.ways, |source| {
            is_old(source.used_ms.load(Ordering::Relaxed)) && source.streams.read().is_empty()
        });
    }
}

/// Drops what `goes`. Mostly that is nothing, and then nobody waits.
fn drop_from<T>(map: &Keyed<T>, ways: &Room, goes: impl Fn(&T) -> bool) {
    if !map.read().values().any(|value| goes(value)) {
        return;
    }
    let mut map = map.write();
    map.retain(|key, value| {
        let goes = goes(value);
        if goes {
            ways.give(key.len());
        }
        !goes
    });
    if map.capacity() > 4 * map.len() + 64 {
        map.shrink_to_fit();
    }
}
