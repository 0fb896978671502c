//! New records, made of columns: what an edit would set, set on records that were not there before.
//!
//! ```text
//!  columns ──┬─ what decides a record's form ──► base: a record for each row with its number, its time and its events,
//!            │                                    links, exemplars, quantiles, all empty, under the parents that it is to have
//!            └─ everything else ── edits ───────► overlay ── compact ──► one buffer, equal parents joined
//! ```
//!
//! The edits are those of [`super::Overlay`], so that a path takes the same values here as there, and is written the same. What an edit
//! may not change, because it decides what a metric's points mean, is given here and only here.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use bytes::Bytes;

use super::change::NUMBER_INT;
use super::prepare::{Prepared, prepare};
use super::values::{Value, Values};
use super::{Change, Edit, EditError, Overlay, Rows};
use crate::field::{self, WireType};
use crate::path::{Code, Field, Inner, Level};
use crate::{
    Extent, Index, MetricData, MetricKind, Parent, Path, Record, Selection, Signal, WireBatch, compact, varint,
};

/// Events, links, exemplars and quantiles of the records of one call: as many as a request may have records.
const INNER_MAX: usize = crate::parse::RECORDS_MAX;

/// OTLP's `AGGREGATION_TEMPORALITY_DELTA`. Whoever makes points out of what went by counts from then to now.
const DELTA: i32 = 1;
/// And `AGGREGATION_TEMPORALITY_CUMULATIVE`, the last one.
const CUMULATIVE: i32 = 2;

/// Records to be made.
pub struct NewRecords<'a> {
    pub signal: Signal,
    /// At most as many as a request may have: 1,048,576.
    pub rows: usize,
    /// For each path a value for each record, or a single one for all, of the types that [`Change`] takes; no value: not written. Fields
    /// of inner records (`spanevent.name`) are lists, as many elements for each record as the other fields of the same
    /// inner record have. Applied in order, the last one wins.
    pub fields: &'a [(Path, ArrayRef)],
    /// Where resources and scopes come from; `None`: they are empty but for what `fields` say.
    pub like: Option<Like<'a>>,
    /// The time of data points, and the observed time of log records, that `fields` give none.
    pub now_unix_nano: u64,
    /// Bytes of the records with their parents, at most.
    pub bytes_max: usize,
}

/// Records, of whatever signal, whose resources and scopes new ones have.
#[derive(Clone, Copy)]
pub struct Like<'a> {
    pub signal: Signal,
    pub index: &'a Index,
    /// For each new record one of the index, or none: then its resource and scope are empty.
    pub rows: &'a [Option<u32>],
}

