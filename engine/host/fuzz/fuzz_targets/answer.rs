//! `cargo +nightly fuzz run answer -- -max_len=4096`, in `engine/host`.
//!
//! Any bytes as what a guest answers: what it wants at `init`, and its verdict about the rows of a batch. Refused, or applied with
//! what it promises; no panic, and memory in proportion.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    wasmill_host::fuzz::answer(input);
});
