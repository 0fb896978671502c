//! Numbers: JSON's decimal texts to and from integers and doubles.

use std::io::Write as _;

/// Digits and places that an integer is looked for in: more than any integer of 64 bits has, even one that is written
/// `1.8446744073709551615e19`.
const SHIFT_MAX: usize = 40;

/// A whole number, whichever way it is written: `12`, `-12`, `12.0`, `1.2e1`. `None` where it is not one, or is far out of the
/// range of 64 bits.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    // Nineteen digits always fit.
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return integer_slowly(digits, negative);
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some(if negative { -i128::from(value) } else { i128::from(value) })
}

/// With a fraction or an exponent, or longer than usual.
#[cold]
fn integer_slowly(digits: &[u8], negative: bool) -> Option<i128> {
    let (mantissa, exponent) = match digits.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&digits[..at], std::str::from_utf8(&digits[at + 1..]).ok()?.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    // The digits without zeros around them, and by how many places they are shifted.
    let zeros_behind = |digits: &[u8]| digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let fraction = &fraction[..fraction.len() - zeros_behind(fraction)];
    let all = whole.iter().chain(fraction).skip_while(|digit| **digit == b'0');
    if all.clone().count() > SHIFT_MAX - 2 {
        return None;
    }
    let value = all.fold(0i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    let shift = i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
    let value = if value == 0 {
        0
    } else if shift < 0 {
        let divisor = 10i128.checked_pow(u32::try_from(-shift).ok()?)?;
        if value % divisor != 0 {
            return None;
        }
        value / divisor
    } else {
        value.checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)?
    };
    Some(if negative { -value } else { value })
}

/// A double from a number by JSON's grammar. `None` where it is larger than any.
#[inline]
pub(super) fn double(number: &[u8]) -> Option<f64> {
    // Digits alone, which are exact as an integer, are most of them.
    if number.len() <= 15 && number.iter().all(u8::is_ascii_digit) {
        return Some(number.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0')) as f64);
    }
    std::str::from_utf8(number).ok()?.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Appends an integer.
pub(crate) fn put_integer(out: &mut Vec<u8>, negative: bool, mut magnitude: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a double so that the same one is read again, in the shortest form; with an exponent where the Collector has one. What
/// JSON has no numbers for is a text.
pub(crate) fn put_double(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    let written = if value.is_nan() {
        out.write_all(b"\"NaN\"")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" })
    } else if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
    debug_assert!(written.is_ok(), "a vector takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_in_every_form() {
        let cases = [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("-9223372036854775808", Some(i128::from(i64::MIN))),
            ("1.8446744073709551615e19", Some(i128::from(u64::MAX))),
            ("12.000", Some(12)),
            ("1.20e1", Some(12)),
            ("1e2", Some(100)),
            ("1200e-2", Some(12)),
            ("0e999999999", Some(0)),
            ("0.0", Some(0)),
            ("1.5", None),
            ("1e-1", None),
            ("1e99", None),
            ("1e99999999999", None),
            ("", None),
            ("-", None),
            ("+1", None),
            ("--1", None),
            ("1 ", None),
            ("0x10", None),
            ("1.", Some(1)),
            (".5", None),
            ("e5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(integer("9".repeat(1000).as_bytes()), None);
        assert_eq!(integer(format!("{}7", "0".repeat(1000)).as_bytes()), Some(7));
    }

    proptest! {
        #[test]
        fn written_is_read(bits: u64, integer_value: i64) {
            let mut out = Vec::new();
            let value = f64::from_bits(bits);
            put_double(&mut out, value);
            if value.is_finite() {
                prop_assert_eq!(double(&out).map(f64::to_bits), Some(bits));
                prop_assert!(serde_json::from_slice::<f64>(&out).is_ok());
            }
            out.clear();
            put_integer(&mut out, integer_value < 0, integer_value.unsigned_abs());
            prop_assert_eq!(integer(&out), Some(i128::from(integer_value)));
        }
    }
}
