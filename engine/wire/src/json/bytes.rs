//! Bytes as text: ids in hex, everything else in base64.

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What is no digit.
const NONE: u8 = u8::MAX;

/// The value of each digit of base64, of the standard alphabet and of the one for URLs.
static BASE64_VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < BASE64.len() {
        values[BASE64[at] as usize] = at as u8;
        at += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

static HEX_VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < HEX.len() {
        values[HEX[at] as usize] = at as u8;
        values[HEX[at].to_ascii_uppercase() as usize] = at as u8;
        at += 1;
    }
    values
};

/// Appends what hexadecimal digits say. `false`: they are not, or are an odd number; then `out` is to be thrown away.
pub(super) fn read_hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    let (pairs, odd) = text.as_chunks::<2>();
    let mut all = 0;
    out.extend(pairs.iter().map(|pair| {
        let [high, low] = pair.map(|digit| HEX_VALUES[usize::from(digit)]);
        all |= high | low;
        high << 4 | low
    }));
    all < 16 && odd.is_empty()
}

pub(super) fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]));
}

/// The digits of a text in base64, without the padding, which may be left out; `None` where their number is none that
/// base64 can have.
pub(super) fn base64_digits(text: &[u8]) -> Option<&[u8]> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = &text[..text.len() - padding];
    let whole = padding == 0 || (text.len().is_multiple_of(4) && padding <= 2);
    (whole && digits.len() % 4 != 1).then_some(digits)
}

/// Bytes that so many digits say.
pub(super) fn base64_len(digits: usize) -> usize {
    digits / 4 * 3 + (digits % 4).saturating_sub(1)
}

/// Appends what digits of base64 say, of either alphabet. `false`: not all are digits; then `out` is to be thrown away.
pub(super) fn read_base64(digits: &[u8], out: &mut Vec<u8>) -> bool {
    let mut all = 0;
    for group in digits.chunks(4) {
        let mut word = 0;
        for (place, &digit) in group.iter().enumerate() {
            let value = BASE64_VALUES[usize::from(digit)];
            all |= value;
            word |= u32::from(value) << (18 - 6 * place);
        }
        out.extend_from_slice(&word.to_be_bytes()[1..][..group.len() - 1]);
    }
    all < 64
}

/// Appends bytes in base64 as the Collector writes it: the standard alphabet, padded.
pub(crate) fn put_base64(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=group.len()].copy_from_slice(group);
        let word = u32::from_be_bytes(word);
        let digits: [u8; 4] = std::array::from_fn(|place| BASE64[(word >> (18 - 6 * place)) as usize & 63]);
        out.extend_from_slice(&digits[..=group.len()]);
        out.extend_from_slice(&b"=="[..3 - group.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let digits = base64_digits(text.as_bytes())?;
        let mut out = Vec::new();
        let good = read_base64(digits, &mut out);
        assert_eq!(out.len(), base64_len(digits.len()));
        good.then_some(out)
    }

    /// The vectors of RFC 4648, both alphabets, with and without padding.
    #[test]
    fn base64_of_the_rfc() {
        let vectors =
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmE=", "fooba")];
        for (text, bytes) in vectors {
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
            assert_eq!(decoded(text.trim_end_matches('=')).as_deref(), Some(bytes.as_bytes()), "{text}");
            let mut out = Vec::new();
            put_base64(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
        }
        assert_eq!(decoded("+/+/"), decoded("-_-_"));
        for wrong in ["Z", "Zg=", "Zg===", "Zm9v=", "====", "Z\u{e9}==", "Zm 9", "Zm9v\n"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn written_is_read(bytes: Vec<u8>) {
            let mut text = Vec::new();
            put_base64(&bytes, &mut text);
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(decoded(&text), Some(bytes.clone()));
            let mut hex = Vec::new();
            put_hex(&bytes, &mut hex);
            let mut out = Vec::new();
            prop_assert!(read_hex(&hex, &mut out) && read_hex(&hex.to_ascii_uppercase(), &mut out));
            prop_assert_eq!(out, [bytes.clone(), bytes].concat());
        }
    }

    #[test]
    fn what_is_not_hex() {
        for wrong in ["0", "0g", "g0", "0x", " 0", "é"] {
            assert!(!read_hex(wrong.as_bytes(), &mut Vec::new()), "{wrong}");
        }
    }
}
