//! A folder that one process has, with a log for each name in it.
//!
//! ```text
//!  directory/
//!    wasmill.lock              locked as long as the process has the folder
//!    otlp~2Fbackend.traces/    one log
//!      0000000000000001.log
//!      0000000000000001.ack
//!    otlpjsonfile.offsets      what a receiver keeps
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::{Disk, SystemDisk};
use crate::error::OpenError;
use crate::journal::{Journal, JournalOptions, Recovered};
use crate::log::{Log, Space};

const LOCK_NAME: &str = "wasmill.lock";

/// Between two attempts to have the lock: there is no event for another process's end.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Long enough that a segment is begun and deleted a few times a second at most, short enough that one record that is not
/// delivered holds little else on disk, and that a segment is read into memory whole when it is recovered.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
/// A small folder has shorter segments, so that the last of what is delivered is a small part of it; not so short that each
/// request begins one.
const SEGMENTS_MIN: u64 = 8;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;

/// Of what is kept beside the logs: a place in each of ten thousand files, with room to spare.
const SAVED_BYTES_MAX: u64 = 64 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderOptions {
    /// Makes the folder, and those above it, where they are missing.
    pub create: bool,
    /// Of folders that it makes, less the process's mask.
    pub permissions: u32,
    /// How long to wait for another process that has the folder.
    pub lock_timeout: Duration,
    /// See [`JournalOptions::fsync`].
    pub fsync: bool,
    /// Of all logs together, on disk.
    pub bytes_max: u64,
}

/// Held as long as somebody has it, or a log of it.
#[derive(Clone)]
pub struct Folder {
    path: Arc<Path>,
    permissions: u32,
    space: Arc<Space>,
    lock: Arc<File>,
}

/// What lies in a log that nobody has opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub records: usize,
    pub items: u64,
    /// On disk.
    pub bytes: u64,
}

impl Folder {
    /// Takes the folder for this process. Waits, for the lock.
    pub fn open(path: &Path, options: &FolderOptions) -> Result<Folder, OpenError> {
        let failed = |source| OpenError::Folder { path: path.to_owned(), source };
        if options.create {
            DirBuilder::new().recursive(true).mode(options.permissions).create(path).map_err(failed)?;
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK_NAME));
        let lock = lock.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => OpenError::NoFolder { path: path.to_owned() },
            _ => failed(source),
        })?;
        let begun = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < options.lock_timeout => {
                    thread::sleep(LOCK_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::Locked { path: path.to_owned(), waited: options.lock_timeout });
                }
            }
        }
        let space = Space {
            used: AtomicU64::new(0),
            bytes_max: AtomicU64::new(options.bytes_max),
            fsync: AtomicBool::new(options.fsync),
        };
        let (path, permissions) = (path.into(), options.permissions);
        Ok(Folder { path, permissions, space: Arc::new(space), lock: Arc::new(lock) })
    }

    /// What may change while logs are open.
    pub fn set(&self, fsync: bool, bytes_max: u64) {
        self.space.fsync.store(fsync, Ordering::Relaxed);
        self.space.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the log of a name, and reads what is in it. A log must not be open twice.
    pub fn log(&self, name: &str) -> Result<(Log, Recovered), OpenError> {
        let path = self.path.join(file_name(name));
        let failed = |source| OpenError::Folder { path: path.clone(), source };
        match DirBuilder::new().mode(self.permissions).create(&path) {
            Ok(()) => SystemDisk.sync_folder(&self.path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        let bytes_max = self.space.bytes_max.load(Ordering::Relaxed);
        let segment_bytes_max = (bytes_max / SEGMENTS_MIN).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let keep = Box::new(Arc::clone(&self.lock));
        Log::open(Arc::new(SystemDisk), path, segment_bytes_max, Arc::clone(&self.space), keep)
    }

    /// Keeps a few bytes under a name, in place of those that were: after a failure of the machine it is the one or the other.
    pub fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(file_name(name));
        let beside = path.with_added_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        if self.space.fsync.load(Ordering::Relaxed) {
            file.sync_data()?;
        }
        fs::rename(&beside, &path)?;
        SystemDisk.sync_folder(&self.path)
    }

    /// What was [saved](Folder::save) last; `None`: nothing was.
    pub fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match File::open(self.path.join(file_name(name))) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(SAVED_BYTES_MAX).read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Names of all logs that lie here, open or not.
    pub fn names(&self) -> Result<Vec<String>, OpenError> {
        let failed = |source| OpenError::Folder { path: self.path.to_path_buf(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.extend(entry.file_name().to_str().and_then(name_of));
            }
        }
        names.sort();
        Ok(names)
    }

    /// What lies in a log that is not open. Reads all of it, and changes nothing but what holds nothing any more.
    pub fn census(&self, name: &str) -> Result<Census, OpenError> {
        let options = JournalOptions { fsync: false, segment_bytes_max: SEGMENT_BYTES_MAX };
        let (journal, recovered) = Journal::open(Arc::new(SystemDisk), &self.path.join(file_name(name)), options)?;
        let items = recovered.records.iter().map(|record| u64::from(record.items)).sum();
        Ok(Census { records: recovered.records.len(), items, bytes: journal.bytes() })
    }
}

/// What may not stand in the name of a file everywhere is `~` and the byte in hex, `~` itself included.
fn file_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("~{byte:02X}")),
        }
    }
    out
}

