//! Columns with several values for each row.

use std::ops::Range;

use crate::text::range;
use crate::{Any, AnyValue, Bits, Block, Column, Text};

/// A list for each row: a field of its events, links or exemplars; a histogram's buckets.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    pub(crate) len: usize,
    pub(crate) offsets: &'a [[u8; 4]],
    pub(crate) validity: Option<Bits<'a>>,
    pub(crate) block: &'a Block<'a>,
    pub(crate) child: usize,
}

/// A whole set of attributes for each row, in the order in which they came; a key may repeat.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    pub(crate) len: usize,
    pub(crate) offsets: &'a [[u8; 4]],
    pub(crate) validity: Option<Bits<'a>>,
    pub(crate) keys: Text<'a>,
    pub(crate) values: Any<'a>,
}

impl<'a> Sequence<'a> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// 1 where there is a list; `None`: every row has one.
    pub fn validity(&self) -> Option<Bits<'a>> {
        self.validity
    }

    /// Where the row's values are in [`values`](Sequence::values); nowhere where it has none.
    #[inline]
    pub fn places(&self, row: usize) -> Range<usize> {
        if self.validity.is_none_or(|bits| bits.get(row)) { range(self.offsets, row) } else { 0..0 }
    }

    /// The values of all rows, one behind the other.
    pub fn values(&self) -> Column<'a> {
        self.block.at(self.child)
    }
}

impl<'a> Attributes<'a> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// 1 where there is a set; `None`: every row has one.
    pub fn validity(&self) -> Option<Bits<'a>> {
        self.validity
    }

    /// Where the row's entries are in [`keys`](Attributes::keys) and [`values`](Attributes::values). These are the numbers
    /// that an edit of single entries is about.
    #[inline]
    pub fn places(&self, row: usize) -> Range<usize> {
        if self.validity.is_none_or(|bits| bits.get(row)) { range(self.offsets, row) } else { 0..0 }
    }

    /// The keys of all rows, one behind the other.
    pub fn keys(&self) -> Text<'a> {
        self.keys
    }

    /// The values of all rows, one behind the other.
    pub fn values(&self) -> Any<'a> {
        self.values
    }

    /// The row's attributes, in order.
    pub fn entries(&self, row: usize) -> impl Iterator<Item = (&'a str, AnyValue<'a>)> + use<'a> {
        let (keys, values) = (self.keys, self.values);
        self.places(row).filter_map(move |place| Some((keys.get(place)?, values.get(place))))
    }
}
