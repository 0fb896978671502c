//! OTLP/JSON: what must hold of any document and any request, and documents as nobody would write them.

use serde_json::Value;
use wasmill_wire::{JsonDocument, JsonError, Projection, Signal, WIRE_PER_JSON_MAX, WireBatch, from_json, to_json};

use super::{Choices, model};

/// More than any document here needs.
pub const BYTES_MAX: usize = 64 << 20;

pub fn read(signal: Signal, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    from_json(JsonDocument::Request(signal), json, BYTES_MAX)
}

pub fn write(signal: Signal, wire: &[u8]) -> Vec<u8> {
    let mut json = Vec::new();
    to_json(JsonDocument::Request(signal), wire, &mut json).expect("a request that prost takes");
    json
}

/// What a request means, as text: NaN equals itself.
pub fn meaning(signal: Signal, wire: &[u8]) -> String {
    format!("{:?}", model::decode(signal, wire).expect("a request that prost takes"))
}

/// A request that prost takes: its JSON is one line of JSON, and means the same.
pub fn request(signal: Signal, wire: &[u8]) {
    let json = write(signal, wire);
    assert!(!json.contains(&b'\n'));
    // Requests nest deeper than serde_json goes.
    if let Err(error) = serde_json::from_slice::<Value>(&json) {
        assert!(error.to_string().contains("recursion limit"), "{error}: {}", String::from_utf8_lossy(&json));
    }
    let back = read(signal, &json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&json)));
    assert_eq!(meaning(signal, &back), meaning(signal, wire));
}

/// Any bytes: refused at a place of theirs, or taken as a request that the parser and prost take, of bounded length.
pub fn document(signal: Signal, json: &[u8]) {
    match read(signal, json) {
        Err(JsonError::Invalid { offset, reason }) => {
            assert!(offset <= json.len() && !reason.is_empty());
        }
        Err(error) => panic!("{error}"),
        Ok(wire) => {
            assert!(wire.len() <= json.len() * WIRE_PER_JSON_MAX);
            let nothing = Projection::new(signal, Vec::new());
            if let Err(error) = WireBatch::parse(signal, wire.clone().into(), &nothing) {
                panic!("{error}: {}", String::from_utf8_lossy(json));
            }
            request(signal, &wire);
        }
    }
}

/// The same document with names in another order and case, fields that nobody knows, numbers and texts in other forms,
/// nothing where a default is, white space and escapes.
pub fn disguised(c: &mut Choices<'_>, value: &Value, name: &str, out: &mut String) {
    space(c, out);
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            let turn = c.below(members.len());
            members.rotate_left(turn);
            out.push('{');
            for (place, (name, value)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                if c.once_in(6) {
                    unknown(c, out);
                    out.push(',');
                }
                if c.once_in(6) {
                    space(c, out);
                    text(c, name, out);
                    out.push_str(": null,");
                }
                space(c, out);
                let snake = c.once_in(3);
                text(c, &cased(name, snake), out);
                space(c, out);
                out.push(':');
                disguised(c, value, name, out);
            }
            if members.is_empty() && c.once_in(2) {
                unknown(c, out);
            }
            space(c, out);
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                let empty = element.as_object().is_some_and(|members| members.is_empty());
                match empty && c.once_in(2) {
                    true => out.push_str(" null"),
                    false => disguised(c, element, name, out),
                }
            }
            space(c, out);
            out.push(']');
        }
        Value::String(string) => {
            let number = !string.is_empty() && string.parse::<i128>().is_ok_and(|number| number.to_string() == *string);
            let id = name.ends_with("Id");
            match name {
                "intValue" | "asInt" | "count" | "zeroCount" | "bucketCounts" if number && c.once_in(2) => {
                    out.push_str(string);
                }
                _ if name.ends_with("UnixNano") && c.once_in(2) => out.push_str(string),
                "bytesValue" if c.once_in(2) => {
                    let other = string.trim_end_matches('=').replace('+', "-").replace('/', "_");
                    text(c, &other, out);
                }
                _ if id && c.once_in(2) => text(c, &string.to_uppercase(), out),
                _ => text(c, string, out),
            }
        }
        Value::Number(number) => {
            let whole = number.is_i64() || number.is_u64();
            let enumerated = matches!(name, "kind" | "severityNumber" | "code" | "aggregationTemporality");
            match c.below(3) {
                0 if !enumerated => text(c, &number.to_string(), out),
                1 if whole => out.push_str(&format!("{number}.0")),
                _ => out.push_str(&number.to_string()),
            }
        }
        other => out.push_str(&other.to_string()),
    }
    space(c, out);
}

fn cased(name: &str, snake: bool) -> String {
    if !snake {
        return name.to_owned();
    }
    let split = |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
    name.chars().map(split).collect()
}

fn space(c: &mut Choices<'_>, out: &mut String) {
    if c.once_in(5) {
        out.push_str(c.pick(&[" ", "\n", "\t\r\n", "   "]));
    }
}

fn unknown(c: &mut Choices<'_>, out: &mut String) {
    out.push_str(c.pick(&[
        r#""unknown": 1"#,
        r#""trace_Id": [[], {}, [{"a": [1, -2.5e-7, true, null]}], "\"]}"]"#,
        r#""": {"": {"": {"x": "}"}}}"#,
        r#""a name that is much longer than any that a field of one of the messages of OTLP could ever have": false"#,
        r#""\u0000\ud800": "\ud800""#,
    ]));
}

/// A text, some of whose characters are escaped that need not be.
fn text(c: &mut Choices<'_>, text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let must = character < ' ' || matches!(character, '"' | '\\');
        if must || c.once_in(8) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04X}"));
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}
