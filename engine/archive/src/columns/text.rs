//! Texts, ids, times and maps, as they come out of the wire.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringBuilder};
use arrow_array::{ArrayRef, MapArray, StructArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use wasmill_wire::{Any, attribute};

use crate::schema::{Layout, entries_field, entry_fields};

/// 0 is OTLP's "not known". Times that a signed number of nanoseconds does not reach, beyond the year 2262, are none.
pub fn time(unix_nanos: u64) -> Option<i64> {
    i64::try_from(unix_nanos).ok().filter(|nanos| *nanos > 0)
}

/// Appends an id as hex: none where it has another length than ids have, or nothing but zeros.
pub fn put_id<const BYTES: usize>(ids: &mut StringBuilder, id: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if id.len() != BYTES || id.iter().all(|byte| *byte == 0) {
        return ids.append_null();
    }
    // Of the longest id.
    let mut hex = [0_u8; 32];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(id) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    ids.append_option(std::str::from_utf8(&hex[..2 * BYTES]).ok());
}

/// Appends a text; an empty one is none.
pub fn put_text(texts: &mut StringBuilder, text: &str) {
    match text {
        "" => texts.append_null(),
        text => texts.append_value(text),
    }
}

/// The word for a number of an enumeration, and the number where there is none.
pub fn put_word(texts: &mut StringBuilder, words: &[&str], number: u64) {
    // Enumerations are 32 bits and open.
    let number = number as i32;
    match usize::try_from(number).ok().and_then(|place| words.get(place)) {
        Some(word) => texts.append_value(word),
        None => texts.append_value(number.to_string()),
    }
}

/// Which type a value had before it was made text.
pub fn letter(value: &Any<'_>) -> char {
    match value {
        Any::Empty => 'n',
        Any::Text(_) => 's',
        Any::Bool(_) => 'b',
        Any::Int(_) => 'i',
        Any::Double(_) => 'd',
        Any::Bytes(_) => 'y',
        Any::List(_) => 'a',
        Any::Map(_) => 'm',
    }
}

/// Appends a value as text. No value is none; an empty text is one.
pub fn put_any(texts: &mut StringBuilder, value: &Any<'_>, scratch: &mut Vec<u8>) {
    match value {
        Any::Empty => texts.append_null(),
        Any::Text(text) => texts.append_value(text),
        other => {
            scratch.clear();
            other.put_text(scratch);
            texts.append_value(std::str::from_utf8(scratch).unwrap_or_default());
        }
    }
}

/// Keys and values of maps, one behind the other, and the letters of each map's values.
#[derive(Default)]
pub struct Entries {
    pub keys: StringBuilder,
    pub values: StringBuilder,
    /// Of the map that is being written.
    pub letters: String,
    seen: Seen,
    scratch: Vec<u8>,
}

impl Entries {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Begins a map.
    pub fn begin(&mut self) {
        self.letters.clear();
        self.seen.begin(self.keys.len());
    }

    /// Appends a `KeyValue`. Of entries with the same key the first counts, as it does wherever the gateway looks an attribute up; readers
    /// refuse maps that have a key twice.
    pub fn push(&mut self, entry: &[u8]) {
        let (key, value) = attribute(entry);
        if self.seen.is_repeated(key, &self.keys) {
            return;
        }
        self.letters.push(letter(&value));
        self.keys.append_value(key);
        put_any(&mut self.values, &value, &mut self.scratch);
    }
}

/// Maps from this many entries on are looked up in a table.
const FEW: usize = 24;

/// The keys of one map.
#[derive(Default)]
struct Seen {
    first: usize,
    /// A bit for each key, of its length and two of its bytes: where a key's bit is not set, the key is new.
    bits: u64,
    /// By hash, the place of a key.
    table: HashMap<u64, usize>,
    hasher: RandomState,
}

impl Seen {
    fn begin(&mut self, first: usize) {
        self.first = first;
        self.bits = 0;
        if !self.table.is_empty() {
            self.table = HashMap::new();
        }
    }

    /// Whether the map has the key already; it has then.
    fn is_repeated(&mut self, key: &str, keys: &StringBuilder) -> bool {
        let place = keys.len();
        let same = |at: usize| nth(keys, at) == key.as_bytes();
        if place - self.first < FEW {
            let bytes = key.as_bytes();
            let byte = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
            let bit = 1 << ((bytes.len() * 31 + byte(bytes.last()) * 7 + byte(bytes.get(bytes.len() / 2))) % 64);
            let is_new = self.bits & bit == 0;
            self.bits |= bit;
            return !is_new && (self.first..place).any(same);
        }
        if self.table.is_empty() {
            for at in self.first..place {
                self.table.insert(self.hasher.hash_one(nth(keys, at)), at);
            }
        }
        match self.table.entry(self.hasher.hash_one(key.as_bytes())) {
            // Another key of the same 64 bits, which nobody can choose, is kept and not found again.
            Entry::Occupied(found) => same(*found.get()),
            Entry::Vacant(free) => {
                free.insert(place);
                false
            }
        }
    }
}

fn nth(texts: &StringBuilder, place: usize) -> &[u8] {
    let offsets = texts.offsets_slice();
    let range = offsets.get(place).zip(offsets.get(place + 1));
    let range = range.and_then(|(&start, &end)| Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?));
    range.and_then(|range| texts.values_slice().get(range)).unwrap_or_default()
}

/// A map for each row, with its letters.
pub struct Maps {
    entries: Entries,
    offsets: Vec<i32>,
    letters: StringBuilder,
}

impl Default for Maps {
    fn default() -> Self {
        Maps { entries: Entries::default(), offsets: vec![0], letters: StringBuilder::new() }
    }
}

impl Maps {
    pub fn begin(&mut self) {
        self.entries.begin();
    }

    pub fn push(&mut self, entry: &[u8]) {
        self.entries.push(entry);
    }

    /// Ends the row's map.
    pub fn end(&mut self) {
        self.offsets.push(self.entries.len() as i32);
        self.letters.append_value(&self.entries.letters);
    }

    /// The column of maps, and that of letters.
    pub fn finish(&mut self) -> Result<[ArrayRef; 2], ArrowError> {
        let columns: Vec<ArrayRef> = vec![Arc::new(self.entries.keys.finish()), Arc::new(self.entries.values.finish())];
        let entries = StructArray::try_new(entry_fields(Layout::Plain), columns, None)?;
        let offsets = offsets(&mut self.offsets);
        let maps = MapArray::try_new(entries_field(Layout::Plain), offsets, entries, None, false)?;
        Ok([Arc::new(maps), Arc::new(self.letters.finish())])
    }
}

/// The offsets of the rows so far; a new batch begins at 0. They ascend, because each is a length of what only grows.
pub fn offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, vec![0])))
}
