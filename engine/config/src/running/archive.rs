//! The `file` exporter that makes whole files in folders: rows in columns, or requests as they came.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::running::FileFormat;
use crate::secret::Secret;

/// Writes to files that are whole from the moment at which they are there, in folders by signal and time.
#[derive(Clone, PartialEq, Debug)]
pub struct ArchiveExporter {
    /// No other exporter's.
    pub root: PathBuf,
    /// Folders below it, from the outermost, with `{signal}`, `{day}` and `{hour}` in them.
    pub folders: Vec<String>,
    pub format: ArchiveFormat,
    pub compression: ArchiveCompression,
    pub rotation: ArchiveRotation,
    /// Of Parquet.
    pub row_group_rows: NonZeroU32,
    /// From writing to synchronising, at most.
    pub flush_interval: Duration,
    /// What waits to be made files.
    pub backlog_bytes_max: u64,
    /// Permissions of folders that are made where they are missing; `None`: the root is there.
    pub create_directory: Option<u32>,
    /// `None`: files stay.
    pub retention: Option<ArchiveRetention>,
    /// Where files go instead of the folders below the root, which then has what waits alone. Not with `retention`.
    pub bucket: Option<ArchiveBucket>,
}

/// Of an object store.
#[derive(Clone, PartialEq, Debug)]
pub struct ArchiveBucket {
    /// `s3://BUCKET/PREFIX`, `gs://…`, `az://…`.
    pub url: String,
    /// By the names that the store's own documentation has for them, in lower case; secrets among them.
    pub options: Vec<(Arc<str>, Secret)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveFormat {
    Parquet,
    ArrowIpc,
    /// Requests, not rows.
    Requests(FileFormat),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveCompression {
    None,
    /// Of Parquet alone.
    Snappy,
    Zstd,
}

/// When a file is ended and another begun.
#[derive(Clone, PartialEq, Debug)]
pub struct ArchiveRotation {
    /// Of a file, about.
    pub bytes_max: u64,
    /// Of a file.
    pub rows_max: u64,
    /// From the first row to the file.
    pub interval: Duration,
}

/// What is kept. At least one of the two is there.
#[derive(Clone, PartialEq, Debug)]
pub struct ArchiveRetention {
    /// Since a file was put in place.
    pub age_max: Option<Duration>,
    /// Of all files together.
    pub bytes_max: Option<u64>,
}

impl ArchiveExporter {
    /// As many as one thread of a reader takes at a time, with room for what a file's statistics leave out.
    pub const ROW_GROUP_ROWS: NonZeroU32 = NonZeroU32::MIN.saturating_add(131_071);
    /// An hour of 1 MB a second.
    pub const BACKLOG_BYTES_MAX: u64 = 4 << 30;
}

impl Default for ArchiveRotation {
    fn default() -> Self {
        ArchiveRotation { bytes_max: 100 << 20, rows_max: 10_000_000, interval: Duration::from_secs(5 * 60) }
    }
}
