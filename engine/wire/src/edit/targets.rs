//! Which rows an edit is about, asked for row after row.

use arrow_buffer::BooleanBuffer;

use super::prepare::name;
use super::{Change, Edit, EditError, Rows};
use crate::Selection;

/// An edit of the row at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// Number of the edit.
    pub edit: u32,
    /// Place of the value in the edit's array.
    pub value: u32,
    /// Place of the entry, for edits of single entries.
    pub place: u32,
}

/// A walk over an edit's targets, in the order of rows.
pub(super) struct Targets<'e> {
    which: Which<'e>,
    /// One value for all.
    broadcast: bool,
    /// Targets before the row at hand.
    passed: usize,
    count: usize,
}

enum Which<'e> {
    Selected,
    Bits(&'e BooleanBuffer),
    /// By row; of targets of one row in the order of the edit.
    Listed {
        targets: Vec<Listed>,
        single: bool,
    },
}

struct Listed {
    row: u32,
    value: u32,
    place: u32,
}

impl<'e> Targets<'e> {
    /// Refuses rows that the batch does not have.
    pub fn new(edit: &'e Edit, selection: &Selection) -> Result<Targets<'e>, EditError> {
        let rows = selection.len();
        let refuse = |row: usize| EditError::Row { path: name(edit), row, rows };
        let (which, count) = match &edit.rows {
            Rows::All => (Which::Selected, selection.count()),
            Rows::Bits(bits) if bits.len() != rows => return Err(refuse(bits.len())),
            Rows::Bits(bits) => (Which::Bits(bits), bits.count_set_bits()),
            Rows::Numbers(numbers) => {
                (Which::Listed { targets: listed(numbers, None, rows).map_err(refuse)?, single: true }, numbers.len())
            }
            Rows::Entries { rows: of, places } if of.len() != places.len() => {
                return Err(EditError::Count { path: name(edit), values: places.len(), targets: of.len() });
            }
            Rows::Entries { rows: of, places } => {
                (Which::Listed { targets: listed(of, Some(places), rows).map_err(refuse)?, single: false }, of.len())
            }
        };
        Ok(Targets { which, broadcast: matches!(edit.change, Change::SetAll(_)), passed: 0, count })
    }

    /// Values that the edit needs, unless it has one for all.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Notes what the edit `number` does to a row. Rows are asked for once each, ascending, those that are not selected
    /// included: nothing is done to these, though they may have a value.
    #[inline]
    pub fn of_row(&mut self, row: usize, selected: bool, number: u32, hits: &mut Vec<Hit>) {
        let targeted = match &self.which {
            Which::Selected => selected,
            Which::Bits(bits) => bits.value(row),
            Which::Listed { .. } => return self.listed(row, selected, number, hits),
        };
        if targeted {
            if selected {
                let value = if self.broadcast { 0 } else { self.passed as u32 };
                hits.push(Hit { edit: number, value, place: 0 });
            }
            self.passed += 1;
        }
    }

    fn listed(&mut self, row: usize, selected: bool, number: u32, hits: &mut Vec<Hit>) {
        let Which::Listed { targets, single } = &self.which else {
            return;
        };
        let before = hits.len();
        for target in targets[self.passed..].iter().take_while(|target| target.row as usize == row) {
            self.passed += 1;
            if selected {
                // A row named twice takes the later value.
                if *single {
                    hits.truncate(before);
                }
                let value = if self.broadcast { 0 } else { target.value };
                hits.push(Hit { edit: number, value, place: target.place });
            }
        }
    }
}

/// Targets by row, or the number of the row that is not in the batch.
fn listed(numbers: &[u32], places: Option<&[u32]>, rows: usize) -> Result<Vec<Listed>, usize> {
    let mut targets = Vec::with_capacity(numbers.len());
    for (value, &row) in numbers.iter().enumerate() {
        if row as usize >= rows {
            return Err(row as usize);
        }
        let place = places.map_or(0, |places| places[value]);
        targets.push(Listed { row, value: value as u32, place });
    }
    if !targets.is_sorted_by_key(|target| target.row) {
        targets.sort_by_key(|target| target.row);
    }
    Ok(targets)
}
