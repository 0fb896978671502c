//! A push in bytes: protobuf or JSON, written from front to back into one buffer.
//!
//! ```text
//!  PushRequest   1 stream*            {"streams":[STREAM,…]}
//!  Stream        1 labels, 2 entry*   {"stream":{LABELS},"values":[ENTRY,…]}
//!  Entry         1 time, 2 line,      ["TIME","LINE",{"NAME":"VALUE",…}]
//!                3 pair*
//! ```
//!
//! A protobuf message stands behind its length, which is known when it is written: its bytes make room then, a few places. In JSON what is
//! repeated ends with a comma, and the last one is taken back.

use wasmill_wire::Any;

use crate::label::LabelSet;
use crate::options::Encoding;

const NANOS: u64 = 1_000_000_000;

/// Where a part begins that is still open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open(usize);

impl Encoding {
    pub(crate) fn begin_push(self, out: &mut Vec<u8>) {
        out.clear();
        if self == Encoding::Json {
            out.extend_from_slice(b"{\"streams\":[");
        }
    }

    pub(crate) fn end_push(self, out: &mut Vec<u8>) {
        if self == Encoding::Json {
            take_comma(out);
            out.extend_from_slice(b"]}");
        }
    }

    /// `labels`: as [`put_labels`](Encoding::put_labels) wrote them.
    pub(crate) fn begin_stream(self, labels: &[u8], out: &mut Vec<u8>) -> Open {
        match self {
            Encoding::Protobuf => {
                let open = begin(0x0a, out);
                put_len(0x0a, labels, out);
                open
            }
            Encoding::Json => {
                out.extend_from_slice(b"{\"stream\":");
                out.extend_from_slice(labels);
                out.extend_from_slice(b",\"values\":[");
                Open(out.len())
            }
        }
    }

    pub(crate) fn end_stream(self, open: Open, out: &mut Vec<u8>) {
        match self {
            Encoding::Protobuf => end(open, out),
            Encoding::Json => {
                take_comma(out);
                out.extend_from_slice(b"]},");
            }
        }
    }

    /// With its time, in nanoseconds since 1970. A line follows, and then pairs.
    pub(crate) fn begin_entry(self, time: u64, out: &mut Vec<u8>) -> Open {
        // Loki counts nanoseconds in 64 bits with a sign.
        let time = time.min(i64::MAX as u64);
        match self {
            Encoding::Protobuf => {
                let open = begin(0x12, out);
                let timestamp = begin(0x0a, out);
                out.push(0x08);
                put_varint(time / NANOS, out);
                out.push(0x10);
                put_varint(time % NANOS, out);
                end(timestamp, out);
                open
            }
            Encoding::Json => {
                out.extend_from_slice(b"[\"");
                put_number(time, out);
                out.extend_from_slice(b"\",");
                Open(out.len())
            }
        }
    }

    pub(crate) fn put_line(self, line: &[u8], out: &mut Vec<u8>) {
        match self {
            Encoding::Protobuf => put_len(0x12, line, out),
            Encoding::Json => {
                put_json_text(line, out);
                out.extend_from_slice(b",{");
            }
        }
    }

    /// `name` is one that [`put_name`](crate::name::put_name) wrote. Says where in `out` it begins.
    pub(crate) fn put_pair(self, name: &[u8], value: &[u8], out: &mut Vec<u8>) -> usize {
        match self {
            Encoding::Protobuf => {
                let len = len_of(name.len()) + len_of(value.len());
                out.push(0x1a);
                put_varint(len as u64, out);
                out.push(0x0a);
                put_varint(name.len() as u64, out);
                let start = out.len();
                out.extend_from_slice(name);
                put_len(0x12, value, out);
                start
            }
            Encoding::Json => {
                out.push(b'"');
                let start = out.len();
                out.extend_from_slice(name);
                out.extend_from_slice(b"\":");
                put_json_text(value, out);
                out.push(b',');
                start
            }
        }
    }

    pub(crate) fn end_entry(self, open: Open, out: &mut Vec<u8>) {
        match self {
            Encoding::Protobuf => end(open, out),
            Encoding::Json => {
                take_comma(out);
                out.extend_from_slice(b"}],");
            }
        }
    }

    /// The labels of a stream, in one way for each set: it tells streams apart, too.
    pub(crate) fn put_labels(self, labels: &LabelSet, out: &mut Vec<u8>) {
        out.push(b'{');
        for (place, (name, value)) in labels.iter().enumerate() {
            match self {
                Encoding::Protobuf => {
                    out.extend_from_slice(if place > 0 { b", " } else { b"" });
                    out.extend_from_slice(name);
                    out.push(b'=');
                    put_quoted(value, out);
                }
                Encoding::Json => {
                    out.extend_from_slice(if place > 0 { b",\"" } else { b"\"" });
                    out.extend_from_slice(name);
                    out.extend_from_slice(b"\":");
                    put_json_text(value, out);
                }
            }
        }
        out.push(b'}');
    }
}

/// As Go quotes, which is how a selector of LogQL is read.
fn put_quoted(value: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f | 0x7f => {
                let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Text of a request, which is UTF-8; a name that was cut is, too.
fn put_json_text(text: &[u8], out: &mut Vec<u8>) {
    Any::Text(std::str::from_utf8(text).unwrap_or_default()).put_json(out);
}

fn take_comma(out: &mut Vec<u8>) {
    if out.last() == Some(&b',') {
        out.pop();
    }
}

/// In decimal.
pub(crate) fn put_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut left = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Ids are in lower case.
pub(crate) fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let digit = |half: u8| HEX.get(usize::from(half)).copied().unwrap_or(b'0');
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Begins a message, of which most are shorter than 128 bytes or become longer by a move of what they hold.
fn begin(tag: u8, out: &mut Vec<u8>) -> Open {
    out.push(tag);
    out.push(0);
    Open(out.len())
}

fn end(Open(start): Open, out: &mut Vec<u8>) {
    let len = out.len() - start;
    let extra = varint_len(len as u64) - 1;
    if extra > 0 {
        let end = out.len();
        out.resize(end + extra, 0);
        out.copy_within(start..end, start + extra);
    }
    let mut left = len as u64;
    for place in 0..=extra {
        let more = if place < extra { 0x80 } else { 0 };
        out[start - 1 + place] = (left & 0x7f) as u8 | more;
        left >>= 7;
    }
}

fn put_len(tag: u8, contents: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(contents.len() as u64, out);
    out.extend_from_slice(contents);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Bytes of a field with a tag of one byte.
fn len_of(contents: usize) -> usize {
    1 + varint_len(contents as u64) + contents
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages on both sides of each length of a length.
    #[test]
    fn lengths_find_their_place() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut out = b"before".to_vec();
            let open = begin(0x0a, &mut out);
            out.resize(out.len() + len, 7);
            end(open, &mut out);
            let mut expected = b"before".to_vec();
            put_len(0x0a, &vec![7; len], &mut expected);
            assert!(out == expected, "{len}");
        }
    }

    #[test]
    fn labels_are_quoted_as_go_does() {
        let mut out = Vec::new();
        put_quoted("a\"b\\c\nd\te\u{1}\u{7f}é".as_bytes(), &mut out);
        assert_eq!(std::str::from_utf8(&out), Ok(r#""a\"b\\c\nd\te\x01\x7fé""#));
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            let mut out = Vec::new();
            put_number(number, &mut out);
            assert_eq!(String::from_utf8(out).ok(), Some(number.to_string()));
        }
    }
}
