//! `file`: writes requests to a file, as the Collector's `file` exporter does.
//!
//! ```text
//!  prepare: JSON or protobuf, framed ──► send ──► the file's thread: gather, rotate, write at once ──► answer
//! ```
//!
//! A request is answered when the operating system has it whole, so that what was acknowledged survives the process; the thread
//! synchronises it within `flush_interval`. The Collector answers first and buffers for that long. Where a write fails, on a full
//! disk, the file goes back to its last whole request, and whoever waits is told to retry: a reader never finds half a line.
//!
//! Each file has one thread, whichever exporters come and go ([`OpenFiles`]): requests of many tasks become one write, and an
//! exporter that a reload replaces does not write between the lines of its successor.

mod frames;
mod rotation;
mod target;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use wasmill_batch::{Refusal, RefusalKind, TelemetryBatch};
use wasmill_config as config;
use wasmill_config::FileFormat;
use wasmill_wire::{JsonDocument, to_json};

use super::{Exporter, Request, Sending, Sent};
use frames::Framing;
use writer::Writer;

/// zstd's default, and the Collector's.
const ZSTD_LEVEL: i32 = 3;

pub struct FileExporter {
    settings: Arc<config::FileExporter>,
    writer: Arc<Writer>,
}

/// The files that this process writes, by path.
#[derive(Clone, Default)]
pub struct OpenFiles {
    files: Arc<Mutex<BTreeMap<PathBuf, Known>>>,
    /// Of columns, which are written in folders.
    pub(super) archives: wasmill_archive::Archives,
}

/// A file that an exporter has, or had: it is emptied once only.
#[derive(Default)]
struct Known {
    writer: Weak<Writer>,
}

/// A file that cannot be written, as far as that can be said before there is something to write.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the folder of `{}` cannot be used; `create_directory: true` makes one that is missing", .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is not a file", .path.display())]
    NotAFile { path: PathBuf },
    #[error("the thread that writes `{}` cannot be started", .path.display())]
    Thread {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl FileExporter {
    /// Opens nothing: a file is touched when there is something to write.
    pub fn new(settings: &config::FileExporter, files: &OpenFiles) -> Result<FileExporter, FileError> {
        check(settings)?;
        let writer = files.writer(&settings.path)?;
        Ok(FileExporter { settings: Arc::new(settings.clone()), writer })
    }

    /// The bytes that go into the file.
    fn frame(&self, document: JsonDocument, request: &[u8]) -> Result<Bytes, String> {
        let mut json = Vec::new();
        let body = match self.settings.format {
            FileFormat::Json => {
                to_json(document, request, &mut json).map_err(|error| error.to_string())?;
                &json
            }
            FileFormat::Proto => request,
        };
        match Framing::of(&self.settings) {
            Framing::Lines => {
                json.push(b'\n');
                Ok(json.into())
            }
            Framing::Lengths if self.settings.compress => {
                let compressed = zstd::bulk::compress(body, ZSTD_LEVEL).map_err(|error| error.to_string())?;
                frames::with_length(&compressed)
            }
            Framing::Lengths => frames::with_length(body),
        }
    }

    /// A frame that cannot be made is empty, and refused when it is to be sent.
    fn prepared(&self, request: Request) -> Request {
        let frame = self.frame(JsonDocument::Request(request.signal), &request.body.into_bytes());
        let body = frame.unwrap_or_else(|reason| {
            tracing::error!(path = %self.settings.path.display(), %reason, "a request cannot be written as configured");
            Bytes::new()
        });
        Request { body: body.into(), ..request }
    }
}

impl Exporter for FileExporter {
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        let rows = batch.selection().count() as u64;
        self.prepared(Request::new(batch.signal(), rows, batch.encode(), Arc::clone(batch.context())))
    }

    fn prepare_encoded(&self, request: Request) -> Request {
        self.prepared(request)
    }

    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            let path = self.settings.path.display();
            if request.body.is_empty() {
                let reason = format!("this request cannot be written to `{path}`");
                return Err(Refusal::new(RefusalKind::Internal, reason));
            }
            match self.writer.write(Arc::clone(&self.settings), request.body.clone().into_bytes()).await {
                Ok(()) => Ok(Sent::default()),
                Err(why) => {
                    // Somebody has to do something about it, and clients are not those.
                    tracing::error!(%path, %why, "the file cannot be written");
                    Err(Refusal::new(RefusalKind::Unavailable, format!("`{path}` cannot be written: {why}")))
                }
            }
        })
    }
}

impl OpenFiles {
    /// The file's, which runs or is started.
    fn writer(&self, path: &Path) -> Result<Arc<Writer>, FileError> {
        let mut files = self.files.lock();
        let is_new = !files.contains_key(path);
        let known = files.entry(path.to_owned()).or_default();
        if let Some(writer) = known.writer.upgrade() {
            return Ok(writer);
        }
        let started = Writer::start(is_new).map_err(|source| FileError::Thread { path: path.to_owned(), source })?;
        let writer = Arc::new(started);
        known.writer = Arc::downgrade(&writer);
        Ok(writer)
    }
}

fn check(settings: &config::FileExporter) -> Result<(), FileError> {
    let path = &settings.path;
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(FileError::NotAFile { path: path.clone() });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(FileError::Folder { path: path.clone(), source: io::Error::from(io::ErrorKind::NotADirectory) }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && settings.create_directory.is_some() => Ok(()),
        Err(source) => Err(FileError::Folder { path: path.clone(), source }),
    }
}

#[cfg(test)]
mod tests;
