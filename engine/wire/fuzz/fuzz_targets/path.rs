//! `cargo +nightly fuzz run path -- -max_len=512`, in `engine/wire`.
//!
//! Any text as a path of each signal: refused at a character of its own, or taken, and then it is the path that it is written as. The
//! corpus is run by the crate's tests, with the same check.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/paths/check.rs"]
mod check;

fuzz_target!(|text: &str| {
    check::check(text);
});
