//! What a table holds at one time.

use crate::csv::CsvTable;
use crate::mmdb::Mmdb;

/// A table's content: immutable, shared by whoever asks.
#[derive(Debug)]
pub struct Content {
    pub(crate) table: Format,
    rows: u64,
    bytes: u64,
    /// `None`: not a text.
    line_end: Option<bool>,
}

#[derive(Debug)]
pub(crate) enum Format {
    Csv(CsvTable),
    Mmdb(Mmdb),
}

impl Content {
    pub(crate) fn csv(table: CsvTable, line_end: bool) -> Content {
        let (rows, bytes) = (table.rows().into(), table.bytes());
        Content { table: Format::Csv(table), rows, bytes, line_end: Some(line_end) }
    }

    pub(crate) fn mmdb(table: Mmdb) -> Content {
        let (rows, bytes) = (table.networks(), table.bytes());
        Content { table: Format::Mmdb(table), rows, bytes, line_end: None }
    }

    /// Rows, or networks.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Of memory.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the file's last line had an end, and this one's has none.
    pub(crate) fn lacks_line_end_of(&self, before: &Content) -> bool {
        before.line_end == Some(true) && self.line_end == Some(false)
    }
}
