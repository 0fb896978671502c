//! Columns that are typed by row: attributes, bodies.

use crate::{AnyKind, Binary, Bitmap, Boolean, Text, Values};

/// A value of its own type for each row.
#[derive(Clone, Copy, Debug)]
pub struct Any<'a> {
    pub(crate) kinds: &'a [u8],
    /// Each row's place in the child of its kind.
    pub(crate) places: Values<'a, u32>,
    pub(crate) text: Option<Text<'a>>,
    pub(crate) int: Option<Values<'a, i64>>,
    pub(crate) double: Option<Values<'a, f64>>,
    pub(crate) boolean: Option<Boolean<'a>>,
    pub(crate) binary: Option<Binary<'a>>,
    pub(crate) list: Option<Binary<'a>>,
    pub(crate) map: Option<Binary<'a>>,
}

/// One dynamically typed value. Lists and maps are opaque: they can be handed back as they are.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum AnyValue<'a> {
    Absent,
    Empty,
    Text(&'a str),
    Int(i64),
    Double(f64),
    Boolean(bool),
    Binary(&'a [u8]),
    List(&'a [u8]),
    Map(&'a [u8]),
}

impl<'a> Any<'a> {
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The row's type; absent behind the end.
    #[inline]
    pub fn kind(&self, row: usize) -> AnyKind {
        self.kinds.get(row).and_then(|&kind| AnyKind::from_number(kind)).unwrap_or(AnyKind::Absent)
    }

    /// An [`AnyKind`]'s number for each row.
    pub fn kinds(&self) -> &'a [u8] {
        self.kinds
    }

    /// Each row's place in the child of its kind; means nothing where a row is absent or empty.
    pub fn places(&self) -> Values<'a, u32> {
        self.places
    }

    /// The row's value; absent behind the end.
    #[inline]
    pub fn get(&self, row: usize) -> AnyValue<'a> {
        let place = self.places.raw(row) as usize;
        let value = match self.kind(row) {
            AnyKind::Absent => None,
            AnyKind::Empty => Some(AnyValue::Empty),
            AnyKind::Text => self.text.and_then(|child| child.get(place)).map(AnyValue::Text),
            AnyKind::Int => self.int.and_then(|child| child.get(place)).map(AnyValue::Int),
            AnyKind::Double => self.double.and_then(|child| child.get(place)).map(AnyValue::Double),
            AnyKind::Boolean => self.boolean.and_then(|child| child.get(place)).map(AnyValue::Boolean),
            AnyKind::Binary => self.binary.and_then(|child| child.get(place)).map(AnyValue::Binary),
            AnyKind::List => self.list.and_then(|child| child.get(place)).map(AnyValue::List),
            AnyKind::Map => self.map.and_then(|child| child.get(place)).map(AnyValue::Map),
        };
        value.unwrap_or(AnyValue::Absent)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = AnyValue<'a>> + Clone + use<'a> {
        let column = *self;
        (0..self.len()).map(move |row| column.get(row))
    }

    /// The rows whose value is as `wanted` says, absent ones included. It is asked once for each text that the column holds,
    /// which may be none's, and once for each row of another type.
    pub fn matches(&self, mut wanted: impl FnMut(AnyValue<'a>) -> bool) -> Bitmap {
        let texts = self.text.map(|texts| texts.matches(|text| wanted(AnyValue::Text(text)))).unwrap_or_default();
        Bitmap::from_fn(self.len(), |row| match self.kind(row) {
            AnyKind::Text => texts.get(self.places.raw(row) as usize),
            _ => wanted(self.get(row)),
        })
    }

    /// The row's value if it is text.
    #[inline]
    pub fn text_at(&self, row: usize) -> Option<&'a str> {
        match self.get(row) {
            AnyValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Where the row's value is in [`text`](Any::text), if it is text.
    #[inline]
    pub fn text_place(&self, row: usize) -> Option<usize> {
        if self.kind(row) == AnyKind::Text { Some(self.places.raw(row) as usize) } else { None }
    }

    /// All text values, for whoever looks at each distinct one once: a row of kind text is at its
    /// [`text_place`](Any::text_place).
    /// `None` where no row is text, and likewise below.
    pub fn text(&self) -> Option<Text<'a>> {
        self.text
    }

    pub fn int(&self) -> Option<Values<'a, i64>> {
        self.int
    }

    pub fn double(&self) -> Option<Values<'a, f64>> {
        self.double
    }

    pub fn boolean(&self) -> Option<Boolean<'a>> {
        self.boolean
    }

    pub fn binary(&self) -> Option<Binary<'a>> {
        self.binary
    }

    pub fn list(&self) -> Option<Binary<'a>> {
        self.list
    }

    pub fn map(&self) -> Option<Binary<'a>> {
        self.map
    }
}

impl AnyValue<'_> {
    pub fn kind(&self) -> AnyKind {
        match self {
            AnyValue::Absent => AnyKind::Absent,
            AnyValue::Empty => AnyKind::Empty,
            AnyValue::Text(_) => AnyKind::Text,
            AnyValue::Int(_) => AnyKind::Int,
            AnyValue::Double(_) => AnyKind::Double,
            AnyValue::Boolean(_) => AnyKind::Boolean,
            AnyValue::Binary(_) => AnyKind::Binary,
            AnyValue::List(_) => AnyKind::List,
            AnyValue::Map(_) => AnyKind::Map,
        }
    }
}

impl<'a> From<&'a str> for AnyValue<'a> {
    fn from(value: &'a str) -> Self {
        AnyValue::Text(value)
    }
}

impl From<i64> for AnyValue<'_> {
    fn from(value: i64) -> Self {
        AnyValue::Int(value)
    }
}

impl From<f64> for AnyValue<'_> {
    fn from(value: f64) -> Self {
        AnyValue::Double(value)
    }
}

impl From<bool> for AnyValue<'_> {
    fn from(value: bool) -> Self {
        AnyValue::Boolean(value)
    }
}
