//! Texts: where one has to be escaped, and both ways of doing it.

use super::reader::{JsonFault, Raw};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The highest bit of each byte below 0x80 that is a quote, a backslash or a control character: such a byte borrows from it when less is
/// subtracted than is asked for. What it says of a byte from 0x80 on, or above one that borrowed, means nothing.
#[inline]
fn specials(word: u64) -> u64 {
    let quotes = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * 0x20);
    quotes | backslashes | controls
}

/// Bytes before the first quote, backslash or control character, eight at a time.
#[inline]
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        // Those from 0x80 on stand as they are. A borrow can only mark bytes above one that is marked rightly.
        let marks = specials(word) & !word & HIGHS;
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

/// Whether a text is ASCII that stands in JSON as it is, eight bytes at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    // A byte that is not ASCII is a mark too.
    let marks = |word: u64| (specials(word) | word) & HIGHS;
    let (Some(last), (chunks, _)) = (bytes.last_chunk(), bytes.as_chunks::<8>()) else {
        return bytes.iter().all(|byte| matches!(byte, 0x20..0x80) && !matches!(byte, b'"' | b'\\'));
    };
    // The last eight overlap those before.
    let all =
        chunks.iter().fold(marks(u64::from_le_bytes(*last)), |all, chunk| all | marks(u64::from_le_bytes(*chunk)));
    all == 0
}

/// Appends a text with its quotes. `false`, and nothing was appended: it is not UTF-8.
#[inline]
pub(super) fn put(text: &[u8], out: &mut Vec<u8>) -> bool {
    if !is_plain(text) {
        let is_text = std::str::from_utf8(text).is_ok();
        if is_text {
            escape(text, out);
        }
        return is_text;
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
    true
}

/// Appends what a text says. Never more bytes than it is written with.
///
/// A surrogate without its other half is no character: as in the Collector, U+FFFD stands for it.
pub(super) fn unescape(raw: Raw<'_>, out: &mut Vec<u8>) -> Result<(), JsonFault> {
    let bytes = raw.bytes;
    let mut at = 0;
    while at < bytes.len() {
        let plain = plain_len(&bytes[at..]);
        out.extend_from_slice(&bytes[at..at + plain]);
        at += plain;
        let Some(&escape) = bytes.get(at + 1) else { break };
        let fault = |what| Err(JsonFault::other(raw.offset + at, what));
        let byte = match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some(unit) = hex4(bytes, at + 2) else { return fault("`\\u` needs four hexadecimal digits") };
                let low = if bytes[at + 6..].starts_with(b"\\u") { hex4(bytes, at + 8) } else { None };
                let (code, len) = match (unit, low) {
                    (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
                        (0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), 12)
                    }
                    _ => (unit, 6),
                };
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += len;
                continue;
            }
            _ => return fault("a backslash is followed by one of \" \\ / b f n r t u"),
        };
        out.push(byte);
        at += 2;
    }
    Ok(())
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
}

/// Appends a text with its quotes.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            _ => out.extend([b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
        rest = behind;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescaped(text: &str) -> Result<String, usize> {
        let mut out = Vec::new();
        match unescape(Raw { bytes: text.as_bytes(), offset: 100, escaped: true }, &mut out) {
            Ok(()) => Ok(String::from_utf8(out).expect("UTF-8")),
            Err(fault) => Err(fault.offset - 100),
        }
    }

    /// Every escape; pairs of surrogates are one character, single ones the replacement, and what follows them is kept.
    #[test]
    fn escapes_are_read() {
        let cases = [
            (r#"\"\\\/\b\f\n\r\t"#, Ok("\"\\/\u{8}\u{c}\n\r\t")),
            (r"\u0041\u00e9\u20AC", Ok("Aé€")),
            (r"\ud83d\ude00!", Ok("😀!")),
            (r"a\ud83db", Ok("a\u{fffd}b")),
            (r"\ude00", Ok("\u{fffd}")),
            (r"\ud83d\ud83d\ude00", Ok("\u{fffd}😀")),
            (r"\ud83d\n", Ok("\u{fffd}\n")),
            (r"\u0000", Ok("\0")),
            (r"ab\x", Err(2)),
            (r"ab\u12", Err(2)),
            (r"ab\u12g4", Err(2)),
            (r"\u+123", Err(0)),
        ];
        for (text, expected) in cases {
            assert_eq!(unescaped(text).as_deref().map_err(|offset| *offset), expected, "{text}");
        }
    }

    proptest! {
        /// The eight at a time find what one at a time finds.
        #[test]
        fn the_first_special_byte_is_found(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), 0x1eu8..0x24, any::<u8>()], 0..40)) {
            let expected = bytes.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(plain_len(&bytes), expected.unwrap_or(bytes.len()));
        }

        /// What is taken for plain is ASCII without a special byte, and all of that is.
        #[test]
        fn plain_is_told_apart(bytes in prop::collection::vec(prop_oneof![20 => 0x1eu8..0x80, 1 => Just(b'"'), 1 => any::<u8>()], 0..40)) {
            let expected = bytes.iter().all(|byte| matches!(byte, 0x20..0x80) && !matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(is_plain(&bytes), expected);
        }

        /// Written texts are read back, by us and by a JSON library.
        #[test]
        fn written_is_read(text in ".*") {
            let mut out = Vec::new();
            prop_assert!(put(text.as_bytes(), &mut out));
            let inner = std::str::from_utf8(&out[1..out.len() - 1]).unwrap();
            prop_assert_eq!(unescaped(inner), Ok(text.clone()));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
