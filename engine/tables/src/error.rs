//! Why a file is no table.

use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a file, and where. What served before serves on.
#[derive(Debug, thiserror::Error)]
#[error("`{}`{}{}: {problem}", file.display(), line_words(*line), column_words(column.as_deref()))]
pub struct LoadError {
    pub file: PathBuf,
    /// Counted from 1, where the row begins.
    pub line: Option<u64>,
    pub column: Option<String>,
    pub problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("it is not a file")]
    NotAFile,
    #[error("it is empty: expected {expected}")]
    Empty { expected: &'static str },
    #[error("it has {found} bytes; `max_bytes` allows {max}")]
    TooLarge { found: u64, max: u64 },
    #[error("its rows take more than the {max} bytes of memory that `max_bytes` allows")]
    TooMuchMemory { max: u64 },
    #[error("more rows than {max}")]
    TooManyRows { max: u64 },
    #[error("it is written while it is read: expected a file that is replaced, or at rest")]
    Unsettled,
    #[error("there is no column `{name}`: the columns are {known}")]
    NoColumn { name: String, known: String },
    #[error("two columns have this name")]
    ColumnTwice,
    #[error("the column {number} has no name")]
    ColumnUnnamed { number: usize },
    #[error("{}: expected {expected}, one for each column", cells(*found))]
    Cells { found: usize, expected: usize },
    #[error("found `{found}`: expected {expected}")]
    Cell { found: String, expected: &'static str },
    #[error("not UTF-8: byte {at} of the cell does not belong there")]
    NotUtf8 { at: usize },
    #[error("the row is too long to be one: a quoted cell may have no closing quote")]
    RowTooLong,
    #[error("keys are text or int64")]
    KeyType,
    #[error("a row without a key")]
    NoKey,
    #[error("the key `{key}` is there already, in line {first_line}")]
    KeyTwice { key: String, first_line: u64 },
    #[error("a quoted cell has no closing quote: taken for half a file")]
    OpenQuote,
    #[error("the last line has no line end, which the file before had: taken for half a file")]
    NoLineEnd,
    #[error("not a MaxMind DB: {0}")]
    Mmdb(String),
    #[error("more than {max} different fields in its records")]
    TooManyFields { max: usize },
    /// Nobody waits for it any longer.
    #[error("given up")]
    GivenUp,
}

impl LoadError {
    pub(crate) fn new(file: &Path, problem: Problem) -> LoadError {
        LoadError { file: file.to_owned(), line: None, column: None, problem }
    }

    pub(crate) fn at(self, line: u64) -> LoadError {
        LoadError { line: Some(line), ..self }
    }

    pub(crate) fn of_column(self, column: &str) -> LoadError {
        LoadError { column: Some(column.to_owned()), ..self }
    }
}

fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
}

fn line_words(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

fn column_words(column: Option<&str>) -> String {
    column.map(|column| format!(", column `{column}`")).unwrap_or_default()
}
