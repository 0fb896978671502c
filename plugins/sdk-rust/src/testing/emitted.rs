//! New records that a plugin made, for a test to look at.

use wasmill_columns::Block;

use super::{Cell, columns};
use crate::emission::Emission;
use crate::verdict::ROUTE_UNCHANGED;
use crate::{Requirements, Signal};

/// New records of one signal.
#[derive(Clone, PartialEq, Debug)]
pub struct Emitted {
    pub signal: Signal,
    pub rows: usize,
    /// The names that each record is sent to; `None`: where `emit_to` says.
    pub routes: Vec<Option<Vec<String>>>,
    /// By path, a value for each record.
    columns: Vec<(String, Vec<Cell>)>,
}

impl Emitted {
    /// The value of each record at a path; [`Cell::Absent`] where there is none.
    pub fn column(&self, path: &str) -> Vec<Cell> {
        let column = self.columns.iter().rfind(|(column, _)| column == path);
        column.map_or_else(|| vec![Cell::Absent; self.rows], |(_, values)| values.clone())
    }

    pub(super) fn of(emission: &Emission, requirements: &Requirements) -> Emitted {
        let Emission { signal, rows, ref routes, ref fields } = *emission;
        let names = |&set: &u16| (set != ROUTE_UNCHANGED).then(|| requirements.route_sets[set as usize].clone());
        let routes = if routes.is_empty() { vec![None; rows] } else { routes.iter().map(names).collect() };
        let columns = fields.iter().map(|(path, bytes)| {
            let block = Block::check(bytes).unwrap_or_else(|error| panic!("`{path}`: {error}"));
            let column = block.column(0).unwrap_or_else(|| panic!("`{path}`: no column"));
            let values = match columns::read(column) {
                values if values.len() == rows => values,
                values if values.len() == 1 => vec![values[0].clone(); rows],
                values => panic!("`{path}`: {} values for {rows} records", values.len()),
            };
            (path.clone(), values)
        });
        Emitted { signal, rows, routes, columns: columns.collect() }
    }
}
