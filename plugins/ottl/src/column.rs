//! Columns as they come: loading cells, and looking at each distinct value once.

use wasmill_columns::{Any, AnyKind, Bitmap, Column, Text};

use crate::Reason;
use crate::ast::Comparison;
use crate::cell::{Cell, Made};
use crate::fields::{Field, Missing};
use crate::plan::Type;
use crate::value::{self, Value};

/// What a test says of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    No,
    Yes,
    Failed(Reason),
}

impl From<bool> for Outcome {
    fn from(yes: bool) -> Outcome {
        if yes { Outcome::Yes } else { Outcome::No }
    }
}

/// What a row has whose column has no value.
pub(crate) fn missing(field: &Field, entry: bool) -> Cell<'static> {
    match (field.missing, field.value) {
        _ if entry => Cell::Absent,
        (Missing::Nil | Missing::ZeroFor(_), _) => Cell::Absent,
        (Missing::Zero, Type::Bool) => Cell::Bool(false),
        (Missing::Zero, Type::Int) => Cell::Int(0),
        (Missing::Zero, Type::Double) => Cell::Double(0.0),
        (Missing::Zero, Type::Text) => Cell::Text(""),
        (Missing::Zero, Type::SpanId) => Cell::SpanId([0; 8]),
        (Missing::Zero, Type::TraceId) => Cell::TraceId([0; 16]),
        (Missing::Zero, _) => Cell::Empty,
    }
}

/// Appends the cells of some rows.
pub(crate) fn load<'a>(column: Column<'a>, rows: &[u32], missing: Cell<'a>, out: &mut Vec<Cell<'a>>) {
    fn each<'a, T>(
        rows: &[u32],
        missing: Cell<'a>,
        out: &mut Vec<Cell<'a>>,
        get: impl Fn(usize) -> Option<T>,
        cell: impl Fn(T) -> Cell<'a>,
    ) {
        out.extend(rows.iter().map(|row| get(*row as usize).map_or(missing, &cell)));
    }
    match column {
        Column::Boolean(values) => each(rows, missing, out, |row| values.get(row), Cell::Bool),
        Column::UInt8(values) => each(rows, missing, out, |row| values.get(row), |v| Cell::Int(v.into())),
        Column::UInt32(values) => each(rows, missing, out, |row| values.get(row), |v| Cell::Int(v.into())),
        Column::Int32(values) => each(rows, missing, out, |row| values.get(row), |v| Cell::Int(v.into())),
        // As the Collector does: its times are signed.
        Column::UInt64(values) => each(rows, missing, out, |row| values.get(row), |v| Cell::Int(v as i64)),
        Column::Int64(values) => each(rows, missing, out, |row| values.get(row), Cell::Int),
        Column::Double(values) => each(rows, missing, out, |row| values.get(row), Cell::Double),
        Column::Id8(values) => each(rows, missing, out, |row| values.get(row), Cell::SpanId),
        Column::Id16(values) => each(rows, missing, out, |row| values.get(row), Cell::TraceId),
        Column::Text(values) => each(rows, missing, out, |row| values.get(row), Cell::Text),
        Column::Any(values) => each(
            rows,
            missing,
            out,
            |row| Some(Cell::from(values.get(row))).filter(|cell| *cell != Cell::Absent),
            |cell| cell,
        ),
        _ => out.extend(rows.iter().map(|_| missing)),
    }
}

/// The whole numbers that a comparison with a whole number is true for: all from the first to the last, or all others. One
/// loop then serves every comparison.
fn numbers(comparison: Comparison, constant: i64) -> (i64, i64, bool) {
    match comparison {
        Comparison::Equal => (constant, constant, true),
        Comparison::NotEqual => (constant, constant, false),
        Comparison::Less => (constant, i64::MAX, false),
        Comparison::LessOrEqual => (i64::MIN, constant, true),
        Comparison::Greater => (i64::MIN, constant, false),
        Comparison::GreaterOrEqual => (constant, i64::MAX, true),
    }
}

