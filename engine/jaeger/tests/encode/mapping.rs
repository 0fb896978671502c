//! What becomes what.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::decoder::Tag;
use crate::{attribute, decoded, encoded, one, resource_spans, span, tag, text};

const START: u64 = 1_700_000_000_123_456_789;

fn long(key: &str, value: i64) -> (String, Tag) {
    (key.to_owned(), Tag::Long(value))
}

/// A span that has everything: each field is where the specification's mapping has it.
#[test]
fn every_field_of_a_span() {
    let full = Span {
        trace_id: (1..=16).collect(),
        span_id: vec![0xff, 0, 0, 0, 0, 0, 0, 1],
        trace_state: "a=1,b=2".into(),
        parent_span_id: vec![0, 0, 0, 0, 0, 0, 0, 7],
        flags: 0x303,
        name: "GET /tea".into(),
        kind: 2,
        start_time_unix_nano: START,
        end_time_unix_nano: START + 1_999,
        attributes: vec![text("http.route", "/tea"), attribute("http.response.status_code", Value::IntValue(503))],
        dropped_attributes_count: 3,
        events: vec![Event {
            time_unix_nano: START + 1_000,
            name: "retry".into(),
            attributes: vec![attribute("attempt", Value::IntValue(2))],
            dropped_attributes_count: 4,
        }],
        dropped_events_count: 5,
        links: vec![],
        dropped_links_count: 6,
        status: Some(Status { code: 2, message: "no tea".into() }),
    };
    let read = one(full);
    assert_eq!((read.trace_high, read.trace_low), (0x0102030405060708, 0x090a0b0c0d0e0f10));
    assert_eq!((read.id, read.parent), (-0x00ff_ffff_ffff_ffff, 7));
    assert_eq!((&*read.name, read.flags), ("GET /tea", 1));
    assert_eq!((read.start, read.duration), (1_700_000_000_123_456, 1));
    let tags = [
        tag("http.route", "/tea"),
        long("http.response.status_code", 503),
        tag("span.kind", "server"),
        tag("otel.status_code", "ERROR"),
        tag("otel.status_description", "no tea"),
        ("error".to_owned(), Tag::Bool(true)),
        tag("w3c.tracestate", "a=1,b=2"),
        long("otel.dropped_attributes_count", 3),
        long("otel.dropped_events_count", 5),
        long("otel.dropped_links_count", 6),
    ];
    assert_eq!(read.tags, tags);
    let fields = vec![tag("event", "retry"), long("attempt", 2), long("otel.event.dropped_attributes_count", 4)];
    assert_eq!(read.logs, [(1_700_000_000_123_457, fields)]);
    assert_eq!(read.references, []);
}

/// Kinds and statuses: none where there is nothing to say.
#[test]
fn kind_and_status() {
    let kinds = [
        (0, None),
        (1, None),
        (2, Some("server")),
        (3, Some("client")),
        (4, Some("producer")),
        (5, Some("consumer")),
        (9, None),
    ];
    for (kind, expected) in kinds {
        let read = one(Span { kind, ..span("a") });
        assert_eq!(read.tag("span.kind"), Vec::from_iter(expected.map(|kind| Tag::Text(kind.into()))), "{kind}");
    }
    let status = |code| one(Span { status: Some(Status { code, message: "why".into() }), ..span("a") });
    assert_eq!(status(0).tags, []);
    assert_eq!(status(1).tags, [tag("otel.status_code", "OK"), tag("otel.status_description", "why")]);
    assert_eq!(status(7).tags, [], "a code that nobody knows");
}

/// Attributes that say what the span says otherwise: the span counts, and there is one tag of the name.
#[test]
fn a_span_s_own_words_count() {
    let attributes = vec![text("error", "false"), text("span.kind", "x"), text("", "unnamed")];
    let read = one(Span {
        kind: 3,
        status: Some(Status { code: 2, ..Status::default() }),
        attributes: attributes.clone(),
        ..span("a")
    });
    assert_eq!(read.tag("error"), [Tag::Bool(true)]);
    assert_eq!(read.tag("span.kind"), [Tag::Text("client".into())]);
    assert_eq!(read.tag(""), [Tag::Text("unnamed".into())]);
    let read = one(Span { attributes, ..span("a") });
    assert_eq!(read.tags, [tag("error", "false"), tag("span.kind", "x"), tag("", "unnamed")]);
}

