//! The plugin `enrich`: runs statements that set, remove and rewrite fields and attributes.
//!
//! Statements are those of the Collector's transformation language (OTTL). README.md has the keys.

use serde::Deserialize;
use wasmill_ottl_stage::{Entry, ErrorMode, Programs};
use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    statements: Vec<String>,
    error_mode: ErrorMode,
    collector: Option<Collector>,
}

/// What the Collector's `transform` processor has besides `error_mode`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Collector {
    trace_statements: Vec<Entry>,
    metric_statements: Vec<Entry>,
    log_statements: Vec<Entry>,
}

struct Enrich {
    statements: Programs,
}

impl Plugin for Enrich {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        if let Some(collector) = &config.collector {
            if !config.statements.is_empty() {
                return Err(Error::new("`collector` stands alone, without `statements`"));
            }
            return collector.enrich(config.error_mode, needs);
        }
        if config.statements.is_empty() {
            return Err(Error::new("`statements` is empty, expected at least one"));
        }
        needs.uses([Use::Edits]);
        let statements = Programs::statements("statements", &config.statements, config.error_mode, needs)?;
        Ok(Enrich { statements })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        self.statements.edit(slice, verdict)
    }
}

impl Collector {
    fn enrich(&self, errors: ErrorMode, needs: &mut Requirements) -> Result<Enrich> {
        needs.uses([Use::Edits]);
        let lists = [
            (Signal::Traces, "trace_statements", &self.trace_statements[..]),
            (Signal::Metrics, "metric_statements", &self.metric_statements[..]),
            (Signal::Logs, "log_statements", &self.log_statements[..]),
        ];
        if lists.iter().all(|(_, _, entries)| entries.is_empty()) {
            // There is nothing to do: every signal passes.
            needs.signals(Signal::ALL);
        }
        Ok(Enrich { statements: Programs::statements_in(&lists, errors, needs)? })
    }
}

wasmill_sdk::plugin!(Enrich);

#[cfg(test)]
mod tests;
