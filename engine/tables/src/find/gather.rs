//! From places in a table to columns of an answer.

use wasmill_columns::{AnyBuilder, AnyPlace, AnyValue, Bitmap, BlockBuilder, Fixed, NodeId};

use super::places::Places;
use super::{FindError, builder};
use crate::index::{Index, NOWHERE, hash_int};
use crate::shape::{Scalar, ValueKind};
use crate::store::{Column, Cut};

/// The numbers of a dictionary that has at most so many values for each row are looked up in a list of all of them; above that
/// making the list would take longer than the rows.
const LISTED_PER_ROW: usize = 8;

/// An answer in the making.
pub(super) struct Gather<'p, 'k> {
    places: &'p Places<'k>,
    block: BlockBuilder,
    /// Bytes that more columns may have.
    room: usize,
    bytes_max: usize,
}

impl<'p, 'k> Gather<'p, 'k> {
    pub fn new(places: &'p Places<'k>, fields: usize, bytes_max: usize) -> Self {
        // Room is asked for at once only as far as it may be filled.
        let rows = places.rows.len().min(bytes_max / 8 / fields.max(1));
        Gather { places, block: builder(fields, rows), room: bytes_max, bytes_max }
    }

    pub fn finish(self) -> Result<Vec<u8>, FindError> {
        self.block.finish().map_err(|_| FindError::TooLarge { max: self.bytes_max })
    }

    /// A column of a table.
    pub fn column(&mut self, column: &Column) -> Result<(), FindError> {
        let rows = &self.places.rows;
        match column {
            Column::Plain(texts) if self.places.dictionary.is_none() => self.plain(texts),
            Column::Plain(texts) => self.by_key(|row| texts.get(row)),
            Column::Coded { codes, values } if self.places.dictionary.is_none() => self.coded(codes, values),
            Column::Coded { codes, values } => {
                self.by_key(|row| values.get(codes.get(row as usize).copied().unwrap_or(0)))
            }
            Column::Int64 { values, valid } => {
                let value = |row: u32| values.get(row as usize).copied().filter(|_| valid.get(row as usize));
                self.fixed(|row| value(*rows.get(row)?))
            }
            Column::Double { values, valid } => {
                let value = |row: u32| values.get(row as usize).copied().filter(|_| valid.get(row as usize));
                self.fixed(|row| value(*rows.get(row)?))
            }
            Column::Boolean { values, valid } => {
                let value = |row: u32| valid.get(row as usize).then(|| values.get(row as usize));
                self.boolean(|row| value(*rows.get(row)?))
            }
        }
    }

    /// A field of records: a value for each of those that were found.
    pub fn values(&mut self, kind: ValueKind, values: &[Scalar<'_>]) -> Result<(), FindError> {
        let rows = &self.places.rows;
        let value = |row: usize| values.get(*rows.get(row)? as usize);
        match kind {
            ValueKind::Text => {
                let text = |value: &Scalar<'_>| matches!(value, Scalar::Text(_));
                let texts = values.iter().map(|value| if let Scalar::Text(text) = *value { text } else { "" });
                self.dictionary(|row| *rows.get(row).unwrap_or(&NOWHERE), |row| value(row).is_some_and(text), texts)
            }
            ValueKind::Int64 => self.fixed(|row| match *value(row)? {
                Scalar::Int(int) => Some(int),
                Scalar::UInt(int) => int.try_into().ok(),
                _ => None,
            }),
            ValueKind::UInt64 => self.fixed(|row| match *value(row)? {
                Scalar::UInt(int) => Some(int),
                _ => None,
            }),
            ValueKind::Double => self.fixed(|row| match *value(row)? {
                Scalar::Double(double) => Some(double),
                _ => None,
            }),
            ValueKind::Boolean => self.boolean(|row| match *value(row)? {
                Scalar::Boolean(boolean) => Some(boolean),
                _ => None,
            }),
            ValueKind::Binary => {
                let bytes = |row| match value(row) {
                    Some(Scalar::Binary(bytes)) => *bytes,
                    _ => &[],
                };
                let count = rows.len();
                self.take((0..count).map(|row| bytes(row).len() + 4).sum())?;
                let node = self.block.binary((0..count).map(bytes));
                self.valid(node, |row| matches!(value(row), Some(Scalar::Binary(_))));
                Ok(())
            }
            ValueKind::Any => self.any(values),
        }
    }

    /// Text for each row, as it lies in the table.
    fn plain(&mut self, texts: &Cut) -> Result<(), FindError> {
        let rows = &self.places.rows;
        let text = |row: &u32| if *row == NOWHERE { "" } else { texts.get(*row) };
        texts.fetch(rows.iter().map(|row| texts.range(*row)));
        self.take(rows.iter().map(|row| text(row).len() + 4).sum())?;
        let node = self.block.text(rows.iter().map(text));
        let has = |row: usize| rows.get(row).is_some_and(|row| !text(row).is_empty());
        self.valid(node, has);
        Ok(())
    }

    /// The table's dictionary, with the values that occur.
    fn coded(&mut self, codes: &[u32], values: &Cut) -> Result<(), FindError> {
        let rows = &self.places.rows;
        let mut keys: Vec<u32> = rows.iter().map(|row| codes.get(*row as usize).copied().unwrap_or(0)).collect();
        let mut numbers = Numbers::new(values.len(), rows.len());
        // Code 0 is no value.
        keys.iter_mut().for_each(|code| *code = if *code == 0 { NOWHERE } else { numbers.of(*code) });
        let used = std::mem::take(&mut numbers.used);
        let has = |row: usize| keys.get(row).is_some_and(|key| *key != NOWHERE);
        let key = |row: usize| keys.get(row).copied().unwrap_or(0);
        self.dictionary(key, has, used.iter().map(|&code| values.get(code)))
    }

    /// The keys' own dictionary, with what its values led to in the place of each.
    fn by_key<'t>(&mut self, text: impl Fn(u32) -> &'t str) -> Result<(), FindError> {
        let Some(keys) = &self.places.dictionary else { return Ok(()) };
        let text = |place: u32| if place == NOWHERE { "" } else { text(place) };
        let with = Bitmap::from_fn(keys.of_value.len(), |value| {
            keys.of_value.get(value).is_some_and(|&place| !text(place).is_empty())
        });
        let has = |row: usize| keys.keys.get(row).is_some_and(|key| with.get(key as usize));
        let texts = keys.of_value.iter().map(|&place| text(place));
        self.dictionary(|row| keys.keys.raw(row), has, texts)
    }

