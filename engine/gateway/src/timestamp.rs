//! Points in time as people read them.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmill_archive::stamp::civil;

const SECONDS_PER_DAY: u64 = 86_400;

/// `2020-02-11 20:26:12.000000321 +0000 UTC`, as Go prints a time and the Collector's debug exporter with it; a fraction only
/// where there is one.
pub fn utc(unix_nanos: u64) -> String {
    let (seconds, nanos) = (unix_nanos / 1_000_000_000, unix_nanos % 1_000_000_000);
    let mut text = date_and_time(seconds, ' ');
    push_fraction(&mut text, nanos);
    text.push_str(" +0000 UTC");
    text
}

/// RFC 3339 in UTC: `2020-02-11T20:26:12.000000321Z`.
pub fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let mut text = date_and_time(since.as_secs(), 'T');
    push_fraction(&mut text, u64::from(since.subsec_nanos()));
    text.push('Z');
    text
}

/// `2020-02-11T20-26-12.321`, in UTC or in the time of the machine's zone.
pub fn in_file_name(at: SystemTime, local: bool) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since.as_secs();
    let seconds = if local { seconds.saturating_add_signed(zone_offset_seconds(seconds)) } else { seconds };
    format!("{}.{:03}", date_and_time(seconds, 'T').replace(':', "-"), since.subsec_millis())
}

/// How far the clocks of the machine's zone are ahead of UTC at a point in time.
fn zone_offset_seconds(unix_seconds: u64) -> i64 {
    let Ok(seconds) = libc::time_t::try_from(unix_seconds) else { return 0 };
    // SAFETY: `tm` is plain numbers and a pointer, for which zeros are valid, and `localtime_r` writes only to it.
    unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&seconds, &mut parts).is_null() { 0 } else { parts.tm_gmtoff }
    }
}

fn date_and_time(unix_seconds: u64, between: char) -> String {
    let (year, month, day) = civil(unix_seconds / SECONDS_PER_DAY);
    let second = unix_seconds % SECONDS_PER_DAY;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
}

/// The fraction without trailing zeros.
fn push_fraction(text: &mut String, nanos: u64) {
    if nanos > 0 {
        // Writing to a string does not fail.
        let _ = write!(text, ".{nanos:09}");
        text.truncate(text.trim_end_matches('0').len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(utc(1_581_452_772_000_000_321), "2020-02-11 20:26:12.000000321 +0000 UTC");
        assert_eq!(utc(1_582_934_400_500_000_000), "2020-02-29 00:00:00.5 +0000 UTC");
        assert_eq!(utc(u64::MAX), "2554-07-21 23:34:33.709551615 +0000 UTC");
        let at = UNIX_EPOCH + Duration::from_millis(1_663_131_734_173);
        assert_eq!(in_file_name(at, false), "2022-09-14T05-02-14.173");
        assert_eq!(in_file_name(at, true).len(), "2022-09-14T05-02-14.173".len());
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(951_868_799_250)), "2000-02-29T23:59:59.25Z");
    }
}
