//! `retry_on_failure` and `timeout`.

use std::time::Duration;

use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::Retry;
use crate::schema::{Key, Kind, Section, key};

pub(super) const KEY: Key =
    key("retry_on_failure", Kind::Section(&SECTION), "", "Exponential back-off after a failure that may pass.");

pub(super) static SECTION: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "true", "`false`: the first failure is final."),
        key("initial_interval", Kind::Duration, "5s", "Before the first retry; at least 1ms."),
        key("randomization_factor", Kind::Number, "0.5", "How far an interval may be drawn off its length; 0 to 1."),
        key("multiplier", Kind::Number, "1.5", "From one interval to the next; 1 to 100."),
        key("max_interval", Kind::Duration, "30s", "The longest interval, at least the first."),
        key(
            "max_elapsed_time",
            Kind::Duration,
            "300s",
            "Since the first attempt; then the batch is given up. `0`: never.",
        ),
    ],
};

/// For those who say `timeout: 0`, no limit: nothing waits forever.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// `None`: disabled.
pub(super) fn read(exporter: &Reader) -> Option<Retry> {
    let Some(reader) = exporter.section("retry_on_failure", &SECTION) else { return Some(Retry::default()) };
    let default = Retry::default();
    let at_least_1ms = |value: &Duration| *value >= INTERVAL_MIN;
    let initial = reader.checked("initial_interval", "a duration, at least `1ms`", at_least_1ms);
    let max = reader.checked("max_interval", "a duration, at least `1ms`", at_least_1ms);
    let factor = reader.checked("randomization_factor", "a number, 0 to 1", |value: &f64| (0.0..=1.0).contains(value));
    let multiplier = reader.checked("multiplier", "a number, 1 to 100", |value: &f64| (1.0..=100.0).contains(value));
    let elapsed =
        reader.get("max_elapsed_time").map_or(default.elapsed_max, |time: Duration| (!time.is_zero()).then_some(time));
    let enabled = reader.get_or("enabled", true);
    let retry = Retry {
        interval_initial: initial.unwrap_or(default.interval_initial),
        randomization_factor: factor.unwrap_or(default.randomization_factor),
        multiplier: multiplier.unwrap_or(default.multiplier),
        interval_max: max.unwrap_or(default.interval_max.max(initial.unwrap_or_default())),
        elapsed_max: elapsed,
    };
    if enabled && retry.interval_max < retry.interval_initial {
        let problem = Problem::Invalid(format!(
            "the longest interval is shorter than the first (`initial_interval`, {:?})",
            retry.interval_initial
        ));
        reader.report.error(&reader.place("max_interval"), problem);
    }
    enabled.then_some(retry)
}

pub(super) fn read_timeout(exporter: &Reader, default: Duration) -> Duration {
    match exporter.get("timeout") {
        Some(Duration::ZERO) => TIMEOUT_MAX,
        Some(timeout) => timeout.min(TIMEOUT_MAX),
        None => default,
    }
}
