//! One segment: its file, and the file of what is acknowledged in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Record;
use crate::disk::{AppendFile, Disk};
use crate::format::{
    ACK_LEN, ACKS_HEADER_LEN, RECORD_HEADER_LEN, SEGMENT_HEADER_LEN, ack, acks_header, read_record_header,
    segment_header,
};

/// Names sort as their numbers do.
pub fn segment_name(base: u64) -> String {
    format!("{base:016x}.log")
}

pub fn acks_name(base: u64) -> String {
    format!("{base:016x}.ack")
}

/// The first sequence number that a file's name says, and whether it is a segment (or else its acknowledgements).
pub fn parse_name(name: &str) -> Option<(u64, bool)> {
    let (number, extension) = name.split_once('.')?;
    let is_segment = match extension {
        "log" => true,
        "ack" => false,
        _ => return None,
    };
    let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    let base = (number.len() == 16 && number.chars().all(is_hex)).then(|| u64::from_str_radix(number, 16).ok());
    base.flatten().map(|base| (base, is_segment))
}

pub struct Segment {
    pub path: Arc<Path>,
    pub len: u64,
    /// Records that are not acknowledged.
    pub live: usize,
    pub acks: Acks,
}

impl Segment {
    /// Best effort: what cannot be deleted is tried again when the folder is opened next, and holds nothing by then.
    pub fn delete(self, disk: &dyn Disk, folder: &Path, fsync: bool) {
        // The records first, and for good, before what says that they are acknowledged.
        if disk.remove(&self.path).is_err() {
            return;
        }
        if fsync && disk.sync_folder(folder).is_err() {
            return;
        }
        // One that is left over is removed with the next start.
        let _ = disk.remove(&self.acks.path);
    }
}

/// The segment that is appended to.
pub struct Writing {
    pub base: u64,
    file: Box<dyn AppendFile>,
    len: u64,
    /// Whether the folder is known to keep it.
    is_kept: bool,
}

/// An append that failed.
pub struct WriteFailure {
    pub source: io::Error,
    /// What is in the file now is not known: it must get no more.
    pub is_final: bool,
}

impl Writing {
    pub fn begin(disk: &dyn Disk, folder: &Path, base: u64) -> io::Result<(Writing, Segment)> {
        let path = folder.join(segment_name(base));
        let mut file = disk.create(&path)?;
        if let Err(error) = file.append(&segment_header(base)) {
            // A disk that is full must not fill with empty files. One that stays is removed with the next start.
            drop(file);
            let _ = disk.remove(&path);
            return Err(error);
        }
        let len = SEGMENT_HEADER_LEN as u64;
        let acks = Acks::new(folder.join(acks_name(base)));
        Ok((Writing { base, file, len, is_kept: false }, Segment { path: path.into(), len, live: 0, acks }))
    }

    pub fn is_too_long_for(&self, bytes: u64, segment_bytes_max: u64) -> bool {
        self.len > SEGMENT_HEADER_LEN as u64 && self.len + bytes > segment_bytes_max
    }

    /// Where the bytes are now; they are all there, and stay if `fsync`, or none counts.
    pub fn append(&mut self, disk: &dyn Disk, folder: &Path, bytes: &[u8], fsync: bool) -> Result<u64, WriteFailure> {
        if let Err(source) = self.file.append(bytes) {
            // What was written of it goes, so that the space is free again and the next group follows the last one.
            let is_final = self.file.truncate(self.len).is_err();
            return Err(WriteFailure { source, is_final });
        }
        if fsync {
            let synced = self.file.sync().and_then(|()| if self.is_kept { Ok(()) } else { disk.sync_folder(folder) });
            if let Err(source) = synced {
                // After a failed synchronisation nobody knows what the file holds: the system may have dropped the pages.
                let _ = self.file.truncate(self.len);
                return Err(WriteFailure { source, is_final: true });
            }
            self.is_kept = true;
        }
        let start = self.len;
        self.len += bytes.len() as u64;
        Ok(start)
    }
}

/// What is acknowledged in a segment.
pub struct Acks {
    pub path: PathBuf,
    /// Opened with the first acknowledgement.
    file: Option<Box<dyn AppendFile>>,
    len: u64,
    /// Not on disk yet: the disk refused them.
    pending: Vec<u64>,
    /// Something is in the file that could not be taken out again. What follows it would not be found.
    is_broken: bool,
}

impl Acks {
    pub fn new(path: PathBuf) -> Acks {
        Acks { path, file: None, len: 0, pending: Vec::new(), is_broken: false }
    }

    /// Of a file that is there, of which `len` bytes are whole.
    pub fn opened(path: PathBuf, file: Box<dyn AppendFile>, len: u64, is_broken: bool) -> Acks {
        Acks { path, file: Some(file), len, pending: Vec::new(), is_broken }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn append(&mut self, disk: &dyn Disk, base: u64, sequences: &[u64]) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write left something that cannot be removed"));
        }
        self.pending.extend_from_slice(sequences);
        let mut bytes = Vec::with_capacity(ACKS_HEADER_LEN + self.pending.len() * ACK_LEN);
        if self.len == 0 {
            bytes.extend_from_slice(&acks_header());
        }
        self.pending.iter().for_each(|sequence| bytes.extend_from_slice(&ack(base, *sequence)));
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(disk.create(&self.path)?),
        };
        if let Err(error) = file.append(&bytes) {
            self.is_broken = file.truncate(self.len).is_err();
            return Err(error);
        }
        self.len += bytes.len() as u64;
        self.pending.clear();
        Ok(())
    }

    pub fn sync(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.sync())
    }
}

pub fn read(disk: &dyn Disk, record: &Record) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; RECORD_HEADER_LEN + record.len as usize];
    disk.read(&record.segment, record.offset, &mut bytes)?;
    let intact = read_record_header(&bytes).is_some_and(|header| {
        header.sequence == record.sequence
            && header.len == record.len
            && header.payload_checksum == crc32c::crc32c(&bytes[RECORD_HEADER_LEN..])
    });
    if !intact {
        let place = format!("`{}`, offset {}", record.segment.display(), record.offset);
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{place}: the record is damaged")));
    }
    bytes.drain(..RECORD_HEADER_LEN);
    Ok(bytes)
}
