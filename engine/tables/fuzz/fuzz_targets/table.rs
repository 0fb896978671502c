//! `cargo +nightly fuzz run table -- -max_len=4096`, in `engine/tables`.
//!
//! A table's file with any content, asked for anything: no panic, bounded memory, answers as long as their keys. The corpus is run by the crate's
//! tests, with the same check.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/any/check.rs"]
mod check;

static PLACE: LazyLock<check::Place> = LazyLock::new(check::Place::new);

fuzz_target!(|input: &[u8]| {
    PLACE.check(input);
});
