//! Thrift's binary protocol read back, by its own specification, into values and then into what `jaeger.thrift` says they are.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    I32(i32),
    I64(i64),
    Double(f64),
    Text(Vec<u8>),
    Struct(BTreeMap<i16, Value>),
    List(Vec<Value>),
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().expect("the message ends within a value");
        self.0 = rest;
        *head
    }

    fn len(&mut self) -> usize {
        usize::try_from(i32::from_be_bytes(self.take())).expect("a length that is not negative")
    }

    fn value(&mut self, kind: u8) -> Value {
        match kind {
            2 => Value::Bool(self.take::<1>() == [1]),
            4 => Value::Double(f64::from_be_bytes(self.take())),
            8 => Value::I32(i32::from_be_bytes(self.take())),
            10 => Value::I64(i64::from_be_bytes(self.take())),
            11 => {
                let len = self.len();
                let (text, rest) = self.0.split_at_checked(len).expect("a text within the message");
                self.0 = rest;
                Value::Text(text.to_vec())
            }
            12 => Value::Struct(self.fields()),
            15 => {
                let [kind] = self.take();
                let count = self.len();
                Value::List((0..count).map(|_| self.value(kind)).collect())
            }
            other => panic!("type {other}"),
        }
    }

    fn fields(&mut self) -> BTreeMap<i16, Value> {
        let mut fields = BTreeMap::new();
        loop {
            let [kind] = self.take();
            if kind == 0 {
                return fields;
            }
            let number = i16::from_be_bytes(self.take());
            let value = self.value(kind);
            assert_eq!(fields.insert(number, value), None, "field {number} twice");
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Tag {
    Text(String),
    Double(f64),
    Bool(bool),
    Long(i64),
    Binary(Vec<u8>),
}

pub type Tags = Vec<(String, Tag)>;

#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub service: String,
    pub process_tags: Tags,
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub trace_low: i64,
    pub trace_high: i64,
    pub id: i64,
    pub parent: i64,
    pub name: String,
    /// Kind, high and low half of the trace, span.
    pub references: Vec<(i32, i64, i64, i64)>,
    pub flags: i32,
    pub start: i64,
    pub duration: i64,
    pub tags: Tags,
    pub logs: Vec<(i64, Tags)>,
}

impl Span {
    pub fn tag(&self, key: &str) -> Vec<Tag> {
        self.tags.iter().filter(|(name, _)| name == key).map(|(_, tag)| tag.clone()).collect()
    }
}

/// A `Batch` that is nothing but that: no field that `jaeger.thrift` has not, none missing that it requires.
pub fn batch(bytes: &[u8]) -> Batch {
    let mut bytes = Bytes(bytes);
    let mut batch = bytes.fields();
    assert_eq!(bytes.0, b"", "bytes behind the batch");
    let mut process = fields(batch.remove(&1).expect("a process"));
    let spans = list(batch.remove(&2)).into_iter().map(span).collect();
    assert_eq!(batch, BTreeMap::new());
    Batch { service: text(process.remove(&1)), process_tags: tags(process.remove(&2)), spans }
}

fn span(value: Value) -> Span {
    let mut span = fields(value);
    let mut number = |at| i64_of(span.remove(&at));
    let (trace_low, trace_high, id, parent, start, duration) =
        (number(1), number(2), number(3), number(4), number(8), number(9));
    let reference = |value| {
        let mut reference = fields(value);
        let kind = i32_of(reference.remove(&1));
        let [low, high, span] = [2, 3, 4].map(|at| i64_of(reference.remove(&at)));
        assert_eq!(reference, BTreeMap::new());
        (kind, high, low, span)
    };
    let log = |value| {
        let mut log = fields(value);
        (i64_of(log.remove(&1)), tags(Some(log.remove(&2).expect("fields of a log"))))
    };
    let read = Span {
        trace_low,
        trace_high,
        id,
        parent,
        start,
        duration,
        name: text(span.remove(&5)),
        references: list(span.remove(&6)).into_iter().map(reference).collect(),
        flags: i32_of(span.remove(&7)),
        tags: tags(span.remove(&10)),
        logs: list(span.remove(&11)).into_iter().map(log).collect(),
    };
    assert_eq!(span, BTreeMap::new());
    read
}

fn tags(value: Option<Value>) -> Tags {
    list(value).into_iter().map(tag).collect()
}

fn tag(value: Value) -> (String, Tag) {
    let mut tag = fields(value);
    let (key, kind) = (text(tag.remove(&1)), i32_of(tag.remove(&2)));
    let value = match (kind, tag.pop_first()) {
        (0, Some((3, Value::Text(text)))) => Tag::Text(String::from_utf8(text).expect("UTF-8")),
        (1, Some((4, Value::Double(double)))) => Tag::Double(double),
        (2, Some((5, Value::Bool(bool)))) => Tag::Bool(bool),
        (3, Some((6, Value::I64(long)))) => Tag::Long(long),
        (4, Some((7, Value::Text(bytes)))) => Tag::Binary(bytes),
        other => panic!("no tag: {other:?}"),
    };
    assert_eq!(tag, BTreeMap::new());
    (key, value)
}

fn fields(value: Value) -> BTreeMap<i16, Value> {
    match value {
        Value::Struct(fields) => fields,
        other => panic!("no struct: {other:?}"),
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::List(list)) => list,
        other => panic!("no list: {other:?}"),
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::Text(text)) => String::from_utf8(text).expect("UTF-8"),
        other => panic!("no text: {other:?}"),
    }
}

fn i32_of(value: Option<Value>) -> i32 {
    match value {
        Some(Value::I32(number)) => number,
        other => panic!("no i32: {other:?}"),
    }
}

fn i64_of(value: Option<Value>) -> i64 {
    match value {
        Some(Value::I64(number)) => number,
        other => panic!("no i64: {other:?}"),
    }
}
