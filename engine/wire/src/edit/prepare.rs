//! Edits checked against what they are about, before the first byte is written: an apply makes all of its edits or none.

use std::ops::Range;

use super::change::{Action, NUMBER_INT};
use super::maps::{Entries, NoEntry, Op};
use super::targets::{Hit, Targets};
use super::values::{Value, Values};
use super::{Change, Edit, EditError, Rows};
use crate::field::DEPTH_MAX;
use crate::path::{Code, Entry, Level};
use crate::{MetricKind, Selection, Signal, scan, shape};

/// An edit that can be made.
pub(super) struct Prepared<'e> {
    pub edit: &'e Edit,
    pub entry: &'static Entry,
    pub targets: Targets<'e>,
    values: Option<Values<'e>>,
    wanted: Wanted,
}

/// Which values an edit takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Typed by row.
    Any,
    /// The value of an entry, by its place.
    Entry,
    /// Entries of a map.
    Map,
    /// Integer or double by row.
    Number,
    /// Of the field's type.
    Scalar,
    /// Several numbers.
    Numbers,
}

/// Checks one edit of a batch.
pub(super) fn prepare<'e>(edit: &'e Edit, signal: Signal, selection: &'e Selection) -> Result<Prepared<'e>, EditError> {
    let entry = edit.path.entry();
    let wanted = wanted(edit, entry, signal).map_err(|reason| EditError::Forbidden { path: name(edit), reason })?;
    let targets = Targets::new(edit, selection)?;
    let values = match &edit.change {
        Change::Remove => None,
        Change::Set(array) | Change::SetAll(array) | Change::Merge(array) => {
            let values = Values::new(array).filter(|values| fits(values, wanted, entry.code));
            let Some(values) = values else {
                let (found, expected) = (array.data_type().to_string(), expected(wanted, entry.code).to_owned());
                return Err(EditError::Type { path: name(edit), found, expected });
            };
            let wanted = if matches!(edit.change, Change::SetAll(_)) { 1 } else { targets.count() };
            if values.len() != wanted {
                return Err(EditError::Count { path: name(edit), values: values.len(), targets: wanted });
            }
            Some(values)
        }
    };
    let prepared = Prepared { edit, entry, targets, values, wanted };
    prepared.check_values(any_depth(edit, entry, signal))?;
    Ok(prepared)
}

pub(super) fn name(edit: &Edit) -> String {
    edit.path.to_string()
}

/// Which values the edit takes, or why it cannot be.
fn wanted(edit: &Edit, entry: &Entry, signal: Signal) -> Result<Wanted, &'static str> {
    if edit.path.signal != signal {
        return Err("it is a path of another signal");
    }
    if !entry.edit {
        return Err(match entry.level {
            Level::Request => "it belongs to the request, not to its data",
            Level::Metric => "it decides what the metric's points mean",
            _ => "it is derived from other fields",
        });
    }
    if any_depth(edit, entry, signal) == 0 {
        return Err("it is nested deeper than a request may be");
    }
    let (map, keyed) = (entry.code == Code::Attributes, !edit.path.keys.is_empty());
    let may_be_map = map || entry.code == Code::Any;
    let entries = matches!(edit.rows, Rows::Entries { .. });
    if entries && entry.inner.is_none() && !may_be_map {
        return Err("it has no single entries");
    }
    if matches!(edit.change, Change::Merge(_)) {
        return match may_be_map {
            true if entries && entry.inner.is_none() => Err("an entry of it is not a map"),
            true => Ok(Wanted::Map),
            false => Err("it is not a map"),
        };
    }
    Ok(match entry.code {
        _ if entries && entry.inner.is_none() => Wanted::Entry,
        Code::Attributes if !keyed => Wanted::Map,
        Code::Attributes | Code::Any => Wanted::Any,
        Code::Number | Code::NumberInt | Code::NumberDouble => Wanted::Number,
        code if code.is_repeated() => Wanted::Numbers,
        _ => Wanted::Scalar,
    })
}

/// How deep the value at a path may nest, its own message included, so that the request stays one that can be read.
fn any_depth(edit: &Edit, entry: &Entry, signal: Signal) -> u32 {
    // Of what messages lie in: request, resource, scope, metric, data, point. See `parse`.
    let holder = match (entry.level, signal) {
        (Level::Request | Level::Resource, _) => DEPTH_MAX - 1,
        (Level::Scope, _) => DEPTH_MAX - 2,
        (Level::Metric, _) | (Level::Record, Signal::Traces | Signal::Logs) => DEPTH_MAX - 3,
        (Level::Record, Signal::Metrics) => DEPTH_MAX - 5,
    };
    // The steps to a map's entry, and its value; each further key adds a value's list, its entry and that one's value.
    let steps = match entry.level {
        Level::Resource | Level::Scope => 2,
        _ if entry.inner.is_some() => 2,
        _ => 1,
    };
    let own = if entry.code == Code::Any { steps } else { steps + 1 };
    let keys = edit.path.keys.len() as u32;
    let deeper = if entry.code == Code::Any { keys } else { keys.saturating_sub(1) };
    holder.saturating_sub(own + 3 * deeper)
}

