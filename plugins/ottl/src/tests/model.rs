//! Rows as plain data, and the blocks that a host would make of them.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Proto;
use opentelemetry_proto::tonic::common::v1::{AnyValue as ProtoAny, ArrayValue, KeyValue, KeyValueList};
use prost::Message;
use wasmill_columns::{AnyBuilder, AnyValue, AttributesBuilder, BlockBuilder, Kind};

use crate::Wanted;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum V {
    Empty,
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Bytes(Vec<u8>),
    List(Vec<V>),
    Map(Vec<(String, V)>),
    Id(Vec<u8>),
}

impl From<&str> for V {
    fn from(text: &str) -> V {
        V::Text(text.to_owned())
    }
}

impl From<i64> for V {
    fn from(value: i64) -> V {
        V::Int(value)
    }
}

impl From<f64> for V {
    fn from(value: f64) -> V {
        V::Double(value)
    }
}

impl From<bool> for V {
    fn from(value: bool) -> V {
        V::Bool(value)
    }
}

pub(super) fn map<const N: usize>(entries: [(&str, V); N]) -> V {
    V::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Fields by name (`name`, `attributes`, `resource.attributes`); maps are [`V::Map`].
pub(super) type Row = BTreeMap<String, V>;

pub(super) fn row<const N: usize>(fields: [(&str, V); N]) -> Row {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl V {
    /// With the entries of maps in order.
    pub(super) fn sorted(mut self) -> V {
        match &mut self {
            V::Map(entries) => {
                entries.sort_by(|(left, _), (right, _)| left.cmp(right));
                entries.iter_mut().for_each(|(_, value)| *value = value.clone().sorted());
            }
            V::List(items) => items.iter_mut().for_each(|value| *value = value.clone().sorted()),
            _ => {}
        }
        self
    }

    pub(super) fn proto(&self) -> ProtoAny {
        let value = match self {
            V::Empty | V::Id(_) => None,
            V::Text(text) => Some(Proto::StringValue(text.clone())),
            V::Int(value) => Some(Proto::IntValue(*value)),
            V::Double(value) => Some(Proto::DoubleValue(*value)),
            V::Bool(value) => Some(Proto::BoolValue(*value)),
            V::Bytes(bytes) => Some(Proto::BytesValue(bytes.clone())),
            V::List(items) => Some(Proto::ArrayValue(list(items))),
            V::Map(entries) => Some(Proto::KvlistValue(kvlist(entries))),
        };
        ProtoAny { value }
    }

    /// Adds a row to an `any` column.
    fn push(value: Option<&V>, out: &mut AnyBuilder) {
        match value {
            None => out.push(AnyValue::Absent),
            Some(value) => value.with_any(|value| out.push(value)),
        }
    }

    fn with_any<R>(&self, with: impl FnOnce(AnyValue<'_>) -> R) -> R {
        match self {
            V::Empty | V::Id(_) => with(AnyValue::Empty),
            V::Text(text) => with(AnyValue::Text(text)),
            V::Int(value) => with(AnyValue::Int(*value)),
            V::Double(value) => with(AnyValue::Double(*value)),
            V::Bool(value) => with(AnyValue::Boolean(*value)),
            V::Bytes(bytes) => with(AnyValue::Binary(bytes)),
            V::List(items) => with(AnyValue::List(&list(items).encode_to_vec())),
            V::Map(entries) => with(AnyValue::Map(&kvlist(entries).encode_to_vec())),
        }
    }

    /// The value that a block has at a place.
    pub(super) fn of(value: AnyValue<'_>) -> Option<V> {
        Some(match value {
            AnyValue::Absent => return None,
            AnyValue::Empty => V::Empty,
            AnyValue::Text(text) => V::Text(text.to_owned()),
            AnyValue::Int(value) => V::Int(value),
            AnyValue::Double(value) => V::Double(value),
            AnyValue::Boolean(value) => V::Bool(value),
            AnyValue::Binary(bytes) => V::Bytes(bytes.to_vec()),
            AnyValue::List(bytes) => {
                V::of_proto(Proto::ArrayValue(ArrayValue::decode(bytes).expect("a list that we encoded")))
            }
            AnyValue::Map(bytes) => {
                V::of_proto(Proto::KvlistValue(KeyValueList::decode(bytes).expect("a map that we encoded")))
            }
        })
    }

    pub(super) fn of_proto(value: Proto) -> V {
        let any = |any: ProtoAny| any.value.map_or(V::Empty, V::of_proto);
        match value {
            Proto::StringValue(text) => V::Text(text),
            Proto::BoolValue(value) => V::Bool(value),
            Proto::IntValue(value) => V::Int(value),
            Proto::DoubleValue(value) => V::Double(value),
            Proto::BytesValue(bytes) => V::Bytes(bytes),
            Proto::ArrayValue(list) => V::List(list.values.into_iter().map(any).collect()),
            Proto::KvlistValue(map) => {
                V::Map(map.values.into_iter().map(|entry| (entry.key, entry.value.map_or(V::Empty, any))).collect())
            }
            #[allow(unreachable_patterns)]
            _ => V::Empty,
        }
    }
}

fn list(items: &[V]) -> ArrayValue {
    ArrayValue { values: items.iter().map(V::proto).collect() }
}

fn kvlist(entries: &[(String, V)]) -> KeyValueList {
    let values = entries
        .iter()
        .map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.proto()), ..Default::default() })
        .collect();
    KeyValueList { values }
}

