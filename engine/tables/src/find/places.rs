//! Where each key is in the table.

use wasmill_columns::{Any, AnyKind, AnyValue, Column, Kind, Text, Values};

use super::FindError;
use crate::index::NOWHERE;

/// A row, or record, of the table for each key, or [`NOWHERE`].
pub(super) struct Places<'k> {
    pub rows: Vec<u32>,
    /// Where keys are numbers of a dictionary's values that are few: what each value led to.
    pub dictionary: Option<DictionaryPlaces<'k>>,
}

pub(super) struct DictionaryPlaces<'k> {
    pub keys: Values<'k, u32>,
    pub of_value: Vec<u32>,
}

/// Finds single keys. A key of a type that the table's keys are not of is nowhere.
pub(super) trait Find {
    /// For an error, what columns it takes.
    const EXPECTED: &'static str;

    fn takes(kind: Kind) -> bool;

    fn text(&mut self, _: &str) -> Option<u32> {
        None
    }

    fn int(&mut self, _: i64) -> Option<u32> {
        None
    }

    fn bytes(&mut self, _: &[u8]) -> Option<u32> {
        None
    }

    /// As [`text`](Find::text), for many; [`NOWHERE`] for those that are not in the table.
    fn texts<'k>(&mut self, keys: impl Iterator<Item = Option<&'k str>>) -> Vec<u32> {
        each(keys, |key| self.text(key))
    }

    /// As [`int`](Find::int), for many.
    fn ints(&mut self, keys: impl Iterator<Item = Option<i64>>) -> Vec<u32> {
        each(keys, |key| self.int(key))
    }
}

/// Finds every key of a column; one that stands in a dictionary once, however many rows have it.
pub(super) fn places<'k, F: Find>(find: &mut F, keys: &Column<'k>) -> Result<Places<'k>, FindError> {
    if !F::takes(keys.kind()) {
        return Err(FindError::Keys { found: format!("`{}`", keys.kind()), expected: F::EXPECTED });
    }
    let rows = match keys {
        Column::Text(Text::Dictionary(keys)) if keys.values().len() <= keys.len() => {
            let texts = keys.values();
            let of_value = find.texts((0..texts.len()).map(|value| Some(texts.raw(value))));
            let keys = keys.keys();
            let of_row = |row| keys.get(row).and_then(|key| of_value.get(key as usize)).copied().unwrap_or(NOWHERE);
            let rows = (0..keys.len()).map(of_row).collect();
            return Ok(Places { rows, dictionary: Some(DictionaryPlaces { keys, of_value }) });
        }
        Column::Text(texts) => find.texts(texts.iter()),
        Column::Int64(ints) => find.ints(ints.iter()),
        Column::UInt64(ints) => find.ints(ints.iter().map(|int| int?.try_into().ok())),
        Column::Int32(ints) => find.ints(ints.iter().map(|int| int.map(i64::from))),
        Column::UInt32(ints) => find.ints(ints.iter().map(|int| int.map(i64::from))),
        Column::UInt8(ints) => find.ints(ints.iter().map(|int| int.map(i64::from))),
        Column::Binary(bytes) => each(bytes.iter(), |bytes| find.bytes(bytes)),
        Column::Id16(ids) => each(ids.iter(), |id| find.bytes(&id)),
        Column::Any(any) => of_any(find, any),
        // `takes` has let no other kind pass.
        _ => vec![NOWHERE; keys.len()],
    };
    Ok(Places { rows, dictionary: None })
}

fn each<T>(keys: impl Iterator<Item = Option<T>>, mut find: impl FnMut(T) -> Option<u32>) -> Vec<u32> {
    keys.map(|key| key.and_then(&mut find).unwrap_or(NOWHERE)).collect()
}

fn of_any<F: Find>(find: &mut F, keys: &Any<'_>) -> Vec<u32> {
    // Texts that many rows have, as attributes do, are found once. A guest may send texts that are no row's.
    let texts = keys.text().filter(|texts| texts.len() <= keys.len() && distinct(texts) <= keys.len());
    let of_text = texts.map(|texts| texts.map(|text| find.text(text).unwrap_or(NOWHERE)));
    let one = |row: usize| match (keys.kind(row), &of_text) {
        (AnyKind::Text, Some(of_text)) => of_text.get(keys.text_place(row)?).copied(),
        _ => match keys.get(row) {
            AnyValue::Text(text) => find.text(text),
            AnyValue::Int(int) => find.int(int),
            AnyValue::Binary(bytes) => find.bytes(bytes),
            _ => None,
        },
    };
    (0..keys.len()).map(one).map(|place| place.unwrap_or(NOWHERE)).collect()
}

fn distinct(texts: &Text<'_>) -> usize {
    match texts {
        Text::Plain(texts) => texts.len(),
        Text::Dictionary(texts) => texts.values().len(),
    }
}
