//! Drops the rows whose attribute has one of some values.

use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The attribute's key.
    attribute: String,
    /// Its values in the rows to drop.
    drop: Vec<String>,
}

struct Filter {
    config: Config,
    value: Column<str>,
}

impl Plugin for Filter {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        needs.signals(Signal::ALL);
        let value = needs.column_as(&attribute(&config.attribute), TextForm::Dictionary);
        needs.uses([Use::Keep]);
        Ok(Filter { config, value })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        // Asked once for each distinct value of the slice, whatever the number of rows.
        let dropped = slice.column(self.value).matches(|value| self.config.drop.iter().any(|drop| drop == value));
        if !dropped.is_none() {
            verdict.drop(&dropped);
            // Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
            let _ = host::counter("dropped", &[("attribute", &self.config.attribute)], dropped.count() as f64);
        }
        Ok(())
    }
}

wasmill_sdk::plugin!(Filter);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::{self, Harness};

    use super::*;

    const CONFIG: &str = r#"{"attribute": "http.route", "drop": ["/healthz", "/ready"]}"#;

    /// Rows of the values named go, and are counted; another value, and none, stay.
    #[test]
    fn rows_of_these_values_go() {
        let mut plugin = Harness::<Filter>::start(CONFIG).unwrap();
        let routes = [Some("/healthz"), Some("/cart"), None, Some("/ready")];
        let answer = plugin.slice(Signal::Traces, 4).with(r#"attributes["http.route"]"#, routes).process().unwrap();
        assert_eq!(answer.kept(), [1, 2]);
        assert_eq!(testing::metrics()[0].value, 2.0);
    }

    /// A typing error in the configuration is found when the gateway starts.
    #[test]
    fn a_config_that_is_wrong_is_refused() {
        let refusal =
            |config| Harness::<Filter>::start(config).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refusal(r#"{"attribute": "http.route", "drops": []}"#).contains("unknown field `drops`"));
        assert!(refusal(r#"{"attribute": "http.route", "drop": 5}"#).starts_with("`drop`: "));
    }
}
