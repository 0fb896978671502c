//! What a plugin answered, for a test to look at.

use wasmill_columns::{Bits, Block};

use super::{Cell, Emitted, columns};
use crate::verdict::{Change, Edit, ROUTE_UNCHANGED, Target};
use crate::{Groups, Requirements, Use, Verdict};

/// A verdict that was checked as the host checks it.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    rows: usize,
    kept: Vec<usize>,
    routes: Vec<Option<Vec<String>>>,
    edits: Vec<Edited>,
    emitted: Vec<Emitted>,
}

/// An edit, with one value for each target.
#[derive(Clone, PartialEq, Debug)]
pub struct Edited {
    pub path: String,
    /// Row numbers, or places of entries.
    pub targets: Vec<usize>,
    pub entries: bool,
    /// [`Cell::Absent`] for what is removed, [`Cell::Attributes`] for what is merged.
    pub values: Vec<Cell>,
}

impl Answer {
    /// The rows that stay.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// The names that each row is sent to; `None`: unchanged.
    pub fn routes(&self) -> &[Option<Vec<String>>] {
        &self.routes
    }

    pub fn edits(&self) -> &[Edited] {
        &self.edits
    }

    /// The new records.
    pub fn emitted(&self) -> &[Emitted] {
        &self.emitted
    }

    /// What each row's value at this path becomes; `None`: it stays. Edits of entries are not looked at.
    pub fn column(&self, path: &str) -> Vec<Option<Cell>> {
        let mut rows = vec![None; self.rows];
        for edit in self.edits.iter().filter(|edit| edit.path == path && !edit.entries) {
            for (&row, value) in edit.targets.iter().zip(&edit.values) {
                rows[row] = Some(value.clone());
            }
        }
        rows
    }

    pub(super) fn of(verdict: &Verdict, requirements: &Requirements) -> Answer {
        let used = requirements.used();
        let allowed = |does: bool, name: Use| {
            assert!(!does || used.contains(&name), "the verdict does what it did not name: {name:?}")
        };
        allowed(verdict.keep.is_some(), Use::Keep);
        allowed(!verdict.routes.is_empty(), Use::Routes);
        allowed(!verdict.edits.is_empty(), Use::Edits);
        let of_groups = &verdict.of_groups;
        let groups = Groups::new(&of_groups.starts);
        allowed(of_groups.keep.is_some() || !of_groups.routes.is_empty(), Use::Groups);
        allowed(of_groups.keep.is_some(), Use::Keep);
        allowed(!of_groups.routes.is_empty(), Use::Routes);
        allowed(!verdict.emit.is_empty(), Use::Emit);
        let rows = verdict.rows;
        let kept = match &verdict.keep {
            None => match &of_groups.keep {
                None => (0..rows).collect(),
                Some(keep) => groups.expand(keep).ones().collect(),
            },
            Some(keep) => {
                assert_eq!(keep.len(), rows, "a bit for each row");
                keep.ones().collect()
            }
        };
        let names = |&set: &u16| (set != ROUTE_UNCHANGED).then(|| requirements.route_sets[set as usize].clone());
        let routes = match (verdict.routes.as_slice(), of_groups.routes.as_slice()) {
            ([], []) => vec![None; rows],
            ([], routes) => {
                routes.iter().zip(groups.iter()).flat_map(|(set, rows)| rows.map(move |_| names(set))).collect()
            }
            (routes, _) => routes.iter().map(names).collect(),
        };
        let edits = verdict.edits.iter().map(|edit| Edited::of(edit, rows)).collect();
        let emitted = verdict.emit.iter().map(|emission| Emitted::of(emission, requirements)).collect();
        Answer { rows, kept, routes, edits, emitted }
    }
}

impl Edited {
    fn of(edit: &Edit, rows: usize) -> Edited {
        let numbers = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|&at| u32::from_le_bytes(at) as usize).collect();
        let targets: Vec<usize> = match &edit.target {
            Target::All => (0..rows).collect(),
            Target::Rows(bits) => {
                assert_eq!(bits.len(), rows.div_ceil(8), "`{}`: a bit for each row", edit.path);
                Bits::new(bits, rows).map(|bits| bits.to_bitmap().ones().collect()).unwrap_or_default()
            }
            Target::Indices(rows) | Target::Entries(rows) => numbers(rows),
        };
        let entries = matches!(edit.target, Target::Entries(_));
        assert!(entries || targets.iter().all(|&row| row < rows), "`{}`: a row that is not there", edit.path);
        let values = match &edit.change {
            Change::Remove => vec![Cell::Absent; targets.len()],
            Change::Set(bytes) | Change::Merge(bytes) => {
                let block = Block::check(bytes).unwrap_or_else(|error| panic!("`{}`: {error}", edit.path));
                let column = block.column(0).unwrap_or_else(|| panic!("`{}`: no column", edit.path));
                assert_eq!(block.columns().count(), 1, "`{}`: one column", edit.path);
                match columns::read(column) {
                    values if values.len() == targets.len() => values,
                    values if values.len() == 1 => vec![values[0].clone(); targets.len()],
                    values => panic!("`{}`: {} values for {} targets", edit.path, values.len(), targets.len()),
                }
            }
        };
        Edited { path: edit.path.clone(), targets, entries, values }
    }
}
