//! Conversions as Go makes them: numbers to text and back, values to JSON, letters to another case.

use std::fmt::Write;

use crate::Reason;
use crate::value::{Value, entries, items};

/// Messages in each other at most, as on the wire.
const DEPTH_MAX: usize = 100;

/// A whole number of a text: digits with or without a sign.
pub(crate) fn int_of_text(text: &str) -> Result<i64, Reason> {
    text.parse().map_err(|_| Reason::NotANumber)
}

/// A number of a text. One that is out of range is none.
pub(crate) fn double_of_text(text: &str) -> Result<f64, Reason> {
    match text.parse::<f64>() {
        Ok(value) if value.is_infinite() && text.bytes().any(|b| b.is_ascii_digit()) => Err(Reason::NotANumber),
        Ok(value) => Ok(value),
        Err(_) => Err(Reason::NotANumber),
    }
}

/// Towards zero; what is out of range is the smallest number, as on the Collector's usual machines.
pub(crate) fn int_of_double(value: f64) -> i64 {
    // Both bounds are exact as doubles; the upper one is the first that is out of range.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) { value as i64 } else { i64::MIN }
}

pub(crate) fn bool_of_text(text: &str) -> Result<bool, Reason> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(Reason::NotABool),
    }
}

/// What a value is where text is wanted. Nil is nobody's text: callers ask for it before.
pub(crate) fn text_of(value: Value<'_>, out: &mut String) -> Result<(), Reason> {
    match value {
        Value::Nil => Err(Reason::Unconvertible),
        Value::Text(text) => {
            out.push_str(text);
            Ok(())
        }
        Value::Bytes(bytes) => {
            hex(bytes, out);
            Ok(())
        }
        // The Collector writes an id as the list of its bytes; `….string` is what one wants.
        Value::SpanId(id) => bytes_list(&id, out),
        Value::TraceId(id) => bytes_list(&id, out),
        Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::List(_) | Value::Map(_) => {
            json(value, Style::Strict, out, 0)
        }
    }
}

/// What `body.string` is: never a failure, and nothing for nil.
pub(crate) fn plain_text_of(value: Value<'_>, out: &mut String) {
    match value {
        Value::Nil | Value::SpanId(_) | Value::TraceId(_) => {}
        Value::Text(text) => out.push_str(text),
        Value::Bytes(bytes) => base64(bytes, out),
        Value::Double(value) if value.is_nan() => out.push_str("NaN"),
        Value::Double(value) if value.is_infinite() => out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" }),
        Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::List(_) | Value::Map(_) => {
            let start = out.len();
            if json(value, Style::Plain, out, 0).is_err() {
                out.truncate(start);
            }
        }
    }
}

/// The Collector has two writers of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `<`, `>` and `&` escaped, exponents of two digits.
    Strict,
    Plain,
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)] as char);
        out.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

fn bytes_list(bytes: &[u8], out: &mut String) -> Result<(), Reason> {
    for (place, byte) in bytes.iter().enumerate() {
        let before = if place == 0 { '[' } else { ',' };
        write!(out, "{before}{byte}").map_err(|_| Reason::Unconvertible)?;
    }
    out.push(']');
    Ok(())
}

/// Bytes of hexadecimal digits in either case.
pub(crate) fn bytes_of_hex(digits: &[u8], out: &mut [u8]) -> Result<(), Reason> {
    if digits.len() != out.len() * 2 {
        return Err(Reason::BadId);
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |b: u8| (b as char).to_digit(16).ok_or(Reason::BadId);
        *byte = (nibble(pair[0])? << 4 | nibble(pair[1])?) as u8;
    }
    Ok(())
}