fn fits(values: &Values<'_>, wanted: Wanted, code: Code) -> bool {
    match (wanted, values) {
        (Wanted::Map, values) => {
            values.entries().is_some_and(|(keys, values)| keys.is_text() && fits(values, Wanted::Any, code))
        }
        (Wanted::Any | Wanted::Entry, Values::Map(..) | Values::Sequence(..) | Values::UInt64(_)) => false,
        (Wanted::Any | Wanted::Entry, Values::Dictionary(_, values)) => fits(values, wanted, code),
        (Wanted::Any | Wanted::Entry, _) => true,
        (Wanted::Number, Values::Int64(_)) => code != Code::NumberDouble,
        (Wanted::Number, Values::Double(_)) => code != Code::NumberInt,
        (Wanted::Number, Values::Any(..)) => code == Code::Number,
        (Wanted::Number, _) => false,
        (Wanted::Numbers, values) => values.elements().is_some_and(|elements| match code {
            Code::Doubles => matches!(elements, Values::Double(_)),
            _ => matches!(elements, Values::UInt64(_)),
        }),
        (Wanted::Scalar, values) => match code {
            Code::Text => values.is_text(),
            Code::Id8 => matches!(values, Values::Fixed(ids) if ids.value_length() == 8),
            Code::Id16 => matches!(values, Values::Fixed(ids) if ids.value_length() == 16),
            Code::Bool => matches!(values, Values::Bool(_)),
            Code::Double | Code::OptionalDouble => matches!(values, Values::Double(_)),
            _ => values.is_integer(),
        },
    }
}

fn expected(wanted: Wanted, code: Code) -> &'static str {
    match (wanted, code) {
        (Wanted::Any | Wanted::Entry, _) => "one value of any attribute type for each target",
        (Wanted::Map, _) => "maps of text to values of any attribute type",
        (Wanted::Number, Code::NumberInt) => "Int64",
        (Wanted::Number, Code::NumberDouble) => "Float64",
        (Wanted::Number, _) => "Int64, Float64 or the union of an `any` column",
        (Wanted::Numbers, Code::Doubles) => "lists of Float64",
        (Wanted::Numbers, _) => "lists of UInt64",
        (Wanted::Scalar, Code::Text) => "Utf8, plain or in a dictionary",
        (Wanted::Scalar, Code::Id8) => "FixedSizeBinary(8)",
        (Wanted::Scalar, Code::Id16) => "FixedSizeBinary(16)",
        (Wanted::Scalar, Code::Bool) => "Boolean",
        (Wanted::Scalar, Code::Double | Code::OptionalDouble) => "Float64",
        (Wanted::Scalar, _) => "integers",
    }
}

