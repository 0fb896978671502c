//! JSON to wire bytes: see [the module above](super).

use std::mem;

use super::reader::{COMMA_OR_BRACE, COMMA_OR_BRACKET, JsonFault, Raw, Reader, Reason};
use super::schema::{Field, Kind, Message, Rule};
use super::{bytes, number, text};
use crate::field::{DEPTH_MAX, WireType, put_tag};
use crate::varint;

/// Levels whose messages may be moved when their length turns out; a data point's attribute is at the eighth.
pub(super) const MOVED_DEPTH: u32 = 16;

/// Bytes of a length that is not moved: any below 2³⁵.
const WIDE: usize = 5;

/// The longest name that a field can have. Others need not be looked at.
const NAME_LEN_MAX: usize = 64;

/// Wire bytes that are expected of a document, as a part of its bytes: seen are 0.35 to 0.5.
const EXPECTED_PART: usize = 2;

pub(super) fn from_json(root: &'static Message, json: &[u8], bytes_max: usize) -> Result<Vec<u8>, JsonFault> {
    if let Err(error) = std::str::from_utf8(json) {
        return Err(JsonFault::other(error.valid_up_to(), "the document is not UTF-8"));
    }
    let mut transcoder = Transcoder {
        reader: Reader::new(json),
        out: Vec::with_capacity((json.len() / EXPECTED_PART).min(bytes_max)),
        scratch: Vec::new(),
        widths: [1; 2 * MOVED_DEPTH as usize],
        bytes_max,
    };
    transcoder.reader.peek();
    transcoder.message(root, DEPTH_MAX)?;
    transcoder.reader.end()?;
    Ok(transcoder.out)
}

struct Transcoder<'a> {
    reader: Reader<'a>,
    out: Vec<u8>,
    /// What a name, an id or a number says that is written with escapes.
    scratch: Vec<u8>,
    /// Bytes that the length of the last message took, by its depth, and whether it is an attribute or anything else.
    widths: [usize; 2 * MOVED_DEPTH as usize],
    bytes_max: usize,
}

/// The room that was left for a length.
struct Room {
    start: usize,
    width: usize,
}

impl<'a> Transcoder<'a> {
    /// An object as the fields of a message. `depth` is how much deeper messages may nest.
    fn message(&mut self, message: &'static Message, depth: u32) -> Result<(), JsonFault> {
        self.reader.expect(b'{', "an object")?;
        if self.reader.take(b'}') {
            return Ok(());
        }
        let mut expected = 0;
        loop {
            if self.reader.peek() != b'"' {
                return Err(JsonFault::expected(self.reader.offset(), "a name in quotes"));
            }
            let name = self.reader.text()?;
            let place = self.place(message, name, expected)?;
            self.reader.expect(b':', "a colon")?;
            match place {
                Some(place) => {
                    expected = place + 1;
                    self.field(&message.fields[place], depth)?;
                }
                None => self.reader.skip()?,
            }
            if !self.reader.more(b'}', COMMA_OR_BRACE)? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn place(&mut self, message: &'static Message, name: Raw<'a>, expected: usize) -> Result<Option<usize>, JsonFault> {
        if !name.escaped {
            return Ok(message.by_name(name.bytes, expected));
        }
        // Escapes make a name at most six times as long.
        if name.bytes.len() > 6 * NAME_LEN_MAX {
            return Ok(None);
        }
        self.scratch.clear();
        text::unescape(name, &mut self.scratch)?;
        Ok(message.by_name(&self.scratch, expected))
    }

    fn field(&mut self, field: &'static Field, depth: u32) -> Result<(), JsonFault> {
        if self.reader.peek() == b'n' && self.reader.word("null") {
            return Ok(());
        }
        if field.rule != Rule::Many {
            return match field.kind {
                Kind::Message(message) => self.child(field, message, depth),
                _ => self.scalar(field, true),
            };
        }
        if !self.reader.take(b'[') {
            return Err(self.unfit(field, "a list"));
        }
        if self.reader.take(b']') {
            return Ok(());
        }
        match field.kind {
            Kind::Message(message) => self.elements(|this| this.element(field, message, depth)),
            Kind::Text => self.elements(|this| this.scalar(field, true)),
            _ => {
                put_tag(&mut self.out, field.number, WireType::Len);
                let room = self.open(2);
                self.elements(|this| this.scalar(field, false))?;
                self.close(room);
                Ok(())
            }
        }
    }

    /// The elements of a list that is open and not empty.
    fn elements(&mut self, mut one: impl FnMut(&mut Self) -> Result<(), JsonFault>) -> Result<(), JsonFault> {
        loop {
            one(self)?;
            if self.out.len() > self.bytes_max {
                return Err(JsonFault { offset: self.reader.offset(), reason: Reason::TooLarge(self.bytes_max) });
            }
            if !self.reader.more(b']', COMMA_OR_BRACKET)? {
                return Ok(());
            }
        }
    }

    fn element(&mut self, field: &'static Field, message: &'static Message, depth: u32) -> Result<(), JsonFault> {
        if self.reader.peek() == b'n' && self.reader.word("null") {
            put_tag(&mut self.out, field.number, WireType::Len);
            self.out.push(0);
            return Ok(());
        }
        self.child(field, message, depth)
    }

    /// A message within another.
    fn child(&mut self, field: &'static Field, message: &'static Message, depth: u32) -> Result<(), JsonFault> {
        if self.reader.peek() != b'{' {
            return Err(self.unfit(field, "an object"));
        }
        if depth == 0 {
            return Err(JsonFault::other(self.reader.offset(), "nested more than 100 deep"));
        }
        put_tag(&mut self.out, field.number, WireType::Len);
        let level = (DEPTH_MAX - depth) as usize;
        let guess = 2 * level + usize::from(matches!(field.name, "attributes"));
        let room = self.open(self.widths.get(guess).copied().unwrap_or(WIDE));
        self.message(message, depth - 1)?;
        let width = self.close(room);
        if let Some(guess) = self.widths.get_mut(guess) {
            *guess = width;
        }
        Ok(())
    }

    #[inline]
    fn open(&mut self, width: usize) -> Room {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; WIDE][..width]);
        Room { start, width }
    }

