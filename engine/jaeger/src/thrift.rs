//! Thrift's binary protocol, as much of it as `jaeger.thrift` needs: a field is its type, its number and its value, all big-endian; a
//! struct ends with a zero byte.
//!
//! Lengths are 32 bits, signed. Whoever writes what may be longer checks the size of the whole: see [`LEN_MAX`].

/// The longest text, list or message that a length can say.
pub(crate) const LEN_MAX: usize = i32::MAX as usize;

/// Types of fields and of lists' elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    Bool = 2,
    Double = 4,
    I32 = 8,
    I64 = 10,
    /// Text and bytes.
    Text = 11,
    Struct = 12,
    List = 15,
}

/// A list whose elements are being written.
#[must_use]
pub(crate) struct OpenList {
    count_at: usize,
}

/// A text whose bytes are being written.
#[must_use]
pub(crate) struct OpenText {
    len_at: usize,
}

#[inline]
pub(crate) fn put_field(out: &mut Vec<u8>, kind: Type, number: u8) {
    out.extend_from_slice(&[kind as u8, 0, number]);
}

/// Ends a struct.
#[inline]
pub(crate) fn end_struct(out: &mut Vec<u8>) {
    out.push(0);
}

#[inline]
pub(crate) fn put_bool(out: &mut Vec<u8>, number: u8, value: bool) {
    out.extend_from_slice(&[Type::Bool as u8, 0, number, u8::from(value)]);
}

/// Also of an enumeration's value.
#[inline]
pub(crate) fn put_i32(out: &mut Vec<u8>, number: u8, value: i32) {
    put_field(out, Type::I32, number);
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn put_i64(out: &mut Vec<u8>, number: u8, value: i64) {
    put_field(out, Type::I64, number);
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn put_double(out: &mut Vec<u8>, number: u8, value: f64) {
    put_field(out, Type::Double, number);
    out.extend_from_slice(&value.to_bits().to_be_bytes());
}

#[inline]
pub(crate) fn put_text(out: &mut Vec<u8>, number: u8, text: &[u8]) {
    put_field(out, Type::Text, number);
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text);
}

/// A text that is appended after this, until [`end`](OpenText::end).
pub(crate) fn begin_text(out: &mut Vec<u8>, number: u8) -> OpenText {
    put_field(out, Type::Text, number);
    let len_at = out.len();
    out.extend_from_slice(&[0; 4]);
    OpenText { len_at }
}

/// A list of structs, appended after this, until [`end`](OpenList::end).
#[inline]
pub(crate) fn begin_list(out: &mut Vec<u8>, number: u8) -> OpenList {
    put_field(out, Type::List, number);
    out.push(Type::Struct as u8);
    let count_at = out.len();
    out.extend_from_slice(&[0; 4]);
    OpenList { count_at }
}

impl OpenText {
    pub(crate) fn end(self, out: &mut [u8]) {
        let len = out.len() - self.len_at - 4;
        patch(out, self.len_at, len as u32);
    }
}

impl OpenList {
    #[inline]
    pub(crate) fn end(self, out: &mut [u8], count: u32) {
        patch(out, self.count_at, count);
    }
}

#[inline]
fn patch(out: &mut [u8], at: usize, value: u32) {
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}
