//! The log under a model: generated sequences of appends, acknowledgements, crashes at any write, full disks and reopenings.

mod damage;
mod disk;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use disk::{Crash, FaultyDisk};
use proptest::prelude::*;
use wasmill_storage::{Journal, JournalOptions, NewRecord, Record};

const FOLDER: &str = "/log";

#[derive(Clone, Debug)]
enum Step {
    /// A group of records of these lengths.
    Append(Vec<u16>),
    /// The record so many places after the oldest; modulo what there is.
    Ack(usize),
    /// Everything stops at the change after so many.
    StopAfter(u32),
    Crash(Crash, u64),
    /// The disk has room for so many bytes more.
    Full(usize),
    Room,
    /// As a process that ends well and starts again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(0u16..200, 1..5).prop_map(Step::Append),
        6 => (0usize..8).prop_map(Step::Ack),
        1 => (0u32..12).prop_map(Step::StopAfter),
        1 => (prop_oneof![Just(Crash::Process), Just(Crash::Machine)], any::<u64>()).prop_map(|(crash, seed)| Step::Crash(crash, seed)),
        1 => (0usize..400).prop_map(Step::Full),
        1 => Just(Step::Room),
        1 => Just(Step::Reopen),
    ]
}

/// What one record went through.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// `commit` said so.
    Taken,
    /// `commit` refused it, or never returned: the sender sends it again.
    Refused,
    Acked,
}

/// Records by number, which is also what their payloads begin with and the order in which they were appended.
struct Model {
    disk: FaultyDisk,
    options: JournalOptions,
    journal: Journal,
    live: Vec<(u32, Record)>,
    fates: BTreeMap<u32, Fate>,
    number_next: u32,
    /// Acknowledgements that did not reach the disk.
    acks_lost: bool,
    stops: bool,
}

impl Model {
    fn new(fsync: bool) -> Model {
        let disk = FaultyDisk::default();
        let options = JournalOptions { fsync, segment_bytes_max: 512 };
        let (journal, _) = Journal::open(Arc::new(disk.clone()), Path::new(FOLDER), options).unwrap();
        let (live, fates) = (Vec::new(), BTreeMap::new());
        Model { disk, options, journal, live, fates, number_next: 0, acks_lost: false, stops: false }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append(lens) => self.append(lens),
            Step::Ack(place) if !self.live.is_empty() => {
                let (number, record) = self.live.remove(place % self.live.len());
                self.fates.insert(number, Fate::Acked);
                self.acks_lost |= self.journal.ack(&[record]).is_err();
            }
            Step::Ack(_) => {}
            Step::StopAfter(changes) => {
                self.disk.stop_after(*changes);
                self.stops = true;
            }
            Step::Full(room) => self.disk.set_room(Some(*room)),
            Step::Room => self.disk.set_room(None),
            Step::Crash(crash, seed) => self.crash(*crash, *seed),
            Step::Reopen => self.crash(Crash::Process, 1),
        }
    }

    fn append(&mut self, lens: &[u16]) {
        let numbers: Vec<u32> = lens.iter().zip(self.number_next..).map(|(_, number)| number).collect();
        self.number_next += lens.len() as u32;
        let records: Vec<NewRecord> = numbers.iter().zip(lens).map(|(number, len)| new_record(*number, *len)).collect();
        match self.journal.commit(&records) {
            Ok(placed) => {
                assert_eq!(placed.len(), records.len());
                self.fates.extend(numbers.iter().map(|number| (*number, Fate::Taken)));
                self.live.extend(numbers.into_iter().zip(placed));
            }
            Err(_) => self.fates.extend(numbers.into_iter().map(|number| (number, Fate::Refused))),
        }
    }

    fn crash(&mut self, crash: Crash, seed: u64) {
        self.disk.crash(crash, seed);
        self.disk.set_room(None);
        let (journal, recovered) =
            Journal::open(Arc::new(self.disk.clone()), Path::new(FOLDER), self.options).expect("nothing refuses it");
        let mut found = Vec::new();
        for record in recovered.records {
            let payload = Journal::read(&self.disk, &record).expect("what was recovered is intact");
            let number = u32::from_le_bytes(payload[..4].try_into().unwrap());
            assert_eq!(payload, new_record(number, payload.len() as u16 - 4).parts.concat(), "as it was written");
            assert_eq!((record.items, record.partition), (number, u64::from(number) << 32));
            found.push((number, record));
        }
        let numbers: Vec<u32> = found.iter().map(|(number, _)| *number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "each once, in order: {numbers:?}");
        let promised = self.options.fsync || crash == Crash::Process;
        for (number, fate) in &self.fates {
            let is_there = numbers.contains(number);
            match fate {
                Fate::Taken => assert!(is_there || !promised, "{number} was taken and is lost"),
                // Back again: documented, where acknowledgements did not reach the disk, or the machine failed.
                Fate::Acked => {
                    let may_be = crash == Crash::Machine || self.acks_lost || self.stops;
                    assert!(!is_there || may_be, "{number} was acknowledged and is back");
                }
                Fate::Refused => {}
            }
        }
        // What was refused and is there anyhow is delivered, and its sender, who was told to, sends it again.
        self.fates = numbers.iter().map(|number| (*number, Fate::Taken)).collect();
        self.live = found;
        self.journal = journal;
        (self.acks_lost, self.stops) = (false, false);
    }
}

fn new_record(number: u32, len: u16) -> NewRecord {
    let rest: Vec<u8> = (0..len).map(|i| (u32::from(i) ^ number) as u8).collect();
    let parts = vec![Bytes::copy_from_slice(&number.to_le_bytes()), rest.into()];
    NewRecord { parts, items: number, partition: u64::from(number) << 32 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenario: anything that can happen to a log, in any order, on a disk that stops, fills and forgets.
    /// Guarantee: with `fsync` what was taken survives every crash, without it those of the process; what was acknowledged does not
    /// come back but for a failure of the machine or of the disk; order holds, and nothing is invented.
    #[test]
    fn nothing_that_was_taken_is_lost(fsync: bool, steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model::new(fsync);
        for step in &steps {
            model.run(step);
        }
        model.crash(Crash::Process, 1);
    }

    /// Scenario: records come and go, each acknowledged at some time.
    /// Guarantee: the disk is given back: what is left is one segment's worth at most.
    #[test]
    fn segments_go_when_all_in_them_is_acknowledged(lens in prop::collection::vec(0u16..200, 1..80), order: u64) {
        let mut model = Model::new(true);
        lens.chunks(3).for_each(|lens| model.append(lens));
        let mut order = order;
        while !model.live.is_empty() {
            order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            model.run(&Step::Ack((order >> 33) as usize));
        }
        prop_assert!(model.disk.bytes() < 1_024, "{:?}", model.disk.names());
        prop_assert_eq!(model.journal.bytes() as usize, model.disk.bytes());
    }
}
