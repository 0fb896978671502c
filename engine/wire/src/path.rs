//! Paths: which field of a record, or of its parents, a column or an edit is about.
//!
//! The grammar is that of the Collector's transformation language (OTTL):
//!
//! ```text
//!  path    = [ context "." ] name { "." name } { "[" key "]" }
//!  context = "span" | "log" | "datapoint"              may be left out
//!          | "spanevent" | "spanlink" | "exemplar"     inner records: the column is a sequence
//!          | "metric" | "scope" | "instrumentation_scope" | "resource" | "request"
//!  key     = text in double quotes, with \" \\ \n \t \r  |  number, the place in a list
//! ```
//!
//! `attributes` alone is the whole map, `attributes["a"]["b"]` looks into a map within. Which names there are stands in
//! one table, in `path/table.rs`. `request.metadata["k"]` is parsed here too, although no record has it: the host, which
//! knows the request's context, makes that column.

mod nearest;
mod table;

use std::fmt;

pub(crate) use table::{Code, Entry, Inner, names};
pub use table::{Field, Level};

use crate::{ColumnType, Signal, TextForm};

/// A path that was checked against its signal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    pub signal: Signal,
    pub field: Field,
    /// The keys that follow: `attributes["a"]["b"]` has two. Empty: the field itself, a whole map for attributes.
    pub keys: Vec<Key>,
}

/// A step into a map or a list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// The first entry of a map with this key.
    Name(String),
    /// A place in a list, counted from 0.
    Index(u32),
}

/// A path that cannot be, with the character at which that shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` at character {at}: {reason}")]
pub struct PathError {
    pub path: String,
    /// Counted from 0, in characters.
    pub at: usize,
    /// What was expected, the nearest valid name included.
    pub reason: String,
}

/// Keys in one path; as many as a value may nest.
const KEYS_MAX: usize = 32;

/// Bytes in a path: attribute keys are short, and a path is compared often.
const PATH_LEN_MAX: usize = 4096;

impl Path {
    /// Parses a path of a signal.
    pub fn parse(signal: Signal, text: &str) -> Result<Path, PathError> {
        if text.len() > PATH_LEN_MAX {
            let path = text.chars().take(40).collect::<String>() + "…";
            return Err(PathError { path, at: 0, reason: format!("longer than {PATH_LEN_MAX} bytes") });
        }
        let mut reader = Reader { text, at: 0 };
        let name = reader.name();
        let Some(entry) = table::find(signal, name) else {
            return Err(reader.unknown(signal, name));
        };
        let path = Path { signal, field: entry.field, keys: reader.keys(entry)? };
        match entry.code {
            Code::Metadata if path.keys.is_empty() => {
                Err(reader.error(reader.at, "expected a key, such as `request.metadata[\"x-tenant\"]`".into()))
            }
            Code::Metadata if !matches!(path.keys.as_slice(), [Key::Name(_)]) => {
                Err(reader.error(name.len(), "metadata has one key, a text".into()))
            }
            _ => Ok(path),
        }
    }

    /// The whole part of a record or parent that this path is in.
    pub fn level(&self) -> Level {
        self.entry().level
    }

    /// Whether it may be changed. What may not is derived (`duration`), decided by the data (a metric's type), or the
    /// request's.
    pub fn editable(&self) -> bool {
        self.entry().edit
    }

    /// The type that the values have by nature: that of the message, `any` for what is typed by row.
    pub fn column_type(&self) -> ColumnType {
        let entry = self.entry();
        let element = match (self.keys.is_empty(), entry.code) {
            (false, Code::Metadata) => ColumnType::Text(TextForm::Either),
            (false, _) => ColumnType::Any(TextForm::Either),
            (true, code) => code.column_type(),
        };
        match entry.inner.is_some() || entry.code.is_repeated() {
            true => ColumnType::Sequence(Box::new(element)),
            false => element,
        }
    }

    /// Whether a column of this type can be had: the natural one, with any form of text; the 64-bit integer for other
    /// integers; for what is typed by row any one type, with no value where a row has another.
    pub fn accepts(&self, column: &ColumnType) -> bool {
        match (self.column_type(), column) {
            (ColumnType::Sequence(natural), ColumnType::Sequence(asked)) => natural.gives(asked),
            (natural, asked) => natural.gives(asked),
        }
    }

