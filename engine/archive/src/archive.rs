//! What an exporter writes to, and the folders and threads that exporters share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use wasmill_wire::Signal;

use crate::bucket::Bucket;
use crate::datafile::{FileSettings, Format};
use crate::folders::Folders;
use crate::requestfile::{RequestFormat, RequestSettings};
use crate::retention::Retention;
use crate::root::{Root, RootError, STATE};
use crate::writer::{WriteError, Writer};

/// How an exporter's files are made.
#[derive(Clone)]
pub struct Settings {
    pub folders: Folders,
    pub files: Files,
    /// Of a file, about: it is ended behind the batch of rows, or the request, that exceeds it.
    pub bytes_max: u64,
    /// Of a file: of columns exactly, of requests about.
    pub rows_max: u64,
    /// From a journal's first request to its files.
    pub interval: Duration,
    /// From writing to synchronising, at most.
    pub flush_interval: Duration,
    /// Of journals and files that wait, together; then clients are told to retry.
    pub backlog_bytes_max: u64,
    /// Permissions of folders that are made where they are missing; `None`: the root is there.
    pub create: Option<u32>,
    /// `None`: files stay.
    pub retention: Option<Retention>,
    /// Where files go instead of the root, by the same folders and names.
    pub bucket: Option<Arc<Bucket>>,
}

/// What is in the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Files {
    /// Rows, in columns.
    Columns(FileSettings),
    /// Requests as they came.
    Requests(RequestSettings),
}

impl Files {
    /// One of [`EXTENSIONS`](crate::folders::EXTENSIONS).
    pub fn extension(self) -> &'static str {
        match self {
            Files::Columns(FileSettings { format: Format::Parquet, .. }) => "parquet",
            Files::Columns(FileSettings { format: Format::ArrowIpc, .. }) => "arrow",
            Files::Requests(settings) => match (settings.format, settings.is_compressed) {
                (RequestFormat::Json, false) => "jsonl",
                (RequestFormat::Json, true) => "jsonl.zst",
                (RequestFormat::Proto, false) => "pb",
                (RequestFormat::Proto, true) => "pb.zst",
            },
        }
    }
}

/// The roots and the writers of this process. Exporters come and go; a signal's journal of a root is written by one thread.
#[derive(Clone, Default)]
pub struct Archives(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    writers: BTreeMap<(PathBuf, Signal), Weak<Writer>>,
    roots: BTreeMap<PathBuf, Weak<Root>>,
}

/// An exporter's.
pub struct Archive {
    settings: Arc<Settings>,
    archives: Archives,
    /// Held, so that they run.
    writers: Mutex<BTreeMap<Signal, Arc<Writer>>>,
}

impl Archive {
    /// Opens nothing.
    pub fn new(settings: Settings, archives: &Archives) -> Archive {
        Archive { settings: Arc::new(settings), archives: archives.clone(), writers: Mutex::default() }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// From now on it serves: files are made of what an earlier process left, and old ones deleted.
    pub fn begin(&self, signal: Signal) -> Result<(), WriteError> {
        let left = left_signals(&self.settings.folders.root);
        for signal in Signal::ALL.into_iter().filter(|one| *one == signal || left.contains(one)) {
            self.writer(signal)?.begin(&self.settings);
        }
        Ok(())
    }

    /// Resolves when the operating system has the request, whole, or nothing of it is kept. It is an `Export…ServiceRequest` that was
    /// parsed, of `rows` rows.
    pub async fn write(&self, signal: Signal, request: Bytes, rows: u64) -> Result<(), WriteError> {
        let writer = self.writer(signal)?;
        writer.write(Arc::clone(&self.settings), request, rows).await
    }

    /// Resolves when everything that was written is in files, or cannot be at the moment.
    pub async fn end(&self, signal: Signal) {
        let writer = self.writers.lock().get(&signal).cloned();
        if let Some(writer) = writer {
            writer.end().await;
        }
    }

    fn writer(&self, signal: Signal) -> Result<Arc<Writer>, WriteError> {
        let mut writers = self.writers.lock();
        if let Some(writer) = writers.get(&signal) {
            return Ok(Arc::clone(writer));
        }
        let writer = self.archives.writer(&self.settings.folders.root, signal)?;
        writers.insert(signal, Arc::clone(&writer));
        Ok(writer)
    }
}

/// Signals of which an earlier process left journals.
fn left_signals(root: &std::path::Path) -> Vec<Signal> {
    let Ok(entries) = std::fs::read_dir(root.join(STATE)) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let stems = names.filter_map(|name| Some(name.strip_suffix(".journal")?.to_owned()));
    stems.filter_map(|stem| Some(crate::folders::RunName::parse(&stem)?.signal)).collect()
}

impl Archives {
    fn writer(&self, root: &std::path::Path, signal: Signal) -> Result<Arc<Writer>, WriteError> {
        let mut shared = self.0.lock();
        let key = (root.to_owned(), signal);
        if let Some(writer) = shared.writers.get(&key).and_then(Weak::upgrade) {
            return Ok(writer);
        }
        let writer = Writer::start(self.clone(), signal).map_err(|error| WriteError::Thread(Arc::new(error)))?;
        let writer = Arc::new(writer);
        shared.writers.insert(key, Arc::downgrade(&writer));
        Ok(writer)
    }

    /// The root, which is open or is opened.
    pub(crate) fn root(&self, settings: &Settings) -> Result<Arc<Root>, RootError> {
        let path = &settings.folders.root;
        let mut shared = self.0.lock();
        if let Some(root) = shared.roots.get(path).and_then(Weak::upgrade) {
            return Ok(root);
        }
        let root = Arc::new(Root::open(path, settings.create)?);
        shared.roots.insert(path.clone(), Arc::downgrade(&root));
        Ok(root)
    }
}