    /// Writes the length of what came since, and says how many bytes it took.
    #[inline]
    fn close(&mut self, Room { start, width }: Room) -> usize {
        let len = self.out.len() - start - width;
        let needed = varint::len(len as u64);
        if width == WIDE {
            for (place, byte) in self.out[start..start + WIDE].iter_mut().enumerate() {
                *byte = (len >> (7 * place)) as u8 & 0x7f | if place + 1 < WIDE { 0x80 } else { 0 };
            }
            return WIDE;
        }
        if needed > width {
            self.out.extend_from_slice(&[0; WIDE][..needed - width]);
            self.out.copy_within(start + width..start + width + len, start + needed);
        } else if needed < width {
            self.out.copy_within(start + width.., start + needed);
            self.out.truncate(start + needed + len);
        }
        let mut rest = len;
        for byte in &mut self.out[start..start + needed] {
            *byte = rest as u8 & 0x7f | 0x80;
            rest >>= 7;
        }
        self.out[start + needed - 1] &= 0x7f;
        needed
    }

    /// A number, text, or bytes. Without its tag it is an element of a packed list.
    fn scalar(&mut self, field: &'static Field, tagged: bool) -> Result<(), JsonFault> {
        let wire = match field.kind {
            Kind::Text => return self.put_text(field),
            Kind::Id => return self.put_id(field),
            Kind::Bytes => return self.put_bytes(field),
            Kind::Fixed32 => WireType::Fixed32,
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => WireType::Fixed64,
            _ => WireType::Varint,
        };
        if tagged {
            put_tag(&mut self.out, field.number, wire);
        }
        let bits = match field.kind {
            Kind::Double => self.double(field)?.to_bits(),
            Kind::Bool => self.boolean(field)?,
            Kind::Enum(names) => self.enumerated(field, names)?,
            Kind::Int32 => self.integer(field, i32::MIN.into(), i32::MAX.into(), "a whole number of 32 bits")?,
            Kind::Sint32 => {
                let value = self.integer(field, i32::MIN.into(), i32::MAX.into(), "a whole number of 32 bits")?;
                varint::zigzag(value as i64)
            }
            Kind::Uint32 | Kind::Fixed32 => {
                self.integer(field, 0, u32::MAX.into(), "a whole number of 32 bits, 0 or more")?
            }
            Kind::Int64 | Kind::Sfixed64 => {
                self.integer(field, i64::MIN.into(), i64::MAX.into(), "a whole number of 64 bits")?
            }
            _ => self.integer(field, 0, u64::MAX.into(), "a whole number of 64 bits, 0 or more")?,
        };
        match wire {
            WireType::Fixed32 => self.out.extend_from_slice(&(bits as u32).to_le_bytes()),
            WireType::Fixed64 => self.out.extend_from_slice(&bits.to_le_bytes()),
            _ => varint::put(&mut self.out, bits),
        }
        Ok(())
    }

    /// What is wrong with the value that comes next.
    #[cold]
    fn unfit(&mut self, field: &'static Field, what: &'static str) -> JsonFault {
        self.reader.peek();
        JsonFault { offset: self.reader.offset(), reason: Reason::Field(field.name, what) }
    }

    /// The bytes of a text, to be given back to `self.scratch` where they are from there.
    fn plain(&mut self, field: &'static Field, what: &'static str) -> Result<(Raw<'a>, Vec<u8>), JsonFault> {
        if self.reader.peek() != b'"' {
            return Err(self.unfit(field, what));
        }
        let raw = self.reader.text()?;
        let mut scratch = mem::take(&mut self.scratch);
        scratch.clear();
        if raw.escaped {
            text::unescape(raw, &mut scratch)?;
        }
        Ok((raw, scratch))
    }

