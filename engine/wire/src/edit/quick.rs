//! The usual edit, attributes set and removed by key, in one walk over the record.
//!
//! What [`super::tree`] does for any edit of any record is done here without taking the record apart: its fields are
//! walked once, runs of those that stay are copied straight into the patch, and what is new is written in its place or
//! behind them. A record that is written in an unusual way is left to the tree; both come out the same.

use super::any::{ENTRY_KEY, ENTRY_VALUE, any_len, is_any, put_any};
use super::prepare::Prepared;
use super::targets::Hit;
use super::values::Value;
use super::{Change, Rows};
use crate::field::{self, WireType};
use crate::path::{Code, Key, Level};
use crate::scan::plain_entry;
use crate::varint;

/// Hits of one record that a bit set has place for.
const EDITS_MAX: usize = 64;

const VALUE_TAG: u8 = 2 << 3 | WireType::Len as u8;

/// The edits of records, where all are of attributes by key.
pub(super) struct Quick<'e> {
    /// By number of the edit; those of parents have none.
    edits: Vec<Option<ByKey<'e>>>,
}

struct ByKey<'e> {
    key: &'e [u8],
    /// The entry to set, without its tag, where it is the same for all rows.
    constant: Vec<u8>,
}

impl<'e> Quick<'e> {
    /// `None` where some edit of records is another, or two are of one key: then their order matters.
    pub fn new(edits: &[Prepared<'e>]) -> Option<Quick<'e>> {
        let mut out: Vec<Option<ByKey<'e>>> = Vec::with_capacity(edits.len());
        for prepared in edits {
            if prepared.entry.level != Level::Record {
                out.push(None);
                continue;
            }
            let [Key::Name(key)] = prepared.edit.path.keys.as_slice() else {
                return None;
            };
            let key = key.as_bytes();
            let plain = prepared.entry.code == Code::Attributes
                && prepared.entry.inner.is_none()
                && !matches!(prepared.edit.rows, Rows::Entries { .. })
                && !matches!(prepared.edit.change, Change::Merge(_));
            if !plain || out.iter().flatten().any(|other| other.key == key) {
                return None;
            }
            let mut constant = Vec::new();
            if let Change::SetAll(_) = prepared.edit.change {
                put_entry(&mut constant, key, &prepared.value(0));
            }
            out.push(Some(ByKey { key, constant }));
        }
        (out.len() <= EDITS_MAX).then_some(Quick { edits: out })
    }

    /// Appends a record with its edits made, and returns the bytes of its tag and length: 0, and nothing appended, where
    /// they change nothing. `None`: the record is not as it usually is.
    ///
    /// `number` is that of the record's field, `attributes` that of its attributes.
    pub fn rewrite(
        &self,
        message: &[u8],
        (number, attributes): (u32, u32),
        edits: &[Prepared<'_>],
        hits: &[Hit],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let start = out.len();
        // Most likely the final length has as many bytes as the length before.
        let head = 1 + varint::len(message.len() as u64);
        out.resize(start + head, 0);
        match self.body(message, attributes, edits, hits, out) {
            Some(true) => Some(put_head(out, start, head, number)),
            Some(false) => {
                out.truncate(start);
                Some(0)
            }
            None => {
                out.truncate(start);
                None
            }
        }
    }

    /// Appends the message; whether it is another.
    fn body(
        &self,
        message: &[u8],
        attributes: u32,
        edits: &[Prepared<'_>],
        hits: &[Hit],
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let tag = (attributes << 3) as u8 | WireType::Len as u8;
        // Bytes from `copied` to `at` stay; hits whose key was found.
        let (mut at, mut copied, mut found, mut changed) = (0, 0, 0u64, false);
        while at < message.len() {
            let end = skip(message, at)?;
            if message[at] == tag {
                let (key, value) = entry(&message[at..end])?;
                for (place, hit) in hits.iter().enumerate() {
                    let by_key = self.edits[hit.edit as usize].as_ref()?;
                    if by_key.key != key {
                        continue;
                    }
                    let new = edits[hit.edit as usize].value(hit.value as usize);
                    let first = found >> place & 1 == 0;
                    found |= 1 << place;
                    if first && is_any(value, &new) {
                        break;
                    }
                    out.extend_from_slice(&message[copied..at]);
                    (copied, changed) = (end, true);
                    if first && !new.is_null() {
                        out.push(tag);
                        by_key.put(out, &new);
                    }
                    break;
                }
            }
            at = end;
        }
        out.extend_from_slice(&message[copied..]);
        for (place, hit) in hits.iter().enumerate().filter(|(place, _)| found >> place & 1 == 0) {
            let new = edits[hit.edit as usize].value(hit.value as usize);
            if !new.is_null() {
                out.push(tag);
                self.edits[hits[place].edit as usize].as_ref()?.put(out, &new);
                changed = true;
            }
        }
        Some(changed)
    }
}

impl ByKey<'_> {
    #[inline]
    fn put(&self, out: &mut Vec<u8>, value: &Value<'_>) {
        match self.constant.is_empty() {
            true => put_entry(out, self.key, value),
            false => out.extend_from_slice(&self.constant),
        }
    }
}

/// Appends an entry without its tag.
fn put_entry(out: &mut Vec<u8>, key: &[u8], value: &Value<'_>) {
    let len = any_len(value);
    varint::put(out, (field::len_of(ENTRY_KEY, key.len()) + field::len_of(ENTRY_VALUE, len)) as u64);
    field::put_len(out, ENTRY_KEY, key);
    out.push(VALUE_TAG);
    varint::put(out, len as u64);
    put_any(out, value);
}

/// Writes tag and length of a record into the `head` bytes that were left for them at `start`. How many they took.
fn put_head(out: &mut Vec<u8>, start: usize, head: usize, number: u32) -> usize {
    let (body, end) = (start + head, out.len());
    let len = end - body;
    let needed = 1 + varint::len(len as u64);
    if needed != head {
        out.resize(end.max(start + needed + len), 0);
        out.copy_within(body..end, start + needed);
        out.truncate(start + needed + len);
    }
    out[start] = (number << 3) as u8 | WireType::Len as u8;
    let mut rest = len as u64;
    for byte in &mut out[start + 1..start + needed] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[start + needed - 1] &= 0x7f;
    needed
}

/// The end of the field at `at`, where tag and length are of at most two bytes and it is no group.
#[inline(always)]
fn skip(message: &[u8], at: usize) -> Option<usize> {
    let tag = message[at];
    let mut next = at + 1;
    if tag >= 0x80 {
        // Of a longer tag than it needs, the first byte is not what is looked for.
        if !(1..0x80).contains(message.get(next)?) {
            return None;
        }
        next += 1;
    }
    let end = match tag & 7 {
        2 => {
            let len = *message.get(next)? as usize;
            if len < 0x80 {
                next + 1 + len
            } else {
                let high = *message.get(next + 1)? as usize;
                if high >= 0x80 {
                    return None;
                }
                next + 2 + (len & 0x7f | high << 7)
            }
        }
        1 => next + 8,
        5 => next + 4,
        0 => varint::read(message, next)?.1,
        _ => return None,
    };
    (end <= message.len()).then_some(end)
}

/// Key and value of an attribute that is a key, then a value, and nothing else.
#[inline(always)]
fn entry(field: &[u8]) -> Option<(&[u8], &[u8])> {
    // Behind the tag, of one byte, and a length of one or two.
    let entry = if *field.get(1)? < 0x80 { field.get(2..)? } else { field.get(3..)? };
    plain_entry(entry)
}
