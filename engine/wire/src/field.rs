//! Fields of a protobuf message: a tag, and what follows it.
//!
//! [`read_tag`] and [`skip`] judge bytes that nobody has checked; [`fields`] walks a message that was checked.

use crate::varint;

/// How deep messages and groups may nest below the request. `prost`'s limit, so that we accept what it accepts.
pub(crate) const DEPTH_MAX: u32 = 100;

/// What a tag says of the bytes after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireType {
    Varint = 0,
    Fixed64 = 1,
    /// A length, and as many bytes: text, bytes, messages, packed numbers.
    Len = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

/// Where a message is not one, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// Counted from the start of the bytes that were read.
    pub offset: usize,
    pub reason: &'static str,
}

impl Fault {
    #[cold]
    pub(crate) fn new(offset: usize, reason: &'static str) -> Fault {
        Fault { offset, reason }
    }
}

/// Reads the tag at `at`: field number (at least 1), wire type, and where the tag ends.
#[inline]
pub(crate) fn read_tag(bytes: &[u8], at: usize) -> Result<(u32, WireType, usize), Fault> {
    let Some((key, next)) = varint::read(bytes, at) else {
        return Err(Fault::new(at, "expected a tag, found no varint"));
    };
    let Ok(key) = u32::try_from(key) else {
        return Err(Fault::new(at, "the tag has more than 32 bits"));
    };
    let wire = match key & 7 {
        0 => WireType::Varint,
        1 => WireType::Fixed64,
        2 => WireType::Len,
        3 => WireType::StartGroup,
        4 => WireType::EndGroup,
        5 => WireType::Fixed32,
        _ => return Err(Fault::new(at, "the wire type is none of 0 to 5")),
    };
    match key >> 3 {
        0 => Err(Fault::new(at, "the field number is 0")),
        number => Ok((number, wire, next)),
    }
}

/// Reads the length prefix at `at` and says where the contents start and end, which is within `bytes`.
#[inline]
pub(crate) fn read_len(bytes: &[u8], at: usize) -> Result<(usize, usize), Fault> {
    let Some((len, start)) = varint::read(bytes, at) else {
        return Err(Fault::new(at, "expected a length, found no varint"));
    };
    if len > (bytes.len() - start) as u64 {
        return Err(Fault::new(at, "the length exceeds the message"));
    }
    Ok((start, start + len as usize))
}

/// Skips what follows the tag of a field, groups included, and says where it ends. `depth` is how much deeper it may
/// nest; at 0 not even a scalar may be skipped, as with `prost`.
pub(crate) fn skip(bytes: &[u8], at: usize, number: u32, wire: WireType, depth: u32) -> Result<usize, Fault> {
    if depth == 0 {
        return Err(Fault::new(at, "nested more than 100 deep"));
    }
    match wire {
        WireType::Varint => match varint::read(bytes, at) {
            Some((_, end)) => Ok(end),
            None => Err(Fault::new(at, "expected a varint of at most 64 bits")),
        },
        WireType::Fixed64 => fixed(bytes, at, 8),
        WireType::Fixed32 => fixed(bytes, at, 4),
        WireType::Len => read_len(bytes, at).map(|(_, end)| end),
        WireType::StartGroup => {
            let mut at = at;
            loop {
                let (inner, wire, next) = read_tag(bytes, at)?;
                if wire == WireType::EndGroup {
                    return if inner == number { Ok(next) } else { Err(Fault::new(at, "the end of another group")) };
                }
                at = skip(bytes, next, inner, wire, depth - 1)?;
            }
        }
        WireType::EndGroup => Err(Fault::new(at, "the end of a group that did not start")),
    }
}

/// The end of a field of `width` bytes.
#[inline]
pub(crate) fn fixed(bytes: &[u8], at: usize, width: usize) -> Result<usize, Fault> {
    if bytes.len() - at < width {
        return Err(Fault::new(at, "the message ends within a fixed-width number"));
    }
    Ok(at + width)
}

/// A field of a message that was checked.
#[derive(Clone, Copy, Debug)]
pub struct RawField<'a> {
    pub number: u32,
    pub wire: WireType,
    /// First byte of the tag, within the message.
    pub(crate) start: usize,
    /// First byte behind the tag and, for [`WireType::Len`], the length.
    pub(crate) value: usize,
    /// Behind the last byte, for a group behind its end tag.
    pub(crate) end: usize,
    message: &'a [u8],
}

