//! Content that a plugin fails on again and again.
//!
//! A client that is told to retry sends the same bytes. If the plugin fails on them each time, that goes on for as long as the client has
//! patience, and costs an instance each time. After some faults the client is told not to send them again: its own limit, made ours.
//!
//! Content is known by a keyed hash of the request as it came. Only what faults is hashed, and a bounded number is remembered, the longest
//! unseen forgotten first. What was merged of several requests is another merger each time, and is not counted: nobody's request is given
//! up for another's content.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;

use parking_lot::Mutex;

/// Requests that are being retried at one time, and a fault of each: hardly more than connections.
const REMEMBERED_MAX: usize = 1_024;

#[derive(Debug)]
pub(crate) struct ContentFaults {
    /// So many faults are a client's last.
    faults_max: NonZeroU32,
    hashes: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By hash: how many faults, and when the last was, in faults.
    faults: HashMap<u64, (u32, u64)>,
    now: u64,
}

impl ContentFaults {
    pub fn new(faults_max: NonZeroU32) -> ContentFaults {
        ContentFaults { faults_max, hashes: RandomState::new(), seen: Mutex::default() }
    }

    /// Counts a fault. How many this content has had, if those are enough.
    pub fn is_enough(&self, request: &[u8]) -> Option<u32> {
        let hash = self.hashes.hash_one(request);
        let mut seen = self.seen.lock();
        seen.now += 1;
        let now = seen.now;
        let (faults, last) = seen.faults.entry(hash).or_default();
        (*faults, *last) = (*faults + 1, now);
        let faults = *faults;
        if seen.faults.len() > REMEMBERED_MAX {
            let oldest = seen.faults.iter().min_by_key(|(_, (_, last))| *last).map(|(hash, _)| *hash);
            oldest.and_then(|hash| seen.faults.remove(&hash));
        }
        (faults >= self.faults_max.get()).then_some(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two requests fault in turn: each is counted by itself, and told at its own last fault.
    #[test]
    fn each_content_is_counted_by_itself() {
        let faults = ContentFaults::new(NonZeroU32::new(3).unwrap());
        for _ in 0..2 {
            assert_eq!((faults.is_enough(b"a"), faults.is_enough(b"b")), (None, None));
        }
        assert_eq!(faults.is_enough(b"a"), Some(3));
        assert_eq!(faults.is_enough(b"a"), Some(4), "whoever sends it all the same is told again");
        assert_eq!(faults.is_enough(b"b"), Some(3));
    }

    /// Everything faults: what is remembered is bounded, and what is retried soon is still known.
    #[test]
    fn what_is_remembered_is_bounded() {
        let faults = ContentFaults::new(NonZeroU32::new(2).unwrap());
        for number in 0..10_000_u32 {
            assert_eq!(faults.is_enough(&number.to_le_bytes()), None);
        }
        assert_eq!(faults.seen.lock().faults.len(), REMEMBERED_MAX);
        assert_eq!(faults.is_enough(&9_999_u32.to_le_bytes()), Some(2));
        assert_eq!(faults.is_enough(&0_u32.to_le_bytes()), None, "forgotten");
    }
}
