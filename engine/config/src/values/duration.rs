//! Durations in Go's syntax: `300ms`, `5s`, `1m30s`, `1.5h`.

use std::time::Duration;

use super::{FromNode, expected};
use crate::node::{Node, Typed, Value};
use crate::problem::Problem;

/// Longer ones are a slip, and added to a point in time they could overflow.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

const EXPECTED: &str = "a duration with its unit, such as `300ms`, `5s` or `1m30s`, at most a year";

impl FromNode for Duration {
    fn from_node(node: &Node) -> Result<Duration, Problem> {
        let Value::Scalar(scalar) = &node.value else { return Err(expected(EXPECTED, node)) };
        match parse(&scalar.text) {
            Some(duration) => Ok(duration),
            // The Collector would take a bare number for nanoseconds, which nobody means.
            None => {
                let nearest = match scalar.typed {
                    Typed::Int(seconds) if seconds > 0 => Some(format!("{seconds}s")),
                    _ => None,
                };
                Err(Problem::Value { expected: EXPECTED.to_owned(), found: node.describe(), nearest })
            }
        }
    }
}

/// `None` for anything that is not a duration, negative ones included.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u128;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_len);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        total = total.checked_add(nanoseconds(number, unit)?)?;
        rest = after;
    }
    let total = Duration::from_nanos(u64::try_from(total).ok()?);
    (total <= DURATION_MAX).then_some(total)
}

fn nanoseconds(number: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { u128::from(whole.parse::<u64>().ok()?) };
    // Nine digits are more than any unit below the hour resolves, and what Go keeps of them.
    let digits: String = fraction.chars().take(9).collect();
    if fraction.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let fraction = if digits.is_empty() { 0 } else { u128::from(digits.parse::<u64>().ok()?) };
    whole.checked_mul(unit)?.checked_add(fraction * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_and_nothing_else() {
        let ms = Duration::from_millis;
        let cases = [
            ("0", Some(ms(0))),
            ("0s", Some(ms(0))),
            ("5s", Some(ms(5_000))),
            ("1m30s", Some(ms(90_000))),
            ("1.5h", Some(ms(5_400_000))),
            (".5s", Some(ms(500))),
            ("1.s", Some(ms(1_000))),
            ("+10ms", Some(ms(10))),
            ("1h2m3s4ms5us6ns", Some(Duration::new(3_723, 4_005_006))),
            ("2µs", Some(Duration::from_micros(2))),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("-5s", None),
            ("5 s", None),
            ("5sec", None),
            ("1d", None),
            ("9999999h", None),
            ("99999999999999999999999999s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
