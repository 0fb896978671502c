//! `memory_limiter`: refuses what comes while the process uses too much memory.
//!
//! ```text
//!  0 ─────────────────────────── soft ──── limit
//!            everything           │ refused, free memory is given back now and then
//!                                 └─ limit − spike             └─ … and at each check
//! ```
//!
//! What counts is what the system counts: the process's resident memory, read at each check. In between, rows that are parked (in
//! queues and batchers) are added as they come, so that a burst is noticed before the next check. An allocator keeps memory
//! that is free; it is told to give that back before anybody is refused for it any longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wasmill_batch::{Refusal, RefusalKind, retained_bytes};
use wasmill_config as config;

use crate::admission::memory_bytes;
use crate::allocator::give_back;
use crate::telemetry::memory_rss_bytes;

/// Without `spike_limit_mib`, one part in so many of the limit: the Collector's.
const SPIKE_PARTS: u64 = 5;

/// One limiter, which several pipelines may share. Its checks end with it.
pub struct MemoryLimiter {
    state: Arc<State>,
    checks: JoinHandle<()>,
}

struct State {
    name: Arc<str>,
    settings: config::MemoryLimiter,
    limit_bytes: u64,
    soft_bytes: u64,
    memory: Memory,
    /// At the last check.
    used: AtomicU64,
    parked: AtomicUsize,
    trimmed: Mutex<Option<Instant>>,
}

/// How the process's memory is seen and shrunk; tests have their own.
pub struct Memory {
    pub used: Box<dyn Fn() -> u64 + Send + Sync>,
    pub parked: fn() -> usize,
    pub give_back: fn(),
}

impl MemoryLimiter {
    /// Looks at the memory, and goes on doing so. To be called within a runtime.
    pub fn start(name: Arc<str>, settings: config::MemoryLimiter) -> MemoryLimiter {
        let memory = Memory { used: Box::new(memory_rss_bytes), parked: retained_bytes, give_back };
        MemoryLimiter::over(memory, memory_bytes() as u64, name, settings)
    }

    /// The same for another memory, of `total` bytes.
    fn over(memory: Memory, total: u64, name: Arc<str>, settings: config::MemoryLimiter) -> MemoryLimiter {
        let limit_bytes = settings.limit.of(total);
        let spike = match settings.spike.of(total) {
            0 => limit_bytes / SPIKE_PARTS,
            spike => spike,
        };
        let state = Arc::new(State {
            name,
            limit_bytes,
            soft_bytes: limit_bytes.saturating_sub(spike),
            settings,
            memory,
            used: AtomicU64::new(0),
            parked: AtomicUsize::new(0),
            trimmed: Mutex::default(),
        });
        state.look();
        let checks = tokio::spawn(Arc::clone(&state).check());
        MemoryLimiter { state, checks }
    }

    pub fn settings(&self) -> &config::MemoryLimiter {
        &self.state.settings
    }

    /// Whether what comes now may go on; the refusal is retryable.
    pub fn admit(&self) -> Result<(), Refusal> {
        let state = &self.state;
        let parked_since = (state.memory.parked)().saturating_sub(state.parked.load(Ordering::Relaxed)) as u64;
        let used = state.used.load(Ordering::Relaxed).saturating_add(parked_since);
        if used < state.soft_bytes {
            return Ok(());
        }
        let (used, soft, name) = (used >> 20, state.soft_bytes >> 20, &state.name);
        let reason = format!("data refused due to high memory usage: {used} MiB; `{name}` refuses from {soft} MiB on");
        Err(Refusal {
            retry_after: Some(state.settings.check_interval),
            ..Refusal::new(RefusalKind::Unavailable, reason)
        })
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.checks.abort();
    }
}

