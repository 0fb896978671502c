//! Opening a folder: what lies there is read, checked, and taken over.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::segment::{Acks, Segment, acks_name, parse_name, segment_name};
use super::{Journal, JournalOptions, Record};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::format::{ACK_LEN, ACKS_HEADER_LEN, Header, PAYLOAD_BYTES_MAX, VERSION, read_ack, read_acks_header};
use crate::scan::{Damage, Scan, scan};

/// A segment holds a record of the longest kind at most, or several that are shorter together. Longer files are not ours, and are
/// not read into memory.
const SEGMENT_FILE_BYTES_MAX: u64 = PAYLOAD_BYTES_MAX as u64 + (1 << 20);

/// What was found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Everything that is not acknowledged, in order.
    pub records: Vec<Record>,
    /// By file, in order.
    pub damage: Vec<(PathBuf, Damage)>,
    /// What was not whole at the ends of segments. Nobody was told that it was taken.
    pub torn_bytes: u64,
    /// Acknowledgements that do not match their checksums: their records are delivered again.
    pub acks_damaged: u64,
    /// Files with names of ours that hold nothing of ours. They are left alone.
    pub foreign: Vec<PathBuf>,
}

impl Journal {
    /// Reads every segment, and deletes those in which nothing is left. What is torn stays where it is until its segment goes.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: JournalOptions,
    ) -> Result<(Journal, Recovered), OpenError> {
        let names = disk.list(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
        let mut files: BTreeMap<u64, Files> = BTreeMap::new();
        for (base, is_segment) in names.iter().filter_map(|name| parse_name(name)) {
            let files = files.entry(base).or_default();
            *(if is_segment { &mut files.segment } else { &mut files.acks }) = true;
        }
        let mut journal = Journal {
            disk,
            folder: folder.to_owned(),
            options,
            segments: BTreeMap::new(),
            writing: None,
            sequence_next: 1,
            buffer: Vec::new(),
        };
        let mut recovered = Recovered::default();
        // Everything is looked at before anything is removed: a file of another version refuses the folder as it is.
        let mut loaded = Vec::new();
        for (base, files) in files {
            loaded.push((base, journal.load(base, files)?));
        }
        for (base, loaded) in loaded {
            journal.take_over(base, loaded, &mut recovered);
        }
        Ok((journal, recovered))
    }

    fn load(&self, base: u64, files: Files) -> Result<Loaded, OpenError> {
        let path = self.folder.join(segment_name(base));
        let acks_path = self.folder.join(acks_name(base));
        let acks = if files.acks { read_acks(&*self.disk, &acks_path, base)? } else { ReadAcks::default() };
        if !files.segment {
            return Ok(Loaded { path, segment: None, acks_path: Some(acks_path), acks });
        }
        let read = |source| OpenError::Read { path: path.clone(), source };
        let len = self.disk.len(&path).map_err(read)?;
        let acks_path = files.acks.then_some(acks_path);
        if len > SEGMENT_FILE_BYTES_MAX {
            return Ok(Loaded { path, segment: Some((len, None)), acks_path, acks });
        }
        let bytes = read_all(&*self.disk, &path, len).map_err(read)?;
        let scan =
            scan(&bytes, base).map_err(|found| OpenError::Version { path: path.clone(), found, served: VERSION })?;
        Ok(Loaded { path, segment: Some((len, Some(scan))), acks_path, acks })
    }

    fn take_over(&mut self, base: u64, loaded: Loaded, recovered: &mut Recovered) {
        let Loaded { path, segment, acks_path, acks } = loaded;
        recovered.acks_damaged += acks.damaged;
        let sequence_last = acks.sequences.iter().copied().max().unwrap_or(base);
        self.sequence_next = self.sequence_next.max(sequence_last.max(base).saturating_add(1));
        let Some((len, scan)) = segment else {
            // Its segment was deleted, and a crash came before this was.
            acks_path.iter().for_each(|path| drop(self.disk.remove(path)));
            return;
        };
        let scan = match scan {
            Some(scan) if !(scan.records.is_empty() && scan.damage.iter().any(|damage| damage.offset == 0)) => scan,
            _ => return recovered.foreign.push(path),
        };
        recovered.torn_bytes += scan.torn_bytes;
        recovered.damage.extend(scan.damage.iter().map(|damage| (path.clone(), *damage)));
        let path: Arc<Path> = path.into();
        let acks_file = acks_path.map(|path| self.open_acks(path, acks.whole_bytes, acks.len));
        let acks_file = acks_file.unwrap_or_else(|| Acks::new(self.folder.join(acks_name(base))));
        let mut segment = Segment { path: Arc::clone(&path), len, live: 0, acks: acks_file };
        for found in scan.records {
            self.sequence_next = self.sequence_next.max(found.sequence.saturating_add(1));
            if acks.sequences.contains(&found.sequence) {
                continue;
            }
            segment.live += 1;
            recovered.records.push(Record {
                sequence: found.sequence,
                items: found.items,
                partition: found.partition,
                len: found.len,
                offset: found.offset,
                segment: Arc::clone(&path),
                base,
            });
        }
        self.segments.insert(base, segment);
        self.delete_if_done(base);
    }

    /// What is torn at its end is cut off, so that what follows is found again.
    fn open_acks(&self, path: PathBuf, whole_bytes: u64, len: u64) -> Acks {
        match self.disk.open(&path) {
            Ok(mut file) => {
                let is_broken = whole_bytes < len && file.truncate(whole_bytes).is_err();
                Acks::opened(path, file, whole_bytes, is_broken)
            }
            Err(_) => Acks::new(path),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Files {
    segment: bool,
    acks: bool,
}

struct Loaded {
    path: PathBuf,
    /// Its length, and what is in it; that is `None` if it is longer than a segment can be.
    segment: Option<(u64, Option<Scan>)>,
    acks_path: Option<PathBuf>,
    acks: ReadAcks,
}

#[derive(Default)]
struct ReadAcks {
    sequences: HashSet<u64>,
    damaged: u64,
    whole_bytes: u64,
    len: u64,
}

fn read_acks(disk: &dyn Disk, path: &Path, base: u64) -> Result<ReadAcks, OpenError> {
    let read = |source| OpenError::Read { path: path.to_owned(), source };
    let len = disk.len(path).map_err(read)?;
    if len > SEGMENT_FILE_BYTES_MAX {
        return Err(read(io::Error::new(io::ErrorKind::InvalidData, "it is longer than a log writes it")));
    }
    let bytes = read_all(disk, path, len).map_err(read)?;
    match read_acks_header(&bytes) {
        Header::OtherVersion(found) => {
            return Err(OpenError::Version { path: path.to_owned(), found, served: VERSION });
        }
        Header::Short => return Ok(ReadAcks { len, ..ReadAcks::default() }),
        // Each acknowledgement has a checksum of its own.
        Header::Served | Header::Damaged => {}
    }
    let mut acks =
        ReadAcks { len, whole_bytes: len - (len - ACKS_HEADER_LEN as u64) % ACK_LEN as u64, ..ReadAcks::default() };
    for ack in bytes[ACKS_HEADER_LEN..].chunks_exact(ACK_LEN) {
        match read_ack(base, ack) {
            Some(sequence) => drop(acks.sequences.insert(sequence)),
            None => acks.damaged += 1,
        }
    }
    Ok(acks)
}

fn read_all(disk: &dyn Disk, path: &Path, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    disk.read(path, 0, &mut bytes)?;
    Ok(bytes)
}
