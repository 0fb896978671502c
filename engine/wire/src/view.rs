//! Records and their parents, read in place: for exporters whose backends want rows in another form.
//!
//! Columns are for decisions, which look at a few fields of all rows. An exporter to Jaeger or Loki writes every field of each row once,
//! one after the other; it walks the message as it stands, and nothing is decoded into structs or allocated for a record.
//!
//! A [`Message`] was validated when its request was parsed. What a field means is protobuf's: whoever walks [`fields`](Message::fields)
//! lets the last of a scalar win; [`message`](Message::message) merges what is repeated where one is expected.

use crate::field::{RawField, fields};
use crate::json::{put_base64, put_double, put_integer, put_text};
use crate::project::value::{self, Parts, Value};
use crate::scan::{PlainValue, plain_entry, plain_value};
use crate::{Index, Parent, Record};

/// A message, in as many parts as it was written in: nearly all are in one.
#[derive(Clone, Debug)]
pub struct Message<'a>(Parts<'a>);

/// An `AnyValue`.
#[derive(Clone, Debug)]
pub enum Any<'a> {
    /// Without a value.
    Empty,
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    /// An `ArrayValue`: [`Message::elements`].
    List(Message<'a>),
    /// A `KeyValueList`: [`Message::attributes`] of field 1.
    Map(Message<'a>),
}

impl<'a> Message<'a> {
    /// Of bytes that hold one whole, valid message.
    pub fn new(bytes: &'a [u8]) -> Message<'a> {
        Message(Parts::One(bytes))
    }

    /// Its bytes, in order; together they are the message.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.0.iter()
    }

    /// Every field, in order, unknown ones included.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = RawField<'a>> + '_ {
        self.0.iter().flat_map(fields)
    }

    /// The message in a field where one is expected, merged where it is repeated; `None` where there is none.
    pub fn message(&self, number: u32) -> Option<Message<'a>> {
        self.0.message(number).map(Message)
    }

    /// The text in a field where one is expected; empty where there is none.
    pub fn text(&self, number: u32) -> &'a str {
        self.0.last(number).map_or("", |field| field.text())
    }

    /// Keys and values of the `KeyValue`s in the fields `number`, in order, repeated keys included.
    pub fn attributes(&self, number: u32) -> impl Iterator<Item = (&'a str, Any<'a>)> + '_ {
        self.0.all(number).map(|field| attribute(field.payload()))
    }

    /// The elements of an `ArrayValue`.
    pub fn elements(&self) -> impl Iterator<Item = Any<'a>> + '_ {
        self.0.all(1).map(|field| any(field.payload()))
    }
}

/// The key and the value of a `KeyValue`.
#[inline]
pub fn attribute(entry: &[u8]) -> (&str, Any<'_>) {
    if let Some((key, value)) = plain_entry(entry) {
        return (std::str::from_utf8(key).unwrap_or_default(), any(value));
    }
    let entry = Parts::One(entry);
    let key = std::str::from_utf8(value::key_of(&entry)).unwrap_or_default();
    (key, Any::of(value::value_of(&entry)))
}

/// What an `AnyValue` holds.
#[inline]
pub fn any(message: &[u8]) -> Any<'_> {
    match plain_value(message) {
        Some(PlainValue::Text(text)) => Any::Text(std::str::from_utf8(text).unwrap_or_default()),
        Some(PlainValue::Bool(bool)) => Any::Bool(bool),
        Some(PlainValue::Int(int)) => Any::Int(int),
        Some(PlainValue::Double(double)) => Any::Double(double),
        None => Any::of(value::any_value(&Parts::One(message))),
    }
}

impl<'a> Any<'a> {
    fn of(value: Value<'a>) -> Any<'a> {
        match value {
            // Parsing refuses text that is not UTF-8.
            Value::Text(text) => Any::Text(std::str::from_utf8(text).unwrap_or_default()),
            Value::Bool(bool) => Any::Bool(bool),
            Value::Int(int) => Any::Int(int),
            Value::Double(double) => Any::Double(double),
            Value::Bytes(bytes) => Any::Bytes(bytes),
            Value::List(parts) => Any::List(Message(parts)),
            Value::Map(parts) => Any::Map(Message(parts)),
            Value::Absent | Value::Empty | Value::UInt(_) | Value::Attributes(..) => Any::Empty,
        }
    }

    /// Appends the value as text, as the Collector does where a backend has nothing but text: a text as it is, numbers in decimal, bytes in
    /// base64, lists and maps as JSON, nothing for no value.
    pub fn put_text(&self, out: &mut Vec<u8>) {
        match self {
            Any::Empty => {}
            Any::Text(text) => out.extend_from_slice(text.as_bytes()),
            Any::Double(double) if double.is_nan() => out.extend_from_slice(b"NaN"),
            Any::Double(double) if double.is_infinite() => {
                out.extend_from_slice(if *double > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            Any::Bytes(bytes) => put_base64(bytes, out),
            other => other.put_json(out),
        }
    }

    /// Appends the value as JSON: bytes as a text in base64, numbers that JSON has not as texts, no value as `null`.
    pub fn put_json(&self, out: &mut Vec<u8>) {
        match self {
            Any::Empty => out.extend_from_slice(b"null"),
            Any::Text(text) => put_text(text.as_bytes(), out),
            Any::Bool(bool) => out.extend_from_slice(if *bool { b"true" } else { b"false" }),
            Any::Int(int) => put_integer(out, *int < 0, int.unsigned_abs()),
            Any::Double(double) => put_double(out, *double),
            Any::Bytes(bytes) => {
                out.push(b'"');
                put_base64(bytes, out);
                out.push(b'"');
            }
            Any::List(list) => {
                out.push(b'[');
                for (place, element) in list.elements().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    element.put_json(out);
                }
                out.push(b']');
            }
            Any::Map(map) => {
                out.push(b'{');
                for (place, (key, value)) in map.attributes(1).enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    put_text(key.as_bytes(), out);
                    out.push(b':');
                    value.put_json(out);
                }
                out.push(b'}');
            }
        }
    }
}

impl Index {
    /// The message of a record.
    #[inline]
    pub fn record(&self, record: &Record) -> Message<'_> {
        let (start, end) = ((record.offset + record.head) as usize, (record.offset + record.len) as usize);
        let buffer = self.buffers.get(record.buffer as usize);
        Message::new(buffer.and_then(|buffer| buffer.get(start..end)).unwrap_or_default())
    }

