//! One value, in a form that both sides can be brought to.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value};
use prost::Message;

use crate::{ColumnType, Key};

#[derive(Clone, Debug)]
pub(super) enum Cell {
    Null,
    Empty,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(ArrayValue),
    Map(KeyValueList),
    Attributes(Vec<(String, Cell)>),
    Sequence(Vec<Cell>),
}

/// Numbers are compared by their bits, so that a NaN is itself, in lists and maps too.
impl PartialEq for Cell {
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) | (Cell::Empty, Cell::Empty) => true,
            (Cell::Bool(a), Cell::Bool(b)) => a == b,
            (Cell::Int(a), Cell::Int(b)) => a == b,
            (Cell::UInt(a), Cell::UInt(b)) => a == b,
            (Cell::Double(a), Cell::Double(b)) => a.to_bits() == b.to_bits(),
            (Cell::Text(a), Cell::Text(b)) => a == b,
            (Cell::Bytes(a), Cell::Bytes(b)) => a == b,
            (Cell::List(a), Cell::List(b)) => a.encode_to_vec() == b.encode_to_vec(),
            (Cell::Map(a), Cell::Map(b)) => a.encode_to_vec() == b.encode_to_vec(),
            (Cell::Attributes(a), Cell::Attributes(b)) => a == b,
            (Cell::Sequence(a), Cell::Sequence(b)) => a == b,
            _ => false,
        }
    }
}

impl Cell {
    pub(super) fn id(id: &[u8], width: usize) -> Cell {
        if id.len() == width { Cell::Bytes(id.to_vec()) } else { Cell::Null }
    }

    pub(super) fn optional(value: Option<f64>) -> Cell {
        value.map_or(Cell::Null, Cell::Double)
    }

    pub(super) fn any(value: Option<&AnyValue>) -> Cell {
        match value.and_then(|any| any.value.as_ref()) {
            None | Some(Value::StringValueStrindex(_)) => Cell::Empty,
            Some(Value::StringValue(text)) => Cell::Text(text.clone()),
            Some(Value::BoolValue(bool)) => Cell::Bool(*bool),
            Some(Value::IntValue(int)) => Cell::Int(*int),
            Some(Value::DoubleValue(double)) => Cell::Double(*double),
            Some(Value::BytesValue(bytes)) => Cell::Bytes(bytes.clone()),
            Some(Value::ArrayValue(list)) => Cell::List(list.clone()),
            Some(Value::KvlistValue(map)) => Cell::Map(map.clone()),
        }
    }

    /// A whole set of attributes, or what its keys lead to.
    pub(super) fn attributes(entries: &[KeyValue], keys: &[Key]) -> Cell {
        match keys {
            [] => Cell::Attributes(
                entries.iter().map(|entry| (entry.key.clone(), Cell::any(entry.value.as_ref()))).collect(),
            ),
            keys => Cell::Map(KeyValueList { values: entries.to_vec() }).within(keys),
        }
    }

    pub(super) fn within(self, keys: &[Key]) -> Cell {
        keys.iter().fold(self, |cell, key| match (cell, key) {
            (Cell::Map(map), Key::Name(name)) => match map.values.iter().find(|entry| &entry.key == name) {
                Some(entry) => Cell::any(entry.value.as_ref()),
                None => Cell::Null,
            },
            (Cell::List(list), Key::Index(place)) => match list.values.get(*place as usize) {
                Some(value) => Cell::any(Some(value)),
                None => Cell::Null,
            },
            _ => Cell::Null,
        })
    }

    /// What is left of it in a column of this type.
    pub(super) fn in_type(self, column: &ColumnType) -> Cell {
        match (self, column) {
            (Cell::Sequence(cells), ColumnType::Sequence(element)) => {
                Cell::Sequence(cells.into_iter().map(|cell| cell.in_type(element)).collect())
            }
            (Cell::UInt(int), ColumnType::Int64) => Cell::Int(int as i64),
            (Cell::Map(map), ColumnType::Attributes(_)) => Cell::attributes(&map.values, &[]),
            (cell, ColumnType::Any(_)) => cell,
            (cell @ Cell::Text(_), ColumnType::Text(_)) => cell,
            (cell @ Cell::Bool(_), ColumnType::Boolean) => cell,
            (cell @ Cell::Int(_), ColumnType::Int64 | ColumnType::Int32) => cell,
            (cell @ Cell::UInt(_), ColumnType::UInt64 | ColumnType::UInt32) => cell,
            (cell @ Cell::Double(_), ColumnType::Double) => cell,
            (cell @ Cell::Bytes(_), ColumnType::Binary | ColumnType::Id8 | ColumnType::Id16) => cell,
            (cell @ Cell::Attributes(_), ColumnType::Attributes(_)) => cell,
            _ => Cell::Null,
        }
    }

    pub(super) fn of_array(array: &ArrayRef, row: usize) -> Cell {
        if array.is_null(row) {
            return Cell::Null;
        }
        match array.data_type() {
            DataType::Null => Cell::Null,
            DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
            DataType::UInt8 => Cell::UInt(array.as_primitive::<UInt8Type>().value(row).into()),
            DataType::UInt32 => Cell::UInt(array.as_primitive::<UInt32Type>().value(row).into()),
            DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::UInt64 => Cell::UInt(array.as_primitive::<UInt64Type>().value(row)),
            DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::Float64 => Cell::Double(array.as_primitive::<Float64Type>().value(row)),
            DataType::FixedSizeBinary(_) => Cell::Bytes(array.as_fixed_size_binary().value(row).to_vec()),
            DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
            DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row).to_vec()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary::<UInt32Type>();
                Cell::of_array(dictionary.values(), dictionary.keys().value(row) as usize)
            }
            DataType::Union(..) => {
                let union = array.as_union();
                let kind = union.type_id(row);
                let cell = Cell::of_array(union.child(kind), union.value_offset(row));
                match (kind, cell) {
                    (0, _) => Cell::Null,
                    (1, _) => Cell::Empty,
                    (7, Cell::Bytes(list)) => Cell::List(ArrayValue::decode(list.as_slice()).expect("a list")),
                    (8, Cell::Bytes(map)) => Cell::Map(KeyValueList::decode(map.as_slice()).expect("a map")),
                    (_, cell) => cell,
                }
            }
            DataType::Map(..) => {
                let entries = array.as_map().value(row);
                let cells = |column: usize| {
                    (0..entries.len())
                        .map(move |place| (column, place))
                        .map(|(c, p)| Cell::of_array(entries.column(c), p))
                };
                let key = |cell| match cell {
                    Cell::Text(key) => key,
                    other => panic!("a key is {other:?}"),
                };
                Cell::Attributes(cells(0).map(key).zip(cells(1).collect::<Vec<_>>()).collect())
            }
            DataType::List(..) => {
                let elements = array.as_list::<i32>().value(row);
                Cell::Sequence((0..elements.len()).map(|place| Cell::of_array(&elements, place)).collect())
            }
            other => panic!("no column has the type {other}"),
        }
    }
}
