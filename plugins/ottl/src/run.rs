//! Statements, one after the other, each over all rows that its condition is true for.

use wasmill_columns::{Bitmap, Column, Kind, Text};

use crate::Reason;
use crate::ast::Key;
use crate::call::text;
use crate::cell::{Cell, Made, Vector};
use crate::change::{Changer, replaced};
use crate::fields::Field;
use crate::machine::{Frame, Machine, Scratch, within};
use crate::map::{decode, encode};
use crate::pattern::Memo;
use crate::plan::{Editor, Guard, MapChange, Node, Pattern, Place, Step, Type};
use crate::test::numbers;
use crate::value::{Value, entries, items, push_entry, push_item};

/// Places in a list that a statement may create at once: `set(attributes["a"][1000000], 1)` would be a million of them.
const CREATED_MAX: usize = 1024;

impl<'a> Machine<'a, '_> {
    /// Runs a statement. Gives the number of rows that failed; the first is noted.
    pub(crate) fn step(&mut self, step: &'a Step, all: &Bitmap) -> usize {
        let truth = self.test(&step.condition, all);
        let failed = truth.failed.map_or(0, |failed| failed.count());
        if truth.yes.is_none() {
            return failed;
        }
        failed + self.edit(&step.editor, &numbers(&truth.yes))
    }

    fn edit(&mut self, editor: &'a Editor, rows: &[u32]) -> usize {
        match editor {
            Editor::Set { place, value } => {
                let values = [self.evaluate(value, Frame::Rows(rows))];
                let failed = self.each(rows, &values, |machine, row, at| machine.assign(place, row, values[0].get(at)));
                self.give_all(values.into());
                failed
            }
            Editor::RemoveEntry { slot } => {
                for row in rows {
                    self.write(*slot, *row as usize, Cell::Absent);
                }
                0
            }
            Editor::ReplacePattern { place, current, pattern, template } => {
                let vectors = self.vectors([current, template], Some(pattern), rows);
                let constant = vectors[1..].iter().all(Vector::is_same);
                let mut memo = Memo::default();
                let failed = self.each(rows, &vectors[1..], |machine, row, at| {
                    let current = vectors[0].get(at);
                    let mut look = || replaced(machine.scratch, current, pattern, &vectors[1..], at);
                    let found = match current {
                        Cell::Text(text) if constant => memo.get_or(text, look)?,
                        _ => look()?,
                    };
                    match found {
                        None => Ok(()),
                        Some(cell) => machine.assign(place, row, cell),
                    }
                });
                self.give_all(vectors);
                failed
            }
            Editor::Map { place, change } => self.change_maps(place, change, rows),
        }
    }

    /// Evaluates nodes, and a pattern behind them if rows bring it.
    fn vectors<const N: usize>(
        &mut self,
        nodes: [&'a Node; N],
        pattern: Option<&'a Pattern>,
        rows: &[u32],
    ) -> Vec<Vector<'a>> {
        let mut vectors: Vec<Vector<'a>> =
            nodes.into_iter().map(|node| self.evaluate(node, Frame::Rows(rows))).collect();
        if let Some(Pattern::Computed(pattern)) = pattern {
            vectors.push(self.evaluate(pattern, Frame::Rows(rows)));
        }
        vectors
    }

    /// Edits row by row. A row with a value that failed, or that fails itself, is noted and left.
    fn each(
        &mut self,
        rows: &[u32],
        values: &[Vector<'a>],
        mut edit: impl FnMut(&mut Self, usize, usize) -> Result<(), Reason>,
    ) -> usize {
        let mut failed = 0;
        for (at, row) in rows.iter().enumerate() {
            let row = *row as usize;
            let bad = values.iter().find_map(|vector| match vector.get(at) {
                Cell::Failed(reason) => Some(reason),
                _ => None,
            });
            let done = match bad {
                Some(reason) => Err(reason),
                None => edit(self, row, at),
            };
            if let Err(reason) = done {
                self.fail(row, reason);
                failed += 1;
            }
        }
        failed
    }

    /// Writes a value where a statement says, if the row has the field and the field takes the type.
    fn assign(&mut self, place: &'a Place, row: usize, cell: Cell<'a>) -> Result<(), Reason> {
        let has_field = match place.guard {
            None => true,
            Some(Guard::Present(slot)) => self.read(slot, row) != Cell::Absent,
            Some(Guard::OneOf(slot, types)) => {
                matches!(self.read(slot, row), Cell::Int(found) if types.contains(&found))
            }
        };
        if !has_field {
            return Err(Reason::WrongType);
        }
        let slot = self.slot(place.slot);
        if !place.keys.is_empty() {
            let current = self.read(place.slot, row);
            let body = slot.key.is_none();
            let cell = nested(self.scratch, current, &place.keys, cell, body)?;
            self.write(place.slot, row, cell);
            return Ok(());
        }
        let cell = match (slot.key.is_some(), slot.field.value) {
            (true, _) | (false, Type::Any) => match cell {
                Cell::Absent => Cell::Empty,
                cell => cell,
            },
            (false, Type::Map) => return self.assign_map(place.slot, row, cell),
            (false, _) => typed(slot.field, cell, &self.scratch.made)?,
        };
        self.write(place.slot, row, cell);
        Ok(())
    }

    /// Makes a whole map another.
    fn assign_map(&mut self, slot: usize, row: usize, cell: Cell<'a>) -> Result<(), Reason> {
        let mut entries = std::mem::take(&mut self.entries);
        let decoded = match cell {
            Cell::Absent | Cell::Empty => {
                entries.clear();
                Ok(())
            }
            cell => decode(cell, self.scratch, &mut entries),
        };
        if decoded.is_ok() {
            self.store_entries(slot, row, &entries);
        }
        self.entries = entries;
        decoded
    }

    fn change_maps(&mut self, place: &'a Place, change: &'a MapChange, rows: &[u32]) -> usize {
        let vectors = match change {
            MapChange::DeleteKey(key) => self.vectors([key], None, rows),
            MapChange::Matching { pattern, .. } => self.vectors([], Some(pattern), rows),
            MapChange::KeepKeys(keys) => self.evaluate_all(keys, Frame::Rows(rows)),
            MapChange::ReplacePatterns { pattern, template, .. } => self.vectors([template], Some(pattern), rows),
            MapChange::Truncate { .. } | MapChange::Limit { .. } => Vec::new(),
            MapChange::Merge { source, .. } => self.vectors([source], None, rows),
        };
        let slot = self.slot(place.slot);
        let whole = slot.key.is_none() && place.keys.is_empty() && slot.field.value == Type::Map;
        let mut changer = Changer::default();
        let kept = if whole { self.kept_keys(place.slot, change, &vectors) } else { None };
        let failed = self.each(rows, &vectors, |machine, row, at| {
            let Changer { entries, .. } = &mut changer;
            if kept.as_ref().is_some_and(|kept| machine.keeps_all(place.slot, row, kept)) {
                return Ok(());
            }
            if whole {
                machine.entries_of(place.slot, row, entries);
            } else {
                let cell = machine.read(place.slot, row);
                let found = match place.keys.is_empty() {
                    true => cell,
                    false => inner(machine.scratch, cell, &place.keys)?,
                };
                decode(found, machine.scratch, entries)?;
            }
            if !changer.change(machine.scratch, change, &vectors, at)? {
                return Ok(());
            }
            if whole {
                machine.store_entries(place.slot, row, &changer.entries);
                return Ok(());
            }
            let map = encode(&changer.entries, machine.scratch);
            machine.assign(place, row, map)
        });
        self.give_all(vectors);
        failed
    }
}

