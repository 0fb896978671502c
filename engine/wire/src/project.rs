//! Columns: which ones, of which type.

use crate::{Path, Signal};

/// How text crosses to whoever asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TextForm {
    Plain,
    Dictionary,
    /// Whichever costs less for these rows.
    Either,
}

/// The type of a column, and its Arrow type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ColumnType {
    Boolean,
    UInt8,
    UInt32,
    Int32,
    UInt64,
    Int64,
    Double,
    /// `FixedSizeBinary(8)`: span ids.
    Id8,
    /// `FixedSizeBinary(16)`: trace ids.
    Id16,
    /// `Utf8`, or `Dictionary(UInt32, Utf8)`.
    Text(TextForm),
    Binary,
    /// Typed by row: a dense `Union`, see [`crate::Projection`].
    Any(TextForm),
    /// A whole set of attributes: `Map(Utf8 or Dictionary(UInt32, Utf8), Any)`.
    Attributes(TextForm),
    /// A `List` of another type: a field of events, links, exemplars; buckets.
    Sequence(Box<ColumnType>),
}

/// A column that somebody wants.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ColumnRequest {
    pub path: Path,
    pub column: ColumnType,
}

/// The columns that one stage, or all first stages together, want of a signal. Made once, when a pipeline is built.
#[derive(Clone, Debug)]
pub struct Projection {
    pub signal: Signal,
    pub columns: Vec<ColumnRequest>,
}

impl Projection {
    pub fn new(signal: Signal, columns: Vec<ColumnRequest>) -> Projection {
        Projection { signal, columns }
    }
}

/// One array for each request, projected from any index of valid parts: a value for each of its records.
pub(crate) fn project(_signal: Signal, _index: &crate::Index, _wanted: &[ColumnRequest]) -> Vec<arrow_array::ArrayRef> {
    todo!("columns land next")
}
