//! `cargo +nightly fuzz run json -- -max_len=4096`, in `engine/wire`.
//!
//! The first byte is the signal, the rest a document: refused at a place of its own, or a request that the parser and `prost`
//! take and that goes to JSON and back. Where the rest is a request as `prost` takes it, that goes there and back, too.

#![no_main]

#[path = "../../tests/requests/mod.rs"]
mod requests;

use libfuzzer_sys::fuzz_target;
use requests::{json, model};
use wasmill_wire::Signal;

fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else { return };
    let signal = Signal::ALL[usize::from(first) % 3];
    json::document(signal, rest);
    if model::decode(signal, rest).is_ok() {
        json::request(signal, rest);
    }
});
