//! Columns as arrow-rs arrays (feature `arrow`).
#![cfg(feature = "arrow")]

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, BooleanArray};
use wasmill_sdk::arrow::{array, bitmap};
use wasmill_sdk::columns::{AnyValue, Bitmap, Block, BlockBuilder, TextBuilder};

/// Values, nulls and dictionaries arrive as they were; what has no array says so.
#[test]
fn columns_become_arrays() {
    let mut builder = BlockBuilder::new();
    builder.fixed_options([Some(1_u64), None, Some(3)]);
    builder.dictionary([1, 0, 1], ["a", "b"]);
    let mut text = TextBuilder::new();
    [Some("x"), None, Some("")].into_iter().for_each(|value| text.push(value));
    text.append(&mut builder);
    builder.boolean(&Bitmap::from_fn(3, |row| row == 1));
    builder.fixed([[7_u8; 16]; 3]);
    builder.any_constant(AnyValue::Int(1), 3);
    let bytes = builder.finish().unwrap();
    let block = Block::check(&bytes).unwrap();
    let arrays: Vec<_> = block.columns().map(array).collect();
    let [Ok(numbers), Ok(keys), Ok(text), Ok(booleans), Ok(ids), Err(any)] = &arrays[..] else { panic!("{arrays:?}") };
    assert_eq!(numbers.as_primitive::<UInt64Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(3)]);
    let keys = keys.as_dictionary::<UInt32Type>();
    assert_eq!(
        keys.downcast_dict::<arrow_array::StringArray>().unwrap().into_iter().collect::<Vec<_>>(),
        [Some("b"), Some("a"), Some("b")]
    );
    assert_eq!(text.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("x"), None, Some("")]);
    assert!(booleans.as_boolean().value(1) && !booleans.as_boolean().value(2));
    assert_eq!((ids.as_fixed_size_binary().value(2), ids.len()), (&[7; 16][..], 3));
    assert_eq!(any.message(), "a column of `any` has no Arrow array, use its view");
    let rows = BooleanArray::from(vec![Some(true), None, Some(false)]);
    assert_eq!(bitmap(&rows).ones().collect::<Vec<_>>(), [0]);
}