/// Why records cannot be made; none of them was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewRecordsError {
    #[error("`{path}` cannot be given: {reason}")]
    Forbidden { path: String, reason: &'static str },
    #[error("the values for `{path}` are {found}, expected {expected}")]
    Type { path: String, found: String, expected: &'static str },
    #[error("`{path}` has {values} values for {rows} records; a value for each is expected, or one for all")]
    Count { path: String, values: usize, rows: usize },
    #[error("`{path}` has no value in record {row}, and a record of {signal} needs one")]
    Missing { path: &'static str, row: usize, signal: Signal },
    #[error("record {row} has no value: a {kind} needs `value_int`, `value_double` or `value`")]
    NoValue { row: usize, kind: &'static str },
    #[error("record {row} is a point of a {kind}, which has no `{path}`; say by `metric.type` what it is")]
    Unfit { path: String, row: usize, kind: &'static str },
    #[error("`{path}` is {found} in record {row}, expected {expected}")]
    Unknown { path: String, row: usize, found: i64, expected: &'static str },
    #[error(
        "record {row} has {counts} `bucket_counts` for {bounds} `explicit_bounds`; one more than bounds is expected"
    )]
    Buckets { row: usize, counts: usize, bounds: usize },
    #[error("`{path}` has {values} values in record {row}, in which `{other}` has {expected}")]
    Inner { path: String, row: usize, values: usize, other: String, expected: usize },
    #[error("{count} {what}; at most {max} are possible")]
    TooMany { what: &'static str, count: usize, max: usize },
    #[error("record {row} is to have the resource of row {source_row}, which there is not")]
    Source { row: usize, source_row: u32 },
    #[error("with their resources and scopes the records would have more than {limit} bytes")]
    Size { limit: usize },
    #[error(transparent)]
    Edit(EditError),
}

impl From<EditError> for NewRecordsError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Forbidden { path, reason } => NewRecordsError::Forbidden { path, reason },
            EditError::Size { limit } => NewRecordsError::Size { limit },
            error => NewRecordsError::Edit(error),
        }
    }
}

/// Makes records.
pub fn create(new: &NewRecords<'_>) -> Result<WireBatch, NewRecordsError> {
    if new.rows > crate::parse::RECORDS_MAX {
        let max = crate::parse::RECORDS_MAX;
        return Err(NewRecordsError::TooMany { what: "records", count: new.rows, max });
    }
    let mut given = Given::sort(new)?;
    let selection = Selection::all(new.rows);
    let form = Form::new(new, &given, &selection)?;
    form.check(new, &given)?;
    let base = Arc::new(WireBatch::from_index(new.signal, base(new, &form, &given.inner)?));
    drop(form);
    given.edits.append(&mut given.inner_edits);
    let made = Overlay::apply_within(&base, None, &selection, &given.edits, new.bytes_max)?;
    // The parents that records have in common with what they were made like are copied once here, and counted.
    let parents: usize = made.index().extents.iter().map(|extent| extent.len as usize).sum();
    let records: usize = made.index().records.iter().map(|record| record.len as usize).sum();
    if parents + records > new.bytes_max {
        return Err(NewRecordsError::Size { limit: new.bytes_max });
    }
    Ok(compact(new.signal, made.index(), &selection))
}

/// The fields by how they are written.
#[derive(Default)]
struct Given {
    /// Set on records and parents that are there.
    edits: Vec<Edit>,
    /// Written into the base: values of numbers, times that have a default.
    base: Vec<Edit>,
    inner: Vec<InnerRecords>,
    /// One for each field of inner records, and which of `inner` it is of.
    inner_edits: Vec<Edit>,
    /// Of metrics: `metric.type` and the two that come with it.
    data: [Option<(Path, ArrayRef)>; 3],
}

/// How many inner records of a kind each record has.
struct InnerRecords {
    kind: Inner,
    /// The field that said so first.
    path: Path,
    counts: Vec<u32>,
}

const TYPE: usize = 0;
const TEMPORALITY: usize = 1;
const MONOTONIC: usize = 2;

impl Given {
    fn sort(new: &NewRecords<'_>) -> Result<Given, NewRecordsError> {
        let mut given = Given::default();
        for (path, array) in new.fields {
            let entry = path.entry();
            let data = match entry.field {
                Field::MetricType => Some(TYPE),
                Field::MetricAggregationTemporality => Some(TEMPORALITY),
                Field::MetricIsMonotonic => Some(MONOTONIC),
                _ => None,
            };
            if let Some(place) = given.data.get_mut(data.unwrap_or(usize::MAX)) {
                check_count(path, array.len(), new.rows)?;
                check_data(path, array)?;
                *place = Some((path.clone(), array.clone()));
                continue;
            }
            if let Some(kind) = entry.inner {
                given.inner(new, path, kind, array)?;
                continue;
            }
            check_count(path, array.len(), new.rows)?;
            let change = match array.len() {
                1 => Change::SetAll(array.clone()),
                _ => Change::Set(array.clone()),
            };
            let edit = Edit { path: path.clone(), rows: Rows::All, change };
            match entry.field {
                Field::Value | Field::ValueInt | Field::ValueDouble | Field::ObservedTime => given.base.push(edit),
                Field::Time if new.signal == Signal::Metrics => given.base.push(edit),
                _ => given.edits.push(edit),
            }
        }
        Ok(given)
    }

    /// A field of inner records: a list for each record.
    fn inner(
        &mut self,
        new: &NewRecords<'_>,
        path: &Path,
        kind: Inner,
        array: &ArrayRef,
    ) -> Result<(), NewRecordsError> {
        let Some(list) = array.as_list_opt::<i32>() else {
            let found = array.data_type().to_string();
            return Err(NewRecordsError::Type { path: path.to_string(), found, expected: "a list for each record" });
        };
        if list.len() != new.rows {
            return Err(NewRecordsError::Count { path: path.to_string(), values: list.len(), rows: new.rows });
        }
        let offsets = list.value_offsets();
        let (first, end) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        let total = (end - first) as usize;
        if total > INNER_MAX {
            let what = "events, links, exemplars or quantiles";
            return Err(NewRecordsError::TooMany { what, count: total, max: INNER_MAX });
        }
        let counts: Vec<u32> = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect();
        match self.inner.iter().find(|known| known.kind == kind) {
            None => self.inner.push(InnerRecords { kind, path: path.clone(), counts: counts.clone() }),
            Some(known) => {
                if let Some(row) = (0..new.rows).find(|&row| known.counts[row] != counts[row]) {
                    let (values, expected) = (counts[row] as usize, known.counts[row] as usize);
                    let (path, other) = (path.to_string(), known.path.to_string());
                    return Err(NewRecordsError::Inner { path, row, values, other, expected });
                }
            }
        }
        let (mut rows, mut places) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for (row, &count) in counts.iter().enumerate() {
            rows.extend((0..count).map(|_| row as u32));
            places.extend(0..count);
        }
        if total > 0 {
            let change = Change::Set(list.values().slice(first as usize, total));
            self.inner_edits.push(Edit { path: path.clone(), rows: Rows::Entries { rows, places }, change });
        }
        Ok(())
    }
}

fn check_count(path: &Path, values: usize, rows: usize) -> Result<(), NewRecordsError> {
    match values == rows || values == 1 {
        true => Ok(()),
        false => Err(NewRecordsError::Count { path: path.to_string(), values, rows }),
    }
}

/// The type of what decides a metric's data.
fn check_data(path: &Path, array: &ArrayRef) -> Result<(), NewRecordsError> {
    let boolean = path.entry().code == Code::Bool;
    let fits = |values: &Values<'_>| match boolean {
        true => matches!(values, Values::Bool(_)),
        false => values.is_integer(),
    };
    match Values::new(array).filter(fits) {
        Some(_) => Ok(()),
        None => {
            let expected = if boolean { "Boolean" } else { "integers" };
            let found = array.data_type().to_string();
            Err(NewRecordsError::Type { path: path.to_string(), found, expected })
        }
    }
}