    fn put_text(&mut self, field: &'static Field) -> Result<(), JsonFault> {
        if self.reader.peek() != b'"' {
            return Err(self.unfit(field, "a text"));
        }
        let raw = self.reader.text()?;
        put_tag(&mut self.out, field.number, WireType::Len);
        if raw.escaped {
            let room = self.open(varint::len(raw.bytes.len() as u64).min(WIDE - 1));
            text::unescape(raw, &mut self.out)?;
            self.close(room);
        } else {
            varint::put(&mut self.out, raw.bytes.len() as u64);
            self.out.extend_from_slice(raw.bytes);
        }
        Ok(())
    }

    fn put_id(&mut self, field: &'static Field) -> Result<(), JsonFault> {
        const WHAT: &str = "an id, a text of pairs of hexadecimal digits";
        let (raw, scratch) = self.plain(field, WHAT)?;
        let digits = if raw.escaped { &scratch[..] } else { raw.bytes };
        put_tag(&mut self.out, field.number, WireType::Len);
        varint::put(&mut self.out, digits.len() as u64 / 2);
        let good = bytes::read_hex(digits, &mut self.out);
        self.scratch = scratch;
        self.fits(good, raw, field, WHAT)
    }

    fn put_bytes(&mut self, field: &'static Field) -> Result<(), JsonFault> {
        const WHAT: &str = "a text in base64";
        let (raw, scratch) = self.plain(field, WHAT)?;
        let text = if raw.escaped { &scratch[..] } else { raw.bytes };
        put_tag(&mut self.out, field.number, WireType::Len);
        let good = match bytes::base64_digits(text) {
            Some(digits) => {
                varint::put(&mut self.out, bytes::base64_len(digits.len()) as u64);
                bytes::read_base64(digits, &mut self.out)
            }
            None => false,
        };
        self.scratch = scratch;
        self.fits(good, raw, field, WHAT)
    }

    #[inline]
    fn fits(&self, good: bool, raw: Raw<'_>, field: &'static Field, what: &'static str) -> Result<(), JsonFault> {
        match good {
            true => Ok(()),
            false => Err(JsonFault { offset: raw.offset - 1, reason: Reason::Field(field.name, what) }),
        }
    }

    fn boolean(&mut self, field: &'static Field) -> Result<u64, JsonFault> {
        if self.reader.word("true") {
            Ok(1)
        } else if self.reader.word("false") {
            Ok(0)
        } else {
            Err(self.unfit(field, "`true` or `false`"))
        }
    }

    /// A number within a range, or a text of one; as the 64 bits that it is as a varint.
    fn integer(&mut self, field: &'static Field, min: i128, max: i128, what: &'static str) -> Result<u64, JsonFault> {
        let first = self.reader.peek();
        let offset = self.reader.offset();
        let value = if first == b'"' {
            let (raw, scratch) = self.plain(field, what)?;
            let value = number::integer(if raw.escaped { &scratch } else { raw.bytes });
            self.scratch = scratch;
            value
        } else if matches!(first, b'-' | b'0'..=b'9') {
            number::integer(self.reader.number()?)
        } else {
            None
        };
        match value {
            Some(value) if (min..=max).contains(&value) => Ok(value as u64),
            _ => Err(JsonFault { offset, reason: Reason::Field(field.name, what) }),
        }
    }

    fn enumerated(&mut self, field: &'static Field, names: &[&str]) -> Result<u64, JsonFault> {
        const WHAT: &str = "the number or the name of one of its values";
        if self.reader.peek() != b'"' {
            return self.integer(field, i32::MIN.into(), i32::MAX.into(), WHAT);
        }
        let (raw, scratch) = self.plain(field, WHAT)?;
        let name = if raw.escaped { &scratch[..] } else { raw.bytes };
        let value = names.iter().position(|known| known.as_bytes() == name);
        self.scratch = scratch;
        self.fits(value.is_some(), raw, field, WHAT)?;
        Ok(value.unwrap_or_default() as u64)
    }

    fn double(&mut self, field: &'static Field) -> Result<f64, JsonFault> {
        const WHAT: &str = "a number of at most 1.8e308, or one of the texts `NaN`, `Infinity`, `-Infinity`";
        let first = self.reader.peek();
        let offset = self.reader.offset();
        let value = if first == b'"' {
            let (raw, scratch) = self.plain(field, WHAT)?;
            let value = double_of_text(if raw.escaped { &scratch } else { raw.bytes });
            self.scratch = scratch;
            value
        } else if matches!(first, b'-' | b'0'..=b'9') {
            number::double(self.reader.number()?)
        } else {
            None
        };
        value.ok_or(JsonFault { offset, reason: Reason::Field(field.name, WHAT) })
    }
}

fn double_of_text(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => {
            let mut reader = Reader::new(text);
            let whole = reader.number().ok().filter(|number| number.len() == text.len())?;
            number::double(whole)
        }
    }
}
