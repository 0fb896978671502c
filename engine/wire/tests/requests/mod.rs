//! Requests to test with: any message that prost can hold, in any encoding that prost takes.
//!
//! Everything is drawn from a string of bytes ([`Choices`]), so that proptest shrinks it and a fuzzer can steer it. With
//! the bytes used up every choice is the plainest, and so what is drawn always ends.

#![allow(dead_code, reason = "each test crate, and the fuzz target, uses a part of it")]

pub mod check;
pub mod json;
pub mod meaning;
pub mod messages;
pub mod model;
pub mod odd;
pub mod schema;
pub mod values;

use prost::Message;
use wasmill_wire::Signal;

/// Choices, one byte after the other.
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Choices { bytes }
    }

    /// 0 once there are no more.
    pub fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((&first, rest)) => {
                self.bytes = rest;
                first
            }
            None => 0,
        }
    }

    /// One of `0..n`; 0 is the plainest.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }

    /// True about once in `n`; the plainest is false.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub fn number(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::from(self.byte()),
            2 => u64::MAX,
            3 => 1 << self.below(64),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    pub fn pick<'p, T: ?Sized>(&mut self, from: &[&'p T]) -> &'p T {
        from[self.below(from.len())]
    }
}

/// Bytes to choose by, the same for the same seed: the corpus of tests that are not given any.
pub fn corpus(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..4000).map(|_| next()).collect()
}

/// A request as prost writes it.
pub fn plain(signal: Signal, choices: &mut Choices<'_>) -> Vec<u8> {
    match signal {
        Signal::Traces => messages::traces(choices).encode_to_vec(),
        Signal::Logs => messages::logs(choices).encode_to_vec(),
        Signal::Metrics => messages::metrics(choices).encode_to_vec(),
    }
}

/// A request that means the same, as nobody would write it. With unknown fields.
pub fn odd(signal: Signal, choices: &mut Choices<'_>) -> Vec<u8> {
    let plain = plain(signal, choices);
    let mut out = Vec::new();
    odd::message(choices, schema::request(signal), &plain, &mut out);
    out
}
