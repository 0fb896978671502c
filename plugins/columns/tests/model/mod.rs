//! Columns as plain values, for comparing.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wasmill_columns::{AnyBuilder, AnyValue, AttributesBuilder, Bitmap, BlockBuilder, Column, Kind, Text, TextBuilder};

#[derive(Clone, PartialEq, Debug)]
pub enum Model {
    Boolean(Vec<Option<bool>>),
    UInt8(Vec<Option<u8>>),
    UInt32(Vec<Option<u32>>),
    Int32(Vec<Option<i32>>),
    UInt64(Vec<Option<u64>>),
    Int64(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Id8(Vec<Option<[u8; 8]>>),
    Id16(Vec<Option<[u8; 16]>>),
    Text(Vec<Option<String>>),
    /// Keys, and the dictionary.
    Dictionary(Vec<u32>, Vec<String>),
    Binary(Vec<Vec<u8>>),
    Any(Vec<Value>),
    Attributes(Vec<Vec<(String, Value)>>),
    Sequence(Vec<Vec<u64>>),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Absent,
    Empty,
    Text(String),
    Int(i64),
    Double(f64),
    Boolean(bool),
    Binary(Vec<u8>),
    List(Vec<u8>),
    Map(Vec<u8>),
}

const ROWS: std::ops::Range<usize> = 0..70;

pub fn model() -> impl Strategy<Value = Model> {
    prop_oneof![
        vec(any::<Option<bool>>(), ROWS).prop_map(Model::Boolean),
        vec(any::<Option<u8>>(), ROWS).prop_map(Model::UInt8),
        vec(any::<Option<u32>>(), ROWS).prop_map(Model::UInt32),
        vec(any::<Option<i32>>(), ROWS).prop_map(Model::Int32),
        vec(any::<Option<u64>>(), ROWS).prop_map(Model::UInt64),
        vec(any::<Option<i64>>(), ROWS).prop_map(Model::Int64),
        vec(option::of(-1e9..1e9), ROWS).prop_map(Model::Double),
        vec(any::<Option<[u8; 8]>>(), ROWS).prop_map(Model::Id8),
        vec(any::<Option<[u8; 16]>>(), ROWS).prop_map(Model::Id16),
        vec(option::of(text()), ROWS).prop_map(Model::Text),
        (vec(any::<prop::sample::Index>(), ROWS), vec(text(), 1..5)).prop_map(|(keys, values)| {
            Model::Dictionary(keys.iter().map(|key| key.index(values.len()) as u32).collect(), values)
        }),
        vec(vec(any::<u8>(), 0..9), ROWS).prop_map(Model::Binary),
        vec(value(), ROWS).prop_map(Model::Any),
        vec(vec((text(), value()), 0..4), 0..20).prop_map(Model::Attributes),
        vec(vec(any::<u64>(), 0..4), 0..20).prop_map(Model::Sequence),
    ]
}

fn text() -> impl Strategy<Value = String> {
    "[a-c äß€𝄞]{0,6}"
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Absent),
        Just(Value::Empty),
        text().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        vec(any::<u8>(), 0..5).prop_map(Value::Binary),
        vec(any::<u8>(), 0..5).prop_map(Value::List),
        vec(any::<u8>(), 0..5).prop_map(Value::Map),
    ]
}

impl Value {
    pub fn view(&self) -> AnyValue<'_> {
        match self {
            Value::Absent => AnyValue::Absent,
            Value::Empty => AnyValue::Empty,
            Value::Text(text) => AnyValue::Text(text),
            Value::Int(int) => AnyValue::Int(*int),
            Value::Double(double) => AnyValue::Double(*double),
            Value::Boolean(boolean) => AnyValue::Boolean(*boolean),
            Value::Binary(bytes) => AnyValue::Binary(bytes),
            Value::List(bytes) => AnyValue::List(bytes),
            Value::Map(bytes) => AnyValue::Map(bytes),
        }
    }

    fn read(value: AnyValue<'_>) -> Value {
        match value {
            AnyValue::Absent => Value::Absent,
            AnyValue::Empty => Value::Empty,
            AnyValue::Text(text) => Value::Text(text.to_owned()),
            AnyValue::Int(int) => Value::Int(int),
            AnyValue::Double(double) => Value::Double(double),
            AnyValue::Boolean(boolean) => Value::Boolean(boolean),
            AnyValue::Binary(bytes) => Value::Binary(bytes.to_vec()),
            AnyValue::List(bytes) => Value::List(bytes.to_vec()),
            AnyValue::Map(bytes) => Value::Map(bytes.to_vec()),
        }
    }
}

