//! Keeps at most so many rows a second of each service, and counts what it drops.
//!
//! The gateway keeps the counts: all instances of the plugin share them, and another build of it goes on where this one was.

use std::collections::BTreeMap;
use std::time::Duration;

use wasmill_sdk::host::Failure;
use wasmill_sdk::prelude::*;
use wasmill_sdk::state::{self, Keys};

/// From the first row of a service on, until its count begins anew.
const WINDOW: Duration = Duration::from_secs(1);

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rows_per_second: u32,
    /// What rows are counted by; those without it are kept.
    #[serde(default = "service_name")]
    by: String,
}

fn service_name() -> String {
    r#"resource.attributes["service.name"]"#.to_owned()
}

struct RateLimit {
    rows_per_second: i64,
    by: Column<str>,
}

impl Plugin for RateLimit {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        if config.rows_per_second == 0 {
            return Err(Error::new("`rows_per_second`: found 0, expected at least 1"));
        }
        needs.uses([Use::Keep]);
        needs.keeps();
        needs.signals(Signal::ALL);
        Ok(RateLimit { rows_per_second: config.rows_per_second.into(), by: needs.column(&config.by) })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let by = slice.column(self.by);
        // One call for all rows: each is told how many of its service came within the second, itself included.
        let sums = match state::add(&Keys::of_text(&by), 1, Some(WINDOW)) {
            Ok(sums) => sums,
            // Not a reason to lose anything.
            Err(failure) => return self.unlimited(failure, slice.rows()),
        };
        let kept: Bitmap = sums.iter().map(|sum| sum.is_none_or(|sum| sum <= self.rows_per_second)).collect();
        let mut dropped = BTreeMap::<&str, u32>::new();
        for row in (0..slice.rows()).filter(|&row| !kept.get(row)) {
            *dropped.entry(by.get(row).unwrap_or_default()).or_default() += 1;
        }
        for (service, rows) in dropped {
            let _ = host::counter("rate_limited", &[("by", service)], rows.into());
        }
        verdict.keep(&kept);
        Ok(())
    }
}

impl RateLimit {
    fn unlimited(&self, failure: Failure, rows: usize) -> Result<()> {
        log!(Level::Warn, "{rows} rows are kept uncounted: {failure:?}");
        Ok(())
    }
}

wasmill_sdk::plugin!(RateLimit);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::{self, Harness};

    use super::*;

    const SERVICE: &str = r#"resource.attributes["service.name"]"#;

    fn kept(plugin: &mut Harness<RateLimit>, services: &[Option<&str>]) -> Vec<usize> {
        let slice = plugin.slice(Signal::Traces, services.len()).with(SERVICE, services.iter().copied());
        slice.process().unwrap().kept().to_vec()
    }

    /// Each service has its own count, which goes on over calls and begins anew after a second; rows without one are kept.
    #[test]
    fn each_service_has_so_many_rows_a_second() {
        let mut plugin = Harness::<RateLimit>::start(r#"{"rows_per_second": 2}"#).unwrap();
        let (shop, cart) = (Some("shop"), Some("cart"));
        assert_eq!(kept(&mut plugin, &[shop, shop, cart, shop, None]), [0, 1, 2, 4]);
        testing::pass(Duration::from_millis(900));
        assert_eq!(kept(&mut plugin, &[shop, cart, cart]), [1]);
        let counted: Vec<f64> = testing::metrics().iter().map(|metric| metric.value).collect();
        assert_eq!(counted, [1.0, 1.0, 1.0]);
        testing::pass(Duration::from_millis(100));
        assert_eq!(kept(&mut plugin, &[shop, shop, shop]), [0, 1]);
    }

    /// A limit of nothing would be a pipeline without a purpose.
    #[test]
    fn a_limit_of_nothing_is_refused() {
        let error = Harness::<RateLimit>::start(r#"{"rows_per_second": 0}"#).err().unwrap();
        assert!(error.message().starts_with("`rows_per_second`: found 0"));
    }
}
