//! The state of one call: what was read, what was changed, what was computed.

use wasmill_columns::{Bitmap, Block, Column, Kind};

use crate::ast::Key;
use crate::cell::{Cell, MADE_BYTES_MAX, Made, Pool, Vector};
use crate::column;
use crate::map::{Entry, MapState};
use crate::plan::{Node, Plan, Slot};
use crate::value::{Value, entry, items};
use crate::{ErrorMode, EvalError, Failure, Reason};

/// Memory that stays from call to call.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub made: Made,
    pub pool: Pool,
    /// Where a function writes before its result is kept.
    pub text: String,
    pub bytes: Vec<u8>,
    pub outcomes: Vec<column::Outcome>,
    pub patterns: crate::pattern::Cache,
}

/// A slot during a call.
#[derive(Debug, Default)]
pub(crate) struct SlotState<'a> {
    pub column: Option<Column<'a>>,
    /// What each row has, once a statement has changed one.
    pub cells: Option<Vec<Cell<'a>>>,
    /// The rows that were changed.
    pub changed: Option<Bitmap>,
    /// Of a whole map, once a statement changes it.
    pub map: Option<MapState<'a>>,
}

pub(crate) struct Machine<'a, 's> {
    pub plan: &'a Plan,
    pub rows: usize,
    pub slots: Vec<SlotState<'a>>,
    pub scratch: &'s mut Scratch,
    /// The first row that failed since this was taken, and why.
    pub failure: Option<(usize, Reason)>,
    /// Where the entries of one row are put together.
    pub entries: Vec<Entry<'a>>,
}

/// The rows that a vector is about.
#[derive(Clone, Copy)]
pub(crate) enum Frame<'f, 'a> {
    Rows(&'f [u32]),
    /// Distinct values of one slot.
    Domain(&'f [Cell<'a>]),
}

impl Frame<'_, '_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Frame::Rows(rows) => rows.len(),
            Frame::Domain(cells) => cells.len(),
        }
    }
}

impl<'a, 's> Machine<'a, 's> {
    /// A call's state at its start. The block must have the plan's columns, in their order.
    pub(crate) fn new(
        plan: &'a Plan,
        block: &'a Block<'_>,
        rows: usize,
        scratch: &'s mut Scratch,
    ) -> Result<Self, EvalError> {
        scratch.made.clear();
        let mut columns = block.columns();
        let mut slots: Vec<SlotState<'a>> = plan.slots.iter().map(|_| SlotState::default()).collect();
        for (state, slot) in slots.iter_mut().zip(&plan.slots).filter(|(_, slot)| slot.column.is_some()) {
            let expected = if slot.key.is_some() { Kind::Any } else { slot.field.kind };
            let wrong = |found: String| EvalError::Column {
                path: slot.path.clone(),
                found,
                expected: format!("{rows} rows of `{expected}`"),
            };
            let column = columns.next().ok_or_else(|| wrong("missing".to_owned()))?;
            let found = column.kind();
            let fits = found == expected || (found, expected) == (Kind::Dictionary, Kind::Text);
            if !fits || column.len() != rows {
                return Err(wrong(format!("{} rows of `{found}`", column.len())));
            }
            state.column = Some(column);
        }
        Ok(Machine { plan, rows, slots, scratch, failure: None, entries: Vec::new() })
    }

