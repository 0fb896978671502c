//! Validation, and what is seen on the way.
//!
//! [`scan`] goes over a message once. What is written as nearly every sender writes it (tags and lengths in their shortest
//! form, an attribute as a key and one value) is taken inline; anything else goes to [`known`], which is cold, judges by
//! the table of shapes alone, and has no idea of speed. Both tell a [`Sink`] what they saw.
//!
//! A text of up to 32 bytes, or a key and a text of up to 64 together, is checked for ASCII at once: it is read with what stands behind it
//! in the request, and masked. Only where it is not ASCII is UTF-8 checked for.

use crate::field::{Fault, WireType, fixed, read_len, read_tag, skip};
use crate::shape::{self, Act, Kind, Shape};
use crate::varint;

/// Who is told of the fields of a message, in their order. Places are those of the request.
pub(crate) trait Sink {
    /// A varint, or the bits of a number of fixed width.
    fn number(&mut self, number: u32, bits: u64);
    /// Text, bytes, or a message that is not an attribute.
    fn slice(&mut self, number: u32, start: usize, end: usize);
    /// An attribute whose `KeyValue` holds a key and then a value and no more; the value's message ends where the
    /// attribute does. It is `plain` if it is one field in its shortest form.
    fn attribute(&mut self, bytes: &[u8], key: (usize, usize), value: (usize, usize), plain: bool);
    /// Any other attribute.
    fn odd_attribute(&mut self, bytes: &[u8], start: usize, end: usize);
}

/// For messages of which nothing is wanted.
pub(crate) struct Nothing;

impl Sink for Nothing {
    #[inline(always)]
    fn number(&mut self, _: u32, _: u64) {}
    #[inline(always)]
    fn slice(&mut self, _: u32, _: usize, _: usize) {}
    #[inline(always)]
    fn attribute(&mut self, _: &[u8], _: (usize, usize), _: (usize, usize), _: bool) {}
    #[inline(always)]
    fn odd_attribute(&mut self, _: &[u8], _: usize, _: usize) {}
}

/// Below this, every message is left to the cold path, which counts each level; above it, the levels that [`scan`] enters
/// without counting (an attribute, its value, a scalar in it) fit.
const DEPTH_COUNTED: u32 = 4;

/// Validates the message `from..end` of a request. `depth` is how much deeper it may nest.
pub(crate) fn scan<S: Sink>(
    request: &[u8],
    from: usize,
    end: usize,
    shape: &Shape,
    depth: u32,
    sink: &mut S,
) -> Result<(), Fault> {
    let bytes = &request[..end];
    let mut at = from;
    while at < bytes.len() {
        let first = bytes[at];
        let (act, next) = if first < 0x80 {
            (shape.act(first), at + 1)
        } else if bytes.get(at + 1) == Some(&1) {
            (shape.act(first), at + 2)
        } else {
            (Act::Cold, at)
        };
        // The tag's first byte without its type is the number for both lengths of tag.
        let number = u32::from(first >> 3);
        at = match act {
            _ if depth < DEPTH_COUNTED => cold(request, at, end, shape, depth, sink)?,
            Act::Cold => cold(request, at, end, shape, depth, sink)?,
            Act::Varint => {
                let Some((value, end)) = varint::read(bytes, next) else {
                    return Err(Fault::new(next, "expected a varint of at most 64 bits"));
                };
                sink.number(number, value);
                end
            }
            Act::Fixed64 => {
                let Some(bits) = bytes[next..].first_chunk() else {
                    return Err(Fault::new(next, "the message ends within a fixed-width number"));
                };
                sink.number(number, u64::from_le_bytes(*bits));
                next + 8
            }
            Act::Fixed32 => {
                let Some(bits) = bytes[next..].first_chunk() else {
                    return Err(Fault::new(next, "the message ends within a fixed-width number"));
                };
                sink.number(number, u32::from_le_bytes(*bits).into());
                next + 4
            }
            Act::Text => {
                let (start, end) = read_len(bytes, next)?;
                text(request, start, end)?;
                sink.slice(number, start, end);
                end
            }
            Act::Bytes => {
                let (start, end) = read_len(bytes, next)?;
                sink.slice(number, start, end);
                end
            }
            Act::KeyValue => {
                let (start, mut end) = read_len(bytes, next)?;
                key_value(request, start, end, depth - 1, sink)?;
                // Behind an attribute mostly stands another: no jump by its tag, which processors predict less well.
                while first < 0x80 && bytes.get(end) == Some(&first) {
                    let start;
                    (start, end) = read_len(bytes, end + 1)?;
                    key_value(request, start, end, depth - 1, sink)?;
                }
                end
            }
            Act::AnyValue => {
                let (start, end) = read_len(bytes, next)?;
                any_value(request, start, end, depth - 1)?;
                sink.slice(number, start, end);
                end
            }
            Act::Message => {
                let (start, end) = read_len(bytes, next)?;
                if let Kind::Message(inner) = shape.kind(number) {
                    match &request[start..end] {
                        // A status is mostly this: one small number.
                        [] => {}
                        [tag @ 0..0x80, 0..0x80] if inner.act(*tag) == Act::Varint => {}
                        _ => scan(request, start, end, inner, depth - 1, &mut Nothing)?,
                    }
                }
                sink.slice(number, start, end);
                end
            }
        };
    }
    Ok(())
}

