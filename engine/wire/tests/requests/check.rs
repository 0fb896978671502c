//! What must hold of any request, whoever made it: for tests, and for the fuzz target.

use std::io::IoSlice;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use bytes::{Buf, Bytes};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use wasmill_wire::{
    Change, ColumnRequest, Edit, Index, Level, Overlay, Path, Projection, Rows, Selection, Signal, WireBatch, compact,
    encode, encoded_len, gather,
};

use super::model::{self, NewValue, set_key, set_nested};
use super::values::{Kind, array, maps};
use super::{Choices, meaning, messages};

/// A request that prost takes.
pub fn parse(signal: Signal, request: &[u8]) -> Arc<WireBatch> {
    let nothing = Projection::new(signal, Vec::new());
    Arc::new(WireBatch::parse(signal, Bytes::copy_from_slice(request), &nothing).expect("a request that prost takes"))
}

/// Some rows, as a choice for each and as a selection.
pub fn some_rows(c: &mut Choices<'_>, rows: usize) -> (Vec<bool>, Selection) {
    let keep: Vec<bool> = (0..rows).map(|_| c.once_in(2)).collect();
    let selection = Selection::from_bits(BooleanBuffer::from(keep.clone()));
    (keep, selection)
}

/// All of the below, with choices of rows and edits.
pub fn all(signal: Signal, request: &[u8], choices: &[u8]) {
    let mut c = Choices::new(choices);
    identity(signal, request);
    filter_and_compact(signal, request, &mut c);
    let usual = c.once_in(2);
    edits(signal, request, &mut c, usual);
}

/// What is left where it lies is, put together, what is written in one piece; whatever is copied of it, and however it is read.
pub fn gathered(signal: Signal, index: &Index, selection: &Selection, encoded: &[u8]) {
    for referred_min in [0, 1, 30, usize::MAX] {
        let list = gather(signal, index, selection, referred_min);
        assert_eq!(list.len(), encoded.len());
        let mut read = list.clone();
        let mut seen = Vec::new();
        while read.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = read.chunks_vectored(&mut slices);
            let start = seen.len();
            slices[..filled].iter().for_each(|slice| seen.extend_from_slice(slice));
            // Not all of it, as a socket may.
            let taken = (seen.len() - start).div_ceil(2);
            seen.truncate(start + taken);
            read.advance(taken);
        }
        assert_eq!(seen, encoded);
        assert_eq!(list.into_bytes(), encoded);
    }
}

/// All rows kept: the same rows in the same order, unknown fields and empty parents included.
pub fn identity(signal: Signal, request: &[u8]) {
    let batch = parse(signal, request);
    let all = Selection::all(batch.rows());
    let out = encode(signal, batch.index(), &all);
    assert_eq!(out.len(), encoded_len(signal, batch.index(), &all));
    gathered(signal, batch.index(), &all, &out);
    assert_eq!(meaning::rows(signal, &out), meaning::rows(signal, request));
    let (before, after) = (model::decode(signal, request).unwrap(), model::decode(signal, &out).unwrap());
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(batch.rows(), before.rows().len());
}

/// Some rows kept: these, in their order; parents that lost all rows are gone, parents that never had any are not. The
/// same from a compact copy, which holds no more than what was kept.
pub fn filter_and_compact(signal: Signal, request: &[u8], c: &mut Choices<'_>) {
    let batch = parse(signal, request);
    let (keep, selection) = some_rows(c, batch.rows());
    let out = encode(signal, batch.index(), &selection);
    assert_eq!(out.len(), encoded_len(signal, batch.index(), &selection));
    gathered(signal, batch.index(), &selection, &out);
    let mut expected = model::decode(signal, request).unwrap();
    expected.filter(&keep);
    assert_eq!(format!("{:?}", model::decode(signal, &out).unwrap()), format!("{expected:?}"));

    let (all, _) = meaning::rows(signal, request);
    let mut row = keep.iter();
    let depth = if signal == Signal::Metrics { 4 } else { 3 };
    let kept = all.into_iter().filter(|parts| parts.len() < depth || *row.next().unwrap()).collect();
    let (rows, unknown) = meaning::rows(signal, &out);
    assert_eq!(meaning::sorted(rows), meaning::sorted(kept));

    let small = compact(signal, batch.index(), &selection);
    assert_eq!(small.index().buffers.len(), 1);
    assert!(small.index().buffers[0].len() <= out.len());
    let again = encode(signal, small.index(), &Selection::all(small.rows()));
    let (rows, unknown_again) = meaning::rows(signal, &again);
    assert_eq!(meaning::sorted(rows), meaning::sorted(meaning::rows(signal, &out).0));
    assert_eq!(unknown_again, unknown);
}

