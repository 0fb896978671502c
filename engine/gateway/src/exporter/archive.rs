//! `file` in folders by signal and time: rows in Parquet or Arrow, or requests as they came. What is on disk is `wasmill_archive`'s.
//!
//! ```text
//!  prepare: do its rows fit? ──► send ──► journal ──► answer ··· files
//! ```
//!
//! A request is answered when the operating system has it whole in a journal. A Parquet file is none before its footer; an answer that
//! waited for it would come minutes after the client has given up, and what is kept in memory until then is lost with the process.

mod connections;

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use wasmill_archive as archive;
use wasmill_archive::{
    Archive, Bucket, BucketError, BucketSettings, Compression, FileSettings, Files, Folders, Format, RequestFormat,
    RequestSettings, Retention, WriteError, chain,
};
use wasmill_batch::{Refusal, RefusalKind, TelemetryBatch};
use wasmill_config as config;
use wasmill_config::{ArchiveCompression, ArchiveFormat, FileFormat};
use wasmill_transport::ClientError;
use wasmill_wire::{GatherList, Index, Selection, Signal};

use super::{Exporter, OpenFiles, Request, Sending, Sent};
use connections::Connections;

pub struct ArchiveExporter {
    archive: Archive,
}

/// Files that cannot be written, as far as that can be said before there is something to write.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the folder `{}` cannot be used; `create_directory: true` makes one that is missing", .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("the bucket cannot be reached")]
    Client(#[from] ClientError),
}

impl ArchiveError {
    /// The configuration key that it is about, below the exporter's.
    pub fn key(&self) -> &str {
        match self {
            ArchiveError::Folder { .. } => "path",
            ArchiveError::Bucket(BucketError::Option { .. }) => "bucket::options",
            ArchiveError::Bucket(_) | ArchiveError::Client(_) => "bucket",
        }
    }
}

impl ArchiveExporter {
    /// Touches nothing.
    pub fn new(settings: &config::ArchiveExporter, files: &OpenFiles) -> Result<ArchiveExporter, ArchiveError> {
        check(&settings.root, settings.create_directory.is_some())?;
        let bucket = settings.bucket.as_ref().map(bucket).transpose()?;
        Ok(ArchiveExporter { archive: Archive::new(running(settings, bucket), &files.archives) })
    }

    /// Requests that are written as they came need no room for rows.
    fn has_rows(&self) -> bool {
        matches!(self.archive.settings().files, Files::Columns(_))
    }

    /// What cannot be written is empty, and refused when it is to be sent.
    fn prepared(&self, request: Request, index: &Index, selection: &Selection) -> Request {
        let laid_out = archive::laid_out_bytes(request.signal, index, selection);
        let fits = request.body.len() <= archive::REQUEST_BYTES_MAX && laid_out <= archive::LAID_OUT_BYTES_MAX;
        if fits {
            return request;
        }
        let root = self.archive.settings().folders.root.display();
        tracing::error!(path = %root, bytes = request.body.len(), laid_out, "a request is too large to be laid out in rows");
        Request { body: GatherList::default(), ..request }
    }
}

impl Exporter for ArchiveExporter {
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        let rows = batch.selection().count() as u64;
        let request = Request::new(batch.signal(), rows, batch.encode(), Arc::clone(batch.context()));
        if self.has_rows() { self.prepared(request, batch.index(), batch.selection()) } else { request }
    }

    fn prepare_encoded(&self, request: Request) -> Request {
        if !self.has_rows() {
            return request;
        }
        match request.clone().parsed() {
            Ok((batch, _)) => self.prepared(request, batch.index(), &Selection::all(batch.rows())),
            Err(nothing) => nothing,
        }
    }

    fn begin(&self, signal: Signal) {
        if let Err(error) = self.archive.begin(signal) {
            let path = self.archive.settings().folders.root.display();
            tracing::error!(%path, error = %chain(&error), "files cannot be made");
        }
    }

    fn end(&self, signal: Signal) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.archive.end(signal))
    }

    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            let path = self.archive.settings().folders.root.display();
            if request.rows == 0 {
                return Ok(Sent::default());
            }
            if let Some(nothing) = &request.pieces {
                return nothing.answer();
            }
            if request.body.is_empty() {
                let reason = format!("this request is too large to be written in rows to `{path}`");
                return Err(Refusal::new(RefusalKind::TooLarge, reason));
            }
            match self.archive.write(request.signal, request.body.clone().into_bytes(), request.rows).await {
                Ok(()) => Ok(Sent::default()),
                Err(error) => Err(refusal(&path.to_string(), &error)),
            }
        })
    }
}

/// Somebody has to do something about it, and clients are not those.
fn refusal(path: &str, error: &WriteError) -> Refusal {
    let why = chain(error);
    tracing::error!(%path, %why, "nothing can be written to the folder");
    Refusal::new(RefusalKind::Unavailable, format!("`{path}` cannot be written to: {why}"))
}

/// To be called within a runtime, on which uploads run.
fn bucket(settings: &config::ArchiveBucket) -> Result<Arc<Bucket>, ArchiveError> {
    let option = |(key, value): &(Arc<str>, config::Secret)| (key.to_string(), value.expose().to_owned());
    let options = settings.options.iter().map(option).collect();
    let runtime = Handle::try_current().map_err(|_| BucketError::Ends)?;
    let settings = BucketSettings { url: settings.url.clone(), options };
    Ok(Arc::new(Bucket::new(&settings, Connections::new()?, runtime)?))
}

fn running(settings: &config::ArchiveExporter, bucket: Option<Arc<Bucket>>) -> archive::Settings {
    archive::Settings {
        folders: Folders { root: settings.root.clone(), below: settings.folders.clone() },
        files: files(settings),
        bytes_max: settings.rotation.bytes_max,
        rows_max: settings.rotation.rows_max,
        interval: settings.rotation.interval,
        flush_interval: settings.flush_interval,
        backlog_bytes_max: settings.backlog_bytes_max,
        create: settings.create_directory,
        retention: settings
            .retention
            .as_ref()
            .map(|retention| Retention { age_max: retention.age_max, bytes_max: retention.bytes_max }),
        bucket,
    }
}

fn files(settings: &config::ArchiveExporter) -> Files {
    let of_columns = |format| {
        let compression = match settings.compression {
            ArchiveCompression::None => Compression::None,
            ArchiveCompression::Snappy => Compression::Snappy,
            ArchiveCompression::Zstd => Compression::Zstd,
        };
        Files::Columns(FileSettings { format, compression, row_group_rows_max: settings.row_group_rows.get() as usize })
    };
    let of_requests = |format| {
        let is_compressed = settings.compression == ArchiveCompression::Zstd;
        Files::Requests(RequestSettings { format, is_compressed })
    };
    match settings.format {
        ArchiveFormat::Parquet => of_columns(Format::Parquet),
        ArchiveFormat::ArrowIpc => of_columns(Format::ArrowIpc),
        ArchiveFormat::Requests(FileFormat::Json) => of_requests(RequestFormat::Json),
        ArchiveFormat::Requests(FileFormat::Proto) => of_requests(RequestFormat::Proto),
    }
}

fn check(root: &Path, creates: bool) -> Result<(), ArchiveError> {
    let wrong = |source| ArchiveError::Folder { path: root.to_owned(), source };
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(wrong(io::Error::from(io::ErrorKind::NotADirectory))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && creates => Ok(()),
        Err(source) => Err(wrong(source)),
    }
}
