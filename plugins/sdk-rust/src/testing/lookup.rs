//! Lookup tables of a test: on its thread, until another of the same name is set.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wasmill_columns::{Block, BlockBuilder, Kind};

use super::Cell;
use super::columns::{read, write};
use crate::TextForm;
use crate::host::Failure;
use crate::requirements::Wanted;

struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

thread_local! {
    static TABLES: RefCell<BTreeMap<String, Rows>> = const { RefCell::new(BTreeMap::new()) };
}

/// Sets a table that plugins on this thread can ask: names of its columns, and its rows. Rows are found by the first column.
pub fn table<C: Into<Cell>, const N: usize>(name: &str, columns: [&str; N], rows: impl IntoIterator<Item = [C; N]>) {
    let columns = columns.map(str::to_owned).into();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect();
    TABLES.with_borrow_mut(|tables| tables.insert(name.to_owned(), Rows { columns, rows }));
}

pub(crate) fn find(table: &str, keys: &[u8], fields: &[&str]) -> Result<Vec<u8>, Failure> {
    TABLES.with_borrow(|tables| {
        let Rows { columns, rows } = tables.get(table).ok_or(Failure::Unavailable)?;
        let block = Block::check(keys).map_err(|_| Failure::Invalid)?;
        let keys = block.column(0).map(read).ok_or(Failure::Invalid)?;
        let mut found = BlockBuilder::new();
        for field in fields {
            let column = columns.iter().position(|name| name == field).ok_or(Failure::Unknown)?;
            let of_key =
                |key: &Cell| rows.iter().find(|row| row[0] == *key).map_or(Cell::Absent, |row| row[column].clone());
            let cells: Vec<Cell> = keys.iter().map(of_key).collect();
            let kind = kind(rows.iter().map(|row| &row[column]));
            let wanted = Wanted { path: (*field).to_owned(), kind, view: kind, text: TextForm::Dictionary };
            write(&mut found, &wanted, &cells);
        }
        found.finish().map_err(|_| Failure::Limit)
    })
}

/// Of a column's cells, as a CSV file's types would say.
fn kind<'c>(cells: impl Iterator<Item = &'c Cell>) -> Kind {
    let kinds = cells.filter_map(|cell| match cell {
        Cell::Int(_) => Some(Kind::Int64),
        Cell::UInt(_) => Some(Kind::UInt64),
        Cell::Double(_) => Some(Kind::Double),
        Cell::Boolean(_) => Some(Kind::Boolean),
        Cell::Binary(_) => Some(Kind::Binary),
        _ => None,
    });
    kinds.last().unwrap_or(Kind::Text)
}
