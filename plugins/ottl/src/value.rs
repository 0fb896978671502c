//! One value, and lists and maps as they lie in a column: encoded OTLP.
//!
//! A list is an encoded `ArrayValue`, a map an encoded `KeyValueList`. They are walked where they lie; only a nested value
//! that is changed is written anew.

use wasmill_columns::AnyValue;

/// Messages in each other at most, as on the wire.
const DEPTH_MAX: usize = 100;

/// What an expression can be for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(&'a [u8]),
    Map(&'a [u8]),
    SpanId([u8; 8]),
    TraceId([u8; 16]),
}

impl<'a> From<AnyValue<'a>> for Value<'a> {
    fn from(value: AnyValue<'a>) -> Value<'a> {
        match value {
            AnyValue::Absent | AnyValue::Empty => Value::Nil,
            AnyValue::Text(text) => Value::Text(text),
            AnyValue::Int(value) => Value::Int(value),
            AnyValue::Double(value) => Value::Double(value),
            AnyValue::Boolean(value) => Value::Bool(value),
            AnyValue::Binary(bytes) => Value::Bytes(bytes),
            AnyValue::List(list) => Value::List(list),
            AnyValue::Map(map) => Value::Map(map),
        }
    }
}

impl Value<'_> {
    /// Appends the value as text, as `body.string` has it: nothing for nil, JSON for lists and maps. It never fails.
    pub fn write_text(self, out: &mut String) {
        crate::convert::plain_text_of(self, out);
    }

    /// Whether two values are one, of the same type; maps in whatever order.
    pub fn is_same(self, other: Value<'_>) -> bool {
        self.is_same_within(other, 0)
    }
}

/// A whole number of a text: digits with or without a sign. `None`: it is none, or does not fit.
pub fn int_of_text(text: &str) -> Option<i64> {
    crate::convert::int_of_text(text).ok()
}

/// A number of a text. `None`: it is none, or out of range.
pub fn double_of_text(text: &str) -> Option<f64> {
    crate::convert::double_of_text(text).ok()
}

/// Towards zero; what is out of range is the smallest number, as on the Collector's usual machines.
pub fn int_of_double(value: f64) -> i64 {
    crate::convert::int_of_double(value)
}

/// Fields of `AnyValue`.
const TEXT: u64 = 1;
const BOOL: u64 = 2;
const INT: u64 = 3;
const DOUBLE: u64 = 4;
const LIST: u64 = 5;
const MAP: u64 = 6;
const BYTES: u64 = 7;

/// `values` of `ArrayValue` and of `KeyValueList`.
const VALUES: u64 = 1;

/// Fields of `KeyValue`.
const KEY: u64 = 1;
const VALUE: u64 = 2;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// The fields of a message: number, and what it carries. Ends at what is no field; the host has checked that there is none.
#[derive(Clone)]
struct Fields<'a> {
    rest: &'a [u8],
}

#[derive(Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for place in 0..10 {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<(u64, Field<'a>)> {
        if self.rest.is_empty() {
            return None;
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            VARINT => Field::Number(self.varint()?),
            FIXED64 => Field::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            LENGTH => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            FIXED32 => Field::Number(u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))),
            _ => return None,
        };
        Some((tag >> 3, field))
    }
}

/// The value of an encoded `AnyValue`.
fn decode(any: &[u8]) -> Value<'_> {
    let mut value = Value::Nil;
    for (number, field) in (Fields { rest: any }) {
        value = match (number, field) {
            (TEXT, Field::Bytes(text)) => Value::Text(str::from_utf8(text).unwrap_or_default()),
            (BOOL, Field::Number(number)) => Value::Bool(number != 0),
            (INT, Field::Number(number)) => Value::Int(number as i64),
            (DOUBLE, Field::Number(bits)) => Value::Double(f64::from_bits(bits)),
            (LIST, Field::Bytes(list)) => Value::List(list),
            (MAP, Field::Bytes(map)) => Value::Map(map),
            (BYTES, Field::Bytes(bytes)) => Value::Bytes(bytes),
            _ => continue,
        };
    }
    value
}

/// The values of a list, in order.
pub fn items(list: &[u8]) -> impl Iterator<Item = Value<'_>> + Clone {
    Fields { rest: list }.filter_map(|field| match field {
        (VALUES, Field::Bytes(any)) => Some(decode(any)),
        _ => None,
    })
}

/// The entries of a map, in order; a key may repeat.
pub fn entries(map: &[u8]) -> impl Iterator<Item = (&str, Value<'_>)> + Clone {
    Fields { rest: map }.filter_map(|field| match field {
        (VALUES, Field::Bytes(entry)) => {
            let (mut key, mut value) = ("", Value::Nil);
            for field in (Fields { rest: entry }) {
                match field {
                    (KEY, Field::Bytes(text)) => key = str::from_utf8(text).unwrap_or_default(),
                    (VALUE, Field::Bytes(any)) => value = decode(any),
                    _ => {}
                }
            }
            Some((key, value))
        }
        _ => None,
    })
}

