//! Log records.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Int32Builder, StringBuilder, TimestampNanosecondBuilder, UInt32Builder};
use arrow_schema::ArrowError;
use wasmill_wire::{Any, Message, any};

use super::text::{Maps, letter, put_any, put_id, put_text, time};

#[derive(Default)]
pub struct Logs {
    time: TimestampNanosecondBuilder,
    observed_time: TimestampNanosecondBuilder,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    flags: UInt32Builder,
    severity_number: Int32Builder,
    severity_text: StringBuilder,
    event_name: StringBuilder,
    body: StringBuilder,
    body_type: StringBuilder,
    attributes: Maps,
    dropped_attributes: UInt32Builder,
    /// Of a body that is written in parts.
    merged: Vec<u8>,
    scratch: Vec<u8>,
}

/// What may be written more than once, of which the last counts.
#[derive(Default)]
struct Log<'a> {
    time: u64,
    observed: u64,
    severity: i32,
    severity_text: &'a str,
    body: Option<&'a [u8]>,
    bodies: usize,
    dropped: u32,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    event_name: &'a str,
}

impl Logs {
    pub fn row(&mut self, record: &Message<'_>) {
        let mut log = Log::default();
        self.attributes.begin();
        for field in record.fields() {
            match field.number {
                1 => log.time = field.fixed64(),
                2 => log.severity = field.varint() as i32,
                3 => log.severity_text = field.text(),
                5 => {
                    log.body = Some(field.payload());
                    log.bodies += 1;
                }
                6 => self.attributes.push(field.payload()),
                7 => log.dropped = field.varint() as u32,
                8 => log.flags = field.fixed32(),
                9 => log.trace_id = field.payload(),
                10 => log.span_id = field.payload(),
                11 => log.observed = field.fixed64(),
                12 => log.event_name = field.text(),
                _ => {}
            }
        }
        self.attributes.end();
        self.body(record, &log);
        self.time.append_option(time(log.time));
        self.observed_time.append_option(time(log.observed));
        put_id::<16>(&mut self.trace_id, log.trace_id);
        put_id::<8>(&mut self.span_id, log.span_id);
        self.flags.append_value(log.flags);
        self.severity_number.append_value(log.severity);
        put_text(&mut self.severity_text, log.severity_text);
        put_text(&mut self.event_name, log.event_name);
        self.dropped_attributes.append_value(log.dropped);
    }

    /// A body in parts, which hardly anybody writes, is their concatenation.
    fn body(&mut self, record: &Message<'_>, log: &Log<'_>) {
        let value = match log.body {
            None => Any::Empty,
            Some(body) if log.bodies == 1 => any(body),
            Some(_) => {
                self.merged.clear();
                let bodies = record.fields().filter(|field| field.number == 5);
                bodies.for_each(|field| self.merged.extend_from_slice(field.payload()));
                any(&self.merged)
            }
        };
        let kind = letter(&value);
        put_any(&mut self.body, &value, &mut self.scratch);
        self.body_type.append_value(kind.encode_utf8(&mut [0; 4]));
    }

    pub fn finish(&mut self, columns: &mut Vec<ArrayRef>) -> Result<(), ArrowError> {
        columns.push(Arc::new(self.time.finish().with_timezone("UTC")));
        columns.push(Arc::new(self.observed_time.finish().with_timezone("UTC")));
        columns.push(Arc::new(self.trace_id.finish()));
        columns.push(Arc::new(self.span_id.finish()));
        columns.push(Arc::new(self.flags.finish()));
        columns.push(Arc::new(self.severity_number.finish()));
        columns.push(Arc::new(self.severity_text.finish()));
        columns.push(Arc::new(self.event_name.finish()));
        columns.push(Arc::new(self.body.finish()));
        columns.push(Arc::new(self.body_type.finish()));
        columns.extend(self.attributes.finish()?);
        columns.push(Arc::new(self.dropped_attributes.finish()));
        Ok(())
    }
}