/// The value of a path of ours in a row: a field, or an entry of one.
pub(super) fn lookup<'r>(row: &'r Row, path: &str) -> Option<&'r V> {
    match path.split_once('[') {
        None => row.get(path),
        Some((field, key)) => {
            let key = key.trim_end_matches(']').trim_matches('"');
            match row.get(field)? {
                V::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
                _ => None,
            }
        }
    }
}

/// The block that a host would send, with dictionaries or without.
pub(super) fn block(wanted: &[Wanted], rows: &[Row], dictionaries: bool) -> Vec<u8> {
    let mut out = BlockBuilder::new();
    for Wanted { path, kind, .. } in wanted {
        let values: Vec<Option<&V>> = rows.iter().map(|row| lookup(row, path)).collect();
        column(&mut out, *kind, &values, dictionaries);
    }
    out.finish().expect("a block of few rows")
}

fn column(out: &mut BlockBuilder, kind: Kind, values: &[Option<&V>], dictionaries: bool) {
    let int = |value: &Option<&V>| match value {
        Some(V::Int(value)) => Some(*value),
        _ => None,
    };
    match kind {
        Kind::Text => {
            let texts: Vec<Option<&str>> = values
                .iter()
                .map(|value| match value {
                    Some(V::Text(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            text(out, &texts, dictionaries);
        }
        Kind::Any => any(out, values, dictionaries),
        Kind::Attributes if dictionaries => {
            let entries: Vec<&(String, V)> = values.iter().flat_map(|value| entries_of(*value)).collect();
            let node = out.open(Kind::Attributes, values.len(), 2);
            let mut end = 0u32;
            for (to, value) in out.offsets(node).chunks_exact_mut(4).skip(1).zip(values) {
                end += entries_of(*value).len() as u32;
                to.copy_from_slice(&end.to_le_bytes());
            }
            text(out, &entries.iter().map(|(key, _)| Some(key.as_str())).collect::<Vec<_>>(), true);
            any(out, &entries.iter().map(|(_, value)| Some(value)).collect::<Vec<_>>(), true);
        }
        Kind::Attributes => {
            let mut builder = AttributesBuilder::new();
            for value in values {
                for (key, value) in entries_of(*value) {
                    value.with_any(|value| builder.entry(key, value));
                }
                builder.end_row();
            }
            builder.append(out);
        }
        Kind::Boolean => {
            let bits = values.iter().map(|value| matches!(value, Some(V::Bool(true)))).collect();
            let valid = values.iter().map(|value| value.is_some()).collect();
            let node = out.boolean(&bits);
            out.set_validity(node, &valid);
        }
        Kind::UInt32 => drop(out.fixed_options(values.iter().map(|v| int(v).map(|v| v as u32)))),
        Kind::Int32 => drop(out.fixed_options(values.iter().map(|v| int(v).map(|v| v as i32)))),
        Kind::UInt64 => drop(out.fixed_options(values.iter().map(|v| int(v).map(|v| v as u64)))),
        Kind::Int64 => drop(out.fixed_options(values.iter().map(int))),
        Kind::Double => drop(out.fixed_options(values.iter().map(|value| match value {
            Some(V::Double(value)) => Some(*value),
            _ => None,
        }))),
        Kind::Id8 => drop(out.fixed_options(values.iter().map(|value| id::<8>(*value)))),
        Kind::Id16 => drop(out.fixed_options(values.iter().map(|value| id::<16>(*value)))),
        kind => panic!("no test has columns of {kind}"),
    }
}

fn entries_of(map: Option<&V>) -> &[(String, V)] {
    match map {
        Some(V::Map(entries)) => entries,
        _ => &[],
    }
}

fn id<const N: usize>(value: Option<&V>) -> Option<[u8; N]> {
    match value {
        Some(V::Id(bytes)) => bytes.as_slice().try_into().ok(),
        _ => None,
    }
}

/// A dictionary with values that repeat and one that nobody has: both are allowed.
fn text(out: &mut BlockBuilder, values: &[Option<&str>], dictionaries: bool) {
    if !dictionaries {
        let mut builder = wasmill_columns::TextBuilder::new();
        values.iter().for_each(|value| builder.push(*value));
        builder.append(out);
        return;
    }
    let mut distinct: Vec<&str> = vec!["nobody's"];
    let keys: Vec<Option<u32>> = values
        .iter()
        .map(|value| {
            value.map(|text| match distinct.iter().position(|known| *known == text) {
                Some(place) => place as u32,
                None => {
                    distinct.push(text);
                    distinct.len() as u32 - 1
                }
            })
        })
        .collect();
    let node = out.dictionary(keys.iter().map(|key| key.unwrap_or(0)), distinct);
    if keys.contains(&None) {
        out.set_validity(node, &keys.iter().map(Option::is_some).collect());
    }
}

/// An `any` column. With dictionaries, its nodes are written by hand, for the builder writes plain text.
fn any(out: &mut BlockBuilder, values: &[Option<&V>], dictionaries: bool) {
    let mut builder = AnyBuilder::new();
    if !dictionaries {
        values.iter().for_each(|value| V::push(*value, &mut builder));
        builder.append(out);
        return;
    }
    let mut held: Vec<(&V, wasmill_columns::AnyPlace)> = Vec::new();
    for value in values {
        match value {
            None => builder.push(AnyValue::Absent),
            Some(value) => {
                // One value may be at one place for several rows, as a parent's is.
                let place = match held.iter().find(|(known, _)| known == value) {
                    Some((_, place)) => *place,
                    None => {
                        let place = value.with_any(|value| builder.hold(value));
                        held.push((value, place));
                        place
                    }
                };
                builder.push_place(place);
            }
        }
    }
    builder.append(out);
}
