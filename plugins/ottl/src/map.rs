//! Whole maps while statements change them: the rows that were touched, entry by entry.
//!
//! A row's entries are copied out of the column when it is first written. Each entry remembers the place that it came from,
//! so that in the end only what differs is sent back.

use wasmill_columns::Column;

use crate::Reason;
use crate::cell::{Cell, Made};
use crate::eval::Copied;
use crate::machine::{Machine, Scratch};
use crate::value::{Value, entries, push_entry};

/// One entry of a row's map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Always text.
    pub key: Cell<'a>,
    pub value: Cell<'a>,
    /// Its place in the column's children. `None`: a statement made it.
    pub origin: Option<u32>,
    /// Whether the value is not the column's any more.
    pub changed: bool,
}

/// The rows of a map that were written.
#[derive(Debug, Default)]
pub(crate) struct MapState<'a> {
    /// Where a row's entries are. `None`: it is as the column has it.
    ranges: Vec<Option<(u32, u32)>>,
    entries: Vec<Entry<'a>>,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(key: Cell<'a>, value: Cell<'a>) -> Entry<'a> {
        Entry { key, value, origin: None, changed: true }
    }

    pub(crate) fn key<'m>(&self, made: &'m Made) -> &'m str
    where
        'a: 'm,
    {
        match self.key.value(made) {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// Gives it another value.
    pub(crate) fn set(&mut self, value: Cell<'a>) {
        self.value = value;
        self.changed = true;
    }
}

impl<'a> MapState<'a> {
    /// A row's entries, if it was written.
    pub(crate) fn row(&self, row: usize) -> Option<&[Entry<'a>]> {
        let (start, end) = self.ranges.get(row).copied().flatten()?;
        self.entries.get(start as usize..end as usize)
    }

    fn store(&mut self, rows: usize, row: usize, entries: &[Entry<'a>]) {
        self.ranges.resize(rows, None);
        let start = self.entries.len() as u32;
        self.entries.extend_from_slice(entries);
        if let Some(range) = self.ranges.get_mut(row) {
            *range = Some((start, self.entries.len() as u32));
        }
    }
}

impl<'a> Machine<'a, '_> {
    /// Copies a row's entries, as they are now.
    pub(crate) fn entries_of(&self, slot: usize, row: usize, out: &mut Vec<Entry<'a>>) {
        out.clear();
        let state = &self.slots[slot];
        if let Some(entries) = state.map.as_ref().and_then(|map| map.row(row)) {
            out.extend_from_slice(entries);
        } else if let Some(Column::Attributes(column)) = state.column {
            let (keys, values) = (column.keys(), column.values());
            out.extend(column.places(row).map(|place| Entry {
                key: Cell::Text(keys.get(place).unwrap_or_default()),
                value: values.get(place).into(),
                origin: Some(place as u32),
                changed: false,
            }));
        }
    }

    pub(crate) fn store_entries(&mut self, slot: usize, row: usize, entries: &[Entry<'a>]) {
        let rows = self.rows;
        self.slots[slot].map.get_or_insert_default().store(rows, row, entries);
    }

    /// The first value of a key.
    pub(crate) fn entry(&self, slot: usize, row: usize, key: &str) -> Cell<'a> {
        let state = &self.slots[slot];
        if let Some(entries) = state.map.as_ref().and_then(|map| map.row(row)) {
            let found = entries.iter().find(|entry| entry.key(&self.scratch.made) == key);
            return found.map_or(Cell::Absent, |entry| entry.value);
        }
        let Some(Column::Attributes(column)) = state.column else { return Cell::Absent };
        let keys = column.keys();
        let place = column.places(row).find(|place| keys.get(*place) == Some(key));
        place.map_or(Cell::Absent, |place| column.values().get(place).into())
    }

    /// Sets the first entry of a key, makes one, or takes it away where the value is absent.
    pub(crate) fn put_entry(&mut self, slot: usize, row: usize, key: &'a str, value: Cell<'a>) {
        let mut entries = std::mem::take(&mut self.entries);
        self.entries_of(slot, row, &mut entries);
        let place = entries.iter().position(|entry| entry.key(&self.scratch.made) == key);
        match (place, value) {
            (Some(place), Cell::Absent) => drop(entries.remove(place)),
            (Some(place), value) => entries[place].set(value),
            (None, Cell::Absent) => {}
            (None, value) => entries.push(Entry::new(Cell::Text(key), value)),
        }
        self.store_entries(slot, row, &entries);
        self.entries = entries;
    }

    /// A row's whole map as one value.
    pub(crate) fn whole_map(&mut self, slot: usize, row: usize) -> Cell<'a> {
        let mut entries = std::mem::take(&mut self.entries);
        self.entries_of(slot, row, &mut entries);
        let map = encode(&entries, self.scratch);
        self.entries = entries;
        map
    }
}

/// Entries as one value.
pub(crate) fn encode<'a>(entries: &[Entry<'a>], scratch: &mut Scratch) -> Cell<'a> {
    let Scratch { made, bytes, .. } = scratch;
    bytes.clear();
    for entry in entries {
        push_entry(bytes, entry.key(made), entry.value.value(made));
    }
    made.map(bytes)
}

/// The entries of one value, which must be a map.
pub(crate) fn decode<'a>(map: Cell<'a>, scratch: &mut Scratch, out: &mut Vec<Entry<'a>>) -> Result<(), Reason> {
    out.clear();
    match map {
        Cell::Map(map) => {
            out.extend(entries(map).map(|(key, value)| Entry::new(Cell::Text(key), Cell::of(value))));
            Ok(())
        }
        Cell::MadeMap(_) => {
            // What is computed is copied on: its memory may move while the entries are in use.
            let count = match map.value(&scratch.made) {
                Value::Map(map) => entries(map).count(),
                _ => 0,
            };
            for place in 0..count {
                let Scratch { made, text, bytes, .. } = &mut *scratch;
                let Value::Map(map) = map.value(made) else { continue };
                let Some((key, value)) = entries(map).nth(place) else { continue };
                let value = Copied::of(value, text, bytes);
                let held = key.to_owned();
                let value = value.keep(scratch);
                let key = scratch.made.text(&held);
                out.push(Entry::new(key, value));
            }
            Ok(())
        }
        _ => Err(Reason::NotMap),
    }
}
