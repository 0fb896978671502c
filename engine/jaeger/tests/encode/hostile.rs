//! What clients should not send, and what is large.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use wasmill_jaeger::{LeftOut, encode};
use wasmill_wire::Selection;

use crate::decoder::Tag;
use crate::{MIB, decoded, encoded, one, parse, resource_spans, span, text};

/// Spans whose ids are missing, zero or of another length are left out and counted; the others go. A parent that is none is none.
#[test]
fn spans_without_ids_are_left_out() {
    let ids = |trace: Vec<u8>, span_id: Vec<u8>| Span { trace_id: trace, span_id, ..span("bad") };
    let spans = vec![
        ids(vec![], vec![1; 8]),
        ids(vec![0; 16], vec![1; 8]),
        ids(vec![1; 16], vec![]),
        ids(vec![1; 16], vec![0; 8]),
        Span { parent_span_id: vec![0; 8], ..span("good") },
    ];
    let encoded = encoded(vec![resource_spans("shop", spans)]);
    assert_eq!(encoded.left_out, LeftOut { without_id: 4, too_long: 0 });
    let batches = decoded(&encoded);
    let names: Vec<_> = batches.iter().flat_map(|batch| &batch.spans).map(|span| (&*span.name, span.parent)).collect();
    assert_eq!(names, [("good", 0)]);
}

/// A request in which nothing can be sent is no batch at all.
#[test]
fn there_is_no_empty_batch() {
    let bad = || Span { trace_id: vec![], ..span("bad") };
    let result = encoded(vec![resource_spans("a", vec![bad()]), resource_spans("b", vec![bad()])]);
    assert_eq!((result.batches.len(), result.left_out.spans()), (0, 2));
    assert_eq!(encoded(vec![]).batches.len(), 0);
}

/// Times at the ends of what OTLP has, a span that ends before it begins, one that did not end.
#[test]
fn times_are_microseconds() {
    let cases = [
        (0, 0, (0, 0)),
        (999, 1_999, (0, 1)),
        (u64::MAX, u64::MAX, (18_446_744_073_709_551, 0)),
        (0, u64::MAX, (0, 18_446_744_073_709_551)),
        (u64::MAX, 1, (18_446_744_073_709_551, -18_446_744_073_709_551)),
        (5_000, 2_000, (5, -3)),
        (5_000, 0, (5, 0)),
    ];
    for (start, end, expected) in cases {
        let read = one(Span { start_time_unix_nano: start, end_time_unix_nano: end, ..span("a") });
        assert_eq!((read.start, read.duration), expected, "{start} {end}");
    }
}

/// Batches are within their bound, nothing is lost or doubled, and a span that is longer alone is one by itself.
#[test]
fn batches_are_bounded() {
    let value = "x".repeat(1_000);
    let mut spans: Vec<Span> =
        (0..1_000).map(|number| Span { attributes: vec![text("v", &value)], ..span(&number.to_string()) }).collect();
    spans[500].attributes = vec![text("large", &"y".repeat(MIB))];
    let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let request = ExportTraceServiceRequest { resource_spans: vec![resource_spans("shop", spans)] }.encode_to_vec();
    let batch = parse(request);
    for bytes_max in [1, 5_000, 100_000, MIB, usize::MAX] {
        let encoded = encode(batch.index(), &Selection::all(batch.rows()), bytes_max);
        for batch in &encoded.batches {
            assert!(batch.body.len() <= bytes_max || batch.spans == 1, "{} of {bytes_max}", batch.body.len());
        }
        let full = encoded.batches.iter().filter(|batch| batch.spans > 1).map(|batch| batch.body.len()).max();
        assert!(bytes_max != 100_000 || full.is_some_and(|full| full > 98_000), "{full:?}");
        let names: Vec<String> =
            decoded(&encoded).into_iter().flat_map(|batch| batch.spans).map(|span| span.name).collect();
        assert_eq!(names, expected);
    }
}

/// Only selected rows go, those of a resource without any not at all.
#[test]
fn a_selection_is_kept_to() {
    let resources = vec![resource_spans("a", vec![span("1"), span("2")]), resource_spans("b", vec![span("3")])];
    let batch = parse(ExportTraceServiceRequest { resource_spans: resources }.encode_to_vec());
    let encoded = encode(batch.index(), &Selection::from_rows(3, &[1]), MIB);
    let batches = decoded(&encoded);
    assert_eq!(batches.len(), 1);
    assert_eq!((&*batches[0].service, &*batches[0].spans[0].name), ("a", "2"));
}

/// Texts with every character, a megabyte as a key and as a name, nothing as a name.
#[test]
fn texts_are_kept() {
    let all: String = (0..=0x2ff).filter_map(char::from_u32).chain(['\u{10ffff}']).collect();
    let long = "k".repeat(MIB);
    let read = one(Span { attributes: vec![text(&all, &all), text(&long, "")], ..span(&long) });
    assert_eq!(read.tags, [(all.clone(), Tag::Text(all)), (long.clone(), Tag::Text(String::new()))]);
    assert_eq!(read.name, long);
    assert_eq!(one(span("")).name, "");
}

/// Messages in two parts, as protobuf allows: fields of both, the last of a scalar.
#[test]
fn messages_may_be_in_parts() {
    let mut span_bytes = Span { kind: 2, ..span("first") }.encode_to_vec();
    span_bytes
        .extend(Span { name: "last".into(), attributes: vec![text("a", "b")], ..Span::default() }.encode_to_vec());
    let merged = Span::decode(&*span_bytes).expect("a span");
    let resource = resource_spans("shop", vec![Span::default()]);
    // In place of the empty span the two parts: lengths of the messages around it grow with it.
    let scope: Vec<u8> = nested(2, &span_bytes);
    let mut resource_bytes = ResourceSpans { scope_spans: vec![], ..resource }.encode_to_vec();
    resource_bytes.extend(nested(2, &scope));
    let batch = parse(nested(1, &resource_bytes));
    let encoded = encode(batch.index(), &Selection::all(batch.rows()), MIB);
    let read = decoded(&encoded)[0].spans[0].clone();
    assert_eq!(read, one(merged));
    assert_eq!((&*read.name, read.tags.len()), ("last", 2));
}

fn nested(number: u8, contents: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(contents.len() as u64, &mut field);
    field.extend_from_slice(contents);
    field
}
