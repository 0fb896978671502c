//! How long requests took, counted from when they were due.
//!
//! A sender that waits for an answer before it sends again does not ask while the engine is slow, and so hides just that
//! (coordinated omission). Here requests are due at a fixed rate whatever the engine does, and one that is sent late is late.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Requests due at a fixed rate.
#[derive(Clone, Copy)]
pub struct Pace {
    pub start: Instant,
    /// Requests a second, over all connections.
    pub rate: f64,
}

impl Pace {
    pub fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / self.rate)
    }
}

/// Times of a run, in microseconds.
#[derive(Default)]
pub struct Latencies(Mutex<Vec<u64>>);

impl Latencies {
    pub fn record(&self, took: Duration) {
        self.0.lock().push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// In milliseconds: median, 99th percentile, 99.9th percentile, maximum. `None` if there are none.
    pub fn json(&self) -> Option<serde_json::Value> {
        let mut sorted = self.0.lock().clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let rank = (sorted.len() as f64 * share).ceil() as usize;
            Some(*sorted.get(rank.max(1) - 1)? as f64 / 1000.0)
        };
        Some(serde_json::json!({
            "requests": sorted.len(),
            "p50": at(0.5)?,
            "p99": at(0.99)?,
            "p999": at(0.999)?,
            "max": at(1.0)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Percentiles are those of the nearest rank, and nothing has none.
    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let latencies = Latencies::default();
        assert_eq!(latencies.json(), None);
        for ms in (1..=100).rev() {
            latencies.record(Duration::from_millis(ms));
        }
        let json = latencies.json().unwrap();
        assert_eq!(
            (json["p50"].as_f64(), json["p99"].as_f64(), json["max"].as_f64()),
            (Some(50.0), Some(99.0), Some(100.0))
        );
    }
}
