//! What a table is to be.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// 1 GiB: a table of ten million rows, and a MaxMind DB several times over.
pub const FILE_BYTES_MAX_DEFAULT: u64 = 1 << 30;

/// The largest limit that can be set: places in a column's text are counted in 32 bits.
pub const FILE_BYTES_MAX: u64 = u32::MAX as u64;

/// A file, and how it is read. Stages that say the same share one table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TableSpec {
    /// A relative path starts at the working directory.
    pub file: PathBuf,
    pub format: Format,
    /// Bytes of the file, and bytes of memory that the table takes: above either it is refused. While a new content is loaded, the
    /// old one is there too. At most [`FILE_BYTES_MAX`].
    pub bytes_max: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    Csv(CsvFormat),
    /// A MaxMind DB: keys are IP addresses, fields are paths with dots: `country.iso_code`, `subdivisions.0.names.en`.
    Mmdb,
}

/// Text with a line of column names, as RFC 4180 has it: cells may be quoted by `"`, and a quoted one may hold delimiters, line
/// ends and `""` for a quote.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CsvFormat {
    /// The column that rows are found by. Each row has a key, and no two have the same.
    pub key: String,
    /// One ASCII character, neither a quote nor a line end.
    pub delimiter: u8,
    /// Of columns that are not text.
    pub types: BTreeMap<String, CellType>,
}

/// What the cells of a column are. An empty cell is no value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CellType {
    Text,
    Int64,
    Double,
    /// `true` or `false`, in any case.
    Boolean,
}

impl TableSpec {
    /// Of a file whose keys are IP addresses.
    pub fn mmdb(file: impl Into<PathBuf>) -> TableSpec {
        TableSpec { file: file.into(), format: Format::Mmdb, bytes_max: FILE_BYTES_MAX_DEFAULT }
    }

    /// Of a file with commas, whose columns are text.
    pub fn csv(file: impl Into<PathBuf>, key: &str) -> TableSpec {
        let format = CsvFormat { key: key.to_owned(), delimiter: b',', types: BTreeMap::new() };
        TableSpec { file: file.into(), format: Format::Csv(format), bytes_max: FILE_BYTES_MAX_DEFAULT }
    }
}
