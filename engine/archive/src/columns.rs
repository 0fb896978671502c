//! From requests to columns: each record is walked once, in place, and its values go straight to the ends of the columns.
//!
//! ```text
//!  request ──► index ──► record by record ──► columns of a batch ──► Parquet, Arrow
//!                 └────► resources, scopes, metrics: once for each batch, and a number for each row
//! ```
//!
//! Batches are bounded in rows and in bytes ([`BATCH_ROWS_MAX`], [`BATCH_BYTES_MAX`]), wherever requests begin and end: a file's writer
//! holds one, and offsets of 32 bits are enough for one.
//!
//! A value of a map is text, and its type is a letter in the column beside: `s` text, `b` bool, `i` int, `d` double, `y` bytes (in base64),
//! `a` list, `m` map (both as JSON), `n` no value.

mod lists;
mod log;
mod parents;
mod point;
mod span;
mod text;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use wasmill_wire::{Index, Record, Selection, Signal};

use crate::schema::{Layout, schema};
use log::Logs;
use parents::Parents;
use point::Points;
use span::Spans;

/// Rows of a batch: enough that what is done for each batch does not count, few enough that it stays near the processor.
pub const BATCH_ROWS_MAX: usize = 8_192;

/// What the rows of a batch take on the wire, each with the numbers of its parents' attributes: a bound on memory. The last row may exceed
/// it by itself, which [`LAID_OUT_BYTES_MAX`](crate::LAID_OUT_BYTES_MAX) bounds.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// The columns of a signal, as far as they were filled.
pub struct Columns {
    signal: Signal,
    rows: usize,
    bytes: usize,
    own: Own,
    parents: Parents,
}

enum Own {
    Spans(Box<Spans>),
    Logs(Box<Logs>),
    Points(Box<Points>),
}

impl Columns {
    pub fn new(signal: Signal) -> Columns {
        let own = match signal {
            Signal::Traces => Own::Spans(Box::default()),
            Signal::Logs => Own::Logs(Box::default()),
            Signal::Metrics => Own::Points(Box::default()),
        };
        Columns { signal, rows: 0, bytes: 0, own, parents: Parents::default() }
    }

    /// Appends the selected rows of a request of this signal, and gives each batch that is full to `take`.
    pub fn append<E: From<ArrowError>>(
        &mut self,
        index: &Index,
        selection: &Selection,
        mut take: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.begin(index);
        for row in selection.rows() {
            let Some(record) = index.records.get(row) else { continue };
            self.row(index, record);
            if self.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX {
                take(self.finish()?)?;
                self.begin(index);
            }
        }
        Ok(())
    }

    /// The rows that are in no batch yet, as one.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        match &mut self.own {
            Own::Spans(spans) => spans.finish(&mut columns)?,
            Own::Logs(logs) => logs.finish(&mut columns)?,
            Own::Points(points) => points.finish(&mut columns)?,
        }
        self.parents.finish(&mut columns)?;
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(schema(self.signal, Layout::Shared), columns)
    }

    fn begin(&mut self, index: &Index) {
        self.parents.begin(index);
        if let Own::Points(points) = &mut self.own {
            points.begin(index);
        }
    }

    fn row(&mut self, index: &Index, record: &Record) {
        self.bytes += self.parents.row(self.signal, index, record) + record.len as usize;
        self.rows += 1;
        match &mut self.own {
            Own::Spans(spans) => spans.row(&index.record(record)),
            Own::Logs(logs) => logs.row(&index.record(record)),
            Own::Points(points) => self.bytes += points.row(index, record),
        }
    }
}
