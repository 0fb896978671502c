//! Lookup tables of a stage.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file that a plugin looks things up in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LookupTable {
    /// A relative path starts at the working directory; in a test case, at the case.
    pub file: PathBuf,
    pub format: TableFormat,
    /// Bytes of the file, and of the memory that its content takes.
    pub bytes_max: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TableFormat {
    Csv {
        /// The column that rows are found by: text or int64.
        key: String,
        /// ASCII, neither a quote nor a line end.
        delimiter: u8,
        /// Of columns that are not text.
        types: BTreeMap<String, CellType>,
    },
    /// A MaxMind DB.
    Mmdb,
}

/// What the cells of a column are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CellType {
    Text,
    Int64,
    Double,
    Boolean,
}

impl LookupTable {
    /// 1 GiB: a table of ten million rows, or a MaxMind DB several times over.
    pub const BYTES_MAX: u64 = 1 << 30;
}