    pub(crate) fn entry(&self) -> &'static Entry {
        table::of(self.signal, self.field)
    }
}

impl fmt::Display for Path {
    /// In its shortest form: `attributes["http.route"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().name)?;
        for key in &self.keys {
            match key {
                Key::Index(index) => write!(f, "[{index}]")?,
                Key::Name(name) => {
                    f.write_str("[\"")?;
                    for char in name.chars() {
                        match char {
                            '"' => f.write_str("\\\"")?,
                            '\\' => f.write_str("\\\\")?,
                            '\n' => f.write_str("\\n")?,
                            '\t' => f.write_str("\\t")?,
                            '\r' => f.write_str("\\r")?,
                            char => write!(f, "{char}")?,
                        }
                    }
                    f.write_str("\"]")?;
                }
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Reader<'a> {
    /// The names up to the first bracket, dots included.
    fn name(&mut self) -> &'a str {
        let end = self.text.find(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '_' | '.')));
        self.at = end.unwrap_or(self.text.len());
        &self.text[..self.at]
    }

    fn unknown(&self, signal: Signal, name: &str) -> PathError {
        if name.is_empty() {
            return self.error(0, format!("expected a name, such as `{}`", table::example(signal)));
        }
        // The error points at the first part that no valid path has at that place.
        let mut at = 0;
        for (start, part) in parts(name) {
            let known = &name[..start + part.len()];
            at = start;
            if !table::has_prefix(signal, known) {
                break;
            }
        }
        let nearest = nearest::nearest(table::without_own_context(signal, name), names(signal));
        let reason = match (names(signal).any(|valid| valid.starts_with(&format!("{name}."))), nearest) {
            (true, _) => {
                let valid: Vec<&str> =
                    names(signal).filter(|valid| valid.starts_with(&format!("{name}."))).take(8).collect();
                return self.error(name.len(), format!("expected one of its fields: `{}`", valid.join("`, `")));
            }
            (false, Some(nearest)) => format!("no such field of {signal}, did you mean `{nearest}`?"),
            (false, None) => format!("no such field of {signal}, such as `{}`", table::example(signal)),
        };
        self.error(at, reason)
    }

    fn keys(&mut self, entry: &Entry) -> Result<Vec<Key>, PathError> {
        let mut keys = Vec::new();
        while self.at < self.text.len() {
            let start = self.at;
            if !self.eat(b'[') {
                return Err(self.error(start, "expected `[` or the end of the path".into()));
            }
            if !entry.code.has_keys() {
                return Err(self.error(start, format!("`{}` has no keys", entry.name)));
            }
            if keys.len() == KEYS_MAX {
                return Err(self.error(start, format!("more than {KEYS_MAX} keys")));
            }
            if keys.is_empty() && entry.code.is_map() && self.peek() != Some(b'"') {
                return Err(self.error(self.at, "expected a key in double quotes".into()));
            }
            keys.push(match self.peek() {
                Some(b'"') => Key::Name(self.quoted()?),
                Some(b'0'..=b'9') => Key::Index(self.number()?),
                _ => return Err(self.error(self.at, "expected a key in double quotes or the place in a list".into())),
            });
            if !self.eat(b']') {
                return Err(self.error(self.at, "expected `]`".into()));
            }
        }
        Ok(keys)
    }

    fn quoted(&mut self) -> Result<String, PathError> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((place, char)) = chars.next() {
            match char {
                '"' => {
                    self.at = start + 1 + place + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    _ => {
                        let expected = "expected one of `\\\"`, `\\\\`, `\\n`, `\\t`, `\\r`";
                        return Err(self.error(start + 1 + place, expected.into()));
                    }
                },
                char => out.push(char),
            }
        }
        Err(self.error(start, "the quote is not closed".into()))
    }

    fn number(&mut self) -> Result<u32, PathError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.text[start..self.at].parse().map_err(|_| self.error(start, "larger than any list".into()))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// An error at a byte of the text.
    fn error(&self, at: usize, reason: String) -> PathError {
        let at = self.text.char_indices().take_while(|&(place, _)| place < at).count();
        PathError { path: self.text.to_owned(), at, reason }
    }
}

