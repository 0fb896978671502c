//! `cargo +nightly fuzz run scan -- -max_len=4096`, in `engine/storage`.
//!
//! A segment with any content: no panic, and everything in it is accounted for once. The corpus is run by the crate's tests, with
//! the same check.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/scan/check.rs"]
mod check;

fuzz_target!(|segment: &[u8]| check::check(segment));
