//! `cargo +nightly fuzz run roundtrip -- -max_len=4096`, in `engine/wire`.
//!
//! The first byte is the signal, the second the length of the choices that follow, the rest a request. Where `prost` takes
//! it, it means the same after everything that the tests do to it: all rows encoded, some rows encoded and compacted,
//! and edits drawn from the choices, compared with the same changes of `prost`'s structs.

#![no_main]

#[path = "../../tests/requests/mod.rs"]
mod requests;

use libfuzzer_sys::fuzz_target;
use requests::{check, model};
use wasmill_wire::Signal;

fuzz_target!(|input: &[u8]| {
    let [first, choices_len, rest @ ..] = input else { return };
    let Some((choices, request)) = rest.split_at_checked(usize::from(*choices_len)) else { return };
    let signal = Signal::ALL[usize::from(*first) % 3];
    if model::decode(signal, request).is_ok() {
        check::all(signal, request, choices);
    }
});
