//! Finding what a value is: numbers by hash.
//!
//! ```text
//!  hash ──top bits──► slot: 32 bits of the hash, and a number of 32 bits ──► the value, to be compared ──► next slot, …
//! ```
//!
//! A table of a million rows is larger than the processor's caches, and a look at a row is three looks at memory: the slot, where
//! the key lies, the key. One after the other they take some 300 ns. So a column of keys is found in steps, [`Index::candidates`]
//! first: in each step the looks do not depend on each other, and the processor has ten of them under way. This is why it is no
//! library's table: those find one key at a time (hashbrown's took three times as long).
//!
//! The hash's seed is fixed: keys are the operator's, and telemetry, which may be an attacker's, only asks.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// No number.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Keys that are found together: as many as leave what the steps hand on in the first cache.
pub(crate) const CHUNK: usize = 64;

/// A slot without anything: no number is [`NOWHERE`].
const EMPTY: u64 = u64::MAX;
const SLOTS_MIN: usize = 16;

/// Numbers by the hash of what they stand for.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// A power of two, at most half of them taken; or none at all.
    slots: Vec<u64>,
    taken: usize,
}

#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u32 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write(bytes);
    (hasher.finish() >> 32) as u32
}

#[inline]
pub(crate) fn hash_int(int: i64) -> u32 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write_u64(int as u64);
    (hasher.finish() >> 32) as u32
}

impl Index {
    /// The number whose value `is` that of this hash.
    #[inline]
    pub fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.place(hash);
        loop {
            match self.slots.get(at).copied().unwrap_or(EMPTY) {
                EMPTY => return None,
                slot if (slot >> 32) as u32 == hash && is(slot as u32) => return Some(slot as u32),
                _ => at = self.after(at),
            }
        }
    }

    /// For each hash the first number that has it, or [`NOWHERE`]. It is the one that [`find`](Index::find) gives but once in thousands,
    /// where another value has the same hash.
    pub fn candidates(&self, hashes: &[u32; CHUNK]) -> [u32; CHUNK] {
        let mut slots = [EMPTY; CHUNK];
        for (slot, hash) in slots.iter_mut().zip(hashes) {
            *slot = self.slots.get(self.place(*hash)).copied().unwrap_or(EMPTY);
        }
        let mut numbers = [NOWHERE; CHUNK];
        for ((number, slot), hash) in numbers.iter_mut().zip(slots).zip(hashes) {
            *number = match slot {
                EMPTY => NOWHERE,
                slot if (slot >> 32) as u32 == *hash => slot as u32,
                _ => self.find(*hash, |_| true).unwrap_or(NOWHERE),
            };
        }
        numbers
    }

    /// Adds a number whose value is not there yet, and which is not [`NOWHERE`].
    pub fn insert(&mut self, hash: u32, number: u32) {
        if self.slots.len() < (self.taken + 1) * 2 {
            self.grow();
        }
        self.put(u64::from(hash) << 32 | u64::from(number));
        self.taken += 1;
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    fn grow(&mut self) {
        let slots = vec![EMPTY; (self.slots.len() * 2).max(SLOTS_MIN)];
        for slot in std::mem::replace(&mut self.slots, slots) {
            if slot != EMPTY {
                self.put(slot);
            }
        }
    }

    fn put(&mut self, slot: u64) {
        let mut at = self.place((slot >> 32) as u32);
        // There are empty ones.
        while self.slots.get(at).is_some_and(|taken| *taken != EMPTY) {
            at = self.after(at);
        }
        if let Some(empty) = self.slots.get_mut(at) {
            *empty = slot;
        }
    }

    /// The first slot of a hash: its highest bits.
    #[inline]
    fn place(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & self.slots.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers are found however many there are, and whatever else has their hash; those that are not there are not.
    #[test]
    fn numbers_are_found_among_many_and_among_those_of_their_hash() {
        let mut index = Index::default();
        assert_eq!((index.find(7, |_| true), index.candidates(&[7; CHUNK])), (None, [NOWHERE; CHUNK]));
        let hash = |number: u32| hash_int((number / 3).into());
        for number in 0..30_000 {
            index.insert(hash(number), number);
        }
        for number in 0..30_000 {
            assert_eq!(index.find(hash(number), |found| found == number), Some(number));
        }
        assert!((30_000..60_000).all(|number| index.find(hash(number), |found| found == number).is_none()));
        let mut hashes = [0; CHUNK];
        for (number, place) in (29_990..).zip(&mut hashes) {
            *place = hash(number);
        }
        for (number, candidate) in (29_990_u32..).zip(index.candidates(&hashes)) {
            let expected = if number < 30_000 { number / 3 } else { NOWHERE / 3 };
            assert_eq!(candidate / 3, expected, "{number}");
        }
        // The last hashes begin at the last slots, and go on at the first.
        let mut last = Index::default();
        (0..8).for_each(|number| last.insert(u32::MAX, number));
        assert_eq!(last.find(u32::MAX, |number| number == 7), Some(7));
    }
}