/// What is known of each record before it is written, and the fields that are checked against it.
struct Form<'e> {
    /// Empty but for metrics.
    data: Vec<Data>,
    base: Vec<Prepared<'e>>,
    edits: Vec<Prepared<'e>>,
    inner: Vec<Prepared<'e>>,
}

/// What a point's metric is, beside its header.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Data {
    kind: MetricKind,
    temporality: i32,
    monotonic: bool,
}

impl<'e> Form<'e> {
    fn new(new: &NewRecords<'_>, given: &'e Given, selection: &'e Selection) -> Result<Form<'e>, NewRecordsError> {
        let prepared = |edits: &'e [Edit]| -> Result<Vec<_>, NewRecordsError> {
            let prepared = edits.iter().map(|edit| prepare(edit, new.signal, selection));
            prepared.map(|prepared| prepared.map_err(NewRecordsError::from)).collect()
        };
        let data = match new.signal {
            Signal::Metrics => data(new, given)?,
            Signal::Traces | Signal::Logs => Vec::new(),
        };
        Ok(Form {
            data,
            base: prepared(&given.base)?,
            edits: prepared(&given.edits)?,
            inner: prepared(&given.inner_edits)?,
        })
    }

    fn kind(&self, row: usize) -> MetricKind {
        self.data.get(row).map_or(MetricKind::None, |data| data.kind)
    }

    /// Whether every record has what it needs, and nothing that its kind does not have.
    fn check(&self, new: &NewRecords<'_>, given: &Given) -> Result<(), NewRecordsError> {
        match new.signal {
            Signal::Traces => {
                self.check_ids(new, Field::TraceId, "trace_id")?;
                self.check_ids(new, Field::SpanId, "span_id")
            }
            Signal::Logs => Ok(()),
            Signal::Metrics => {
                self.check_names(new)?;
                self.check_fits(new, given)?;
                self.check_values(new)?;
                self.check_buckets(new)
            }
        }
    }

