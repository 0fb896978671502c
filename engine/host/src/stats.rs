//! What a stage has done, as numbers for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use wasmill_wire::Signal;

use crate::{Fault, FaultKind};

/// Upper bounds of the call duration histogram, in nanoseconds: from an empty call (0.3 µs) to a default deadline.
pub const CALL_DURATION_BOUNDS_NS: [u64; 14] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
];

/// Counts since the stage was built. Written by calls, read by whoever renders metrics; no number waits for another.
#[derive(Debug, Default)]
pub struct StageStats {
    calls: AtomicU64,
    pub(crate) rows_in: AtomicU64,
    pub(crate) rows_kept: AtomicU64,
    pub(crate) rows_dropped: AtomicU64,
    pub(crate) rows_diverted: AtomicU64,
    pub(crate) rows_uncalled: AtomicU64,
    pub(crate) rows_given_up: AtomicU64,
    pub(crate) breaker_opened: AtomicU64,
    emitted: [AtomicU64; Signal::ALL.len()],
    emitted_lost: [AtomicU64; Signal::ALL.len()],
    ticks: AtomicU64,
    tick_faults: AtomicU64,
    pub(crate) state_evicted: AtomicU64,
    pub(crate) state_lost: AtomicU64,
    pub(crate) rows_state_lost: AtomicU64,
    state_restored: AtomicU64,
    faults: [AtomicU64; FaultKind::ALL.len()],
    duration_ns_sum: AtomicU64,
    duration_buckets: [AtomicU64; CALL_DURATION_BOUNDS_NS.len() + 1],
    pub(crate) memory_bytes: AtomicU64,
    pub(crate) instances: AtomicU64,
    pub(crate) instances_created: AtomicU64,
}

/// [`StageStats`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageStatsSnapshot {
    /// Calls of `process`: one for each slice.
    pub calls: u64,
    /// Rows of slices, whether they were decided or faulted.
    pub rows_in: u64,
    pub rows_kept: u64,
    pub rows_dropped: u64,
    /// Rows that left the pipeline here, by the policy.
    pub rows_diverted: u64,
    /// Rows about which the policy decided without a call, because the breaker was open.
    pub rows_uncalled: u64,
    /// Rows of requests that their clients were told not to send again.
    pub rows_given_up: u64,
    /// How often the breaker opened.
    pub breaker_opened: u64,
    /// New records, by signal in the order of [`Signal::ALL`].
    pub emitted: [u64; Signal::ALL.len()],
    /// Those of them that nothing took.
    pub emitted_lost: [u64; Signal::ALL.len()],
    /// Calls of `tick`: one for each instance and round.
    pub ticks: u64,
    /// Those of them that failed, which are among `faults` too.
    pub tick_faults: u64,
    /// Keys that the host forgot for want of room.
    pub state_evicted: u64,
    /// Instances that went with what they held: of scope `keyed` or `single`, thrown away for a fault, or replaced by a plugin that did not
    /// take it over.
    pub state_lost: u64,
    /// Rows that were decided about after the stage's state had been handed over: what they changed of it is lost.
    pub rows_state_lost: u64,
    /// Instances that followed one that failed, and were given what it held when it was last asked.
    pub state_restored: u64,
    /// By kind, in the order of [`FaultKind::ALL`].
    pub faults: [u64; FaultKind::ALL.len()],
    pub duration_ns_sum: u64,
    /// Calls by duration, not cumulative: one for each of [`CALL_DURATION_BOUNDS_NS`], and one above.
    pub duration_buckets: [u64; CALL_DURATION_BOUNDS_NS.len() + 1],
    /// Linear memory of all living instances.
    pub memory_bytes: u64,
    /// Living instances.
    pub instances: u64,
    /// Instances ever made: more than living ones when some were discarded or retired.
    pub instances_created: u64,
}

impl StageStats {
    pub fn snapshot(&self) -> StageStatsSnapshot {
        StageStatsSnapshot {
            calls: self.calls.load(Relaxed),
            rows_in: self.rows_in.load(Relaxed),
            rows_kept: self.rows_kept.load(Relaxed),
            rows_dropped: self.rows_dropped.load(Relaxed),
            rows_diverted: self.rows_diverted.load(Relaxed),
            rows_uncalled: self.rows_uncalled.load(Relaxed),
            rows_given_up: self.rows_given_up.load(Relaxed),
            breaker_opened: self.breaker_opened.load(Relaxed),
            emitted: self.emitted.each_ref().map(|rows| rows.load(Relaxed)),
            emitted_lost: self.emitted_lost.each_ref().map(|rows| rows.load(Relaxed)),
            ticks: self.ticks.load(Relaxed),
            tick_faults: self.tick_faults.load(Relaxed),
            state_evicted: self.state_evicted.load(Relaxed),
            state_lost: self.state_lost.load(Relaxed),
            rows_state_lost: self.rows_state_lost.load(Relaxed),
            state_restored: self.state_restored.load(Relaxed),
            faults: std::array::from_fn(|i| self.faults[i].load(Relaxed)),
            duration_ns_sum: self.duration_ns_sum.load(Relaxed),
            duration_buckets: std::array::from_fn(|i| self.duration_buckets[i].load(Relaxed)),
            memory_bytes: self.memory_bytes.load(Relaxed),
            instances: self.instances.load(Relaxed),
            instances_created: self.instances_created.load(Relaxed),
        }
    }

    pub(crate) fn called(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = CALL_DURATION_BOUNDS_NS.partition_point(|&bound| bound < ns);
        self.calls.fetch_add(1, Relaxed);
        self.duration_ns_sum.fetch_add(ns, Relaxed);
        if let Some(count) = self.duration_buckets.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn emitted(&self, signal: Signal, rows: u64) {
        if let Some(count) = self.emitted.get(signal as usize) {
            count.fetch_add(rows, Relaxed);
        }
    }

    pub(crate) fn emitted_lost(&self, signal: Signal, rows: u64) {
        if let Some(count) = self.emitted_lost.get(signal as usize) {
            count.fetch_add(rows, Relaxed);
        }
    }

    pub(crate) fn restored(&self) {
        self.state_restored.fetch_add(1, Relaxed);
    }

    pub(crate) fn ticked(&self) {
        self.ticks.fetch_add(1, Relaxed);
    }

    pub(crate) fn tick_faulted(&self, fault: &Fault) {
        self.tick_faults.fetch_add(1, Relaxed);
        self.faulted(fault);
    }

    pub(crate) fn faulted(&self, fault: &Fault) {
        for (kind, count) in FaultKind::ALL.iter().zip(&self.faults) {
            if *kind == fault.kind {
                count.fetch_add(1, Relaxed);
            }
        }
    }
}

impl StageStatsSnapshot {
    pub fn faults_of(&self, kind: FaultKind) -> u64 {
        FaultKind::ALL.iter().zip(self.faults).find(|(k, _)| **k == kind).map_or(0, |(_, count)| count)
    }
}