/// Paths of fields, with the type of their values.
fn fields(signal: Signal) -> &'static [(&'static str, Kind)] {
    match signal {
        Signal::Traces => &[
            ("name", Kind::Text),
            ("status.code", Kind::Int),
            ("status.message", Kind::Text),
            ("kind", Kind::Int),
            ("trace_state", Kind::Text),
            ("trace_id", Kind::Id16),
            ("span_id", Kind::Id8),
            ("parent_span_id", Kind::Id8),
            ("flags", Kind::UInt),
            ("start_time_unix_nano", Kind::Time),
            ("end_time_unix_nano", Kind::Time),
            ("dropped_attributes_count", Kind::UInt),
            ("dropped_events_count", Kind::UInt),
            ("dropped_links_count", Kind::UInt),
            ("spanevent.name", Kind::Text),
            ("spanlink.trace_state", Kind::Text),
            ("scope.name", Kind::Text),
            ("scope.version", Kind::Text),
            ("scope.schema_url", Kind::Text),
            ("resource.schema_url", Kind::Text),
            ("resource.dropped_attributes_count", Kind::UInt),
        ],
        Signal::Logs => &[
            ("body", Kind::Any),
            ("severity_number", Kind::Int),
            ("severity_text", Kind::Text),
            ("event_name", Kind::Text),
            ("time_unix_nano", Kind::Time),
            ("observed_time_unix_nano", Kind::Time),
            ("trace_id", Kind::Id16),
            ("span_id", Kind::Id8),
            ("flags", Kind::UInt),
            ("dropped_attributes_count", Kind::UInt),
            ("scope.name", Kind::Text),
            ("resource.schema_url", Kind::Text),
        ],
        Signal::Metrics => &[
            ("value", Kind::Number),
            ("time_unix_nano", Kind::Time),
            ("start_time_unix_nano", Kind::Time),
            ("flags", Kind::UInt),
            ("metric.name", Kind::Text),
            ("metric.description", Kind::Text),
            ("metric.unit", Kind::Text),
            ("scope.version", Kind::Text),
            ("resource.schema_url", Kind::Text),
        ],
    }
}

fn value(c: &mut Choices<'_>, kind: Kind) -> NewValue {
    if c.once_in(5) {
        return None;
    }
    let value = match kind {
        Kind::Any => return Some(messages::any(c, 2)),
        Kind::Text => Value::StringValue(["", "set", "checkout", "a longer text than most"][c.below(4)].to_owned()),
        Kind::Int => Value::IntValue(c.below(4) as i64 - 1),
        Kind::UInt => Value::IntValue([0, 1, 300, i64::from(u32::MAX)][c.below(4)]),
        Kind::Time => Value::IntValue([0, 1, 1 << 60, -1][c.below(4)]),
        Kind::Id8 => Value::BytesValue(vec![c.byte(); 8]),
        Kind::Id16 => Value::BytesValue(vec![c.byte(); 16]),
        Kind::Number if c.once_in(2) => Value::DoubleValue(messages::double(c)),
        Kind::Number => Value::IntValue(c.number() as i64),
    };
    Some(AnyValue { value: Some(value) })
}

