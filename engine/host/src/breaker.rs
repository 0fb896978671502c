//! The breaker: a plugin that fails call after call is not called for a while.
//!
//! ```text
//!            K of the last N calls failed
//!   closed ─────────────────────────────────► open ◄──────────────┐
//!     ▲                                        │ a pause          │ one fails: a longer pause
//!     └────── some in a row do not fail ── half-open: one call at a time
//! ```
//!
//! Each call of a plugin that traps costs an instance, and one that runs into its deadline costs that time; the rows are no better
//! off for it. While the breaker is open the fault policy decides about them at once. A plugin that *refuses* rows is well, and does not
//! count: it says no to their content, which the next rows need not have.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Calls in a row that must not fail before a breaker closes again.
const PROBES: u32 = 3;

/// When a stage's breaker opens, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreakerSettings {
    /// So many failures open it. At most `calls`.
    pub faults: NonZeroU32,
    /// Of the last so many calls.
    pub calls: NonZeroU32,
    /// The first pause; each that follows without closing is twice as long.
    pub pause: Duration,
    /// The longest.
    pub pause_max: Duration,
}

/// Where a breaker stands. Also a label in status and metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BreakerState {
    #[default]
    Closed,
    Open,
    HalfOpen,
}

impl BreakerState {
    pub fn label(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Whether each of the last calls failed, the newest last, and how many did.
    Closed {
        recent: VecDeque<bool>,
        faults: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// `probing`: a call is under way.
    HalfOpen {
        pause: Duration,
        good: u32,
        probing: bool,
    },
}

/// The right to one call. Dropped without its end, nothing was learnt.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
    ended: bool,
}

/// The plugin is not to be called now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Closed {
    /// The rest of the pause; zero while another call tries whether it is well.
    pub pause: Duration,
}

/// What an end of a call changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turned {
    Opened { pause: Duration },
    Shut,
}

impl State {
    fn closed() -> State {
        State::Closed { recent: VecDeque::new(), faults: 0 }
    }
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Breaker {
        Breaker { settings, state: Mutex::new(State::closed()) }
    }

    pub fn state(&self) -> BreakerState {
        match *self.state.lock() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub fn admit(&self, now: Instant) -> Result<Permit<'_>, Closed> {
        let mut state = self.state.lock();
        let probe = match &mut *state {
            State::Closed { .. } => false,
            State::Open { until, .. } if now < *until => return Err(Closed { pause: *until - now }),
            State::Open { pause, .. } => {
                *state = State::HalfOpen { pause: *pause, good: 0, probing: true };
                true
            }
            State::HalfOpen { probing: true, .. } => return Err(Closed { pause: Duration::ZERO }),
            State::HalfOpen { probing, .. } => {
                *probing = true;
                true
            }
        };
        Ok(Permit { breaker: self, probe, ended: false })
    }

    /// A call that had ended well turns out not to have.
    pub fn fault(&self, now: Instant) -> Option<Turned> {
        self.record(now, false, true)
    }

    /// Counts what a call did. Calls that began before it opened may end after that, and change nothing then.
    fn record(&self, now: Instant, probe: bool, faulted: bool) -> Option<Turned> {
        let mut state = self.state.lock();
        let turned = match &mut *state {
            State::Closed { recent, faults } => {
                recent.push_back(faulted);
                *faults += u32::from(faulted);
                if recent.len() > self.settings.calls.get() as usize {
                    *faults -= u32::from(recent.pop_front() == Some(true));
                }
                (*faults >= self.settings.faults.get()).then_some(Turned::Opened { pause: self.settings.pause })
            }
            State::HalfOpen { pause, .. } if probe && faulted => {
                Some(Turned::Opened { pause: pause.saturating_mul(2).min(self.settings.pause_max) })
            }
            State::HalfOpen { good, probing, .. } if probe => {
                *probing = false;
                *good += 1;
                (*good >= PROBES).then_some(Turned::Shut)
            }
            State::HalfOpen { .. } | State::Open { .. } => None,
        };
        match turned {
            Some(Turned::Opened { pause }) => *state = State::Open { until: now + pause, pause },
            Some(Turned::Shut) => *state = State::closed(),
            None => {}
        }
        turned
    }
}

impl Permit<'_> {
    pub fn end(mut self, now: Instant, faulted: bool) -> Option<Turned> {
        self.ended = true;
        self.breaker.record(now, self.probe, faulted)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe && !self.ended {
            // Nobody knows how it ended: the next call tries.
            if let State::HalfOpen { probing, .. } = &mut *self.breaker.state.lock() {
                *probing = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(faults: u32, calls: u32) -> Breaker {
        let number = |number| NonZeroU32::new(number).unwrap();
        let (faults, calls) = (number(faults), number(calls));
        Breaker::new(BreakerSettings { faults, calls, pause: SECOND, pause_max: SECOND * 3 })
    }

    fn call(breaker: &Breaker, now: Instant, faulted: bool) -> Option<Turned> {
        breaker.admit(now).expect("it may be called").end(now, faulted)
    }

    /// Faults among many good calls do not open it; as many within the last calls do.
    #[test]
    fn only_faults_of_the_last_calls_count() {
        let (breaker, now) = (breaker(3, 5), Instant::now());
        for _ in 0..100 {
            for faulted in [true, false, false, true, false] {
                assert_eq!(call(&breaker, now, faulted), None);
            }
        }
        assert_eq!(call(&breaker, now, true), None);
        assert_eq!(call(&breaker, now, true), Some(Turned::Opened { pause: SECOND }));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(now).unwrap_err(), Closed { pause: SECOND });
    }

    /// After the pause one call at a time tries; a failure makes the pause longer, up to its most.
    #[test]
    fn a_failed_probe_makes_the_pause_longer() {
        let (breaker, mut now) = (breaker(1, 1), Instant::now());
        call(&breaker, now, true);
        for pause in [2, 3, 3] {
            now += SECOND * 3;
            let probe = breaker.admit(now).unwrap();
            assert_eq!(breaker.admit(now).unwrap_err(), Closed { pause: Duration::ZERO }, "one at a time");
            assert_eq!(probe.end(now, true), Some(Turned::Opened { pause: SECOND * pause }));
        }
    }

    /// Some good calls in a row close it, and what was before is forgotten.
    #[test]
    fn good_probes_close_it() {
        let (breaker, now) = (breaker(2, 4), Instant::now());
        call(&breaker, now, true);
        call(&breaker, now, true);
        let later = now + SECOND;
        assert_eq!(call(&breaker, later, false), None);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(call(&breaker, later, false), None);
        assert_eq!(call(&breaker, later, false), Some(Turned::Shut));
        assert_eq!(call(&breaker, later, true), None, "two are needed again");
    }

    /// A probe is given up (its batch went, no instance came free): the next call is one. Calls from before the opening that end now
    /// change nothing.
    #[test]
    fn what_taught_nothing_changes_nothing() {
        let (breaker, now) = (breaker(1, 2), Instant::now());
        let early = breaker.admit(now).unwrap();
        call(&breaker, now, true);
        assert_eq!(early.end(now, true), None);
        let later = now + SECOND;
        drop(breaker.admit(later).unwrap());
        assert!(breaker.admit(later).is_ok());
    }
}
