//! What stands in a line, where it is not the body alone: everything that is known of the record and is no label.
//!
//! Both formats are the Collector's `lokiexporter`'s, with what they hold in the order of the record.

mod json;
mod logfmt;

use wasmill_wire::{Any, Message};

use crate::form::put_hex;
use crate::options::LineFormat;
use crate::record::Record;

/// Everything that a line may hold.
pub(crate) struct Source<'s, 'a> {
    pub record: &'s Record<'a>,
    /// Attributes that are left out: hints, and those that are labels.
    pub is_left_out: &'s dyn Fn(&str) -> bool,
    pub resource: Option<&'s Message<'a>>,
    pub is_left_out_of_resource: &'s dyn Fn(&str) -> bool,
    /// Name and version.
    pub scope: (&'a str, &'a str),
}

/// Appends the line of a record.
pub(crate) fn put_line(format: LineFormat, source: &Source<'_, '_>, out: &mut Vec<u8>) {
    match format {
        LineFormat::Raw => source.record.body().put_text(out),
        LineFormat::Json => json::put(source, out),
        LineFormat::Logfmt => logfmt::put(source, out),
    }
}

impl<'a> Source<'_, 'a> {
    fn attributes(&self) -> impl Iterator<Item = (&'a str, Any<'a>)> {
        self.record.attributes().filter(|(key, _)| !(self.is_left_out)(key))
    }

    fn resource_attributes(&self) -> impl Iterator<Item = (&'a str, Any<'a>)> {
        let all = self.resource.into_iter().flat_map(|resource| resource.attributes(1));
        all.filter(|(key, _)| !(self.is_left_out_of_resource)(key))
    }
}

/// An id, where there is one: not empty, and not all zero.
fn put_id(id: &[u8], out: &mut Vec<u8>) -> bool {
    let is_there = id.iter().any(|byte| *byte != 0);
    if is_there {
        put_hex(id, out);
    }
    is_there
}
