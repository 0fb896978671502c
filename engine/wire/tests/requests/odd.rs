//! The same meaning in other bytes: what protobuf allows and no library writes.

use prost::encoding::{WireType, decode_varint, encode_varint};

use super::Choices;
use super::schema::{Schema, Type};

/// A field as it stands in a message.
#[derive(Clone)]
pub struct RawField {
    pub number: u32,
    pub payload: Payload,
}

#[derive(Clone)]
pub enum Payload {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Len(Vec<u8>),
    /// With both tags, as it stands.
    Group(Vec<u8>),
}

/// The fields of a valid message.
pub fn fields(mut bytes: &[u8]) -> Vec<RawField> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let whole = bytes;
        let key = decode_varint(&mut bytes).expect("a tag");
        let number = (key >> 3) as u32;
        let payload = match key & 7 {
            0 => Payload::Varint(decode_varint(&mut bytes).expect("a varint")),
            1 => Payload::Fixed64(take(&mut bytes, 8).try_into().expect("8 bytes")),
            2 => {
                let len = decode_varint(&mut bytes).expect("a length");
                Payload::Len(take(&mut bytes, len as usize).to_vec())
            }
            3 => {
                skip_group(&mut bytes);
                Payload::Group(whole[..whole.len() - bytes.len()].to_vec())
            }
            _ => Payload::Fixed32(take(&mut bytes, 4).try_into().expect("4 bytes")),
        };
        out.push(RawField { number, payload });
    }
    out
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(len);
    *bytes = rest;
    taken
}

fn skip_group(bytes: &mut &[u8]) {
    loop {
        match decode_varint(bytes).expect("a tag") & 7 {
            0 => drop(decode_varint(bytes).expect("a varint")),
            1 => drop(take(bytes, 8)),
            2 => {
                let len = decode_varint(bytes).expect("a length");
                take(bytes, len as usize);
            }
            3 => skip_group(bytes),
            4 => return,
            _ => drop(take(bytes, 4)),
        }
    }
}

/// A varint with up to five bytes more than it needs.
fn varint(c: &mut Choices<'_>, value: u64, out: &mut Vec<u8>) {
    let start = out.len();
    encode_varint(value, out);
    if c.once_in(12) {
        let more = c.below(5).min(10 - (out.len() - start));
        for _ in 0..more {
            *out.last_mut().expect("at least a byte") |= 0x80;
            out.push(0);
        }
    }
}

fn tag(c: &mut Choices<'_>, number: u32, wire: WireType, out: &mut Vec<u8>) {
    varint(c, u64::from(number) << 3 | wire as u64, out);
}

fn len_field(c: &mut Choices<'_>, number: u32, contents: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    tag(c, number, WireType::LengthDelimited, &mut out);
    varint(c, contents.len() as u64, &mut out);
    out.extend_from_slice(contents);
    out
}

fn scalar(c: &mut Choices<'_>, number: u32, payload: &Payload) -> Vec<u8> {
    let mut out = Vec::new();
    match payload {
        Payload::Varint(value) => {
            tag(c, number, WireType::Varint, &mut out);
            varint(c, *value, &mut out);
        }
        Payload::Fixed64(bytes) => {
            tag(c, number, WireType::SixtyFourBit, &mut out);
            out.extend_from_slice(bytes);
        }
        Payload::Fixed32(bytes) => {
            tag(c, number, WireType::ThirtyTwoBit, &mut out);
            out.extend_from_slice(bytes);
        }
        Payload::Len(bytes) => return len_field(c, number, bytes),
        Payload::Group(whole) => out.extend_from_slice(whole),
    }
    out
}

/// Fields that belong in an order among themselves: those of one number, and the cases of a `oneof`.
type Piece = (u32, Vec<u8>);

const ONEOF: u32 = 0;

/// Writes a message so that it means what `plain` means, with unknown fields besides.
pub fn message(c: &mut Choices<'_>, schema: &Schema, plain: &[u8], out: &mut Vec<u8>) {
    pieces(c, schema, fields(plain), out);
}

