//! A journal with a thread that writes, and what others may ask of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::disk::Disk;
use crate::error::{AppendError, OpenError};
use crate::journal::{Journal, JournalOptions, NewRecord, Record, Recovered, check_len};

/// One write takes at most so much of what waits: it bounds the memory that a group is put together in, and how long the first
/// of a group waits for the last. A single record may be longer.
const GROUP_BYTES_MAX: u64 = 4 << 20;

/// Called once, on the log's thread: it must not wait.
pub type Done = Box<dyn FnOnce(Result<Record, AppendError>) + Send>;

/// A folder of segments. Clones are the same log; the last one that goes closes it.
#[derive(Clone)]
pub struct Log {
    owner: Arc<Owner>,
}

/// Ends the thread when nobody has the log any more.
struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    /// Bytes of all logs of the folder, and the most that they may be.
    space: Arc<Space>,
    state: Mutex<State>,
    work: Condvar,
    bytes: AtomicU64,
    acks_failed: AtomicU64,
}

/// How much of a disk may be used, and is.
pub(crate) struct Space {
    pub used: AtomicU64,
    pub bytes_max: AtomicU64,
    pub fsync: AtomicBool,
}

#[derive(Default)]
struct State {
    appends: Vec<Append>,
    acks: Vec<Record>,
    closed: bool,
}

struct Append {
    record: NewRecord,
    reserved: u64,
    done: Done,
}

impl Log {
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        segment_bytes_max: u64,
        space: Arc<Space>,
        keep: Box<dyn Send>,
    ) -> Result<(Log, Recovered), OpenError> {
        let options = JournalOptions { fsync: space.fsync.load(Ordering::Relaxed), segment_bytes_max };
        let (journal, recovered) = Journal::open(Arc::clone(&disk), &folder, options)?;
        let shared = Arc::new(Shared {
            disk,
            space,
            state: Mutex::default(),
            work: Condvar::new(),
            bytes: AtomicU64::new(0),
            acks_failed: AtomicU64::new(0),
        });
        shared.account(journal.bytes());
        let writer = Arc::clone(&shared);
        let run = move || {
            writer.run(journal);
            drop(keep);
        };
        let thread = thread::Builder::new().name("wasmill-log".to_owned()).spawn(run).map_err(OpenError::Thread)?;
        let owner = Owner { shared, thread: Mutex::new(Some(thread)) };
        Ok((Log { owner: Arc::new(owner) }, recovered))
    }

    /// Has a record appended: `done` hears when it is on disk, or why it is not. Does not wait for the disk.
    ///
    /// Records come to stand in the order of these calls.
    pub fn append(&self, record: NewRecord, done: Done) {
        let shared = &self.owner.shared;
        if let Err(error) = check_len(&record) {
            return done(Err(error));
        }
        let reserved = record.disk_bytes();
        if let Err(error) = shared.space.reserve(reserved) {
            return done(Err(error));
        }
        {
            let mut state = shared.state.lock();
            if !state.closed {
                state.appends.push(Append { record, reserved, done });
                shared.work.notify_one();
                return;
            }
        }
        shared.space.release(reserved);
        done(Err(AppendError::Closed));
    }

    /// A record is done with. Does not wait for the disk.
    pub fn ack(&self, record: Record) {
        let shared = &self.owner.shared;
        shared.state.lock().acks.push(record);
        shared.work.notify_one();
    }

    /// A record's payload, read now: waits for the disk.
    pub fn read(&self, record: &Record) -> io::Result<Bytes> {
        Journal::read(&*self.owner.shared.disk, record).map(Bytes::from)
    }

    /// What it takes on disk.
    pub fn bytes(&self) -> u64 {
        self.owner.shared.bytes.load(Ordering::Relaxed)
    }

    /// Times that the disk refused to note acknowledgements. What they are about is delivered again after a restart.
    pub fn acks_failed(&self) -> u64 {
        self.owner.shared.acks_failed.load(Ordering::Relaxed)
    }

    /// Takes no more, and waits until everything that was asked for is on disk, acknowledgements included.
    pub fn close(&self) {
        self.owner.close();
    }
}

