//! Numbers as text.

use std::io::Write;

/// Whole numbers below are written without a fraction: each is a `f64` of its own.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        if let Some(digit) = digits.get_mut(start) {
            *digit = b'0' + (value % 10) as u8;
        }
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// A value as Prometheus reads it: the shortest that is read back as the same, `NaN`, `+Inf`, `-Inf`.
pub(crate) fn put_value(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if magnitude < WHOLE_MAX && value.trunc() == value {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        return put_unsigned(out, magnitude as u64);
    }
    let written = if value.is_nan() {
        out.write_all(b"NaN")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"+Inf" } else { b"-Inf" })
    } else if (1e-4..1e21).contains(&magnitude) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
    debug_assert!(written.is_ok(), "a vector takes everything");
}

/// Nanoseconds as seconds.
pub(crate) fn put_seconds(out: &mut Vec<u8>, nanoseconds: u64) {
    put_unsigned(out, nanoseconds / 1_000_000_000);
    let millis = nanoseconds / 1_000_000 % 1_000;
    if millis > 0 {
        out.push(b'.');
        for divisor in [100, 10, 1] {
            out.push(b'0' + (millis / divisor % 10) as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(value: f64) -> String {
        let mut out = Vec::new();
        put_value(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    /// Each way to write a number.
    #[test]
    fn values_are_written() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (42.0, "42"),
            (-7.0, "-7"),
            (0.25, "0.25"),
            (1e-7, "1e-7"),
            (1e300, "1e300"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (number, text) in cases {
            assert_eq!(value(number), text);
        }
        let mut out = Vec::new();
        put_unsigned(&mut out, u64::MAX);
        out.push(b' ');
        put_seconds(&mut out, 1_700_000_000_020_999_999);
        out.push(b' ');
        put_seconds(&mut out, 3_000_000_000);
        assert_eq!(out, b"18446744073709551615 1700000000.020 3");
    }

    proptest! {
        /// What is written is read back as the same number.
        #[test]
        fn values_are_read_back(bits: u64, whole: i32) {
            let number = f64::from_bits(bits);
            let read: f64 = value(number).parse().unwrap();
            prop_assert!(read.to_bits() == number.to_bits() || read.is_nan() && number.is_nan());
            prop_assert_eq!(value(whole.into()).parse::<f64>().unwrap(), f64::from(whole));
        }
    }
}
