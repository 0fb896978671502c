//! The open file: what is in it is whole requests, whatever happens.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use wasmill_config::FileExporter;

use super::frames::Framing;
use super::rotation;

/// The Collector's, less the process's mask: others read these files.
const FILE_MODE: u32 = 0o644;

pub struct Target {
    file: File,
    /// From the file's first request on, which an earlier process may have written.
    begun: SystemTime,
    framing: Framing,
    /// Whole requests. What is behind them is to be cut off before anything is written.
    len: u64,
    torn: bool,
}

impl Target {
    /// Opens it, and makes it whole. `emptied`: what is in it goes.
    pub fn open(settings: &FileExporter, emptied: bool) -> io::Result<Target> {
        let path = &settings.path;
        if let (Some(mode), Some(folder)) = (settings.create_directory, path.parent()) {
            DirBuilder::new().recursive(true).mode(mode).create(folder)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        let framing = Framing::of(settings);
        let found = metadata.len();
        let len = if emptied { 0 } else { framing.whole(&file, found)? };
        if len < found {
            if !emptied {
                tracing::warn!(path = %path.display(), bytes = found - len, "the file ended in the middle of a request, which was cut off");
            }
            file.set_len(len)?;
        }
        // A file system that does not know when the file was made knows when it was written.
        let begun = if len == 0 { None } else { metadata.created().or_else(|_| metadata.modified()).ok() };
        let begun = begun.unwrap_or_else(SystemTime::now);
        Ok(Target { file, begun, framing, len, torn: false })
    }

    /// Whether this is the file that has the path now, and fits the settings. A file that somebody renamed is left to whoever did.
    pub fn is_current(&self, settings: &FileExporter) -> bool {
        let same = |own: Metadata, there: Metadata| (own.dev(), own.ino()) == (there.dev(), there.ino());
        let is_there = match (self.file.metadata(), fs::metadata(&settings.path)) {
            (Ok(own), Ok(there)) => same(own, there),
            _ => false,
        };
        is_there && self.framing == Framing::of(settings)
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether a request of so many bytes would be too much for it.
    pub fn is_full(&self, bytes: u64, settings: &FileExporter) -> bool {
        settings.rotation.as_ref().is_some_and(|rotation| self.len > 0 && self.len + bytes > rotation.bytes_max)
    }

    /// How long until it is to be renamed for its age; nothing of an empty file or without such a rule.
    pub fn until_old(&self, settings: &FileExporter) -> Option<Duration> {
        let interval = settings.rotation.as_ref()?.interval.filter(|_| self.len > 0)?;
        // Of a clock that was set back the file is as old as if it had just been begun.
        let age = SystemTime::now().duration_since(self.begun).unwrap_or_default();
        Some(interval.saturating_sub(age))
    }

    /// Gives the file its other name. Then there is none of this path.
    pub fn rotate(self, settings: &FileExporter) -> io::Result<()> {
        let Some(rotation) = &settings.rotation else { return Ok(()) };
        self.sync()?;
        rotation::rename(&settings.path, rotation)?;
        if let Err(error) = rotation::remove_old(&settings.path, rotation) {
            tracing::warn!(path = %settings.path.display(), %error, "old files cannot be deleted");
        }
        Ok(())
    }

    /// Writes all or nothing.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.torn = false;
        }
        // Somebody may have emptied it (`copytruncate`): then it is shorter than what was written.
        self.len = self.len.min(self.file.metadata()?.len());
        if self.len == 0 {
            self.begun = SystemTime::now();
        }
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = self.file.set_len(self.len).is_err();
                Err(error)
            }
        }
    }

    /// What was written stays, whatever happens.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The file's entry in its folder stays too.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
