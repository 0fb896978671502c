//! Edits do what the same change does to prost's structs, and nothing else.

mod requests;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, StringArray, new_null_array};
use arrow_buffer::BooleanBuffer;
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use proptest::prelude::*;
use requests::model::{self, NewValue, set_key, set_nested};
use requests::values::{Kind, array, maps};
use requests::{Choices, corpus, meaning, messages, odd, plain};
use wasmill_wire::{
    Change, ColumnRequest, Edit, EditError, Level, Overlay, Path, Projection, Rows, Selection, Signal, WireBatch, encode,
    encoded_len,
};

fn parse(signal: Signal, request: &[u8]) -> Arc<WireBatch> {
    let nothing = Projection::new(signal, Vec::new());
    Arc::new(WireBatch::parse(signal, Bytes::copy_from_slice(request), &nothing).expect("a request that prost takes"))
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
            let keys: Vec<&str> = (0..if usual { 1 } else { 1 + c.below(3) }).map(|_| messages::KEYS[c.below(6)]).collect();
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
            let count = if all { hits_count(&targets, selected) } else { count };
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

fn hits_count(rows: &Rows, selected: &[bool]) -> usize {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Several edits of every kind, in one apply or in two, of some rows among the selected: the selected rows are what
    /// the model says, the others what they were, and columns are those of the request that comes out.
    #[test]
    fn edits_as_the_model(signal in prop::sample::select(&Signal::ALL[..]), bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let mut c = Choices::new(&bytes);
        let request = odd(signal, &mut c);
        check(signal, &request, &mut c, false)?;
    }

    /// The same of what nearly all edits are: attributes of records, by key, of requests in odd encodings and in plain
    /// ones.
    #[test]
    fn usual_edits_as_the_model(
        signal in prop::sample::select(&Signal::ALL[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        is_odd: bool,
    ) {
        let mut c = Choices::new(&bytes);
        let request = if is_odd { odd(signal, &mut c) } else { plain(signal, &mut c) };
        check(signal, &request, &mut c, true)?;
    }
}

fn check(signal: Signal, request: &[u8], c: &mut Choices<'_>, usual: bool) -> Result<(), TestCaseError> {
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
    prop_assert_eq!(out.len(), encoded_len(signal, overlay.index(), &all));
    let after = model::decode(signal, &out).unwrap();
    prop_assert_eq!(model::sorted(&after.rows()), model::sorted(&expected), "{:?}", edits);

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
    prop_assert_eq!(after_rowless, before_rowless);

    // Of the selected rows alone, the same.
    let kept = encode(signal, overlay.index(), &selection);
    let kept = model::decode(signal, &kept).unwrap().rows();
    let selected_rows: Vec<_> = expected.iter().zip(&selected).filter(|(_, selected)| **selected).collect();
    let selected_rows: Vec<_> = selected_rows.into_iter().map(|(row, _)| row.clone()).collect();
    prop_assert_eq!(model::sorted(&kept), model::sorted(&selected_rows));

    // What the edits do not name is what it was, byte for byte where nobody knows what it is.
    prop_assert_eq!(beside(signal, &out, &edits), beside(signal, request, &edits), "{:?}", edits);

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
        prop_assert_eq!(format!("{seen:?}"), format!("{expected:?}"));
        prop_assert!(seen.iter().zip(&again).all(|(one, other)| Arc::ptr_eq(one, other)), "projected once");
    }
    Ok(())
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
            part.fields.retain(|_, values| values.iter().any(|value| *value != meaning::Val::Message(Default::default())));
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

/// The same on fixed choices, for whoever runs without proptest's persistence.
#[test]
fn edits_of_the_corpus() {
    for (signal, seed) in Signal::ALL.into_iter().flat_map(|signal| (0..150).map(move |seed| (signal, seed))) {
        let bytes = corpus(seed);
        let mut c = Choices::new(&bytes);
        let request = odd(signal, &mut c);
        let more = corpus(seed + 1000);
        for usual in [false, true] {
            let checked = check(signal, &request, &mut Choices::new(&more), usual);
            checked.unwrap_or_else(|error| panic!("{signal} {seed}: {error}"));
        }
    }
}

/// A column handed back as it was projected changes no byte of any record, whatever its encoding.
#[test]
fn what_is_handed_back_keeps_its_bytes() {
    for (signal, seed) in Signal::ALL.into_iter().flat_map(|signal| (0..150).map(move |seed| (signal, seed))) {
        let request = odd(signal, &mut Choices::new(&corpus(seed)));
        let batch = parse(signal, &request);
        let all = Selection::all(batch.rows());
        let mut paths = vec!["attributes", "attributes[\"a\"]", "attributes[\"b\"]", "attributes[\"a\"][\"b\"]"];
        paths.extend((signal == Signal::Logs).then_some("body"));
        for path in paths {
            let path = Path::parse(signal, path).unwrap();
            let column = ColumnRequest { path: path.clone(), column: path.column_type() };
            let values = Arc::clone(&batch.columns(&[column])[0]);
            // Repeated keys make one of it: only with the whole map they stay.
            if !path.keys.is_empty() && repeated_keys(signal, &request) {
                continue;
            }
            let edit = Edit { path, rows: Rows::All, change: Change::Set(values) };
            let overlay = Overlay::apply(&batch, None, &all, std::slice::from_ref(&edit)).unwrap();
            assert_eq!(overlay.index().records, batch.index().records, "{signal} {seed} {}", edit.path);
        }
    }
}

fn repeated_keys(signal: Signal, request: &[u8]) -> bool {
    fn repeated(entries: &[KeyValue]) -> bool {
        (1..entries.len()).any(|at| entries[..at].iter().any(|entry| entry.key == entries[at].key))
            || entries.iter().any(|entry| match entry.value.as_ref().and_then(|any| any.value.as_ref()) {
                Some(Value::KvlistValue(list)) => repeated(&list.values),
                _ => false,
            })
    }
    let mut rows = model::decode(signal, request).unwrap().rows();
    rows.iter_mut().any(|row| row.attributes("attributes", false).is_some_and(|entries| repeated(entries)))
}

fn apply(batch: &Arc<WireBatch>, edits: &[Edit]) -> Result<Arc<Overlay>, EditError> {
    Overlay::apply(batch, None, &Selection::all(batch.rows()), edits)
}

fn batch_with_rows(signal: Signal) -> Arc<WireBatch> {
    let batches = (0..).map(|seed| parse(signal, &odd(signal, &mut Choices::new(&corpus(seed)))));
    let mut batches = batches.filter(|batch| batch.rows() > 3);
    batches.next().expect("the corpus has rows")
}

/// Entries are set and removed by their place, duplicates apart, and other edits of the same apply do not move places.
#[test]
fn entries_are_addressed_by_place() {
    let entry = |key: &str, value: i64| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
        ..KeyValue::default()
    };
    let batch = batch_with_rows(Signal::Traces);
    let path = || Path::parse(Signal::Traces, "attributes").unwrap();
    let rows = batch.rows();
    let map = vec![entry("k", 1), entry("k", 2), entry("other", 3)];
    let base = Edit { path: path(), rows: Rows::All, change: Change::SetAll(maps(&[Some(map)])) };
    let base = apply(&batch, &[base]).unwrap();
    let batch = parse(Signal::Traces, &encode(Signal::Traces, base.index(), &Selection::all(rows)));

    let remove = Edit {
        path: path(),
        rows: Rows::Entries { rows: vec![1, 1], places: vec![0, 2] },
        change: Change::Remove,
    };
    let values: ArrayRef = Arc::new(Int64Array::from(vec![20, 30]));
    let set = Edit {
        path: path(),
        rows: Rows::Entries { rows: vec![2, 1], places: vec![2, 1] },
        change: Change::Set(values),
    };
    let overlay = apply(&batch, &[remove, set]).unwrap();
    let out = encode(Signal::Traces, overlay.index(), &Selection::all(rows));
    let mut after = model::decode(Signal::Traces, &out).unwrap().rows();
    let attributes = |row: &mut model::Row| row.attributes("attributes", false).unwrap().clone();
    assert_eq!(attributes(&mut after[0]), [entry("k", 1), entry("k", 2), entry("other", 3)]);
    assert_eq!(attributes(&mut after[1]), [entry("k", 30)]);
    assert_eq!(attributes(&mut after[2]), [entry("k", 1), entry("k", 2), entry("other", 20)]);

    let beyond = Edit { path: path(), rows: Rows::Entries { rows: vec![1], places: vec![3] }, change: Change::Remove };
    let error = apply(&batch, &[beyond]).err();
    assert_eq!(error, Some(EditError::Entry { path: "attributes".into(), row: 1, place: 3, entries: 3 }));
}

/// Whatever cannot be done is refused with the path and the reason, before anything is done.
#[test]
fn what_cannot_be_done_is_refused() {
    let traces = batch_with_rows(Signal::Traces);
    let metrics = batch_with_rows(Signal::Metrics);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let refused = |batch: &Arc<WireBatch>, path: &str, rows: Rows, change: Change| {
        let path = Path::parse(batch.signal(), path).unwrap();
        apply(batch, &[Edit { path, rows, change }]).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let all = |array: &ArrayRef| Change::SetAll(Arc::clone(array));
    assert_eq!(
        refused(&traces, "duration", Rows::All, Change::Remove),
        "`duration` cannot be changed: it is derived from other fields"
    );
    assert_eq!(
        refused(&metrics, "metric.type", Rows::All, Change::Remove),
        "`metric.type` cannot be changed: it decides what the metric's points mean"
    );
    assert_eq!(
        refused(&traces, "status.code", Rows::All, all(&text)),
        "the values for `status.code` are Utf8, expected integers"
    );
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![1 << 40]));
    assert_eq!(
        refused(&traces, "kind", Rows::All, all(&wide)),
        "the values for `kind` are 1099511627776, expected integers of 32 bits"
    );
    assert_eq!(
        refused(&traces, "name", Rows::Numbers(vec![0, 1]), Change::Set(Arc::clone(&text))),
        "the edit of `name` has 1 values for 2 targets"
    );
    assert_eq!(
        refused(&traces, "name", Rows::Numbers(vec![9999]), Change::Set(Arc::clone(&text))),
        format!("the edit of `name` names row 9999 of {}", traces.rows())
    );
    assert_eq!(
        refused(&traces, "name", Rows::All, Change::Merge(Arc::clone(&text))),
        "`name` cannot be changed: it is not a map"
    );
    let other = Edit { path: Path::parse(Signal::Logs, "body").unwrap(), rows: Rows::All, change: Change::Remove };
    let error = apply(&traces, &[other]).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("`body` cannot be changed: it is a path of another signal"));
    let nothing = new_null_array(&arrow_schema::DataType::Null, 1);
    assert!(refused(&traces, "name", Rows::All, all(&nothing)).contains("are Null, expected Utf8"));
}