/// The names between dots, each with its first byte.
fn parts(name: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    name.split('.').map(move |part| {
        let at = start;
        start += part.len() + 1;
        (at, part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(signal: Signal, text: &str) -> Path {
        Path::parse(signal, text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Every name of the table parses, with its context too, and is displayed as it was written.
    #[test]
    fn every_name_parses() {
        for signal in Signal::ALL {
            for name in names(signal) {
                let text = match name {
                    "request.metadata" => "request.metadata[\"x-tenant\"]".to_owned(),
                    name => name.to_owned(),
                };
                let path = parse(signal, &text);
                assert_eq!(path.to_string(), text);
                assert!(path.accepts(&path.column_type()), "{text}");
            }
        }
        assert_eq!(parse(Signal::Traces, "span.status.code").field, Field::StatusCode);
        assert_eq!(parse(Signal::Logs, "log.body"), parse(Signal::Logs, "body"));
        assert_eq!(parse(Signal::Metrics, "datapoint.value_int").field, Field::ValueInt);
        assert_eq!(parse(Signal::Logs, "instrumentation_scope.name").field, Field::ScopeName);
    }

    /// Keys: nested, places in lists, escapes; what is displayed parses to the same.
    #[test]
    fn keys_are_read_and_written() {
        let path = parse(Signal::Logs, r#"body["a \"b\" \\ \n"][3]["c"]"#);
        assert_eq!(path.keys, [Key::Name("a \"b\" \\ \n".into()), Key::Index(3), Key::Name("c".into())]);
        assert_eq!(parse(Signal::Logs, &path.to_string()), path);
        assert_eq!(path.column_type(), ColumnType::Any(TextForm::Either));
        assert!(path.accepts(&ColumnType::Text(TextForm::Dictionary)));
        assert!(!path.accepts(&ColumnType::UInt32));
        let events = parse(Signal::Traces, r#"spanevent.attributes["k"]"#);
        assert_eq!(events.column_type(), ColumnType::Sequence(Box::new(ColumnType::Any(TextForm::Either))));
    }

    /// Each mistake is told with the character that it shows at, and what was expected there.
    #[test]
    fn mistakes_are_pointed_at() {
        for (signal, text, at, says) in [
            (Signal::Traces, "", 0, "expected a name"),
            (Signal::Traces, "stat.code", 0, "did you mean `status.code`?"),
            (Signal::Traces, "status.cod", 7, "did you mean `status.code`?"),
            (Signal::Traces, "span.nme", 5, "did you mean `name`?"),
            (Signal::Traces, "severity_number", 0, "no such field of traces"),
            (Signal::Traces, "status", 6, "`status.code`, `status.message`"),
            (Signal::Traces, "name[\"k\"]", 4, "`name` has no keys"),
            (Signal::Traces, "attributes[k]", 11, "expected a key in double quotes"),
            (Signal::Traces, "attributes[0]", 11, "expected a key in double quotes"),
            (Signal::Traces, "attributes[\"é\" ]", 14, "expected `]`"),
            (Signal::Traces, "attributes[\"é", 11, "the quote is not closed"),
            (Signal::Traces, "attributes[\"é\\x\"]", 13, "expected one of"),
            (Signal::Traces, "attributes[\"k\"] ", 15, "expected `[` or the end"),
            (Signal::Logs, "body[99999999999]", 5, "larger than any list"),
            (Signal::Metrics, "request.metadata", 16, "expected a key"),
        ] {
            let error = Path::parse(signal, text).expect_err(text);
            assert_eq!(error.at, at, "{error}");
            assert!(error.reason.contains(says), "{error}");
        }
        assert!(Path::parse(Signal::Logs, &"é".repeat(PATH_LEN_MAX)).is_err());
        assert!(Path::parse(Signal::Logs, &format!("body{}", "[0]".repeat(KEYS_MAX + 1))).is_err());
    }
}
