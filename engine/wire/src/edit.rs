//! Edits: what a stage changed, as rewritten records beside the base.
//!
//! An edit is applied once, where it is made: each row that changes gets a new record, written into one patch buffer, and
//! the overlay's index points there; rows that do not change go on pointing into the base. What comes later (columns,
//! encoding, merging) reads an index and does not know of edits. Columns whose path no edit touched are the base's.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;

use crate::{ColumnRequest, Index, Path, Selection, WireBatch};

/// Which rows an edit is about, all numbers those of the batch.
#[derive(Clone, Debug)]
pub enum Rows {
    /// The selected ones.
    All,
    Bits(BooleanBuffer),
    /// Ascending or not; a row named twice takes the later value.
    Numbers(Vec<u32>),
    /// Single entries of the map or sequence at the edit's path: (row, place in the row's map), in step.
    Entries {
        rows: Vec<u32>,
        places: Vec<u32>,
    },
}

/// What becomes of the place that the path names.
#[derive(Clone, Debug)]
pub enum Change {
    Remove,
    /// A value for each target, in order; created where it was not. A null removes.
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
    #[error("the edit of `{path}` has {values} values for {targets} targets")]
    Count { path: String, values: usize, targets: usize },
    #[error("the edit of `{path}` names row {row} of {rows}")]
    Row { path: String, row: usize, rows: usize },
    #[error("the edit of `{path}` names entry {place} of row {row}, which has {entries}")]
    Entry { path: String, row: usize, place: usize, entries: usize },
}

/// A base with what was changed. Rows keep their numbers.
pub struct Overlay {
    base: Arc<WireBatch>,
    index: Index,
}

impl Overlay {
    /// Applies edits to a batch, over the edits that it already has.
    pub fn apply(
        _base: &Arc<WireBatch>,
        _earlier: Option<&Arc<Overlay>>,
        _selection: &Selection,
        _edits: &[Edit],
    ) -> Result<Arc<Overlay>, EditError> {
        todo!()
    }

    pub fn base(&self) -> &Arc<WireBatch> {
        &self.base
    }

    /// As the base's, with the changed rows and parents.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// As [`WireBatch::columns`], with the changes seen.
    pub fn columns(&self, _wanted: &[ColumnRequest]) -> Vec<ArrayRef> {
        todo!()
    }

    /// Bytes that this keeps in memory beside its base.
    pub fn retained_bytes(&self) -> usize {
        todo!()
    }
}
