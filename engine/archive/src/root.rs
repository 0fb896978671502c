//! The folder that files go below, while a process has it.
//!
//! ```text
//!  /var/lib/telemetry/
//!    .wasmill/lock        one process at a time
//!    .wasmill/manifest    what was written: see `manifest`
//!    .wasmill/*.journal   what has no file yet: see `journal`
//!    .wasmill/*.part      files that are being made: of no use without their end, and deleted at a start
//!    traces/date=…/…      files, whole from the moment at which they are there
//! ```
//!
//! What is not done yet lies in a folder of its own and not beside what is, so that it is found at a start without looking through years of
//! folders. It is on the same disk, so that a file gets its place by a rename.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use wasmill_wire::Signal;

use crate::folders::RunName;
use crate::manifest::{Entry, Manifest};
use crate::retention;

pub const STATE: &str = ".wasmill";
pub const JOURNAL: &str = "journal";
pub const PART: &str = "part";
const DAMAGED: &str = "damaged";
/// Of [`STATE`]: requests are nobody else's before they are where they should be.
const STATE_MODE: u32 = 0o700;
/// Of folders below the root, where the configuration says nothing.
pub const FOLDER_MODE: u32 = 0o755;

/// A root that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error("`{}` cannot be used; `create_directory: true` makes a folder that is missing", .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is in use by another process", .path.display())]
    InUse { path: PathBuf },
}

pub struct Root {
    path: PathBuf,
    /// As it was opened: what is deleted is below this folder, whatever has its name then.
    folder: File,
    /// Held for as long as this is.
    _lock: File,
    /// Also held while files are put in place and while they are deleted, so that no folder goes that a file is about to come into.
    pub manifest: Mutex<Manifest>,
    /// Bytes of journals and of files that wait for their place.
    backlog: AtomicU64,
    /// Journals that a thread of this process writes, or makes files of.
    claimed: Mutex<BTreeSet<String>>,
    folder_mode: u32,
}

impl Root {
    /// `create`: the permissions of folders that are made where they are missing.
    pub fn open(path: &Path, create: Option<u32>) -> Result<Root, RootError> {
        let wrong = |source| RootError::Folder { path: path.to_owned(), source };
        if let Some(mode) = create {
            DirBuilder::new().recursive(true).mode(mode).create(path).map_err(wrong)?;
        }
        let folder = File::open(path).map_err(wrong)?;
        if !folder.metadata().map_err(wrong)?.is_dir() {
            return Err(wrong(io::Error::from(io::ErrorKind::NotADirectory)));
        }
        let state = path.join(STATE);
        DirBuilder::new().recursive(true).mode(STATE_MODE).create(&state).map_err(wrong)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(state.join("lock"));
        let lock = lock.map_err(wrong)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(RootError::InUse { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => return Err(wrong(source)),
        }
        let manifest = Manifest::open(state.join("manifest")).map_err(wrong)?;
        let root = Root {
            path: path.to_owned(),
            folder,
            _lock: lock,
            manifest: Mutex::new(manifest),
            backlog: AtomicU64::new(0),
            claimed: Mutex::default(),
            folder_mode: create.unwrap_or(FOLDER_MODE),
        };
        root.clear_parts().map_err(wrong)?;
        Ok(root)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn folder(&self) -> &File {
        &self.folder
    }

    /// Whether the path still leads to the folder that was opened.
    pub fn is_there(&self) -> bool {
        let own = self.folder.metadata().map(|own| (own.dev(), own.ino()));
        let there = fs::metadata(&self.path).map(|there| (there.dev(), there.ino()));
        own.is_ok_and(|own| there.is_ok_and(|there| own == there))
    }

    pub fn journal_path(&self, run: &RunName) -> PathBuf {
        self.path.join(STATE).join(format!("{}.{JOURNAL}", run.stem()))
    }

    /// Of a file that is being made.
    pub fn part_path(&self, name: &str) -> PathBuf {
        self.path.join(STATE).join(format!("{name}.{PART}"))
    }

    /// Files that were being made when a process ended: they are made again.
    fn clear_parts(&self) -> io::Result<()> {
        for (_, path) in self.state_files(PART)? {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Journals of a signal that a process left and nobody works on, the oldest first, with their bytes. They are the caller's then.
    pub fn claim_journals(&self, signal: Signal) -> io::Result<Vec<(RunName, PathBuf, u64)>> {
        let mut claimed = self.claimed.lock();
        let mut found = Vec::new();
        for (stem, path) in self.state_files(JOURNAL)? {
            let run = RunName::parse(&stem).filter(|run| run.signal == signal);
            if let Some(run) = run.filter(|run| claimed.insert(run.stem())) {
                let bytes = fs::metadata(&path)?.len();
                found.push((run, path, bytes));
            }
        }
        found.sort_by_key(|(run, _, _)| run.begun);
        Ok(found)
    }

    /// The journal of this name is the caller's.
    pub fn claim(&self, run: &RunName) {
        self.claimed.lock().insert(run.stem());
    }

    pub fn unclaim(&self, run: &RunName) {
        self.claimed.lock().remove(&run.stem());
    }

    fn state_files(&self, extension: &str) -> io::Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path.join(STATE))? {
            let entry = entry?;
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(extension)?.strip_suffix('.'));
            if let Some(stem) = stem.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
                found.push((stem.to_owned(), entry.path()));
            }
        }
        Ok(found)
    }

    /// Gives a file that was made its place, for good. `folder`: from the root, with `/` between.
    pub fn place(&self, part: &Path, folder: &str, name: &str, bytes: u64, unix_ms: u64) -> io::Result<()> {
        let mut manifest = self.manifest.lock();
        let into = self.path.join(folder);
        DirBuilder::new().recursive(true).mode(self.folder_mode).create(&into)?;
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        // Into the list first: a file that is there and not in it would never go, and one that is in it and not there is forgotten.
        manifest.add(Entry { bytes, unix_ms, path })?;
        fs::rename(part, into.join(name))?;
        // The folders above were perhaps made, and the part's is another.
        let mut above = into.as_path();
        loop {
            File::open(above)?.sync_all()?;
            match above.parent().filter(|_| above != self.path) {
                Some(next) => above = next,
                None => return Ok(()),
            }
        }
    }

    /// Deletes files of an earlier attempt on the same journal that the last one did not make: it ended between the first file's place and
    /// the last's, and other settings divide rows otherwise.
    pub fn withdraw(&self, stem: &str, made: &[String]) -> io::Result<()> {
        let mut manifest = self.manifest.lock();
        let is_stale = |entry: &Entry| {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('-')) && !made.contains(&entry.path)
        };
        let stale: Vec<Entry> = manifest.entries().iter().filter(|entry| is_stale(entry)).cloned().collect();
        if stale.is_empty() {
            return Ok(());
        }
        for entry in &stale {
            retention::delete(self, entry);
        }
        manifest.forget(is_stale)
    }

    /// Keeps a journal that cannot be read whole for who wants to look into it.
    pub fn set_aside(&self, journal: &Path) -> io::Result<PathBuf> {
        let aside = journal.with_extension(DAMAGED);
        fs::rename(journal, &aside)?;
        Ok(aside)
    }

    pub fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed)
    }

    pub fn grow(&self, bytes: u64) {
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn shrink(&self, bytes: u64) {
        // Never below zero: what is taken away was added.
        let less = |backlog: u64| Some(backlog.saturating_sub(bytes));
        let _ = self.backlog.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}
