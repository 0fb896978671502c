//! Why a log cannot be opened, or does not take a record.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("folder `{}` does not exist", .path.display())]
    NoFolder { path: PathBuf },
    #[error("folder `{}` cannot be used", .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("folder `{}` is in use by another process, which kept its lock for {waited:?}", .path.display())]
    Locked { path: PathBuf, waited: Duration },
    #[error("`{}` cannot be read", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` was written by another version: its format is {found}, this one reads {served}", .path.display())]
    Version { path: PathBuf, found: u32, served: u32 },
    #[error("the log's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Nothing of the record counts.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// There will be room when something is acknowledged.
    #[error("the folder's {bytes_max} bytes are used")]
    Full { bytes_max: u64 },
    #[error("a record of {bytes} bytes is longer than {max}")]
    TooLarge { bytes: usize, max: usize },
    /// Full, read-only, broken: it may be over at the next attempt.
    #[error("the disk refuses to write")]
    Disk(#[source] Arc<io::Error>),
    #[error("the log is closed")]
    Closed,
}
