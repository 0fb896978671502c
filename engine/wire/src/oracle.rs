//! The engine against `prost`: what it accepts, and what it means by it.

mod cell;
mod expected;
pub(crate) mod wild;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use proptest::prelude::*;

use crate::{ColumnRequest, ColumnType, Path, Projection, Signal, TextForm, WireBatch};
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
        Signal::Logs => vec!["attributes[\"a\"]".into(), "body[\"a\"]".into(), "body[1]".into(), "body[0][\"a\"]".into()],
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
    let rows = expected::rows(batch.signal(), request);
    assert_eq!(batch.rows(), rows.len());
    for (request, array) in columns.iter().zip(batch.columns(columns)) {
        assert_eq!(array.len(), rows.len(), "{}", request.path);
        for (number, row) in rows.iter().enumerate() {
            let found = Cell::of_array(&array, number);
            let expected = row.cell(&request.path).as_type(&request.column);
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
