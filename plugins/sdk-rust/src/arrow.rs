//! Columns as arrow-rs arrays, with the feature `arrow`.
//!
//! Values are copied, because Arrow's buffers are aligned and a block need not be. What comes in a form that Arrow has no plain
//! type for (attributes, values typed by row, lists) stays with the views of [`columns`](crate::columns).

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray, StringArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use wasmill_columns::{Bitmap, Bits, Boolean, Column, Fixed, Text, Values};

use crate::{Error, Result};

/// The column as an array: `Boolean`, the primitive types, `FixedSizeBinary` for ids, `Utf8` or `Dictionary(UInt32, Utf8)`,
/// `Binary`.
///
/// # Errors
/// For attributes, values typed by row and lists.
pub fn array(column: Column<'_>) -> Result<ArrayRef> {
    Ok(match column {
        Column::Boolean(values) => Arc::new(boolean(values)),
        Column::UInt8(values) => Arc::new(primitive::<UInt8Type>(values)),
        Column::UInt32(values) => Arc::new(primitive::<UInt32Type>(values)),
        Column::Int32(values) => Arc::new(primitive::<Int32Type>(values)),
        Column::UInt64(values) => Arc::new(primitive::<UInt64Type>(values)),
        Column::Int64(values) => Arc::new(primitive::<Int64Type>(values)),
        Column::Double(values) => Arc::new(primitive::<Float64Type>(values)),
        Column::Id8(values) => Arc::new(ids(values)?),
        Column::Id16(values) => Arc::new(ids(values)?),
        Column::Text(Text::Plain(values)) => Arc::new(values.iter().collect::<StringArray>()),
        Column::Text(Text::Dictionary(values)) => {
            let dictionary: StringArray = values.values().iter().collect();
            Arc::new(DictionaryArray::try_new(primitive::<UInt32Type>(values.keys()), Arc::new(dictionary))?)
        }
        Column::Binary(values) => Arc::new(values.iter().collect::<BinaryArray>()),
        other => return Err(Error::new(format!("a column of `{}` has no Arrow array, use its view", other.kind()))),
    })
}

/// A filter's result as the rows to keep. A null is not kept.
pub fn bitmap(rows: &BooleanArray) -> Bitmap {
    Bitmap::from_fn(rows.len(), |row| rows.is_valid(row) && rows.value(row))
}

fn primitive<T: ArrowPrimitiveType<Native: Fixed>>(values: Values<'_, T::Native>) -> PrimitiveArray<T> {
    PrimitiveArray::new(values.raw_iter().collect(), nulls(values.validity()))
}

fn boolean(values: Boolean<'_>) -> BooleanArray {
    BooleanArray::new(buffer(values.raw()), nulls(values.validity()))
}

fn ids<const N: usize>(values: Values<'_, [u8; N]>) -> Result<FixedSizeBinaryArray>
where
    [u8; N]: Fixed,
{
    let bytes: Vec<u8> = values.raw_iter().flatten().collect();
    Ok(FixedSizeBinaryArray::try_new(N as i32, Buffer::from_vec(bytes), nulls(values.validity()))?)
}

fn nulls(validity: Option<Bits<'_>>) -> Option<NullBuffer> {
    validity.map(|bits| NullBuffer::new(buffer(bits)))
}

fn buffer(bits: Bits<'_>) -> BooleanBuffer {
    BooleanBuffer::new(Buffer::from_vec(bits.words().flat_map(u64::to_le_bytes).collect::<Vec<u8>>()), 0, bits.len())
}
