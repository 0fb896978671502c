//! The engine against `prost`: what it accepts, and what it means by it.

mod cell;
mod expected;
pub(crate) mod wild;

use arrow_array::Array;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message;

use crate::field::put_len;
use crate::{
    ColumnRequest, ColumnType, IdFaults, MergePart, Path, Projection, Selection, Signal, TextForm, WireBatch, merge,
    record_batch,
};
use cell::Cell;

fn signals() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Logs), Just(Signal::Metrics)]
}

fn prost_accepts(signal: Signal, request: &[u8]) -> bool {
    match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(request).is_ok(),
        Signal::Logs => ExportLogsServiceRequest::decode(request).is_ok(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request).is_ok(),
    }
}

/// Every path of a signal in its natural type, and paths with keys in every type that they accept.
fn wanted(signal: Signal, form: TextForm) -> Vec<ColumnRequest> {
    let mut texts: Vec<String> = match signal {
        Signal::Traces => vec![
            "attributes[\"a\"]".into(),
            "attributes[\"http.route\"][\"a\"]".into(),
            "spanevent.attributes[\"a\"]".into(),
            "spanlink.attributes[\"a\"]".into(),
        ],
        Signal::Logs => {
            vec!["attributes[\"a\"]".into(), "body[\"a\"]".into(), "body[1]".into(), "body[0][\"a\"]".into()]
        }
        Signal::Metrics => vec![
            "attributes[\"a\"]".into(),
            "metric.metadata[\"a\"]".into(),
            "exemplar.filtered_attributes[\"a\"]".into(),
        ],
    };
    texts.push("resource.attributes[\"a\"]".into());
    texts.push("scope.attributes[\"a\"]".into());
    texts.extend(expected::names(signal).into_iter().map(str::to_owned));
    let mut columns = Vec::new();
    for text in texts {
        let path = Path::parse(signal, &text).expect("a path of the table");
        let types = [
            ColumnType::Any(form),
            ColumnType::Text(form),
            ColumnType::Int64,
            ColumnType::Double,
            ColumnType::Boolean,
            ColumnType::Binary,
            ColumnType::Attributes(form),
            path.column_type(),
        ];
        for column in types {
            if path.accepts(&column) {
                columns.push(ColumnRequest { path: path.clone(), column });
            }
        }
    }
    columns
}

/// Compares each column with what `prost`'s messages say, row by row.
fn compare(batch: &WireBatch, columns: &[ColumnRequest], request: &[u8]) {
    compare_rows(batch, columns, &expected::rows(batch.signal(), request));
}

