//! How far files were read: what is kept between runs.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A file is known again by so many of its first bytes; the Collector's `fingerprint_size`.
const HEAD_BYTES_MAX: u64 = 1000;

/// Of one receiver.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Known {
    pub files: Vec<KnownFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownFile {
    /// Where it was last.
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    /// Of the first byte that is not read.
    pub offset: u64,
    /// The number of the line that begins there, from 1; `None`: it was not read from its beginning.
    pub line: Option<u64>,
    /// SHA-256 of the first `head_bytes` bytes.
    pub head: String,
    /// At most `offset`.
    pub head_bytes: u64,
}

impl KnownFile {
    /// A file of which nothing was read yet; `None`: it is gone, or cannot be looked at.
    pub fn new(path: PathBuf, device: u64, inode: u64) -> KnownFile {
        KnownFile { path, device, inode, offset: 0, line: Some(1), head: String::new(), head_bytes: 0 }
    }

    /// Whether this is the file that was read, longer perhaps. Devices have other numbers after a start, so that a file of the same
    /// name and beginning is taken for it too.
    pub fn is(&self, path: &std::path::Path, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        let same_place = (metadata.dev(), metadata.ino()) == (self.device, self.inode) || path == self.path;
        Ok(same_place && metadata.len() >= self.offset && head(file, self.head_bytes)? == self.head)
    }

    /// Begins anew.
    pub fn rewind(&mut self) {
        (self.offset, self.line, self.head_bytes) = (0, Some(1), 0);
        self.head.clear();
    }

    /// Notes more of its beginning, as far as it was read.
    pub fn note_head(&mut self, file: &File) -> io::Result<()> {
        let bytes = self.offset.min(HEAD_BYTES_MAX);
        if bytes > self.head_bytes {
            self.head = head(file, bytes)?;
            self.head_bytes = bytes;
        }
        Ok(())
    }
}

/// Of no bytes it is empty.
fn head(file: &File, bytes: u64) -> io::Result<String> {
    if bytes == 0 {
        return Ok(String::new());
    }
    let mut head = vec![0; bytes.min(HEAD_BYTES_MAX) as usize];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) => Ok(Sha256::digest(&head).iter().map(|byte| format!("{byte:02x}")).collect()),
        // Shorter than it was: another file.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok("shorter".to_owned()),
        Err(error) => Err(error),
    }
}
