//! What a plugin answers.

use std::borrow::Cow;

use wasmill_columns::{AnyValue, AttributesBuilder, Bitmap, BlockBuilder, Fixed};

use crate::groups::OfGroups;
use crate::{Emission, RouteSet};

/// What a route of a row is that has none of the plugin's.
pub(crate) const ROUTE_UNCHANGED: u16 = u16::MAX;

/// A bitmap has a bit for each row, row numbers have 32 for each target: up to one target in so many rows, numbers are shorter.
const SPARSE: usize = 32;

/// What becomes of a slice. Untouched, it keeps all rows as they are.
#[derive(Debug, Default)]
pub struct Verdict {
    pub(crate) rows: usize,
    /// `None`: all.
    pub(crate) keep: Option<Bitmap>,
    /// Empty: unchanged. Else one for each row.
    pub(crate) routes: Vec<u16>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) of_groups: OfGroups,
    pub(crate) emit: Vec<Emission>,
}

/// Which rows, or entries, an edit is about.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    All,
    /// A bit for each row.
    Bitmap(&'a Bitmap),
    /// Row numbers, in any order.
    Indices(&'a [u32]),
    /// Places in the [`Attributes`](crate::Attributes) or [`List`](crate::List) column that the edit's path was asked for as:
    /// single entries.
    Entries(&'a [u32]),
}

/// A value that rows can be given. Its type must be the field's; an attribute or body takes text, `i64`, `f64`, `bool` and bytes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    Any(AnyValue<'a>),
    UInt8(u8),
    UInt32(u32),
    Int32(i32),
    UInt64(u64),
    Id8([u8; 8]),
    Id16([u8; 16]),
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Edit {
    pub path: String,
    pub target: Target,
    pub change: Change,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Target {
    All,
    Rows(Vec<u8>),
    Indices(Vec<u8>),
    Entries(Vec<u8>),
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Change {
    Remove,
    Set(Vec<u8>),
    Merge(Vec<u8>),
}

impl Verdict {
    /// Makes ready for a slice, with the memory of the one before.
    pub(crate) fn begin(&mut self, rows: usize) {
        self.rows = rows;
        self.keep = None;
        self.routes.clear();
        self.edits.clear();
        self.emit.clear();
    }

    /// Keeps these rows alone. Said twice, the rows that are in both stay.
    pub fn keep(&mut self, rows: &Bitmap) {
        match &mut self.keep {
            Some(keep) => keep.and(rows),
            None => self.keep = Some(rows.clone()),
        }
    }

    /// Drops these rows.
    pub fn drop(&mut self, rows: &Bitmap) {
        let rows_all = self.rows;
        self.keep.get_or_insert_with(|| Bitmap::all(rows_all)).and_not(rows);
    }

    /// Drops every row.
    pub fn drop_all(&mut self) {
        self.keep = Some(Bitmap::none(self.rows));
    }

    /// Sends these rows to the routes of the set. Said twice of a row, the later one counts.
    pub fn route(&mut self, rows: &Bitmap, set: RouteSet) {
        self.routes_by_row();
        self.routes.resize(self.rows, ROUTE_UNCHANGED);
        for row in rows.ones() {
            if let Some(route) = self.routes.get_mut(row) {
                *route = set.0;
            }
        }
    }

    /// Sends each row to the routes of its set, in the order of rows; rows with `None`, and those that `sets` is too short for,
    /// stay as they were.
    pub fn route_each(&mut self, sets: impl IntoIterator<Item = Option<RouteSet>>) {
        self.routes_by_row();
        self.routes.resize(self.rows, ROUTE_UNCHANGED);
        for (route, set) in self.routes.iter_mut().zip(sets) {
            *route = set.map_or(*route, |set| set.0);
        }
    }

    /// Sends every row to the routes of the set.
    pub fn route_all(&mut self, set: RouteSet) {
        self.of_groups.routes.clear();
        self.routes.clear();
        self.routes.resize(self.rows, set.0);
    }

    /// Gives all these rows the same value.
    pub fn set<'v>(&mut self, path: &str, rows: impl Into<Rows<'v>>, value: impl Into<Value<'v>>) {
        let value = value.into();
        self.set_each(path, rows, |block| value.write(block));
    }

    /// Gives each of these rows a value of its own: `column` writes one column with a value for each, in their order, or a
    /// single one for all. A row without a value loses what it had.
    pub fn set_each<'v>(&mut self, path: &str, rows: impl Into<Rows<'v>>, column: impl FnOnce(&mut BlockBuilder)) {
        self.edit(path, rows.into(), || Change::Set(block(column)));
    }

    /// As [`set_each`](Verdict::set_each), with a block of one column that was made before.
    pub fn set_block<'v>(&mut self, path: &str, rows: impl Into<Rows<'v>>, block: Vec<u8>) {
        self.edit(path, rows.into(), || Change::Set(block));
    }

    /// As [`merge`](Verdict::merge), with a block of one `attributes` column that was made before.
    pub fn merge_block<'v>(&mut self, path: &str, rows: impl Into<Rows<'v>>, block: Vec<u8>) {
        self.edit(path, rows.into(), || Change::Merge(block));
    }

    /// Removes the attribute, or sets the field to its default.
    pub fn remove<'v>(&mut self, path: &str, rows: impl Into<Rows<'v>>) {
        self.edit(path, rows.into(), || Change::Remove);
    }

    /// Sets the entries of a map in each of these rows; other entries stay. `path` is a whole map: `attributes`. One map for
    /// each row, or a single one for all.
    pub fn merge<'v>(&mut self, path: &str, rows: impl Into<Rows<'v>>, maps: &AttributesBuilder) {
        self.edit(path, rows.into(), || {
            Change::Merge(block(|block| {
                maps.append(block);
            }))
        });
    }

    /// Makes new records, beside whatever becomes of the slice's rows. The plugin says that it [uses](crate::Requirements::uses)
    /// [`Use::Emit`](crate::Use::Emit), and the stage's `emit_to` where they go.
    pub fn emit(&mut self, emission: Emission) {
        if emission.rows > 0 {
            self.emit.push(emission);
        }
    }

    fn edit(&mut self, path: &str, rows: Rows<'_>, change: impl FnOnce() -> Change) {
        if let Some(target) = rows.target() {
            self.edits.push(Edit { path: path.to_owned(), target, change: change() });
        }
    }
}

