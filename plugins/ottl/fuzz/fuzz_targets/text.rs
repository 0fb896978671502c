//! `cargo +nightly fuzz run text -- -max_len=1024`, in `plugins/ottl`.
//!
//! Any text as a condition and as a statement, for each signal: refused at a character of its own, or a program that says which columns
//! it needs. The corpus is run by the crate's tests, with the same check.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/texts/check.rs"]
mod check;

fuzz_target!(|text: &str| {
    check::check(text);
});