/// Each type of value: kept where Jaeger has it, text where not; numbers that JSON has not, as texts.
#[test]
fn values_by_type() {
    let any = |value| AnyValue { value: Some(value) };
    let list = ArrayValue { values: vec![any(Value::IntValue(1)), any(Value::StringValue("ü".into()))] };
    let map = KeyValueList { values: vec![attribute("k", Value::BoolValue(false))] };
    let cases = [
        (Some(Value::StringValue("tea".into())), Tag::Text("tea".into())),
        (Some(Value::BoolValue(true)), Tag::Bool(true)),
        (Some(Value::IntValue(i64::MIN)), Tag::Long(i64::MIN)),
        (Some(Value::DoubleValue(-0.5)), Tag::Double(-0.5)),
        (Some(Value::DoubleValue(f64::NAN)), Tag::Text("NaN".into())),
        (Some(Value::DoubleValue(f64::INFINITY)), Tag::Text("Infinity".into())),
        (Some(Value::BytesValue(vec![0, 255])), Tag::Binary(vec![0, 255])),
        (Some(Value::ArrayValue(list)), Tag::Text(r#"[1,"ü"]"#.into())),
        (Some(Value::KvlistValue(map)), Tag::Text(r#"{"k":false}"#.into())),
        (None, Tag::Text(String::new())),
    ];
    for (value, expected) in cases {
        let mut entry = text("key", "");
        entry.value = Some(AnyValue { value });
        let read = one(Span { attributes: vec![entry.clone()], ..span("a") });
        assert_eq!(read.tags, [("key".to_owned(), expected.clone())]);
        entry.value = entry.value.filter(|value| value.value.is_some());
        let event = Event { attributes: vec![entry], ..Event::default() };
        let read = one(Span { events: vec![event], ..span("a") });
        assert_eq!(read.logs, [(0, vec![("key".to_owned(), expected)])]);
    }
}

/// Links: references behind the parent's, whose place none of them takes; what a reference does not say is a log.
#[test]
fn links_are_references() {
    let link = |trace: u8, span: u8| Link { trace_id: vec![trace; 16], span_id: vec![span; 8], ..Link::default() };
    let of_type = |link: Link, kind: &str| Link { attributes: vec![text("opentracing.ref_type", kind)], ..link };
    let (trace, parent) = (0x0101_0101_0101_0101, 0x0303_0303_0303_0303);
    let other = (0x0909_0909_0909_0909, 0x0404_0404_0404_0404);
    let read = one(Span {
        parent_span_id: vec![3; 8],
        start_time_unix_nano: 5_000,
        links: vec![
            link(9, 4),
            link(1, 3),
            of_type(link(1, 3), "child_of"),
            of_type(link(9, 4), "child_of"),
            of_type(link(9, 4), "follows_from"),
        ],
        ..span("a")
    });
    let to = |kind, (trace, span): (i64, i64)| (kind, trace, trace, span);
    let references = [to(0, (trace, parent)), to(1, other), to(1, (trace, parent)), to(0, other), to(1, other)];
    assert_eq!(read.references, references);
    assert_eq!((read.parent, read.logs), (parent, vec![]));

    let said = Link {
        trace_state: "x=y".into(),
        attributes: vec![text("why", "batch"), text("opentracing.ref_type", "follows_from")],
        dropped_attributes_count: 2,
        ..link(0xab, 0xcd)
    };
    let nowhere = Link { span_id: vec![0; 8], ..link(1, 1) };
    let read = one(Span { start_time_unix_nano: 5_000, links: vec![said, nowhere], ..span("a") });
    let fields = |trace: &str, span: &str| {
        vec![tag("event", "link"), tag("trace_id", &trace.repeat(16)), tag("span_id", &span.repeat(8))]
    };
    let mut said = fields("ab", "cd");
    said.extend([tag("w3c.tracestate", "x=y"), tag("why", "batch"), long("otel.dropped_attributes_count", 2)]);
    assert_eq!(read.references.len(), 1, "{:?}", read.references);
    assert_eq!(read.logs, [(5, said), (5, fields("01", "00"))]);
}

/// An event's attribute `event` counts before its name, and an event without a name has none.
#[test]
fn events_have_names() {
    let event = |name: &str, attributes| Event { name: name.into(), attributes, ..Event::default() };
    let events = vec![event("name", vec![text("event", "own")]), event("", vec![]), event("name", vec![])];
    let read = one(Span { events, ..span("a") });
    let fields: Vec<_> = read.logs.into_iter().map(|(_, fields)| fields).collect();
    assert_eq!(fields, [vec![tag("event", "own")], vec![], vec![tag("event", "name")]]);
}

/// A scope is tags of each of its spans, of both names that the specification has; another scope's are others.
#[test]
fn scopes_are_tags() {
    let mut resource = resource_spans("shop", vec![]);
    let scope = InstrumentationScope {
        name: "lib".into(),
        version: "1.2".into(),
        attributes: vec![text("short", "yes")],
        ..InstrumentationScope::default()
    };
    resource.scope_spans = vec![
        ScopeSpans { scope: Some(scope), spans: vec![span("a"), span("b")], ..ScopeSpans::default() },
        ScopeSpans { spans: vec![span("c")], ..ScopeSpans::default() },
    ];
    let batches = decoded(&encoded(vec![resource]));
    let of_scope = vec![
        tag("otel.scope.name", "lib"),
        tag("otel.library.name", "lib"),
        tag("otel.scope.version", "1.2"),
        tag("otel.library.version", "1.2"),
        tag("short", "yes"),
    ];
    let tags: Vec<_> = batches[0].spans.iter().map(|span| span.tags.clone()).collect();
    assert_eq!(tags, [of_scope.clone(), of_scope, vec![]]);
}

/// A process for each resource that is another one, in the order in which they come; names as they are found or missing.
#[test]
fn resources_are_processes() {
    let resource = |attributes| Some(Resource { attributes, dropped_attributes_count: 0, ..Resource::default() });
    let of = |resource, name: &str| ResourceSpans { resource, ..resource_spans("", vec![span(name)]) };
    let shop = || resource(vec![text("host.name", "h"), text("service.name", "shop"), text("service.name", "again")]);
    let batches = decoded(&encoded(vec![
        of(shop(), "a"),
        of(None, "b"),
        of(resource(vec![attribute("service.name", Value::IntValue(7))]), "c"),
        of(shop(), "d"),
        of(resource(vec![text("service.name", ""), text("zone", "z")]), "e"),
        resource_spans("without spans", vec![]),
    ]));
    let found: Vec<_> = batches
        .iter()
        .map(|batch| {
            let names: Vec<&str> = batch.spans.iter().map(|span| &*span.name).collect();
            (&*batch.service, batch.process_tags.clone(), names)
        })
        .collect();
    let expected = [
        ("shop", vec![tag("host.name", "h"), tag("service.name", "again")], vec!["a", "d"]),
        ("unknown_service", vec![], vec!["b"]),
        ("7", vec![], vec!["c"]),
        ("unknown_service", vec![tag("zone", "z")], vec!["e"]),
    ];
    assert_eq!(found, expected);
}
