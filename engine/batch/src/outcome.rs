//! What became of a batch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a batch, or a branch of it, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A backend has it.
    Delivered,
    /// It is on disk, and survives a crash.
    DurablyQueued,
    /// It is in a queue in memory, and does not survive a crash.
    HeldInMemory,
    /// Nothing of it was wanted; counted where that was decided.
    Dropped,
    Refused(Refusal),
}

/// Nobody has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// For the sender and the log: lowercase, what was wrong and what was expected.
    pub reason: Arc<str>,
    /// When to try again, where somebody said; only for a retryable kind.
    pub retry_after: Option<Duration>,
}

/// Why, as far as the sender's next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// No room or no backend now. Retryable.
    Unavailable,
    /// It took longer than the sender or a limit allows. Retryable.
    DeadlineExceeded,
    /// Larger than a limit: never will fit.
    TooLarge,
    /// A backend or a plugin says that this data is wrong: the same data will be refused again.
    Invalid,
    /// There is nobody here for data of this kind, whatever it says.
    NotServed,
    /// The sender may not.
    PermissionDenied,
    /// The sender did not say who it is, or not truly.
    Unauthenticated,
    /// A failure of ours that the same data would meet again.
    Internal,
}

impl RefusalKind {
    pub fn is_retryable(self) -> bool {
        matches!(self, RefusalKind::Unavailable | RefusalKind::DeadlineExceeded)
    }
}

impl Refusal {
    pub fn new(kind: RefusalKind, reason: impl Into<Arc<str>>) -> Self {
        Refusal { kind, reason: reason.into(), retry_after: None }
    }

    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Outcome {
    /// The outcome of the whole of which these are parts: a retryable refusal counts more than a permanent one, which
    /// counts more than success; of two successes, the one that promises less counts. What was dropped promises nothing
    /// and breaks nothing.
    pub fn and(self, other: Outcome) -> Outcome {
        if other.weight() > self.weight() { other } else { self }
    }

    fn weight(&self) -> u8 {
        match self {
            Outcome::Dropped => 0,
            Outcome::Delivered => 1,
            Outcome::DurablyQueued => 2,
            Outcome::HeldInMemory => 3,
            Outcome::Refused(refusal) if refusal.is_retryable() => 5,
            Outcome::Refused(_) => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: RefusalKind) -> Outcome {
        Outcome::Refused(Refusal::new(kind, "why"))
    }

    /// Two branches end differently: the sender is told what lets it lose nothing.
    #[test]
    fn retryable_counts_more_than_permanent_more_than_success() {
        let order = [
            Outcome::Dropped,
            Outcome::Delivered,
            Outcome::DurablyQueued,
            Outcome::HeldInMemory,
            refused(RefusalKind::Invalid),
            refused(RefusalKind::Unavailable),
        ];
        for (i, less) in order.iter().enumerate() {
            for more in &order[i..] {
                assert_eq!(less.clone().and(more.clone()), *more);
                assert_eq!(more.clone().and(less.clone()), *more);
            }
        }
    }
}
