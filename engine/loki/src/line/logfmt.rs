//! A line as keys and values: <https://brandur.org/logfmt>.
//!
//! A body that is logfmt itself is taken over as it stands, but for the keys that the record has values for; any other is `msg`. Values
//! within maps and lists have keys of all that leads to them.

use wasmill_wire::Any;

use super::{Source, put_id};
use crate::form::put_number;

/// How deep maps and lists are taken apart; what is deeper is one value, as JSON.
const DEPTH_MAX: usize = 16;

pub(super) fn put(source: &Source<'_, '_>, out: &mut Vec<u8>) {
    let record = source.record;
    let mut pairs = Pairs { start: out.len(), out, key: Vec::new(), value: Vec::new() };
    let has_id = |id: &[u8]| id.iter().any(|byte| *byte != 0);
    let own = [
        ("traceID", has_id(record.trace_id)),
        ("spanID", has_id(record.span_id)),
        ("severity", !record.severity_text.is_empty()),
        ("flags", record.flags != 0),
    ];
    match record.body() {
        Any::Empty => {}
        Any::Text(text) if is_logfmt(text) => {
            for (key, token) in tokens(text) {
                if !own.contains(&(key, true)) {
                    pairs.separate();
                    pairs.out.extend_from_slice(token.as_bytes());
                }
            }
        }
        body @ (Any::Map(_) | Any::List(_)) => {
            if matches!(body, Any::List(_)) {
                pairs.key.extend_from_slice(b"body");
            }
            pairs.put(&body, 0);
        }
        body => pairs.put_at("", "msg", &body),
    }
    for (name, id) in [("traceID", record.trace_id), ("spanID", record.span_id)] {
        pairs.value.clear();
        if put_id(id, &mut pairs.value) {
            pairs.put_text(name);
        }
    }
    pairs.put_at("", "severity", &Any::Text(record.severity_text));
    if record.flags != 0 {
        pairs.value.clear();
        put_number(record.flags.into(), &mut pairs.value);
        pairs.put_text("flags");
    }
    source.attributes().for_each(|(key, value)| pairs.put_at("attribute_", key, &value));
    source.resource_attributes().for_each(|(key, value)| pairs.put_at("resource_", key, &value));
    let (name, version) = source.scope;
    pairs.put_at("instrumentation_scope_", "name", &Any::Text(name));
    if !name.is_empty() {
        pairs.put_at("instrumentation_scope_", "version", &Any::Text(version));
    }
}

struct Pairs<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    /// Of the value that comes, as it is in the record.
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Pairs<'_> {
    fn separate(&mut self) {
        if self.out.len() > self.start {
            self.out.push(b' ');
        }
    }

    fn put_at(&mut self, prefix: &str, key: &str, value: &Any<'_>) {
        self.key.clear();
        self.key.extend_from_slice(prefix.as_bytes());
        self.key.extend_from_slice(key.as_bytes());
        self.put(value, 0);
    }

    /// A text, which is in `value`.
    fn put_text(&mut self, key: &str) {
        self.key.clear();
        self.key.extend_from_slice(key.as_bytes());
        self.put_pair();
    }

    /// At the key so far; nothing for no value, nor for an empty text.
    fn put(&mut self, value: &Any<'_>, depth: usize) {
        let end = self.key.len();
        match value {
            Any::Map(map) if depth < DEPTH_MAX => {
                for (key, value) in map.attributes(1) {
                    self.descend(key.as_bytes(), &value, depth, end);
                }
            }
            Any::List(list) if depth < DEPTH_MAX => {
                let mut digits = Vec::new();
                for (place, element) in list.elements().enumerate() {
                    digits.clear();
                    put_number(place as u64, &mut digits);
                    self.descend(&digits, &element, depth, end);
                }
            }
            value => {
                self.value.clear();
                value.put_text(&mut self.value);
                if !self.value.is_empty() {
                    self.put_pair();
                }
            }
        }
    }

    fn descend(&mut self, key: &[u8], value: &Any<'_>, depth: usize, end: usize) {
        if end > 0 {
            self.key.push(b'_');
        }
        self.key.extend_from_slice(key);
        self.put(value, depth + 1);
        self.key.truncate(end);
    }

    fn put_pair(&mut self) {
        self.separate();
        let start = self.out.len();
        let is_of_keys = |byte: &u8| *byte > b' ' && *byte != b'=' && *byte != b'"' && *byte != 0x7f;
        self.out.extend(self.key.iter().copied().filter(is_of_keys));
        if self.out.len() == start {
            self.out.push(b'_');
        }
        self.out.push(b'=');
        match self.value.iter().all(is_of_keys) && self.value != b"null" {
            true => self.out.extend_from_slice(&self.value),
            false => Any::Text(std::str::from_utf8(&self.value).unwrap_or_default()).put_json(self.out),
        }
    }
}

/// Whether all of a text is keys with values, at least one of them.
fn is_logfmt(text: &str) -> bool {
    let mut end = 0;
    let mut has_one = false;
    for (key, token) in tokens(text) {
        if key.is_empty() || !token.get(key.len()..).is_some_and(|rest| rest.starts_with('=')) {
            return false;
        }
        has_one = true;
        end += token.len();
    }
    has_one && end == text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count() + spaces_within(text)
}

/// Spaces that stand within quotes of the tokens.
fn spaces_within(text: &str) -> usize {
    tokens(text).map(|(_, token)| token.bytes().filter(u8::is_ascii_whitespace).count()).sum()
}

/// Keys, and the pairs that they begin, each as it stands. Ends where a text is none of logfmt.
fn tokens(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let key_end = rest.find(|c: char| c <= ' ' || c == '=' || c == '"').unwrap_or(rest.len());
        let end = match rest.get(key_end..)?.strip_prefix('=') {
            Some(value) if value.starts_with('"') => key_end + 1 + quoted_end(value)?,
            Some(value) => key_end + 1 + value.find(|c: char| c <= ' ').unwrap_or(value.len()),
            None => key_end,
        };
        let token = rest.get(..end).filter(|token| !token.is_empty())?;
        let key = rest.get(..key_end)?;
        rest = rest.get(end..)?;
        Some((key, token))
    })
}

/// Where a text ends that begins with a quote.
fn quoted_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken over, and what becomes a message.
    #[test]
    fn logfmt_is_told_from_text() {
        for (text, expected) in [
            ("a=1", true),
            (r#"  a=1 b="two \"words\"" c= d=x=y"#, true),
            ("", false),
            ("hello", false),
            ("hello a=1", false),
            ("a=1 \"b\"", false),
            (r#"a="open"#, false),
            (r#"a=1 b="open"#, false),
            ("=1", false),
        ] {
            assert_eq!(is_logfmt(text), expected, "{text:?}");
        }
    }
}