impl Owner {
    fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // That it panicked was reported where it did.
            let _ = thread.join();
        }
    }
}

impl Drop for Owner {
    /// Does not wait: it may be dropped where waiting is not allowed.
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.work.notify_one();
    }
}

impl Shared {
    /// The thread: takes what waits, writes it, answers.
    fn run(&self, mut journal: Journal) {
        while let Some((appends, acks)) = self.next_group() {
            journal.options.fsync = self.space.fsync.load(Ordering::Relaxed);
            let reserved: u64 = appends.iter().map(|append| append.reserved).sum();
            let (records, dones): (Vec<NewRecord>, Vec<Done>) =
                appends.into_iter().map(|append| (append.record, append.done)).unzip();
            let committed = journal.commit(&records);
            if !acks.is_empty() && journal.ack(&acks).is_err() {
                self.acks_failed.fetch_add(1, Ordering::Relaxed);
            }
            self.account(journal.bytes());
            self.space.release(reserved);
            match committed {
                Ok(placed) => placed.into_iter().zip(dones).for_each(|(record, done)| done(Ok(record))),
                Err(error) => dones.into_iter().for_each(|done| done(Err(error.clone()))),
            }
        }
        // Without this a failure of the machine could bring back what was delivered; nothing would be lost.
        if journal.sync_acks().is_err() {
            self.acks_failed.fetch_add(1, Ordering::Relaxed);
        }
        // Other logs may have what this one no longer watches over.
        self.account(0);
    }

    /// Waits for something to do; `None`: it is closed, and nothing is left.
    fn next_group(&self) -> Option<(Vec<Append>, Vec<Record>)> {
        let mut state = self.state.lock();
        while state.appends.is_empty() && state.acks.is_empty() {
            if state.closed {
                return None;
            }
            self.work.wait(&mut state);
        }
        let mut bytes = 0;
        let fits = state.appends.iter().take_while(|append| {
            bytes += append.reserved;
            bytes <= GROUP_BYTES_MAX
        });
        let count = fits.count().max(1).min(state.appends.len());
        let group = state.appends.drain(..count).collect();
        Some((group, std::mem::take(&mut state.acks)))
    }

    fn account(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        self.space.used.fetch_add(bytes, Ordering::Relaxed);
        self.space.release(before);
    }
}