impl State {
    async fn check(self: Arc<Self>) {
        let mut ticks = interval(self.settings.check_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut limited = false;
        loop {
            ticks.tick().await;
            let mut used = self.look();
            if used >= self.soft_bytes && self.may_trim(used) {
                let state = Arc::clone(&self);
                // Walks all of the heap, which can take a while.
                let _ = tokio::task::spawn_blocking(move || (state.memory.give_back)()).await;
                used = self.look();
            }
            if (used >= self.soft_bytes) != limited {
                limited = !limited;
                self.tell(limited, used);
            }
        }
    }

    fn look(&self) -> u64 {
        // Parked first: what is parked in between counts twice for a while, rather than not at all.
        self.parked.store((self.memory.parked)(), Ordering::Relaxed);
        let used = (self.memory.used)();
        self.used.store(used, Ordering::Relaxed);
        used
    }

    fn may_trim(&self, used: u64) -> bool {
        let is_hard = used >= self.limit_bytes;
        let between: Duration =
            if is_hard { self.settings.trim_interval_hard } else { self.settings.trim_interval_soft };
        let mut trimmed = self.trimmed.lock();
        let may = trimmed.is_none_or(|last| last.elapsed() >= between);
        if may {
            *trimmed = Some(Instant::now());
        }
        may
    }

    fn tell(&self, limited: bool, used: u64) {
        let (used, soft) = (used >> 20, self.soft_bytes >> 20);
        if limited {
            tracing::warn!(limiter = %self.name, used_mib = used, soft_limit_mib = soft,
                "memory usage is above the soft limit: data is refused");
        } else {
            tracing::info!(limiter = %self.name, used_mib = used, soft_limit_mib = soft,
                "memory usage is back within limits: data is taken again");
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmill_config::MemoryShare;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn settings(limit: MemoryShare, spike: MemoryShare) -> config::MemoryLimiter {
        config::MemoryLimiter {
            check_interval: Duration::from_secs(1),
            limit,
            spike,
            trim_interval_soft: Duration::from_secs(10),
            trim_interval_hard: Duration::ZERO,
        }
    }

    /// A limiter over memory that the test sets.
    fn limiter(
        settings: config::MemoryLimiter,
        parked: fn() -> usize,
        give_back: fn(),
    ) -> (MemoryLimiter, Arc<AtomicU64>) {
        let used = Arc::new(AtomicU64::new(0));
        let of_test = Arc::clone(&used);
        let memory = Memory { used: Box::new(move || of_test.load(Ordering::Relaxed)), parked, give_back };
        (MemoryLimiter::over(memory, 1_000 * MIB, "memory_limiter".into(), settings), used)
    }

    async fn next_check() {
        tokio::time::sleep(Duration::from_millis(1_001)).await;
    }

    /// Memory grows over the soft limit and falls below it: refused from one check on, retryably, and taken again after another.
    #[tokio::test(start_paused = true)]
    async fn refuses_above_the_soft_limit() {
        let settings = settings(MemoryShare::Bytes(100 * MIB), MemoryShare::Bytes(30 * MIB));
        let (limiter, used) = limiter(settings, || 0, || {});
        for (mib, taken) in [(69, true), (70, false), (500, false), (69, true)] {
            used.store(mib * MIB, Ordering::Relaxed);
            next_check().await;
            assert_eq!(limiter.admit().is_ok(), taken, "{mib} MiB");
        }
        used.store(70 * MIB, Ordering::Relaxed);
        next_check().await;
        let refusal = limiter.admit().unwrap_err();
        assert!(refusal.is_retryable() && refusal.retry_after == Some(Duration::from_secs(1)), "{refusal}");
    }

    /// The limit in percent of the memory that there is; without a spike, a fifth of it is kept free.
    #[tokio::test(start_paused = true)]
    async fn percentages_and_the_usual_spike() {
        let (limiter, used) = limiter(settings(MemoryShare::Percent(50), MemoryShare::Percent(0)), || 0, || {});
        for (mib, taken) in [(399, true), (400, false)] {
            used.store(mib * MIB, Ordering::Relaxed);
            next_check().await;
            assert_eq!(limiter.admit().is_ok(), taken, "{mib} MiB");
        }
    }

    /// A burst is parked between two checks: it is noticed as it comes.
    #[tokio::test(start_paused = true)]
    async fn what_is_parked_counts_at_once() {
        static PARKED: AtomicUsize = AtomicUsize::new(0);
        let settings = settings(MemoryShare::Bytes(100 * MIB), MemoryShare::Bytes(30 * MIB));
        let (limiter, used) = limiter(settings, || PARKED.load(Ordering::Relaxed), || {});
        used.store(60 * MIB, Ordering::Relaxed);
        next_check().await;
        assert!(limiter.admit().is_ok());
        PARKED.store(10 << 20, Ordering::Relaxed);
        assert!(limiter.admit().is_err());
        PARKED.store(0, Ordering::Relaxed);
        assert!(limiter.admit().is_ok());
    }

    /// Above the soft limit free memory is given back each 10 s, above the limit at each check, below neither.
    #[tokio::test(start_paused = true)]
    async fn free_memory_is_given_back() {
        static GIVEN: AtomicUsize = AtomicUsize::new(0);
        let settings = settings(MemoryShare::Bytes(100 * MIB), MemoryShare::Bytes(30 * MIB));
        fn count() {
            GIVEN.fetch_add(1, Ordering::Relaxed);
        }
        let (_limiter, used) = limiter(settings, || 0, count);
        let given_in = async |mib: u64, checks: u64| {
            used.store(mib * MIB, Ordering::Relaxed);
            let before = GIVEN.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(checks)).await;
            GIVEN.load(Ordering::Relaxed) - before
        };
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(given_in(10, 20).await, 0);
        assert_eq!(given_in(80, 20).await, 2);
        assert_eq!(given_in(200, 20).await, 20);
    }
}
