//! A line as a JSON object.

use wasmill_wire::Any;

use super::{Source, put_id};
use crate::form::put_number;

/// `body`, `traceid`, `spanid`, `severity` (its text), `flags`, `attributes`, `resources` and `instrumentation_scope`, each where there is
/// one.
pub(super) fn put(source: &Source<'_, '_>, out: &mut Vec<u8>) {
    let record = source.record;
    out.push(b'{');
    let start = out.len();
    let body = record.body();
    if !matches!(body, Any::Empty) {
        key("body", start, out);
        body.put_json(out);
    }
    for (name, id) in [("traceid", record.trace_id), ("spanid", record.span_id)] {
        let before = out.len();
        key(name, start, out);
        out.push(b'"');
        if put_id(id, out) {
            out.push(b'"');
        } else {
            out.truncate(before);
        }
    }
    if !record.severity_text.is_empty() {
        key("severity", start, out);
        Any::Text(record.severity_text).put_json(out);
    }
    if record.flags != 0 {
        key("flags", start, out);
        put_number(record.flags.into(), out);
    }
    put_map("attributes", source.attributes(), start, out);
    put_map("resources", source.resource_attributes(), start, out);
    let (name, version) = source.scope;
    if !name.is_empty() {
        let version = Some(("version", Any::Text(version))).filter(|_| !version.is_empty());
        let scope = [("name", Any::Text(name))].into_iter().chain(version);
        put_map("instrumentation_scope", scope, start, out);
    }
    out.push(b'}');
}

fn key(name: &str, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    Any::Text(name).put_json(out);
    out.push(b':');
}

/// Nothing where there are no entries.
fn put_map<'a>(name: &str, entries: impl Iterator<Item = (&'a str, Any<'a>)>, start: usize, out: &mut Vec<u8>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    key(name, start, out);
    out.push(b'{');
    let first = out.len();
    for (name, value) in entries {
        key(name, first, out);
        value.put_json(out);
    }
    out.push(b'}');
}
