//! A parsed value that knows where it stands.

use std::rc::Rc;

use crate::source::Span;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub span: Span,
    pub value: Value,
    pub shown: Shown,
}

/// What messages may show of a value.
#[derive(Clone, Debug, Default)]
pub(crate) enum Shown {
    #[default]
    Value,
    /// The `${…}` that it came out of, as written: variables hold secrets.
    Expansion(Rc<str>),
    /// Only what kind of value it is.
    Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

/// A scalar as it was written, and what YAML takes it for.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// For fields that are texts whatever they look like: `x-tenant: 007` is `007`.
    pub text: Rc<str>,
    pub typed: Typed,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Typed {
    Text,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
}

impl Node {
    pub fn new(span: Span, value: Value) -> Node {
        Node { span, value, shown: Shown::Value }
    }

    pub fn text(span: Span, text: impl Into<Rc<str>>) -> Node {
        Node::new(span, Value::Scalar(Scalar { text: text.into(), typed: Typed::Text }))
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// For messages: `the text `lots``, `a list`, `nothing`.
    pub fn describe(&self) -> String {
        /// Longer values are cut: the line is shown beside.
        const SHOWN_MAX: usize = 60;
        match (&self.value, &self.shown) {
            (_, Shown::Expansion(expansion)) => format!("{} from `{expansion}`", self.kind_name()),
            (Value::Scalar(scalar), Shown::Value) => {
                let mut shown: String = scalar.text.chars().take(SHOWN_MAX).collect();
                if shown.len() < scalar.text.len() {
                    shown.push('…');
                }
                format!("{} `{shown}`", self.kind_name().replacen("a ", "the ", 1))
            }
            _ => self.kind_name().to_owned(),
        }
    }

    pub fn kind_name(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(scalar) => match scalar.typed {
                Typed::Text => "a text",
                Typed::Bool(_) => "a boolean",
                Typed::Int(_) | Typed::Uint(_) | Typed::Float(_) => "a number",
            },
        }
    }
}

impl Scalar {
    /// What a plain scalar means, as the Collector's YAML library has it: `yes` and `on` are texts, a leading zero is octal.
    /// `None`: nothing (`~`, `null`, the empty text).
    pub fn plain(text: &str) -> Option<Scalar> {
        let typed = match text {
            "" | "~" | "null" | "Null" | "NULL" => return None,
            "true" | "True" | "TRUE" => Typed::Bool(true),
            "false" | "False" | "FALSE" => Typed::Bool(false),
            _ => number(text).unwrap_or(Typed::Text),
        };
        Some(Scalar { text: text.into(), typed })
    }
}

fn number(text: &str) -> Option<Typed> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    match digits {
        ".inf" | ".Inf" | ".INF" => {
            return Some(Typed::Float(if sign == "-" { -f64::INFINITY } else { f64::INFINITY }));
        }
        ".nan" | ".NaN" | ".NAN" if sign.is_empty() => return Some(Typed::Float(f64::NAN)),
        _ => {}
    }
    integer(sign, digits).or_else(|| float(sign, digits))
}

fn integer(sign: &str, digits: &str) -> Option<Typed> {
    let digits = digits.replace('_', "");
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits.as_str()),
    };
    // `from_str_radix` takes a sign of its own.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let signed = format!("{sign}{digits}");
    let int = i64::from_str_radix(&signed, radix).map(Typed::Int);
    int.or_else(|_| u64::from_str_radix(&signed, radix).map(Typed::Uint)).ok()
}

fn float(sign: &str, digits: &str) -> Option<Typed> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let has_digit = digits.bytes().any(|b| b.is_ascii_digit());
    if !plain || !has_digit || digits.starts_with(['+', '-', 'e', 'E']) {
        return None;
    }
    format!("{sign}{digits}").parse().ok().map(Typed::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Option<Typed> {
        Scalar::plain(text).map(|scalar| scalar.typed)
    }

    #[test]
    fn plain_scalars_mean_what_they_mean_to_the_collector() {
        let cases = [
            ("true", Typed::Bool(true)),
            ("False", Typed::Bool(false)),
            ("yes", Typed::Text),
            ("on", Typed::Text),
            ("42", Typed::Int(42)),
            ("-7", Typed::Int(-7)),
            ("+7", Typed::Int(7)),
            ("1_000", Typed::Int(1000)),
            ("0x1F", Typed::Int(31)),
            ("0o17", Typed::Int(15)),
            ("017", Typed::Int(15)),
            ("0b101", Typed::Int(5)),
            ("9223372036854775807", Typed::Int(i64::MAX)),
            ("18446744073709551615", Typed::Uint(u64::MAX)),
            ("18446744073709551616", Typed::Float(18446744073709551616.0)),
            ("0.1", Typed::Float(0.1)),
            ("-1e3", Typed::Float(-1000.0)),
            (".5", Typed::Float(0.5)),
            (".inf", Typed::Float(f64::INFINITY)),
            ("0", Typed::Int(0)),
            ("1.2.3", Typed::Text),
            ("5s", Typed::Text),
            ("--1", Typed::Text),
            ("+-1", Typed::Text),
            ("-", Typed::Text),
            (".", Typed::Text),
            ("1e", Typed::Text),
            ("2026-01-01", Typed::Text),
            ("0x", Typed::Text),
            ("12:30", Typed::Text),
            ("4317:", Typed::Text),
        ];
        for (text, expected) in cases {
            assert_eq!(typed(text), Some(expected), "{text}");
        }
        assert!(["", "~", "null"].iter().all(|text| typed(text).is_none()));
    }
}