/// Rows that an edit names, ascending and selected, each with the place of its value, and how many values there are.
fn targets(c: &mut Choices<'_>, selected: &[bool]) -> (Rows, Vec<(usize, usize)>, usize) {
    let rows = selected.len();
    let (out, named): (_, Vec<usize>) = match c.below(3) {
        0 => (Rows::All, (0..rows).filter(|&row| selected[row]).collect()),
        1 => {
            let bits: Vec<bool> = (0..rows).map(|_| c.once_in(2)).collect();
            let named = (0..rows).filter(|&row| bits[row]).collect();
            (Rows::Bits(BooleanBuffer::from(bits)), named)
        }
        _ => {
            let named: Vec<usize> = (0..c.below(4).min(rows)).map(|_| c.below(rows)).collect();
            (Rows::Numbers(named.iter().map(|&row| row as u32).collect()), named)
        }
    };
    let count = named.len();
    let mut hits: Vec<(usize, usize)> = Vec::new();
    for (place, row) in named.into_iter().enumerate().filter(|(_, row)| selected[*row]) {
        hits.retain(|(named, _)| *named != row);
        hits.push((row, place));
    }
    (out, hits, count)
}

const MAPS: [&str; 4] = ["attributes", "resource.attributes", "scope.attributes", "metric.metadata"];

/// Draws an edit, and makes it in the model too.
fn edit(c: &mut Choices<'_>, signal: Signal, selected: &[bool], rows: &mut [model::Row], usual: bool) -> Edit {
    let (targets, hits, count) = targets(c, selected);
    let all = c.once_in(3);
    let at = |place: usize| if all { 0 } else { place };
    let count = if all { 1 } else { count };
    let of = |path: &str, rows: Rows, change: Change| Edit { path: Path::parse(signal, path).unwrap(), rows, change };
    let set = |array: ArrayRef| if all { Change::SetAll(array) } else { Change::Set(array) };
    let map = if usual { "attributes" } else { MAPS[c.below(if signal == Signal::Metrics { 4 } else { 3 })] };
    match if usual { 1 } else { c.below(6) } {
        0 => {
            let (path, kind) = fields(signal)[c.below(fields(signal).len())];
            if c.once_in(6) {
                hits.iter().for_each(|&(row, _)| rows[row].set(path, &None));
                return of(path, targets, Change::Remove);
            }
            let values: Vec<NewValue> = (0..count).map(|_| value(c, kind)).collect();
            hits.iter().for_each(|&(row, place)| rows[row].set(path, &values[at(place)]));
            of(path, targets, set(array(kind, &values, c.below(2))))
        }
        1 | 2 => {
            let keys: Vec<&str> =
                (0..if usual { 1 } else { 1 + c.below(3) }).map(|_| messages::KEYS[c.below(6)]).collect();
            let path = keys.iter().fold(map.to_owned(), |path, key| format!("{path}[\"{key}\"]"));
            let remove = c.once_in(4);
            let values: Vec<NewValue> = (0..count).map(|_| if remove { None } else { value(c, Kind::Any) }).collect();
            for &(row, place) in &hits {
                let value = &values[at(place)];
                if let Some(entries) = rows[row].attributes(map, value.is_some()) {
                    set_nested(entries, &keys, value);
                }
            }
            let change = if remove { Change::Remove } else { set(array(Kind::Any, &values, 0)) };
            of(&path, targets, change)
        }
        3 => {
            hits.iter().filter_map(|&(row, _)| rows[row].attributes(map, false).map(Vec::clear)).for_each(drop);
            of(map, targets, Change::Remove)
        }
        4 => {
            let values: Vec<_> = (0..count).map(|_| (!c.once_in(5)).then(|| whole(c))).collect();
            for &(row, place) in &hits {
                let map_value = &values[at(place)];
                let create = map_value.as_ref().is_some_and(|map| !map.is_empty());
                if let Some(entries) = rows[row].attributes(map, create) {
                    *entries = map_value.clone().unwrap_or_default();
                }
            }
            of(map, targets, set(maps(&values)))
        }
        _ => {
            let count = if all { named_count(&targets, selected) } else { count };
            let values: Vec<_> = (0..count).map(|_| (!c.once_in(5)).then(|| whole(c))).collect();
            for &(row, place) in &hits {
                let merged = values[place].clone().unwrap_or_default();
                if let Some(entries) = rows[row].attributes(map, !merged.is_empty()) {
                    merged.iter().for_each(|entry| set_key(entries, &entry.key, &entry.value));
                }
            }
            of(map, targets, Change::Merge(maps(&values)))
        }
    }
}

