//! From a sealed journal to files in their places.
//!
//! All files of a journal are made before the first gets its place, and the journal goes when the last has it. A process that ends in between
//! makes them again under the same names, each in the place of what is there; so every row is in one file, whenever it ends.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use bytes::Bytes;
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

use crate::archive::{Files, Settings};
use crate::bucket::{Bucket, BucketError};
use crate::columns::Columns;
use crate::datafile::{DataFile, DataFileError, FileSettings};
use crate::folders::RunName;
use crate::journal::{self, End};
use crate::requestfile::{RequestError, RequestFile, RequestSettings};
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
    match &settings.files {
        Files::Columns(layout) => Making::<DataFile>::new(root, run, settings, layout).convert(journal),
        Files::Requests(layout) => Making::<RequestFile>::new(root, run, settings, layout).convert(journal),
    }
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

/// A file of some kind while it is written.
trait Kind: Sized {
    /// How it is laid out.
    type Layout;

    fn begin(file: File, signal: Signal, layout: &Self::Layout) -> Result<Self, DataFileError>;
    fn rows(&self) -> u64;
    fn bytes(&self) -> u64;
    fn finish(self) -> Result<u64, DataFileError>;
    /// Writes what a journal has to as many files as it needs.
    fn write_all(making: &mut Making<Self>, journal: &Path) -> Result<End, ConvertError>;
}

struct Making<'a, K: Kind> {
    root: &'a Root,
    run: &'a RunName,
    settings: &'a Settings,
    layout: &'a K::Layout,
    open: Option<(K, String)>,
    /// Whole files, by name, with rows and bytes.
    done: Vec<(String, u64, u64)>,
}

impl Kind for DataFile {
    type Layout = FileSettings;

    fn begin(file: File, signal: Signal, layout: &FileSettings) -> Result<DataFile, DataFileError> {
        DataFile::begin(file, signal, layout)
    }

    fn rows(&self) -> u64 {
        self.rows()
    }

    fn bytes(&self) -> u64 {
        self.bytes()
    }

    fn finish(self) -> Result<u64, DataFileError> {
        self.finish()
    }

    fn write_all(making: &mut Making<DataFile>, journal: &Path) -> Result<End, ConvertError> {
        let mut columns = Columns::new(making.run.signal);
        let end = making.read(journal, |making, _, batch| {
            let all = Selection::all(batch.rows());
            columns.append(batch.index(), &all, |rows| making.write(rows))?;
            Ok(Written::Whole)
        })?;
        let last = columns.finish()?;
        making.write(last)?;
        Ok(end)
    }
}

impl Kind for RequestFile {
    type Layout = RequestSettings;

    fn begin(file: File, signal: Signal, layout: &RequestSettings) -> Result<RequestFile, DataFileError> {
        Ok(RequestFile::begin(file, signal, layout)?)
    }

    fn rows(&self) -> u64 {
        self.rows()
    }

    fn bytes(&self) -> u64 {
        self.bytes()
    }

    fn finish(self) -> Result<u64, DataFileError> {
        Ok(self.finish()?)
    }

    fn write_all(making: &mut Making<RequestFile>, journal: &Path) -> Result<End, ConvertError> {
        let root = making.root;
        making.read(journal, |making, request, batch| {
            let (file, name) = making.open()?;
            match file.write(request, batch.rows() as u64) {
                Ok(()) => {}
                Err(RequestError::Json(error)) => {
                    tracing::error!(%error, bytes = request.len(), "a request in a journal cannot be written as JSON");
                    return Ok(Written::Not);
                }
                Err(RequestError::Io(error)) => {
                    let path = root.part_path(name);
                    return Err(ConvertError::File { path, source: error.into() });
                }
            }
            making.finish_full()?;
            Ok(Written::Whole)
        })
    }
}

impl Making<'_, DataFile> {
    /// Writes rows to as many files as they need.
    fn write(&mut self, mut rows: RecordBatch) -> Result<(), ConvertError> {
        let (root, rows_max) = (self.root, self.settings.rows_max);
        while rows.num_rows() > 0 {
            let (file, name) = self.open()?;
            let room = usize::try_from(rows_max.saturating_sub(file.rows())).unwrap_or(usize::MAX);
            let fits = rows.num_rows().min(room.max(1));
            let written = file.write(&rows.slice(0, fits));
            written.map_err(|source| ConvertError::File { path: root.part_path(name), source })?;
            rows = rows.slice(fits, rows.num_rows() - fits);
            self.finish_full()?;
        }
        Ok(())
    }
}

/// Whether a request is in the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Whole,
    Not,
}

impl<K: Kind> Making<'_, K> {
    fn new<'a>(root: &'a Root, run: &'a RunName, settings: &'a Settings, layout: &'a K::Layout) -> Making<'a, K> {
        Making { root, run, settings, layout, open: None, done: Vec::new() }
    }

    fn convert(mut self, journal: &Path) -> Result<Converted, ConvertError> {
        let made = K::write_all(&mut self, journal).and_then(|end| {
            self.finish_open()?;
            Ok((self.place()?, end))
        });
        match made {
            Ok((converted, end)) => {
                finish_journal(self.root, journal, end)?;
                Ok(converted)
            }
            Err(error) => {
                self.clear();
                Err(match error {
                    ConvertError::Journal { source, .. } => ConvertError::Journal { path: journal.to_owned(), source },
                    other => other,
                })
            }
        }
    }

    /// Gives every request of a journal to `take`.
    fn read(
        &mut self,
        journal: &Path,
        mut take: impl FnMut(&mut Self, &Bytes, &WireBatch) -> Result<Written, ConvertError>,
    ) -> Result<End, ConvertError> {
        let signal = self.run.signal;
        let nothing = Projection::new(signal, Vec::new());
        let mut unreadable = 0;
        let end = journal::read(journal, |request| {
            let bytes = request.len() as u64;
            match WireBatch::parse(signal, request.clone(), &nothing) {
                Ok(batch) => {
                    if take(self, &request, &batch)? == Written::Not {
                        unreadable += bytes;
                    }
                }
                // It was parsed before it was written, and its checksum is right.
                Err(error) => {
                    tracing::error!(%error, bytes, "a request in a journal cannot be read");
                    unreadable += bytes;
                }
            }
            Ok::<(), ConvertError>(())
        })?;
        Ok(if unreadable > 0 && end == End::Whole { End::Damaged { bytes: unreadable } } else { end })
    }

    /// The file that is written now.
    fn open(&mut self) -> Result<(&mut K, &str), ConvertError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let (file, name) = self.open.insert(open);
        Ok((file, name))
    }

    /// Ends the file that is written where it has enough.
    fn finish_full(&mut self) -> Result<(), ConvertError> {
        let Some((file, _)) = &self.open else { return Ok(()) };
        if file.rows() >= self.settings.rows_max || file.bytes() >= self.settings.bytes_max {
            self.finish_open()?;
        }
        Ok(())
    }

    fn begin(&self) -> Result<(K, String), ConvertError> {
        let part = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        let name = self.run.file(part, self.settings.files.extension());
        let path = self.root.part_path(&name);
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&path);
        let begun = opened.map_err(DataFileError::from);
        let begun = begun.and_then(|file| K::begin(file, self.run.signal, self.layout));
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
