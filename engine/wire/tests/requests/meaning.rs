//! What a request means, unknown fields included: the tests' own reader, since prost drops what it does not know.

use std::collections::BTreeMap;

use wasmill_wire::Signal;

use super::odd::{Payload, RawField, fields};
use super::schema::{self, Schema, Type};

/// A message with its merges done and its encoding forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meaning {
    pub fields: BTreeMap<u32, Vec<Val>>,
    /// As they stand, in their order.
    pub unknown: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Val {
    Number(u64),
    Bytes(Vec<u8>),
    Message(Meaning),
}

/// What a message means.
pub fn meaning(schema: &Schema, message: &[u8]) -> Meaning {
    let mut out = Meaning::default();
    merge(&mut out, schema, message);
    out
}

fn merge(into: &mut Meaning, schema: &Schema, message: &[u8]) {
    for RawField { number, payload } in fields(message) {
        let Some(kind) = schema.of(number) else {
            into.unknown.push(unknown(number, &payload));
            continue;
        };
        if kind.is_case() {
            // Another case before it is gone.
            into.fields.retain(|&other, _| other == number || !schema.of(other).is_some_and(Type::is_case));
        }
        let values = into.fields.entry(number).or_default();
        match (kind, payload) {
            (Type::Many(inner), Payload::Len(bytes)) => values.push(Val::Message(meaning(inner, &bytes))),
            (Type::One(inner) | Type::CaseOne(inner), Payload::Len(bytes)) => {
                if values.is_empty() {
                    values.push(Val::Message(Meaning::default()));
                }
                if let Val::Message(merged) = &mut values[0] {
                    merge(merged, inner, &bytes);
                }
            }
            (Type::PackedFixed64, Payload::Len(bytes)) => {
                let number = |chunk: &[u8]| Val::Number(u64::from_le_bytes(chunk.try_into().expect("8 bytes")));
                values.extend(bytes.chunks(8).map(number));
            }
            (Type::PackedVarint, Payload::Len(bytes)) => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    values.push(Val::Number(prost::encoding::decode_varint(&mut rest).expect("a varint")));
                }
            }
            (Type::PackedFixed64 | Type::PackedVarint | Type::Texts, payload) => values.push(one(&payload)),
            (kind, payload) => {
                *values = vec![one(&payload)];
                let default =
                    matches!(&values[0], Val::Number(0)) || matches!(&values[0], Val::Bytes(bytes) if bytes.is_empty());
                if default && !kind.is_case() && !matches!(kind, Type::Optional64) {
                    into.fields.remove(&number);
                }
            }
        }
    }
    into.fields.retain(|_, values| !values.is_empty());
}

fn one(payload: &Payload) -> Val {
    match payload {
        Payload::Varint(value) => Val::Number(*value),
        Payload::Fixed64(bytes) => Val::Number(u64::from_le_bytes(*bytes)),
        Payload::Fixed32(bytes) => Val::Number(u64::from(u32::from_le_bytes(*bytes))),
        Payload::Len(bytes) | Payload::Group(bytes) => Val::Bytes(bytes.clone()),
    }
}

/// A field that nobody knows, with the wire type that tells it from others. Varints by value: their tag may be longer.
fn unknown(number: u32, payload: &Payload) -> Vec<u8> {
    let (wire, bytes) = match payload {
        Payload::Varint(value) => (0, value.to_le_bytes().to_vec()),
        Payload::Fixed64(bytes) => (1, bytes.to_vec()),
        Payload::Len(bytes) => (2, bytes.clone()),
        Payload::Group(bytes) => (3, bytes.clone()),
        Payload::Fixed32(bytes) => (5, bytes.to_vec()),
    };
    [number.to_le_bytes().to_vec(), vec![wire], bytes].concat()
}

/// A row, or a parent without any: resource, scope, metric and record as far as there are such.
pub type Row = Vec<Meaning>;

/// All rows of a request in the order in which they stand, and what the request holds besides.
pub fn rows(signal: Signal, request: &[u8]) -> (Vec<Row>, Vec<Vec<u8>>) {
    let request = meaning(schema::request(signal), request);
    let mut out = Vec::new();
    for resource in children(&request, 1) {
        let scopes = children(resource, 2);
        let resource = without(resource, 2);
        if scopes.is_empty() {
            out.push(vec![resource.clone()]);
        }
        for scope in scopes {
            let leaves = children(scope, 2);
            let scope = without(scope, 2);
            if leaves.is_empty() {
                out.push(vec![resource.clone(), scope.clone()]);
            }
            for leaf in leaves {
                match signal {
                    Signal::Metrics => points(&[resource.clone(), scope.clone()], leaf, &mut out),
                    _ => out.push(vec![resource.clone(), scope.clone(), leaf.clone()]),
                }
            }
        }
    }
    (out, request.unknown)
}

fn points(above: &[Meaning], metric: &Meaning, out: &mut Vec<Row>) {
    let mut header = metric.clone();
    let mut points = Vec::new();
    for case in [5, 7, 9, 10, 11] {
        if let Some([Val::Message(data)]) = header.fields.get_mut(&case).map(Vec::as_mut_slice) {
            points = data.fields.remove(&1).unwrap_or_default();
        }
    }
    let row = [above, &[header]].concat();
    if points.is_empty() {
        out.push(row.clone());
    }
    for point in points {
        if let Val::Message(point) = point {
            out.push([row.clone(), vec![point]].concat());
        }
    }
}

fn children(message: &Meaning, number: u32) -> Vec<&Meaning> {
    let values = message.fields.get(&number).map_or(&[][..], Vec::as_slice);
    values.iter().filter_map(|value| if let Val::Message(message) = value { Some(message) } else { None }).collect()
}

pub fn without(message: &Meaning, number: u32) -> Meaning {
    let mut out = message.clone();
    out.fields.remove(&number);
    out
}

/// The rows in an order of their own, to compare as a multiset.
pub fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}
