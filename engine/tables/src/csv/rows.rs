//! Rows of a CSV file, one after the other, in memory that is used again for the next.
//!
//! The parser is `csv-core`, which is what the `csv` crate is made of: it reads bytes and allocates nothing, so that what a row may
//! take is bounded here. A quote that is never closed makes one row of the rest of a file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::error::Problem;

/// Bytes of one row's cells. What has more is no row of a table, but a file with an open quote.
pub(crate) const ROW_BYTES_MAX: usize = 1 << 20;
/// Cells of one row: a table of so many columns is another kind of thing.
pub(crate) const CELLS_MAX: usize = 1 << 14;
const READ_BYTES: usize = 256 << 10;
/// What most rows fit in.
const ROW_BYTES: usize = 1 << 10;
const ROW_CELLS: usize = 32;

/// A reader of rows.
pub(crate) struct Rows<'f> {
    input: BufReader<&'f File>,
    parser: Reader,
    /// The row's cells, one behind the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// Of the row.
    cells: usize,
    place: Place,
    /// Bytes of the file that were read.
    read: u64,
}

/// Where a row begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub byte: u64,
    /// From 1.
    pub line: u64,
}

impl<'f> Rows<'f> {
    /// From the file's beginning.
    pub fn new(mut file: &'f File, delimiter: u8) -> io::Result<Rows<'f>> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Rows {
            input: BufReader::with_capacity(READ_BYTES, file),
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            bytes: vec![0; ROW_BYTES],
            ends: vec![0; ROW_CELLS],
            cells: 0,
            place: Place { byte: 0, line: 1 },
            read: 0,
        })
    }

    /// Goes to the next row; false at the end. Lines without anything are none.
    pub fn next(&mut self) -> Result<bool, Problem> {
        self.place = Place { byte: self.read, line: self.parser.line() };
        let (mut bytes, mut cells) = (0, 0);
        loop {
            let input = self.input.fill_buf().map_err(Problem::Unreadable)?;
            let (room, ends) = (self.bytes.get_mut(bytes..), self.ends.get_mut(cells..));
            let (result, read, written, ended) =
                self.parser.read_record(input, room.unwrap_or_default(), ends.unwrap_or_default());
            self.input.consume(read);
            self.read += read as u64;
            bytes += written;
            cells += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => grow(&mut self.bytes, ROW_BYTES_MAX, Problem::RowTooLong)?,
                ReadRecordResult::OutputEndsFull => grow(&mut self.ends, CELLS_MAX, Problem::RowTooLong)?,
                ReadRecordResult::Record => {
                    self.cells = cells;
                    return Ok(true);
                }
                ReadRecordResult::End => {
                    self.cells = 0;
                    return Ok(false);
                }
            }
        }
    }

    /// Where the row begins, at the latest: lines without anything before it count as its own.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Cells of the row.
    pub fn len(&self) -> usize {
        self.cells
    }

    /// A cell of the row. An error: the first byte of it that is not UTF-8.
    pub fn cell(&self, number: usize) -> Result<&str, usize> {
        let end = self.ends.get(number).filter(|_| number < self.cells).copied().unwrap_or(0);
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let cell = self.bytes.get(start..end).unwrap_or_default();
        str::from_utf8(cell).map_err(|error| error.valid_up_to())
    }
}

fn grow<T: Clone + Default>(room: &mut Vec<T>, max: usize, problem: Problem) -> Result<(), Problem> {
    if room.len() >= max {
        return Err(problem);
    }
    room.resize(room.len().saturating_mul(2).min(max), T::default());
    Ok(())
}
