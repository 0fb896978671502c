//! The plugin `enrich`: runs statements that set, remove and rewrite fields and attributes.
//!
//! Statements are those of the Collector's transformation language (OTTL). README.md has the keys.

use serde::Deserialize;
use wasmill_ottl_stage::{ErrorMode, Programs};
use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    statements: Vec<String>,
    #[serde(default)]
    error_mode: ErrorMode,
}

struct Enrich {
    statements: Programs,
}

impl Plugin for Enrich {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
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

wasmill_sdk::plugin!(Enrich);

#[cfg(test)]
mod tests;
