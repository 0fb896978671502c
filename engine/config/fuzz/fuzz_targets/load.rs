//! `cargo +nightly fuzz run load -- -max_len=4096`, in `engine/config`.
//!
//! Any text as one file, or as two that are laid over each other: an answer that can be shown, and no panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wasmill_config::load_texts;

fuzz_target!(|text: &str| {
    let env = |name: &str| (!name.starts_with('U')).then(|| format!("{{{name}: [1, ${{X}}]}}"));
    let mut texts = vec![("a.yaml".into(), text.to_owned())];
    if let Some((first, second)) = text.split_once("\n===\n") {
        texts = vec![("a.yaml".into(), first.to_owned()), ("b.yaml".into(), second.to_owned())];
    }
    match load_texts(texts, &env) {
        Ok(loaded) => drop(format!("{loaded:?}")),
        Err(errors) => {
            assert!(!errors.errors.is_empty());
            drop((errors.render(), errors.to_string()));
        }
    }
});