/// JSON as Go writes it: keys sorted, bytes in base 64.
fn json(value: Value<'_>, style: Style, out: &mut String, depth: usize) -> Result<(), Reason> {
    if depth > DEPTH_MAX {
        return Err(Reason::Malformed);
    }
    match value {
        Value::Nil | Value::SpanId(_) | Value::TraceId(_) => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Int(value) => write!(out, "{value}").map_err(|_| Reason::Unconvertible)?,
        Value::Double(value) => double(value, style, out)?,
        Value::Text(text) => json_text(text, style, out),
        // In Go, no bytes are no value.
        Value::Bytes([]) => out.push_str("null"),
        Value::Bytes(bytes) => {
            out.push('"');
            base64(bytes, out);
            out.push('"');
        }
        Value::List(list) => {
            out.push('[');
            for (place, item) in items(list).enumerate() {
                if place > 0 {
                    out.push(',');
                }
                json(item, style, out, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut sorted: Vec<(&str, Value<'_>)> = entries(map).collect();
            // The Collector makes a Go map of it first, where the last of equal keys is left.
            sorted.reverse();
            sorted.sort_by_key(|(key, _)| *key);
            sorted.dedup_by(|(later, _), (earlier, _)| later == earlier);
            out.push('{');
            for (place, (key, value)) in sorted.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                json_text(key, style, out);
                out.push(':');
                json(value, style, out, depth + 1)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// The shortest digits that read as the same number; with an exponent where it is tiny or huge.
fn double(value: f64, style: Style, out: &mut String) -> Result<(), Reason> {
    if !value.is_finite() {
        return Err(Reason::Unconvertible);
    }
    let size = value.abs();
    let written = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let start = out.len();
        let written = write!(out, "{value:e}");
        // Go writes the exponent's sign, and two digits at least.
        if let Some(at) = out[start..].find('e') {
            let exponent = out.split_off(start + at + 1);
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent.as_str()), |digits| ('-', digits));
            out.push(sign);
            if digits.len() < 2 && (style == Style::Strict || sign == '+') {
                out.push('0');
            }
            out.push_str(digits);
        }
        written
    } else {
        write!(out, "{value}")
    };
    written.map_err(|_| Reason::Unconvertible)
}

fn json_text(text: &str, style: Style, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' if style == Style::Plain => out.push_str("\\b"),
            '\u{c}' if style == Style::Plain => out.push_str("\\f"),
            '<' | '>' | '&' if style == Style::Plain => out.push(c),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    out.extend(char::from_digit(c as u32 >> shift & 15, 16));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0u32, |word, (place, byte)| word | u32::from(*byte) << (16 - 8 * place));
        for place in 0..4 {
            match place <= chunk.len() {
                true => out.push(DIGITS[(word >> (18 - 6 * place) & 63) as usize] as char),
                false => out.push('='),
            }
        }
    }
}

/// The cases of `ConvertCase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    Upper,
    Snake,
    Camel,
}

impl Case {
    pub(crate) const NAMES: [&'static str; 4] = ["lower", "upper", "snake", "camel"];

    pub(crate) fn from_name(name: &str) -> Option<Case> {
        Some(match name {
            "lower" => Case::Lower,
            "upper" => Case::Upper,
            "snake" => Case::Snake,
            "camel" => Case::Camel,
            _ => return None,
        })
    }

    /// Appends the text in this case.
    pub(crate) fn convert(self, text: &str, out: &mut String) {
        match self {
            Case::Lower => out.extend(text.chars().map(lower)),
            Case::Upper => out.extend(text.chars().map(upper)),
            Case::Snake => snake(text, out),
            Case::Camel => camel(text, out),
        }
    }
}

/// One letter for one letter: Go knows no others.
fn lower(c: char) -> char {
    match c {
        // The one letter whose lower case is two, and which has a single one too.
        'İ' => 'i',
        c => single(c, c.to_lowercase()),
    }
}

fn upper(c: char) -> char {
    match c {
        // Greek letters with a iota below: their capital is two letters, and their title case, which Go takes, is one.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(c as u32 + 8).unwrap_or(c)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => char::from_u32(c as u32 + 9).unwrap_or(c),
        c => single(c, c.to_uppercase()),
    }
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => c,
    }
}

/// `someName`, `SOME-name` and `some.name` as `some_name`: at changes between lower case, upper case and digits, with runs of
/// capitals as one word.
fn snake(text: &str, out: &mut String) {
    let text = text.trim();
    let bytes = text.as_bytes();
    let at = |place: Option<usize>| place.and_then(|place| bytes.get(place)).copied().unwrap_or(0);
    for (place, c) in text.char_indices() {
        if !c.is_ascii() {
            out.push(c);
            continue;
        }
        let (own, next, before) = (c as u8, at(place.checked_add(1)), at(place.checked_sub(1)));
        let changes = own.is_ascii_uppercase() && (next.is_ascii_lowercase() || next.is_ascii_digit())
            || own.is_ascii_lowercase() && (next.is_ascii_uppercase() || next.is_ascii_digit())
            || own.is_ascii_digit() && next.is_ascii_alphabetic();
        if changes {
            if own.is_ascii_uppercase() && next.is_ascii_lowercase() && before.is_ascii_uppercase() {
                out.push('_');
            }
            out.push(own.to_ascii_lowercase() as char);
            if !own.is_ascii_uppercase() || next.is_ascii_digit() {
                out.push('_');
            }
        } else if matches!(own, b' ' | b'_' | b'-' | b'.') {
            out.push('_');
        } else {
            out.push(own.to_ascii_lowercase() as char);
        }
    }
}

/// `some_name` as `SomeName`. Only ASCII letters and digits are left.
fn camel(text: &str, out: &mut String) {
    let text = text.trim();
    // The Collector's library knows one acronym by itself.
    let (text, acronym) = if text == "ID" { ("id", true) } else { (text, false) };
    let mut capital_next = true;
    let mut after_capital = false;
    for c in text.bytes() {
        let own = if capital_next {
            c.to_ascii_uppercase()
        } else if after_capital && c.is_ascii_uppercase() && !acronym {
            c.to_ascii_lowercase()
        } else {
            c
        };
        after_capital = c.is_ascii_uppercase();
        if c.is_ascii_alphabetic() {
            out.push(own as char);
            capital_next = false;
        } else if c.is_ascii_digit() {
            out.push(own as char);
            capital_next = true;
        } else {
            capital_next = matches!(c, b'_' | b' ' | b'-' | b'.');
        }
    }
}
