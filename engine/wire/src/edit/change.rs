//! One edit of one message.

use super::maps::{NoEntry, Op, in_any, in_map, set_any};
use super::tree::{NONE, ROOT, Source, Tree};
use super::values::{Value, Values};
use crate::field::{self, WireType};
use crate::path::{Code, Entry, Key};
use crate::varint;

/// The integer of the two fields that a number's `oneof` has.
pub(super) const NUMBER_INT: u32 = 6;

/// What is to become of the place that a path names.
pub(super) enum Action<'o> {
    /// Of what is typed by row, and of maps.
    Op(Op<'o>),
    /// Of a field with a type.
    Scalar(Value<'o>),
    /// Of a field with several numbers: those of the array in the range, or none.
    Numbers(Option<(&'o Values<'o>, std::ops::Range<usize>)>),
}

/// Applies an edit to the loaded message. `steps` are the numbers of the fields down to the path's.
///
/// `place` is the number of an inner record (an event, a link), counted before any edit; `None`: all of them.
pub(super) fn apply(
    tree: &mut Tree<'_>,
    entry: &Entry,
    steps: &[u32],
    keys: &[Key],
    place: Option<u32>,
    action: &Action<'_>,
) -> Result<(), NoEntry> {
    let Some((&number, above)) = steps.split_last() else {
        return Ok(());
    };
    let (Some(&inner), true) = (above.first(), entry.inner.is_some()) else {
        let mut message = ROOT;
        for &step in above {
            message = match tree.sole(message, step) {
                NONE if creates(action) => tree.append_message(message, step),
                NONE => return Ok(()),
                found => found,
            };
            tree.open(message);
        }
        return in_message(tree, message, number, entry.code, keys, action);
    };
    if let Some(place) = place {
        let at = tree.original(ROOT, inner, place as usize).map_err(NoEntry)?;
        tree.open(at);
        return in_message(tree, at, number, entry.code, keys, action);
    }
    let mut at = tree.first(ROOT, inner);
    while at != NONE {
        tree.open(at);
        in_message(tree, at, number, entry.code, keys, action)?;
        at = tree.next(at);
    }
    Ok(())
}

/// Whether messages on the way are made where they are not.
fn creates(action: &Action<'_>) -> bool {
    match action {
        Action::Op(op) => op.creates(),
        Action::Scalar(value) => !value.is_null(),
        Action::Numbers(numbers) => numbers.is_some(),
    }
}

fn in_message(
    tree: &mut Tree<'_>,
    message: u32,
    number: u32,
    code: Code,
    keys: &[Key],
    action: &Action<'_>,
) -> Result<(), NoEntry> {
    match (action, code) {
        (Action::Op(op), Code::Attributes) => return in_map(tree, message, number, keys, op),
        (Action::Op(op), _) => match (keys, op) {
            ([], Op::Set(value)) => set_any(tree, message, number, value),
            ([], Op::Remove) => set_any(tree, message, number, &Value::Null),
            _ => {
                let any = match tree.sole(message, number) {
                    NONE if op.creates() => tree.append_message(message, number),
                    NONE => return Ok(()),
                    any => any,
                };
                tree.open(any);
                return in_any(tree, any, keys, op);
            }
        },
        (Action::Scalar(value), Code::Number | Code::NumberInt | Code::NumberDouble) => {
            set_number(tree, message, number, value);
        }
        (Action::Scalar(value), _) => set_scalar(tree, message, number, code, value),
        (Action::Numbers(numbers), _) => set_numbers(tree, message, number, code, numbers.as_ref()),
    }
    Ok(())
}

fn remove_all(tree: &mut Tree<'_>, message: u32, number: u32) {
    let mut at = tree.first(message, number);
    while at != NONE {
        tree.remove(at);
        at = tree.next(at);
    }
}

/// Sets a field of a fixed type. What is the default of its type is not written, as protobuf has it, unless the field
/// tells "not written" from it.
fn set_scalar(tree: &mut Tree<'_>, message: u32, number: u32, code: Code, value: &Value<'_>) {
    let start = tree.mark();
    let written = put_scalar(tree.fresh(), number, code, value);
    let first = tree.first(message, number);
    let Some(body) = written else {
        return match first {
            NONE => {}
            _ => remove_all(tree, message, number),
        };
    };
    // As it was: one field, of the same bytes.
    let same = first != NONE && tree.next(first) == NONE && tree.payload(first) == &tree.bytes(Source::Fresh)[body..];
    match same {
        true => tree.fresh().truncate(start),
        false => tree.put_sole(message, number, start, body),
    }
}

/// Appends a field; where its payload starts. `None`, and nothing appended: the default, or a value of no such field.
fn put_scalar(out: &mut Vec<u8>, number: u32, code: Code, value: &Value<'_>) -> Option<usize> {
    let tag = |out: &mut Vec<u8>, wire| {
        field::put_tag(out, number, wire);
        out.len()
    };
    match (code, value) {
        (Code::Text, Value::Text(text)) if !text.is_empty() => {
            field::put_len(out, number, text.as_bytes());
            Some(out.len() - text.len())
        }
        (Code::Id8 | Code::Id16, Value::Bytes(id)) if !id.is_empty() => {
            field::put_len(out, number, id);
            Some(out.len() - id.len())
        }
        (Code::Bool, Value::Bool(true)) => {
            let body = tag(out, WireType::Varint);
            out.push(1);
            Some(body)
        }
        (Code::Int32 | Code::UInt32 | Code::SInt32, Value::Int(int)) if *int != 0 => {
            let body = tag(out, WireType::Varint);
            varint::put(out, if code == Code::SInt32 { varint::zigzag(*int) } else { *int as u64 });
            Some(body)
        }
        (Code::Fixed32, Value::Int(int)) if *int != 0 => {
            let body = tag(out, WireType::Fixed32);
            out.extend_from_slice(&(*int as u32).to_le_bytes());
            Some(body)
        }
        (Code::Fixed64, Value::Int(int)) if *int != 0 => {
            let body = tag(out, WireType::Fixed64);
            out.extend_from_slice(&int.to_le_bytes());
            Some(body)
        }
        (Code::Double, Value::Double(double)) if double.to_bits() == 0 => None,
        (Code::Double | Code::OptionalDouble, Value::Double(double)) => {
            let body = tag(out, WireType::Fixed64);
            out.extend_from_slice(&double.to_le_bytes());
            Some(body)
        }
        _ => None,
    }
}

/// Sets a `oneof` of a double, in the field `number`, and an integer.
fn set_number(tree: &mut Tree<'_>, message: u32, number: u32, value: &Value<'_>) {
    let (field, bits) = match value {
        Value::Int(int) => (NUMBER_INT, *int as u64),
        Value::Double(double) => (number, double.to_bits()),
        _ => {
            remove_all(tree, message, number);
            return remove_all(tree, message, NUMBER_INT);
        }
    };
    let other = if field == number { NUMBER_INT } else { number };
    let first = tree.first(message, field);
    if first != NONE
        && tree.next(first) == NONE
        && tree.first(message, other) == NONE
        && tree.payload(first) == bits.to_le_bytes()
    {
        return;
    }
    remove_all(tree, message, other);
    let start = tree.mark();
    let out = tree.fresh();
    field::put_tag(out, field, WireType::Fixed64);
    let body = out.len();
    out.extend_from_slice(&bits.to_le_bytes());
    tree.put_sole(message, field, start, body);
}

/// Sets a field of several numbers, packed.
fn set_numbers(
    tree: &mut Tree<'_>,
    message: u32,
    number: u32,
    code: Code,
    numbers: Option<&(&Values<'_>, std::ops::Range<usize>)>,
) {
    let Some((values, range)) = numbers.filter(|(_, range)| !range.is_empty()) else {
        return remove_all(tree, message, number);
    };
    let element_len = |value: &Value<'_>| match (code, value) {
        (Code::Varints, Value::Int(int)) => varint::len(*int as u64),
        (Code::Varints, _) => 1,
        _ => 8,
    };
    let len: usize = range.clone().map(|at| element_len(&values.get(at))).sum();
    let start = tree.mark();
    let out = tree.fresh();
    field::put_tag(out, number, WireType::Len);
    varint::put(out, len as u64);
    let body = out.len();
    for at in range.clone() {
        // An element without a value is 0: the places of buckets count.
        match (code, values.get(at)) {
            (Code::Varints, Value::Int(int)) => varint::put(out, int as u64),
            (Code::Varints, _) => out.push(0),
            (_, Value::Int(int)) => out.extend_from_slice(&int.to_le_bytes()),
            (_, Value::Double(double)) => out.extend_from_slice(&double.to_le_bytes()),
            _ => out.extend_from_slice(&[0; 8]),
        }
    }
    let first = tree.first(message, number);
    let same = first != NONE && tree.next(first) == NONE && tree.payload(first) == &tree.bytes(Source::Fresh)[body..];
    match same {
        true => tree.fresh().truncate(start),
        false => tree.put_sole(message, number, start, body),
    }
}