/// `None`: no name of a log is written so.
fn name_of(file: &str) -> Option<String> {
    let mut parts = file.split('~');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend_from_slice(rest.as_bytes());
    }
    let name = String::from_utf8(out).ok()?;
    (file_name(&name) == file).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> FolderOptions {
        let lock_timeout = Duration::from_millis(1);
        FolderOptions { create: true, permissions: 0o750, lock_timeout, fsync: true, bytes_max: 1 << 20 }
    }

    /// Scenario: a second process opens a folder that the first has, and again when the first has gone.
    /// Guarantee: it is refused as long as the first, or a log of its, is there.
    #[test]
    fn a_folder_is_one_process_s() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let (log, _) = Folder::open(&path, &options()).unwrap().log("otlp.traces").unwrap();
        let Err(OpenError::Locked { path: named, .. }) = Folder::open(&path, &options()) else { panic!("not locked") };
        assert_eq!(named, path);
        log.close();
        let folder = Folder::open(&path, &options()).unwrap();
        assert_eq!(folder.names().unwrap(), ["otlp.traces"]);
    }

    /// Scenario: bytes are kept twice, and looked up by this process and the next.
    #[test]
    fn what_is_saved_is_loaded() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path(), &options()).unwrap();
        assert_eq!(folder.load("a/b.offsets").unwrap(), None);
        folder.save("a/b.offsets", b"one").unwrap();
        folder.save("a/b.offsets", b"two").unwrap();
        drop(folder);
        let folder = Folder::open(place.path(), &options()).unwrap();
        assert_eq!(folder.load("a/b.offsets").unwrap().as_deref(), Some(&b"two"[..]));
        assert!(folder.names().unwrap().is_empty(), "it is no log");
    }

    /// Scenario: a folder that is missing and not to be made, and one that is a file.
    #[test]
    fn a_folder_that_cannot_be_used_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let missing = FolderOptions { create: false, ..options() };
        assert!(matches!(Folder::open(&place.path().join("a"), &missing), Err(OpenError::NoFolder { .. })));
        fs::write(place.path().join("file"), "").unwrap();
        assert!(matches!(Folder::open(&place.path().join("file"), &options()), Err(OpenError::Folder { .. })));
    }

    #[test]
    fn names_become_files_and_names_again() {
        let cases = [("otlp.traces", "otlp.traces"), ("otlp/a b~c.logs", "otlp~2Fa~20b~7Ec.logs"), ("é", "~C3~A9")];
        for (name, file) in cases {
            assert_eq!(file_name(name), file);
            assert_eq!(name_of(file).as_deref(), Some(name));
        }
        for file in ["a~", "a~0", "a~zz", "a b", "a~41", "~C3"] {
            assert_eq!(name_of(file), None, "{file}");
        }
    }
}
