//! Damage, other versions, other processes, full disks: single cases with exact answers.

use std::path::Path;
use std::sync::Arc;

use wasmill_storage::{Damage, Journal, JournalOptions, OpenError, RECORD_HEADER_LEN, Recovered};

use crate::disk::{Crash, FaultyDisk};
use crate::{FOLDER, new_record};

const OPTIONS: JournalOptions = JournalOptions { fsync: true, segment_bytes_max: 1 << 20 };
const SEGMENT: &str = "0000000000000001.log";
const ACKS: &str = "0000000000000001.ack";
/// Where the first record of a segment begins.
const FIRST: usize = 32;
const RECORD: usize = RECORD_HEADER_LEN + 4 + 10;

fn open(disk: &FaultyDisk) -> Result<(Journal, Recovered), OpenError> {
    Journal::open(Arc::new(disk.clone()), Path::new(FOLDER), OPTIONS)
}

/// Five records of one length.
fn five() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    let records: Vec<_> = (0..5).map(|number| new_record(number, 10)).collect();
    journal.commit(&records).unwrap();
    disk
}

fn numbers(recovered: &Recovered) -> Vec<u32> {
    recovered.records.iter().map(|record| record.items).collect()
}

/// Scenario: a bit flips in a record's payload, its header, its length, and in the segment's header.
/// Guarantee: it is reported with file, offset and length; every other record is there.
#[test]
fn a_flipped_bit_costs_one_record_and_is_reported() {
    let second = FIRST + RECORD;
    for (offset, in_record) in
        [(second + RECORD_HEADER_LEN + 5, true), (second + 9, true), (second + 5, true), (3, false)]
    {
        let disk = five();
        disk.flip(SEGMENT, offset);
        let (_, recovered) = open(&disk).unwrap();
        let (lost, at, bytes) = if in_record { (Some(1), second, RECORD) } else { (None, 0, FIRST) };
        let left: Vec<u32> = (0..5).filter(|number| Some(*number) != lost).collect();
        assert_eq!(numbers(&recovered), left, "flipped at {offset}");
        let [(path, Damage { offset: found, bytes: found_bytes, .. })] = &recovered.damage[..] else {
            panic!("{:?}", recovered.damage);
        };
        assert!(path.ends_with(SEGMENT));
        assert_eq!((*found, *found_bytes), (at as u64, bytes as u64), "flipped at {offset}");
        assert_eq!(recovered.torn_bytes, 0);
    }
}

/// Scenario: two bits flip in an acknowledgement.
/// Guarantee: its record is delivered again, the others are not, and it is counted.
#[test]
fn a_damaged_acknowledgement_acknowledges_nothing() {
    let disk = five();
    let (mut journal, recovered) = open(&disk).unwrap();
    journal.ack(&recovered.records[..3]).unwrap();
    disk.flip(ACKS, 16 + 16);
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(numbers(&recovered), [1, 3, 4]);
    assert_eq!(recovered.acks_damaged, 1);
}

/// Scenario: everything stops while a group is written, at each possible byte of it.
/// Guarantee: the torn tail is dropped without a report of damage; what was there before is there.
#[test]
fn a_torn_tail_is_dropped_and_nothing_else() {
    for seed in 0..800u64 {
        let disk = five();
        let (mut journal, _) = open(&disk).unwrap();
        // At the file's creation, its header, the group, its synchronisation.
        disk.stop_after(seed as u32 % 4);
        assert!(journal.commit(&[new_record(5, 50), new_record(6, 50)]).is_err());
        disk.crash(Crash::Machine, seed);
        let (_, recovered) = open(&disk).unwrap();
        assert_eq!(numbers(&recovered)[..5], [0, 1, 2, 3, 4]);
        assert!(recovered.damage.is_empty(), "{:?}", recovered.damage);
    }
}

/// Scenario: a segment, and a file of acknowledgements, of a later version of the format.
/// Guarantee: the folder is refused with file and versions, and nothing in it is touched.
#[test]
fn another_version_is_refused() {
    for name in [SEGMENT, ACKS] {
        let disk = five();
        let (mut journal, recovered) = open(&disk).unwrap();
        journal.ack(&recovered.records[..1]).unwrap();
        disk.set_version(name, 7);
        let before = disk.bytes();
        let Err(OpenError::Version { path, found, served }) = open(&disk).map(drop) else { panic!("it was opened") };
        assert!(path.ends_with(name));
        assert_eq!((found, served), (7, 1));
        assert_eq!(disk.bytes(), before);
    }
}

/// Scenario: the disk fills in the middle of a group, stays full, and has room again.
/// Guarantee: the appends are refused, nothing of them is left on the disk, and later ones are taken.
#[test]
fn a_full_disk_refuses_until_there_is_room() {
    let disk = five();
    let (mut journal, recovered) = open(&disk).unwrap();
    journal.commit(&[new_record(5, 10)]).unwrap();
    let before = disk.bytes();
    for room in [0, 1, 60, 100] {
        disk.set_room(Some(room));
        assert!(journal.commit(&[new_record(6, 100)]).is_err(), "room for {room}");
        assert_eq!(disk.bytes(), before, "nothing half-written stays");
    }
    // Acknowledging needs room, too; without it, what is done with is deleted all the same.
    disk.set_room(Some(0));
    assert!(journal.ack(&recovered.records).is_err());
    assert!(!disk.names().contains(&SEGMENT.to_owned()));
    disk.set_room(None);
    journal.commit(&[new_record(7, 10)]).unwrap();
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(numbers(&recovered), [5, 7]);
}

/// Scenario: files with names like ours that are not ours.
/// Guarantee: they are left alone, and said to be there.
#[test]
fn what_is_not_ours_is_left_alone() {
    let disk = five();
    disk.put(FOLDER, "00000000000000ff.log", b"something else entirely, of some length");
    disk.put(FOLDER, "notes.log", b"mine");
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(numbers(&recovered), [0, 1, 2, 3, 4]);
    assert_eq!(recovered.foreign.len(), 1);
    assert!(disk.names().contains(&"00000000000000ff.log".to_owned()));
}
