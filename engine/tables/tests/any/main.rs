//! Tables of any content, asked for anything: the fuzzers' corpus, and damage done to it.

mod check;

use std::fs;
use std::path::Path;

use check::{Came, Place};

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/table");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Scenario: good files of both formats and all their variants, half files, and what fuzzing found to be new ways through the readers.
/// Guarantee: no panic, no more memory than is allowed, and answers of as many rows as keys. Some are tables, some are refused.
#[test]
fn the_corpus_of_tables_is_answered() {
    let (place, corpus) = (Place::new(), corpus());
    let came: Vec<Came> = corpus.iter().map(|input| place.check(input)).collect();
    let of_format = |mmdb: bool| {
        corpus.iter().zip(&came).filter(move |(input, _)| (input.first().is_some_and(|byte| byte & 1 == 1)) == mmdb)
    };
    for mmdb in [false, true] {
        let refused = of_format(mmdb).filter(|(_, came)| **came == Came::Refused).count();
        let with_rows = of_format(mmdb).filter(|(_, came)| matches!(came, Came::Loaded(rows) if *rows > 1)).count();
        assert!(refused >= 2 && with_rows >= 4, "of MaxMind DBs, {mmdb}: {refused} refused, {with_rows} loaded");
    }
}

/// Scenario: each of them with bytes changed, pieces cut out or doubled, the end cut off.
/// Guarantee: the same; many are tables still.
#[test]
fn damaged_tables_are_answered() {
    let (place, mut state) = (Place::new(), 88_172_645_463_325_252_u64);
    let mut below = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below.max(1)
    };
    let (mut refused, mut loaded) = (0, 0);
    for input in corpus() {
        for _ in 0..60 {
            let mut damaged = input.clone();
            for _ in 0..1 + below(4) {
                let (at, len) = (below(damaged.len()), 1 + below(8));
                let end = damaged.len().min(at + len);
                match below(4) {
                    0 => damaged[at] ^= 1 << below(8),
                    1 => drop(damaged.drain(at..end)),
                    2 => damaged.extend_from_within(at..end),
                    _ => damaged[at] = below(256) as u8,
                }
                if damaged.is_empty() {
                    break;
                }
            }
            match place.check(&damaged) {
                Came::Refused => refused += 1,
                Came::Loaded(_) => loaded += 1,
            }
        }
        for tenth in 0..10 {
            place.check(&input[..input.len() * tenth / 10]);
        }
    }
    assert!(refused > 100 && loaded > 100, "{refused} refused, {loaded} loaded");
}