/// An attribute, `depth` being that of its fields.
#[inline(always)]
fn key_value<S: Sink>(request: &[u8], start: usize, end: usize, depth: u32, sink: &mut S) -> Result<(), Fault> {
    let entry = &request[start..end];
    if let Some((key, value)) = plain_entry(entry) {
        let key = (start + 2, start + 2 + key.len());
        let value = end - value.len();
        // Tags, and lengths below 128, are ASCII: of an attribute that is a short text, key and text are looked at together.
        if let [0x0a, len, text @ ..] = &request[value..end]
            && *len as usize == text.len()
            && is_ascii::<64>(request, key.0, end)
        {
            sink.attribute(request, key, (value, end), true);
            return Ok(());
        }
        text(request, key.0, key.1)?;
        let plain = any_value(request, value, end, depth - 1)?;
        sink.attribute(request, key, (value, end), plain);
        return Ok(());
    }
    message(&request[..end], start, &shape::KEY_VALUE, depth)?;
    sink.odd_attribute(request, start, end);
    Ok(())
}

/// A length of one or two bytes, and what follows it.
#[inline(always)]
fn short_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [len @ 0..0x80, rest @ ..] => Some((*len as usize, rest)),
        [low, high @ 0..0x80, rest @ ..] => Some(((*low & 0x7f) as usize | (*high as usize) << 7, rest)),
        _ => None,
    }
}

/// The text of an `AnyValue` that is one field in its shortest form and holds text. A length that exceeds the value is
/// none: a message that was validated may still have its text in two fields.
#[inline(always)]
pub(crate) fn plain_text(value: &[u8]) -> Option<&[u8]> {
    match value {
        [0x0a, rest @ ..] => short_len(rest).filter(|(len, text)| text.len() == *len).map(|(_, text)| text),
        _ => None,
    }
}

/// The scalar of an `AnyValue` that is one field in its shortest form.
#[derive(Clone, Copy)]
pub(crate) enum PlainValue<'a> {
    /// UTF-8 where the message was validated.
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
}

/// What nearly all values are. `None`: it is another, in whatever form, or none.
#[inline(always)]
pub(crate) fn plain_value(value: &[u8]) -> Option<PlainValue<'_>> {
    if let Some(text) = plain_text(value) {
        return Some(PlainValue::Text(text));
    }
    match value {
        [0x10, bool @ 0..=1] => Some(PlainValue::Bool(*bool != 0)),
        [0x18, ..] => {
            let (bits, _) = varint::read(value, 1).filter(|(_, end)| *end == value.len())?;
            Some(PlainValue::Int(bits as i64))
        }
        [0x21, bits @ ..] => Some(PlainValue::Double(f64::from_bits(u64::from_le_bytes(bits.try_into().ok()?)))),
        _ => None,
    }
}

/// Key and value of a `KeyValue` that holds these two in this order and no more, in their shortest form.
#[inline(always)]
pub(crate) fn plain_entry(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, key_len @ 0..0x80, rest @ ..] = entry else { return None };
    let (key, [0x12, value @ ..]) = rest.split_at_checked(*key_len as usize)? else { return None };
    short_len(value).filter(|(len, value)| value.len() == *len).map(|(_, value)| (key, value))
}

/// An `AnyValue`, `depth` being that of its fields. Says whether it is one field in its shortest form.
#[inline(always)]
fn any_value(request: &[u8], start: usize, end: usize, depth: u32) -> Result<bool, Fault> {
    let value = &request[start..end];
    // Most values are short texts: one comparison that is predicted instead of a jump that is not.
    if let [0x0a, len @ 0..0x80, rest @ ..] = value
        && *len as usize == rest.len()
    {
        text(request, start + 2, end)?;
        return Ok(true);
    }
    match value {
        [0x0a, rest @ ..] => {
            if let Some((len, rest)) = short_len(rest)
                && rest.len() == len
            {
                text(request, end - len, end)?;
                return Ok(true);
            }
        }
        [0x18 | 0x10, rest @ ..] => {
            if let Some((_, read)) = varint::read(rest, 0)
                && read == rest.len()
            {
                return Ok(true);
            }
        }
        [0x21, rest @ ..] if rest.len() == 8 => return Ok(true),
        _ => {}
    }
    // Lists and maps may be long and are worth the speed, as long as levels need not be counted.
    if depth >= DEPTH_COUNTED {
        scan(request, start, end, &shape::ANY_VALUE, depth, &mut Nothing)?;
    } else {
        message(&request[..end], start, &shape::ANY_VALUE, depth)?;
    }
    Ok(false)
}

/// The highest bits of 64 bytes, and nothing of as many behind them: from `64 - n` on, those of the first `n`.
static HIGHEST: [u8; 128] = {
    let mut bits = [0; 128];
    let mut at = 0;
    while at < 64 {
        bits[at] = 0x80;
        at += 1;
    }
    bits
};