fn named_count(rows: &Rows, selected: &[bool]) -> usize {
    match rows {
        Rows::All => selected.iter().filter(|&&selected| selected).count(),
        Rows::Bits(bits) => bits.count_set_bits(),
        Rows::Numbers(numbers) => numbers.len(),
        Rows::Entries { rows, .. } => rows.len(),
    }
}

/// A map without entries that have no value: these would not be set.
fn whole(c: &mut Choices<'_>) -> Vec<KeyValue> {
    let mut map = messages::attributes(c, 1);
    map.retain(|entry| entry.value.is_some());
    map
}

/// Draws edits, makes them here and in the model, and compares all that can be seen of the outcome: the selected rows are
/// what the model says, the others what they were, unknown fields are what they were, and columns are those of the request
/// that comes out. `usual`: only edits of attributes of records by key.
pub fn edits(signal: Signal, request: &[u8], c: &mut Choices<'_>, usual: bool) {
    let batch = parse(signal, request);
    let selected: Vec<bool> = (0..batch.rows()).map(|_| !c.once_in(4)).collect();
    let selection = Selection::from_bits(BooleanBuffer::from(selected.clone()));
    let mut expected = model::decode(signal, request).unwrap().rows();
    let edits: Vec<Edit> = (0..1 + c.below(4)).map(|_| edit(c, signal, &selected, &mut expected, usual)).collect();
    let (first, second) = edits.split_at(c.below(edits.len()));
    let overlay = if first.is_empty() {
        Overlay::apply(&batch, None, &selection, second)
    } else {
        let earlier = Overlay::apply(&batch, None, &selection, first).unwrap();
        Overlay::apply(&batch, Some(&earlier), &selection, second)
    };
    let overlay = overlay.unwrap();

    let all = Selection::all(batch.rows());
    let out = encode(signal, overlay.index(), &all);
    assert_eq!(out.len(), encoded_len(signal, overlay.index(), &all));
    gathered(signal, overlay.index(), &all, &out);
    let after = model::decode(signal, &out).unwrap();
    assert_eq!(model::sorted(&after.rows()), model::sorted(&expected), "{:?}", edits);

    // Parents without rows are none's business.
    let depth = if signal == Signal::Metrics { 4 } else { 3 };
    let rowless = |request: &[u8]| {
        let mut rows = meaning::rows(signal, request).0;
        rows.retain(|row| row.len() < depth);
        rows.iter().map(|row| row[row.len() - 1].clone()).collect::<Vec<_>>()
    };
    let (mut before_rowless, mut after_rowless) = (rowless(request), rowless(&out));
    before_rowless.sort();
    after_rowless.sort();
    assert_eq!(after_rowless, before_rowless);

    // Of the selected rows alone, the same.
    let kept = encode(signal, overlay.index(), &selection);
    let kept = model::decode(signal, &kept).unwrap().rows();
    let selected_rows: Vec<_> = expected.iter().zip(&selected).filter(|(_, selected)| **selected).collect();
    let selected_rows: Vec<_> = selected_rows.into_iter().map(|(row, _)| row.clone()).collect();
    assert_eq!(model::sorted(&kept), model::sorted(&selected_rows));

    // What the edits do not name is what it was, byte for byte where nobody knows what it is.
    assert_eq!(beside(signal, &out, &edits), beside(signal, request, &edits), "{:?}", edits);

    // Edits of records alone leave the order of rows, so that columns can be compared.
    if edits.iter().all(|edit| edit.path.level() == Level::Record) {
        let mut wanted: Vec<ColumnRequest> = Vec::new();
        for edit in &edits {
            let column = ColumnRequest { path: edit.path.clone(), column: edit.path.column_type() };
            if !wanted.contains(&column) {
                wanted.push(column);
            }
        }
        let (seen, again) = (overlay.columns(&wanted), overlay.columns(&wanted));
        let expected = parse(signal, &out).columns(&wanted);
        assert_eq!(format!("{seen:?}"), format!("{expected:?}"));
        assert!(seen.iter().zip(&again).all(|(one, other)| Arc::ptr_eq(one, other)), "projected once");
    }
}