    fn of(&self, field: Field) -> Option<&Prepared<'e>> {
        self.edits.iter().rfind(|prepared| prepared.entry.field == field && prepared.edit.path.keys.is_empty())
    }

    fn check_ids(&self, new: &NewRecords<'_>, field: Field, path: &'static str) -> Result<(), NewRecordsError> {
        let ids = self.of(field);
        let is_id = |row: usize| {
            let id = ids.map(|ids| ids.value(at(ids.edit, row)));
            matches!(id, Some(Value::Bytes(id)) if id.iter().any(|&byte| byte != 0))
        };
        match (0..new.rows).find(|&row| !is_id(row)) {
            Some(row) => Err(NewRecordsError::Missing { path, row, signal: new.signal }),
            None => Ok(()),
        }
    }

    fn check_names(&self, new: &NewRecords<'_>) -> Result<(), NewRecordsError> {
        let names = self.of(Field::MetricName);
        let is_name = |row: usize| {
            let name = names.map(|names| names.value(at(names.edit, row)));
            matches!(name, Some(Value::Text(name)) if !name.is_empty())
        };
        match (0..new.rows).find(|&row| !is_name(row)) {
            Some(row) => Err(NewRecordsError::Missing { path: "metric.name", row, signal: new.signal }),
            None => Ok(()),
        }
    }

    /// An edit passes over what a kind does not have; what a new record is given is meant.
    fn check_fits(&self, new: &NewRecords<'_>, given: &Given) -> Result<(), NewRecordsError> {
        let unfit = |path: &Path, row: usize| {
            let kind = self.kind(row).name();
            Err(NewRecordsError::Unfit { path: path.to_string(), row, kind })
        };
        let of_points = self.base.iter().chain(&self.edits).filter(|prepared| prepared.entry.level == Level::Record);
        for prepared in of_points {
            let is_unfit = |row: &usize| {
                prepared.entry.steps(self.kind(*row)).is_none() && prepared.holds(at(prepared.edit, *row))
            };
            if let Some(row) = (0..new.rows).find(is_unfit) {
                return unfit(&prepared.edit.path, row);
            }
        }
        for prepared in &self.inner {
            let counts = given.inner.iter().find(|inner| Some(inner.kind) == prepared.entry.inner);
            let has = |row: usize| counts.is_some_and(|inner| inner.counts[row] > 0);
            if let Some(row) = (0..new.rows).find(|&row| prepared.entry.steps(self.kind(row)).is_none() && has(row)) {
                return unfit(&prepared.edit.path, row);
            }
        }
        Ok(())
    }

    fn check_values(&self, new: &NewRecords<'_>) -> Result<(), NewRecordsError> {
        // A point may say by its flags that nothing was recorded.
        if self.of(Field::Flags).is_some() {
            return Ok(());
        }
        let is_number = |row: &usize| matches!(self.kind(*row), MetricKind::Gauge | MetricKind::Sum);
        match (0..new.rows).filter(is_number).find(|&row| matches!(self.number(row), Value::Null)) {
            Some(row) => Err(NewRecordsError::NoValue { row, kind: self.kind(row).name() }),
            None => Ok(()),
        }
    }

    fn check_buckets(&self, new: &NewRecords<'_>) -> Result<(), NewRecordsError> {
        let numbers = |field: Field, row: usize| self.of(field).map_or(0, |given| given.numbers(at(given.edit, row)));
        for row in (0..new.rows).filter(|&row| self.kind(row) == MetricKind::Histogram) {
            let (counts, bounds) = (numbers(Field::BucketCounts, row), numbers(Field::ExplicitBounds, row));
            if counts != bounds + 1 && (counts, bounds) != (0, 0) {
                return Err(NewRecordsError::Buckets { row, counts, bounds });
            }
        }
        Ok(())
    }

    /// A number point's value, the last that was given.
    fn number(&self, row: usize) -> Value<'_> {
        let is_value = |field: Field| matches!(field, Field::Value | Field::ValueInt | Field::ValueDouble);
        let values = self.base.iter().rev().filter(|prepared| is_value(prepared.entry.field));
        let mut values = values.map(|prepared| prepared.value(at(prepared.edit, row)));
        values.find(|value| !value.is_null()).unwrap_or(Value::Null)
    }

    fn time(&self, row: usize, now_unix_nano: u64) -> u64 {
        let is_time = |field: Field| matches!(field, Field::Time | Field::ObservedTime);
        let given = self.base.iter().rfind(|prepared| is_time(prepared.entry.field));
        match given.map(|prepared| prepared.value(at(prepared.edit, row))) {
            Some(Value::Int(time)) => time as u64,
            _ => now_unix_nano,
        }
    }
}

/// The place of a record's value in an edit's array.
fn at(edit: &Edit, row: usize) -> usize {
    if matches!(edit.change, Change::SetAll(_)) { 0 } else { row }
}

