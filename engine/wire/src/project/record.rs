//! From a record to its values in all columns at once.
//!
//! While a record is validated, [`Record`] notes where its fields lie; then each column takes what it needs. A field
//! that is usually written once and was written more often is read again by [`value`](super::value), which knows what
//! that means.

use arrow_array::ArrayRef;

use super::column::Column;
use super::plan::{Plan, Planned, Source};
use super::value::{self, Parts, Value};
use crate::path::Code;
use crate::scan::{Sink, plain_text};
use crate::{ColumnRequest, MetricKind, varint};

/// Field numbers of records are below this.
const NUMBERS: usize = 32;

/// Rows for which columns have room from the start. They grow from there; a request that looked as if it had many rows
/// costs no more than this.
const ROWS_MAX_AT_START: usize = 16 << 10;

/// What was seen of one record.
pub(crate) struct Record<'p> {
    plan: &'p Plan,
    /// [`Plan::want_lens`], or all if all attributes are wanted: what each attribute is asked first.
    lens: u64,
    /// A bit for each field number that was seen, and that was seen more than once.
    seen: u32,
    again: u32,
    /// By field number: the bits of a number, or start and end of a slice, 32 bits each.
    values: [u64; NUMBERS],
    /// By place in [`Plan::wants`]; what has another number than this record's is of an earlier one.
    found: Vec<(u32, Found)>,
    record: u32,
    /// The first attributes in their order, at most [`NOTED_MAX`], if they are wanted.
    entries: Vec<Noted>,
    /// Attributes that were seen, if they are wanted.
    attributes: usize,
}

/// Attributes of a record that are noted. One with more is read again: its attributes may be as short as two bytes, and what is
/// noted of each is larger.
const NOTED_MAX: usize = 1024;

/// Where an attribute lies.
#[derive(Clone, Copy)]
pub(crate) enum Noted {
    /// Key, and the `AnyValue`.
    Parts { key: (u32, u32), any: (u32, u32) },
    /// The `KeyValue`.
    Entry(u32, u32),
}

/// Where the value of a wanted attribute lies; of several with one key the first counts.
#[derive(Clone, Copy)]
enum Found {
    No,
    /// The `AnyValue`, one field in its shortest form.
    Plain(u32, u32),
    /// The `AnyValue`.
    Value(u32, u32),
    /// The `KeyValue`.
    Entry(u32, u32),
}

impl<'p> Record<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Record<'p> {
        Record {
            plan,
            lens: if plan.wants_all { u64::MAX } else { plan.want_lens },
            seen: 0,
            again: 0,
            values: [0; NUMBERS],
            found: vec![(0, Found::No); plan.wants.len()],
            record: 0,
            entries: Vec::new(),
            attributes: 0,
        }
    }

    /// Forgets the record before.
    #[inline]
    pub(crate) fn clear(&mut self) {
        (self.seen, self.again) = (0, 0);
        // There are fewer records than this counts to, see `RECORDS_MAX`.
        self.record = self.record.wrapping_add(1);
        self.entries.clear();
        self.attributes = 0;
    }

    #[inline(always)]
    fn note(&mut self, number: u32, value: u64) {
        let bit = 1 << (number % NUMBERS as u32);
        self.again |= self.seen & bit;
        self.seen |= bit;
        self.values[number as usize % NUMBERS] = value;
    }

    #[inline]
    fn note_attribute(&mut self, noted: Noted) {
        self.attributes += 1;
        if self.attributes <= NOTED_MAX {
            self.entries.push(noted);
        }
    }

    /// All attributes; `None`: there are more than were noted.
    #[inline]
    fn all_attributes(&self) -> Option<&[Noted]> {
        (self.attributes == self.entries.len()).then_some(&self.entries)
    }

    #[inline]
    fn has(&self, number: u32) -> bool {
        self.seen >> (number % NUMBERS as u32) & 1 == 1
    }

    #[inline]
    fn has_again(&self, number: u32) -> bool {
        self.again >> (number % NUMBERS as u32) & 1 == 1
    }

    /// What was found of the wanted attribute.
    #[inline]
    fn found(&self, place: usize) -> Found {
        match self.found.get(place) {
            Some(&(record, found)) if record == self.record => found,
            _ => Found::No,
        }
    }

    /// A number; 0 where there is none.
    #[inline]
    pub(crate) fn number(&self, number: u32) -> u64 {
        if self.has(number) { self.values[number as usize % NUMBERS] } else { 0 }
    }

    /// Text, bytes, or a message; empty where there is none.
    #[inline]
    pub(crate) fn slice<'a>(&self, request: &'a [u8], number: u32) -> &'a [u8] {
        let value = self.number(number);
        request.get((value >> 32) as usize..value as u32 as usize).unwrap_or_default()
    }
}

