//! From Arrow arrays and the rows of a slice to the contract's block.
//!
//! Rows come as runs, so that what lies together is copied together: with all rows selected each part is one copy. Nothing
//! is allocated for each row. A nested column turns the runs of its rows into runs of its children and goes on with those.
//!
//! A dictionary crosses as it is while it is small beside the slice; else only what the slice's rows use. What a guest asked
//! for as plain, or what has no dictionary in the contract (bytes and maps of parents), is laid out row by row.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, UnionArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, bit_mask};
use arrow_schema::DataType;
use wasmill_batch::Gathered;
use wasmill_columns::{AnyKind, BlockBuilder, BlockTooLarge, Kind, NodeId};
use wasmill_wire::{ColumnRequest, ColumnType, TextForm};

use crate::requirements::{Input, Source};
use crate::slice::Runs;

/// In picked rows: no value.
const NONE: u32 = u32::MAX;

/// A dictionary of at most so many values for each row of the slice crosses whole; pruning a small one costs more than it
/// saves.
const DICTIONARY_VALUES_PER_ROW: usize = 2;
/// The same of its bytes.
const DICTIONARY_BYTES_PER_ROW: usize = 64;

/// Rows of an array.
#[derive(Clone, Copy)]
enum Rows<'a> {
    Runs(&'a Runs),
    /// One by one, in any order; [`NONE`] has no value.
    Picks(&'a [u32]),
}

/// Whether text of this column has to be laid out row by row.
pub(crate) fn is_plain(column: &ColumnType) -> bool {
    match column {
        ColumnType::Text(form) | ColumnType::Any(form) | ColumnType::Attributes(form) => *form == TextForm::Plain,
        ColumnType::Sequence(element) => is_plain(element),
        _ => false,
    }
}

/// What there is to know of a slice's groups.
#[derive(Clone, Copy)]
pub(crate) struct Grouped {
    pub count: usize,
    pub gathered: Gathered,
}

/// The slice's columns. `header` gives the value of a header of the request.
pub(crate) fn gather<'h>(
    input: &Input,
    arrays: &[ArrayRef],
    rows: &Runs,
    header: impl Fn(&str) -> Option<&'h str>,
    groups: Grouped,
    capacity: usize,
) -> Result<Vec<u8>, BlockTooLarge> {
    let nodes = arrays.iter().map(|array| nodes_max(array.data_type())).sum::<usize>();
    let metadata = input.sources.len().saturating_sub(arrays.len()) * 2;
    let mut block = BlockBuilder::with_capacity(nodes + metadata, capacity);
    let mut projected = arrays.iter().zip(&input.columns);
    for source in &input.sources {
        match source {
            Source::Projected => {
                if let Some((array, ColumnRequest { column, .. })) = projected.next() {
                    column_of(&mut block, array, Rows::Runs(rows), is_plain(column));
                }
            }
            Source::Metadata { name, form } => constant(&mut block, header(name), *form, rows.count()),
            Source::GroupReason { form } => {
                constant(&mut block, Some(groups.gathered.reason.name()), *form, groups.count);
            }
            Source::GroupWaitedMs => {
                let node = block.open(Kind::UInt32, groups.count, 0);
                block.values_with(node, |out| {
                    let waited = groups.gathered.waited_ms.to_le_bytes();
                    (0..groups.count).for_each(|_| out.extend_from_slice(&waited));
                });
            }
        }
    }
    block.finish()
}

/// Nodes that a column of this type takes at most: their place stands before what they describe.
fn nodes_max(data_type: &DataType) -> usize {
    match data_type {
        DataType::Dictionary(_, value) => 1 + nodes_max(value),
        DataType::Union(fields, _) => 1 + fields.iter().map(|(_, field)| nodes_max(field.data_type())).sum::<usize>(),
        DataType::Map(entries, _) => 1 + nodes_max(entries.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| nodes_max(field.data_type())).sum(),
        DataType::List(item) => 1 + nodes_max(item.data_type()),
        _ => 1,
    }
}

