//! The bytes that requests may hold in memory, and the connections that clients may have, for the whole process.
//!
//! A budget is taken as bytes arrive and as decompression produces them, so that many requests, each below its own limit,
//! cannot together be more than the process can hold. What was taken goes back when the request's buffer is dropped:
//! the permit lives in the buffer's owner, so whoever parks rows keeps the budget without knowing of it.
//!
//! Connections take a part of it for what their peers may send unasked ([`Budget::grant`]), never more than a quarter in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// The part of a budget that connections may take for their windows: three quarters always are for requests.
const CONNECTIONS_PART: usize = 4;

/// What a connection gets of what is left for connections: the first ones get much, and there is some for many.
const GRANT_PART: usize = 16;

/// Less than this is not worth a grant: it would not make a window faster.
const GRANT_BYTES_MIN: usize = 4 << 10;

/// A number of bytes and one of connections that are taken and given back; cloned by `Arc`.
#[derive(Debug)]
pub struct Budget {
    bytes_max: usize,
    taken: AtomicUsize,
    connections: Arc<Semaphore>,
    /// Of `taken`, what connections have.
    granted: AtomicUsize,
}

/// There are fewer bytes left than were asked for. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway holds as many bytes of requests as it may ({bytes_max}), try again later")]
pub struct Spent {
    pub bytes_max: usize,
}

/// Bytes of a [`Budget`], given back on drop.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    bytes: usize,
}

/// Bytes of a [`Budget`] that a connection has for its windows, given back on drop.
#[derive(Debug)]
pub(crate) struct Grant {
    permit: Permit,
}

impl Budget {
    /// As many connections as each port allows.
    pub fn new(bytes_max: usize) -> Arc<Budget> {
        Budget::with_connections(bytes_max, Semaphore::MAX_PERMITS)
    }

    /// Beside what each port allows, clients have at most `connections_max` connections to all ports together, one of which each
    /// port keeps for who comes next. Further ones wait to be accepted. 0 is taken as 1.
    pub fn with_connections(bytes_max: usize, connections_max: usize) -> Arc<Budget> {
        let connections = Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS)));
        Arc::new(Budget { bytes_max, taken: AtomicUsize::new(0), granted: AtomicUsize::new(0), connections })
    }

    /// A permit for each connection that may be accepted.
    pub(crate) fn connections(&self) -> &Arc<Semaphore> {
        &self.connections
    }

    /// A budget that is never spent: for tests and tools.
    pub fn unlimited() -> Arc<Budget> {
        Budget::new(usize::MAX)
    }

    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Bytes that permits hold now.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// A permit for no bytes yet: it [grows](Permit::grow).
    pub fn permit(self: &Arc<Budget>) -> Permit {
        Permit { budget: Arc::clone(self), bytes: 0 }
    }

    /// Whether more than three quarters are taken: who needs long for its bytes gives way then.
    pub(crate) fn is_short(&self) -> bool {
        self.taken() > self.bytes_max - self.bytes_max / 4
    }

    /// A sixteenth of what is left for connections, at most `bytes_max`; of nothing, where that is next to nothing, or requests
    /// have taken it.
    pub(crate) fn grant(self: &Arc<Budget>, bytes_max: usize) -> Grant {
        let part = self.bytes_max / CONNECTIONS_PART;
        let share = |granted: usize| {
            let bytes = (part.saturating_sub(granted) / GRANT_PART).min(bytes_max);
            (bytes >= GRANT_BYTES_MIN).then_some(bytes)
        };
        let more = |granted| share(granted).map(|bytes| granted + bytes);
        let mut permit = self.permit();
        // Relaxed: the counter guards no other memory.
        let Ok(before) = self.granted.try_update(Ordering::Relaxed, Ordering::Relaxed, more) else {
            return Grant { permit };
        };
        let bytes = share(before).unwrap_or(0);
        if permit.grow(bytes).is_err() {
            self.granted.fetch_sub(bytes, Ordering::Relaxed);
        }
        Grant { permit }
    }
}

impl Grant {
    pub fn bytes(&self) -> usize {
        self.permit.bytes
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.permit.budget.granted.fetch_sub(self.permit.bytes, Ordering::Relaxed);
    }
}

impl Permit {
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` more, or nothing.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Spent> {
        let Budget { bytes_max, taken, .. } = &*self.budget;
        // Relaxed: the counter guards no other memory.
        taken
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(bytes).filter(|sum| sum <= bytes_max)
            })
            .map_err(|_| Spent { bytes_max: *bytes_max })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives back what is over `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        self.budget.taken.fetch_sub(over, Ordering::Relaxed);
        self.bytes -= over;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two requests share a budget: together they never hold more than it, and what one gives back the other may take.
    #[test]
    fn permits_share_and_return() {
        let budget = Budget::new(100);
        let (mut a, mut b) = (budget.permit(), budget.permit());
        a.grow(60).unwrap();
        assert_eq!(b.grow(41), Err(Spent { bytes_max: 100 }));
        b.grow(40).unwrap();
        assert_eq!(budget.taken(), 100);
        drop(a);
        assert_eq!(budget.taken(), 40);
        b.grow(60).unwrap();
        drop(b);
        assert_eq!(budget.taken(), 0);
    }

    /// A size that would overflow the counter is refused like any other.
    #[test]
    fn overflow_is_spent() {
        let budget = Budget::unlimited();
        let mut permit = budget.permit();
        permit.grow(1).unwrap();
        assert!(permit.grow(usize::MAX).is_err());
        assert_eq!(budget.taken(), 1);
    }
}
