//! Segments with any content: the fuzzers' corpus, and damage made from segments that were written.

mod check;

use std::path::Path;
use std::sync::Arc;
use std::{fs, path};

use bytes::Bytes;
use check::{BASE, check};
use proptest::prelude::*;
use wasmill_storage::{Journal, JournalOptions, NewRecord, SystemDisk, scan};

/// A segment as a log writes it.
fn written(lens: &[usize]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { fsync: false, segment_bytes_max: u64::MAX };
    let (mut journal, _) = Journal::open(Arc::new(SystemDisk), folder.path(), options).unwrap();
    let record = |len: &usize| NewRecord { parts: vec![Bytes::from(vec![7; *len])], items: 1, partition: 0 };
    journal.commit(&lens.iter().map(record).collect::<Vec<_>>()).unwrap();
    fs::read(folder.path().join("0000000000000001.log")).unwrap()
}

/// Scenario: what fuzzing found to be new ways through the reader.
/// Guarantee: no panic, and every byte is a record, damage or torn, once.
#[test]
fn the_fuzzers_corpus_is_read() {
    let corpus: path::PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/scan");
    let files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 8, "a corpus of {} files", files.len());
    files.iter().for_each(|file| check(&fs::read(file).unwrap()));
}

/// Scenario: a payload that is made to be searched: headers of records, each claiming the rest, behind a flipped bit.
/// Guarantee: it is read in a time that grows with its length.
#[test]
fn a_hostile_payload_is_read_in_time() {
    let header = &written(&[1 << 20])[32..72];
    let mut segment = written(&[10]);
    segment[33] ^= 1;
    segment.extend(header.iter().copied().cycle().take(4 << 20));
    let begun = std::time::Instant::now();
    check(&segment);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenario: a written segment, with bits flipped, pieces cut out, the end cut off.
    /// Guarantee: every byte is accounted for; a record that was not touched, and does not follow a cut, is found.
    #[test]
    fn damage_anywhere_is_accounted_for(
        lens in prop::collection::vec(0usize..300, 1..12),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut segment = written(&lens);
        let whole = scan(&segment, BASE).unwrap();
        prop_assert_eq!(whole.records.len(), lens.len());
        let mut touched = Vec::new();
        for (place, bit) in flips {
            let at = place.index(segment.len());
            segment[at] ^= 1 << bit;
            touched.push(at as u64);
        }
        if let Some(cut) = cut {
            segment.truncate(cut.index(segment.len()));
        }
        check(&segment);
        let Ok(found) = scan(&segment, BASE) else { return Ok(()) };
        if segment.len() < 32 { return Ok(()) }
        for record in whole.records {
            let end = record.offset + 40 + u64::from(record.len);
            let is_whole = end <= segment.len() as u64 && !touched.iter().any(|at| (record.offset..end).contains(at));
            prop_assert!(!is_whole || found.records.contains(&record), "{:?} is not in {:?}", record, found);
        }
    }

    #[test]
    fn any_bytes_are_read(segment in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&segment);
    }
}