impl<'a> Machine<'a, '_> {
    /// Which keys of a map's dictionary a change keeps, looked at once each. `None`: it is not about keys, not the same for
    /// all rows, or there is no dictionary.
    fn kept_keys(&self, slot: usize, change: &MapChange, vectors: &[Vector<'a>]) -> Option<Vec<bool>> {
        let Some(Column::Attributes(column)) = self.slots[slot].column else { return None };
        let Text::Dictionary(keys) = column.keys() else { return None };
        let each = |keep: &dyn Fn(&str) -> bool| Some(keys.values().iter().flatten().map(keep).collect());
        match change {
            MapChange::Matching { pattern: Pattern::Fixed(regex), keep } => each(&|key| regex.is_match(key) == *keep),
            MapChange::KeepKeys(_) if vectors.iter().all(Vector::is_same) => {
                let made = &self.scratch.made;
                each(&|key| vectors.iter().any(|vector| text(vector.get(0), made) == Ok(key)))
            }
            _ => None,
        }
    }

    /// Whether a row, as the column has it, has none but kept keys.
    fn keeps_all(&self, slot: usize, row: usize, kept: &[bool]) -> bool {
        let state = &self.slots[slot];
        if state.map.as_ref().is_some_and(|map| map.row(row).is_some()) {
            return false;
        }
        let Some(Column::Attributes(column)) = state.column else { return false };
        let Text::Dictionary(keys) = column.keys() else { return false };
        let keys = keys.keys();
        column.places(row).all(|place| kept.get(keys.raw(place) as usize).copied().unwrap_or(false))
    }
}

