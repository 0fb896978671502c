//! Spans, with their events and links.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Int64Builder, StringBuilder, TimestampNanosecondBuilder, UInt32Builder};
use arrow_schema::{ArrowError, Fields};
use wasmill_wire::Message;

use super::lists::{Element, Lists};
use super::text::{Maps, put_id, put_text, put_word, time};
use crate::schema::{event_fields, link_fields};

const KINDS: [&str; 6] = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];

#[derive(Default)]
pub struct Spans {
    start_time: TimestampNanosecondBuilder,
    end_time: TimestampNanosecondBuilder,
    duration: Int64Builder,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    parent_span_id: StringBuilder,
    trace_state: StringBuilder,
    flags: UInt32Builder,
    name: StringBuilder,
    kind: StringBuilder,
    status_code: StringBuilder,
    status_message: StringBuilder,
    attributes: Maps,
    dropped_attributes: UInt32Builder,
    events: Lists<Event>,
    dropped_events: UInt32Builder,
    links: Lists<Link>,
    dropped_links: UInt32Builder,
}

/// What may be written more than once, of which the last counts.
#[derive(Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    trace_state: &'a str,
    name: &'a str,
    kind: u64,
    start: u64,
    end: u64,
    status_message: &'a str,
    status_code: u64,
    flags: u32,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

impl Spans {
    pub fn row(&mut self, record: &Message<'_>) {
        let mut span = Span::default();
        self.attributes.begin();
        for field in record.fields() {
            match field.number {
                1 => span.trace_id = field.payload(),
                2 => span.span_id = field.payload(),
                3 => span.trace_state = field.text(),
                4 => span.parent_span_id = field.payload(),
                5 => span.name = field.text(),
                6 => span.kind = field.varint(),
                7 => span.start = field.fixed64(),
                8 => span.end = field.fixed64(),
                9 => self.attributes.push(field.payload()),
                10 => span.dropped_attributes = field.varint() as u32,
                11 => self.events.push(field.payload()),
                12 => span.dropped_events = field.varint() as u32,
                13 => self.links.push(field.payload()),
                14 => span.dropped_links = field.varint() as u32,
                15 => span.status(field.payload()),
                16 => span.flags = field.fixed32(),
                _ => {}
            }
        }
        self.attributes.end();
        self.events.end();
        self.links.end();
        self.scalars(&span);
    }

    fn scalars(&mut self, span: &Span<'_>) {
        let (start, end) = (time(span.start), time(span.end));
        let duration = start.zip(end).and_then(|(start, end)| end.checked_sub(start)).filter(|nanos| *nanos >= 0);
        self.start_time.append_option(start);
        self.end_time.append_option(end);
        self.duration.append_option(duration);
        put_id::<16>(&mut self.trace_id, span.trace_id);
        put_id::<8>(&mut self.span_id, span.span_id);
        put_id::<8>(&mut self.parent_span_id, span.parent_span_id);
        put_text(&mut self.trace_state, span.trace_state);
        self.flags.append_value(span.flags);
        put_text(&mut self.name, span.name);
        put_word(&mut self.kind, &KINDS, span.kind);
        put_word(&mut self.status_code, &STATUS_CODES, span.status_code);
        put_text(&mut self.status_message, span.status_message);
        self.dropped_attributes.append_value(span.dropped_attributes);
        self.dropped_events.append_value(span.dropped_events);
        self.dropped_links.append_value(span.dropped_links);
    }

    pub fn finish(&mut self, columns: &mut Vec<ArrayRef>) -> Result<(), ArrowError> {
        columns.push(Arc::new(self.start_time.finish().with_timezone("UTC")));
        columns.push(Arc::new(self.end_time.finish().with_timezone("UTC")));
        columns.push(Arc::new(self.duration.finish()));
        columns.push(Arc::new(self.trace_id.finish()));
        columns.push(Arc::new(self.span_id.finish()));
        columns.push(Arc::new(self.parent_span_id.finish()));
        columns.push(Arc::new(self.trace_state.finish()));
        columns.push(Arc::new(self.flags.finish()));
        columns.push(Arc::new(self.name.finish()));
        columns.push(Arc::new(self.kind.finish()));
        columns.push(Arc::new(self.status_code.finish()));
        columns.push(Arc::new(self.status_message.finish()));
        columns.extend(self.attributes.finish()?);
        columns.push(Arc::new(self.dropped_attributes.finish()));
        columns.push(self.events.finish()?);
        columns.push(Arc::new(self.dropped_events.finish()));
        columns.push(self.links.finish()?);
        columns.push(Arc::new(self.dropped_links.finish()));
        Ok(())
    }
}

impl<'a> Span<'a> {
    /// A status that is written twice is one: the last of each of its fields.
    fn status(&mut self, status: &'a [u8]) {
        for field in Message::new(status).fields() {
            match field.number {
                2 => self.status_message = field.text(),
                3 => self.status_code = field.varint(),
                _ => {}
            }
        }
    }
}

#[derive(Default)]
struct Event {
    time: TimestampNanosecondBuilder,
    name: StringBuilder,
    attributes: Maps,
    dropped: UInt32Builder,
}

impl Element for Event {
    fn fields() -> Fields {
        event_fields()
    }

    fn push(&mut self, event: &[u8]) {
        let (mut at, mut name, mut dropped) = (0, "", 0);
        self.attributes.begin();
        for field in Message::new(event).fields() {
            match field.number {
                1 => at = field.fixed64(),
                2 => name = field.text(),
                3 => self.attributes.push(field.payload()),
                4 => dropped = field.varint() as u32,
                _ => {}
            }
        }
        self.attributes.end();
        self.time.append_option(time(at));
        put_text(&mut self.name, name);
        self.dropped.append_value(dropped);
    }

    fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let [attributes, types] = self.attributes.finish()?;
        Ok(vec![
            Arc::new(self.time.finish().with_timezone("UTC")),
            Arc::new(self.name.finish()),
            attributes,
            types,
            Arc::new(self.dropped.finish()),
        ])
    }
}

#[derive(Default)]
struct Link {
    trace_id: StringBuilder,
    span_id: StringBuilder,
    trace_state: StringBuilder,
    flags: UInt32Builder,
    attributes: Maps,
    dropped: UInt32Builder,
}

impl Element for Link {
    fn fields() -> Fields {
        link_fields()
    }

    fn push(&mut self, link: &[u8]) {
        let (mut trace_id, mut span_id, mut state): (&[u8], &[u8], _) = (&[], &[], "");
        let (mut flags, mut dropped) = (0, 0);
        self.attributes.begin();
        for field in Message::new(link).fields() {
            match field.number {
                1 => trace_id = field.payload(),
                2 => span_id = field.payload(),
                3 => state = field.text(),
                4 => self.attributes.push(field.payload()),
                5 => dropped = field.varint() as u32,
                6 => flags = field.fixed32(),
                _ => {}
            }
        }
        self.attributes.end();
        put_id::<16>(&mut self.trace_id, trace_id);
        put_id::<8>(&mut self.span_id, span_id);
        put_text(&mut self.trace_state, state);
        self.flags.append_value(flags);
        self.dropped.append_value(dropped);
    }

    fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let [attributes, types] = self.attributes.finish()?;
        Ok(vec![
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.trace_state.finish()),
            Arc::new(self.flags.finish()),
            attributes,
            types,
            Arc::new(self.dropped.finish()),
        ])
    }
}