    pub(crate) fn slot(&self, number: usize) -> &'a Slot {
        &self.plan.slots[number]
    }

    /// Notes that a row failed.
    pub(crate) fn fail(&mut self, row: usize, reason: Reason) {
        if self.failure.is_none_or(|(first, _)| row < first) {
            self.failure = Some((row, reason));
        }
    }

    /// Ends an expression: what failed is reported, or fails the call.
    pub(crate) fn report(
        &mut self,
        expression: usize,
        failed: usize,
        failures: &mut Vec<Failure>,
    ) -> Result<(), EvalError> {
        if self.scratch.made.full {
            return Err(EvalError::TooLarge { bytes_max: MADE_BYTES_MAX });
        }
        let Some((first_row, reason)) = self.failure.take() else { return Ok(()) };
        let text = self.plan.texts.get(expression);
        match text.map_or(ErrorMode::Propagate, |text| text.errors) {
            ErrorMode::Silent => {}
            ErrorMode::Ignore => failures.push(Failure { expression, rows: failed, first_row, reason }),
            ErrorMode::Propagate => {
                let expression = text.map(|text| text.text.clone()).unwrap_or_default();
                return Err(EvalError::Row { expression, row: first_row, reason });
            }
        }
        Ok(())
    }

    /// The column of a slot, if nothing has changed it.
    pub(crate) fn untouched(&self, slot: usize) -> Option<Column<'a>> {
        let state = &self.slots[slot];
        state.column.filter(|_| state.cells.is_none())
    }

    /// What a slot's rows have where the column has nothing.
    pub(crate) fn missing(&self, slot: usize) -> Cell<'static> {
        let Slot { field, key, .. } = self.slot(slot);
        column::missing(field, key.is_some())
    }

    /// A slot's values.
    pub(crate) fn load(&mut self, slot: usize, frame: Frame<'_, 'a>) -> Vector<'a> {
        let mut out = self.scratch.pool.take(frame.len());
        let rows = match frame {
            Frame::Domain(cells) => {
                out.extend_from_slice(cells);
                return Vector::Each(out);
            }
            Frame::Rows(rows) => rows,
        };
        let (missing, state) = (self.missing(slot), &self.slots[slot]);
        match (self.plan.slots[slot].whole, &state.cells, state.column) {
            (Some(whole), ..) => {
                let key = self.slot(slot).key.as_deref().unwrap_or_default();
                for row in rows {
                    out.push(self.entry(whole, *row as usize, key));
                }
            }
            (None, Some(cells), _) => {
                out.extend(rows.iter().map(|row| cells.get(*row as usize).copied().unwrap_or(missing)));
            }
            (None, None, Some(Column::Attributes(_))) => {
                for row in rows {
                    let map = self.whole_map(slot, *row as usize);
                    out.push(map);
                }
            }
            (None, None, Some(column)) => column::load(column, rows, missing, &mut out),
            (None, None, None) => out.extend(rows.iter().map(|_| missing)),
        }
        Vector::Each(out)
    }

    /// One row of a slot.
    pub(crate) fn read(&mut self, slot: usize, row: usize) -> Cell<'a> {
        let vector = self.load(slot, Frame::Rows(&[row as u32]));
        let cell = vector.get(0);
        self.scratch.pool.give(vector);
        cell
    }

    /// Changes one row of a slot.
    pub(crate) fn write(&mut self, slot: usize, row: usize, cell: Cell<'a>) {
        if let Some(whole) = self.plan.slots[slot].whole {
            let key = self.slot(slot).key.as_deref().unwrap_or_default();
            return self.put_entry(whole, row, key, cell);
        }
        if self.slots[slot].cells.is_none() {
            let all: Vec<u32> = (0..self.rows as u32).collect();
            if let Vector::Each(cells) = self.load(slot, Frame::Rows(&all)) {
                self.slots[slot].cells = Some(cells);
            }
        }
        let (rows, state) = (self.rows, &mut self.slots[slot]);
        if let Some(place) = state.cells.as_mut().and_then(|cells| cells.get_mut(row)) {
            *place = cell;
        }
        state.changed.get_or_insert_with(|| Bitmap::none(rows)).set(row, true);
        self.displace(slot, row);
    }

    /// A number point has one value: writing it as one type takes it away as the other.
    fn displace(&mut self, slot: usize, row: usize) {
        let (other, zero) = match self.slot(slot).path.as_str() {
            "value_int" => ("value_double", Cell::Double(0.0)),
            "value_double" => ("value_int", Cell::Int(0)),
            _ => return,
        };
        let Some(other) = self.plan.slots.iter().position(|slot| slot.path == other) else { return };
        if self.slots[other].cells.is_none() {
            let all: Vec<u32> = (0..self.rows as u32).collect();
            if let Vector::Each(cells) = self.load(other, Frame::Rows(&all)) {
                self.slots[other].cells = Some(cells);
            }
        }
        let state = &mut self.slots[other];
        if let Some(place) = state.cells.as_mut().and_then(|cells| cells.get_mut(row)) {
            *place = zero;
        }
        if let Some(changed) = &mut state.changed {
            changed.set(row, false);
        }
    }

    /// A vector with an element for each of a frame's, computed one by one; once where all arguments are the same.
    pub(crate) fn map(
        &mut self,
        frame: Frame<'_, 'a>,
        arguments: &[Vector<'a>],
        mut each: impl FnMut(&mut Scratch, usize) -> Cell<'a>,
    ) -> Vector<'a> {
        if arguments.iter().all(Vector::is_same) {
            return Vector::Same(each(self.scratch, 0));
        }
        let mut out = self.scratch.pool.take(frame.len());
        for place in 0..frame.len() {
            out.push(each(self.scratch, place));
        }
        Vector::Each(out)
    }

    pub(crate) fn evaluate_all(&mut self, nodes: &'a [Node], frame: Frame<'_, 'a>) -> Vec<Vector<'a>> {
        nodes.iter().map(|node| self.evaluate(node, frame)).collect()
    }

    pub(crate) fn give_all(&mut self, vectors: Vec<Vector<'a>>) {
        vectors.into_iter().for_each(|vector| self.scratch.pool.give(vector));
    }
}

/// What lies within a value, behind keys. `absent`: what it is where a map has no such key.
pub(crate) fn within<'v>(
    value: Value<'v>,
    keys: &[Key],
    absent: Result<Value<'v>, Reason>,
) -> Result<Value<'v>, Reason> {
    let mut value = value;
    for key in keys {
        value = match (value, key) {
            (Value::Map(map), Key::Text(key)) => match entry(map, key) {
                Some(value) => value,
                None => return absent,
            },
            (Value::List(list), Key::Int(index)) => {
                let index = usize::try_from(*index).map_err(|_| Reason::OutOfBounds)?;
                items(list).nth(index).ok_or(Reason::OutOfBounds)?
            }
            _ => return Err(Reason::NotIndexable),
        };
    }
    Ok(value)
}
