//! A column of keys in, columns of fields out.
//!
//! ```text
//!  keys ──places──► a row of the table for each key, or none ──gather──► a column for each field
//!         once for each value of a dictionary
//! ```
//!
//! The block of keys is a guest's and is checked to its last offset. Before anything is allocated for it, what would come out is
//! counted: [`CELLS_MAX`], and bytes as whoever asks allows.

mod gather;
mod places;

use wasmill_columns::{Block, BlockBuilder, Column as Keys, Kind};

use crate::content::{Content, Format};
use crate::csv::CsvTable;
use crate::index::{CHUNK, NOWHERE, hash_bytes, hash_int};
use crate::mmdb::{Mmdb, RecordField, Records, address};
use crate::store::{Column, Cut};
use gather::Gather;
use places::{Find, places};

/// Keys times fields of one call. 8,192 rows of 128 fields; a cell costs from 5 ns to half a microsecond, so that a call ends.
pub const CELLS_MAX: usize = 1 << 20;

/// Fields of one call.
pub const FIELDS_MAX: usize = 256;

/// Nodes of a column of text: the keys of a dictionary and its values.
const NODES_PER_FIELD: usize = 2;

/// Why there is no answer. The table is as good as before.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FindError {
    #[error("the keys are {found}: expected {expected}")]
    Keys { found: String, expected: &'static str },
    #[error("there is no field `{field}`")]
    UnknownField { field: String },
    #[error("{found} {what}: at most {max} are answered at a time")]
    TooMany { what: &'static str, found: usize, max: usize },
    #[error("the answer would have more than {max} bytes")]
    TooLarge { max: usize },
}

impl Content {
    /// Finds each key, and gives a column for each field with a row for each key; no value where the table has none. `keys` is a
    /// block of one column. A text comes as `text` or `dictionary`, whichever is shorter, other fields as their type.
    pub fn find<F: AsRef<str>>(&self, keys: &[u8], fields: &[F], bytes_max: usize) -> Result<Vec<u8>, FindError> {
        at_most("fields", fields.len(), FIELDS_MAX)?;
        let block = Block::check(keys).map_err(|error| FindError::Keys {
            found: format!("no block ({error})"),
            expected: "a block of one column",
        })?;
        let (mut columns, count) = (block.columns(), block.columns().count());
        let (Some(keys), 1) = (columns.next(), count) else {
            let found = format!("a block of {count} columns");
            return Err(FindError::Keys { found, expected: "a block of one column" });
        };
        at_most("keys", keys.len(), CELLS_MAX)?;
        at_most("keys times fields", keys.len().saturating_mul(fields.len()), CELLS_MAX)?;
        match &self.table {
            Format::Csv(table) => find_rows(table, &keys, fields, bytes_max),
            Format::Mmdb(table) => find_records(table, &keys, fields, bytes_max),
        }
    }
}

fn find_rows<F: AsRef<str>>(
    table: &CsvTable,
    keys: &Keys<'_>,
    fields: &[F],
    bytes_max: usize,
) -> Result<Vec<u8>, FindError> {
    let columns = fields.iter().map(|field| table.column(field.as_ref()).ok_or_else(|| unknown(field.as_ref())));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let places = match table.key() {
        Some(Column::Plain(texts)) => places(&mut ByText { table, texts }, keys)?,
        Some(Column::Int64 { values, .. }) => places(&mut ByInt { table, values }, keys)?,
        // Keys are of no other type: the file was refused.
        _ => return Err(unknown("")),
    };
    let mut gather = Gather::new(&places, fields.len(), bytes_max);
    for column in columns {
        gather.column(column)?;
    }
    gather.finish()
}

fn find_records<F: AsRef<str>>(
    table: &Mmdb,
    keys: &Keys<'_>,
    fields: &[F],
    bytes_max: usize,
) -> Result<Vec<u8>, FindError> {
    let resolved = fields.iter().map(|field| table.field(field.as_ref()).ok_or_else(|| unknown(field.as_ref())));
    let resolved = resolved.collect::<Result<Vec<RecordField>, _>>()?;
    let mut by_address = ByAddress(table.records());
    let places = places(&mut by_address, keys)?;
    let mut gather = Gather::new(&places, fields.len(), bytes_max);
    for field in &resolved {
        gather.values(field.kind, &by_address.0.values(field))?;
    }
    gather.finish()
}

/// Rows by text.
struct ByText<'t> {
    table: &'t CsvTable,
    texts: &'t Cut,
}

