//! Attributes as tags: the value's type is kept where Jaeger has it.
//!
//! | OTLP | Jaeger |
//! |---|---|
//! | text, bool, int, bytes | the same |
//! | double | the same; NaN and infinities as texts, since Jaeger's API answers in JSON, which has none: one such tag would make its whole trace unreadable |
//! | list, map | text: JSON |
//! | no value | empty text |

use wasmill_wire::{Any, attribute};

use crate::thrift;

/// `TagType` of `jaeger.thrift`.
#[derive(Clone, Copy)]
enum TagType {
    Text = 0,
    Double = 1,
    Bool = 2,
    Long = 3,
    Binary = 4,
}

/// A list of tags while it is written.
pub(crate) struct Tags<'o> {
    pub out: &'o mut Vec<u8>,
    pub count: u32,
}

impl Tags<'_> {
    pub(crate) fn text(&mut self, key: &str, text: &[u8]) {
        self.begin(key, TagType::Text);
        thrift::put_text(self.out, 3, text);
        thrift::end_struct(self.out);
    }

    pub(crate) fn bool(&mut self, key: &str, value: bool) {
        self.begin(key, TagType::Bool);
        thrift::put_bool(self.out, 5, value);
        thrift::end_struct(self.out);
    }

    pub(crate) fn long(&mut self, key: &str, value: i64) {
        self.begin(key, TagType::Long);
        thrift::put_i64(self.out, 6, value);
        thrift::end_struct(self.out);
    }

    /// A number of things that an SDK left out; nothing where it left out none.
    pub(crate) fn dropped(&mut self, key: &str, count: u32) {
        if count > 0 {
            self.long(key, i64::from(count));
        }
    }

    /// Of a `KeyValue`, unless its key is in `but`.
    #[inline]
    pub(crate) fn attribute(&mut self, entry: &[u8], but: &[&str]) {
        let (key, value) = attribute(entry);
        if !but.contains(&key) {
            self.value(key, &value);
        }
    }

    #[inline]
    pub(crate) fn value(&mut self, key: &str, value: &Any<'_>) {
        match value {
            Any::Text(text) => self.text(key, text.as_bytes()),
            Any::Bool(bool) => self.bool(key, *bool),
            Any::Int(int) => self.long(key, *int),
            Any::Double(double) if double.is_finite() => {
                self.begin(key, TagType::Double);
                thrift::put_double(self.out, 4, *double);
                thrift::end_struct(self.out);
            }
            Any::Bytes(bytes) => {
                self.begin(key, TagType::Binary);
                thrift::put_text(self.out, 7, bytes);
                thrift::end_struct(self.out);
            }
            Any::Empty | Any::Double(_) | Any::List(_) | Any::Map(_) => {
                self.begin(key, TagType::Text);
                let text = thrift::begin_text(self.out, 3);
                value.put_text(self.out);
                text.end(self.out);
                thrift::end_struct(self.out);
            }
        }
    }

    #[inline]
    fn begin(&mut self, key: &str, kind: TagType) {
        self.count += 1;
        thrift::put_text(self.out, 1, key.as_bytes());
        thrift::put_i32(self.out, 2, kind as i32);
    }
}