impl Prepared<'_> {
    /// Checks what no array's type says: that integers are within the field's range, that lists and maps are such.
    fn check_values(&self, depth: u32) -> Result<(), EditError> {
        let Some(values) = &self.values else {
            return Ok(());
        };
        match self.wanted {
            Wanted::Scalar if values.is_integer() => self.check_range(values),
            Wanted::Any | Wanted::Entry => self.check_encoded(values, depth),
            Wanted::Map => match values.entries() {
                Some((_, values)) => self.check_encoded(values, depth),
                None => Ok(()),
            },
            Wanted::Number => self.check_numbers(values),
            Wanted::Numbers | Wanted::Scalar => Ok(()),
        }
    }

    fn check_numbers(&self, values: &Values<'_>) -> Result<(), EditError> {
        let mut all = (0..values.len()).map(|at| values.get(at));
        match all.find(|value| !matches!(value, Value::Null | Value::Int(_) | Value::Double(_))) {
            Some(value) => Err(EditError::Type {
                path: name(self.edit),
                found: value.kind().into(),
                expected: "integers or doubles".into(),
            }),
            None => Ok(()),
        }
    }

    fn check_range(&self, values: &Values<'_>) -> Result<(), EditError> {
        let signed = i64::from(i32::MIN)..=i64::from(i32::MAX);
        let (range, kind) = match self.entry.code {
            Code::Int32 | Code::SInt32 => (signed, "integers of 32 bits"),
            Code::UInt32 | Code::Fixed32 => (0..=i64::from(u32::MAX), "integers of 32 bits without a sign"),
            // All 64 bits are in use; from a signed array they are not meant as such.
            _ if matches!(values, Values::UInt64(_)) => return Ok(()),
            _ => (0..=i64::MAX, "integers of 64 bits without a sign"),
        };
        for at in 0..values.len() {
            if let Value::Int(int) = values.get(at)
                && !range.contains(&int)
            {
                return Err(EditError::Type { path: name(self.edit), found: int.to_string(), expected: kind.into() });
            }
        }
        Ok(())
    }

    fn check_encoded(&self, values: &Values<'_>, depth: u32) -> Result<(), EditError> {
        for at in values.encoded() {
            let (message, shape) = match at {
                Value::List(list) => (list, &shape::ARRAY_VALUE),
                Value::Map(map) => (map, &shape::KEY_VALUE_LIST),
                _ => continue,
            };
            scan::message(message, 0, shape, depth.saturating_sub(1))
                .map_err(|fault| EditError::Value { path: name(self.edit), reason: fault.reason })?;
        }
        Ok(())
    }

    /// The value at a place of the edit's array; none where it removes.
    #[inline]
    pub fn value(&self, at: usize) -> Value<'_> {
        self.values.as_ref().map_or(Value::Null, |values| values.get(at))
    }

    /// Whether the edit's array has something at a place: a value, or a map or numbers that are not empty.
    pub fn holds(&self, at: usize) -> bool {
        self.values.as_ref().is_some_and(|values| match values.range(at) {
            Some(range) => !range.is_empty(),
            None => !values.get(at).is_null(),
        })
    }

    /// How many numbers the edit's array has at a place.
    pub fn numbers(&self, at: usize) -> usize {
        self.values.as_ref().and_then(|values| values.range(at)).map_or(0, |range| range.len())
    }

    /// What the edit does to one of its targets.
    pub fn action(&self, hit: &Hit) -> Action<'_> {
        let at = hit.value as usize;
        let entries = |values: &'_ Values<'_>| values.range(at);
        match (self.wanted, &self.values) {
            (Wanted::Entry, _) => Action::Op(Op::Entry(hit.place, self.value(at))),
            (Wanted::Scalar | Wanted::Number, _) => Action::Scalar(self.value(at)),
            (Wanted::Numbers, values) => {
                let values = values.as_ref();
                let range = values.and_then(entries);
                Action::Numbers(values.and_then(Values::elements).zip(range))
            }
            (Wanted::Any | Wanted::Map, None) => Action::Op(Op::Remove),
            (Wanted::Any, Some(values)) => Action::Op(match values.get(at) {
                Value::Null => Op::Remove,
                value => Op::Set(value),
            }),
            (Wanted::Map, Some(values)) => {
                let merge = matches!(self.edit.change, Change::Merge(_));
                Action::Op(match (values.entries(), values.range(at)) {
                    (Some((keys, values)), Some(range)) if merge => Op::Merge(Entries { keys, values, range }),
                    (Some((keys, values)), Some(range)) => Op::Replace(Entries { keys, values, range }),
                    _ if merge => Op::Merge(Entries { keys: values, values, range: Range::default() }),
                    _ => Op::Remove,
                })
            }
        }
    }

    /// Whether the edit does the same to two targets, as far as can be told without looking far.
    pub fn same(&self, one: &Hit, other: &Hit) -> bool {
        if one.place != other.place {
            return false;
        }
        match (&self.values, self.wanted) {
            (None, _) => true,
            _ if one.value == other.value => true,
            (Some(_), Wanted::Map | Wanted::Numbers) => false,
            (Some(values), _) => values.get(one.value as usize) == values.get(other.value as usize),
        }
    }

    pub fn is_of_all_records(&self) -> bool {
        self.entry.level == Level::Record && matches!(self.edit.rows, Rows::All)
    }

    /// A bit for the field of the message that the edit goes through first.
    pub fn interest(&self, kind: MetricKind) -> u64 {
        let number = matches!(self.entry.code, Code::Number | Code::NumberInt | Code::NumberDouble);
        match self.entry.steps(kind) {
            Some([field]) if number => 1 << field | 1 << NUMBER_INT,
            Some([field, ..]) => 1 << field,
            _ => 0,
        }
    }

    pub fn no_entry(&self, row: usize, hit: &Hit, absent: NoEntry) -> EditError {
        EditError::Entry { path: name(self.edit), row, place: hit.place as usize, entries: absent.0 }
    }

    /// The place of the inner record that an edit of single ones is about.
    pub fn inner_place(&self, hit: &Hit) -> Option<u32> {
        (self.entry.inner.is_some() && matches!(self.edit.rows, Rows::Entries { .. })).then_some(hit.place)
    }
}
