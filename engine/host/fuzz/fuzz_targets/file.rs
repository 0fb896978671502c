//! `cargo +nightly fuzz run file -- -max_len=16384`, in `engine/host`.
//!
//! The first byte says what the rest is: a file that is to be a plugin, or the component type in the custom section of a core
//! module that has the contract's functions. Looked at as far as is possible before anything is compiled: an answer, and no panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    wasmill_host::fuzz::file(input);
});
