//! Requests of OTLP as batches of Jaeger, read back by a decoder of the tests' own. What the real server makes of them is the matter of
//! `tests/jaeger.rs` of the workspace's tests.

mod decoder;
mod hostile;
mod mapping;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill_jaeger::{Encoded, encode};
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

use decoder::{Batch, Tag};

const MIB: usize = 1 << 20;

fn parse(request: Vec<u8>) -> WireBatch {
    WireBatch::parse(Signal::Traces, request.into(), &Projection::new(Signal::Traces, Vec::new())).expect("a request")
}

/// With the default limit.
fn encoded(resource_spans: Vec<ResourceSpans>) -> Encoded {
    let batch = parse(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
    encode(batch.index(), &Selection::all(batch.rows()), MIB)
}

fn decoded(encoded: &Encoded) -> Vec<Batch> {
    let read = |batch: &wasmill_jaeger::Batch| {
        let read = decoder::batch(&batch.body);
        assert_eq!(read.spans.len() as u64, batch.spans);
        read
    };
    encoded.batches.iter().map(read).collect()
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn tag(key: &str, value: &str) -> (String, Tag) {
    (key.to_owned(), Tag::Text(value.to_owned()))
}

/// Of a service, with spans of one scope without a name.
fn resource_spans(service: &str, spans: Vec<Span>) -> ResourceSpans {
    let resource = Resource { attributes: vec![text("service.name", service)], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }
}

fn span(name: &str) -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: name.into(), ..Span::default() }
}

/// The one span of a request.
fn one(span: Span) -> decoder::Span {
    let encoded = encoded(vec![resource_spans("shop", vec![span])]);
    let [batch] = &decoded(&encoded)[..] else { panic!("{encoded:?}") };
    let [span] = &batch.spans[..] else { panic!("{batch:?}") };
    span.clone()
}