impl Sink for Record<'_> {
    #[inline(always)]
    fn number(&mut self, number: u32, bits: u64) {
        self.note(number, bits);
    }

    #[inline(always)]
    fn slice(&mut self, number: u32, start: usize, end: usize) {
        self.note(number, (start as u64) << 32 | end as u64);
    }

    #[inline(always)]
    fn attribute(&mut self, bytes: &[u8], key: (usize, usize), value: (usize, usize), plain: bool) {
        let len = key.1 - key.0;
        if self.lens >> (len % 64) & 1 == 0 {
            return;
        }
        if self.plan.wants_all {
            let (key, any) = ((key.0 as u32, key.1 as u32), (value.0 as u32, value.1 as u32));
            self.note_attribute(Noted::Parts { key, any });
        }
        let head = match bytes[key.0..].first_chunk::<8>() {
            Some(word) if len >= 8 => u64::from_le_bytes(*word),
            Some(word) => u64::from_le_bytes(*word) & ((1 << (8 * len)) - 1),
            None => bytes[key.0..key.1].iter().take(8).rev().fold(0, |head, &byte| head << 8 | u64::from(byte)),
        };
        for (want, found) in self.plan.wants.iter().zip(&mut self.found) {
            if want.head == head
                && want.key.len() == len
                && (len <= 8 || want.key == bytes[key.0..key.1])
                && found.0 != self.record
            {
                let (start, end) = (value.0 as u32, value.1 as u32);
                *found = (self.record, if plain { Found::Plain(start, end) } else { Found::Value(start, end) });
            }
        }
    }

    #[cold]
    fn odd_attribute(&mut self, bytes: &[u8], start: usize, end: usize) {
        if self.plan.wants_all {
            self.note_attribute(Noted::Entry(start as u32, end as u32));
        }
        let entry = Parts::One(&bytes[start..end]);
        let key = value::key_of(&entry);
        for (want, found) in self.plan.wants.iter().zip(&mut self.found) {
            if want.key == key && found.0 != self.record {
                *found = (self.record, Found::Entry(start as u32, end as u32));
            }
        }
    }
}

/// The columns of a plan while they are built.
pub(crate) struct Columns<'p> {
    plan: &'p Plan,
    columns: Vec<Column>,
}