/// A column and its children. `plain`: text row by row.
fn column_of(block: &mut BlockBuilder, array: &dyn Array, rows: Rows<'_>, plain: bool) {
    match array.data_type() {
        DataType::Boolean => booleans(block, array, rows),
        DataType::UInt8 => numbers::<UInt8Type>(block, array, Kind::UInt8, rows),
        DataType::UInt32 => numbers::<UInt32Type>(block, array, Kind::UInt32, rows),
        DataType::Int32 => numbers::<Int32Type>(block, array, Kind::Int32, rows),
        DataType::UInt64 => numbers::<UInt64Type>(block, array, Kind::UInt64, rows),
        DataType::Int64 => numbers::<Int64Type>(block, array, Kind::Int64, rows),
        DataType::Float64 => numbers::<Float64Type>(block, array, Kind::Double, rows),
        DataType::FixedSizeBinary(8) => ids(block, array, Kind::Id8, 8, rows),
        DataType::FixedSizeBinary(16) => ids(block, array, Kind::Id16, 16, rows),
        DataType::Utf8 => cut(block, array, Kind::Text, rows),
        DataType::Binary => cut(block, array, Kind::Binary, rows),
        DataType::Dictionary(_, value) if **value == DataType::Utf8 && !plain => dictionary(block, array, rows),
        DataType::Dictionary(..) => laid_out(block, array, rows, plain),
        DataType::Union(..) => any(block, array.as_union(), rows, plain),
        DataType::Map(..) => {
            let map = array.as_map();
            let (keys, values) = (map.keys(), map.values());
            let node = block.open(Kind::Attributes, rows.count(), 2);
            let inner = nested(block, node, map.value_offsets(), map.nulls(), rows);
            column_of(block, keys, Rows::Runs(&inner), plain);
            column_of(block, values, Rows::Runs(&inner), plain);
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let node = block.open(Kind::Sequence, rows.count(), 1);
            let inner = nested(block, node, list.value_offsets(), list.nulls(), rows);
            column_of(block, list.values(), Rows::Runs(&inner), plain);
        }
        // The wire engine makes no other type (`ColumnType`). A guest that meets it sees a column without values.
        _ => {
            let node = block.open(Kind::Binary, rows.count(), 0);
            block.offsets(node);
            block.validity(node);
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(block: &mut BlockBuilder, array: &dyn Array, kind: Kind, rows: Rows<'_>) {
    let array = array.as_primitive::<T>();
    let width = T::Native::get_byte_width();
    fixed(block, array.values().inner().as_slice(), array.nulls(), kind, width, rows);
}

fn ids(block: &mut BlockBuilder, array: &dyn Array, kind: Kind, width: usize, rows: Rows<'_>) {
    let array = array.as_fixed_size_binary();
    fixed(block, array.value_data(), array.nulls(), kind, width, rows);
}

fn fixed(
    block: &mut BlockBuilder,
    values: &[u8],
    nulls: Option<&NullBuffer>,
    kind: Kind,
    width: usize,
    rows: Rows<'_>,
) {
    let node = block.open(kind, rows.count(), 0);
    validity(block, node, nulls, rows);
    block.values_with(node, |out| match rows {
        Rows::Runs(runs) => {
            for &(start, end) in runs.as_slice() {
                let bytes = start as usize * width..end as usize * width;
                out.extend_from_slice(values.get(bytes).unwrap_or_default());
            }
        }
        Rows::Picks(picks) => {
            for &row in picks {
                match values.get(row as usize * width..(row as usize + 1) * width) {
                    Some(value) if row != NONE => out.extend_from_slice(value),
                    _ => out.resize(out.len() + width, 0),
                }
            }
        }
    });
}

fn booleans(block: &mut BlockBuilder, array: &dyn Array, rows: Rows<'_>) {
    let array = array.as_boolean();
    let node = block.open(Kind::Boolean, rows.count(), 0);
    validity(block, node, array.nulls(), rows);
    bits(block.values(node, rows.count().div_ceil(8)), array.values(), rows);
}

/// Text or bytes.
fn cut(block: &mut BlockBuilder, array: &dyn Array, kind: Kind, rows: Rows<'_>) {
    let (offsets, values) = match array.data_type() {
        DataType::Utf8 => (array.as_string::<i32>().value_offsets(), array.as_string::<i32>().value_data()),
        _ => (array.as_binary::<i32>().value_offsets(), array.as_binary::<i32>().value_data()),
    };
    let node = block.open(kind, rows.count(), 0);
    let inner = nested(block, node, offsets, array.nulls(), rows);
    block.values_with(node, |out| {
        for &(start, end) in inner.as_slice() {
            out.extend_from_slice(values.get(start as usize..end as usize).unwrap_or_default());
        }
    });
}

/// Writes validity and offsets of what is cut, and gives what to take of the children.
fn nested(block: &mut BlockBuilder, node: NodeId, offsets: &[i32], nulls: Option<&NullBuffer>, rows: Rows<'_>) -> Runs {
    validity(block, node, nulls, rows);
    let mut inner = Runs::default();
    let (first, out) = match block.offsets(node).as_chunks_mut::<4>().0 {
        [first, out @ ..] => (first, out),
        [] => return inner,
    };
    *first = [0; 4];
    match rows {
        Rows::Runs(runs) => {
            let mut out = out.iter_mut();
            for &(start, end) in runs.as_slice() {
                let Some(offsets) = offsets.get(start as usize..=end as usize) else { continue };
                let (Some(&from), Some(&to)) = (offsets.first(), offsets.last()) else { continue };
                // Arrow's offsets are not negative and do not descend.
                let shift = (inner.count() as u32).wrapping_sub(from as u32);
                // In this order: a `zip` that ends by its second half has taken one more of the first.
                for (&offset, out) in offsets.iter().skip(1).zip(out.by_ref()) {
                    *out = (offset as u32).wrapping_add(shift).to_le_bytes();
                }
                inner.push(from as u32, to as u32);
            }
        }
        Rows::Picks(picks) => {
            for (out, &row) in out.iter_mut().zip(picks) {
                if let (Some(&from), Some(&to)) = (offsets.get(row as usize), offsets.get(row as usize + 1)) {
                    inner.push(from as u32, to as u32);
                }
                *out = (inner.count() as u32).to_le_bytes();
            }
        }
    }
    inner
}

/// A dictionary column as one: keys, and the values that they name.
fn dictionary(block: &mut BlockBuilder, array: &dyn Array, rows: Rows<'_>) {
    let array = array.as_dictionary::<UInt32Type>();
    let (keys, values, count) = (array.keys(), array.values(), rows.count());
    let node = block.open(Kind::Dictionary, count, 1);
    validity(block, node, keys.nulls(), rows);
    let whole = values.len() <= count * DICTIONARY_VALUES_PER_ROW
        && values.get_buffer_memory_size() <= count * DICTIONARY_BYTES_PER_ROW;
    if whole && keys.nulls().is_none() {
        let keys = keys.values().inner().as_slice();
        block.values_with(node, |out| match rows {
            Rows::Runs(runs) => {
                for &(start, end) in runs.as_slice() {
                    out.extend_from_slice(keys.get(start as usize * 4..end as usize * 4).unwrap_or_default());
                }
            }
            Rows::Picks(picks) => {
                for &row in picks {
                    let key = keys.get(row as usize * 4..row as usize * 4 + 4);
                    out.extend_from_slice(key.unwrap_or(&[0; 4]));
                }
            }
        });
        return cut(block, values, Kind::Text, Rows::Runs(&Runs::from_iter([(0, values.len() as u32)].into_iter())));
    }
    let mut used = Used::new(values.len());
    block.values_with(node, |out| {
        rows.each(|row| {
            let key = keys.values().get(row as usize).copied();
            let valid = row != NONE
                && keys.nulls().is_none_or(|nulls| (row as usize) < nulls.len() && nulls.is_valid(row as usize));
            // A row without a value has key 0.
            let key = key.filter(|_| valid).map_or(0, |key| used.place(key));
            out.extend_from_slice(&key.to_le_bytes());
        });
    });
    cut(block, values, Kind::Text, Rows::Picks(&used.picks));
}

/// A dictionary column laid out row by row.
fn laid_out(block: &mut BlockBuilder, array: &dyn Array, rows: Rows<'_>, plain: bool) {
    let array = array.as_dictionary::<UInt32Type>();
    let keys = array.keys();
    let mut picks = Vec::with_capacity(rows.count());
    rows.each(|row| {
        let valid = row != NONE && (row as usize) < keys.len() && keys.is_valid(row as usize);
        picks.push(if valid { keys.value(row as usize) } else { NONE });
    });
    column_of(block, array.values(), Rows::Picks(&picks), plain);
}

/// A column typed by row.
fn any(block: &mut BlockBuilder, array: &UnionArray, rows: Rows<'_>, plain: bool) {
    let kinds = array.type_ids();
    let places: &[i32] = array.offsets().map_or(&[], |places| places);
    if let Rows::Runs(runs) = rows
        && runs.is_all(array.len())
    {
        return whole_any(block, array, plain);
    }
    let mut used: [Option<Used>; AnyKind::ALL.len()] = Default::default();
    rows.each(|row| {
        if let Some(kind) = kinds.get(row as usize)
            && let Some(child) = child_kind(*kind)
            && let Some(used) = used.get_mut(child as usize)
        {
            used.get_or_insert_with(|| Used::new(array.child(*kind).len()));
        }
    });
    let children = used.iter().flatten().count();
    let node = block.open(Kind::Any, rows.count(), children);
    block.values_with(node, |out| {
        rows.each(|row| out.push(kinds.get(row as usize).map_or(AnyKind::Absent as u8, |&kind| kind as u8)));
    });
    let mut out = block.offsets(node).as_chunks_mut::<4>().0.iter_mut();
    rows.each(|row| {
        let place = kinds.get(row as usize).and_then(|&kind| used.get_mut(usize::try_from(kind).ok()?)?.as_mut());
        let place = place.zip(places.get(row as usize)).map_or(0, |(used, &place)| used.place(place as u32));
        if let Some(out) = out.next() {
            *out = place.to_le_bytes();
        }
    });
    for (kind, used) in (0_i8..).zip(&used) {
        if let Some(used) = used {
            // Values mostly lie in the order of their rows: as runs they are copied together.
            let runs = Runs::from_iter(used.picks.iter().map(|&row| (row, row + 1)));
            child(block, array.child(kind), kind, Rows::Runs(&runs), plain);
        }
    }
}

/// As [`any`], with all rows: kinds, places and children as they are.
fn whole_any(block: &mut BlockBuilder, array: &UnionArray, plain: bool) {
    let DataType::Union(fields, _) = array.data_type() else { return };
    let occurring = || {
        let kinds = fields.iter().map(|(kind, _)| kind);
        kinds.filter(|&kind| child_kind(kind).is_some() && !array.child(kind).is_empty())
    };
    let kinds: &[i8] = array.type_ids();
    let children = occurring().count();
    let node = block.open(Kind::Any, array.len(), children);
    block.values_with(node, |out| out.extend(kinds.iter().map(|&kind| kind as u8)));
    let places: &[i32] = array.offsets().map_or(&[], |places| places);
    for (out, place) in block.offsets(node).as_chunks_mut::<4>().0.iter_mut().zip(places) {
        *out = place.to_le_bytes();
    }
    for kind in occurring() {
        let all = Runs::from_iter([(0, array.child(kind).len() as u32)].into_iter());
        child(block, array.child(kind), kind, Rows::Runs(&all), plain);
    }
}

/// A child of `any`. Lists and maps are bytes of their own kind.
fn child(block: &mut BlockBuilder, array: &dyn Array, kind: i8, rows: Rows<'_>, plain: bool) {
    match child_kind(kind) {
        Some(AnyKind::List) => cut(block, array, Kind::ListValue, rows),
        Some(AnyKind::Map) => cut(block, array, Kind::MapValue, rows),
        _ => column_of(block, array, rows, plain),
    }
}

/// The kind behind a type id of the union, if its values lie in a child.
fn child_kind(id: i8) -> Option<AnyKind> {
    let kind = AnyKind::from_number(u8::try_from(id).ok()?)?;
    (!matches!(kind, AnyKind::Absent | AnyKind::Empty)).then_some(kind)
}

/// A header of the request: the same text in each row, or in none.
fn constant(block: &mut BlockBuilder, value: Option<&str>, form: TextForm, rows: usize) {
    let node = match form {
        TextForm::Plain => block.text((0..rows).map(|_| value.unwrap_or_default())),
        TextForm::Dictionary | TextForm::Either => block.dictionary((0..rows).map(|_| 0), value),
    };
    if value.is_none() {
        block.validity(node);
    }
}

/// Writes which rows have a value, where some have none.
fn validity(block: &mut BlockBuilder, node: NodeId, nulls: Option<&NullBuffer>, rows: Rows<'_>) {
    match (nulls, rows) {
        (Some(nulls), _) if nulls.null_count() > 0 => {
            bits(block.validity(node), nulls.inner(), rows);
        }
        (_, Rows::Picks(picks)) if picks.contains(&NONE) => {
            let valid = block.validity(node);
            for (at, _) in picks.iter().enumerate().filter(|(_, row)| **row != NONE) {
                set(valid, at);
            }
        }
        _ => {}
    }
}

/// Copies bits; `out` is zeros.
fn bits(out: &mut [u8], from: &BooleanBuffer, rows: Rows<'_>) {
    match rows {
        Rows::Runs(runs) => {
            let mut at = 0;
            for &(start, end) in runs.as_slice() {
                let (start, len) = (start as usize, (end - start) as usize);
                if start + len <= from.len() {
                    bit_mask::set_bits(out, from.values(), at, from.offset() + start, len);
                }
                at += len;
            }
        }
        Rows::Picks(picks) => {
            for (at, &row) in picks.iter().enumerate() {
                if (row as usize) < from.len() && from.value(row as usize) {
                    set(out, at);
                }
            }
        }
    }
}

fn set(out: &mut [u8], at: usize) {
    if let Some(byte) = out.get_mut(at / 8) {
        *byte |= 1 << (at % 8);
    }
}

impl Rows<'_> {
    fn count(&self) -> usize {
        match self {
            Rows::Runs(runs) => runs.count(),
            Rows::Picks(picks) => picks.len(),
        }
    }

    #[inline]
    fn each(&self, mut with: impl FnMut(u32)) {
        match self {
            Rows::Runs(runs) => runs.as_slice().iter().for_each(|&(start, end)| (start..end).for_each(&mut with)),
            Rows::Picks(picks) => picks.iter().for_each(|&row| with(row)),
        }
    }
}

/// Which values of a child the rows of a slice use, numbered anew in the order of their first use.
struct Used {
    /// For each value its new number, [`NONE`] while it has none.
    numbers: Vec<u32>,
    picks: Vec<u32>,
}

impl Used {
    fn new(values: usize) -> Used {
        Used { numbers: vec![NONE; values], picks: Vec::with_capacity(values) }
    }

    #[inline]
    fn place(&mut self, value: u32) -> u32 {
        let Some(number) = self.numbers.get_mut(value as usize) else { return 0 };
        if *number == NONE {
            *number = self.picks.len() as u32;
            self.picks.push(value);
        }
        *number
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, BooleanArray, DictionaryArray, Int64Array, ListArray, StringArray, UInt32Array};
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::Field;
    use wasmill_columns::{AnyValue, Block, Column};

    use super::*;
    use crate::values;

    /// Selections that matter: all, none, single rows, runs, the ends.
    fn selections(len: u32) -> Vec<Runs> {
        let of = |wanted: &dyn Fn(u32) -> bool| {
            Runs::from_iter((0..len).filter(|&row| wanted(row)).map(|row| (row, row + 1)))
        };
        vec![of(&|_| true), of(&|row| row % 2 == 1), of(&|row| row % 7 > 2), of(&|row| row + 1 == len), of(&|_| false)]
    }

    fn block_of(array: &dyn Array, rows: &Runs, plain: bool) -> Vec<u8> {
        let mut block = BlockBuilder::new();
        column_of(&mut block, array, Rows::Runs(rows), plain);
        block.finish().unwrap()
    }

    /// Gathers each selection, has the block checked, and compares each row's text form with the array's.
    fn check(array: &dyn Array, plain: bool, expected: impl Fn(usize) -> String) {
        for rows in selections(array.len() as u32) {
            let bytes = block_of(array, &rows, plain);
            let block = Block::check(&bytes).unwrap_or_else(|error| panic!("{error} for {rows:?}"));
            let column = block.column(0).unwrap();
            assert_eq!(column.len(), rows.count());
            let found: Vec<String> = (0..column.len()).map(|row| show(&column, row)).collect();
            let expected: Vec<String> = rows.rows().map(|row| expected(row as usize)).collect();
            assert_eq!(found, expected, "{rows:?}");
        }
    }

    fn show(column: &Column<'_>, row: usize) -> String {
        match column {
            Column::Boolean(values) => format!("{:?}", values.get(row)),
            Column::Int64(values) => format!("{:?}", values.get(row)),
            Column::Text(values) => format!("{:?}", values.get(row)),
            Column::Binary(values) => format!("{:?}", values.get(row)),
            Column::Any(values) => format!("{:?}", values.get(row)),
            Column::Attributes(values) => format!("{:?}", values.entries(row).collect::<Vec<_>>()),
            Column::Sequence(values) => {
                format!("{:?}", values.places(row).map(|place| show(&values.values(), place)).collect::<Vec<_>>())
            }
            _ => unreachable!("{:?} is not gathered here", column.kind()),
        }
    }

    fn text(row: usize) -> Option<String> {
        (row % 5 != 3).then(|| "äbc".repeat(row % 4))
    }

    const ROWS: usize = 100;

    /// Each type of column, with rows that have no value, for each selection.
    #[test]
    fn columns_cross_with_their_values() {
        let number = |row: usize| (!row.is_multiple_of(3)).then_some(row as i64);
        check(&(0..ROWS).map(number).collect::<Int64Array>(), false, |row| format!("{:?}", number(row)));
        let boolean = |row: usize| (!row.is_multiple_of(11)).then_some(row % 3 == 1);
        check(&(0..ROWS).map(boolean).collect::<BooleanArray>(), false, |row| format!("{:?}", boolean(row)));
        let array: StringArray = (0..ROWS).map(text).collect();
        check(&array, false, |row| format!("{:?}", text(row)));
        let bytes = |row: usize| text(row).map(String::into_bytes);
        check(&(0..ROWS).map(bytes).collect::<BinaryArray>(), false, |row| format!("{:?}", bytes(row)));
        let array = array.slice(20, 50);
        check(&array, false, |row| format!("{:?}", text(row + 20)));
    }

    /// A dictionary crosses whole, pruned, and laid out; values that no row uses, and rows without a value.
    #[test]
    fn dictionaries_cross_as_asked() {
        for values in [3, 50, 5_000] {
            let key = |row: usize| (row % 6 != 5).then_some((row * 7 % values) as u32);
            let value = |key: u32| format!("value {key}");
            let keys: UInt32Array = (0..ROWS).map(key).collect();
            let texts: StringArray = (0..values as u32).map(|key| Some(value(key))).collect();
            let array = DictionaryArray::new(keys, Arc::new(texts));
            for plain in [false, true] {
                check(&array, plain, |row| format!("{:?}", key(row).map(value)));
            }
            let rows = Runs::from_iter([(2, 4)].into_iter());
            assert!(block_of(&array, &rows, false).len() < 600, "two rows take two values of {values}");
        }
    }

    /// Lists: children follow their rows.
    #[test]
    fn sequences_cross_with_their_children() {
        let children: StringArray = (0..ROWS * 2).map(text).collect();
        let offsets = OffsetBuffer::<i32>::from_lengths((0..ROWS).map(|row| row % 4));
        let starts: Vec<i32> = offsets.to_vec();
        let field = Arc::new(Field::new("item", DataType::Utf8, true));
        let list = ListArray::new(field, offsets, Arc::new(children), None);
        check(&list, false, |row| {
            let places = starts[row] as usize..starts[row + 1] as usize;
            format!("{:?}", places.map(|place| format!("{:?}", text(place))).collect::<Vec<_>>())
        });
    }

    fn any_value(row: usize, text: &str) -> AnyValue<'_> {
        match row % 8 {
            0 => AnyValue::Absent,
            1 => AnyValue::Empty,
            2 | 5 => AnyValue::Text(text),
            3 => AnyValue::Int(row as i64),
            4 => AnyValue::Double(row as f64 / 2.0),
            6 => AnyValue::List(text.as_bytes()),
            _ => AnyValue::Boolean(row % 16 == 7),
        }
    }

    /// Dynamically typed values and maps of them, made by the reader of guests' blocks: what crosses is what came.
    #[test]
    fn typed_by_row_and_maps_cross_both_ways() {
        let texts: Vec<String> = (0..ROWS).map(|row| format!("text {row}")).collect();
        let mut any = wasmill_columns::AnyBuilder::new();
        let mut maps = wasmill_columns::AttributesBuilder::new();
        for (row, text) in texts.iter().enumerate() {
            any.push(any_value(row, text));
            (0..row % 4).for_each(|entry| maps.entry(&format!("key {entry}"), any_value(row + entry, text)));
            maps.end_row();
        }
        let mut block = BlockBuilder::new();
        any.append(&mut block);
        let array = values::one_column("body", &block.finish().unwrap()).unwrap();
        check(&array, false, |row| format!("{:?}", any_value(row, &texts[row])));

        let mut block = BlockBuilder::new();
        maps.append(&mut block);
        let array = values::one_column("attributes", &block.finish().unwrap()).unwrap();
        for plain in [false, true] {
            check(&array, plain, |row| {
                let entry = |entry: usize| (format!("key {entry}"), any_value(row + entry, &texts[row]));
                format!("{:?}", (0..row % 4).map(entry).collect::<Vec<_>>())
            });
        }
    }

    /// Resource attributes: one map for many rows, laid out in the rows that have it.
    #[test]
    fn maps_of_parents_are_laid_out() {
        let mut maps = wasmill_columns::AttributesBuilder::new();
        for name in ["a", "b"] {
            maps.entry("service.name", AnyValue::Text(name));
            maps.end_row();
        }
        let mut block = BlockBuilder::new();
        maps.append(&mut block);
        let parents = values::one_column("resource.attributes", &block.finish().unwrap()).unwrap();
        let keys: UInt32Array = (0..ROWS as u32).map(|row| (row % 3 != 2).then_some(row % 3)).collect();
        let array = DictionaryArray::new(keys, parents);
        check(&array, false, |row| match row % 3 {
            2 => "[]".to_owned(),
            parent => format!("{:?}", [("service.name", AnyValue::Text(["a", "b"][parent]))]),
        });
    }
}
