//! From a block that a guest returned to Arrow arrays, as edits take them.
//!
//! The block was checked as a whole ([`Block::check`]) before anything here looks at it. What is made are the types of
//! [`wasmill_wire::ColumnType`].

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array,
    ListArray, MapArray, NullArray, StringArray, StructArray, UInt8Array, UInt32Array, UInt64Array, UnionArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields};
use wasmill_columns::{Any, AnyKind, Attributes, Binary, Bits, Block, Boolean, Column, Fixed, Sequence, Text, Values};
use wasmill_wire::any_fields;

use crate::fault::Fault;

/// Reads a block that is to have one column.
pub(crate) fn one_column(path: &str, bytes: &[u8]) -> Result<ArrayRef, Fault> {
    let bad = |reason: String| Fault::bad_output(format!("the values for `{path}`: {reason}"));
    let block = Block::check(bytes).map_err(|error| bad(error.to_string()))?;
    let mut columns = block.columns();
    match (columns.next(), columns.next()) {
        (Some(column), None) => array(&column).map_err(|error| bad(error.to_string())),
        (None, _) => Err(bad("the block has no column, expected one".to_owned())),
        (Some(_), Some(_)) => Err(bad("the block has several columns, expected one".to_owned())),
    }
}

fn array(column: &Column<'_>) -> Result<ArrayRef, ArrowError> {
    Ok(match column {
        Column::Boolean(column) => boolean(column),
        Column::UInt8(column) => Arc::new(UInt8Array::new(numbers(column), valid(column.validity()))),
        Column::UInt32(column) => Arc::new(UInt32Array::new(numbers(column), valid(column.validity()))),
        Column::Int32(column) => Arc::new(Int32Array::new(numbers(column), valid(column.validity()))),
        Column::UInt64(column) => Arc::new(UInt64Array::new(numbers(column), valid(column.validity()))),
        Column::Int64(column) => Arc::new(Int64Array::new(numbers(column), valid(column.validity()))),
        Column::Double(column) => Arc::new(Float64Array::new(numbers(column), valid(column.validity()))),
        Column::Id8(column) => ids(column)?,
        Column::Id16(column) => ids(column)?,
        Column::Text(column) => text(column)?,
        Column::Binary(column) => binary(column),
        Column::Any(column) => any(column)?,
        Column::Sequence(column) => sequence(column)?,
        Column::Attributes(column) => attributes(column)?,
        Column::ListValue(_) | Column::MapValue(_) => {
            let reason = format!("`{}` can only be within `any`", column.kind());
            return Err(ArrowError::InvalidArgumentError(reason));
        }
    })
}

fn valid(bits: Option<Bits<'_>>) -> Option<NullBuffer> {
    bits.map(|bits| NullBuffer::new(buffer(bits)))
}

fn buffer(bits: Bits<'_>) -> BooleanBuffer {
    let words: Vec<u64> = bits.words().map(u64::to_le).collect();
    BooleanBuffer::new(Buffer::from_vec(words), 0, bits.len())
}

fn numbers<T: Fixed + arrow_buffer::ArrowNativeType>(column: &Values<'_, T>) -> ScalarBuffer<T> {
    column.raw_iter().collect::<Vec<T>>().into()
}

fn boolean(column: &Boolean<'_>) -> ArrayRef {
    Arc::new(BooleanArray::new(buffer(column.raw()), valid(column.validity())))
}

fn ids<const N: usize>(column: &Values<'_, [u8; N]>) -> Result<ArrayRef, ArrowError>
where
    [u8; N]: Fixed,
{
    let values: Vec<u8> = column.raw_iter().flatten().collect();
    let ids = FixedSizeBinaryArray::try_new(N as i32, Buffer::from_vec(values), valid(column.validity()))?;
    Ok(Arc::new(ids))
}

fn text(column: &Text<'_>) -> Result<ArrayRef, ArrowError> {
    Ok(match column {
        Text::Plain(text) => Arc::new(text.iter().collect::<StringArray>()),
        Text::Dictionary(dictionary) => {
            let keys = dictionary.keys();
            let keys = UInt32Array::new(numbers(&keys), valid(keys.validity()));
            let values = Arc::new(dictionary.values().iter().collect::<StringArray>());
            Arc::new(DictionaryArray::<UInt32Type>::try_new(keys, values)?)
        }
    })
}

fn binary(column: &Binary<'_>) -> ArrayRef {
    Arc::new(column.iter().collect::<BinaryArray>())
}

fn any(column: &Any<'_>) -> Result<ArrayRef, ArrowError> {
    let kinds = column.kinds();
    let has = |kind: AnyKind| kinds.contains(&(kind as u8));
    let none = || Arc::new(NullArray::new(1)) as ArrayRef;
    let bytes = |child: Option<Binary<'_>>| child.map(|child| binary(&child));
    // The block's check has seen that a kind which occurs has a child.
    let children = [
        has(AnyKind::Absent).then(none),
        has(AnyKind::Empty).then(none),
        column.text().map(|column| text(&column)).transpose()?,
        column.int().map(|int| Arc::new(Int64Array::new(numbers(&int), None)) as ArrayRef),
        column.double().map(|double| Arc::new(Float64Array::new(numbers(&double), None)) as ArrayRef),
        column.boolean().map(|bits| boolean(&bits)),
        bytes(column.binary()),
        bytes(column.list()),
        bytes(column.map()),
    ];
    // A row that is nowhere may have any place in a block; here it has the only one.
    let nowhere = |kind: u8| kind <= AnyKind::Empty as u8;
    let places = kinds.iter().zip(column.places().raw_iter());
    let places: Vec<i32> = places.map(|(&kind, place)| if nowhere(kind) { 0 } else { place as i32 }).collect();
    let kinds: Vec<i8> = kinds.iter().map(|&kind| kind as i8).collect();
    let fields = any_fields(&children);
    let children = children.into_iter().flatten().collect();
    Ok(Arc::new(UnionArray::try_new(fields, kinds.into(), Some(places.into()), children)?))
}

/// The block's check has seen that these do not descend.
fn offsets(rows: usize, end: impl Fn(usize) -> usize) -> OffsetBuffer<i32> {
    let mut last = 0;
    let ends = (0..rows).map(|row| {
        // A row without a value has no places; it ends where the last one did.
        last = last.max(end(row) as i32);
        last
    });
    OffsetBuffer::new(std::iter::once(0).chain(ends).collect::<Vec<i32>>().into())
}

fn sequence(column: &Sequence<'_>) -> Result<ArrayRef, ArrowError> {
    let values = array(&column.values())?;
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    let offsets = offsets(column.len(), |row| column.places(row).end);
    Ok(Arc::new(ListArray::try_new(field, offsets, values, valid(column.validity()))?))
}

fn attributes(column: &Attributes<'_>) -> Result<ArrayRef, ArrowError> {
    let (keys, values) = (text(&column.keys())?, any(&column.values())?);
    let fields = Fields::from(vec![
        Field::new("keys", keys.data_type().clone(), false),
        Field::new("values", values.data_type().clone(), true),
    ]);
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    let offsets = offsets(column.len(), |row| column.places(row).end);
    Ok(Arc::new(MapArray::try_new(field, offsets, entries, valid(column.validity()), false)?))
}
