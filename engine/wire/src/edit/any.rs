//! `AnyValue` messages: written, and compared with what is there.

use super::values::Value;
use crate::field::{self, WireType};
use crate::project::value::{self, Parts};
use crate::varint;

/// Numbers of the cases of `AnyValue`'s `oneof`, and of the two parts of an entry.
pub(super) const ANY_LIST: u32 = 5;
pub(super) const ANY_MAP: u32 = 6;
pub(super) const ANY_LAST: u32 = 8;
pub(super) const ENTRY_KEY: u32 = 1;
pub(super) const ENTRY_VALUE: u32 = 2;

/// Bytes that [`put_any`] writes.
pub(super) fn any_len(value: &Value<'_>) -> usize {
    match value {
        Value::Null | Value::Empty => 0,
        Value::Text(text) => field::len_of(1, text.len()),
        Value::Bool(_) => 2,
        Value::Int(int) => 1 + varint::len(*int as u64),
        Value::Double(_) => 9,
        Value::List(list) => field::len_of(ANY_LIST, list.len()),
        Value::Map(map) => field::len_of(ANY_MAP, map.len()),
        Value::Bytes(bytes) => field::len_of(7, bytes.len()),
    }
}

/// Appends the fields of an `AnyValue`.
pub(super) fn put_any(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null | Value::Empty => {}
        Value::Text(text) => field::put_len(out, 1, text.as_bytes()),
        Value::Bool(bool) => {
            field::put_tag(out, 2, WireType::Varint);
            out.push(u8::from(*bool));
        }
        Value::Int(int) => {
            field::put_tag(out, 3, WireType::Varint);
            varint::put(out, *int as u64);
        }
        Value::Double(double) => {
            field::put_tag(out, 4, WireType::Fixed64);
            out.extend_from_slice(&double.to_le_bytes());
        }
        Value::List(list) => field::put_len(out, ANY_LIST, list),
        Value::Map(map) => field::put_len(out, ANY_MAP, map),
        Value::Bytes(bytes) => field::put_len(out, 7, bytes),
    }
}

/// Whether an `AnyValue` message is this value already, in whatever encoding. Doubles are the same when their bits are.
#[inline]
pub(super) fn is_any(message: &[u8], value: &Value<'_>) -> bool {
    const TEXT_TAG: u8 = 1 << 3 | WireType::Len as u8;
    if let (Value::Text(text), [TEXT_TAG, len @ 0..0x80, rest @ ..]) = (value, message)
        && *len as usize == rest.len()
    {
        return rest == text.as_bytes();
    }
    are_any(&Parts::One(message), value)
}

/// As [`is_any`], of a message in several parts.
pub(super) fn are_any(message: &Parts<'_>, value: &Value<'_>) -> bool {
    match (value::any_value(message), value) {
        (value::Value::Empty, Value::Empty) => true,
        (value::Value::Text(is), Value::Text(text)) => is == text.as_bytes(),
        (value::Value::Bool(is), Value::Bool(bool)) => is == *bool,
        (value::Value::Int(is), Value::Int(int)) => is == *int,
        (value::Value::Double(is), Value::Double(double)) => is.to_bits() == double.to_bits(),
        (value::Value::Bytes(is), Value::Bytes(bytes)) => is == *bytes,
        (value::Value::List(is), Value::List(list)) => together(&is, list),
        (value::Value::Map(is), Value::Map(map)) => together(&is, map),
        _ => false,
    }
}

/// Whether parts, one behind the other, are these bytes.
fn together(parts: &Parts<'_>, mut whole: &[u8]) -> bool {
    for part in parts.iter() {
        match whole.strip_prefix(part) {
            Some(rest) => whole = rest,
            None => return false,
        }
    }
    whole.is_empty()
}
