//! `memory_limiter`, which is a processor and an extension.

use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryLimiter {
    pub check_interval: Duration,
    /// What the process may use; more than 0.
    pub limit: MemoryShare,
    /// So much below the limit requests are refused; less than it. 0: a fifth of the limit.
    pub spike: MemoryShare,
    /// Between two times that free memory is given back, while requests are refused.
    pub trim_interval_soft: Duration,
    /// The same above the limit.
    pub trim_interval_hard: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryShare {
    Bytes(u64),
    /// Of the memory that the process can have.
    Percent(u64),
}

impl MemoryLimiter {
    /// The Collector's, for its garbage collector.
    pub const TRIM_INTERVAL_SOFT: Duration = Duration::from_secs(10);
}

impl MemoryShare {
    /// Bytes, where the process can have `total`.
    pub fn of(self, total: u64) -> u64 {
        match self {
            MemoryShare::Bytes(bytes) => bytes,
            MemoryShare::Percent(percent) => (u128::from(total) * u128::from(percent) / 100) as u64,
        }
    }
}