/// Of each point its metric's data.
fn data(new: &NewRecords<'_>, given: &Given) -> Result<Vec<Data>, NewRecordsError> {
    let value = |place: usize, row: usize| {
        let (_, array) = given.data.get(place)?.as_ref()?;
        let at = if array.len() == 1 { 0 } else { row };
        Some(Values::new(array)?.get(at))
    };
    let int = |place: usize, row: usize| match value(place, row) {
        Some(Value::Int(int)) if int != 0 => Some(int),
        _ => None,
    };
    let path = |place: usize| given.data[place].as_ref().map(|(path, _)| path.to_string()).unwrap_or_default();
    let of_row = |row: usize| {
        let kind = match int(TYPE, row) {
            None => MetricKind::Gauge,
            Some(number) => match usize::try_from(number).ok().and_then(|number| MetricKind::ALL.get(number)) {
                Some(kind) => *kind,
                None => {
                    let expected = "1 gauge, 2 sum, 3 histogram, 4 exponential histogram or 5 summary";
                    return Err(NewRecordsError::Unknown { path: path(TYPE), row, found: number, expected });
                }
            },
        };
        let unfit = |place: usize| NewRecordsError::Unfit { path: path(place), row, kind: kind.name() };
        let has_temporality =
            matches!(kind, MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram);
        let temporality = match int(TEMPORALITY, row) {
            Some(_) if !has_temporality => return Err(unfit(TEMPORALITY)),
            Some(number) => match i32::try_from(number).ok().filter(|number| (DELTA..=CUMULATIVE).contains(number)) {
                Some(number) => number,
                None => {
                    let expected = "1 delta or 2 cumulative";
                    return Err(NewRecordsError::Unknown { path: path(TEMPORALITY), row, found: number, expected });
                }
            },
            None if has_temporality => DELTA,
            None => 0,
        };
        let monotonic = matches!(value(MONOTONIC, row), Some(Value::Bool(true)));
        if monotonic && kind != MetricKind::Sum {
            return Err(unfit(MONOTONIC));
        }
        Ok(Data { kind, temporality, monotonic })
    };
    (0..new.rows).map(of_row).collect()
}

/// An index of records that have nothing but their form, under the parents that they are to have.
fn base(new: &NewRecords<'_>, form: &Form<'_>, inner: &[InnerRecords]) -> Result<Index, NewRecordsError> {
    let mut parents = Parents::new(new.like);
    let mut out = Vec::with_capacity(new.rows * 12);
    let mut records = Vec::with_capacity(new.rows);
    let mut content = Vec::new();
    for row in 0..new.rows {
        let scope = parents.scope(row)?;
        let (parent, kind) = match form.data.get(row) {
            Some(data) => (parents.metric(scope, *data, &mut out), data.kind),
            None => (scope, MetricKind::None),
        };
        content.clear();
        put_content(&mut content, new, form, row, kind, inner);
        let offset = out.len();
        field::put_tag(&mut out, if new.signal == Signal::Metrics { 1 } else { 2 }, WireType::Len);
        varint::put(&mut out, content.len() as u64);
        let head = (out.len() - offset) as u32;
        out.extend_from_slice(&content);
        if out.len() > new.bytes_max {
            return Err(NewRecordsError::Size { limit: new.bytes_max });
        }
        let (offset, len) = (offset as u32, (out.len() - offset) as u32);
        records.push(Record { buffer: OWN_BUFFER, offset, len, head, parent });
    }
    let mut index = parents.index;
    index.records = records;
    match index.buffers.get_mut(OWN_BUFFER as usize) {
        Some(buffer) => *buffer = Bytes::from(out),
        None => index.buffers.push(Bytes::from(out)),
    }
    Ok(index)
}

fn put_content(
    content: &mut Vec<u8>,
    new: &NewRecords<'_>,
    form: &Form<'_>,
    row: usize,
    kind: MetricKind,
    inner: &[InnerRecords],
) {
    let mut fixed64 = |number: u32, bits: u64| {
        field::put_tag(content, number, WireType::Fixed64);
        content.extend_from_slice(&bits.to_le_bytes());
    };
    match new.signal {
        Signal::Traces => {}
        Signal::Logs => fixed64(OBSERVED_TIME, form.time(row, new.now_unix_nano)),
        Signal::Metrics => fixed64(POINT_TIME, form.time(row, new.now_unix_nano)),
    }
    if matches!(kind, MetricKind::Gauge | MetricKind::Sum) {
        match form.number(row) {
            Value::Int(int) => fixed64(NUMBER_INT, int as u64),
            Value::Double(double) => fixed64(NUMBER_DOUBLE, double.to_bits()),
            _ => {}
        }
    }
    for InnerRecords { path, counts, .. } in inner {
        let Some(&[number, ..]) = path.entry().steps(kind) else { continue };
        for _ in 0..counts[row] {
            field::put_len(content, number, &[]);
        }
    }
}

