//! Columns as JSON, a value for each row: what any reader would show.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Value, json};

use crate::expected::double;

/// Every row, with all columns by name.
pub fn rows(batch: &RecordBatch) -> Vec<Value> {
    let schema = batch.schema();
    let columns = || schema.fields().iter().zip(batch.columns());
    let row = |row| columns().map(|(field, column)| (field.name().clone(), value(column, row))).collect::<Map<_, _>>();
    (0..batch.num_rows()).map(|place| Value::Object(row(place))).collect()
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt32 => json!(array.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => json!(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float64 => double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(TimeUnit::Nanosecond, Some(zone)) if &**zone == "UTC" => {
            json!(array.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Dictionary(_, _) => {
            let array = array.as_dictionary::<Int32Type>();
            value(array.values(), array.keys().value(row) as usize)
        }
        DataType::List(_) => all(&array.as_list::<i32>().value(row)),
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let [keys, values] = [0, 1].map(|column| all(entries.column(column)));
            let (Value::Array(keys), Value::Array(values)) = (keys, values) else { unreachable!() };
            Value::Array(keys.into_iter().zip(values).map(|(key, value)| json!([key, value])).collect())
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Value::Object(columns.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
        }
        other => panic!("a column of {other}"),
    }
}

fn all(array: &dyn Array) -> Value {
    Value::Array((0..array.len()).map(|row| value(array, row)).collect())
}