impl Space {
    /// Takes bytes that are about to be written; to be released when they are accounted as written, or are not.
    fn reserve(&self, bytes: u64) -> Result<(), AppendError> {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= bytes_max)
        });
        taken.map(drop).map_err(|_| AppendError::Full { bytes_max })
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::{self, Receiver};

    use super::*;
    use crate::disk::{AppendFile, SystemDisk};

    /// The system's disk, with a gate before each synchronisation.
    struct GatedDisk {
        syncs: Arc<AtomicU64>,
        gate: Arc<Mutex<()>>,
    }

    struct GatedFile {
        file: Box<dyn AppendFile>,
        syncs: Arc<AtomicU64>,
        gate: Arc<Mutex<()>>,
    }

    impl GatedDisk {
        fn gated(&self, file: Box<dyn AppendFile>) -> Box<dyn AppendFile> {
            Box::new(GatedFile { file, syncs: Arc::clone(&self.syncs), gate: Arc::clone(&self.gate) })
        }
    }

    impl Disk for GatedDisk {
        fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
            SystemDisk.list(folder)
        }
        fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
            Ok(self.gated(SystemDisk.create(path)?))
        }
        fn open(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
            Ok(self.gated(SystemDisk.open(path)?))
        }
        fn len(&self, path: &Path) -> io::Result<u64> {
            SystemDisk.len(path)
        }
        fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            SystemDisk.read(path, offset, buffer)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            SystemDisk.remove(path)
        }
        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            SystemDisk.sync_folder(folder)
        }
    }

    impl AppendFile for GatedFile {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.file.append(bytes)
        }
        fn sync(&mut self) -> io::Result<()> {
            drop(self.gate.lock());
            self.syncs.fetch_add(1, Ordering::SeqCst);
            self.file.sync()
        }
        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.file.truncate(len)
        }
    }

    fn space(bytes_max: u64) -> Arc<Space> {
        let (used, bytes_max) = (AtomicU64::new(0), AtomicU64::new(bytes_max));
        Arc::new(Space { used, bytes_max, fsync: AtomicBool::new(true) })
    }

    fn open(folder: &Path, space: &Arc<Space>) -> (Log, Recovered) {
        Log::open(Arc::new(SystemDisk), folder.to_owned(), 1 << 20, Arc::clone(space), Box::new(())).unwrap()
    }

    fn append(log: &Log, payload: &str, items: u32) -> Receiver<Result<Record, AppendError>> {
        let (sender, receiver) = mpsc::channel();
        let record = NewRecord { parts: vec![payload.to_owned().into()], items, partition: 0 };
        log.append(record, Box::new(move |result| sender.send(result).unwrap()));
        receiver
    }

    /// Scenario: a hundred appends come while the disk is busy with the first.
    /// Guarantee: they are one write and one fsync; each is answered, and they stand in their order.
    #[test]
    fn many_appends_are_one_synchronisation() {
        let folder = tempfile::tempdir().unwrap();
        let (syncs, gate) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(())));
        let disk = GatedDisk { syncs: Arc::clone(&syncs), gate: Arc::clone(&gate) };
        let path = folder.path().to_owned();
        let (log, _) = Log::open(Arc::new(disk), path, 1 << 20, space(1 << 30), Box::new(())).unwrap();
        let closed = gate.lock();
        let answers: Vec<_> = (0..100).map(|number| append(&log, "payload", number)).collect();
        drop(closed);
        let records: Vec<Record> = answers.iter().map(|answer| answer.recv().unwrap().unwrap()).collect();
        assert!(records.is_sorted_by(|a, b| a.sequence < b.sequence && a.items < b.items));
        // The first may have been a group by itself; what waited is one.
        assert!(syncs.load(Ordering::SeqCst) <= 2, "{syncs:?}");
    }

    /// Scenario: appends up to the folder's limit, then acknowledgements.
    /// Guarantee: what does not fit is refused at once, and there is room again when what is there is done with.
    #[test]
    fn the_folder_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let space = space(10_000);
        let (log, _) = open(folder.path(), &space);
        let payload = "x".repeat(4_000);
        let first = append(&log, &payload, 1).recv().unwrap().unwrap();
        let second = append(&log, &payload, 1).recv().unwrap().unwrap();
        let Err(AppendError::Full { bytes_max }) = append(&log, &payload, 1).recv().unwrap() else { panic!("it fits") };
        assert_eq!(bytes_max, 10_000);
        log.ack(first);
        log.ack(second);
        log.close();
        let (log, recovered) = open(folder.path(), &space);
        assert!(recovered.records.is_empty());
        assert_eq!(log.bytes(), 0);
        append(&log, &payload, 1).recv().unwrap().unwrap();
    }

    /// Scenario: a log is closed and opened again.
    /// Guarantee: what is not acknowledged is there, readable, in order; a closed log takes no more.
    #[test]
    fn what_is_left_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let space = space(1 << 20);
        let (log, _) = open(folder.path(), &space);
        let records: Vec<_> = ["a", "b", "c"].map(|payload| append(&log, payload, 1).recv().unwrap().unwrap()).into();
        log.ack(records[1].clone());
        log.close();
        assert!(matches!(append(&log, "d", 1).recv().unwrap(), Err(AppendError::Closed)));
        let (log, recovered) = open(folder.path(), &space);
        let left: Vec<_> = recovered.records.iter().map(|record| log.read(record).unwrap()).collect();
        assert_eq!(left, ["a", "c"]);
    }
}
