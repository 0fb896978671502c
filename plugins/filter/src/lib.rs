//! The plugin `filter`: drops the rows that a condition is true for, or keeps these alone.
//!
//! Conditions are those of the Collector's transformation language (OTTL). README.md has the keys.

mod collector;

use serde::Deserialize;
use wasmill_ottl_stage::{ErrorMode, Programs};
use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    drop: Vec<String>,
    keep: Vec<String>,
    error_mode: ErrorMode,
    collector: Option<collector::Config>,
}

struct Filter {
    conditions: Programs,
    /// Whether the rows that match go, or stay.
    drops: bool,
}

impl Plugin for Filter {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        if let Some(collector) = &config.collector {
            if !config.drop.is_empty() || !config.keep.is_empty() {
                return Err(Error::new("`collector` stands alone, without `drop` and `keep`"));
            }
            needs.uses([Use::Keep]);
            return Ok(Filter { conditions: collector.conditions(config.error_mode, needs)?, drops: true });
        }
        let (key, texts) = match (&config.drop[..], &config.keep[..]) {
            ([], []) => return Err(Error::new("no conditions: expected `drop` or `keep` with at least one")),
            (drop, []) => ("drop", drop),
            ([], keep) => ("keep", keep),
            _ => return Err(Error::new("both `drop` and `keep`: expected one of them")),
        };
        needs.uses([Use::Keep]);
        let conditions = Programs::conditions(key, texts, config.error_mode, needs)?;
        Ok(Filter { conditions, drops: key == "drop" })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let matched = self.conditions.matches(slice)?;
        if self.drops {
            verdict.drop(&matched)
        } else {
            verdict.keep(&matched)
        }
        Ok(())
    }
}

wasmill_sdk::plugin!(Filter);

#[cfg(test)]
mod tests;
