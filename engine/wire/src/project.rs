//! Columns: which ones, of which type, and how they come out of the records.
//!
//! ```text
//!  plan ──► each record, once: where its fields lie ──► its values ──► Arrow arrays, a value for each record
//!           each parent: its values ──► Arrow arrays, a value for each parent, and a key for each record
//! ```
//!
//! What a record does not say has the default of its message (0, the empty text), as protobuf has it. No value (null,
//! in an `any` the kind absent) means: an attribute that is not there, an id of another length than ids have, an optional
//! number that was not written, a field that points of this kind do not have, a value of another type than the column's.

mod column;
mod plan;
mod record;
mod text;
pub(crate) mod value;

use arrow_array::ArrayRef;

use crate::field::DEPTH_MAX;
use crate::path::{Code, Entry};
use crate::scan::scan;
use crate::{Index, Level, MetricKind, Path, Signal, shape};
use column::Column;
pub use column::any_fields;
pub(crate) use plan::Plan;
pub(crate) use record::{Columns, Record};
use value::Value;

/// How text crosses to whoever asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TextForm {
    Plain,
    Dictionary,
    /// Whichever costs less for these rows.
    Either,
}

/// The type of a column, and its Arrow type.
///
/// Columns of parents (resource, scope, metric) repeat few values over many rows. What has no fixed width is therefore
/// always a `Dictionary(UInt32, T)` there, with one value for each distinct parent and a key for each row, whatever form
/// of text was asked: `T` is `Utf8`, `Binary`, or the `Map`. Laid out row by row, a request of a few megabytes could
/// become terabytes; whoever wants it plain gathers the rows that he needs, within his own limit.
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
    /// Typed by row: a dense `Union` whose type ids are the numbers of the contract's `any-kind`. With
    /// [`TextForm::Plain`] all nine children are always there, else those that rows have, in this order:
    ///
    /// | id | kind | child |
    /// |---|---|---|
    /// | 0 | absent: there is no such attribute | `Null`, one element, to which all rows point |
    /// | 1 | empty: an attribute without a value | `Null`, one element, to which all rows point |
    /// | 2 | text | `Utf8` or `Dictionary(UInt32, Utf8)` |
    /// | 3 | int | `Int64` |
    /// | 4 | double | `Float64` |
    /// | 5 | boolean | `Boolean` |
    /// | 6 | binary | `Binary` |
    /// | 7 | list-value | `Binary`: the `ArrayValue` message as it stood |
    /// | 8 | map-value | `Binary`: the `KeyValueList` message as it stood |
    ///
    /// Several rows may point to one place in a child (those of one parent do), and places need not ascend.
    Any(TextForm),
    /// A whole set of attributes: `Map(Utf8 or Dictionary(UInt32, Utf8), Any)`, entries in the order of the message,
    /// repeated keys included. Its fields are called `entries`, `keys` and `values`.
    Attributes(TextForm),
    /// A `List` of another type: a field of events, links, exemplars; buckets.
    Sequence(Box<ColumnType>),
}

impl ColumnType {
    /// Whether what is of this type by nature can be had as `asked`, see [`Path::accepts`].
    pub(crate) fn gives(&self, asked: &ColumnType) -> bool {
        use ColumnType::*;
        match (self, asked) {
            (Text(_), Text(_)) | (Attributes(_), Attributes(_)) => true,
            (UInt8 | UInt32 | Int32 | UInt64, Int64) => true,
            (Id8 | Id16, Binary) => true,
            (Any(_), Any(_) | Text(_) | Int64 | Double | Boolean | Binary | Attributes(_)) => true,
            (natural, asked) => natural == asked,
        }
    }
}

/// A column that somebody wants. A type that its path does not accept gives a column without values.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ColumnRequest {
    pub path: Path,
    pub column: ColumnType,
}

/// The columns that one stage, or all first stages together, want of a signal. Made once, when a pipeline is built.
#[derive(Clone, Debug)]
pub struct Projection {
    signal: Signal,
    columns: Vec<ColumnRequest>,
    plan: Plan,
}