impl Rows<'_> {
    /// As it crosses, in the shorter form; `None`: nothing is meant.
    fn target(self) -> Option<Target> {
        match self {
            Rows::All => Some(Target::All),
            Rows::Bitmap(rows) => match rows.count() {
                0 => None,
                count if count == rows.len() => Some(Target::All),
                count if count * SPARSE <= rows.len() => {
                    Some(Target::Indices(rows.ones().flat_map(|row| (row as u32).to_le_bytes()).collect()))
                }
                _ => Some(Target::Rows(rows.to_bytes())),
            },
            Rows::Indices([]) | Rows::Entries([]) => None,
            Rows::Indices(rows) => Some(Target::Indices(rows.iter().flat_map(|row| row.to_le_bytes()).collect())),
            Rows::Entries(places) => {
                Some(Target::Entries(places.iter().flat_map(|place| place.to_le_bytes()).collect()))
            }
        }
    }
}

impl<'a> From<&'a Bitmap> for Rows<'a> {
    fn from(rows: &'a Bitmap) -> Self {
        Rows::Bitmap(rows)
    }
}

impl Value<'_> {
    pub(crate) fn write(self, block: &mut BlockBuilder) {
        fn one<T: Fixed>(block: &mut BlockBuilder, value: T) {
            block.fixed([value]);
        }
        match self {
            Value::Any(AnyValue::Text(text)) => {
                block.text([text]);
            }
            Value::Any(AnyValue::Int(value)) => one(block, value),
            Value::Any(AnyValue::Double(value)) => one(block, value),
            Value::Any(AnyValue::Boolean(value)) => {
                block.boolean(&Bitmap::from_fn(1, |_| value));
            }
            Value::Any(AnyValue::Binary(bytes)) => {
                block.binary([bytes]);
            }
            Value::Any(value) => {
                block.any_constant(value, 1);
            }
            Value::UInt8(value) => one(block, value),
            Value::UInt32(value) => one(block, value),
            Value::Int32(value) => one(block, value),
            Value::UInt64(value) => one(block, value),
            Value::Id8(value) => one(block, value),
            Value::Id16(value) => one(block, value),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Any(AnyValue::Text(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Value::Any(AnyValue::Text(value))
    }
}

impl<'a> From<&'a Cow<'a, str>> for Value<'a> {
    fn from(value: &'a Cow<'a, str>) -> Self {
        Value::Any(AnyValue::Text(value))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Value::Any(AnyValue::Binary(value))
    }
}

impl<'a> From<AnyValue<'a>> for Value<'a> {
    fn from(value: AnyValue<'a>) -> Self {
        Value::Any(value)
    }
}

macro_rules! values {
    ($($type:ty, $value:ident => $make:expr;)*) => {$(
        impl From<$type> for Value<'_> {
            fn from($value: $type) -> Self {
                $make
            }
        }
    )*};
}

values! {
    i64, value => Value::Any(AnyValue::Int(value));
    f64, value => Value::Any(AnyValue::Double(value));
    bool, value => Value::Any(AnyValue::Boolean(value));
    u8, value => Value::UInt8(value);
    u32, value => Value::UInt32(value);
    i32, value => Value::Int32(value);
    u64, value => Value::UInt64(value);
    [u8; 8], value => Value::Id8(value);
    [u8; 16], value => Value::Id16(value);
}

/// A block that a plugin makes fits its 32-bit memory, and so the format; one that does not is sent empty, and refused.
pub(crate) fn block(write: impl FnOnce(&mut BlockBuilder)) -> Vec<u8> {
    let mut block = BlockBuilder::with_capacity(2, 0);
    write(&mut block);
    block.finish().unwrap_or_default()
}
