//! Telemetry in files for other programs: Parquet, Arrow IPC and requests as they came, in folders by signal and time.
//!
//! ```text
//!  request ──► journal ──► answer
//!                 │ full, old enough
//!                 ▼
//!     columns or requests ──► file beside its place ──► its place ──► the list of what was written ──► deleted when it is old
//! ```
//!
//! What is promised: a request that was answered is in a journal or in files, whenever the process ends; a reader never finds half a file;
//! nothing is deleted that was not written here. Nothing of that is kept in memory: a full disk, a folder that went, a killed process are
//! told to who sends, and what was answered waits on disk.

mod archive;
mod bucket;
pub mod columns;
mod convert;
mod counted;
mod datafile;
mod folders;
mod journal;
mod maker;
mod manifest;
mod requestfile;
mod retention;
mod root;
pub mod schema;
pub mod stamp;
mod writer;

use wasmill_wire::{Index, Selection, Signal};

pub use archive::{Archive, Archives, Files, Settings};
pub use bucket::{Bucket, BucketError, BucketSettings};
pub use datafile::{Compression, DataFile, DataFileError, FileSettings, Format};
pub use folders::Folders;
pub use requestfile::{RequestFormat, RequestSettings};
pub use retention::Retention;
pub use root::RootError;
pub use writer::{WriteError, chain};

/// What the rows of one request may take with what their parents have, row by row: a resource with a megabyte of attributes and a million
/// records would be a terabyte in any file of rows. Requests as exporters send them are a thousandth of it.
pub const LAID_OUT_BYTES_MAX: u64 = 1 << 30;

/// What one request may have: text in JSON is up to six times as long as it was, and a row is to have less than 2 GiB in each column.
pub const REQUEST_BYTES_MAX: usize = 256 << 20;

/// The bytes of the selected records with those of their parents for each.
pub fn laid_out_bytes(signal: Signal, index: &Index, selection: &Selection) -> u64 {
    let of_scope = |number: u32| {
        let scope = index.scopes.get(number as usize);
        let resource = scope.and_then(|scope| index.resources.get(scope.parent as usize));
        u64::from(scope.map_or(0, |scope| scope.header_len)) + u64::from(resource.map_or(0, |parent| parent.header_len))
    };
    let of_record = |row: usize| {
        let Some(record) = index.records.get(row) else { return 0 };
        let metric = index.metrics.get(record.parent as usize).filter(|_| signal == Signal::Metrics);
        let parents = match metric {
            Some(metric) => u64::from(metric.header_len) + of_scope(metric.parent),
            None => of_scope(record.parent),
        };
        u64::from(record.len) + parents
    };
    selection.rows().map(of_record).fold(0, u64::saturating_add)
}
