//! Protobuf as it is written, and labels in it.
//!
//! A series keeps its labels as the fields `LabelPair` of a `Metric`, which the protobuf exposition copies as they are and the others
//! walk.

use wasmill_wire::fields;

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of a varint.
pub(crate) const fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire: u32) {
    put_varint(out, u64::from(number << 3 | wire));
}

pub(crate) fn put_uint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, 0);
    put_varint(out, value);
}

pub(crate) fn put_sint(out: &mut Vec<u8>, number: u32, value: i64) {
    put_uint(out, number, zigzag(value));
}

pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(crate) fn put_double(out: &mut Vec<u8>, number: u32, value: f64) {
    put_tag(out, number, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message within a message: its length is put before it once it is known.
pub(crate) fn put_message(out: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    put_tag(out, number, 2);
    let start = out.len();
    // The length of most has one byte.
    out.push(0);
    write(out);
    let len = out.len() - start - 1;
    let more = varint_len(len as u64) - 1;
    if more > 0 {
        out.resize(out.len() + more, 0);
        out.copy_within(start + 1..start + 1 + len, start + 1 + more);
    }
    let mut rest = len as u64;
    for byte in out.iter_mut().skip(start).take(more + 1) {
        *byte = rest as u8 & 0x7f | 0x80;
        rest >>= 7;
    }
    if let Some(last) = out.get_mut(start + more) {
        *last &= 0x7f;
    }
}

/// A `LabelPair` as the field `number`.
pub(crate) fn put_label(out: &mut Vec<u8>, number: u32, name: &[u8], value: &[u8]) {
    let text_len = |len: usize| 1 + varint_len(len as u64) + len;
    put_tag(out, number, 2);
    put_varint(out, (text_len(name.len()) + text_len(value.len())) as u64);
    put_bytes(out, 1, name);
    put_bytes(out, 2, value);
}

/// Names and values out of fields `LabelPair`.
pub(crate) fn labels(pairs: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields(pairs).map(|pair| {
        let mut parts = fields(pair.payload()).map(|field| field.payload());
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    })
}
