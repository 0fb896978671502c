//! Wire bytes to JSON: see [the module above](super).

//!
//! A message is looked at once for where its fields lie, because they are written in another order than they come in, and repeated
//! ones merge. An attribute that is a key and then one value, as nearly all are, is written as it is read.

use super::schema::{Field, KEY_VALUE, Kind, Message, NUMBERS, Rule};
use super::{bytes, number, text};
use crate::field::{DEPTH_MAX, Fault, WireType, fixed, read_len, read_tag, skip};
use crate::scan::{PlainValue, plain_entry, plain_value};
use crate::varint;

/// Bytes of JSON that are expected for each wire byte: seen are 2 to 3.
const EXPECTED_TIMES: usize = 3;

pub(super) fn to_json(root: &'static Message, wire: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if u32::try_from(wire.len()).is_err() {
        return Err(Fault::new(wire.len(), "the message has 4 GiB or more"));
    }
    out.reserve(wire.len().saturating_mul(EXPECTED_TIMES));
    Writer { wire, out }.message(root, &[(0, wire.len())], DEPTH_MAX)
}

struct Writer<'a> {
    wire: &'a [u8],
    out: &'a mut Vec<u8>,
}

/// A part of the wire bytes that holds whole fields. A message is one such part, or several that are to be merged.
type Part = (usize, usize);

/// A field as it stands: behind its tag and, for [`WireType::Len`], its length.
#[derive(Clone, Copy)]
struct Found {
    number: u32,
    wire: WireType,
    start: usize,
    value: usize,
    end: usize,
}

/// What a message has of one field.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// How often it is there, since the last other case of its `oneof`.
    count: u32,
    /// Where the first of these starts.
    first: u32,
    /// Where the contents of the last start, and where they end.
    value: u32,
    end: u32,
}

impl Seen {
    fn last(self) -> Part {
        (self.value as usize, self.end as usize)
    }
}