impl Find for ByText<'_> {
    const EXPECTED: &'static str = "text, or `any` with text in it";

    fn takes(kind: Kind) -> bool {
        matches!(kind, Kind::Text | Kind::Dictionary | Kind::Any)
    }

    #[inline]
    fn text(&mut self, text: &str) -> Option<u32> {
        let key = text.as_bytes();
        self.table.index().find(hash_bytes(key), |row| self.texts.bytes_of(row) == key)
    }

    fn texts<'k>(&mut self, keys: impl Iterator<Item = Option<&'k str>>) -> Vec<u32> {
        let mut rows = Vec::with_capacity(keys.size_hint().0);
        // No row has an empty key: it stands for none.
        chunks(keys.map(Option::unwrap_or_default), |keys: &[&str; CHUNK], count| {
            let mut found = self.table.index().candidates(&keys.map(|key| hash_bytes(key.as_bytes())));
            let places = found.map(|row| self.texts.range(row));
            self.texts.fetch(places);
            for ((row, place), key) in found.iter_mut().zip(places).zip(keys) {
                if *row != NOWHERE && self.texts.bytes_at(place) != key.as_bytes() {
                    *row = self.text(key).unwrap_or(NOWHERE);
                }
            }
            rows.extend(found.iter().take(count));
        });
        rows
    }
}

/// Rows by whole number.
struct ByInt<'t> {
    table: &'t CsvTable,
    values: &'t [i64],
}

impl Find for ByInt<'_> {
    const EXPECTED: &'static str = "int64, uint64 or another whole number, or `any` with such in it";

    fn takes(kind: Kind) -> bool {
        matches!(kind, Kind::Int64 | Kind::UInt64 | Kind::Int32 | Kind::UInt32 | Kind::UInt8 | Kind::Any)
    }

    #[inline]
    fn int(&mut self, int: i64) -> Option<u32> {
        self.table.index().find(hash_int(int), |row| self.values.get(row as usize) == Some(&int))
    }

    fn ints(&mut self, keys: impl Iterator<Item = Option<i64>>) -> Vec<u32> {
        let mut rows = Vec::with_capacity(keys.size_hint().0);
        chunks(keys, |keys: &[Option<i64>; CHUNK], count| {
            let mut found = self.table.index().candidates(&keys.map(|key| hash_int(key.unwrap_or_default())));
            for (row, key) in found.iter_mut().zip(keys) {
                if key.is_none() || self.values.get(*row as usize) != key.as_ref() {
                    *row = key.and_then(|key| self.int(key)).unwrap_or(NOWHERE);
                }
            }
            rows.extend(found.iter().take(count));
        });
        rows
    }
}

/// Records by IP address.
struct ByAddress<'m>(Records<'m>);

impl Find for ByAddress<'_> {
    const EXPECTED: &'static str = "IP addresses as text, as binary or id16, or `any` with text or binary in it";

    fn takes(kind: Kind) -> bool {
        matches!(kind, Kind::Text | Kind::Dictionary | Kind::Binary | Kind::Id16 | Kind::Any)
    }

    fn text(&mut self, text: &str) -> Option<u32> {
        self.0.find(text.parse().ok()?)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Option<u32> {
        self.0.find(address(bytes)?)
    }
}

/// Hands keys on by the chunk, the last one filled up, with how many count.
fn chunks<K: Copy + Default>(mut keys: impl Iterator<Item = K>, mut take: impl FnMut(&[K; CHUNK], usize)) {
    loop {
        let mut chunk = [K::default(); CHUNK];
        let mut count = 0;
        for (place, key) in chunk.iter_mut().zip(keys.by_ref()) {
            *place = key;
            count += 1;
        }
        if count == 0 {
            return;
        }
        take(&chunk, count);
    }
}

fn unknown(field: &str) -> FindError {
    FindError::UnknownField { field: field.chars().take(256).collect() }
}

fn at_most(what: &'static str, found: usize, max: usize) -> Result<(), FindError> {
    if found > max { Err(FindError::TooMany { what, found, max }) } else { Ok(()) }
}

/// A builder with room for the columns of so many fields.
fn builder(fields: usize, rows: usize) -> BlockBuilder {
    BlockBuilder::with_capacity(fields * NODES_PER_FIELD, fields * rows * 8)
}

#[cfg(test)]
mod tests;