    /// What a resource's, scope's or metric's message holds beside its children: with the fields of `ResourceSpans`, `ScopeSpans`,
    /// `Metric` (there without its `data`), and those of the other signals, which have the same numbers.
    pub fn parent(&self, parent: &Parent) -> Message<'_> {
        self.message_of(parent.header)
    }

    /// Of a header of this index, such as that of a metric's `data`: see [`MetricData::header`](crate::MetricData::header).
    pub fn message_of(&self, header: (u32, u32)) -> Message<'_> {
        Message(self.header(header).iter().map(|&extent| self.bytes(extent)).collect())
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1 as common;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Case;
    use prost::Message as _;

    use super::*;

    fn any_of(value: Case) -> common::AnyValue {
        common::AnyValue { value: Some(value) }
    }

    fn texts(value: Option<Case>) -> (String, String) {
        let bytes = common::AnyValue { value }.encode_to_vec();
        let (mut text, mut json) = (Vec::new(), Vec::new());
        any(&bytes).put_text(&mut text);
        any(&bytes).put_json(&mut json);
        (String::from_utf8(text).expect("UTF-8"), String::from_utf8(json).expect("UTF-8"))
    }

    /// Each kind of value, as text and within JSON.
    #[test]
    fn values_are_written() {
        let list =
            vec![any_of(Case::IntValue(1)), any_of(Case::StringValue("a\"b".into())), common::AnyValue::default()];
        let entry = |key: &str, value| common::KeyValue { key: key.into(), value: Some(value), ..Default::default() };
        let map = vec![
            entry("z", any_of(Case::BytesValue(vec![1, 2, 3, 4]))),
            entry("a", any_of(Case::ArrayValue(common::ArrayValue { values: list.clone() }))),
        ];
        let cases = [
            (None, "", "null"),
            (Some(Case::StringValue("tea\n".into())), "tea\n", r#""tea\n""#),
            (Some(Case::BoolValue(true)), "true", "true"),
            (Some(Case::IntValue(i64::MIN)), "-9223372036854775808", "-9223372036854775808"),
            (Some(Case::DoubleValue(0.25)), "0.25", "0.25"),
            (Some(Case::DoubleValue(1e21)), "1e21", "1e21"),
            (Some(Case::DoubleValue(f64::NEG_INFINITY)), "-Infinity", r#""-Infinity""#),
            (Some(Case::DoubleValue(f64::NAN)), "NaN", r#""NaN""#),
            (Some(Case::BytesValue(vec![1, 2, 3, 4])), "AQIDBA==", r#""AQIDBA==""#),
            (Some(Case::ArrayValue(common::ArrayValue { values: list })), r#"[1,"a\"b",null]"#, r#"[1,"a\"b",null]"#),
            (
                Some(Case::KvlistValue(common::KeyValueList { values: map })),
                r#"{"z":"AQIDBA==","a":[1,"a\"b",null]}"#,
                r#"{"z":"AQIDBA==","a":[1,"a\"b",null]}"#,
            ),
        ];
        for (value, text, json) in cases {
            assert_eq!(texts(value.clone()), (text.to_owned(), json.to_owned()), "{value:?}");
        }
    }

    /// A value that is written in two parts is one: lists of both, the last scalar.
    #[test]
    fn what_is_repeated_is_merged() {
        let list = |value| any_of(Case::ArrayValue(common::ArrayValue { values: vec![any_of(Case::IntValue(value))] }));
        let mut entry =
            common::KeyValue { key: "k".into(), value: Some(list(1)), ..Default::default() }.encode_to_vec();
        entry.extend(
            common::KeyValue { key: String::new(), value: Some(list(2)), ..Default::default() }.encode_to_vec(),
        );
        let (key, value) = attribute(&entry);
        let mut json = Vec::new();
        value.put_json(&mut json);
        assert_eq!((key, &*json), ("k", &b"[1,2]"[..]));
    }
}
