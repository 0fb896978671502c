//! From a sealed journal to files in their places.
//!
//! All files of a journal are made before the first gets its place, and the journal goes when the last has it. A process that ends in between
//! makes them again under the same names, each in the place of what is there; so every row is in one file, whenever it ends.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use wasmill_wire::{Projection, WireBatch};

use crate::archive::Settings;
use crate::bucket::{Bucket, BucketError};
use crate::columns::Columns;
use crate::datafile::{DataFile, DataFileError};
use crate::folders::RunName;
use crate::journal::{self, End};
use crate::root::Root;

/// Others read these files.
const FILE_MODE: u32 = 0o644;

/// Why a journal has no files yet.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error("`{}` cannot be read", .path.display())]
    Journal {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` cannot be written", .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: DataFileError,
    },
    #[error("`{name}` cannot be put in place")]
    Place {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("`{name}` cannot be put into the bucket")]
    Bucket {
        name: String,
        #[source]
        source: BucketError,
    },
    #[error("rows cannot be made columns")]
    Columns(#[from] ArrowError),
}

impl From<io::Error> for ConvertError {
    fn from(source: io::Error) -> Self {
        ConvertError::Journal { path: PathBuf::new(), source }
    }
}

/// What was made of a journal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Converted {
    pub rows: u64,
    /// From the root, with the name.
    pub files: Vec<String>,
    pub bytes: u64,
}

/// Makes the files of a journal. Where it fails, everything is as before.
pub fn convert(root: &Root, run: &RunName, journal: &Path, settings: &Settings) -> Result<Converted, ConvertError> {
    let mut making = Making { root, run, settings, open: None, done: Vec::new() };
    let made = making.read(journal);
    let end = match made {
        Ok(end) => end,
        Err(error) => {
            making.clear();
            return Err(match error {
                ConvertError::Journal { source, .. } => ConvertError::Journal { path: journal.to_owned(), source },
                other => other,
            });
        }
    };
    let converted = making.place();
    if converted.is_err() {
        making.clear();
    }
    let converted = converted?;
    finish_journal(root, journal, end)?;
    Ok(converted)
}

/// The journal is no longer needed, but for what nobody could read.
fn finish_journal(root: &Root, journal: &Path, end: End) -> Result<(), ConvertError> {
    let failed = |source| ConvertError::Journal { path: journal.to_owned(), source };
    match end {
        End::Damaged { bytes } => {
            let aside = root.set_aside(journal).map_err(failed)?;
            tracing::error!(path = %aside.display(), bytes, "requests cannot be read and are in no file; what is left is kept here");
            return Ok(());
        }
        End::Torn { bytes } => {
            tracing::warn!(path = %journal.display(), bytes, "ended in the middle of a request, which nobody was answered for");
        }
        End::Whole => {}
    }
    fs::remove_file(journal).map_err(failed)
}

struct Making<'a> {
    root: &'a Root,
    run: &'a RunName,
    settings: &'a Settings,
    open: Option<(DataFile, String)>,
    /// Whole files, by name, with rows and bytes.
    done: Vec<(String, u64, u64)>,
}

impl Making<'_> {
    /// Makes every file, none of them in its place.
    fn read(&mut self, journal: &Path) -> Result<End, ConvertError> {
        let signal = self.run.signal;
        let nothing = Projection::new(signal, Vec::new());
        let mut columns = Columns::new(signal);
        let mut unreadable = 0;
        let end = journal::read(journal, |request| {
            let bytes = request.len() as u64;
            match WireBatch::parse(signal, request, &nothing) {
                Ok(batch) => {
                    let all = wasmill_wire::Selection::all(batch.rows());
                    columns.append(batch.index(), &all, |rows| self.write(rows))?;
                }
                // It was parsed before it was written, and its checksum is right.
                Err(error) => {
                    tracing::error!(%error, bytes, "a request in a journal cannot be read");
                    unreadable += bytes;
                }
            }
            Ok::<(), ConvertError>(())
        })?;
        let last = columns.finish()?;
        self.write(last)?;
        self.finish_open()?;
        Ok(if unreadable > 0 && end == End::Whole { End::Damaged { bytes: unreadable } } else { end })
    }

    /// Writes rows to as many files as they need.
    fn write(&mut self, mut rows: RecordBatch) -> Result<(), ConvertError> {
        while rows.num_rows() > 0 {
            let rows_max = self.settings.rows_max;
            let (file, name) = match &mut self.open {
                Some(open) => open,
                None => {
                    let open = self.begin()?;
                    self.open.insert(open)
                }
            };
            let room = usize::try_from(rows_max.saturating_sub(file.rows())).unwrap_or(usize::MAX);
            let fits = rows.num_rows().min(room.max(1));
            let written = file.write(&rows.slice(0, fits));
            written.map_err(|source| ConvertError::File { path: self.root.part_path(name), source })?;
            rows = rows.slice(fits, rows.num_rows() - fits);
            if file.rows() >= rows_max || file.bytes() >= self.settings.bytes_max {
                self.finish_open()?;
            }
        }
        Ok(())
    }

    fn begin(&self) -> Result<(DataFile, String), ConvertError> {
        let part = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        let name = self.run.file(part, self.settings.file.format);
        let path = self.root.part_path(&name);
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&path);
        let begun = opened.map_err(DataFileError::from);
        let begun = begun.and_then(|file| DataFile::begin(file, self.run.signal, &self.settings.file));
        match begun {
            Ok(file) => Ok((file, name)),
            Err(source) => Err(ConvertError::File { path, source }),
        }
    }

    fn finish_open(&mut self) -> Result<(), ConvertError> {
        let Some((file, name)) = self.open.take() else { return Ok(()) };
        let rows = file.rows();
        let finished = file.finish();
        let path = self.root.part_path(&name);
        // It is in the way until then, and of no use.
        self.done.push((name, rows, 0));
        let bytes = finished.map_err(|source| ConvertError::File { path, source })?;
        if let Some(last) = self.done.last_mut() {
            last.2 = bytes;
        }
        Ok(())
    }

    fn place(&mut self) -> Result<Converted, ConvertError> {
        let folder = self.settings.folders.of(self.run.signal, self.run.begun);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut converted = Converted::default();
        if let Some(bucket) = &self.settings.bucket {
            return self.put(bucket, &folder);
        }
        for (name, rows, bytes) in &self.done {
            let placed = self.root.place(&self.root.part_path(name), &folder, name, *bytes, unix_ms);
            placed.map_err(|source| ConvertError::Place { name: name.clone(), source })?;
            converted.rows += rows;
            converted.bytes += bytes;
            converted.files.push(if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") });
        }
        let withdrawn = self.root.withdraw(&self.run.stem(), &converted.files);
        withdrawn.map_err(|source| ConvertError::Place { name: self.run.stem(), source })?;
        Ok(converted)
    }

    /// Into the bucket. What is there under these names is of an earlier attempt.
    fn put(&self, bucket: &Bucket, folder: &str) -> Result<Converted, ConvertError> {
        let mut converted = Converted::default();
        for (name, rows, bytes) in &self.done {
            let key = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let part = self.root.part_path(name);
            bucket.put(&part, &key).map_err(|source| ConvertError::Bucket { name: key.clone(), source })?;
            // One that stays is deleted at the next start.
            let _ = fs::remove_file(part);
            converted.rows += rows;
            converted.bytes += bytes;
            converted.files.push(key);
        }
        Ok(converted)
    }

    /// Takes room from nobody while it waits to be tried again.
    fn clear(&mut self) {
        let open = self.open.take().map(|(_, name)| name);
        for name in open.into_iter().chain(self.done.drain(..).map(|(name, _, _)| name)) {
            // Placed already, or gone; the next attempt writes over what is left.
            let _ = fs::remove_file(self.root.part_path(&name));
        }
    }
}
