//! What the fuzz targets run (`engine/host/fuzz`), and the tests on their corpora: bytes from outside as a plugin's file, and as
//! what a guest answers.
//!
//! Not in the host as it is built for use: `cargo fuzz` sets `cfg(fuzzing)`. Both are whole steps of the host and lie within it;
//! a target outside could only reach them by way of a compiled guest.

mod answer;
mod batch;
mod counted;
mod file;
mod input;

pub use answer::{Answered, answer};
pub use file::{Looked, file};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The inputs of one target.
    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let entries = std::fs::read_dir(folder).expect("the corpus");
        entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file")).collect()
    }

    /// Scenario: what fuzzing found to be new ways through the reader of plugins' files, and each cut off at any tenth of it.
    /// Guarantee: each is answered without a panic; some are components in the end.
    #[test]
    fn the_corpus_of_files_is_answered() {
        let mut components = 0;
        for input in corpus("file") {
            components += usize::from(file(&input) == Looked::Component);
            for tenth in 0..10 {
                file(&input[..input.len() * tenth / 10]);
            }
        }
        assert!(components >= 2, "{components} files of the corpus are plugins");
    }

    /// Scenario: what fuzzing found to be new ways through the checks of what a guest answers, and each cut off at any tenth of it.
    /// Guarantee: no panic, no memory out of proportion; what is taken does what it says. Some is taken, some refused, some refused
    /// only when the edits are made.
    #[test]
    fn the_corpus_of_answers_is_answered() {
        let mut counts = [0; 4];
        for input in corpus("answer") {
            counts[answer(&input) as usize] += 1;
            for tenth in 0..10 {
                answer(&input[..input.len() * tenth / 10]);
            }
        }
        assert!(counts.iter().all(|&count| count >= 3), "{counts:?}");
    }

    /// Bytes without any order, and ones of few high bits, which come further.
    #[test]
    fn any_bytes_are_answered() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 20
        };
        for round in 0..2_000 {
            let len = next() as usize % 500;
            let mask = if round % 2 == 0 { 0xff } else { 0x3f };
            let input: Vec<u8> = (0..len).map(|_| next() as u8 & mask).collect();
            answer(&input);
            file(&input);
        }
    }
}