impl Writer<'_> {
    fn message(&mut self, message: &'static Message, parts: &[Part], depth: u32) -> Result<(), Fault> {
        let mut seen = [Seen::default(); NUMBERS];
        let mut places = self.look(message, parts, depth, &mut seen)?;
        self.out.push(b'{');
        let start = self.out.len();
        while places != 0 {
            let place = places.trailing_zeros() as usize;
            places &= places - 1;
            let (Some(field), seen) = (message.fields.get(place), seen[place]) else { continue };
            if field.rule == Rule::Plain && self.is_default(field, seen.last()) {
                continue;
            }
            self.separate(start);
            self.out.extend_from_slice(field.head.as_bytes());
            self.field(field, seen, parts, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Which fields a message has, a bit for the place of each, and where they lie; of a `oneof` only the last case.
    #[inline]
    fn look(&self, message: &Message, parts: &[Part], depth: u32, seen: &mut [Seen; NUMBERS]) -> Result<u32, Fault> {
        let (mut places, mut case) = (0_u32, NUMBERS);
        for &part in parts {
            let mut at = part.0;
            while at < part.1 {
                let found = self.next(at, part.1, depth)?;
                at = found.end;
                let place = message.place(found.number);
                let (Some(field), Some(seen)) = (message.fields.get(place), seen.get_mut(place)) else { continue };
                if !fits(field, found.wire) {
                    return Err(Fault::new(found.start, "a known field with another wire type"));
                }
                if field.rule == Rule::Case && case != place {
                    if case < NUMBERS {
                        places &= !(1 << case);
                    }
                    case = place;
                }
                if places >> place & 1 == 0 {
                    places |= 1 << place;
                    (seen.count, seen.first) = (0, found.start as u32);
                }
                (seen.count, seen.value, seen.end) = (seen.count + 1, found.value as u32, found.end as u32);
            }
        }
        Ok(places)
    }

    /// The field at `at`, of a message that ends at `end`.
    #[inline]
    fn next(&self, at: usize, end: usize, depth: u32) -> Result<Found, Fault> {
        let bytes = &self.wire[..end];
        let (number, wire, next) = read_tag(bytes, at)?;
        let (value, end) = match wire {
            WireType::Len => read_len(bytes, next)?,
            WireType::Fixed64 => (next, fixed(bytes, next, 8)?),
            _ => (next, skip(bytes, next, number, wire, depth.max(1))?),
        };
        Ok(Found { number, wire, start: at, value, end })
    }

    fn field(&mut self, field: &'static Field, seen: Seen, parts: &[Part], depth: u32) -> Result<(), Fault> {
        if field.rule == Rule::Many {
            self.out.push(b'[');
            let start = self.out.len();
            let are_entries = matches!(field.kind, Kind::Message(message) if std::ptr::eq(message, &KEY_VALUE));
            self.each(field, seen, parts, depth, |this, found| match field.kind {
                Kind::Message(message) => {
                    this.separate(start);
                    if are_entries && depth > 1 && this.entry(found.value, found.end) {
                        return Ok(());
                    }
                    this.child(message, &[(found.value, found.end)], depth)
                }
                _ => this.numbers(field, found, start),
            })?;
            self.out.push(b']');
            return Ok(());
        }
        match field.kind {
            Kind::Message(message) if seen.count == 1 => self.child(message, &[seen.last()], depth),
            Kind::Message(message) => {
                let mut merged = Vec::with_capacity(seen.count as usize);
                self.each(field, seen, parts, depth, |_, found| {
                    merged.push((found.value, found.end));
                    Ok(())
                })?;
                self.child(message, &merged, depth)
            }
            _ => self.scalar(field.kind, seen.last()),
        }
    }

    /// Goes over what there is of a field.
    fn each(
        &mut self,
        field: &Field,
        seen: Seen,
        parts: &[Part],
        depth: u32,
        mut one: impl FnMut(&mut Self, Found) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        // Parts stand in the order of the bytes, and do not overlap.
        for &(start, end) in parts {
            let mut at = start.max(seen.first as usize);
            while at < end.min(seen.end as usize) {
                let found = self.next(at, end, depth)?;
                if found.number == field.number {
                    one(self, found)?;
                }
                at = found.end;
            }
        }
        Ok(())
    }

    fn child(&mut self, message: &'static Message, parts: &[Part], depth: u32) -> Result<(), Fault> {
        match depth {
            0 => Err(Fault::new(parts.first().map_or(0, |part| part.0), "nested more than 100 deep")),
            _ => self.message(message, parts, depth - 1),
        }
    }

    /// An attribute with a key and one value, each in its shortest form. `false`, and nothing was written: it is another, or a wrong one.
    #[inline]
    fn entry(&mut self, start: usize, end: usize) -> bool {
        let Some((key @ [_, ..], any)) = plain_entry(&self.wire[start..end]) else { return false };
        let before = self.out.len();
        self.out.extend_from_slice(b"{\"key\":");
        let is_written = text::put(key, self.out) && self.put_plain(any);
        match is_written {
            true => self.out.extend_from_slice(b"}}"),
            false => self.out.truncate(before),
        }
        is_written
    }

    /// A value of one field, up to its own end.
    #[inline]
    fn put_plain(&mut self, any: &[u8]) -> bool {
        match plain_value(any) {
            Some(PlainValue::Text(text)) => {
                self.out.extend_from_slice(b",\"value\":{\"stringValue\":");
                return text::put(text, self.out);
            }
            Some(PlainValue::Int(int)) => {
                self.out.extend_from_slice(b",\"value\":{\"intValue\":\"");
                number::put_integer(self.out, int < 0, int.unsigned_abs());
                self.out.push(b'"');
            }
            Some(PlainValue::Bool(bool)) => {
                self.out.extend_from_slice(b",\"value\":{\"boolValue\":");
                self.out.extend_from_slice(if bool { b"true" } else { b"false" });
            }
            Some(PlainValue::Double(_)) | None => return false,
        }
        true
    }

    /// A comma, unless the list that was opened at `start` is empty.
    #[inline]
    fn separate(&mut self, start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
    }

    /// Elements of a list that are no messages: texts, or numbers, packed or not.
    fn numbers(&mut self, field: &Field, found: Found, start: usize) -> Result<(), Fault> {
        if matches!(field.kind, Kind::Text) || found.wire != WireType::Len {
            self.separate(start);
            return self.scalar(field.kind, (found.value, found.end));
        }
        let mut at = found.value;
        while at < found.end {
            let end = match field.kind {
                Kind::Uint64 => {
                    let read = varint::read(&self.wire[..found.end], at);
                    read.ok_or(Fault::new(at, "expected a varint of at most 64 bits"))?.1
                }
                _ => fixed(&self.wire[..found.end], at, 8)?,
            };
            self.separate(start);
            self.scalar(field.kind, (at, end))?;
            at = end;
        }
        Ok(())
    }

    /// The number of a varint or of fixed width.
    #[inline]
    fn bits(&self, kind: Kind, (start, end): Part) -> u64 {
        let contents = &self.wire[start..end];
        match kind {
            Kind::Fixed32 => contents.try_into().map_or(0, |bytes| u32::from_le_bytes(bytes).into()),
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => contents.try_into().map_or(0, u64::from_le_bytes),
            _ => varint::read(contents, 0).map_or(0, |(value, _)| value),
        }
    }

    fn is_default(&self, field: &Field, last: Part) -> bool {
        match field.kind {
            Kind::Text | Kind::Id | Kind::Bytes => last.0 == last.1,
            // A field of 32 bits takes the lower ones of a longer varint.
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_) => self.bits(field.kind, last) as u32 == 0,
            _ => self.bits(field.kind, last) == 0,
        }
    }

    fn scalar(&mut self, kind: Kind, place: Part) -> Result<(), Fault> {
        let contents = &self.wire[place.0..place.1];
        let bits = self.bits(kind, place);
        let quoted = matches!(kind, Kind::Int64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64);
        let signed = |out: &mut Vec<u8>, value: i64| number::put_integer(out, value < 0, value.unsigned_abs());
        if quoted || matches!(kind, Kind::Id | Kind::Bytes) {
            self.out.push(b'"');
        }
        match kind {
            Kind::Text if text::put(contents, self.out) => {}
            Kind::Text => return Err(Fault::new(place.0, "the text is not UTF-8")),
            Kind::Id => bytes::put_hex(contents, self.out),
            Kind::Bytes => bytes::put_base64(contents, self.out),
            Kind::Bool => self.out.extend_from_slice(if bits == 0 { b"false" } else { b"true" }),
            Kind::Int32 | Kind::Enum(_) => signed(self.out, i64::from(bits as i32)),
            Kind::Sint32 => signed(self.out, varint::unzigzag(u64::from(bits as u32))),
            Kind::Uint32 | Kind::Fixed32 => number::put_integer(self.out, false, u64::from(bits as u32)),
            Kind::Int64 | Kind::Sfixed64 => signed(self.out, bits as i64),
            Kind::Uint64 | Kind::Fixed64 => number::put_integer(self.out, false, bits),
            Kind::Double => number::put_double(self.out, f64::from_bits(bits)),
            Kind::Message(_) => return Err(Fault::new(place.0, "a message where a scalar belongs")),
        }
        if quoted || matches!(kind, Kind::Id | Kind::Bytes) {
            self.out.push(b'"');
        }
        Ok(())
    }
}

/// Whether a field of this type may be written so.
#[inline]
fn fits(field: &Field, wire: WireType) -> bool {
    let usual = match field.kind {
        Kind::Text | Kind::Id | Kind::Bytes | Kind::Message(_) => WireType::Len,
        Kind::Fixed32 => WireType::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => WireType::Fixed64,
        _ => WireType::Varint,
    };
    wire == usual || (field.rule == Rule::Many && wire == WireType::Len)
}
