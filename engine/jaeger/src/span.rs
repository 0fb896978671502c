//! A span, with its events as logs and its links as references.
//!
//! | OTLP | Jaeger |
//! |---|---|
//! | parent | `parentSpanId`; where there are links also the first reference, so that a link to the parent does not take its place |
//! | links | references: `FOLLOWS_FROM`, or what their attribute `opentracing.ref_type` says. One to the parent that is a `CHILD_OF` is the parent's |
//! | what else a link has (attributes, trace state) | a log at the span's start with `event=link`, `trace_id`, `span_id` |
//! | kind | tag `span.kind`; none for internal ones |
//! | status | tags `otel.status_code`, `otel.status_description`, and `error=true`; none where it is unset |
//! | trace state | tag `w3c.tracestate` |
//! | scope | tags `otel.scope.name` and `otel.scope.version`, the same as `otel.library.…`, and its attributes |
//! | events | logs, their names as `event` unless they have such an attribute |
//! | flags | the sampled bit. Jaeger's others mean other things |
//! | times | microseconds, truncated; a span that did not end has no duration |

use wasmill_wire::{Message, attribute};

use crate::tag::Tags;
use crate::thrift;

const REF_TYPE: &str = "opentracing.ref_type";
const CHILD_OF: i32 = 0;
const FOLLOWS_FROM: i32 = 1;

/// W3C's flag for a trace that is sampled, and Jaeger's.
const SAMPLED: u32 = 1;

/// `Span`, as `opentelemetry.proto.trace.v1` numbers its fields. Kept from span to span for its buffers.
#[derive(Default)]
pub(crate) struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_id: &'a [u8],
    trace_state: &'a [u8],
    name: &'a [u8],
    kind: u64,
    start: u64,
    end: u64,
    status: Status<'a>,
    flags: u32,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    attributes: Vec<&'a [u8]>,
    events: Vec<&'a [u8]>,
    links: Vec<&'a [u8]>,
}

#[derive(Clone, Copy, Default)]
struct Status<'a> {
    code: u64,
    description: &'a [u8],
}

/// What links refer to: high and low half of the trace's id, and the span's id.
type Context = ((i64, i64), i64);

/// Tags of all spans of a scope.
#[derive(Default)]
pub(crate) struct ScopeTags {
    encoded: Vec<u8>,
    count: u32,
}

impl ScopeTags {
    /// Of an `InstrumentationScope`.
    pub(crate) fn set(&mut self, scope: Option<Message<'_>>) {
        self.encoded.clear();
        let mut tags = Tags { out: &mut self.encoded, count: 0 };
        if let Some(scope) = scope {
            for (number, keys) in
                [(1, ["otel.scope.name", "otel.library.name"]), (2, ["otel.scope.version", "otel.library.version"])]
            {
                let text = scope.text(number);
                for key in keys.into_iter().filter(|_| !text.is_empty()) {
                    tags.text(key, text.as_bytes());
                }
            }
            for (key, value) in scope.attributes(3) {
                tags.value(key, &value);
            }
        }
        self.count = tags.count;
    }
}

impl<'a> Span<'a> {
    pub(crate) fn read(&mut self, message: &Message<'a>) {
        let mut span = Span {
            attributes: std::mem::take(&mut self.attributes),
            events: std::mem::take(&mut self.events),
            links: std::mem::take(&mut self.links),
            ..Span::default()
        };
        span.attributes.clear();
        span.events.clear();
        span.links.clear();
        for field in message.fields() {
            match field.number {
                1 => span.trace_id = field.payload(),
                2 => span.span_id = field.payload(),
                3 => span.trace_state = field.payload(),
                4 => span.parent_id = field.payload(),
                5 => span.name = field.payload(),
                6 => span.kind = field.varint(),
                7 => span.start = field.fixed64(),
                8 => span.end = field.fixed64(),
                9 => span.attributes.push(field.payload()),
                10 => span.dropped_attributes = field.varint() as u32,
                11 => span.events.push(field.payload()),
                12 => span.dropped_events = field.varint() as u32,
                13 => span.links.push(field.payload()),
                14 => span.dropped_links = field.varint() as u32,
                15 => span.status.merge(field.payload()),
                16 => span.flags = field.fixed32(),
                _ => {}
            }
        }
        *self = span;
    }

