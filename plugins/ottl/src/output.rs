//! What statements changed, as edits in the contract's shape: only rows and entries that differ.

use wasmill_columns::{AnyBuilder, AnyPlace, AnyValue, AttributesBuilder, Bitmap, BlockBuilder, Column, Fixed, Kind};

use crate::cell::{Cell, MADE_BYTES_MAX, Made};
use crate::machine::Machine;
use crate::map::MapState;
use crate::plan::Type;
use crate::value::Value;
use crate::{Change, Edit, EvalError, Target};

impl<'a> Machine<'a, '_> {
    /// All changes, path by path. No two are about the same place.
    pub(crate) fn edits(&self) -> Result<Vec<Edit>, EvalError> {
        let mut edits = Vec::new();
        for (slot, state) in self.plan.slots.iter().zip(&self.slots) {
            if let Some(map) = &state.map {
                self.map_edits(&slot.path, state.column, map, &mut edits)?;
            }
            let (Some(changed), Some(cells)) = (&state.changed, &state.cells) else { continue };
            let dynamic = slot.key.is_some() || slot.field.value == Type::Any;
            let removed = Bitmap::from_fn(self.rows, |row| changed.get(row) && cells[row] == Cell::Absent);
            let mut set = changed.clone();
            if dynamic && !removed.is_none() {
                set.and_not(&removed);
                edits.push(Edit { path: slot.path.clone(), target: target(removed), change: Change::Remove });
            }
            if set.is_none() {
                continue;
            }
            let values: Vec<Cell<'a>> = set.ones().filter_map(|row| cells.get(row).copied()).collect();
            let kind = if dynamic { Kind::Any } else { slot.field.kind };
            let block = column(kind, &values, &self.scratch.made)?;
            edits.push(Edit { path: slot.path.clone(), target: target(set), change: Change::Set(block) });
        }
        Ok(edits)
    }

    /// The changes of a whole map: entries that have another value, entries that went, entries that came.
    fn map_edits(
        &self,
        path: &str,
        column: Option<Column<'a>>,
        map: &MapState<'a>,
        edits: &mut Vec<Edit>,
    ) -> Result<(), EvalError> {
        let made = &self.scratch.made;
        let Some(Column::Attributes(attributes)) = column else { return Ok(()) };
        let (mut set, mut values, mut removed) = (Vec::new(), AnyBuilder::new(), Vec::new());
        let (mut more, mut merged) = (Bitmap::none(self.rows), AttributesBuilder::new());
        for row in 0..self.rows {
            let Some(entries) = map.row(row) else { continue };
            // Entries that stayed are in the order of their places: whatever is skipped is gone.
            let mut kept = entries.iter().filter_map(|entry| entry.origin).peekable();
            for place in attributes.places(row) {
                if kept.next_if_eq(&(place as u32)).is_none() {
                    removed.push(place as u32);
                }
            }
            let before = merged.len();
            let mut came = false;
            for entry in entries.iter().filter(|entry| entry.changed) {
                match entry.origin {
                    Some(place) => {
                        set.push(place);
                        values.push(entry.value.any(made));
                    }
                    None => {
                        merged.entry(entry.key(made), entry.value.any(made));
                        came = true;
                    }
                }
            }
            if came {
                merged.end_row();
                more.set(row, true);
            }
            debug_assert!(merged.len() - before <= 1);
        }
        let mut push = |target, change| edits.push(Edit { path: path.to_owned(), target, change });
        if !set.is_empty() {
            let mut block = BlockBuilder::new();
            values.append(&mut block);
            push(Target::Entries(set), Change::Set(finish(block)?));
        }
        if !removed.is_empty() {
            push(Target::Entries(removed), Change::Remove);
        }
        if !more.is_none() {
            let mut block = BlockBuilder::new();
            merged.append(&mut block);
            push(target(more), Change::Merge(finish(block)?));
        }
        Ok(())
    }
}

fn target(rows: Bitmap) -> Target {
    if rows.is_all() { Target::All } else { Target::Rows(rows) }
}

fn finish(block: BlockBuilder) -> Result<Vec<u8>, EvalError> {
    // What was computed is bounded and what is handed back was in a block, so this is not met; it is not a panic either.
    block.finish().map_err(|_| EvalError::TooLarge { bytes_max: MADE_BYTES_MAX })
}

/// A block of one column.
fn column(kind: Kind, cells: &[Cell<'_>], made: &Made) -> Result<Vec<u8>, EvalError> {
    let mut block = BlockBuilder::new();
    let int = |cell: Cell<'_>| if let Cell::Int(value) = cell { value } else { 0 };
    let constant = cells.split_first().filter(|(first, rest)| rest.iter().all(|cell| cell == *first));
    let constant = constant.map(|(first, _)| *first);
    let (cells, count) = (cells.iter().copied(), cells.len());
    match kind {
        Kind::Any => {
            match constant {
                Some(cell) => block.any_constant(cell.any(made), count),
                None => any(cells, made).append(&mut block),
            };
        }
        Kind::Text => {
            match constant {
                Some(cell) => block.dictionary(std::iter::repeat_n(0, count), [text(cell, made)]),
                None => block.text(cells.map(|cell| text(cell, made)).collect::<Vec<_>>()),
            };
        }
        Kind::Boolean => {
            let values: Bitmap = cells.map(|cell| cell == Cell::Bool(true)).collect();
            block.boolean(&values);
        }
        Kind::UInt32 => fixed(&mut block, cells.map(|cell| int(cell) as u32)),
        Kind::Int32 => fixed(&mut block, cells.map(|cell| int(cell) as i32)),
        Kind::UInt64 => fixed(&mut block, cells.map(|cell| int(cell) as u64)),
        Kind::Double => fixed(&mut block, cells.map(|cell| if let Cell::Double(value) = cell { value } else { 0.0 })),
        Kind::Id8 => fixed(&mut block, cells.map(|cell| if let Cell::SpanId(id) = cell { id } else { [0; 8] })),
        Kind::Id16 => fixed(&mut block, cells.map(|cell| if let Cell::TraceId(id) = cell { id } else { [0; 16] })),
        _ => fixed(&mut block, cells.map(int)),
    }
    finish(block)
}

fn text<'m, 'a: 'm>(cell: Cell<'a>, made: &'m Made) -> &'m str {
    match cell.value(made) {
        Value::Text(text) => text,
        _ => "",
    }
}

fn fixed<T: Fixed>(block: &mut BlockBuilder, values: impl Iterator<Item = T>) {
    let values: Vec<T> = values.collect();
    block.fixed(values);
}

/// Rows of an `any` column. One value in several rows on end is held once.
fn any<'a>(cells: impl Iterator<Item = Cell<'a>>, made: &Made) -> AnyBuilder {
    let mut builder = AnyBuilder::new();
    let mut last: Option<(Cell<'a>, AnyPlace)> = None;
    for cell in cells {
        let place = match last {
            Some((same, place)) if same == cell => place,
            _ => builder.hold(match cell.any(made) {
                AnyValue::Absent => AnyValue::Empty,
                value => value,
            }),
        };
        builder.push_place(place);
        last = Some((cell, place));
    }
    builder
}
