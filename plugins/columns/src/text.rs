//! Columns of text and bytes.

use std::ops::Range;

use crate::{Bitmap, Bits, Fixed, Values};

/// Bytes for each row, cut by offsets.
#[derive(Clone, Copy, Debug)]
pub struct Binary<'a> {
    len: usize,
    /// `len + 1`, or none where `len` is 0.
    offsets: &'a [[u8; 4]],
    values: &'a [u8],
    validity: Option<Bits<'a>>,
}

/// Text for each row, cut by offsets.
#[derive(Clone, Copy, Debug)]
pub struct PlainText<'a>(
    /// UTF-8 between each pair of offsets.
    Binary<'a>,
);

/// Text for each row, as the number of a value in a dictionary.
#[derive(Clone, Copy, Debug)]
pub struct Dictionary<'a> {
    keys: Values<'a, u32>,
    values: PlainText<'a>,
}

/// Text for each row, in either form.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    Plain(PlainText<'a>),
    Dictionary(Dictionary<'a>),
}

/// What [`Text::map`] made of each row's text.
#[derive(Clone, Debug)]
pub struct Mapped<'a, R> {
    results: Vec<R>,
    /// `None`: a row's result is at its own number.
    keys: Option<Values<'a, u32>>,
    validity: Option<Bits<'a>>,
}

impl<'a> Binary<'a> {
    pub(crate) fn new(len: usize, offsets: &'a [u8], values: &'a [u8], validity: Option<Bits<'a>>) -> Self {
        Binary { len, offsets: <u32 as Fixed>::cut(offsets), values, validity }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// 1 where there is a value; `None`: every row has one.
    pub fn validity(&self) -> Option<Bits<'a>> {
        self.validity
    }

    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        row < self.len && self.validity.is_none_or(|bits| bits.get(row))
    }

    /// The row's bytes; `None` where it has none, and behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a [u8]> {
        if self.is_valid(row) { Some(self.raw(row)) } else { None }
    }

    /// What lies at the row, whether it counts or not; nothing behind the end.
    #[inline]
    pub fn raw(&self, row: usize) -> &'a [u8] {
        self.values.get(range(self.offsets, row)).unwrap_or_default()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a [u8]>> + Clone + use<'a> {
        let column = *self;
        (0..self.len).map(move |row| column.get(row))
    }

    /// All values, one behind the other.
    pub fn bytes(&self) -> &'a [u8] {
        self.values
    }
}

impl<'a> PlainText<'a> {
    /// # Safety
    /// Every row of `binary` is UTF-8.
    pub(crate) unsafe fn new(binary: Binary<'a>) -> Self {
        PlainText(binary)
    }

    pub fn len(&self) -> usize {
        self.0.len
    }

    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// 1 where there is a value; `None`: every row has one.
    pub fn validity(&self) -> Option<Bits<'a>> {
        self.0.validity
    }

    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        self.0.is_valid(row)
    }

    /// The row's text; `None` where it has none, and behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        if self.is_valid(row) { Some(self.raw(row)) } else { None }
    }

    /// What lies at the row, whether it counts or not; nothing behind the end.
    #[inline]
    pub fn raw(&self, row: usize) -> &'a str {
        // SAFETY: each row is UTF-8, as `new` demands: `Block::check` has seen it, or the maker of a trusted block vouched.
        unsafe { str::from_utf8_unchecked(self.0.raw(row)) }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + Clone + use<'a> {
        let column = *self;
        (0..self.len()).map(move |row| column.get(row))
    }

    /// The same as bytes.
    pub fn as_binary(&self) -> Binary<'a> {
        self.0
    }
}

impl<'a> Dictionary<'a> {
    pub(crate) fn new(keys: Values<'a, u32>, values: PlainText<'a>) -> Self {
        Dictionary { keys, values }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of each row's value in [`values`](Dictionary::values). Where a row has no value, its raw key is in range
    /// nonetheless, or 0.
    pub fn keys(&self) -> Values<'a, u32> {
        self.keys
    }

    /// The dictionary: every row of it has a value. Values may repeat, and some may belong to no row.
    pub fn values(&self) -> PlainText<'a> {
        self.values
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        self.values.get(self.keys.get(row)? as usize)
    }
}

impl<'a> Text<'a> {
    pub fn len(&self) -> usize {
        match self {
            Text::Plain(text) => text.len(),
            Text::Dictionary(text) => text.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// 1 where there is a value; `None`: every row has one.
    pub fn validity(&self) -> Option<Bits<'a>> {
        match self {
            Text::Plain(text) => text.validity(),
            Text::Dictionary(text) => text.keys.validity(),
        }
    }

    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        match self {
            Text::Plain(text) => text.is_valid(row),
            Text::Dictionary(text) => text.keys.is_valid(row),
        }
    }

    /// The row's text; `None` where it has none, and behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Text::Plain(text) => text.get(row),
            Text::Dictionary(text) => text.get(row),
        }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + Clone + use<'a> {
        let column = *self;
        (0..self.len()).map(move |row| column.get(row))
    }

    /// The rows whose text is as `wanted` says, asked once for each value of the dictionary where there is one. Rows
    /// without a value are not.
    pub fn matches(&self, mut wanted: impl FnMut(&'a str) -> bool) -> Bitmap {
        let mut bitmap = match self {
            Text::Plain(text) => Bitmap::from_fn(text.len(), |row| wanted(text.raw(row))),
            Text::Dictionary(text) => {
                let table: Vec<bool> = (0..text.values.len()).map(|key| wanted(text.values.raw(key))).collect();
                text.keys.matches(|key| table.get(key as usize).copied().unwrap_or(false))
            }
        };
        bitmap.and_valid(self.validity());
        bitmap
    }

    /// What `look` makes of each row's text. It is asked once for each value of the dictionary where there is one, which may be
    /// none's: what costs, costs once, whatever the number of rows.
    pub fn map<R>(&self, look: impl FnMut(&'a str) -> R) -> Mapped<'a, R> {
        let (texts, keys) = match *self {
            Text::Plain(text) => (text, None),
            Text::Dictionary(text) => (text.values, Some(text.keys)),
        };
        let results = (0..texts.len()).map(|at| texts.raw(at)).map(look).collect();
        Mapped { results, keys, validity: self.validity() }
    }
}

impl<R> Mapped<'_, R> {
    /// What was made of the row's text; `None` where it has none, and behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&R> {
        if !self.validity.is_none_or(|bits| bits.get(row)) {
            return None;
        }
        match self.keys {
            Some(keys) if row >= keys.len() => None,
            Some(keys) => self.results.get(keys.raw(row) as usize),
            None => self.results.get(row),
        }
    }

    /// All that was made, once each, also what may be no row's.
    pub fn results(&self) -> &[R] {
        &self.results
    }
}

/// Where a row begins and ends; nowhere behind the end.
#[inline]
pub(crate) fn range(offsets: &[[u8; 4]], row: usize) -> Range<usize> {
    match offsets.get(row..).and_then(|rest| rest.first_chunk::<2>()) {
        Some(&[start, end]) => <u32 as Fixed>::from_le(start) as usize..<u32 as Fixed>::from_le(end) as usize,
        None => 0..0,
    }
}
