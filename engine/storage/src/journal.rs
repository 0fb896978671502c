//! The log itself, without a thread: segments in a folder, and what is done to them one step after another.
//!
//! A segment is begun when there is something to write and the one before is long enough, or was begun by an earlier process. It
//! is deleted when nothing in it is left to acknowledge. Sequence numbers ascend over the life of the folder and are never used
//! twice, those of appends that failed included: what a broken disk kept of these against its word can then not be taken for
//! anything else.

mod open;
mod segment;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::Disk;
use crate::error::AppendError;
use crate::format::{PAYLOAD_BYTES_MAX, RECORD_HEADER_LEN, put_record};
use segment::{Segment, Writing};

pub use open::Recovered;

/// What a group's buffer may keep between groups. Most groups are smaller; one large request must not stay in memory.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// A group counts when the disk says that it stays. `false`: when the operating system has it, which a crash of the process
    /// does not take back, and a failure of the machine may.
    pub fsync: bool,
    /// A segment that is longer gets no more records. One record may be longer by itself.
    pub segment_bytes_max: u64,
}

/// What is to be appended.
pub struct NewRecord {
    /// Its payload, one after another.
    pub parts: Vec<Bytes>,
    /// What it counts for; kept in memory, and free for the log's user.
    pub items: u32,
    /// As `items`.
    pub partition: u64,
}

/// A record in the log, of which no byte is in memory.
#[derive(Clone, Debug)]
pub struct Record {
    pub sequence: u64,
    pub items: u32,
    pub partition: u64,
    /// Of its payload.
    pub len: u32,
    offset: u64,
    segment: Arc<Path>,
    base: u64,
}

pub struct Journal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    pub options: JournalOptions,
    /// By their first sequence numbers.
    segments: BTreeMap<u64, Segment>,
    /// The segment that is being appended to; it is one of `segments`.
    writing: Option<Writing>,
    sequence_next: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Appends all of the records or none, in order. They count when this returns.
    ///
    /// After an error the next call tries anew.
    pub fn commit(&mut self, records: &[NewRecord]) -> Result<Vec<Record>, AppendError> {
        for record in records {
            check_len(record)?;
        }
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let base_sequence = self.sequence_next;
        let Some(sequence_next) = base_sequence.checked_add(records.len() as u64) else {
            return Err(AppendError::Disk(Arc::new(io::Error::other("sequence numbers are used up"))));
        };
        self.sequence_next = sequence_next;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut offsets = Vec::with_capacity(records.len());
        for (record, sequence) in records.iter().zip(base_sequence..) {
            offsets.push(buffer.len() as u64);
            put_record(&mut buffer, sequence, record.partition, record.items, &record.parts);
        }
        let written = self.write(base_sequence, &buffer, records.len());
        buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.buffer = buffer;
        let (base, segment, start) = written.map_err(|error| AppendError::Disk(Arc::new(error)))?;
        let placed = records.iter().zip(base_sequence..).zip(offsets).map(|((record, sequence), offset)| Record {
            sequence,
            items: record.items,
            partition: record.partition,
            len: payload_len(record) as u32,
            offset: start + offset,
            segment: Arc::clone(&segment),
            base,
        });
        Ok(placed.collect())
    }

    /// The segment, and where in it the group begins.
    fn write(&mut self, sequence: u64, group: &[u8], records: usize) -> io::Result<(u64, Arc<Path>, u64)> {
        let segment_bytes_max = self.options.segment_bytes_max;
        if self.writing.as_ref().is_some_and(|writing| writing.is_too_long_for(group.len() as u64, segment_bytes_max)) {
            self.seal();
        }
        let writing = match &mut self.writing {
            Some(writing) => writing,
            None => {
                let (writing, segment) = Writing::begin(&*self.disk, &self.folder, sequence)?;
                self.segments.insert(sequence, segment);
                self.writing.insert(writing)
            }
        };
        let base = writing.base;
        let start = match writing.append(&*self.disk, &self.folder, group, self.options.fsync) {
            Ok(start) => start,
            Err(error) => {
                if error.is_final {
                    self.seal();
                }
                return Err(error.source);
            }
        };
        let Some(segment) = self.segments.get_mut(&base) else {
            return Err(io::Error::other("the segment that is written to is unknown"));
        };
        segment.live += records;
        segment.len = start + group.len() as u64;
        Ok((base, Arc::clone(&segment.path), start))
    }

    /// The segment that is being written gets no more.
    fn seal(&mut self) {
        if let Some(writing) = self.writing.take() {
            self.delete_if_done(writing.base);
        }
    }

    /// Notes that these are done with. Deletes the segments in which nothing else is left.
    ///
    /// Errors are about what is on disk: in memory they are acknowledged in any case, and it is tried again with the next
    /// acknowledgement in the same segment.
    pub fn ack(&mut self, records: &[Record]) -> io::Result<()> {
        let mut result = Ok(());
        let mut touched: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for record in records {
            touched.entry(record.base).or_default().push(record.sequence);
        }
        for (base, sequences) in touched {
            let Some(segment) = self.segments.get_mut(&base) else { continue };
            segment.live = segment.live.saturating_sub(sequences.len());
            let is_written = self.writing.as_ref().is_some_and(|writing| writing.base == base);
            // A segment that is about to be deleted needs no acknowledgements, but a crash may come before.
            if let Err(error) = segment.acks.append(&*self.disk, base, &sequences) {
                result = Err(error);
            }
            // An empty queue does not keep a long segment for what may come.
            if !is_written {
                self.delete_if_done(base);
            } else if segment.live == 0 && segment.len >= self.options.segment_bytes_max / 2 {
                self.seal();
            }
        }
        result
    }

    fn delete_if_done(&mut self, base: u64) {
        let done = self.segments.get(&base).is_some_and(|segment| segment.live == 0);
        if let Some(segment) = done.then(|| self.segments.remove(&base)).flatten() {
            segment.delete(&*self.disk, &self.folder, self.options.fsync);
        }
    }

    /// A record's payload. Fails where the disk does, and where what it says is not what was written.
    pub fn read(disk: &dyn Disk, record: &Record) -> io::Result<Vec<u8>> {
        segment::read(disk, record)
    }

    /// Of all segments, with what is acknowledged in them.
    pub fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.len + segment.acks.len()).sum()
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// What is acknowledged stays so, whatever happens.
    pub fn sync_acks(&mut self) -> io::Result<()> {
        self.segments.values_mut().try_for_each(|segment| segment.acks.sync())
    }
}

fn payload_len(record: &NewRecord) -> usize {
    record.parts.iter().map(Bytes::len).sum()
}

/// Whether a log takes a record of this length at all.
pub(crate) fn check_len(record: &NewRecord) -> Result<(), AppendError> {
    let bytes = payload_len(record);
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes, max: PAYLOAD_BYTES_MAX });
    }
    Ok(())
}

impl NewRecord {
    /// What it takes on disk.
    pub fn disk_bytes(&self) -> u64 {
        (RECORD_HEADER_LEN + payload_len(self)) as u64
    }
}
