//! Guests' log lines: bounded in size and in number, under the stage's name.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::bindings::wasmill::plugin::host::Level;

/// A line is for a person: what is longer is cut.
pub(crate) const LINE_BYTES_MAX: usize = 2048;
/// Lines that may come at once: a plugin that explains itself at start.
const LINES_BURST: f64 = 100.0;
/// Lines a second in the long run, for all instances of a stage together: a log that can be read.
const LINES_PER_SECOND: f64 = 10.0;

/// Where the lines of one stage's instances go.
#[derive(Debug)]
pub(crate) struct GuestLog {
    pub stage: Arc<str>,
    /// Nothing is written: nobody is to take it for what serves.
    quiet: bool,
    budget: Mutex<Budget>,
}

#[derive(Debug)]
struct Budget {
    lines: f64,
    at: Instant,
    /// Lines that were not written since the last that was.
    suppressed: u64,
}

impl GuestLog {
    pub fn new(stage: Arc<str>, quiet: bool) -> Arc<Self> {
        let budget = Budget { lines: LINES_BURST, at: Instant::now(), suppressed: 0 };
        Arc::new(GuestLog { stage, quiet, budget: Mutex::new(budget) })
    }

    /// Writes a line, or says that there were too many.
    pub fn write(&self, level: Level, message: &str) -> bool {
        let Some(suppressed) = self.budget.lock().take(Instant::now()) else { return false };
        if self.quiet {
            return true;
        }
        let message = &message[..message.floor_char_boundary(LINE_BYTES_MAX)];
        let stage = &*self.stage;
        match level {
            Level::Debug => tracing::debug!(target: "wasmill::plugin", stage, suppressed, "{message}"),
            Level::Info => tracing::info!(target: "wasmill::plugin", stage, suppressed, "{message}"),
            Level::Warn => tracing::warn!(target: "wasmill::plugin", stage, suppressed, "{message}"),
            Level::Error => tracing::error!(target: "wasmill::plugin", stage, suppressed, "{message}"),
        }
        true
    }
}

impl Budget {
    /// One line, and how many were suppressed before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * LINES_PER_SECOND;
        self.at = now;
        self.lines = (self.lines + earned).min(LINES_BURST);
        if self.lines < 1.0 {
            self.suppressed += 1;
            return None;
        }
        self.lines -= 1.0;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A guest floods the log: the burst is written, then one line for each tenth of a second, and the count of what was
    /// not written comes with the next line.
    #[test]
    fn a_flood_is_bounded_and_counted() {
        let start = Instant::now();
        let mut budget = Budget { lines: LINES_BURST, at: start, suppressed: 0 };
        let written = (0..1000).filter(|_| budget.take(start).is_some()).count();
        assert_eq!(written, 100);
        assert_eq!(budget.take(start + Duration::from_millis(100)), Some(900));
        assert_eq!(budget.take(start + Duration::from_millis(100)), None);
    }
}