/// `LogRecord.observed_time_unix_nano`, and what all points have as `time_unix_nano`.
const OBSERVED_TIME: u32 = 11;
const POINT_TIME: u32 = 3;
/// `NumberDataPoint.as_double`.
const NUMBER_DOUBLE: u32 = 4;

/// Where the base's own bytes lie; the buffers of what it is like follow.
const OWN_BUFFER: u32 = 0;
/// The parent of records that are like none.
const NOTHING: u32 = u32::MAX;

/// The parents of new records, each once.
struct Parents<'a> {
    like: Option<Like<'a>>,
    index: Index,
    resources: HashMap<u32, u32>,
    scopes: HashMap<u32, u32>,
    metrics: HashMap<(u32, Data), u32>,
}

impl<'a> Parents<'a> {
    fn new(like: Option<Like<'a>>) -> Parents<'a> {
        let mut index = Index { buffers: vec![Bytes::new()], ..Index::default() };
        if let Some(like) = like {
            index.buffers.extend(like.index.buffers.iter().cloned());
        }
        Parents { like, index, resources: HashMap::new(), scopes: HashMap::new(), metrics: HashMap::new() }
    }

    /// The scope of a new record.
    fn scope(&mut self, row: usize) -> Result<u32, NewRecordsError> {
        let like = self.like.and_then(|like| Some((like, like.rows.get(row).copied()??)));
        let from = match like {
            None => NOTHING,
            Some((like, source_row)) => {
                let leaf = like.index.records.get(source_row as usize).map(|record| record.parent);
                let scope = leaf.and_then(|leaf| match like.signal {
                    Signal::Metrics => like.index.metrics.get(leaf as usize).map(|metric| metric.parent),
                    Signal::Traces | Signal::Logs => Some(leaf),
                });
                scope.ok_or(NewRecordsError::Source { row, source_row })?
            }
        };
        if let Some(&scope) = self.scopes.get(&from) {
            return Ok(scope);
        }
        let parent = self.like.and_then(|like| like.index.scopes.get(from as usize));
        let resource = self.resource(parent.map_or(NOTHING, |scope| scope.parent));
        let scope = Parent { parent: resource, ..self.header(parent) };
        let number = self.index.scopes.len() as u32;
        self.index.scopes.push(scope);
        self.scopes.insert(from, number);
        Ok(number)
    }

    fn resource(&mut self, from: u32) -> u32 {
        if let Some(&resource) = self.resources.get(&from) {
            return resource;
        }
        let parent = self.like.and_then(|like| like.index.resources.get(from as usize));
        let resource = self.header(parent);
        let number = self.index.resources.len() as u32;
        self.index.resources.push(resource);
        self.resources.insert(from, number);
        number
    }

    /// A parent with the same header, or none.
    fn header(&mut self, like: Option<&Parent>) -> Parent {
        let start = self.index.extents.len() as u32;
        let (Some(from), Some(parent)) = (self.like, like) else {
            return Parent { parent: 0, header: (start, start), header_len: 0 };
        };
        let extents = from.index.header(parent.header).iter();
        self.index.extents.extend(extents.map(|extent| Extent { buffer: extent.buffer + OWN_BUFFER + 1, ..*extent }));
        Parent { parent: 0, header: (start, self.index.extents.len() as u32), header_len: parent.header_len }
    }

    fn metric(&mut self, scope: u32, data: Data, out: &mut Vec<u8>) -> u32 {
        if let Some(&metric) = self.metrics.get(&(scope, data)) {
            return metric;
        }
        let offset = out.len();
        if data.temporality != 0 {
            field::put_tag(out, 2, WireType::Varint);
            varint::put(out, data.temporality as u64);
        }
        if data.monotonic {
            field::put_tag(out, 3, WireType::Varint);
            out.push(1);
        }
        let header_len = (out.len() - offset) as u32;
        let start = self.index.extents.len() as u32;
        if header_len > 0 {
            self.index.extents.push(Extent { buffer: OWN_BUFFER, offset: offset as u32, len: header_len });
        }
        let header = (start, self.index.extents.len() as u32);
        let number = self.index.metrics.len() as u32;
        self.index.metrics.push(Parent { parent: scope, header: (start, start), header_len: 0 });
        self.index.metric_data.push(MetricData { kind: data.kind, header, header_len });
        self.metrics.insert((scope, data), number);
        number
    }
}
