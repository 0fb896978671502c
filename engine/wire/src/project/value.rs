//! Values out of messages, whatever order, repetition and nesting they come in.
//!
//! This is the whole meaning of protobuf in one place: the last of a repeated scalar wins, messages that repeat where one
//! is expected merge, and of a `oneof` the last case wins, merged with an earlier one of the same case. Merging is
//! concatenation: a merged message is a list of [`Parts`], each a message of its own, and never copied.

use super::column::Column;
use crate::field::{RawField, WireType, fields};
use crate::path::{Code, Entry, Key};
use crate::{MetricKind, varint};

/// A message, in as many parts as it was written in.
#[derive(Clone, Debug)]
pub(crate) enum Parts<'a> {
    /// Nearly all are in one.
    One(&'a [u8]),
    Many(Vec<&'a [u8]>),
}

impl<'a> FromIterator<&'a [u8]> for Parts<'a> {
    fn from_iter<T: IntoIterator<Item = &'a [u8]>>(parts: T) -> Self {
        let mut all = Parts::One(&[]);
        parts.into_iter().for_each(|part| all.push(part));
        all
    }
}

impl<'a> Parts<'a> {
    fn push(&mut self, part: &'a [u8]) {
        match self {
            Parts::One([]) => *self = Parts::One(part),
            Parts::One(first) => *self = Parts::Many(vec![first, part]),
            Parts::Many(parts) => parts.push(part),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        match self {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts.as_slice(),
        }
        .iter()
        .copied()
    }

    /// The fields with this number.
    pub(crate) fn all(&self, number: u32) -> impl Iterator<Item = RawField<'a>> + '_ {
        self.iter().flat_map(fields).filter(move |field| field.number == number)
    }

    /// The last field with this number: the one that counts where one is expected.
    pub(crate) fn last(&self, number: u32) -> Option<RawField<'a>> {
        self.all(number).last()
    }

    /// The message in a field where one is expected; `None` where there is none.
    pub(crate) fn message(&self, number: u32) -> Option<Parts<'a>> {
        let mut all = self.all(number);
        let mut merged = Parts::One(all.next()?.payload());
        all.for_each(|field| merged.push(field.payload()));
        Some(merged)
    }
}

/// A value on its way into a column.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// There is none.
    Absent,
    /// An attribute, list element or body that is there and has no value.
    Empty,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    /// An `ArrayValue`.
    List(Parts<'a>),
    /// A `KeyValueList`.
    Map(Parts<'a>),
    /// The attributes in the fields `number` of a message.
    Attributes(Parts<'a>, u32),
}

/// Pushes the value (for a sequence: the values) of a field of `message`.
pub(crate) fn fill(column: &mut Column, message: &Parts<'_>, entry: &Entry, kind: MetricKind, keys: &[Key]) {
    let Some(steps) = entry.steps(kind) else {
        return column.push_absent();
    };
    let (Some((&number, steps)), repeats) = (steps.split_last(), entry.inner.is_some()) else {
        return column.push_absent();
    };
    if repeats {
        // One element for each inner record, each a message of its own: these do not merge.
        for inner in message.all(steps.first().copied().unwrap_or_default()) {
            column.push_element(&of_field(&Parts::One(inner.payload()), number, entry.code, keys));
        }
        return column.end_sequence();
    }
    let mut message = message.clone();
    for &step in steps {
        message = message.message(step).unwrap_or(Parts::One(&[]));
    }
    match entry.code {
        Code::Fixed64s | Code::Doubles | Code::Varints => {
            numbers(&message, number, entry.code, |value| column.push_element(&value));
            column.end_sequence();
        }
        Code::OptionalDouble if kind != MetricKind::Summary && message.last(number).is_none() => column.push_absent(),
        code => column.push(&of_field(&message, number, code, keys)),
    }
}

/// The value of one field of a message.
pub(super) fn of_field<'a>(message: &Parts<'a>, number: u32, code: Code, keys: &[Key]) -> Value<'a> {
    let last = || message.last(number);
    let varint = || last().map_or(0, |field| field.varint());
    let bytes = || last().map_or(&[][..], |field| field.payload());
    match code {
        Code::Text => Value::Text(bytes()),
        Code::Id8 => Some(bytes()).filter(|id| id.len() == 8).map_or(Value::Absent, Value::Bytes),
        Code::Id16 => Some(bytes()).filter(|id| id.len() == 16).map_or(Value::Absent, Value::Bytes),
        Code::Bool => Value::Bool(varint() != 0),
        Code::Int32 => Value::Int(i64::from(varint() as i32)),
        Code::SInt32 => Value::Int(i64::from(varint::unzigzag(u64::from(varint() as u32)) as i32)),
        Code::UInt32 => Value::UInt(u64::from(varint() as u32)),
        Code::Fixed32 => Value::UInt(last().map_or(0, |field| u64::from(field.fixed32()))),
        Code::Fixed64 => Value::UInt(last().map_or(0, |field| field.fixed64())),
        Code::Double | Code::OptionalDouble => Value::Double(f64::from_bits(last().map_or(0, |field| field.fixed64()))),
        Code::Any => message.message(number).map_or(Value::Absent, |any| within(any_value(&any), keys)),
        Code::Attributes => match keys {
            [] => Value::Attributes(message.clone(), number),
            [Key::Name(key), rest @ ..] => {
                entry_of(message, number, key).map_or(Value::Absent, |any| within(any, rest))
            }
            [Key::Index(_), ..] => Value::Absent,
        },
        Code::Number => of_two(message, number),
        Code::NumberInt => match of_two(message, number) {
            value @ Value::Int(_) => value,
            _ => Value::Absent,
        },
        Code::NumberDouble => match of_two(message, number) {
            value @ Value::Double(_) => value,
            _ => Value::Absent,
        },
        Code::Duration => {
            let [start, end] = [7, 8].map(|number| message.last(number).map_or(0, |field| field.fixed64()));
            Value::Int(end.wrapping_sub(start) as i64)
        }
        Code::Fixed64s | Code::Doubles | Code::Varints | Code::MetricType | Code::Metadata => Value::Absent,
    }
}