/// One constant on every row of a resource changes the resource where it stands: no parent is added. On some rows: one.
#[test]
fn parents_split_only_where_rows_differ() {
    for signal in Signal::ALL {
        let batch = batch_with_rows(signal);
        let values: ArrayRef = Arc::new(StringArray::from(vec!["v"]));
        let edit = |rows| Edit {
            path: Path::parse(signal, "resource.attributes[\"new\"]").unwrap(),
            rows,
            change: Change::SetAll(Arc::clone(&values)),
        };
        let whole = apply(&batch, &[edit(Rows::All)]).unwrap();
        assert_eq!(whole.index().resources.len(), batch.index().resources.len());
        assert_eq!(whole.index().scopes.len(), batch.index().scopes.len());
        let first = apply(&batch, &[edit(Rows::Numbers(vec![0]))]).unwrap();
        let shared = batch.index().records.iter().filter(|record| record.parent == batch.index().records[0].parent);
        if shared.count() > 1 {
            assert_eq!(first.index().resources.len(), batch.index().resources.len() + 1);
            assert_eq!(first.index().scopes.len(), batch.index().scopes.len() + 1);
            assert_eq!(first.index().metric_data.len(), first.index().metrics.len());
        }
        assert_eq!(first.retained_bytes() > 0, first.columns(&[]).is_empty());
        assert!(values.len() == 1);
    }
}
