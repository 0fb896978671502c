//! Arrays of values to set, out of prost's values.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, MapArray, NullArray, StringArray,
    StructArray, UInt32Array, UInt64Array, UnionArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields, UnionFields};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;

use super::model::NewValue;

/// Of which type the values of a path are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Any,
    Text,
    /// 32 bits with a sign.
    Int,
    /// 32 bits without.
    UInt,
    Time,
    Id8,
    Id16,
    Number,
}

/// The array of values of one kind. `form` picks among the types that do.
pub fn array(kind: Kind, values: &[NewValue], form: usize) -> ArrayRef {
    let of = |value: &NewValue| value.as_ref().and_then(|any| any.value.clone());
    let text = |value: &NewValue| match of(value) {
        Some(Value::StringValue(text)) => Some(text),
        _ => None,
    };
    let int = |value: &NewValue| match of(value) {
        Some(Value::IntValue(int)) => Some(int),
        _ => None,
    };
    match kind {
        Kind::Any | Kind::Number => any(values),
        Kind::Text if form % 2 == 1 => {
            let texts: Vec<Option<String>> = values.iter().map(text).collect();
            Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<UInt32Type>>())
        }
        Kind::Text => Arc::new(values.iter().map(text).collect::<StringArray>()),
        Kind::Int if form % 2 == 1 => Arc::new(values.iter().map(int).collect::<Int64Array>()),
        Kind::Int => Arc::new(values.iter().map(|value| int(value).map(|int| int as i32)).collect::<Int32Array>()),
        Kind::UInt if form % 2 == 1 => Arc::new(values.iter().map(int).collect::<Int64Array>()),
        Kind::UInt => Arc::new(values.iter().map(|value| int(value).map(|int| int as u32)).collect::<UInt32Array>()),
        Kind::Time => Arc::new(values.iter().map(|value| int(value).map(|int| int as u64)).collect::<UInt64Array>()),
        Kind::Id8 | Kind::Id16 => {
            let mut out = FixedSizeBinaryBuilder::new(if kind == Kind::Id8 { 8 } else { 16 });
            for value in values {
                match of(value) {
                    Some(Value::BytesValue(id)) => out.append_value(id).expect("an id of its length"),
                    _ => out.append_null(),
                }
            }
            Arc::new(out.finish())
        }
    }
}

/// A dense union, as the engine projects it.
fn any(values: &[NewValue]) -> ArrayRef {
    let (mut kinds, mut places) = (Vec::new(), Vec::new());
    let (mut texts, mut ints, mut doubles) = (StringBuilder::new(), Vec::new(), Vec::new());
    let (mut bools, mut binary) = (BooleanBuilder::new(), BinaryBuilder::new());
    let (mut lists, mut maps) = (BinaryBuilder::new(), BinaryBuilder::new());
    let [mut text, mut bool, mut bytes, mut list, mut map] = [0i32; 5];
    let next = |count: &mut i32| std::mem::replace(count, *count + 1);
    for value in values {
        let (kind, place) = match value.as_ref().map(|any| &any.value) {
            None => (0, 0),
            Some(None) => (1, 0),
            Some(Some(Value::StringValue(value))) => {
                texts.append_value(value);
                (2, next(&mut text))
            }
            Some(Some(Value::IntValue(value))) => {
                ints.push(*value);
                (3, ints.len() as i32 - 1)
            }
            Some(Some(Value::DoubleValue(value))) => {
                doubles.push(*value);
                (4, doubles.len() as i32 - 1)
            }
            Some(Some(Value::BoolValue(value))) => {
                bools.append_value(*value);
                (5, next(&mut bool))
            }
            Some(Some(Value::BytesValue(value))) => {
                binary.append_value(value);
                (6, next(&mut bytes))
            }
            Some(Some(Value::ArrayValue(value))) => {
                lists.append_value(value.encode_to_vec());
                (7, next(&mut list))
            }
            Some(Some(Value::KvlistValue(value))) => {
                maps.append_value(value.encode_to_vec());
                (8, next(&mut map))
            }
            Some(Some(Value::StringValueStrindex(_))) => (1, 0),
        };
        kinds.push(kind);
        places.push(place);
    }
    let children: Vec<ArrayRef> = vec![
        Arc::new(NullArray::new(1)),
        Arc::new(NullArray::new(1)),
        Arc::new(texts.finish()),
        Arc::new(Int64Array::from(ints)),
        Arc::new(Float64Array::from(doubles)),
        Arc::new(bools.finish()),
        Arc::new(binary.finish()),
        Arc::new(lists.finish()),
        Arc::new(maps.finish()),
    ];
    let names = ["absent", "empty", "text", "int", "double", "boolean", "binary", "list-value", "map-value"];
    let fields = children.iter().zip(names).map(|(child, name)| Field::new(name, child.data_type().clone(), true));
    let fields = UnionFields::try_new(0i8..9, fields).expect("nine fields");
    Arc::new(
        UnionArray::try_new(fields, ScalarBuffer::from(kinds), Some(ScalarBuffer::from(places)), children)
            .expect("a union of its children"),
    )
}

/// A map for each target; `None` is a null.
pub fn maps(maps: &[Option<Vec<KeyValue>>]) -> ArrayRef {
    let entries: Vec<&KeyValue> = maps.iter().flatten().flatten().collect();
    let keys: ArrayRef = Arc::new(entries.iter().map(|entry| Some(entry.key.as_str())).collect::<StringArray>());
    let values = any(&entries.iter().map(|entry| entry.value.clone()).collect::<Vec<_>>());
    let fields = Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", values.data_type().clone(), true),
    ]);
    let lengths = maps.iter().map(|map| map.as_ref().map_or(0, Vec::len));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = NullBuffer::from_iter(maps.iter().map(Option::is_some));
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None).expect("entries");
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    Arc::new(MapArray::try_new(field, offsets, entries, Some(nulls), false).expect("a map"))
}
