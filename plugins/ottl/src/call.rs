//! Functions and arithmetic, for one row.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::Reason;
use crate::ast::Arithmetic;
use crate::cell::{Cell, Made, Vector};
use crate::convert::{
    bool_of_text, bytes_of_hex, double_of_text, hex, int_of_double, int_of_text, plain_text_of, text_of,
};
use crate::fields::Derived;
use crate::machine::Scratch;
use crate::plan::{Digest, Function, Pattern, Type};
use crate::value::{Value, entries, items, push_entry, push_item};

/// The text of a cell, or the failure that it is none.
pub(crate) fn text<'m, 'a: 'm>(cell: Cell<'a>, made: &'m Made) -> Result<&'m str, Reason> {
    match cell.value(made) {
        Value::Text(text) => Ok(text),
        _ => Err(Reason::NotText),
    }
}

fn int(cell: Cell<'_>) -> Result<i64, Reason> {
    match cell {
        Cell::Int(value) => Ok(value),
        _ => Err(Reason::NotInt),
    }
}

/// Calls a function. No argument has failed.
pub(crate) fn apply<'a>(
    function: &Function,
    scratch: &mut Scratch,
    arguments: &[Vector<'a>],
    place: usize,
) -> Result<Cell<'a>, Reason> {
    let argument = |number: usize| arguments.get(number).map_or(Cell::Absent, |vector| vector.get(place));
    let Scratch { made, text: out, bytes, patterns, .. } = scratch;
    let target = argument(0);
    Ok(match function {
        Function::IsMatch(pattern) => {
            let regex = match pattern {
                Pattern::Fixed(regex) => regex,
                Pattern::Computed(_) => patterns.get(text(argument(1), made)?).ok_or(Reason::BadPattern)?,
            };
            Cell::Bool(match target.value(made) {
                Value::Nil => false,
                Value::Text(text) => regex.is_match(text),
                value => {
                    out.clear();
                    text_of(value, out)?;
                    regex.is_match(out)
                }
            })
        }
        Function::HasPrefix => Cell::Bool(text(target, made)?.starts_with(text(argument(1), made)?)),
        Function::HasSuffix => Cell::Bool(text(target, made)?.ends_with(text(argument(1), made)?)),
        Function::Concat => {
            let (delimiter, values) =
                arguments.split_last().map_or((Cell::Absent, arguments), |(last, values)| (last.get(place), values));
            let delimiter = text(delimiter, made)?;
            out.clear();
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push_str(delimiter);
                }
                match value.get(place).value(made) {
                    Value::Nil => out.push_str("<nil>"),
                    value => text_of(value, out)?,
                }
            }
            made.text(out)
        }
        Function::String => match target.value(made) {
            Value::Nil => Cell::Absent,
            Value::Text(_) => target,
            value => {
                out.clear();
                text_of(value, out)?;
                made.text(out)
            }
        },
        Function::Int | Function::Double | Function::Bool => return number(function, target.value(made)),
        Function::ConvertCase(case) => {
            out.clear();
            case.convert(text(target, made)?, out);
            made.text(out)
        }
        Function::Sha256 => {
            let digest = Sha256::digest(text(target, made)?.as_bytes());
            out.clear();
            hex(&digest, out);
            made.text(out)
        }
        Function::Digest(digest) => {
            let bytes = text(target, made)?.as_bytes();
            out.clear();
            match digest {
                Digest::Md5 => hex(&Md5::digest(bytes), out),
                Digest::Sha1 => hex(&Sha1::digest(bytes), out),
                Digest::Sha512 => hex(&Sha512::digest(bytes), out),
            }
            made.text(out)
        }
        Function::Fnv => Cell::Int(fnv(text(target, made)?.as_bytes()) as i64),
        Function::Trim(cut) => {
            out.clear();
            out.push_str(text(target, made)?.trim_matches(|c| cut.contains(c)));
            made.text(out)
        }
        Function::TrimPrefix => {
            let (whole, prefix) = (text(target, made)?, text(argument(1), made)?);
            out.clear();
            out.push_str(whole.strip_prefix(prefix).unwrap_or(whole));
            made.text(out)
        }
        Function::TrimSuffix => {
            let (whole, suffix) = (text(target, made)?, text(argument(1), made)?);
            out.clear();
            out.push_str(whole.strip_suffix(suffix).unwrap_or(whole));
            made.text(out)
        }
        Function::ParseJson => {
            let json = serde_json::from_str(text(target, made)?).map_err(|_| Reason::NotJson)?;
            bytes.clear();
            match json {
                serde_json::Value::Array(items) => {
                    push_json_items(&items, bytes);
                    made.list(bytes)
                }
                serde_json::Value::Object(entries) => {
                    push_json_entries(&entries, bytes);
                    made.map(bytes)
                }
                _ => return Err(Reason::NotJson),
            }
        }
        Function::ExtractPatterns(pattern) => {
            let text = text(target, made)?;
            bytes.clear();
            if let Some(found) = pattern.captures(text) {
                for (name, group) in pattern.capture_names().zip(found.iter()) {
                    let Some(name) = name else { continue };
                    push_entry(bytes, name, Value::Text(group.map_or("", |group| group.as_str())));
                }
            }
            made.map(bytes)
        }
        Function::Len => Cell::Int(match target.value(made) {
            Value::Text(text) => text.len() as i64,
            Value::Bytes(bytes) => bytes.len() as i64,
            Value::List(list) => items(list).count() as i64,
            Value::Map(map) => entries(map).count() as i64,
            Value::SpanId(_) | Value::TraceId(_) | Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Double(_) => {
                return Err(Reason::NoLength);
            }
        }),
        Function::Is(expected) => Cell::Bool(matches!(
            (expected, target.value(made)),
            (Type::Text, Value::Text(_))
                | (Type::Int, Value::Int(_))
                | (Type::Double, Value::Double(_))
                | (Type::Bool, Value::Bool(_))
                | (Type::Map, Value::Map(_))
                | (Type::List, Value::List(_))
        )),
        Function::IsRootSpan => Cell::Bool(target == Cell::SpanId([0; 8])),
        Function::Substring(whole) => return substring(*whole, made, target, int(argument(1))?, int(argument(2))?),
        Function::Split => {
            split(text(target, made)?, text(argument(1), made)?, bytes);
            made.list(bytes)
        }
        Function::SpanId => {
            let mut id = [0; 8];
            id_of(target.value(made), &mut id)?;
            Cell::SpanId(id)
        }
        Function::TraceId => {
            let mut id = [0; 16];
            id_of(target.value(made), &mut id)?;
            Cell::TraceId(id)
        }
    })
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A value of JSON, as attributes have it; `inner` holds what a list or a map is made of. All numbers have a point, as Go reads
/// them. The reader bounds how deep it goes.
fn json_value<'j>(json: &'j serde_json::Value, inner: &'j mut Vec<u8>) -> Value<'j> {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Double(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => {
            push_json_items(items, inner);
            Value::List(inner)
        }
        serde_json::Value::Object(entries) => {
            push_json_entries(entries, inner);
            Value::Map(inner)
        }
    }
}