fn compare_rows(batch: &WireBatch, columns: &[ColumnRequest], rows: &[expected::Row]) {
    assert_eq!(batch.rows(), rows.len());
    for (request, array) in columns.iter().zip(batch.columns(columns)) {
        assert_eq!(array.len(), rows.len(), "{}", request.path);
        for (number, row) in rows.iter().enumerate() {
            let found = Cell::of_array(&array, number);
            let expected = row.cell(&request.path).in_type(&request.column);
            assert_eq!(found, expected, "row {number}, `{}` as {:?}", request.path, request.column);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever protobuf allows and much that it does not: taken if and only if `prost` takes it.
    #[test]
    fn accepts_what_prost_accepts(signal in signals(), seed: u64, sloppy: bool) {
        let request = wild::request(signal, seed, sloppy);
        let found = WireBatch::parse(signal, Bytes::from(request.clone()), &Projection::new(signal, Vec::new()));
        prop_assert_eq!(found.is_ok(), prost_accepts(signal, &request), "{:?}", found.err());
        prop_assert!(sloppy || found.is_ok());
    }

    /// Requests cut short, and with bytes changed, inserted or removed: taken if and only if `prost` takes them.
    #[test]
    fn mutations_as_prost(signal in signals(), seed: u64, edits in prop::collection::vec((any::<u32>(), any::<u8>(), 0u8..4), 1..4)) {
        let mut request = wild::request(signal, seed, false);
        for (place, byte, how) in edits {
            let place = place as usize % (request.len() + 1);
            match how {
                0 => request.truncate(place),
                1 => request.insert(place, byte),
                2 if place < request.len() => request[place] = byte,
                _ if place < request.len() => drop(request.remove(place)),
                _ => {}
            }
        }
        let wanted = Projection::new(signal, wanted(signal, TextForm::Either));
        let found = WireBatch::parse(signal, Bytes::from(request.clone()), &wanted);
        prop_assert_eq!(found.is_ok(), prost_accepts(signal, &request), "{:?}", found.err());
        if let Ok(batch) = found {
            compare(&batch, wanted.columns(), &request);
        }
    }

    /// Any request that is taken: each column, projected while parsing or afterwards, says what `prost`'s messages say.
    #[test]
    fn columns_say_what_prost_says(signal in signals(), seed: u64, form in prop_oneof![
        Just(TextForm::Plain), Just(TextForm::Dictionary), Just(TextForm::Either)
    ], at_once: bool) {
        let request = wild::request(signal, seed, false);
        let columns = wanted(signal, form);
        let wanted = Projection::new(signal, if at_once { columns.clone() } else { Vec::new() });
        let batch = WireBatch::parse(signal, Bytes::from(request.clone()), &wanted).expect("a valid request");
        compare(&batch, &columns, &request);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two requests merged into one batch: its columns are those of the two, one behind the other, whichever buffer a
    /// record lies in.
    #[test]
    fn columns_span_buffers(signal in signals(), first: u64, second: u64) {
        let nothing = Projection::new(signal, Vec::new());
        let requests = [first, second].map(|seed| Bytes::from(wild::request(signal, seed, false)));
        let [first, second] = requests.clone().map(|request| WireBatch::parse(signal, request, &nothing).expect("valid"));
        let [all_first, all_second] = [&first, &second].map(|batch| Selection::all(batch.rows()));
        let merged = merge(
            signal,
            &[
                MergePart { index: first.index(), selection: &all_first, with_rowless: true },
                MergePart { index: second.index(), selection: &all_second, with_rowless: true },
            ],
        );
        let columns = wanted(signal, TextForm::Either);
        let rows: Vec<_> = requests.iter().flat_map(|request| expected::rows(signal, request)).collect();
        compare_rows(&merged, &columns, &rows);
    }

    /// All standard columns of some rows: one schema for all batches of a signal, and the values of these rows.
    #[test]
    fn record_batches_have_one_schema(signal in signals(), seed: u64, every in 1usize..4) {
        let request = wild::request(signal, seed, false);
        let batch = WireBatch::parse(signal, Bytes::from(request.clone()), &Projection::new(signal, Vec::new()))
            .expect("valid");
        let bits = (0..batch.rows()).map(|row| row % every == 0).collect();
        let selection = Selection::from_bits(bits);
        let found = record_batch(signal, batch.index(), &selection);
        let empty = record_batch(signal, &crate::Index::default(), &Selection::all(0));
        prop_assert_eq!(found.schema(), empty.schema());
        prop_assert_eq!(found.num_rows(), selection.count());
        let rows = expected::rows(signal, &request);
        for (field, array) in found.schema().fields().iter().zip(found.columns()) {
            let path = Path::parse(signal, field.name()).expect("a path");
            for (place, row) in selection.rows().enumerate() {
                let expected = rows[row].cell(&path).in_type(&path.column_type());
                prop_assert_eq!(Cell::of_array(array, place), expected, "row {}, `{}`", row, path);
            }
        }
    }
}

/// Ids of a wrong length, and spans without ids: taken, and listed by row. A log record needs none.
#[test]
fn wrong_ids_are_listed() {
    let ids = [(16, 8, 1), (15, 8, 1), (16, 9, 1), (0, 8, 1), (16, 0, 1), (16, 8, 0), (0, 0, 1)];
    let fields = |trace: u32, span: u32| {
        ids.map(|(trace_len, span_len, byte)| {
            let mut record = Vec::new();
            put_len(&mut record, trace, &vec![byte; trace_len]);
            put_len(&mut record, span, &vec![byte; span_len]);
            record
        })
    };
    let request = |records: [Vec<u8>; 7]| {
        let (mut scope, mut resource, mut request) = (Vec::new(), Vec::new(), Vec::new());
        records.iter().for_each(|record| put_len(&mut scope, 2, record));
        put_len(&mut resource, 2, &scope);
        put_len(&mut request, 1, &resource);
        Bytes::from(request)
    };
    let faults = |signal, request| {
        let batch = WireBatch::parse(signal, request, &Projection::new(signal, Vec::new())).expect("valid");
        batch.id_faults().clone()
    };
    let spans = faults(Signal::Traces, request(fields(1, 2)));
    assert_eq!(spans, IdFaults { wrong_length: vec![1, 2], missing: vec![3, 4, 5, 6] });
    let logs = faults(Signal::Logs, request(fields(9, 10)));
    assert_eq!(logs, IdFaults { wrong_length: vec![1, 2], missing: vec![] });
}

/// A column that was projected once is the same array for whoever asks later, counted in what the batch retains, until
/// the batch is told to forget it; and no more is kept than the limits say.
#[test]
fn columns_are_cached_within_limits() {
    let path = |text: &str| Path::parse(Signal::Logs, text).expect("a path");
    let request = |text: &str| ColumnRequest { path: path(text), column: path(text).column_type() };
    let bytes = wild::nested_body(1, &[0x0a, 1, b'x']);
    let columns = [request("body"), request("resource.attributes"), request("attributes[\"a\"]")];
    let wanted = Projection::new(Signal::Logs, columns[..1].to_vec());
    let batch = WireBatch::parse(Signal::Logs, Bytes::from(bytes), &wanted).expect("valid");
    let with_one = batch.retained_bytes();
    let first = batch.columns(&columns);
    assert!(batch.retained_bytes() > with_one);
    let second = batch.columns(&columns);
    assert!(first.iter().zip(&second).all(|(first, second)| std::sync::Arc::ptr_eq(first, second)));

    let many: Vec<_> = (0..1_000).map(|key| request(&format!("attributes[\"{key}\"]"))).collect();
    assert_eq!(batch.columns(&many).len(), many.len());
    let first = batch.columns(&many);
    let second = batch.columns(&many);
    let kept = first.iter().zip(&second).filter(|(first, second)| std::sync::Arc::ptr_eq(first, second)).count();
    assert!((1..=crate::batch::COLUMNS_CACHED_MAX).contains(&kept), "{kept}");

    batch.forget_columns();
    assert!(batch.retained_bytes() < with_one);
}

/// One resource of half a megabyte over ten thousand rows: its columns are as large as the resource, not as the product.
#[test]
fn columns_of_parents_do_not_multiply() {
    let long = vec![b'x'; 500_000];
    let (mut any, mut entry, mut resource) = (Vec::new(), Vec::new(), Vec::new());
    put_len(&mut any, 1, &long);
    put_len(&mut entry, 1, b"a");
    put_len(&mut entry, 2, &any);
    put_len(&mut resource, 1, &entry);
    let (mut scope, mut parent, mut request) = (Vec::new(), Vec::new(), Vec::new());
    (0..10_000).for_each(|_| put_len(&mut scope, 2, &[]));
    put_len(&mut parent, 1, &resource);
    put_len(&mut parent, 2, &scope);
    put_len(&mut request, 1, &parent);
    let batch = WireBatch::parse(Signal::Traces, Bytes::from(request), &Projection::new(Signal::Traces, Vec::new()))
        .expect("valid");
    let columns = [
        ("resource.attributes", ColumnType::Attributes(TextForm::Plain)),
        ("resource.attributes[\"a\"]", ColumnType::Any(TextForm::Plain)),
        ("resource.attributes[\"a\"]", ColumnType::Text(TextForm::Plain)),
    ];
    for (text, column) in columns {
        let path = Path::parse(Signal::Traces, text).expect("a path");
        let array = batch.columns(&[ColumnRequest { path, column }]).remove(0);
        assert_eq!(array.len(), 10_000);
        assert!(array.get_array_memory_size() < 2_000_000, "{text}: {}", array.get_array_memory_size());
    }
}

/// Sets of attributes in rows that are alike, unlike, written in unusual ways, and too large to be noted: as in `prost`'s messages.
#[test]
fn whole_sets_of_attributes_as_prost() {
    let usual = |key: usize, value: &str| {
        let (mut any, mut entry) = (Vec::new(), Vec::new());
        put_len(&mut any, 1, value.as_bytes());
        put_len(&mut entry, 1, format!("key {key}").as_bytes());
        put_len(&mut entry, 2, &any);
        entry
    };
    // An integer that stands before its key, a value in two parts, and none at all.
    let odd: [&[u8]; 3] = [b"\x12\x02\x18\x07\x0a\x01a", b"\x0a\x01b\x12\x02\x18\x07\x12\x02\x10\x01", b"\x0a\x01c"];
    let sets: Vec<Vec<Vec<u8>>> = vec![
        (0..10).map(|key| usual(key, "GET")).collect(),
        (0..10).map(|key| usual(key, if key % 3 == 0 { "POST" } else { "GET" })).collect(),
        (0..4).map(|key| usual(key + 5, "GET")).chain(odd.map(<[u8]>::to_vec)).collect(),
        Vec::new(),
        (0..3_000).map(|key| usual(key % 7, "a value that is longer than eight bytes")).collect(),
        odd.iter().map(|entry| entry.to_vec()).chain((0..5).map(|key| usual(key, ""))).collect(),
    ];
    for (signal, number) in [(Signal::Traces, 9), (Signal::Logs, 6)] {
        let (mut scope, mut resource, mut request) = (Vec::new(), Vec::new(), Vec::new());
        for set in &sets {
            let mut record = Vec::new();
            set.iter().for_each(|entry| put_len(&mut record, number, entry));
            put_len(&mut scope, 2, &record);
        }
        put_len(&mut resource, 2, &scope);
        put_len(&mut request, 1, &resource);
        for form in [TextForm::Plain, TextForm::Dictionary, TextForm::Either] {
            let path = Path::parse(signal, "attributes").expect("a path");
            let columns = vec![ColumnRequest { path, column: ColumnType::Attributes(form) }];
            let wanted = Projection::new(signal, columns.clone());
            let batch = WireBatch::parse(signal, Bytes::from(request.clone()), &wanted).expect("valid");
            compare(&batch, &columns, &request);
        }
    }
}

/// What fuzzing found to be new ways through the code: the first byte is the signal, the rest a request.
#[test]
fn the_fuzzers_corpus_as_prost() {
    let corpus = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/parse")).expect("a corpus");
    let mut accepted = 0;
    for entry in corpus {
        let input = std::fs::read(entry.expect("an entry").path()).expect("a file");
        let Some((&first, request)) = input.split_first() else { continue };
        let signal = Signal::ALL[first as usize % 3];
        let wanted = Projection::new(signal, wanted(signal, TextForm::Either));
        let found = WireBatch::parse(signal, Bytes::copy_from_slice(request), &wanted);
        assert_eq!(found.is_ok(), prost_accepts(signal, request), "{input:?}");
        if let Ok(batch) = found {
            accepted += 1;
            compare(&batch, wanted.columns(), request);
        }
    }
    assert!(accepted > 20);
}

/// Values nested as deep as `prost` decodes, and deeper: the limit is the same, for messages, groups and unknown scalars.
#[test]
fn nesting_is_bounded_as_by_prost() {
    for depth in 40..56 {
        for innermost in [&b""[..], &[0x18, 1], &[0x48, 1], &[0x4b, 0x4c], &[0x4b, 0x48, 1, 0x4c]] {
            let request = wild::nested_body(depth, innermost);
            let found = WireBatch::parse(
                Signal::Logs,
                Bytes::from(request.clone()),
                &Projection::new(Signal::Logs, Vec::new()),
            );
            assert_eq!(found.is_ok(), prost_accepts(Signal::Logs, &request), "depth {depth}, {innermost:?}");
        }
    }
}

/// Two million empty resources, scopes, metrics or spans in a few megabytes: refused before the index outgrows them.
#[test]
fn the_number_of_records_is_bounded() {
    let repeated = |number: u32, contents: &[u8], times: usize| {
        let mut one = Vec::new();
        put_len(&mut one, number, contents);
        one.repeat(times)
    };
    let wrap = |number: u32, contents: &[u8]| repeated(number, contents, 1);
    let max = crate::parse::RECORDS_MAX;
    for (signal, times, taken) in
        [(Signal::Traces, max, true), (Signal::Traces, max + 1, false), (Signal::Metrics, max + 1, false)]
    {
        let scope = repeated(2, &[], times);
        let parse = |request: Vec<u8>| {
            WireBatch::parse(signal, Bytes::from(request), &Projection::new(signal, Vec::new())).map(|_| ())
        };
        for request in [wrap(1, &wrap(2, &scope)), wrap(1, &scope), repeated(1, &[], times)] {
            assert_eq!(parse(request).is_ok(), taken, "{signal}, {times}");
        }
    }
}

/// An empty request is a request without rows.
#[test]
fn empty_requests_are_taken() {
    for signal in Signal::ALL {
        let columns = wanted(signal, TextForm::Either);
        let batch = WireBatch::parse(signal, Bytes::new(), &Projection::new(signal, columns.clone())).expect("empty");
        assert_eq!(batch.rows(), 0);
        assert!(batch.columns(&columns).iter().all(|column| column.is_empty()));
    }
}

/// A request that is not one says at which byte, and why.
#[test]
fn refusals_say_where_and_why() {
    for (request, offset, says) in [
        (&[0x0a, 5, 0x12][..], 1, "the length exceeds the message"),
        (&[0x0a, 4, 0x12, 2, 0x12, 9], 5, "the length exceeds the message"),
        (&[0x0a, 6, 0x12, 4, 0x12, 2, 0x2a, 0xff], 7, "expected a length, found no varint"),
        (&[0x0a, 7, 0x12, 5, 0x12, 3, 0x2a, 1, 0xff], 8, "text that is not UTF-8"),
        (&[0x0a, 6, 0x12, 4, 0x12, 2, 0x30, 0xff], 7, "expected a varint of at most 64 bits"),
        (&[0x0a, 6, 0x12, 4, 0x12, 2, 0x3a, 0], 7, "another wire type"),
        (&[0x08, 1], 1, "expected a message"),
        (&[0x07], 0, "the wire type is none of 0 to 5"),
        (&[0x02, 0], 0, "the field number is 0"),
        (&[0x0c], 1, "expected a message"),
        (&[0x14], 1, "the end of a group that did not start"),
    ] {
        let wanted = Projection::new(Signal::Traces, Vec::new());
        let error = WireBatch::parse(Signal::Traces, Bytes::copy_from_slice(request), &wanted).err().expect("refused");
        assert_eq!((error.offset, error.reason.contains(says)), (offset, true), "{request:?}: {error}");
    }
}

/// `prost` is what the engine is compared with; what is compared with it must not use it.
#[test]
fn prost_is_for_tests_only() {
    let manifest = include_str!("../Cargo.toml");
    let (before, tests) = manifest.split_once("[dev-dependencies]").expect("a section for tests");
    assert!(!before.contains("prost") && !before.contains("opentelemetry"), "prost belongs under [dev-dependencies]");
    let own = tests.split("\n[").next().expect("the section");
    assert!(own.contains("prost") && own.contains("opentelemetry-proto"));
    assert_eq!(manifest.matches("prost.workspace").count(), 1);
}
