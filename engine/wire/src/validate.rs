//! Validation by the table of shapes: any message, any order, any oddity.

use crate::field::{Fault, WireType, fixed, read_len, read_tag, skip};
use crate::shape::{Kind, Shape};
use crate::varint;

/// Validates the message from `from` to the end of `bytes`. `depth` is how much deeper it may nest.
pub(crate) fn message(bytes: &[u8], from: usize, shape: &Shape, depth: u32) -> Result<(), Fault> {
    let mut at = from;
    while at < bytes.len() {
        let (number, wire, next) = read_tag(bytes, at)?;
        at = known(bytes, next, number, wire, shape, depth)?;
    }
    Ok(())
}

/// Validates what follows the tag of a field of `shape`, and says where it ends.
pub(crate) fn known(
    bytes: &[u8],
    at: usize,
    number: u32,
    wire: WireType,
    shape: &Shape,
    depth: u32,
) -> Result<usize, Fault> {
    match (shape.kind(number), wire) {
        (Kind::Unknown, _) => skip(bytes, at, number, wire, depth),
        (Kind::Varint | Kind::Varints, WireType::Varint) => any_varint(bytes, at),
        (Kind::Fixed64 | Kind::Fixed64s, WireType::Fixed64) => fixed(bytes, at, 8),
        (Kind::Fixed32, WireType::Fixed32) => fixed(bytes, at, 4),
        (Kind::Text, WireType::Len) => {
            let (start, end) = read_len(bytes, at)?;
            match std::str::from_utf8(&bytes[start..end]) {
                Ok(_) => Ok(end),
                Err(error) => Err(Fault::new(start + error.valid_up_to(), "text that is not UTF-8")),
            }
        }
        (Kind::Bytes, WireType::Len) => read_len(bytes, at).map(|(_, end)| end),
        (Kind::Message(_), WireType::Len) if depth == 0 => Err(Fault::new(at, "nested more than 100 deep")),
        (Kind::Message(inner), WireType::Len) => {
            let (start, end) = read_len(bytes, at)?;
            message(&bytes[..end], start, inner, depth - 1)?;
            Ok(end)
        }
        (Kind::Fixed64s, WireType::Len) => {
            let (start, end) = read_len(bytes, at)?;
            match (end - start) % 8 {
                0 => Ok(end),
                rest => Err(Fault::new(end - rest, "packed numbers that end within one")),
            }
        }
        (Kind::Varints, WireType::Len) => {
            let (mut start, end) = read_len(bytes, at)?;
            while start < end {
                start = any_varint(&bytes[..end], start)?;
            }
            Ok(end)
        }
        _ => Err(Fault::new(at, "the field has another wire type than its message says")),
    }
}

fn any_varint(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match varint::read(bytes, at) {
        Some((_, end)) => Ok(end),
        None => Err(Fault::new(at, "expected a varint of at most 64 bits")),
    }
}