/// Rows that a comparison with a constant is true for, straight from the column. `None`: not for this kind of column.
pub(crate) fn compare(
    column: Column<'_>,
    missing: Cell<'static>,
    comparison: Comparison,
    constant: Value<'_>,
) -> Option<Bitmap> {
    let holds = |value: Value<'_>| value::compare(comparison, value, constant);
    let mut yes = match constant {
        Value::Int(constant) => whole(column, numbers(comparison, constant)),
        _ => None,
    };
    if yes.is_none() {
        yes = by_value(column, holds);
    }
    let mut yes = yes?;
    if let Some(valid) = column.validity()
        && holds(missing.value(&Made::default()))
    {
        let mut without = valid.to_bitmap();
        without.not();
        yes.or(&without);
    }
    Some(yes)
}

/// Whole numbers in a range, or out of it. `None`: the column has others.
fn whole(column: Column<'_>, (first, last, inside): (i64, i64, bool)) -> Option<Bitmap> {
    let holds = |value: i64| (first <= value && value <= last) == inside;
    Some(match column {
        Column::UInt8(values) => values.matches(|value| holds(value.into())),
        Column::UInt32(values) => values.matches(|value| holds(value.into())),
        Column::Int32(values) => values.matches(|value| holds(value.into())),
        Column::UInt64(values) => values.matches(|value| holds(value as i64)),
        Column::Int64(values) => values.matches(holds),
        _ => return None,
    })
}

/// Whatever the constant is: each value by itself.
fn by_value(column: Column<'_>, holds: impl Fn(Value<'_>) -> bool) -> Option<Bitmap> {
    Some(match column {
        Column::Boolean(values) => {
            let (on, off) = (holds(Value::Bool(true)), holds(Value::Bool(false)));
            Bitmap::from_fn(values.len(), |row| values.get(row).is_some_and(|value| if value { on } else { off }))
        }
        Column::UInt8(values) => values.matches(|value| holds(Value::Int(value.into()))),
        Column::UInt32(values) => values.matches(|value| holds(Value::Int(value.into()))),
        Column::Int32(values) => values.matches(|value| holds(Value::Int(value.into()))),
        Column::UInt64(values) => values.matches(|value| holds(Value::Int(value as i64))),
        Column::Int64(values) => values.matches(|value| holds(Value::Int(value))),
        Column::Double(values) => values.matches(|value| holds(Value::Double(value))),
        Column::Id8(values) => values.matches(|value| holds(Value::SpanId(value))),
        Column::Id16(values) => values.matches(|value| holds(Value::TraceId(value))),
        Column::Text(values) => values.matches(|text| holds(Value::Text(text))),
        _ => return None,
    })
}