/// Whether `start..end` is ASCII. Up to `BLOCK` bytes, at most 64, are looked at together: then no branch depends on how many there are.
#[inline(always)]
fn is_ascii<const BLOCK: usize>(request: &[u8], start: usize, end: usize) -> bool {
    let text = &request[start..end];
    if text.len() <= BLOCK
        && let Some(block) = request[start..].first_chunk::<BLOCK>()
        && let Some(mask) = HIGHEST[64 - text.len()..].first_chunk::<BLOCK>()
    {
        let words = block.as_chunks::<8>().0.iter().zip(mask.as_chunks::<8>().0);
        return words.fold(0, |bits, (word, mask)| bits | u64::from_le_bytes(*word) & u64::from_le_bytes(*mask)) == 0;
    }
    text.is_ascii()
}

/// Whether a text is UTF-8, which nearly all are by being ASCII.
#[inline(always)]
fn text(request: &[u8], start: usize, end: usize) -> Result<(), Fault> {
    if is_ascii::<32>(request, start, end) { Ok(()) } else { utf8(&request[start..end], start) }
}

#[cold]
#[inline(never)]
fn utf8(text: &[u8], start: usize) -> Result<(), Fault> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(start + error.valid_up_to(), "text that is not UTF-8")),
    }
}

/// A field that is not written as usual.
#[cold]
#[inline(never)]
fn cold<S: Sink>(
    request: &[u8],
    at: usize,
    end: usize,
    shape: &Shape,
    depth: u32,
    sink: &mut S,
) -> Result<usize, Fault> {
    let bytes = &request[..end];
    let (number, wire, next) = read_tag(bytes, at)?;
    let end = known(bytes, next, number, wire, shape, depth)?;
    match (shape.kind(number), wire) {
        (Kind::Unknown | Kind::Fixed64s | Kind::Varints, _) => {}
        (_, WireType::Varint) => sink.number(number, varint::read(bytes, next).map_or(0, |(value, _)| value)),
        (_, WireType::Fixed64 | WireType::Fixed32) => {
            let bits = bytes[next..end].iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
            sink.number(number, bits);
        }
        (Kind::KeyValue, _) => sink.odd_attribute(request, read_len(bytes, next)?.0, end),
        _ => sink.slice(number, read_len(bytes, next)?.0, end),
    }
    Ok(end)
}

/// Validates the message from `from` to the end of `bytes` by the table alone.
pub(crate) fn message(bytes: &[u8], from: usize, shape: &Shape, depth: u32) -> Result<(), Fault> {
    let mut at = from;
    while at < bytes.len() {
        let (number, wire, next) = read_tag(bytes, at)?;
        at = known(bytes, next, number, wire, shape, depth)?;
    }
    Ok(())
}

/// Validates what follows the tag of a field of `shape`, and says where it ends.
pub(crate) fn known(
    bytes: &[u8],
    at: usize,
    number: u32,
    wire: WireType,
    shape: &Shape,
    depth: u32,
) -> Result<usize, Fault> {
    let inner = match shape.kind(number) {
        Kind::KeyValue => Kind::Message(&shape::KEY_VALUE),
        Kind::AnyValue => Kind::Message(&shape::ANY_VALUE),
        kind => kind,
    };
    match (inner, wire) {
        (Kind::Unknown, _) => skip(bytes, at, number, wire, depth),
        (Kind::Varint | Kind::Varints, WireType::Varint) => any_varint(bytes, at),
        (Kind::Fixed64 | Kind::Fixed64s, WireType::Fixed64) => fixed(bytes, at, 8),
        (Kind::Fixed32, WireType::Fixed32) => fixed(bytes, at, 4),
        (Kind::Text, WireType::Len) => {
            let (start, end) = read_len(bytes, at)?;
            text(bytes, start, end)?;
            Ok(end)
        }
        (Kind::Bytes, WireType::Len) => read_len(bytes, at).map(|(_, end)| end),
        (Kind::Message(_), WireType::Len) if depth == 0 => Err(Fault::new(at, "nested more than 100 deep")),
        (Kind::Message(inner), WireType::Len) => {
            let (start, end) = read_len(bytes, at)?;
            scan(bytes, start, end, inner, depth - 1, &mut Nothing)?;
            Ok(end)
        }
        (Kind::Fixed64s, WireType::Len) => {
            let (start, end) = read_len(bytes, at)?;
            match (end - start) % 8 {
                0 => Ok(end),
                rest => Err(Fault::new(end - rest, "packed numbers that end within one")),
            }
        }
        (Kind::Varints, WireType::Len) => {
            let (mut start, end) = read_len(bytes, at)?;
            while start < end {
                start = any_varint(&bytes[..end], start)?;
            }
            Ok(end)
        }
        _ => Err(Fault::new(at, "the field has another wire type than its message says")),
    }
}

fn any_varint(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match varint::read(bytes, at) {
        Some((_, end)) => Ok(end),
        None => Err(Fault::new(at, "expected a varint of at most 64 bits")),
    }
}
