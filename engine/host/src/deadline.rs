//! How long a call may take: processor time, and a multiple of it on the clock.
//!
//! A deadline is there to end a guest that computes without end. On the clock alone it would also end honest ones: on a machine
//! that is short of processors a call of 5 ms can last 300. So what counts is what the call has computed, looked at in
//! each tick; the clock counts too, because somebody waits for the answer, with [`CLOCK_FACTOR`] times as much.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::fault::DeadlineExceeded;
use crate::lane;
use crate::ticker::TICK;

/// A call that gets less than a quarter of a processor is given up: whoever waits for it would soon do so, too.
const CLOCK_FACTOR: u32 = 4;

/// On the lane a call makes way for other threads while it gets at least one part in so many of a processor: where there is less for it,
/// the machine is full, and the kernel's shares decide.
const SHARE_MIN: u32 = 2;

/// In `resumed_ns`: the call has not had a tick.
const NEVER: u64 = 0;

/// The deadline of the call that runs.
#[derive(Debug)]
pub(crate) struct Deadline {
    began: Instant,
    allowed: Duration,
    /// Processor time up to the last check.
    used: Duration,
    /// When that was, since it began.
    checked: Duration,
    /// What its thread had used when the call went on there, in nanoseconds, or [`NEVER`]. Written by the future that a
    /// tick yields with, which may end on another thread than it began.
    resumed_ns: Arc<AtomicU64>,
}

impl Default for Deadline {
    /// Of no call: passed.
    fn default() -> Deadline {
        Deadline {
            began: Instant::now(),
            allowed: Duration::ZERO,
            used: Duration::ZERO,
            checked: Duration::ZERO,
            resumed_ns: Arc::default(),
        }
    }
}

impl Deadline {
    /// A call begins. Does not ask for the processor time, which takes longer than many calls.
    pub fn begin(&mut self, now: Instant, deadline_ms: u64) {
        self.began = now;
        self.allowed = Duration::from_millis(deadline_ms);
        self.used = Duration::ZERO;
        self.checked = Duration::ZERO;
        self.resumed_ns.store(NEVER, Relaxed);
    }

    /// In a tick, on the thread that the call runs on: whether it may go on, and if something is to be waited for before it does: others
    /// had their turn.
    pub fn tick(&mut self) -> Result<Option<impl Future<Output = ()> + Send + 'static>, DeadlineExceeded> {
        let elapsed = self.began.elapsed();
        if elapsed.saturating_sub(self.checked) >= TICK {
            return self.check(elapsed).map(Some);
        }
        // Between two checks, because a call on the lane makes ticks faster.
        if lane::is_here() && (self.used + self.used_here(elapsed)) * SHARE_MIN >= elapsed {
            lane::make_way();
        }
        Ok(None)
    }

    /// Since it last went on.
    fn used_here(&self, elapsed: Duration) -> Duration {
        match self.resumed_ns.load(Relaxed) {
            // Unknown, and not more than the ticks that it was given: the rest is the machine's.
            NEVER => elapsed.min(TICK * 2),
            resumed_ns => Duration::from_nanos(thread_time_ns().saturating_sub(resumed_ns)),
        }
    }

    fn check(&mut self, elapsed: Duration) -> Result<impl Future<Output = ()> + Send + use<>, DeadlineExceeded> {
        self.used += self.used_here(elapsed);
        self.checked = elapsed;
        let deadline_ms = u64::try_from(self.allowed.as_millis()).unwrap_or(u64::MAX);
        if self.used >= self.allowed {
            return Err(DeadlineExceeded::Processor { deadline_ms });
        }
        if elapsed >= self.allowed.saturating_mul(CLOCK_FACTOR) {
            return Err(DeadlineExceeded::Clock { deadline_ms, clock_factor: CLOCK_FACTOR });
        }
        let resumed_ns = Arc::clone(&self.resumed_ns);
        Ok(async move {
            // Through tokio: wasmtime's own yield is rescheduled before anything else is.
            tokio::task::yield_now().await;
            if lane::is_here() {
                lane::make_way();
            }
            resumed_ns.store(thread_time_ns().max(NEVER + 1), Relaxed);
        })
    }
}

/// What the calling thread has used of a processor.
fn thread_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the one value that it is given. It fails for a clock that does not exist: the time stays 0, and the clock
    // on the wall is what ends calls.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine short of processors: a call of which an age has passed, and that has hardly computed, goes on; up to
    /// a multiple of its deadline.
    #[tokio::test]
    async fn time_that_a_call_did_not_get_counts_for_less() {
        let mut deadline = Deadline::default();
        deadline.begin(Instant::now() - Duration::from_millis(900), 250);
        for _ in 0..2 {
            deadline.began -= TICK;
            deadline.tick().expect("hardly computed").expect("a turn of others").await;
        }
        deadline.began -= Duration::from_millis(100);
        assert!(matches!(deadline.tick().err(), Some(DeadlineExceeded::Clock { deadline_ms: 250, .. })));
    }

    /// A call computes on and on, giving way between: its own time ends it.
    #[tokio::test]
    async fn computing_ends_with_the_processor_time() {
        let mut deadline = Deadline::default();
        deadline.begin(Instant::now(), 20);
        deadline.began -= TICK;
        deadline.tick().expect("the first tick").expect("a turn of others").await;
        let start = thread_time_ns();
        while thread_time_ns() - start < 20_000_000 {
            std::hint::spin_loop();
        }
        assert!(matches!(deadline.tick().err(), Some(DeadlineExceeded::Processor { deadline_ms: 20 })));
    }

    /// Another call on the lane makes the ticks faster: this one gives way no sooner for it.
    #[tokio::test]
    async fn faster_ticks_change_nothing_for_a_short_call() {
        let mut deadline = Deadline::default();
        deadline.begin(Instant::now() + TICK, 250);
        assert!(deadline.tick().expect("just begun").is_none());
        deadline.began -= TICK * 2;
        assert!(deadline.tick().expect("a tick later").is_some());
    }
}