/// All rows without the parts that edits name.
fn beside(signal: Signal, request: &[u8], edits: &[Edit]) -> Vec<meaning::Row> {
    let depth = if signal == Signal::Metrics { 4 } else { 3 };
    let (mut rows, _) = meaning::rows(signal, request);
    rows.retain(|row| row.len() == depth);
    for row in &mut rows {
        for edit in edits {
            let name = edit.path.to_string();
            let name = name.split('[').next().unwrap_or_default();
            let level = match edit.path.level() {
                Level::Resource => 0,
                Level::Scope => 1,
                Level::Metric => 2,
                _ => depth - 1,
            };
            forget(&mut row[level], name, signal);
        }
        // A parent that was made to be set is only told from none by being there.
        for part in row.iter_mut() {
            part.fields
                .retain(|_, values| values.iter().any(|value| *value != meaning::Val::Message(Default::default())));
        }
    }
    meaning::sorted(rows)
}

fn forget(part: &mut meaning::Meaning, name: &str, signal: Signal) {
    let within = |part: &mut meaning::Meaning, outer: u32, inner: u32| {
        for value in part.fields.get_mut(&outer).into_iter().flatten() {
            if let meaning::Val::Message(message) = value {
                message.fields.remove(&inner);
            }
        }
    };
    let numbers: &[u32] = match (name, signal) {
        ("resource.attributes", _) => return within(part, 1, 1),
        ("resource.dropped_attributes_count", _) => return within(part, 1, 2),
        ("scope.name", _) => return within(part, 1, 1),
        ("scope.version", _) => return within(part, 1, 2),
        ("scope.attributes", _) => return within(part, 1, 3),
        ("resource.schema_url" | "scope.schema_url", _) => &[3],
        ("metric.name", _) => &[1],
        ("metric.description", _) => &[2],
        ("metric.unit", _) => &[3],
        ("metric.metadata", _) => &[12],
        ("status.code", _) => return within(part, 15, 3),
        ("status.message", _) => return within(part, 15, 2),
        ("spanevent.name", _) => return within(part, 11, 2),
        ("spanlink.trace_state", _) => return within(part, 13, 3),
        ("trace_id", Signal::Traces) => &[1],
        ("span_id", Signal::Traces) => &[2],
        ("trace_state", _) => &[3],
        ("parent_span_id", _) => &[4],
        ("name", _) => &[5],
        ("kind", _) => &[6],
        ("start_time_unix_nano", Signal::Traces) => &[7],
        ("end_time_unix_nano", _) => &[8],
        ("attributes", Signal::Traces) => &[9],
        ("dropped_attributes_count", Signal::Traces) => &[10],
        ("dropped_events_count", _) => &[12],
        ("dropped_links_count", _) => &[14],
        ("flags", Signal::Traces) => &[16],
        ("time_unix_nano", Signal::Logs) => &[1],
        ("severity_number", _) => &[2],
        ("severity_text", _) => &[3],
        ("body", _) => &[5],
        ("attributes", Signal::Logs) => &[6],
        ("dropped_attributes_count", _) => &[7],
        ("flags", Signal::Logs) => &[8],
        ("trace_id", _) => &[9],
        ("span_id", _) => &[10],
        ("observed_time_unix_nano", _) => &[11],
        ("event_name", _) => &[12],
        ("start_time_unix_nano", _) => &[2],
        ("time_unix_nano", _) => &[3],
        // Of points the numbers differ by kind: forget more than need be.
        ("value", _) => &[4, 6],
        ("flags", _) => &[8, 10],
        ("attributes", _) => &[1, 7, 9],
        (other, _) => panic!("no numbers for {other}"),
    };
    numbers.iter().for_each(|number| drop(part.fields.remove(number)));
}
