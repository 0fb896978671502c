//! The bytes of a column's rows, as keys and values are compared and kept.

use wasmill_columns::{Block, Column, Fixed, Values};

use crate::bindings::wasmill::plugin::types::Failure;

/// Rows of one call. As many as eight full slices have: with more, a call of a host function, which cannot be interrupted, would last
/// longer than the 2 ms that other tasks may be held up.
pub(super) const ROWS_MAX: usize = 1 << 16;

/// A column whose rows can be had as bytes.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a>(Column<'a>);

impl<'a> Cells<'a> {
    /// The block's only column. Text and bytes are what they are, numbers little-endian in the width of their type, ids their 8 or 16 bytes;
    /// other kinds are `invalid`.
    pub fn of(block: &'a Block<'_>) -> Result<Cells<'a>, Failure> {
        let mut columns = block.columns();
        let (Some(column), None) = (columns.next(), columns.next()) else { return Err(Failure::Invalid) };
        match column {
            Column::Text(_)
            | Column::Binary(_)
            | Column::UInt8(_)
            | Column::UInt32(_)
            | Column::Int32(_)
            | Column::UInt64(_)
            | Column::Int64(_)
            | Column::Id8(_)
            | Column::Id16(_) => {}
            Column::Boolean(_)
            | Column::Double(_)
            | Column::Any(_)
            | Column::ListValue(_)
            | Column::MapValue(_)
            | Column::Sequence(_)
            | Column::Attributes(_) => return Err(Failure::Invalid),
        }
        if column.len() > ROWS_MAX { Err(Failure::Limit) } else { Ok(Cells(column)) }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Shows a row's bytes; `None` where it has no value.
    #[inline]
    pub fn at<R>(&self, row: usize, look: impl FnOnce(Option<&[u8]>) -> R) -> R {
        match &self.0 {
            Column::Text(column) => look(column.get(row).map(str::as_bytes)),
            Column::Binary(column) => look(column.get(row)),
            Column::UInt8(column) => fixed(column, row, look),
            Column::UInt32(column) => fixed(column, row, look),
            Column::Int32(column) => fixed(column, row, look),
            Column::UInt64(column) => fixed(column, row, look),
            Column::Int64(column) => fixed(column, row, look),
            Column::Id8(column) => fixed(column, row, look),
            Column::Id16(column) => fixed(column, row, look),
            // `of` lets none of the others in.
            _ => look(None),
        }
    }

    /// The int64 of a row.
    pub fn int(&self, row: usize) -> Option<i64> {
        match &self.0 {
            Column::Int64(column) => column.get(row),
            _ => None,
        }
    }

    pub fn is_int64(&self) -> bool {
        matches!(self.0, Column::Int64(_))
    }

    /// The row of this column that goes with another's: each its own, or one for all. `None`: neither.
    pub fn beside(&self, rows: usize) -> Option<impl Fn(usize) -> usize + use<>> {
        let one = match self.len() {
            len if len == rows => false,
            1 => true,
            _ => return None,
        };
        Some(move |row| if one { 0 } else { row })
    }
}

fn fixed<T: Fixed, R>(column: &Values<'_, T>, row: usize, look: impl FnOnce(Option<&[u8]>) -> R) -> R {
    match column.get(row) {
        Some(value) => look(Some(value.to_le().as_ref())),
        None => look(None),
    }
}