impl Projection {
    /// Columns of another signal than `signal` are left out.
    pub fn new(signal: Signal, columns: Vec<ColumnRequest>) -> Projection {
        let columns: Vec<_> = columns.into_iter().filter(|column| column.path.signal == signal).collect();
        let plan = Plan::new(signal, &columns);
        Projection { signal, columns, plan }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn signal(&self) -> Signal {
        self.signal
    }

    pub fn columns(&self) -> &[ColumnRequest] {
        &self.columns
    }
}

/// One array for each request, projected from any index of valid parts: a value for each of its records.
pub(crate) fn project(signal: Signal, index: &Index, wanted: &[ColumnRequest]) -> Vec<ArrayRef> {
    let plan = Plan::new(signal, wanted);
    let mut columns = Columns::new(&plan, index.records.len());
    let mut seen = Record::new(&plan);
    for record in index.records.iter().filter(|_| !plan.is_empty()) {
        let kind = match signal {
            Signal::Metrics => index.metric_data.get(record.parent as usize).map_or(MetricKind::None, |data| data.kind),
            _ => MetricKind::None,
        };
        let bytes = index.buffers.get(record.buffer as usize).map_or(&[][..], |buffer| buffer);
        let (from, end) = ((record.offset + record.head) as usize, (record.offset + record.len) as usize);
        let (from, end) = if end <= bytes.len() { (from.min(end), end) } else { (0, 0) };
        seen.clear();
        // The message was validated when it was parsed; should it not be valid, what was seen of it is what there is.
        let _ = scan(bytes, from, end, shape::of_record(signal, kind), DEPTH_MAX, &mut seen);
        columns.push(&seen, bytes, (from, end), kind);
    }
    complete(signal, index, wanted, columns)
}

/// The columns of records, those of parents, and those that nobody has.
pub(crate) fn complete(signal: Signal, index: &Index, wanted: &[ColumnRequest], columns: Columns<'_>) -> Vec<ArrayRef> {
    let mut of_records = columns.finish().peekable();
    let each = wanted.iter().enumerate().map(|(place, request)| {
        if let Some((_, array)) = of_records.next_if(|&(of, _)| of == place) {
            return array;
        }
        let entry = request.path.entry();
        let served = request.path.signal == signal && request.path.accepts(&request.column);
        match entry.level {
            level @ (Level::Resource | Level::Scope | Level::Metric) if served => {
                of_parents(signal, index, request, entry, level)
            }
            _ => column::without_values(&request.column, index.records.len()),
        }
    });
    each.collect()
}

fn of_parents(signal: Signal, index: &Index, request: &ColumnRequest, entry: &'static Entry, level: Level) -> ArrayRef {
    let parents = match level {
        Level::Resource => &index.resources,
        Level::Scope => &index.scopes,
        _ => &index.metrics,
    };
    let mut column = Column::of_parents(&request.column, parents.len());
    for (number, parent) in parents.iter().enumerate() {
        let data = index.metric_data.get(number).filter(|_| level == Level::Metric);
        let kind = data.map_or(MetricKind::None, |data| data.kind);
        if entry.code == Code::MetricType {
            column.push(&Value::Int(kind as i64));
            continue;
        }
        let header = match data {
            Some(data) if entry.in_metric_data() => data.header,
            _ => parent.header,
        };
        let parts = index.header(header).iter().map(|&extent| index.bytes(extent)).collect();
        value::fill(&mut column, &parts, entry, kind, &request.path.keys);
    }
    column.spread(&parent_of_records(signal, index, level))
}

/// For each record the number of its parent on a level.
fn parent_of_records(signal: Signal, index: &Index, level: Level) -> Vec<u32> {
    let scope = |parent: u32| match signal {
        Signal::Metrics => index.metrics.get(parent as usize).map_or(0, |metric| metric.parent),
        _ => parent,
    };
    // Most requests have one resource and one scope.
    let single = match level {
        Level::Resource => index.resources.len() == 1,
        Level::Scope => index.scopes.len() == 1,
        _ => index.metrics.len() == 1,
    };
    if single {
        return vec![0; index.records.len()];
    }
    let resource = |scope: u32| index.scopes.get(scope as usize).map_or(0, |scope| scope.parent);
    let parents = index.records.iter().map(|record| record.parent);
    match level {
        Level::Resource => parents.map(|parent| resource(scope(parent))).collect(),
        Level::Scope => parents.map(scope).collect(),
        _ => parents.collect(),
    }
}