impl Model {
    pub fn write(&self, block: &mut BlockBuilder) {
        match self {
            Model::Boolean(rows) => {
                let node = block.boolean(&rows.iter().map(|row| *row == Some(true)).collect());
                block.set_validity(node, &rows.iter().map(Option::is_some).collect::<Bitmap>());
            }
            Model::UInt8(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::UInt32(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::Int32(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::UInt64(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::Int64(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::Double(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::Id8(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::Id16(rows) => drop(block.fixed_options(rows.iter().copied())),
            Model::Text(rows) => {
                let mut text = TextBuilder::new();
                rows.iter().for_each(|row| text.push(row.as_deref()));
                text.append(block);
            }
            Model::Dictionary(keys, values) => {
                block.dictionary(keys.iter().copied(), values.iter().map(String::as_str));
            }
            Model::Binary(rows) => drop(block.binary(rows.iter().map(Vec::as_slice))),
            Model::Any(rows) => {
                let mut any = AnyBuilder::new();
                rows.iter().for_each(|row| any.push(row.view()));
                any.append(block);
            }
            Model::Attributes(rows) => {
                let mut attributes = AttributesBuilder::new();
                for row in rows {
                    row.iter().for_each(|(key, value)| attributes.entry(key, value.view()));
                    attributes.end_row();
                }
                attributes.append(block);
            }
            Model::Sequence(rows) => {
                let node = block.open(Kind::Sequence, rows.len(), 1);
                let mut end = 0_u32;
                for (to, row) in block.offsets(node).chunks_exact_mut(4).skip(1).zip(rows) {
                    end += row.len() as u32;
                    to.copy_from_slice(&end.to_le_bytes());
                }
                block.fixed(rows.concat());
            }
        }
    }

    /// Reads each value of a column. `Absent` entries of attributes are read as such.
    pub fn read(column: Column<'_>) -> Model {
        match column {
            Column::Boolean(rows) => Model::Boolean((0..rows.len()).map(|row| rows.get(row)).collect()),
            Column::UInt8(rows) => Model::UInt8(rows.iter().collect()),
            Column::UInt32(rows) => Model::UInt32(rows.iter().collect()),
            Column::Int32(rows) => Model::Int32(rows.iter().collect()),
            Column::UInt64(rows) => Model::UInt64(rows.iter().collect()),
            Column::Int64(rows) => Model::Int64(rows.iter().collect()),
            Column::Double(rows) => Model::Double(rows.iter().collect()),
            Column::Id8(rows) => Model::Id8(rows.iter().collect()),
            Column::Id16(rows) => Model::Id16(rows.iter().collect()),
            Column::Text(Text::Plain(rows)) => Model::Text(rows.iter().map(|row| row.map(str::to_owned)).collect()),
            Column::Text(Text::Dictionary(rows)) => {
                let values = rows.values();
                assert_eq!(
                    (0..rows.len()).filter_map(|row| rows.get(row)).count(),
                    rows.keys().iter().flatten().count()
                );
                Model::Dictionary(
                    rows.keys().raw_iter().collect(),
                    values.iter().flatten().map(str::to_owned).collect(),
                )
            }
            Column::Binary(rows) | Column::ListValue(rows) | Column::MapValue(rows) => {
                Model::Binary(rows.iter().map(|row| row.unwrap_or_default().to_vec()).collect())
            }
            Column::Any(rows) => Model::Any(rows.iter().map(Value::read).collect()),
            Column::Attributes(rows) => Model::Attributes(
                (0..rows.len())
                    .map(|row| rows.entries(row).map(|(key, value)| (key.to_owned(), Value::read(value))).collect())
                    .collect(),
            ),
            Column::Sequence(rows) => {
                let values = match rows.values() {
                    Column::UInt64(values) => values,
                    other => return Model::read(other),
                };
                Model::Sequence(
                    (0..rows.len()).map(|row| rows.places(row).map(|place| values.raw(place)).collect()).collect(),
                )
            }
        }
    }
}