fn push_json_items(items: &[serde_json::Value], list: &mut Vec<u8>) {
    for item in items {
        push_item(list, json_value(item, &mut Vec::new()));
    }
}

fn push_json_entries(entries: &serde_json::Map<String, serde_json::Value>, map: &mut Vec<u8>) {
    for (key, item) in entries {
        push_entry(map, key, json_value(item, &mut Vec::new()));
    }
}

/// `Int`, `Double` and `Bool`. Nil stays nil.
fn number(function: &Function, value: Value<'_>) -> Result<Cell<'static>, Reason> {
    Ok(match (function, value) {
        (_, Value::Nil) => Cell::Absent,
        (Function::Int, Value::Int(value)) => Cell::Int(value),
        (Function::Int, Value::Double(value)) => Cell::Int(int_of_double(value)),
        (Function::Int, Value::Bool(value)) => Cell::Int(value.into()),
        (Function::Int, Value::Text(text)) => Cell::Int(int_of_text(text)?),
        (Function::Double, Value::Int(value)) => Cell::Double(value as f64),
        (Function::Double, Value::Double(value)) => Cell::Double(value),
        (Function::Double, Value::Bool(value)) => Cell::Double(u8::from(value).into()),
        (Function::Double, Value::Text(text)) => Cell::Double(double_of_text(text)?),
        (Function::Bool, Value::Int(value)) => Cell::Bool(value != 0),
        (Function::Bool, Value::Double(value)) => Cell::Bool(value != 0.0),
        (Function::Bool, Value::Bool(value)) => Cell::Bool(value),
        (Function::Bool, Value::Text(text)) => Cell::Bool(bool_of_text(text)?),
        _ => return Err(Reason::Unconvertible),
    })
}

/// Bytes from `start` on. Where that would cut a character, it fails, or keeps to whole ones.
fn substring<'a>(whole: bool, made: &Made, target: Cell<'a>, start: i64, length: i64) -> Result<Cell<'a>, Reason> {
    let text = text(target, made)?;
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else {
        return Err(Reason::BadRange);
    };
    if length == 0 || start > text.len() || length > text.len() - start {
        return Err(Reason::BadRange);
    }
    let (mut start, mut end) = (start, start + length);
    if whole {
        while !text.is_char_boundary(start) {
            start += 1;
        }
        while start < end && !text.is_char_boundary(end) {
            end -= 1;
        }
        end = end.max(start);
    }
    target.part(made, start, end).ok_or(Reason::BadRange)
}