/// A `oneof` of a double and field 6, an integer: the last wins.
fn of_two<'a>(message: &Parts<'a>, double: u32) -> Value<'a> {
    let numbers = message.iter().flat_map(fields).filter(|field| field.number == double || field.number == 6);
    match numbers.last() {
        Some(field) if field.number == 6 => Value::Int(field.fixed64() as i64),
        Some(field) => Value::Double(f64::from_bits(field.fixed64())),
        None => Value::Absent,
    }
}

/// What an `AnyValue` holds.
pub(crate) fn any_value<'a>(any: &Parts<'a>) -> Value<'a> {
    let mut value = Value::Empty;
    for field in any.iter().flat_map(fields) {
        value = match (field.number, value) {
            (1, _) => Value::Text(field.payload()),
            (2, _) => Value::Bool(field.varint() != 0),
            (3, _) => Value::Int(field.varint() as i64),
            (4, _) => Value::Double(f64::from_bits(field.fixed64())),
            (5, Value::List(mut parts)) => {
                parts.push(field.payload());
                Value::List(parts)
            }
            (5, _) => Value::List(Parts::One(field.payload())),
            (6, Value::Map(mut parts)) => {
                parts.push(field.payload());
                Value::Map(parts)
            }
            (6, _) => Value::Map(Parts::One(field.payload())),
            (7, _) => Value::Bytes(field.payload()),
            // An index into a table of strings, which only profiles have.
            (8, _) => Value::Empty,
            (_, value) => value,
        };
    }
    value
}

/// The value of the first entry with this key, among the `KeyValue`s in the fields `number`.
fn entry_of<'a>(message: &Parts<'a>, number: u32, key: &str) -> Option<Value<'a>> {
    message
        .all(number)
        .map(|field| Parts::One(field.payload()))
        .find(|entry| key_of(entry) == key.as_bytes())
        .map(|entry| value_of(&entry))
}

/// The key of a `KeyValue`.
pub(crate) fn key_of<'a>(entry: &Parts<'a>) -> &'a [u8] {
    entry.last(1).map_or(&[], |field| field.payload())
}

/// The value of a `KeyValue`. Without one it is empty, as with one that holds nothing.
pub(crate) fn value_of<'a>(entry: &Parts<'a>) -> Value<'a> {
    entry.message(2).map_or(Value::Empty, |any| any_value(&any))
}

/// Follows keys into a value.
pub(super) fn within<'a>(value: Value<'a>, keys: &[Key]) -> Value<'a> {
    let mut value = value;
    for key in keys {
        value = match (value, key) {
            (Value::Map(entries), Key::Name(key)) => entry_of(&entries, 1, key).unwrap_or(Value::Absent),
            (Value::List(elements), &Key::Index(place)) => match elements.all(1).nth(place as usize) {
                Some(element) => any_value(&Parts::One(element.payload())),
                None => Value::Absent,
            },
            _ => return Value::Absent,
        };
    }
    value
}

/// Repeated numbers, packed or not.
fn numbers<'a>(message: &Parts<'a>, number: u32, code: Code, mut each: impl FnMut(Value<'a>)) {
    for field in message.all(number) {
        let payload = field.payload();
        match (code, field.wire) {
            (Code::Varints, WireType::Len) => {
                let mut at = 0;
                while let Some((value, next)) = varint::read(payload, at) {
                    each(Value::UInt(value));
                    at = next;
                }
            }
            (Code::Varints, _) => each(Value::UInt(field.varint())),
            (code, _) => {
                for chunk in payload.as_chunks::<8>().0 {
                    let bits = u64::from_le_bytes(*chunk);
                    each(match code {
                        Code::Doubles => Value::Double(f64::from_bits(bits)),
                        _ => Value::UInt(bits),
                    });
                }
            }
        }
    }
}
