//! A log record, read where it stands.

use wasmill_wire::{Any, Message, RawField, any, attribute};

/// Of an enumeration that is not negative.
const NUMBER_MAX: u64 = i32::MAX as u64;

/// The fields of a `LogRecord` that are no attributes.
pub(crate) struct Record<'a> {
    message: Message<'a>,
    pub observed_time: u64,
    pub severity_number: u64,
    pub severity_text: &'a str,
    pub dropped_attributes: u64,
    pub flags: u32,
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub event_name: &'a str,
    body: Body<'a>,
}

enum Body<'a> {
    None,
    One(&'a [u8]),
    /// It was written in parts.
    Joined(Vec<u8>),
}

impl<'a> Record<'a> {
    pub fn read(message: Message<'a>) -> Record<'a> {
        let mut record = Record {
            observed_time: 0,
            severity_number: 0,
            severity_text: "",
            dropped_attributes: 0,
            flags: 0,
            trace_id: &[],
            span_id: &[],
            event_name: "",
            body: Body::None,
            message: Message::new(&[]),
        };
        for field in message.fields() {
            match field.number {
                2 => record.severity_number = Some(field.varint()).filter(|number| *number <= NUMBER_MAX).unwrap_or(0),
                3 => record.severity_text = field.text(),
                5 => record.body.add(&field),
                7 => record.dropped_attributes = field.varint() & u64::from(u32::MAX),
                8 => record.flags = field.fixed32(),
                9 => record.trace_id = field.payload(),
                10 => record.span_id = field.payload(),
                11 => record.observed_time = field.fixed64(),
                12 => record.event_name = field.text(),
                _ => {}
            }
        }
        record.message = message;
        record
    }

    pub fn body(&self) -> Any<'_> {
        match &self.body {
            Body::None => Any::Empty,
            Body::One(bytes) => any(bytes),
            Body::Joined(bytes) => any(bytes),
        }
    }

    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, Any<'a>)> {
        self.message.fields().filter(|field| field.number == 6).map(|field| attribute(field.payload()))
    }
}

impl<'a> Body<'a> {
    fn add(&mut self, field: &RawField<'a>) {
        *self = match std::mem::replace(self, Body::None) {
            Body::None => Body::One(field.payload()),
            Body::One(first) => Body::Joined([first, field.payload()].concat()),
            Body::Joined(mut all) => {
                all.extend_from_slice(field.payload());
                Body::Joined(all)
            }
        };
    }
}
