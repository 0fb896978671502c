//! Points in time as folders and files are named after them, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

/// A point in time, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp {
    unix_ms: u64,
}

impl Stamp {
    pub fn of(at: SystemTime) -> Stamp {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Stamp { unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    pub fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.unix_ms)
    }

    /// `2022-09-14`.
    pub fn day(self) -> String {
        let (year, month, day) = civil(self.unix_ms / 1_000 / SECONDS_PER_DAY);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `05`.
    pub fn hour(self) -> String {
        format!("{:02}", self.unix_ms / 3_600_000 % 24)
    }

    /// `2022-09-14T05-02-14.173Z`: sorts as time does, and has nothing that a file's name may not have.
    pub fn in_name(self) -> String {
        let second = self.unix_ms / 1_000 % SECONDS_PER_DAY;
        let (minute, second, ms) = (second / 60 % 60, second % 60, self.unix_ms % 1_000);
        format!("{}T{}-{minute:02}-{second:02}.{ms:03}Z", self.day(), self.hour())
    }

    /// Reads [`in_name`](Stamp::in_name).
    pub fn parse(text: &str) -> Option<Stamp> {
        const FORM: &[u8] = b"0000-00-00T00-00-00.000Z";
        let fits = |(found, wanted): (u8, &u8)| if *wanted == b'0' { found.is_ascii_digit() } else { found == *wanted };
        if text.len() != FORM.len() || !text.bytes().zip(FORM).all(fits) {
            return None;
        }
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
        let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
        let seconds = (days * 24 + number(11, 13)?) * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
        let stamp = Stamp { unix_ms: seconds * 1_000 + number(20, 23)? };
        // The 31st of February and the like are no stamps of ours.
        (stamp.in_name() == text).then_some(stamp)
    }
}

/// Year, month and day of a day since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
pub fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01, in eras of 400 years.
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// And back (`days_from_civil`); `None` before 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time is written, and read from what was written; what is nearly a stamp is none.
    #[test]
    fn stamps_are_written_and_read() {
        for (ms, text) in [
            (1_663_131_734_173, "2022-09-14T05-02-14.173Z"),
            (951_868_799_250, "2000-02-29T23-59-59.250Z"),
            (0, "1970-01-01T00-00-00.000Z"),
        ] {
            let stamp = Stamp { unix_ms: ms };
            assert_eq!(stamp.in_name(), text);
            assert_eq!(Stamp::parse(text), Some(stamp));
        }
        for text in [
            "2022-09-14T05-02-14.173",
            "2022-02-31T05-02-14.173Z",
            "2022-09-14T25-02-14.173Z",
            "1969-09-14T05-02-14.173Z",
            "2022-09-14T05-02-14.173Ü",
            "0000-00-00T00-00-00.000Z",
            "",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
