//! When a certificate is valid: the two times of RFC 5280, section 4.1.2.5, read from its DER.
//!
//! rustls checks the peer's certificate and not our own, and its parser does not tell these. Nothing else of a certificate is
//! looked at here: what is malformed has no times, and rustls says what is wrong with it.

use std::time::{Duration, SystemTime};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`: the version, which a certificate of version 1 has not.
const VERSION: u8 = 0xa0;

/// The last second that a date with a year of four digits has.
const DATE_MAX: i64 = 253_402_300_799;

/// The first and the last second, since 1970. `None`: it is not a certificate.
pub(super) fn of(certificate: &[u8]) -> Option<(i64, i64)> {
    let (certificate, _) = value(certificate, SEQUENCE)?;
    let (mut rest, _) = value(certificate, SEQUENCE)?;
    if let Some((_, after)) = value(rest, VERSION) {
        rest = after;
    }
    // The serial number, the signature's algorithm, the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = value(rest, tag)?.1;
    }
    let (validity, _) = value(rest, SEQUENCE)?;
    let (begins, rest) = time(validity)?;
    let (ends, _) = time(rest)?;
    Some((begins, ends))
}

pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// As people read it. Years before 1970 and after 9999 are shown as the nearest of these.
pub(super) fn date(unix_seconds: i64) -> String {
    let seconds = u64::try_from(unix_seconds.min(DATE_MAX)).unwrap_or(0);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The content of the first element, if it has this tag, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        // The length has a length.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A time, and what follows it.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let (text, century, rest) = match der.first()? {
        &GENERALIZED_TIME => {
            let (text, rest) = value(der, GENERALIZED_TIME)?;
            let (century, text) = text.split_at_checked(2)?;
            (text, number(century)?, rest)
        }
        _ => {
            let (text, rest) = value(der, UTC_TIME)?;
            // Until 2049.
            (text, if number(text.get(..2)?)? < 50 { 20 } else { 19 }, rest)
        }
    };
    let field = |at: usize| text.get(at..at + 2).and_then(number);
    let (year, month, day) = (century * 100 + field(0)?, field(2)?, field(4)?);
    let (hour, minute, second) = (field(6)?, field(8)?, field(10)?);
    if text.get(12..)? != b"Z" || !(1..=12).contains(&month) {
        return None;
    }
    Some((days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second, rest))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// Days since 1970, of the Gregorian calendar: the year begins in March, so that its odd day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        assert!(length < 128);
        [&[tag, length as u8], content].concat()
    }

    fn certificate(begins: &[u8], ends: &[u8]) -> Vec<u8> {
        let validity = element(SEQUENCE, &[begins, ends].concat());
        let rest: [&[u8]; 5] =
            [&[0xa0, 3, 2, 1, 2], &[INTEGER, 1, 7], &[SEQUENCE, 0], &[SEQUENCE, 0], validity.as_slice()];
        element(SEQUENCE, &element(SEQUENCE, &rest.concat()))
    }

    /// Both forms of a time, before and after 2000 and 2050, a leap day.
    #[test]
    fn times() {
        let utc = |text: &str| element(UTC_TIME, text.as_bytes());
        let general = |text: &str| element(GENERALIZED_TIME, text.as_bytes());
        let found = of(&certificate(&utc("700101000000Z"), &utc("491231235959Z")));
        assert_eq!(found, Some((0, 2_524_607_999)));
        let found = of(&certificate(&utc("240229120000Z"), &general("99991231235959Z")));
        assert_eq!(found, Some((1_709_208_000, DATE_MAX)));
        assert_eq!(date(1_709_208_000), "Thu, 29 Feb 2024 12:00:00 GMT");
        assert_eq!(date(i64::MAX), date(DATE_MAX));
        assert_eq!(date(-1), date(0));
    }

    /// Whatever is cut off or not a time has none, and nothing panics.
    #[test]
    fn damaged() {
        let whole = certificate(&element(UTC_TIME, b"700101000000Z"), &element(UTC_TIME, b"7001010000 0Z"));
        assert_eq!(of(&whole), None);
        let whole = certificate(&element(UTC_TIME, b"700101000000Z"), &element(UTC_TIME, b"710101000000Z"));
        for length in 0..whole.len() {
            assert_eq!(of(&whole[..length]), None);
            let mut damaged = whole.clone();
            damaged[length] = 0xff;
            let _ = of(&damaged);
        }
    }
}
