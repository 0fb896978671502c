//! Numbers of 56 bits: how random an item is, and from where on items are kept (OTEP 235).
//!
//! An item is kept where its randomness is at least the threshold: of 2^56 possible numbers a threshold T keeps 2^56 - T.

/// How many numbers there are. As a threshold: nothing is kept.
pub const NUMBERS: u64 = 1 << 56;

/// Keeps everything.
pub const ALWAYS: u64 = 0;
/// Keeps nothing.
pub const NEVER: u64 = NUMBERS;

/// Kept by every threshold but [`NEVER`]: what an item without randomness counts as.
pub const RANDOMNESS_MAX: u64 = NUMBERS - 1;

/// Hexadecimal digits of 56 bits.
pub const DIGITS: u32 = 14;

const BITS_PER_DIGIT: u32 = 4;

/// The smallest share that a threshold can express.
pub const PROBABILITY_MIN: f64 = 1.0 / NUMBERS as f64;

/// The threshold that keeps this share, to so many digits. `None`: not a share, or too small a one.
///
/// Where the share is close to 0 or 1 its threshold begins with `f` or `0`; these digits say nothing of its relative size, and so
/// many more are given.
pub fn of_probability(share: f64, digits: u32) -> Option<u64> {
    if !(PROBABILITY_MIN..=1.0).contains(&share) {
        return None;
    }
    if share == 1.0 {
        return Some(ALWAYS);
    }
    let leading = |part: f64| (-exponent(part)).max(0) as u32 / BITS_PER_DIGIT;
    let digits = (digits + leading(share)).max(digits + leading(1.0 - share)).min(DIGITS);
    let mut threshold = NUMBERS - (share * NUMBERS as f64).round() as u64;
    let shift = BITS_PER_DIGIT * (DIGITS - digits);
    if shift > 0 {
        threshold = (threshold + (1 << (shift - 1))) >> shift << shift;
    }
    Some(threshold)
}

/// The share that a threshold keeps.
pub fn probability(threshold: u64) -> f64 {
    (NUMBERS - threshold) as f64 / NUMBERS as f64
}

/// The power of two that a number in 0.0 to 1.0 is at least half of, and less than.
fn exponent(number: f64) -> i32 {
    const BIAS: i32 = 1022;
    ((number.to_bits() >> 52) & 0x7ff) as i32 - BIAS
}

/// A threshold as `th` has it: trailing zeros are left out. Not for [`NEVER`], which has no digits.
pub fn write_threshold(threshold: u64, out: &mut String) {
    if threshold == ALWAYS {
        out.push('0');
        return;
    }
    let start = out.len();
    write_randomness(threshold, out);
    let kept = out[start..].trim_end_matches('0').len();
    out.truncate(start + kept);
}

/// A number as `rv` has it: all fourteen digits.
pub fn write_randomness(number: u64, out: &mut String) {
    let digit = |place: u32| (number >> (BITS_PER_DIGIT * (DIGITS - 1 - place))) as u32 & 15;
    out.extend((0..DIGITS).map(|place| char::from_digit(digit(place), 16).unwrap_or('0')));
}

/// Reads `th`: one to fourteen digits, the rest zeros.
pub fn read_threshold(text: &str) -> Option<u64> {
    let digits = u32::try_from(text.len()).ok().filter(|digits| (1..=DIGITS).contains(digits))?;
    Some(read(text)? << (BITS_PER_DIGIT * (DIGITS - digits)))
}

/// Reads `rv`: fourteen digits.
pub fn read_randomness(text: &str) -> Option<u64> {
    if text.len() == DIGITS as usize { read(text) } else { None }
}

fn read(text: &str) -> Option<u64> {
    text.chars().try_fold(0, |number, digit| Some(number << BITS_PER_DIGIT | u64::from(digit.to_digit(16)?)))
}

/// The randomness of a trace id: its last seven bytes.
pub fn of_trace_id(id: &[u8; 16]) -> u64 {
    id[9..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(threshold: u64) -> String {
        let mut out = String::new();
        write_threshold(threshold, &mut out);
        out
    }

    /// The specification's examples, and what the Collector makes of shares near the ends.
    #[test]
    fn shares_have_their_thresholds() {
        for (share, digits, expected) in [
            (1.0, 4, "0"),
            (0.5, 4, "8"),
            (0.25, 4, "c"),
            (0.1, 4, "e666"),
            (0.01, 4, "fd70a"),
            (0.001, 4, "ffbe77"),
            (1.0 / 3.0, 4, "aaab"),
            (0.9, 4, "199a"),
            (0.99, 4, "028f6"),
            (0.1, 14, "e6666666666666"),
            (PROBABILITY_MIN, 1, "ffffffffffffff"),
        ] {
            assert_eq!(text(of_probability(share, digits).unwrap()), expected, "{share} to {digits} digits");
        }
        for bad in [0.0, -0.1, 1.1, f64::NAN, PROBABILITY_MIN / 2.0] {
            assert_eq!(of_probability(bad, 4), None, "{bad}");
        }
    }

    /// What is written is read as the same number, and nothing else is read.
    #[test]
    fn texts_are_numbers_and_back() {
        for threshold in [ALWAYS, 1, 0xe6 << 48, RANDOMNESS_MAX] {
            assert_eq!(read_threshold(&text(threshold)), Some(threshold));
        }
        let mut out = String::new();
        write_randomness(0xab, &mut out);
        assert_eq!((out.as_str(), read_randomness(&out)), ("000000000000ab", Some(0xab)));
        for bad in ["", "g", "+1", " 1", "123456789abcdef"] {
            assert_eq!(read_threshold(bad), None, "`{bad}`");
        }
        assert_eq!(read_randomness("abc"), None);
    }
}
