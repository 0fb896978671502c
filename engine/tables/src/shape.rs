//! What fields the records of a MaxMind DB have.
//!
//! The format declares nothing: each record is a tree of maps, arrays and values. All records are looked at when a file is loaded, so
//! that a field that none has is told from one that this address has not, and so that a field is of one kind in every answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use maxminddb::PathElement;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

/// Different fields, of all records: GeoIP2 Enterprise has some 200.
pub(crate) const FIELDS_MAX: usize = 16_384;

/// What a value is, as a column's kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ValueKind {
    Text,
    Int64,
    UInt64,
    Double,
    Boolean,
    Binary,
    /// Of several kinds, in one record or another.
    Any,
}

/// The union of all records, from here on.
#[derive(Default, Debug)]
pub(crate) struct Shape {
    fields: BTreeMap<Box<str>, Shape>,
    /// Of an array, whatever their place.
    items: Option<Box<Shape>>,
    value: Option<ValueKind>,
}

/// A step on the way to a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Key(String),
    Item(usize),
}

/// A single value of a record; `None`: a map or array, or a number of 128 bits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Scalar<'a> {
    None,
    Text(&'a str),
    Int(i64),
    UInt(u64),
    Double(f64),
    Boolean(bool),
    Binary(&'a [u8]),
}

impl Shape {
    /// The way to a field, and what it is; `None`: no record has it, or it is no single value.
    pub fn resolve(&self, field: &str) -> Option<(Vec<Step>, ValueKind)> {
        let (mut shape, mut steps) = (self, Vec::new());
        // A record may be a value itself.
        let names = (!field.is_empty()).then(|| field.split('.')).into_iter().flatten();
        for name in names {
            shape = match (shape.fields.get(name), &shape.items) {
                (Some(below), _) => {
                    steps.push(Step::Key(name.to_owned()));
                    below
                }
                (None, Some(items)) => {
                    steps.push(Step::Item(name.parse().ok()?));
                    items
                }
                (None, None) => return None,
            };
        }
        Some((steps, shape.value?))
    }

    fn note(&mut self, value: ValueKind) {
        self.value = match self.value {
            None => Some(value),
            Some(noted) if noted == value => Some(noted),
            Some(ValueKind::Int64 | ValueKind::UInt64) if matches!(value, ValueKind::Int64 | ValueKind::UInt64) => {
                Some(ValueKind::Int64)
            }
            Some(_) => Some(ValueKind::Any),
        };
    }
}

impl Step {
    pub fn element(&self) -> PathElement<'_> {
        match self {
            Step::Key(key) => PathElement::Key(key),
            Step::Item(item) => PathElement::Index(*item),
        }
    }
}

/// What was seen of the records so far, and how many more fields there may be.
struct Seen {
    shape: Shape,
    room: usize,
}

thread_local! {
    /// The library decodes to a type and takes no seed: what a record is noted in stands here while [`noting`] runs.
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// A record that is noted by being decoded to this.
pub(crate) struct Noted;

/// The shape of all that is decoded as [`Noted`] by `decode`, on this thread; `None`: more fields than there may be.
pub(crate) fn noting<E>(decode: impl FnOnce() -> Result<(), E>) -> Result<Option<Shape>, E> {
    SEEN.set(Some(Seen { shape: Shape::default(), room: FIELDS_MAX }));
    let decoded = decode();
    let seen = SEEN.take();
    match seen {
        Some(seen) if seen.room == 0 => Ok(None),
        seen => decoded.map(|()| Some(seen.map(|seen| seen.shape).unwrap_or_default())),
    }
}

impl<'de> Deserialize<'de> for Noted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Noted, D::Error> {
        SEEN.with_borrow_mut(|seen| match seen {
            Some(Seen { shape, room }) => Note { shape, room }.deserialize(deserializer).map(|()| Noted),
            None => Err(Error::custom("nobody notes")),
        })
    }
}

struct Note<'s> {
    shape: &'s mut Shape,
    room: &'s mut usize,
}

impl<'de> DeserializeSeed<'de> for Note<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! notes {
    ($($visit:ident, $type:ty, $kind:ident;)*) => {$(
        fn $visit<E: de::Error>(self, _: $type) -> Result<(), E> {
            self.shape.note(ValueKind::$kind);
            Ok(())
        }
    )*};
}

impl<'de> Visitor<'de> for Note<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    notes! {
        visit_bool, bool, Boolean;
        visit_i32, i32, Int64;
        visit_i64, i64, Int64;
        visit_u16, u16, Int64;
        visit_u32, u32, Int64;
        visit_u64, u64, UInt64;
        visit_f32, f32, Double;
        visit_f64, f64, Double;
        visit_str, &str, Text;
        visit_bytes, &[u8], Binary;
    }

    /// No column is so wide: such a field is as if it were not there.
    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Note { shape, room } = self;
        while let Some(key) = map.next_key::<&str>()? {
            if !shape.fields.contains_key(key) {
                *room = room.saturating_sub(1);
                if *room == 0 {
                    return Err(Error::custom("too many fields"));
                }
                shape.fields.insert(key.into(), Shape::default());
            }
            match shape.fields.get_mut(key) {
                Some(below) => map.next_value_seed(Note { shape: below, room: &mut *room })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Note { shape, room } = self;
        let below = shape.items.get_or_insert_default();
        while items.next_element_seed(Note { shape: &mut *below, room: &mut *room })?.is_some() {}
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

macro_rules! scalars {
    ($($visit:ident, $type:ty, $value:ident => $make:expr;)*) => {$(
        fn $visit<E: de::Error>(self, $value: $type) -> Result<Scalar<'de>, E> {
            Ok($make)
        }
    )*};
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars! {
        visit_bool, bool, value => Scalar::Boolean(value);
        visit_i64, i64, value => Scalar::Int(value);
        visit_u64, u64, value => Scalar::UInt(value);
        visit_f64, f64, value => Scalar::Double(value);
        visit_borrowed_str, &'de str, value => Scalar::Text(value);
        visit_borrowed_bytes, &'de [u8], value => Scalar::Binary(value);
        visit_u128, u128, _value => Scalar::None;
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Scalar<'de>, A::Error> {
        Ok(Scalar::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Scalar<'de>, A::Error> {
        Ok(Scalar::None)
    }
}
