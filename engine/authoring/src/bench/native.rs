//! The least that any code does that looks at all it asked for, whatever it is compiled to: each byte of each value once.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, ToByteSlice};
use arrow_schema::DataType;

/// A sum over the values of a column; `None`: its type is none that columns have.
pub(super) fn read(column: &ArrayRef) -> Option<u64> {
    Some(match column.data_type() {
        DataType::Null => 0,
        DataType::Boolean => column.as_boolean().values().iter().map(u64::from).sum(),
        DataType::UInt8 => values(column.as_primitive::<UInt8Type>()),
        DataType::UInt32 => values(column.as_primitive::<UInt32Type>()),
        DataType::Int32 => values(column.as_primitive::<Int32Type>()),
        DataType::UInt64 => values(column.as_primitive::<UInt64Type>()),
        DataType::Int64 => values(column.as_primitive::<Int64Type>()),
        DataType::Float64 => values(column.as_primitive::<Float64Type>()),
        DataType::FixedSizeBinary(_) => bytes(column.as_fixed_size_binary().value_data()),
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            offsets(texts.value_offsets()) + bytes(texts.value_data())
        }
        DataType::Binary => {
            let binary = column.as_binary::<i32>();
            offsets(binary.value_offsets()) + bytes(binary.value_data())
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_dictionary::<UInt32Type>();
            values(dictionary.keys()) + read(dictionary.values())?
        }
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            offsets(list.value_offsets()) + read(list.values())?
        }
        DataType::Map(..) => {
            let map = column.as_map();
            offsets(map.value_offsets()) + read(map.keys())? + read(map.values())?
        }
        DataType::Union(fields, _) => {
            let union = column.as_union();
            let children = fields.iter().map(|(id, _)| read(union.child(id)));
            let ids = union.type_ids().iter().map(|id| u64::from(id.unsigned_abs())).sum::<u64>();
            ids + offsets(union.offsets()?) + children.sum::<Option<u64>>()?
        }
        _ => return None,
    })
}

fn values<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> u64 {
    bytes(array.values().to_byte_slice())
}

fn bytes(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

fn offsets(offsets: &[i32]) -> u64 {
    offsets.iter().map(|offset| offset.as_usize() as u64).sum()
}