/// Appends the parts of a text as an encoded list. An empty delimiter parts all characters.
fn split(text: &str, delimiter: &str, list: &mut Vec<u8>) {
    list.clear();
    let mut push = |part: &str| push_item(list, Value::Text(part));
    if delimiter.is_empty() {
        let mut buffer = [0; 4];
        text.chars().for_each(|c| push(c.encode_utf8(&mut buffer)));
    } else {
        text.split(delimiter).for_each(push);
    }
}

/// An id of its bytes, or of text of those bytes, or of twice as many hexadecimal digits.
fn id_of(value: Value<'_>, id: &mut [u8]) -> Result<(), Reason> {
    let numbers;
    let bytes = match value {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        Value::Int(value) => {
            numbers = value.to_be_bytes();
            &numbers
        }
        Value::Double(value) => {
            numbers = value.to_be_bytes();
            &numbers
        }
        _ => return Err(Reason::BadId),
    };
    if bytes.len() == id.len() {
        id.copy_from_slice(bytes);
        return Ok(());
    }
    bytes_of_hex(bytes, id)
}

/// A field's other form.
pub(crate) fn derive<'a>(derived: Derived, scratch: &mut Scratch, cell: Cell<'a>) -> Result<Cell<'a>, Reason> {
    let Scratch { made, text: out, .. } = scratch;
    out.clear();
    match (derived, cell.value(made)) {
        (Derived::Hex, Value::SpanId(id)) => hex(&id, out),
        (Derived::Hex, Value::TraceId(id)) => hex(&id, out),
        (Derived::KindName, Value::Int(kind)) => {
            let names = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
            return Ok(Cell::Text(named(&names, kind)));
        }
        (Derived::KindEnum, Value::Int(kind)) => {
            let names = [
                "SPAN_KIND_UNSPECIFIED",
                "SPAN_KIND_INTERNAL",
                "SPAN_KIND_SERVER",
                "SPAN_KIND_CLIENT",
                "SPAN_KIND_PRODUCER",
                "SPAN_KIND_CONSUMER",
            ];
            return Ok(Cell::Text(named(&names, kind)));
        }
        (Derived::Plain, Value::Text(_)) => return Ok(cell),
        (Derived::Plain, value) => plain_text_of(value, out),
        _ => return Err(Reason::Unconvertible),
    }
    Ok(made.text(out))
}

fn named(names: &[&'static str], number: i64) -> &'static str {
    usize::try_from(number).ok().and_then(|number| names.get(number)).copied().unwrap_or("")
}

/// Whole numbers stay whole and wrap; a number with a point makes both such.
pub(crate) fn arithmetic<'a>(operator: Arithmetic, left: Cell<'_>, right: Cell<'_>) -> Result<Cell<'a>, Reason> {
    let (left, right) = match (left, right) {
        (Cell::Failed(reason), _) | (_, Cell::Failed(reason)) => return Err(reason),
        (Cell::Int(left), Cell::Int(right)) => {
            return Ok(Cell::Int(match operator {
                Arithmetic::Add => left.wrapping_add(right),
                Arithmetic::Subtract => left.wrapping_sub(right),
                Arithmetic::Multiply => left.wrapping_mul(right),
                Arithmetic::Divide if right == 0 => return Err(Reason::DivisionByZero),
                Arithmetic::Divide => left.wrapping_div(right),
            }));
        }
        (Cell::Int(left), Cell::Double(right)) => (left as f64, right),
        (Cell::Double(left), Cell::Int(right)) => (left, right as f64),
        (Cell::Double(left), Cell::Double(right)) => (left, right),
        _ => return Err(Reason::NotNumbers),
    };
    Ok(Cell::Double(match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide if right == 0.0 => return Err(Reason::DivisionByZero),
        Arithmetic::Divide => left / right,
    }))
}
