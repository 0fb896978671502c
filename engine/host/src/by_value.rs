//! Something for each row of a column that depends on the row's value alone: which group it is of, which shard.
//!
//! What a dictionary or a parent says for many rows is looked at once.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_schema::DataType;
use smallvec::SmallVec;

/// One value, as bytes.
pub(crate) enum Value<'a> {
    /// 8 or 16 bytes.
    Id(&'a [u8]),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Boolean([u8; 1]),
    /// An int64 or uint64 of whatever width, little-endian.
    Int([u8; 8]),
    /// IEEE 754, little-endian.
    Double([u8; 8]),
}

impl Value<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Id(bytes) | Value::Text(bytes) | Value::Binary(bytes) => bytes,
            Value::Boolean(bytes) => bytes,
            Value::Int(bytes) | Value::Double(bytes) => bytes,
        }
    }
}

/// What `of` says of each row's value; `None`: the row has none, or one that is not of a single value.
pub(crate) fn by_value<K: Copy>(array: &dyn Array, of: &impl Fn(Value<'_>) -> K) -> Vec<Option<K>> {
    fn each<T, K>(values: impl Iterator<Item = Option<T>>, of: impl Fn(T) -> K) -> Vec<Option<K>> {
        values.map(|value| value.map(&of)).collect()
    }
    fn ints<T: ArrowPrimitiveType, K>(
        array: &dyn Array,
        bytes: impl Fn(T::Native) -> [u8; 8],
        of: &impl Fn(Value<'_>) -> K,
    ) -> Vec<Option<K>> {
        each(array.as_primitive::<T>().iter(), |value| of(Value::Int(bytes(value))))
    }
    match array.data_type() {
        DataType::UInt8 => ints::<UInt8Type, K>(array, |value| i64::from(value).to_le_bytes(), of),
        DataType::UInt32 => ints::<UInt32Type, K>(array, |value| i64::from(value).to_le_bytes(), of),
        DataType::Int32 => ints::<Int32Type, K>(array, |value| i64::from(value).to_le_bytes(), of),
        DataType::UInt64 => ints::<UInt64Type, K>(array, u64::to_le_bytes, of),
        DataType::Int64 => ints::<Int64Type, K>(array, i64::to_le_bytes, of),
        DataType::Float64 => {
            each(array.as_primitive::<Float64Type>().iter(), |value| of(Value::Double(value.to_le_bytes())))
        }
        DataType::Boolean => each(array.as_boolean().iter(), |value| of(Value::Boolean([u8::from(value)]))),
        DataType::FixedSizeBinary(_) => each(array.as_fixed_size_binary().iter(), |id| of(Value::Id(id))),
        DataType::Utf8 => each(array.as_string::<i32>().iter(), |text| of(Value::Text(text.as_bytes()))),
        DataType::Binary => each(array.as_binary::<i32>().iter(), |bytes| of(Value::Binary(bytes))),
        DataType::Dictionary(..) => {
            let dictionary = array.as_dictionary::<UInt32Type>();
            let of_values = by_value(dictionary.values(), of);
            let of_row = |row| dictionary.key(row).and_then(|key| of_values.get(key).copied().flatten());
            (0..array.len()).map(of_row).collect()
        }
        DataType::Union(fields, _) => {
            let union = array.as_union();
            let mut children: SmallVec<[(i8, Vec<Option<K>>); 9]> = SmallVec::new();
            children.extend(fields.iter().map(|(kind, _)| (kind, by_value(union.child(kind), of))));
            let of_row = |row| {
                let (kind, place) = (union.type_id(row), union.value_offset(row));
                let child = children.iter().find(|(of, _)| *of == kind);
                child.and_then(|(_, values)| values.get(place).copied().flatten())
            };
            (0..array.len()).map(of_row).collect()
        }
        // Kinds of `any` without a value.
        _ => vec![None; array.len()],
    }
}