    /// Text as keys of a dictionary. `key` may be anything where a row `has` no value.
    fn dictionary<'t>(
        &mut self,
        key: impl Fn(usize) -> u32,
        has: impl Fn(usize) -> bool,
        texts: impl ExactSizeIterator<Item = &'t str> + Clone,
    ) -> Result<(), FindError> {
        let rows = self.places.rows.len();
        self.take(rows * 4 + texts.clone().map(|text| text.len() + 4).sum::<usize>())?;
        let valid = Bitmap::from_fn(rows, has);
        let keys = (0..rows).map(|row| if valid.get(row) { key(row) } else { 0 });
        let node = self.block.dictionary(keys, texts);
        if !valid.is_all() {
            self.block.set_validity(node, &valid);
        }
        Ok(())
    }

    fn fixed<T: Fixed>(&mut self, value: impl Fn(usize) -> Option<T>) -> Result<(), FindError> {
        let rows = self.places.rows.len();
        self.take(rows * size_of::<T::Bytes>())?;
        self.block.fixed_options((0..rows).map(value));
        Ok(())
    }

    fn boolean(&mut self, value: impl Fn(usize) -> Option<bool>) -> Result<(), FindError> {
        let rows = self.places.rows.len();
        self.take(rows.div_ceil(8))?;
        let node = self.block.boolean(&Bitmap::from_fn(rows, |row| value(row) == Some(true)));
        self.valid(node, |row| value(row).is_some());
        Ok(())
    }

    fn any(&mut self, values: &[Scalar<'_>]) -> Result<(), FindError> {
        let bytes = values.iter().map(|value| match value {
            Scalar::Text(text) => text.len() + 4,
            Scalar::Binary(bytes) => bytes.len() + 4,
            _ => 8,
        });
        self.take(self.places.rows.len() * 5 + bytes.sum::<usize>())?;
        let mut any = AnyBuilder::new();
        let held: Vec<AnyPlace> = values.iter().map(|value| any.hold(any_value(*value))).collect();
        let absent = any.hold(AnyValue::Absent);
        for place in &self.places.rows {
            any.push_place(held.get(*place as usize).copied().unwrap_or(absent));
        }
        any.append(&mut self.block);
        Ok(())
    }

    fn valid(&mut self, node: NodeId, has: impl Fn(usize) -> bool) {
        let valid = Bitmap::from_fn(self.places.rows.len(), has);
        if !valid.is_all() {
            self.block.set_validity(node, &valid);
        }
    }

    /// Before they are written.
    fn take(&mut self, bytes: usize) -> Result<(), FindError> {
        self.room = self.room.checked_sub(bytes).ok_or(FindError::TooLarge { max: self.bytes_max })?;
        Ok(())
    }
}

fn any_value(value: Scalar<'_>) -> AnyValue<'_> {
    match value {
        Scalar::None => AnyValue::Absent,
        Scalar::Text(text) => AnyValue::Text(text),
        Scalar::Int(int) => AnyValue::Int(int),
        Scalar::UInt(int) => i64::try_from(int).map_or(AnyValue::Absent, AnyValue::Int),
        Scalar::Double(double) => AnyValue::Double(double),
        Scalar::Boolean(boolean) => AnyValue::Boolean(boolean),
        Scalar::Binary(bytes) => AnyValue::Binary(bytes),
    }
}

/// Numbers a dictionary's codes anew, in the order in which they occur.
struct Numbers {
    /// For each code its number, where codes are few.
    listed: Vec<u32>,
    numbers: Index,
    used: Vec<u32>,
}

impl Numbers {
    fn new(codes: usize, rows: usize) -> Numbers {
        let listed = codes <= rows.saturating_mul(LISTED_PER_ROW);
        let listed = if listed { vec![NOWHERE; codes] } else { Vec::new() };
        Numbers { listed, numbers: Index::default(), used: Vec::new() }
    }

    #[inline]
    fn of(&mut self, code: u32) -> u32 {
        let next = self.used.len() as u32;
        match self.listed.get_mut(code as usize) {
            Some(number) => {
                if *number == NOWHERE {
                    *number = next;
                    self.used.push(code);
                }
                *number
            }
            None => {
                let (used, hash) = (&self.used, hash_int(code.into()));
                let code_of = |number: u32| used.get(number as usize).copied().unwrap_or(NOWHERE);
                if let Some(number) = self.numbers.find(hash, |number| code_of(number) == code) {
                    return number;
                }
                self.numbers.insert(hash, next);
                self.used.push(code);
                next
            }
        }
    }
}