    /// Appends it as a struct. `false`: it has no trace id or no span id, and nothing is appended.
    pub(crate) fn put(&self, out: &mut Vec<u8>, scope: &ScopeTags) -> bool {
        let (Some(trace), Some(id)) = (trace_id(self.trace_id), span_id(self.span_id)) else { return false };
        // None, and one that is none, are 0 both.
        let parent = span_id(self.parent_id).unwrap_or(0);
        thrift::put_i64(out, 1, trace.1);
        thrift::put_i64(out, 2, trace.0);
        thrift::put_i64(out, 3, id);
        thrift::put_i64(out, 4, parent);
        thrift::put_text(out, 5, self.name);
        if !self.links.is_empty() {
            self.put_references(out, (trace, parent));
        }
        thrift::put_i32(out, 7, (self.flags & SAMPLED) as i32);
        thrift::put_i64(out, 8, micros(self.start));
        thrift::put_i64(out, 9, self.duration());
        self.put_tags(out, scope);
        if !self.events.is_empty() || !self.links.is_empty() {
            self.put_logs(out);
        }
        thrift::end_struct(out);
        true
    }

    /// In microseconds; negative where it ended before it began, which Jaeger puts right and says so.
    fn duration(&self) -> i64 {
        if self.end == 0 {
            return 0;
        }
        let nanos = i128::from(self.end) - i128::from(self.start);
        // At most 2^64 nanoseconds.
        (nanos / 1_000) as i64
    }

    fn put_references(&self, out: &mut Vec<u8>, parent: Context) {
        let list = thrift::begin_list(out, 6);
        let mut count = 0;
        let mut put = |kind: i32, (trace, span): Context| {
            thrift::put_i32(out, 1, kind);
            thrift::put_i64(out, 2, trace.1);
            thrift::put_i64(out, 3, trace.0);
            thrift::put_i64(out, 4, span);
            thrift::end_struct(out);
            count += 1;
        };
        if parent.1 != 0 {
            put(CHILD_OF, parent);
        }
        for link in self.links.iter().map(|link| Link::of(link)) {
            match link.context() {
                Some(context) if link.kind == CHILD_OF && context == parent => {}
                Some(context) => put(link.kind, context),
                // Jaeger has no reference to nothing. The log says that there was one.
                None => {}
            }
        }
        list.end(out, count);
    }

    fn put_tags(&self, out: &mut Vec<u8>, scope: &ScopeTags) {
        let list = thrift::begin_list(out, 10);
        out.extend_from_slice(&scope.encoded);
        let kind = match self.kind {
            2 => "server",
            3 => "client",
            4 => "producer",
            5 => "consumer",
            _ => "",
        };
        let is_error = self.status.code == 2;
        // Of two tags of one name Jaeger's search and its page show whichever: what the span itself says counts.
        let but: &[&str] = match (kind.is_empty(), is_error) {
            (true, false) => &[],
            (false, false) => &["span.kind"],
            (true, true) => &["error"],
            (false, true) => &["span.kind", "error"],
        };
        let mut tags = Tags { out, count: scope.count };
        for entry in &self.attributes {
            tags.attribute(entry, but);
        }
        if !kind.is_empty() {
            tags.text("span.kind", kind.as_bytes());
        }
        if matches!(self.status.code, 1 | 2) {
            tags.text("otel.status_code", if is_error { b"ERROR" } else { b"OK" });
            if !self.status.description.is_empty() {
                tags.text("otel.status_description", self.status.description);
            }
        }
        if is_error {
            tags.bool("error", true);
        }
        if !self.trace_state.is_empty() {
            tags.text("w3c.tracestate", self.trace_state);
        }
        tags.dropped("otel.dropped_attributes_count", self.dropped_attributes);
        tags.dropped("otel.dropped_events_count", self.dropped_events);
        tags.dropped("otel.dropped_links_count", self.dropped_links);
        let count = tags.count;
        list.end(out, count);
    }

    fn put_logs(&self, out: &mut Vec<u8>) {
        let list = thrift::begin_list(out, 11);
        let mut count = 0;
        for event in &self.events {
            put_event(out, event);
            count += 1;
        }
        for link in self.links.iter().map(|link| Link::of(link)).filter(Link::is_logged) {
            link.put_log(out, micros(self.start));
            count += 1;
        }
        list.end(out, count);
    }
}

impl<'a> Status<'a> {
    /// A status that is there twice is one: the last of each field counts.
    fn merge(&mut self, message: &'a [u8]) {
        for field in Message::new(message).fields() {
            match field.number {
                2 => self.description = field.payload(),
                3 => self.code = field.varint(),
                _ => {}
            }
        }
    }
}