fn pieces(c: &mut Choices<'_>, schema: &Schema, plain: Vec<RawField>, out: &mut Vec<u8>) {
    let mut pieces: Vec<Piece> = Vec::new();
    for RawField { number, payload } in plain {
        let kind = schema.of(number);
        let class = if kind.is_some_and(Type::is_case) { ONEOF } else { number };
        let mut push = |bytes: Vec<u8>| pieces.push((class, bytes));
        match (kind, &payload) {
            (Some(Type::Many(inner)), Payload::Len(bytes)) => {
                let mut odd = Vec::new();
                message(c, inner, bytes, &mut odd);
                push(len_field(c, number, &odd));
            }
            (Some(Type::One(inner) | Type::CaseOne(inner)), Payload::Len(bytes)) => {
                if c.once_in(12) && kind.is_some_and(Type::is_case) {
                    decoy(c, schema, number).into_iter().for_each(&mut push);
                }
                // Split at any field: the parts merge again.
                let mut first = fields(bytes);
                let second = if c.once_in(5) { first.split_off(c.below(first.len() + 1)) } else { Vec::new() };
                let split = !second.is_empty();
                for part in [first, second].into_iter().take(1 + usize::from(split)) {
                    let mut odd = Vec::new();
                    pieces_of(c, inner, part, &mut odd);
                    push(len_field(c, number, &odd));
                }
            }
            (Some(Type::PackedFixed64), Payload::Len(bytes)) => {
                let each: Vec<Vec<u8>> = bytes.chunks(8).map(<[u8]>::to_vec).collect();
                packed(c, number, &each, WireType::SixtyFourBit).into_iter().for_each(push);
            }
            (Some(Type::PackedVarint), Payload::Len(bytes)) => {
                let mut rest = bytes.as_slice();
                let mut each = Vec::new();
                while !rest.is_empty() {
                    let value = decode_varint(&mut rest).expect("a packed varint");
                    let mut one = Vec::new();
                    varint(c, value, &mut one);
                    each.push(one);
                }
                packed(c, number, &each, WireType::Varint).into_iter().for_each(push);
            }
            (Some(kind), _) => {
                // A value before it, which it overrides.
                if c.once_in(10) && !matches!(kind, Type::Texts) {
                    match kind.is_case() {
                        true => decoy(c, schema, number).into_iter().for_each(&mut push),
                        false => push(scalar(c, number, &other(&payload))),
                    }
                }
                push(scalar(c, number, &payload));
            }
            (None, _) => push(scalar(c, number, &payload)),
        }
    }
    while c.once_in(6) {
        let field = unknown(c);
        pieces.push((u32::MAX, field));
    }
    shuffle(c, &mut pieces);
    pieces.iter().for_each(|(_, bytes)| out.extend_from_slice(bytes));
}

fn pieces_of(c: &mut Choices<'_>, schema: &Schema, plain: Vec<RawField>, out: &mut Vec<u8>) {
    pieces(c, schema, plain, out);
}

fn other(payload: &Payload) -> Payload {
    match payload {
        Payload::Varint(value) => Payload::Varint(value ^ 5),
        Payload::Fixed64(bytes) => Payload::Fixed64(bytes.map(|byte| !byte)),
        Payload::Fixed32(bytes) => Payload::Fixed32(bytes.map(|byte| !byte)),
        Payload::Len(_) => Payload::Len(b"overridden".to_vec()),
        Payload::Group(whole) => Payload::Group(whole.clone()),
    }
}

/// Another case of the `oneof` than `number`, with something in it.
fn decoy(c: &mut Choices<'_>, schema: &Schema, number: u32) -> Option<Vec<u8>> {
    let cases: Vec<_> = schema.fields.iter().filter(|(case, kind)| *case != number && kind.is_case()).collect();
    let (case, kind) = *cases.get(c.below(cases.len()))?;
    Some(match kind {
        Type::CaseVarint => scalar(c, *case, &Payload::Varint(77)),
        Type::Case64 => scalar(c, *case, &Payload::Fixed64([7; 8])),
        Type::CaseBytes => len_field(c, *case, b"decoy"),
        // A message with one empty element: an entry, a data point.
        _ => len_field(c, *case, &[1 << 3 | 2, 0]),
    })
}

/// Numbers that were packed in one field, in several or in none.
fn packed(c: &mut Choices<'_>, number: u32, each: &[Vec<u8>], wire: WireType) -> Vec<Vec<u8>> {
    match c.below(3) {
        0 => vec![len_field(c, number, &each.concat())],
        1 => {
            let at = c.below(each.len() + 1);
            vec![len_field(c, number, &each[..at].concat()), len_field(c, number, &each[at..].concat())]
        }
        _ => each
            .iter()
            .map(|one| {
                let mut out = Vec::new();
                tag(c, number, wire, &mut out);
                out.extend_from_slice(one);
                out
            })
            .collect(),
    }
}

/// A field that no message has.
fn unknown(c: &mut Choices<'_>) -> Vec<u8> {
    let number = [17, 100, 2047, 536_870_911][c.below(4)];
    let payload = match c.below(5) {
        0 => Payload::Varint(c.number()),
        1 => Payload::Fixed64([c.byte(); 8]),
        2 => Payload::Fixed32([c.byte(); 4]),
        3 => Payload::Len(vec![c.byte(); c.below(20)]),
        _ => {
            let mut out = Vec::new();
            tag(c, number, WireType::StartGroup, &mut out);
            if c.once_in(2) {
                out.extend(unknown(c));
            }
            tag(c, number, WireType::EndGroup, &mut out);
            return out;
        }
    };
    scalar(c, number, &payload)
}

/// Any order in which the pieces of one class stay in theirs.
fn shuffle(c: &mut Choices<'_>, pieces: &mut [Piece]) {
    if !c.once_in(3) {
        return;
    }
    let mut order: Vec<(u8, usize)> = (0..pieces.len()).map(|at| (c.byte(), at)).collect();
    order.sort();
    let classes: Vec<u32> = order.iter().map(|&(_, at)| pieces[at].0).collect();
    let mut left: Vec<Option<Piece>> = pieces.iter().cloned().map(Some).collect();
    for (place, class) in classes.into_iter().enumerate() {
        let next = left.iter_mut().find(|piece| piece.as_ref().is_some_and(|piece| piece.0 == class));
        pieces[place] = next.and_then(Option::take).expect("as many of each class as before");
    }
}
