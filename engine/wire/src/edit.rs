//! Edits: what a stage changed, as rewritten records beside the base.
//!
//! An edit is applied once, where it is made: each row that changes gets a new record, written into one patch buffer, and
//! the overlay's index points there; rows that do not change go on pointing into the base. What comes later (columns,
//! encoding, merging) reads an index and does not know of edits. Columns whose path no edit touched are the base's.
//!
//! ```text
//!  edits ──prepare──► checked ──records──► patch: records     a record taken apart (`tree`), changed (`change`, `maps`)
//!                        └──────parents──► patch: headers     and written once, whatever the number of edits
//! ```
//!
//! What an edit does not name stays byte for byte: other fields, unknown fields, entries of maps. A value that is set to
//! what it is already keeps its bytes, whatever their encoding. What is replaced is replaced whole, unknown fields within
//! the old value included.

mod any;
mod change;
mod create;
mod maps;
mod parents;
mod patch;
mod prepare;
mod quick;
mod records;
mod targets;
mod tree;
mod values;

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;

use crate::path::{Field, Key};
use crate::{ColumnRequest, Index, Path, Selection, WireBatch};
pub use create::{Like, NewRecords, NewRecordsError, create};
use patch::{PATCH_BYTES_MAX, Patch};
use prepare::{Prepared, prepare};

/// Which rows an edit is about, all numbers those of the batch. Rows that are not selected are never changed; where they
/// are named, their values are passed over.
#[derive(Clone, Debug)]
pub enum Rows {
    /// The selected ones.
    All,
    /// One bit for each row of the batch.
    Bits(BooleanBuffer),
    /// Ascending or not; a row named twice takes the later value. Shared, because many edits may be of the same rows.
    Numbers(Arc<[u32]>),
    /// Single entries of the map, or of the sequence of inner records (events, links, exemplars, quantiles), that the
    /// edit's path goes to: (row, place), in step. Places are counted before any edit of the same apply.
    Entries { rows: Vec<u32>, places: Vec<u32> },
}

/// What becomes of the place that the path names.
///
/// Values have the types of the path's columns, see [`crate::ColumnType`]: text also in a dictionary, any integers for
/// integers, and for what is typed by row any array that has one of its types throughout. A field of inner records
/// that is not edited by [`Rows::Entries`] takes the row's value in all of them.
#[derive(Clone, Debug)]
pub enum Change {
    /// Every entry with the key; a whole map; a field, which then has its default.
    Remove,
    /// A value for each target, in order; created where it was not. A null removes. Of several entries with the key the
    /// first is set and the others go. Set on a whole map: a map for each target, which it then is.
    ///
    /// What is not of the kind that keys ask for (a text where the path goes on) stays as it is, and so do elements that a
    /// list does not have.
    Set(ArrayRef),
    /// As `Set`, with one value for all targets: an array of length 1.
    SetAll(ArrayRef),
    /// A `Map` array: a map for each target, whose entries are set in the target's.
    Merge(ArrayRef),
}

/// One change of one path in some rows. Edits are applied in order, the last wins.
#[derive(Clone, Debug)]
pub struct Edit {
    pub path: Path,
    pub rows: Rows,
    pub change: Change,
}

