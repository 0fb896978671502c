//! The newest value of every series, and how it is found.
//!
//! ```text
//!  Source (resource, scope) ─► Stream (metric) ─► Series ◄─ Members (family) ◄─ Registry ◄─ Scrape
//!            by wire bytes       by wire bytes     by attributes, and by labels
//! ```
//!
//! Points come by the left side, and of a known series they need nothing but that: its attributes' bytes are looked up as they stand, and
//! no name is made. Scrapes come by the right side. A series' state has a lock of its own, held to copy or to add a few numbers; the
//! maps are locked for writing only to put in or take out, so that points and scrapes wait for neither each other nor themselves.
//!
//! What is not heard of for [`expiration`](StoreSettings::expiration) goes, and a series whose point says that it has no value is no longer
//! exposed: to Prometheus both are the end of the series.

mod exemplar;
mod exponential;
mod family;
mod histogram;
mod point;
mod room;
mod series;
mod stream;
mod sweep;
mod take;
mod target;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};

use crate::translate::Translation;
use family::Registry;
use room::Room;
use stream::{Keyed, Source};

pub(crate) use exemplar::Exemplar;
pub(crate) use exponential::{Buckets, Classic, Exponential};
pub(crate) use family::Members;
pub(crate) use histogram::{Bounds, Histogram};
pub(crate) use point::{Body, Point, attributes};
pub(crate) use series::{LabelBytes, Series, State, Summary, Value};

pub use exponential::BUCKETS_MAX as NATIVE_BUCKETS_MAX;
pub use histogram::BUCKETS_MAX;
pub use series::QUANTILES_MAX;

/// Bytes of labels that series may have on the average, so that a limit on their number is one on memory. Four times what series have.
pub const LABEL_BYTES_PER_SERIES: usize = 1_024;

/// Ways to series, of all kinds, for each series that there may be. A series has one of its own, and shares the others.
const WAYS_PER_SERIES: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    pub translation: Translation,
    /// How long a series is exposed without new points. Not zero.
    pub expiration: Duration,
    /// Series at one time, stale ones included until they expire; points of others are refused.
    pub series_max: usize,
}

/// Everything that is exposed at one address.
pub struct Store {
    settings: StoreSettings,
    clock: Clock,
    sources: Keyed<Source>,
    registry: RwLock<Registry>,
    /// The `target_info` of each job and instance.
    targets: Mutex<HashMap<String, Arc<Series>, RandomState>>,
    /// For series, by the bytes of their labels.
    room: Room,
    /// For what leads to them: sources, streams, attributes, families. What finds no room there is looked up anew for each point.
    ways: Room,
    counters: Counters,
    /// When to look for what is expired, on the clock.
    sweep_at_ms: AtomicU64,
    sweeping: Mutex<()>,
}

/// Milliseconds since the store was made; a test may move it.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    ahead_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Counters {
    older: AtomicU64,
    resets: AtomicU64,
    expired: AtomicU64,
    targets_refused: AtomicU64,
}

/// What became of series and points since the store was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That are kept now.
    pub series: usize,
    /// Points that a newer one of their series had come before: not needed.
    pub older: u64,
    /// Totals that began anew.
    pub resets: u64,
    /// Series that were not heard of any more.
    pub expired: u64,
    /// Resources without a `target_info`, because their labels are too large or there are too many series.
    pub targets_refused: u64,
}

/// How the points of a stream follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Temporality {
    /// Gauges and summaries have none, and the newest is the value as well.
    Cumulative,
    Delta,
}

/// Why a point is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Name,
    Labels,
    SeriesLimit,
    TypeConflict,
    Temporality,
    OutOfOrder,
    Value,
    Histogram,
    Scale,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub taken: u64,
    /// Refused, for each [`Reason`] at its place in [`Reason::ALL`].
    pub refused: [u64; Reason::ALL.len()],
    /// About the first that was refused.
    pub message: String,
}

impl Reason {
    pub const ALL: [Reason; 9] = [
        Reason::Name,
        Reason::Labels,
        Reason::SeriesLimit,
        Reason::TypeConflict,
        Reason::Temporality,
        Reason::OutOfOrder,
        Reason::Value,
        Reason::Histogram,
        Reason::Scale,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Name => f.write_str("its metric has no name in Prometheus"),
            Reason::Labels => f.write_str("its labels are too large"),
            Reason::SeriesLimit => f.write_str("there are as many series as `max_series` allows"),
            Reason::TypeConflict => f.write_str("its metric's name is that of a metric of another type"),
            Reason::Temporality => f.write_str(
                "a sum that may fall has to be cumulative, and a sum or a histogram one of cumulative and delta",
            ),
            Reason::OutOfOrder => f.write_str("a delta of this time or a later one was added already"),
            Reason::Value => f.write_str("a delta of a total has to be a number, and not to be negative"),
            Reason::Histogram => write!(
                f,
                "a histogram needs ascending finite bounds, at most {BUCKETS_MAX} buckets, one more than bounds, that add up to its \
                 count; a summary at most {QUANTILES_MAX} quantiles, 0 to 1"
            ),
            Reason::Scale => write!(f, "its buckets are coarser than those of scale {}", exponential::SCALE_MIN),
        }
    }
}

impl Tally {
    pub fn refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    pub(crate) fn refuse(&mut self, reason: Reason, rows: u64, message: impl FnOnce() -> String) {
        if self.message.is_empty() {
            self.message = message();
        }
        if let Some(count) = self.refused.get_mut(reason as usize) {
            *count += rows;
        }
    }
}

impl Store {
    pub fn new(settings: StoreSettings) -> Arc<Store> {
        let most = settings.series_max;
        let bytes_max = most.saturating_mul(LABEL_BYTES_PER_SERIES);
        Arc::new(Store {
            sweep_at_ms: AtomicU64::new(sweep::interval_ms(&settings)),
            settings,
            clock: Clock { start: Instant::now(), ahead_ms: AtomicU64::new(0) },
            sources: Keyed::default(),
            registry: RwLock::default(),
            targets: Mutex::default(),
            room: Room::new(most, bytes_max),
            ways: Room::new(most.saturating_mul(WAYS_PER_SERIES), bytes_max.saturating_mul(WAYS_PER_SERIES)),
            counters: Counters::default(),
            sweeping: Mutex::new(()),
        })
    }

    pub fn settings(&self) -> &StoreSettings {
        &self.settings
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn counts(&self) -> Counts {
        Counts {
            series: self.room.count(),
            older: self.counters.older.load(Ordering::Relaxed),
            resets: self.counters.resets.load(Ordering::Relaxed),
            expired: self.counters.expired.load(Ordering::Relaxed),
            targets_refused: self.counters.targets_refused.load(Ordering::Relaxed),
        }
    }

    /// The next family in the order of names.
    pub(crate) fn family_after(&self, name: Option<&str>) -> Option<Arc<Members>> {
        self.registry.read().after(name)
    }

    /// Whether a state has something to expose.
    pub(crate) fn is_current(&self, state: &series::State, now_ms: u64) -> bool {
        !state.is_stale && !sweep::is_expired(state, now_ms, self.settings.expiration)
    }
}

impl Clock {
    pub fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        since.saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// For tests: as if so much time had passed.
    pub fn advance(&self, time: Duration) {
        self.ahead_ms.fetch_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
