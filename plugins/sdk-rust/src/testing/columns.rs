//! Cells as columns of a block, and back.

use wasmill_columns::{AnyBuilder, AttributesBuilder, Bitmap, BlockBuilder, Column, Fixed, Kind, TextBuilder};

use super::Cell;
use crate::TextForm;
use crate::requirements::Wanted;

/// Writes cells as the column that was asked for.
pub(super) fn write(block: &mut BlockBuilder, wanted: &Wanted, cells: &[Cell]) {
    if wanted.view != Kind::Sequence {
        return write_kind(block, wanted.kind, wanted.text, cells);
    }
    let lists = cells.iter().map(|cell| if let Cell::List(cells) = cell { cells.as_slice() } else { &[] });
    let node = block.open(Kind::Sequence, cells.len(), 1);
    let mut end = 0_u32;
    for (to, list) in block.offsets(node).chunks_exact_mut(4).skip(1).zip(lists.clone()) {
        end += list.len() as u32;
        to.copy_from_slice(&end.to_le_bytes());
    }
    write_kind(block, wanted.kind, wanted.text, &lists.flatten().cloned().collect::<Vec<_>>());
}

fn write_kind(block: &mut BlockBuilder, kind: Kind, text: TextForm, cells: &[Cell]) {
    match kind {
        Kind::Boolean => {
            let node = block.boolean(&cells.iter().map(|cell| *cell == Cell::Boolean(true)).collect());
            let valid: Bitmap = cells.iter().map(|cell| matches!(cell, Cell::Boolean(_))).collect();
            block.set_validity(node, &valid);
        }
        Kind::UInt8 => numbers::<u8>(block, cells, |cell| u8::try_from(int(cell)?).ok()),
        Kind::UInt32 => numbers::<u32>(block, cells, |cell| u32::try_from(int(cell)?).ok()),
        Kind::Int32 => numbers::<i32>(block, cells, |cell| i32::try_from(int(cell)?).ok()),
        Kind::UInt64 => numbers::<u64>(block, cells, |cell| u64::try_from(int(cell)?).ok()),
        Kind::Int64 => numbers::<i64>(block, cells, |cell| i64::try_from(int(cell)?).ok()),
        Kind::Double => {
            numbers::<f64>(block, cells, |cell| if let Cell::Double(value) = cell { Some(*value) } else { None })
        }
        Kind::Id8 => numbers::<[u8; 8]>(block, cells, |cell| bytes(cell)?.try_into().ok()),
        Kind::Id16 => numbers::<[u8; 16]>(block, cells, |cell| bytes(cell)?.try_into().ok()),
        Kind::Binary => drop(block.binary(cells.iter().map(|cell| bytes(cell).unwrap_or_default()))),
        Kind::Text => write_text(block, text, cells),
        Kind::Any => {
            let mut any = AnyBuilder::new();
            cells.iter().for_each(|cell| any.push(cell.any()));
            any.append(block);
        }
        Kind::Attributes => {
            let mut maps = AttributesBuilder::new();
            for cell in cells {
                if let Cell::Attributes(entries) = cell {
                    entries.iter().for_each(|(key, value)| maps.entry(key, value.any()));
                }
                maps.end_row();
            }
            maps.append(block);
        }
        Kind::Dictionary | Kind::ListValue | Kind::MapValue | Kind::Sequence => {
            panic!("no column is asked for as `{kind}`")
        }
    }
}

fn numbers<T: Fixed>(block: &mut BlockBuilder, cells: &[Cell], value: impl Fn(&Cell) -> Option<T>) {
    block.fixed_options(cells.iter().map(value));
}

fn int(cell: &Cell) -> Option<i128> {
    match cell {
        Cell::Int(value) => Some((*value).into()),
        Cell::UInt(value) => Some((*value).into()),
        _ => None,
    }
}

fn bytes(cell: &Cell) -> Option<&[u8]> {
    if let Cell::Binary(bytes) = cell { Some(bytes) } else { None }
}

fn write_text(block: &mut BlockBuilder, form: TextForm, cells: &[Cell]) {
    let texts = cells.iter().map(|cell| if let Cell::Text(text) = cell { Some(text.as_str()) } else { None });
    if form == TextForm::Plain {
        let mut builder = TextBuilder::new();
        texts.for_each(|text| builder.push(text));
        builder.append(block);
        return;
    }
    let mut values: Vec<&str> = Vec::new();
    let key = |text: &str, values: &[&str]| values.iter().position(|value| *value == text);
    for text in texts.clone().flatten() {
        if key(text, &values).is_none() {
            values.push(text);
        }
    }
    let keys: Vec<u32> =
        texts.clone().map(|text| text.and_then(|text| key(text, &values)).unwrap_or(0) as u32).collect();
    let node = block.dictionary(keys, values.iter().copied());
    let valid: Bitmap = texts.map(|text| text.is_some()).collect();
    block.set_validity(node, &valid);
}

/// Reads any column as cells.
pub(super) fn read(column: Column<'_>) -> Vec<Cell> {
    let rows = 0..column.len();
    match column {
        Column::Boolean(values) => rows.map(|row| values.get(row).into()).collect(),
        Column::UInt8(values) => values.iter().map(Into::into).collect(),
        Column::UInt32(values) => values.iter().map(Into::into).collect(),
        Column::Int32(values) => values.iter().map(Into::into).collect(),
        Column::UInt64(values) => values.iter().map(Into::into).collect(),
        Column::Int64(values) => values.iter().map(Into::into).collect(),
        Column::Double(values) => values.iter().map(Into::into).collect(),
        Column::Id8(values) => values.iter().map(Into::into).collect(),
        Column::Id16(values) => values.iter().map(Into::into).collect(),
        Column::Text(values) => values.iter().map(Into::into).collect(),
        Column::Binary(values) | Column::ListValue(values) | Column::MapValue(values) => {
            values.iter().map(|value| value.map(<[u8]>::to_vec).into()).collect()
        }
        Column::Any(values) => values.iter().map(Into::into).collect(),
        Column::Sequence(lists) => {
            let values = read(lists.values());
            rows.map(|row| Cell::List(values[lists.places(row)].to_vec())).collect()
        }
        Column::Attributes(maps) => rows.map(|row| Cell::attributes(maps.entries(row))).collect(),
    }
}
