//! Keeps the traces worth keeping: those with an error, slow ones, and a share of the others.

use std::collections::BTreeMap;
use std::ops::Range;

use wasmill_sdk::columns::{Text, Values};
use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// A trace that takes as long is kept, in milliseconds.
    slow_ms: i64,
    /// The share of other traces that are kept, 0 to 1.
    keep_ratio: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config { slow_ms: 1_000, keep_ratio: 0.0 }
    }
}

/// Eleven days: more than a gateway waits for a trace.
const SLOW_MS_MAX: i64 = 1_000_000_000;
/// The randomness of a trace id is in its last 56 bits.
const RANDOM_END: u64 = 1 << 56;
const STATUS_ERROR: i32 = 2;

struct Group {
    slow_nanos: u64,
    /// Traces whose randomness is at least this are kept.
    threshold: u64,
    trace: Column<[u8; 16]>,
    status: Column<i32>,
    start: Column<u64>,
    end: Column<u64>,
    reason: Column<str>,
}

impl Plugin for Group {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        let Config { slow_ms, keep_ratio } = config;
        if !(0..=SLOW_MS_MAX).contains(&slow_ms) {
            return Err(Error::new(format!("`slow_ms`: expected 0 to {SLOW_MS_MAX}, found {slow_ms}")));
        }
        if !(0.0..=1.0).contains(&keep_ratio) {
            return Err(Error::new(format!("`keep_ratio`: expected 0 to 1, found {keep_ratio}")));
        }
        needs.signals([Signal::Traces]);
        needs.uses([Use::Keep, Use::Groups]);
        Ok(Group {
            slow_nanos: slow_ms.unsigned_abs() * 1_000_000,
            // Exact: a product with a power of two has the digits of the ratio.
            threshold: RANDOM_END - (keep_ratio * RANDOM_END as f64) as u64,
            trace: needs.column("trace_id"),
            status: needs.column("status.code"),
            start: needs.column("start_time_unix_nano"),
            end: needs.column("end_time_unix_nano"),
            reason: needs.column_as("group.reason", TextForm::Dictionary),
        })
    }

    /// Decides about some traces, each a group of spans.
    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let groups = slice.groups();
        let mut kept = groups.any(&slice.column(self.status).matches(|code| code == STATUS_ERROR));
        let (starts, ends, traces) = (slice.column(self.start), slice.column(self.end), slice.column(self.trace));
        for (group, rows) in groups.iter().enumerate() {
            let random = randomness(traces.get(rows.start));
            if !kept.get(group) && (lasts(&starts, &ends, rows) >= self.slow_nanos || random >= self.threshold) {
                kept.set(group, true);
            }
        }
        verdict.keep_groups(&kept);
        let reasons = slice.column(self.reason);
        count("groups_kept", &reasons, &kept);
        kept.not();
        count("groups_dropped", &reasons, &kept);
        Ok(())
    }
}

/// From the earliest start to the latest end, in nanoseconds.
fn lasts(starts: &Values<u64>, ends: &Values<u64>, rows: Range<usize>) -> u64 {
    let earliest = rows.clone().filter_map(|row| starts.get(row)).min().unwrap_or(u64::MAX);
    let latest = rows.filter_map(|row| ends.get(row)).max().unwrap_or(0);
    latest.saturating_sub(earliest)
}

/// The last seven bytes of the trace id, as OpenTelemetry's probability sampling has it; 0 without one.
fn randomness(trace: Option<[u8; 16]>) -> u64 {
    trace.map_or(0, |id| u128::from_be_bytes(id) as u64 % RANDOM_END)
}

/// Adds to a counter for each reason that these groups were decided for.
fn count(name: &str, reasons: &Text, groups: &Bitmap) {
    let mut counts = BTreeMap::new();
    for reason in groups.ones().filter_map(|group| reasons.get(group)) {
        *counts.entry(reason).or_insert(0_u32) += 1;
    }
    for (reason, count) in counts {
        // Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
        let _ = host::counter(name, &[("reason", reason)], count.into());
    }
}

wasmill_sdk::plugin!(Group);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::{self, Harness};

    use super::*;

    const MS: u64 = 1_000_000;

    fn id(byte: usize, value: u8) -> [u8; 16] {
        std::array::from_fn(|at| if at == byte { value } else { 0 })
    }

    /// The rows that stay of three traces of two spans each: one with an error, one that takes 1,500 ms, one of 10 ms whose randomness is in
    /// the middle.
    fn kept(config: &str) -> Vec<usize> {
        let (first, second, half) = (id(0, 1), id(0, 2), id(9, 0x80));
        let mut plugin = Harness::<Group>::start(config).unwrap();
        let slice = plugin.slice(Signal::Traces, 6).groups([2, 2, 2]);
        let slice = slice.with("trace_id", [first, first, second, second, half, half]);
        let slice = slice.with("status.code", [0, 2, 1, 0, 0, 1]);
        let slice = slice.with("start_time_unix_nano", [5, 6, 1_000 * MS, 2_000 * MS, 7 * MS, 8 * MS]);
        let slice = slice.with("end_time_unix_nano", [7, 8, 1_100 * MS, 2_500 * MS, 17 * MS, 0]);
        slice.with("group.reason", ["wait", "full", "wait"]).process().unwrap().kept().to_vec()
    }

    #[test]
    fn traces_with_errors_and_slow_ones_are_kept() {
        assert_eq!(kept("{}"), [0, 1, 2, 3]);
        let counted: Vec<_> =
            testing::metrics().into_iter().map(|metric| (metric.name, metric.labels[0].1.clone())).collect();
        let expected = [("groups_kept", "full"), ("groups_kept", "wait"), ("groups_dropped", "wait")];
        assert_eq!(counted, expected.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
    }

    #[test]
    fn a_share_of_the_others_is_kept() {
        for (config, count) in [
            (r#"{"slow_ms": 1501}"#, 2),
            (r#"{"slow_ms": 1500}"#, 4),
            (r#"{"slow_ms": 10}"#, 6),
            (r#"{"slow_ms": 1501, "keep_ratio": 0.5}"#, 4),
            (r#"{"slow_ms": 1501, "keep_ratio": 0.4999}"#, 2),
            (r#"{"keep_ratio": 1}"#, 6),
        ] {
            assert_eq!(kept(config).len(), count, "{config}");
        }
    }

    #[test]
    fn a_mistake_in_the_config_says_which_key() {
        for (config, message) in [
            (r#"{"slow_ms": -1}"#, "`slow_ms`: expected 0 to 1000000000, found -1"),
            (r#"{"slow_ms": "1s"}"#, "`slow_ms`: invalid type: string \"1s\", expected i64"),
            (r#"{"keep_ratio": 1.01}"#, "`keep_ratio`: expected 0 to 1, found 1.01"),
            (r#"{"keep": 1}"#, "unknown field `keep`"),
        ] {
            let error = Harness::<Group>::start(config).err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
