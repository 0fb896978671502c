//! Lookup tables: files that the host loads once, for all plugins that ask them, and loads anew when they change.
//!
//! ```text
//!  hosts.csv ──► csv  ──► columns + hash index ──┐
//!  GeoIP.mmdb ─► mmdb ──► the file, checked ─────┤
//!                                                ▼
//!                     Registry::open ──► Table ──content()──► Content::find(keys, fields) ──► a block of columns
//!                                          ▲
//!                         refresh: wait until it is quiet, load and check all of it, exchange it at once; or keep the old
//! ```
//!
//! A table is asked about a whole column of keys at a time, and answers with columns: what is done for each row is hashing,
//! comparing and copying, and nothing is allocated for it. Whoever asks sees one content or the next, never a part of both.
//!
//! What is refused: a CSV file with a mistake anywhere in it, and a MaxMind DB that does not decode to its end. A table that is
//! half right would enrich half of the data, and nobody would know which half.

mod content;
mod csv;
mod error;
mod file;
mod find;
mod index;
mod mmdb;
mod registry;
mod shape;
mod spec;
mod store;
mod table;
#[cfg(test)]
mod testing;

pub use content::Content;
pub use error::{LoadError, Problem};
pub use find::{CELLS_MAX, FIELDS_MAX, FindError};
pub use registry::Registry;
pub use spec::{CellType, CsvFormat, FILE_BYTES_MAX, FILE_BYTES_MAX_DEFAULT, Format, TableSpec};
pub use table::{QUIET, Refreshed, Table, TableState};

/// Tables by the names that a plugin asks them by.
pub type TableSet = std::collections::BTreeMap<String, std::sync::Arc<Table>>;