/// An edit that cannot be made; none of its batch was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("`{path}` cannot be changed: {reason}")]
    Forbidden { path: String, reason: &'static str },
    #[error("the values for `{path}` are {found}, expected {expected}")]
    Type { path: String, found: String, expected: String },
    #[error("a list or map for `{path}` is not encoded as one: {reason}")]
    Value { path: String, reason: &'static str },
    #[error("the edit of `{path}` has {values} values for {targets} targets")]
    Count { path: String, values: usize, targets: usize },
    #[error("the edit of `{path}` names row {row} of {rows}")]
    Row { path: String, row: usize, rows: usize },
    #[error("the edit of `{path}` names entry {place} of row {row}, which has {entries}")]
    Entry { path: String, row: usize, place: usize, entries: usize },
    #[error("the edits would write more than {limit} bytes")]
    Size { limit: usize },
}

/// A base with what was changed. Rows keep their numbers.
pub struct Overlay {
    base: Arc<WireBatch>,
    /// The same rows with the changes, and the columns that were asked for since.
    changed: WireBatch,
    /// Paths that this overlay and those before it changed: their columns are not the base's.
    touched: Vec<Path>,
}

impl Overlay {
    /// Applies edits to a batch, over the edits that it already has.
    ///
    /// All are applied or none. Edits of a parent are made for the rows that they name: a parent is split where its rows
    /// come to differ, and parents without rows stay as they are. `selection` has as many rows as the batch.
    pub fn apply(
        base: &Arc<WireBatch>,
        earlier: Option<&Arc<Overlay>>,
        selection: &Selection,
        edits: &[Edit],
    ) -> Result<Arc<Overlay>, EditError> {
        Overlay::apply_within(base, earlier, selection, edits, PATCH_BYTES_MAX)
    }

    /// The same, of edits that may write at most `bytes_max`.
    fn apply_within(
        base: &Arc<WireBatch>,
        earlier: Option<&Arc<Overlay>>,
        selection: &Selection,
        edits: &[Edit],
        bytes_max: usize,
    ) -> Result<Arc<Overlay>, EditError> {
        assert_eq!(selection.len(), base.rows(), "a selection of this batch's rows");
        let signal = base.signal();
        let mut prepared =
            edits.iter().map(|edit| prepare(edit, signal, selection)).collect::<Result<Vec<Prepared<'_>>, _>>()?;
        let mut index = earlier.map_or(base.index(), |earlier| earlier.index()).clone();
        let mut patch = Patch::new(index.buffers.len(), patch_len(&index, selection, &prepared), bytes_max);
        records::apply(signal, &mut index, selection, &mut prepared, &mut patch)?;
        parents::apply(signal, &mut index, selection, &mut prepared, &mut patch)?;
        if patch.len() > 0 {
            index.buffers.push(patch.finish());
        }
        let mut touched = earlier.map(|earlier| earlier.touched.clone()).unwrap_or_default();
        for edit in edits {
            if !touched.contains(&edit.path) {
                touched.push(edit.path.clone());
            }
        }
        let changed = WireBatch::from_index(signal, index);
        Ok(Arc::new(Overlay { base: Arc::clone(base), changed, touched }))
    }

    pub fn base(&self) -> &Arc<WireBatch> {
        &self.base
    }

    /// As the base's, with the changed rows and parents.
    pub fn index(&self) -> &Index {
        self.changed.index()
    }

    /// As [`WireBatch::columns`], with the changes seen. Columns of paths that no edit touched are the base's, and are
    /// cached there for all.
    pub fn columns(&self, wanted: &[ColumnRequest]) -> Vec<ArrayRef> {
        let touched = |request: &&ColumnRequest| self.touched.iter().any(|path| meet(path, &request.path));
        let (own, of_base): (Vec<_>, Vec<_>) = wanted.iter().partition(touched);
        let columns = |batch: &WireBatch, of: Vec<&ColumnRequest>| {
            let of: Vec<ColumnRequest> = of.into_iter().cloned().collect();
            batch.columns(&of).into_iter()
        };
        let (mut own, mut of_base) = (columns(&self.changed, own), columns(&self.base, of_base));
        wanted.iter().filter_map(|request| if touched(&request) { own.next() } else { of_base.next() }).collect()
    }

    /// Forgets the cached columns: for batches that are parked. Those of the base stay.
    pub fn forget_columns(&self) {
        self.changed.forget_columns();
    }

    /// Bytes that this keeps in memory beside its base.
    pub fn retained_bytes(&self) -> usize {
        let of_base: usize = self.base.index().buffers.iter().map(|buffer| buffer.len()).sum();
        self.changed.retained_bytes() - of_base
    }
}

/// Bytes that edits of all rows will about write, so that the patch need not grow on the way.
fn patch_len(index: &Index, selection: &Selection, edits: &[Prepared<'_>]) -> usize {
    /// A short key and a short value.
    const EDIT_LEN: usize = 48;
    let of_all = edits.iter().filter(|edit| edit.is_of_all_records()).count();
    match of_all {
        0 => 0,
        _ => {
            let records = selection.runs().flat_map(|(start, end)| &index.records[start..end]);
            records.map(|record| record.len as usize + of_all * EDIT_LEN).sum()
        }
    }
}

/// Whether a change at one path may show at another.
fn meet(changed: &Path, asked: &Path) -> bool {
    use Field::{Duration, EndTime, StartTime, Value, ValueDouble, ValueInt};
    if changed.field != asked.field {
        return matches!(
            (changed.field, asked.field),
            (StartTime | EndTime, Duration) | (Value | ValueInt | ValueDouble, Value | ValueInt | ValueDouble)
        );
    }
    for pair in changed.keys.iter().zip(&asked.keys) {
        match pair {
            (Key::Name(changed), Key::Name(asked)) if changed != asked => return false,
            // An element that goes moves those behind it.
            (Key::Index(_), _) | (_, Key::Index(_)) => return true,
            _ => {}
        }
    }
    true
}
