//! Edits do what the same change does to prost's structs, and nothing else.

mod requests;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray, new_null_array};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;
use requests::check::parse;
use requests::values::{Kind, array, maps};
use requests::{Choices, check, corpus, model, odd, plain};
use wasmill_wire::{Change, ColumnRequest, Edit, EditError, Overlay, Path, Rows, Selection, Signal, WireBatch, encode};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Several edits of every kind, in one apply or in two, of some rows among the selected: the selected rows are what
    /// the model says, the others what they were, and columns are those of the request that comes out.
    #[test]
    fn edits_as_the_model(signal in prop::sample::select(&Signal::ALL[..]), bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let mut c = Choices::new(&bytes);
        let request = odd(signal, &mut c);
        check::edits(signal, &request, &mut c, false);
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
        check::edits(signal, &request, &mut c, true);
    }
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
            check::edits(signal, &request, &mut Choices::new(&more), usual);
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

    let remove =
        Edit { path: path(), rows: Rows::Entries { rows: vec![1, 1], places: vec![0, 2] }, change: Change::Remove };
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
        refused(&traces, "name", Rows::Numbers([0, 1].into()), Change::Set(Arc::clone(&text))),
        "the edit of `name` has 1 values for 2 targets"
    );
    assert_eq!(
        refused(&traces, "name", Rows::Numbers([9999].into()), Change::Set(Arc::clone(&text))),
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
        let first = apply(&batch, &[edit(Rows::Numbers([0].into()))]).unwrap();
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

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn span_with(span: Span) -> Arc<WireBatch> {
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    parse(Signal::Traces, &ExportTraceServiceRequest { resource_spans }.encode_to_vec())
}

fn edited_span(batch: &Arc<WireBatch>, edits: &[Edit]) -> Span {
    let overlay = apply(batch, edits).unwrap();
    let out = encode(Signal::Traces, overlay.index(), &Selection::all(1));
    match &model::decode(Signal::Traces, &out).unwrap().rows()[0].record {
        model::Record::Span(span) => span.clone(),
        other => panic!("{other:?} is no span"),
    }
}

fn edit_of(path: &str, rows: Rows, change: Change) -> Edit {
    Edit { path: Path::parse(Signal::Traces, path).unwrap(), rows, change }
}

/// Events are addressed by their place; without one, all of a row's events are meant.
#[test]
fn events_are_edited_one_or_all() {
    let event = |name: &str| Event { name: name.into(), time_unix_nano: 5, ..Event::default() };
    let batch = span_with(Span { events: vec![event("a"), event("b"), event("c")], ..Span::default() });
    let second = || Rows::Entries { rows: vec![0], places: vec![1] };
    let span = edited_span(
        &batch,
        &[
            edit_of("spanevent.name", second(), Change::Set(text("set"))),
            edit_of("spanevent.attributes[\"k\"]", second(), Change::Set(text("v"))),
            edit_of("spanevent.time_unix_nano", Rows::All, Change::Remove),
        ],
    );
    let names: Vec<&str> = span.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["a", "set", "c"]);
    assert_eq!(span.events.iter().map(|event| event.attributes.len()).collect::<Vec<_>>(), [0, 1, 0]);
    assert!(span.events.iter().all(|event| event.time_unix_nano == 0));
}

/// Elements of lists are set and removed where they are; what is not there, or no list, is left alone.
#[test]
fn list_elements_are_edited_in_place() {
    let any = |value| AnyValue { value: Some(value) };
    let list = |texts: &[&str]| {
        let values = texts.iter().map(|text| any(Value::StringValue((*text).into()))).collect();
        any(Value::ArrayValue(ArrayValue { values }))
    };
    let entry = |key: &str, value| KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() };
    let attributes = vec![entry("l", list(&["a", "b", "c"])), entry("t", any(Value::StringValue("text".into())))];
    let batch = span_with(Span { attributes: attributes.clone(), ..Span::default() });
    let span = edited_span(
        &batch,
        &[
            edit_of("attributes[\"l\"][1]", Rows::All, Change::SetAll(text("set"))),
            edit_of("attributes[\"l\"][0]", Rows::All, Change::Remove),
        ],
    );
    assert_eq!(span.attributes[0], entry("l", list(&["set", "c"])));
    let untouched = edited_span(
        &batch,
        &[
            edit_of("attributes[\"l\"][3]", Rows::All, Change::SetAll(text("set"))),
            edit_of("attributes[\"t\"][0]", Rows::All, Change::SetAll(text("set"))),
            edit_of("attributes[\"t\"][\"k\"]", Rows::All, Change::SetAll(text("set"))),
            edit_of("attributes[\"l\"][\"k\"]", Rows::All, Change::SetAll(text("set"))),
        ],
    );
    assert_eq!(untouched.attributes, attributes);
}

/// However deep an edit goes, what comes out is a request that can be read; what would not be is refused.
#[test]
fn edits_stay_within_the_depth_of_requests() {
    let keys = "[\"k\"]".repeat(32);
    let deepest = |depth: usize| {
        let innermost = AnyValue { value: Some(Value::BoolValue(true)) };
        let wrap = |any, _| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![any] })) };
        Some((0..depth).fold(innermost, wrap))
    };
    for signal in Signal::ALL {
        let batch = batch_with_rows(signal);
        for map in ["attributes", "resource.attributes", "scope.attributes"] {
            let set = |keys: &str, value: ArrayRef| {
                let path = Path::parse(signal, &format!("{map}{keys}")).unwrap();
                apply(&batch, &[Edit { path, rows: Rows::All, change: Change::SetAll(value) }])
            };
            let reads = |overlay: &Overlay| {
                model::decode(signal, &encode(signal, overlay.index(), &Selection::all(batch.rows()))).is_ok()
            };
            // At 32 keys there may be no place left; if there is, it must be one that prost reads.
            assert!(
                set(&keys, text("deep")).is_ok_and(|overlay| reads(&overlay)) || signal == Signal::Metrics,
                "{map}"
            );
            let accepted = (30..60).filter(|&depth| match set("[\"k\"]", array(Kind::Any, &[deepest(depth)], 0)) {
                Ok(overlay) => {
                    assert!(reads(&overlay), "{signal} {map} at {depth}");
                    true
                }
                Err(error) => {
                    assert!(matches!(error, EditError::Value { .. }), "{error}");
                    false
                }
            });
            // Two levels each: the list and the value in it.
            assert!((45..50).contains(&(accepted.max().unwrap())), "{signal} {map}");
        }
    }
}
