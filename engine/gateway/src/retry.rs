//! When to try again: exponential back-off with jitter, as the Collector's `retry_on_failure` has it.
//!
//! A backend that says when (`RetryInfo`, `Retry-After`) is believed: the wait is at least as long. Jitter keeps gateways that
//! failed together from coming back together.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use tokio::time::Instant;
use wasmill_config::Retry;

/// The attempts of one request.
pub struct Backoff<'a> {
    settings: &'a Retry,
    started: Instant,
    interval: Duration,
    random: u64,
}

impl<'a> Backoff<'a> {
    /// Starts the clock of `elapsed_max`.
    pub fn start(settings: &'a Retry) -> Self {
        // The standard library's hasher is keyed at random: enough to spread retries, and no dependency.
        let random = std::hash::RandomState::new().build_hasher().finish();
        Backoff { settings, started: Instant::now(), interval: settings.interval_initial, random }
    }

    /// How long to wait before the next attempt; `None`: give up, it would start after `elapsed_max`.
    pub fn next(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        let wait = self.jittered().max(retry_after.unwrap_or_default());
        let next = self.interval.mul_f64(self.settings.multiplier.max(1.0));
        self.interval = next.min(self.settings.interval_max);
        match self.settings.elapsed_max {
            Some(max) if self.started.elapsed() + wait > max => None,
            _ => Some(wait),
        }
    }

    /// Drawn evenly from `interval × (1 ± randomization_factor)`.
    fn jittered(&mut self) -> Duration {
        // xorshift64: never 0 when it does not start there.
        self.random |= 1;
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let unit = (self.random >> 11) as f64 / (1u64 << 53) as f64;
        let factor = self.settings.randomization_factor.clamp(0.0, 1.0);
        self.interval.mul_f64(1.0 + factor * (2.0 * unit - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(randomization_factor: f64, elapsed_max: Option<u64>) -> Retry {
        Retry {
            interval_initial: Duration::from_secs(5),
            randomization_factor,
            multiplier: 1.5,
            interval_max: Duration::from_secs(10),
            elapsed_max: elapsed_max.map(Duration::from_secs),
        }
    }

    /// A backend stays down: waits grow to the maximum and stay there.
    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_the_maximum() {
        let settings = settings(0.0, None);
        let mut backoff = Backoff::start(&settings);
        let waits: Vec<f64> = (0..4).map(|_| backoff.next(None).unwrap().as_secs_f64()).collect();
        assert_eq!(waits, [5.0, 7.5, 10.0, 10.0]);
    }

    /// Many gateways fail together: each waits its own time, within the stated bounds.
    #[tokio::test(start_paused = true)]
    async fn jitter_stays_within_its_factor() {
        let settings = settings(0.5, None);
        let waits: Vec<Duration> = (0..200).map(|_| Backoff::start(&settings).next(None).unwrap()).collect();
        assert!(waits.iter().all(|wait| (2_500..=7_500).contains(&wait.as_millis())));
        assert!(waits.iter().max() > waits.iter().min(), "they differ");
    }

    /// A backend says when to come back: not before that.
    #[tokio::test(start_paused = true)]
    async fn the_backend_s_own_delay_counts() {
        let settings = settings(0.0, None);
        assert_eq!(Backoff::start(&settings).next(Some(Duration::from_secs(42))), Some(Duration::from_secs(42)));
        assert_eq!(Backoff::start(&settings).next(Some(Duration::from_secs(1))), Some(Duration::from_secs(5)));
    }

    /// A request has waited long enough: it is given up rather than tried after its time.
    #[tokio::test(start_paused = true)]
    async fn nothing_starts_after_the_elapsed_maximum() {
        let settings = settings(0.0, Some(12));
        let mut backoff = Backoff::start(&settings);
        let first = backoff.next(None).unwrap();
        tokio::time::advance(first).await;
        assert_eq!(backoff.next(None), None, "5 s have passed, and 7.5 s more would be over 12 s");
    }
}