fn put_event(out: &mut Vec<u8>, event: &[u8]) {
    let event = Message::new(event);
    let (mut time, mut name, mut dropped): (u64, &[u8], u32) = (0, &[], 0);
    let mut has_own = false;
    for field in event.fields() {
        match field.number {
            1 => time = field.fixed64(),
            2 => name = field.payload(),
            3 => has_own |= attribute(field.payload()).0 == "event",
            4 => dropped = field.varint() as u32,
            _ => {}
        }
    }
    thrift::put_i64(out, 1, micros(time));
    let list = thrift::begin_list(out, 2);
    let mut tags = Tags { out, count: 0 };
    if !has_own && !name.is_empty() {
        tags.text("event", name);
    }
    for field in event.fields().filter(|field| field.number == 3) {
        tags.attribute(field.payload(), &[]);
    }
    tags.dropped("otel.event.dropped_attributes_count", dropped);
    let count = tags.count;
    list.end(out, count);
    thrift::end_struct(out);
}

struct Link<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    dropped_attributes: u32,
    /// Of the reference.
    kind: i32,
    message: Message<'a>,
    has_attributes: bool,
}

impl<'a> Link<'a> {
    fn of(bytes: &'a [u8]) -> Link<'a> {
        let message = Message::new(bytes);
        let mut link = Link {
            trace_id: &[],
            span_id: &[],
            trace_state: &[],
            dropped_attributes: 0,
            kind: FOLLOWS_FROM,
            message: message.clone(),
            has_attributes: false,
        };
        for field in message.fields() {
            match field.number {
                1 => link.trace_id = field.payload(),
                2 => link.span_id = field.payload(),
                3 => link.trace_state = field.payload(),
                4 => match attribute(field.payload()) {
                    (REF_TYPE, wasmill_wire::Any::Text("child_of")) => link.kind = CHILD_OF,
                    (REF_TYPE, _) => {}
                    _ => link.has_attributes = true,
                },
                5 => link.dropped_attributes = field.varint() as u32,
                _ => {}
            }
        }
        link
    }

    fn context(&self) -> Option<Context> {
        Some((trace_id(self.trace_id)?, span_id(self.span_id)?))
    }

    /// Whether it has something that a reference does not say.
    fn is_logged(&self) -> bool {
        self.has_attributes || !self.trace_state.is_empty() || self.dropped_attributes > 0 || self.context().is_none()
    }

    fn put_log(&self, out: &mut Vec<u8>, time: i64) {
        thrift::put_i64(out, 1, time);
        let list = thrift::begin_list(out, 2);
        let mut tags = Tags { out, count: 0 };
        tags.text("event", b"link");
        for (key, id) in [("trace_id", self.trace_id), ("span_id", self.span_id)] {
            let mut hex = [0; 32];
            tags.text(key, put_hex(&mut hex, id));
        }
        if !self.trace_state.is_empty() {
            tags.text("w3c.tracestate", self.trace_state);
        }
        for field in self.message.fields().filter(|field| field.number == 4) {
            tags.attribute(field.payload(), &[REF_TYPE]);
        }
        tags.dropped("otel.dropped_attributes_count", self.dropped_attributes);
        let count = tags.count;
        list.end(out, count);
        thrift::end_struct(out);
    }
}

/// The digits of an id; of one that is longer than ids are, the first.
fn put_hex<'h>(hex: &'h mut [u8; 32], id: &[u8]) -> &'h [u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut len = 0;
    for (place, byte) in hex.chunks_exact_mut(2).zip(id) {
        place.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        len += 2;
    }
    hex.get(..len).unwrap_or_default()
}

/// High and low half. `None`: it is not 16 bytes long, or zero, which is no id.
fn trace_id(bytes: &[u8]) -> Option<(i64, i64)> {
    let id = i128::from_be_bytes(bytes.try_into().ok()?);
    (id != 0).then_some(((id >> 64) as i64, id as i64))
}

/// As [`trace_id`], of 8 bytes.
fn span_id(bytes: &[u8]) -> Option<i64> {
    let id = i64::from_be_bytes(bytes.try_into().ok()?);
    (id != 0).then_some(id)
}

/// Since 1970. Nanoseconds are unsigned, so that this has room.
fn micros(nanos: u64) -> i64 {
    (nanos / 1_000) as i64
}