impl<'p> Columns<'p> {
    /// `rows` is a guess.
    pub(crate) fn new(plan: &'p Plan, rows: usize) -> Columns<'p> {
        let rows = rows.min(ROWS_MAX_AT_START);
        let columns = plan.columns.iter().map(|planned| Column::new(&planned.request.column, rows)).collect();
        Columns { plan, columns }
    }

    /// A row: the values of the record that was seen last, whose message is `message` of `request`.
    #[inline]
    pub(crate) fn push(&mut self, record: &Record<'_>, request: &[u8], message: (usize, usize), kind: MetricKind) {
        for (planned, column) in self.plan.columns.iter().zip(&mut self.columns) {
            let source = planned.sources[kind as usize];
            match (source, column) {
                (Source::Field(number, Code::Fixed64), Column::UInt64(column)) => {
                    column.push(Some(record.number(number)));
                }
                (Source::Field(number, Code::Id8 | Code::Id16), Column::Id(column)) => {
                    column.push(Some(record.slice(request, number)));
                }
                (Source::Field(number, Code::Text), Column::Text(column)) => {
                    column.push(record.slice(request, number));
                }
                (Source::Field(number, Code::Int32), Column::Int32(column)) => {
                    column.push(Some(record.number(number) as i32));
                }
                (Source::Field(number, Code::Any), Column::Any(column))
                    if planned.request.path.keys.is_empty() && !record.has_again(number) =>
                {
                    match record.has(number) {
                        true => column.push_any(record.slice(request, number), column.last_text()),
                        false => column.push(&Value::Absent),
                    }
                }
                (Source::Field(number, Code::Number), Column::Any(column)) if record.has(number) != record.has(6) => {
                    match record.has(6) {
                        true => column.push_int(record.number(6) as i64),
                        false => column.push_double(f64::from_bits(record.number(number))),
                    }
                }
                (Source::Attribute(place), column) => attribute(record, request, place, planned, column),
                (Source::Inner(outer, inner, code), column) if !record.has_again(outer) => {
                    let part = record.slice(request, outer);
                    match (part, code, column) {
                        (&[], Code::Int32, Column::Int32(column)) => column.push(Some(0)),
                        // A status with nothing but a code, as nearly all are.
                        (&[tag, value @ 0..0x80], Code::Int32, Column::Int32(column))
                            if u32::from(tag) == inner << 3 =>
                        {
                            column.push(Some(value.into()));
                        }
                        (part, code, column) => column.push(&value::of_field(&Parts::One(part), inner, code, &[])),
                    }
                }
                (Source::Attributes, Column::Attributes(column)) if let Some(all) = record.all_attributes() => {
                    column.push_noted(request, all);
                }
                (Source::Elements(outer), column) if !record.has(outer) => column.end_sequence(),
                (source, column) => match value_of(record, source, request, &planned.request) {
                    Some(value) => column.push(&value),
                    None => {
                        let message = Parts::One(&request[message.0..message.1]);
                        value::fill(column, &message, planned.entry, kind, &planned.request.path.keys);
                    }
                },
            }
        }
    }

    /// Each array with the place of its request.
    pub(crate) fn finish(self) -> impl Iterator<Item = (usize, ArrayRef)> {
        let places = self.plan.columns.iter().map(|planned| planned.place);
        places.zip(self.columns).map(|(place, column)| (place, column.finish()))
    }
}

/// The value of an attribute into a column of any type.
#[inline]
fn attribute(record: &Record<'_>, request: &[u8], place: usize, planned: &Planned, column: &mut Column) {
    let keys = planned.request.path.keys.get(1..).unwrap_or_default();
    let any = match record.found(place) {
        Found::No => return column.push_absent(),
        Found::Plain(start, end) => {
            let any = &request[start as usize..end as usize];
            match &mut *column {
                Column::Any(column) if keys.is_empty() => return column.push_any(any, column.last_text()),
                Column::Text(column)
                    if keys.is_empty()
                        && let Some(text) = plain_text(any) =>
                {
                    return column.push(text);
                }
                Column::Int64(column) if keys.is_empty() && any.first() == Some(&0x18) => {
                    return column.push(Some(varint::read(any, 1).map_or(0, |(value, _)| value as i64)));
                }
                _ => value::any_value(&Parts::One(any)),
            }
        }
        Found::Value(start, end) => value::any_value(&Parts::One(&request[start as usize..end as usize])),
        Found::Entry(start, end) => value::value_of(&Parts::One(&request[start as usize..end as usize])),
    };
    column.push(&value::within(any, keys));
}

/// The value of a field of the record, where one look at what was seen of it gives it.
#[inline]
fn value_of<'a>(record: &Record<'_>, source: Source, request: &'a [u8], wanted: &ColumnRequest) -> Option<Value<'a>> {
    let (number, code) = match source {
        Source::Absent => return Some(Value::Absent),
        Source::Field(number, code) => (number, code),
        Source::Inner(..) | Source::Attribute(_) | Source::Attributes | Source::Elements(_) | Source::Record => {
            return None;
        }
    };
    let bits = record.number(number);
    Some(match code {
        Code::Text => Value::Text(record.slice(request, number)),
        Code::Id8 | Code::Id16 => {
            let width = if code == Code::Id8 { 8 } else { 16 };
            Some(record.slice(request, number)).filter(|id| id.len() == width).map_or(Value::Absent, Value::Bytes)
        }
        Code::Bool => Value::Bool(bits != 0),
        Code::Int32 => Value::Int((bits as i32).into()),
        Code::UInt32 | Code::Fixed32 => Value::UInt((bits as u32).into()),
        Code::Fixed64 => Value::UInt(bits),
        Code::Double => Value::Double(f64::from_bits(bits)),
        Code::OptionalDouble if !record.has(number) => Value::Absent,
        Code::OptionalDouble => Value::Double(f64::from_bits(bits)),
        Code::Duration => Value::Int(record.number(8).wrapping_sub(record.number(7)) as i64),
        Code::Any if record.has_again(number) => return None,
        Code::Any if !record.has(number) => Value::Absent,
        Code::Any => {
            let any = value::any_value(&Parts::One(record.slice(request, number)));
            value::within(any, &wanted.path.keys)
        }
        Code::Number | Code::NumberInt | Code::NumberDouble => match (record.has(number), record.has(6)) {
            (true, true) => return None,
            (true, false) if code != Code::NumberInt => Value::Double(f64::from_bits(bits)),
            (false, true) if code != Code::NumberDouble => Value::Int(record.number(6) as i64),
            _ => Value::Absent,
        },
        _ => return None,
    })
}
