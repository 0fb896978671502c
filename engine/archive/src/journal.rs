//! Requests on disk until their rows are in a file that readers can open.
//!
//! A Parquet file is none before its footer, minutes after its first row. Clients are not kept waiting for so long, and what they were
//! answered for must not be lost with the process: a request goes into a journal first, whole, as it came, and is answered when the
//! operating system has it. When a journal is full or old enough it is sealed, and files are made of it; it goes when these are in place.
//! A journal that is found at the start is one that a process left, and is treated as one that was sealed.
//!
//! ```text
//!  "wmill\0j1"   length, CRC-32C, request   length, CRC-32C, request   …      lengths and checksums: four bytes, big-endian
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

const MAGIC: &[u8; 8] = b"wmill\0j1";
const HEAD_BYTES: usize = 8;

/// Requests may hold what nobody else should read before it is where it should be.
const MODE: u32 = 0o600;

const READ_BUFFER_BYTES: usize = 1 << 20;

/// A journal that is written. What is in it is whole requests, whatever happens.
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Whole requests, with the journal's own bytes.
    len: u64,
    /// Behind `len` may be the beginning of a request, which is to be cut off before anything is written.
    torn: bool,
}

impl Journal {
    /// Begins one. `path` has no file yet.
    pub fn create(path: PathBuf) -> io::Result<Journal> {
        let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path)?;
        let mut journal = Journal { file, path, len: 0, torn: false };
        if let Err(error) = journal.append(MAGIC) {
            // Nothing is in it.
            let _ = std::fs::remove_file(&journal.path);
            return Err(error);
        }
        Ok(journal)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Appends frames that [`put_frame`] made: all of them, or nothing.
    pub fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.file.seek(SeekFrom::Start(self.len))?;
            self.torn = false;
        }
        match self.file.write_all(frames) {
            Ok(()) => {
                self.len += frames.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Now, so that what was refused is not read after a crash; at the next attempt otherwise.
                let cut = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
                self.torn = cut.is_err();
                Err(error)
            }
        }
    }

    /// What was written stays, whatever happens to the machine.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Appends the frame of a request.
pub fn put_frame(out: &mut Vec<u8>, request: &[u8]) {
    // Requests are shorter than 2 GiB.
    out.extend_from_slice(&(request.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32c::crc32c(request).to_be_bytes());
    out.extend_from_slice(request);
}

/// What a journal ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With its last request.
    Whole,
    /// In the middle of a request, which nobody was answered for.
    Torn { bytes: u64 },
    /// With what is no request, though there is enough of it: what is behind cannot be read.
    Damaged { bytes: u64 },
}

/// Gives every whole request to `take`, in order.
pub fn read<E: From<io::Error>>(path: &Path, mut take: impl FnMut(Bytes) -> Result<(), E>) -> Result<End, E> {
    let file = File::open(path)?;
    let total = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, file);
    let mut left = total;
    let mut magic = [0; MAGIC.len()];
    if left < magic.len() as u64 {
        return Ok(End::Torn { bytes: left });
    }
    reader.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Ok(End::Damaged { bytes: left });
    }
    left -= magic.len() as u64;
    loop {
        if left == 0 {
            return Ok(End::Whole);
        }
        let mut head = [0; HEAD_BYTES];
        if left < head.len() as u64 {
            return Ok(End::Torn { bytes: left });
        }
        reader.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let (len, checksum) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        if left - (head.len() as u64) < u64::from(len) {
            return Ok(End::Torn { bytes: left });
        }
        // Not more than the file has.
        let mut request = vec![0; len as usize];
        reader.read_exact(&mut request)?;
        if crc32c::crc32c(&request) != checksum {
            return Ok(End::Damaged { bytes: left });
        }
        left -= head.len() as u64 + u64::from(len);
        take(request.into())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(path: &Path) -> (Vec<Bytes>, End) {
        let mut found = Vec::new();
        let end = read::<io::Error>(path, |request| {
            found.push(request);
            Ok(())
        });
        (found, end.unwrap())
    }

    /// Scenario: a journal that is cut off at every byte, and one in which a byte is another.
    /// Guarantee: whole requests before that place are read, nothing else is, and the two ends are told apart.
    #[test]
    fn what_is_whole_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        let mut journal = Journal::create(path.clone()).unwrap();
        let all: Vec<Vec<u8>> = vec![b"one".to_vec(), Vec::new(), vec![7; 3000]];
        for request in &all {
            let mut frame = Vec::new();
            put_frame(&mut frame, request);
            journal.append(&frame).unwrap();
        }
        assert!(Journal::create(path.clone()).is_err(), "a journal is written by one");
        let (found, end) = requests(&path);
        assert_eq!((found.iter().map(|one| one.to_vec()).collect::<Vec<_>>(), end), (all.clone(), End::Whole));

        let whole = std::fs::read(&path).unwrap();
        let ends = [8, 8 + 11, 8 + 11 + 8, whole.len()];
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (found, end) = requests(&path);
            let before = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(found.len(), before.saturating_sub(1), "{cut}");
            assert_eq!(end == End::Whole, ends.contains(&cut), "{cut}: {end:?}");
        }
        for at in [0, 8 + 9, 8 + 11 + 8 + 100] {
            let mut other = whole.clone();
            other[at] ^= 1;
            std::fs::write(&path, &other).unwrap();
            assert!(matches!(requests(&path).1, End::Damaged { .. }), "{at}");
        }
    }
}