/// The distinct values of a column, in one row: for each row of the column there is a place in it.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "made once for each test, and on the stack")]
pub(crate) enum Domain<'a> {
    /// The dictionary, and what is missing behind it.
    Text(wasmill_columns::Dictionary<'a>),
    /// Absent, empty, and the children one behind the other, the text child's dictionary in its stead.
    Any(Any<'a>),
}

/// Where in a domain the children of `any` start, by kind.
type Starts = [u32; AnyKind::ALL.len()];

impl<'a> Domain<'a> {
    /// The domain of a column, where it has one: other columns have a value of their own for each row.
    pub(crate) fn of(column: Column<'a>) -> Option<Domain<'a>> {
        match column {
            Column::Text(Text::Dictionary(text)) => Some(Domain::Text(text)),
            Column::Any(any) => Some(Domain::Any(any)),
            _ => None,
        }
    }

    /// Values in it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Domain::Text(text) => text.values().len() + 1,
            Domain::Any(any) => starts(any).1 as usize,
        }
    }

    /// Appends the values.
    pub(crate) fn cells(&self, missing: Cell<'a>, out: &mut Vec<Cell<'a>>) {
        match self {
            Domain::Text(text) => {
                let values = text.values();
                out.extend((0..values.len()).map(|place| Cell::Text(values.raw(place))));
                out.push(missing);
            }
            Domain::Any(any) => {
                out.extend([missing, Cell::Empty]);
                match any.text() {
                    None => {}
                    Some(Text::Plain(text)) => out.extend((0..text.len()).map(|place| Cell::Text(text.raw(place)))),
                    Some(Text::Dictionary(text)) => {
                        let values = text.values();
                        out.extend((0..values.len()).map(|place| Cell::Text(values.raw(place))));
                    }
                }
                out.extend(any.int().into_iter().flat_map(|child| child.raw_iter()).map(Cell::Int));
                out.extend(any.double().into_iter().flat_map(|child| child.raw_iter()).map(Cell::Double));
                if let Some(child) = any.boolean() {
                    out.extend((0..child.len()).map(|place| Cell::Bool(child.raw().get(place))));
                }
                let bytes = |child: Option<wasmill_columns::Binary<'a>>| {
                    child.into_iter().flat_map(|child| (0..child.len()).map(move |place| child.raw(place)))
                };
                out.extend(bytes(any.binary()).map(Cell::Bytes));
                out.extend(bytes(any.list()).map(Cell::List));
                out.extend(bytes(any.map()).map(Cell::Map));
            }
        }
    }

    /// Rows whose value has an outcome that is `wanted`.
    pub(crate) fn rows(&self, outcomes: &[Outcome], wanted: impl Fn(Outcome) -> bool) -> Bitmap {
        let at = |place: usize| outcomes.get(place).is_some_and(|outcome| wanted(*outcome));
        match self {
            Domain::Text(text) => {
                let (keys, missing) = (text.keys(), text.values().len());
                match keys.validity() {
                    None => {
                        let mut keys = keys.raw_iter();
                        Bitmap::from_fn(text.len(), |_| keys.next().is_some_and(|key| at(key as usize)))
                    }
                    Some(_) => Bitmap::from_fn(text.len(), |row| at(keys.get(row).map_or(missing, |key| key as usize))),
                }
            }
            Domain::Any(any) => {
                let (starts, _) = starts(any);
                let mut places = any.kinds().iter().zip(any.places().raw_iter());
                match any.text() {
                    Some(Text::Dictionary(text)) => {
                        let keys = text.keys();
                        Bitmap::from_fn(any.len(), |_| {
                            places.next().is_some_and(|(kind, place)| {
                                let place = match *kind {
                                    TEXT => keys.raw(place as usize),
                                    _ => place,
                                };
                                at(position(&starts, *kind, place))
                            })
                        })
                    }
                    _ => Bitmap::from_fn(any.len(), |_| {
                        places.next().is_some_and(|(kind, place)| at(position(&starts, *kind, place)))
                    }),
                }
            }
        }
    }

    /// The outcome of one row.
    pub(crate) fn outcome(&self, outcomes: &[Outcome], row: usize) -> Outcome {
        let place = match self {
            Domain::Text(text) => text.keys().get(row).map_or(text.values().len(), |key| key as usize),
            Domain::Any(any) => {
                let kind = any.kinds().get(row).copied().unwrap_or_default();
                let mut place = any.places().raw(row);
                if let (TEXT, Some(Text::Dictionary(text))) = (kind, any.text()) {
                    place = text.keys().raw(place as usize);
                }
                position(&starts(any).0, kind, place)
            }
        };
        outcomes.get(place).copied().unwrap_or(Outcome::No)
    }
}

const TEXT: u8 = AnyKind::Text as u8;

/// A place in a domain. What is absent or empty has no place of its own that would count.
#[inline]
fn position(starts: &Starts, kind: u8, place: u32) -> usize {
    let place = if kind < TEXT { 0 } else { place };
    starts.get(usize::from(kind)).map_or(0, |start| (start + place) as usize)
}

/// Where each kind starts, and the end of the last.
fn starts(any: &Any<'_>) -> (Starts, u32) {
    let text = match any.text() {
        None => 0,
        Some(Text::Plain(text)) => text.len(),
        Some(Text::Dictionary(text)) => text.values().len(),
    };
    let binary = |child: Option<wasmill_columns::Binary<'_>>| child.map_or(0, |child| child.len());
    let lengths = [
        1,
        1,
        text,
        any.int().map_or(0, |child| child.len()),
        any.double().map_or(0, |child| child.len()),
        any.boolean().map_or(0, |child| child.len()),
        binary(any.binary()),
        binary(any.list()),
        binary(any.map()),
    ];
    let mut starts = Starts::default();
    let mut end = 0;
    for (start, length) in starts.iter_mut().zip(lengths) {
        *start = end;
        end += length as u32;
    }
    (starts, end)
}