/// The first value of a key.
pub(crate) fn entry<'a>(map: &'a [u8], key: &str) -> Option<Value<'a>> {
    entries(map).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Appends a value to an encoded list. An id has no encoding as a value and becomes empty; callers refuse it before.
pub fn push_item(list: &mut Vec<u8>, value: Value<'_>) {
    put_message(list, VALUES, any_length(value));
    put_any(list, value);
}

/// Appends an entry to an encoded map.
pub fn push_entry(map: &mut Vec<u8>, key: &str, value: Value<'_>) {
    let any = any_length(value);
    put_message(map, VALUES, field_length(key.len()) + field_length(any));
    put_message(map, KEY, key.len());
    map.extend_from_slice(key.as_bytes());
    put_message(map, VALUE, any);
    put_any(map, value);
}

fn put_message(out: &mut Vec<u8>, number: u64, length: usize) {
    put_varint(out, number << 3 | LENGTH);
    put_varint(out, length as u64);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes of a field of some length, with its tag of one byte.
fn field_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

fn any_length(value: Value<'_>) -> usize {
    match value {
        Value::Nil | Value::SpanId(_) | Value::TraceId(_) => 0,
        Value::Bool(_) => 2,
        Value::Int(value) => 1 + varint_length(value as u64),
        Value::Double(_) => 9,
        Value::Text(text) => field_length(text.len()),
        Value::Bytes(bytes) | Value::List(bytes) | Value::Map(bytes) => field_length(bytes.len()),
    }
}

fn put_any(out: &mut Vec<u8>, value: Value<'_>) {
    let mut bytes = |number, bytes: &[u8]| {
        put_message(out, number, bytes.len());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Nil | Value::SpanId(_) | Value::TraceId(_) => {}
        Value::Bool(value) => out.extend([(BOOL << 3 | VARINT) as u8, u8::from(value)]),
        Value::Int(value) => {
            out.push((INT << 3 | VARINT) as u8);
            put_varint(out, value as u64);
        }
        Value::Double(value) => {
            out.push((DOUBLE << 3 | FIXED64) as u8);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Value::Text(text) => bytes(TEXT, text.as_bytes()),
        Value::Bytes(value) => bytes(BYTES, value),
        Value::List(value) => bytes(LIST, value),
        Value::Map(value) => bytes(MAP, value),
    }
}

impl Value<'_> {
    /// Whether two values are one, of the same type; maps in whatever order. This is equality inside lists and maps, where
    /// 1 and 1.0 differ. Nothing is equal to what is nested too deep.
    pub(crate) fn is_same_within(self, other: Value<'_>, depth: usize) -> bool {
        if depth > DEPTH_MAX {
            return false;
        }
        match (self, other) {
            (Value::List(left), Value::List(right)) => {
                let (mut left, mut right) = (items(left), items(right));
                loop {
                    match (left.next(), right.next()) {
                        (None, None) => return true,
                        (Some(left), Some(right)) if left.is_same_within(right, depth + 1) => {}
                        _ => return false,
                    }
                }
            }
            (Value::Map(left), Value::Map(right)) => {
                entries(left).count() == entries(right).count()
                    && entries(left).all(|(key, value)| {
                        entry(right, key).is_some_and(|other| value.is_same_within(other, depth + 1))
                    })
            }
            (left, right) => left == right,
        }
    }

    /// Empty bytes are nil to a comparison, as a value without a type is.
    fn normal(self) -> Self {
        match self {
            Value::Bytes([]) => Value::Nil,
            value => value,
        }
    }
}

/// Compares by run-time type. Types that do not compare are unequal, and in no order.
pub(crate) fn compare(comparison: crate::ast::Comparison, left: Value<'_>, right: Value<'_>) -> bool {
    use crate::ast::Comparison;
    let equality = |same: bool| match comparison {
        Comparison::Equal => same,
        Comparison::NotEqual => !same,
        _ => false,
    };
    let order = match (left.normal(), right.normal()) {
        (Value::Nil, Value::Nil) => Some(std::cmp::Ordering::Equal),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(&right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(&right)),
        (Value::Int(left), Value::Double(right)) => (left as f64).partial_cmp(&right),
        (Value::Double(left), Value::Int(right)) => left.partial_cmp(&(right as f64)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(&right),
        (Value::Text(left), Value::Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (left, right) => return equality(left.is_same(right)),
    };
    match comparison {
        Comparison::Equal => order.is_some_and(|order| order.is_eq()),
        Comparison::NotEqual => !order.is_some_and(|order| order.is_eq()),
        Comparison::Less => order.is_some_and(|order| order.is_lt()),
        Comparison::LessOrEqual => order.is_some_and(|order| order.is_le()),
        Comparison::Greater => order.is_some_and(|order| order.is_gt()),
        Comparison::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
    }
}