/// A value as a field of fixed type takes it. Numbers are narrowed as the Collector narrows them.
fn typed<'a>(field: &Field, cell: Cell<'a>, made: &Made) -> Result<Cell<'a>, Reason> {
    Ok(match (field.value, cell, cell.value(made)) {
        (Type::Int, Cell::Int(number), _) => match field.kind {
            Kind::UInt32 if field.checked && u32::try_from(number).is_err() => return Err(Reason::OutOfRange),
            Kind::UInt32 => Cell::Int((number as u32).into()),
            Kind::Int32 => Cell::Int((number as i32).into()),
            _ => cell,
        },
        (Type::Bool, Cell::Bool(_), _)
        | (Type::Double, Cell::Double(_), _)
        | (Type::SpanId, Cell::SpanId(_), _)
        | (Type::TraceId, Cell::TraceId(_), _)
        | (Type::Text, _, Value::Text(_)) => cell,
        _ => return Err(Reason::WrongType),
    })
}

/// The map behind keys.
fn inner<'a>(scratch: &mut Scratch, cell: Cell<'a>, keys: &[Key]) -> Result<Cell<'a>, Reason> {
    match cell {
        Cell::Map(map) => within(Value::Map(map), keys, Ok(Value::Nil)).map(Cell::of),
        Cell::List(list) => within(Value::List(list), keys, Ok(Value::Nil)).map(Cell::of),
        Cell::Absent => Ok(Cell::Absent),
        cell => {
            let Scratch { made, bytes, .. } = scratch;
            let Value::Map(map) = within(cell.value(made), keys, Ok(Value::Nil))? else { return Err(Reason::NotMap) };
            bytes.clear();
            bytes.extend_from_slice(map);
            Ok(made.map(bytes))
        }
    }
}

/// A value with another in it, behind keys. Maps and lists that are not there are made, but a body must be one.
fn nested<'a>(
    scratch: &mut Scratch,
    current: Cell<'a>,
    keys: &[Key],
    new: Cell<'a>,
    body: bool,
) -> Result<Cell<'a>, Reason> {
    let Scratch { made, bytes, .. } = scratch;
    let value = current.value(made);
    if body && !matches!(value, Value::Map(_) | Value::List(_)) {
        return Err(Reason::NotIndexable);
    }
    let is_map = rebuild(value, keys, new.value(made), bytes)?;
    Ok(if is_map { made.map(bytes) } else { made.list(bytes) })
}

/// Writes a map (true) or list (false) anew, with one value in it another.
fn rebuild(current: Value<'_>, keys: &[Key], new: Value<'_>, out: &mut Vec<u8>) -> Result<bool, Reason> {
    let Some((key, keys)) = keys.split_first() else { return Err(Reason::NotIndexable) };
    // The value at this key, with the change in it. Levels are few, and rows that are edited so deep are too.
    let mut below = Vec::new();
    let mut changed = |found: Value<'_>| -> Result<(bool, bool), Reason> {
        if keys.is_empty() { Ok((false, true)) } else { Ok((rebuild(found, keys, new, &mut below)?, false)) }
    };
    out.clear();
    match (current, key) {
        (Value::Map(_) | Value::Nil, Key::Text(key)) => {
            let map = if let Value::Map(map) = current { map } else { &[] };
            let found = crate::value::entry(map, key);
            let (is_map, is_new) = changed(found.unwrap_or(Value::Nil))?;
            let value = if is_new { new } else { container(is_map, &below) };
            let mut done = false;
            for (name, other) in entries(map) {
                let here = !done && name == key;
                push_entry(out, name, if here { value } else { other });
                done |= here;
            }
            if !done {
                push_entry(out, key, value);
            }
            Ok(true)
        }
        (Value::List(_) | Value::Nil, Key::Int(index)) => {
            let index = usize::try_from(*index).map_err(|_| Reason::OutOfBounds)?;
            let list = if let Value::List(list) = current { list } else { &[] };
            let length = match current {
                Value::List(list) => items(list).count(),
                _ if index < CREATED_MAX => index + 1,
                _ => 0,
            };
            if index >= length {
                return Err(Reason::OutOfBounds);
            }
            let found = items(list).nth(index).unwrap_or(Value::Nil);
            let (is_map, is_new) = changed(found)?;
            let value = if is_new { new } else { container(is_map, &below) };
            let mut all = items(list);
            for place in 0..length {
                let other = all.next().unwrap_or(Value::Nil);
                push_item(out, if place == index { value } else { other });
            }
            Ok(false)
        }
        _ => Err(Reason::NotIndexable),
    }
}

fn container(is_map: bool, bytes: &[u8]) -> Value<'_> {
    if is_map { Value::Map(bytes) } else { Value::List(bytes) }
}
