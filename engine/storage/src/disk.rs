//! What a log does to a disk, as a trait: tests put a disk in its place that tears writes and loses what was not synchronised.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Only the owner reads telemetry: it holds what others' requests held.
const FILE_MODE: u32 = 0o600;

pub trait Disk: Send + Sync + 'static {
    /// Names of the files in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// A new, empty file. It must not be there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;

    /// A file that is there, to append to.
    fn open(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;

    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on, or fails.
    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Files created and removed in the folder stay so.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

pub trait AppendFile: Send {
    /// Writes all of it at the end. After an error, any part of it may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// What was appended stays, whatever happens.
    fn sync(&mut self) -> io::Result<()>;

    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// The operating system's files.
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        // Names that are not text are none of ours.
        names.filter_map(io::Result::transpose).collect()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        File::open(path)?.read_exact_at(buffer, offset)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

impl AppendFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}