impl<'a> RawField<'a> {
    /// Where it lies in its message, tag included: fields that follow one another are one range.
    #[inline]
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// The contents: text, bytes or message of a [`WireType::Len`]; the bytes of a number; a group with its end tag.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        &self.message[self.value..self.end]
    }

    /// The contents as text; empty where they are not UTF-8, which a text of a request that was parsed is.
    #[inline]
    pub fn text(&self) -> &'a str {
        std::str::from_utf8(self.payload()).unwrap_or_default()
    }

    /// The number of a [`WireType::Varint`]; 0 for any other.
    #[inline]
    pub fn varint(&self) -> u64 {
        match self.wire {
            WireType::Varint => varint::read(self.message, self.value).map_or(0, |(value, _)| value),
            _ => 0,
        }
    }

    /// The number of a [`WireType::Fixed64`]; 0 for any other.
    #[inline]
    pub fn fixed64(&self) -> u64 {
        self.payload().try_into().map_or(0, u64::from_le_bytes)
    }

    /// The number of a [`WireType::Fixed32`]; 0 for any other.
    #[inline]
    pub fn fixed32(&self) -> u32 {
        self.payload().try_into().map_or(0, u32::from_le_bytes)
    }
}

/// The fields of a message, in order. Ends at the first byte that is none, which a checked message does not have.
#[inline]
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { message, at: 0 }
}

/// See [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = RawField<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawField<'a>> {
        if self.at >= self.message.len() {
            return None;
        }
        let start = self.at;
        let (number, wire, next) = read_tag(self.message, start).ok()?;
        let (value, end) = match wire {
            WireType::Len => read_len(self.message, next).ok()?,
            _ => (next, skip(self.message, next, number, wire, DEPTH_MAX).ok()?),
        };
        self.at = end;
        Some(RawField { number, wire, start, value, end, message: self.message })
    }
}

/// Appends the tag of a field.
#[inline]
pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire: WireType) {
    varint::put(out, u64::from(number) << 3 | wire as u64);
}

/// Appends a field of the wire type [`WireType::Len`].
#[inline]
pub(crate) fn put_len(out: &mut Vec<u8>, number: u32, contents: &[u8]) {
    put_tag(out, number, WireType::Len);
    varint::put(out, contents.len() as u64);
    out.extend_from_slice(contents);
}

/// Bytes of a field with `len` bytes of contents, tag and length prefix included.
#[inline]
pub(crate) const fn len_of(number: u32, len: usize) -> usize {
    varint::len((number as u64) << 3) + varint::len(len as u64) + len
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with one field of each wire type, a group within a group among them: the walk gives each with its parts.
    #[test]
    fn every_wire_type_is_walked() {
        let mut message = Vec::new();
        put_tag(&mut message, 1, WireType::Varint);
        varint::put(&mut message, 300);
        put_tag(&mut message, 2, WireType::Fixed64);
        message.extend(7u64.to_le_bytes());
        put_len(&mut message, 3, b"abc");
        put_tag(&mut message, 4, WireType::StartGroup);
        put_tag(&mut message, 5, WireType::StartGroup);
        put_tag(&mut message, 5, WireType::EndGroup);
        put_tag(&mut message, 4, WireType::EndGroup);
        put_tag(&mut message, 6, WireType::Fixed32);
        message.extend(9u32.to_le_bytes());

        let all: Vec<_> = fields(&message).collect();
        assert_eq!(all.iter().map(|field| field.number).collect::<Vec<_>>(), [1, 2, 3, 4, 6]);
        assert_eq!(all[0].varint(), 300);
        assert_eq!(all[1].fixed64(), 7);
        assert_eq!(all[2].payload(), b"abc");
        assert_eq!(all[2].end - all[2].start, len_of(3, 3));
        assert_eq!(all[4].fixed32(), 9);
        assert_eq!(all[4].end, message.len());
    }

    /// Groups nested as deep as prost allows are skipped; one deeper is refused, as is a scalar below the last.
    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let mut message = Vec::new();
            (0..depth).for_each(|_| put_tag(&mut message, 1, WireType::StartGroup));
            (0..depth).for_each(|_| put_tag(&mut message, 1, WireType::EndGroup));
            message
        };
        let deepest = nested(DEPTH_MAX as usize);
        assert_eq!(skip(&deepest, 1, 1, WireType::StartGroup, DEPTH_MAX), Ok(deepest.len()));
        assert!(skip(&nested(DEPTH_MAX as usize + 1), 1, 1, WireType::StartGroup, DEPTH_MAX).is_err());
    }
}
