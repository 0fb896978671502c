//! Sets attributes, or other fields, to what a lookup table has for a value of each record.
//!
//! The table is the operator's: rows of a CSV file by key, or networks of a MaxMind DB by address. A record whose value is not in it stays as
//! it is.

use std::collections::BTreeMap;

use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Of those under the stage's `tables:`.
    table: String,
    /// The path of the text that is looked up.
    key: String,
    /// Fields of the table, and the paths that are set to them.
    set: BTreeMap<String, String>,
    /// Those that have these paths; all, where it is not said.
    #[serde(default)]
    signals: Vec<SignalName>,
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum SignalName {
    Traces,
    Metrics,
    Logs,
}

struct Enrich {
    table: Table,
    key: Column<str>,
    set: BTreeMap<String, String>,
}

impl Plugin for Enrich {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        if config.set.is_empty() {
            return Err(Error::new("`set`: nothing, expected fields of the table and the paths that are set to them"));
        }
        match config.signals.as_slice() {
            [] => needs.signals(Signal::ALL),
            signals => needs.signals(signals.iter().map(|signal| match signal {
                SignalName::Traces => Signal::Traces,
                SignalName::Metrics => Signal::Metrics,
                SignalName::Logs => Signal::Logs,
            })),
        }
        needs.uses([Use::Edits]);
        Ok(Enrich { table: needs.table(&config.table), key: needs.column(&config.key), set: config.set })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let fields: Vec<&str> = self.set.keys().map(String::as_str).collect();
        let answer = self.table.find(slice.column(self.key), &fields)?;
        let found = answer.columns();
        for (field, path) in self.set.values().enumerate() {
            found.set(verdict, path, field);
        }
        Ok(())
    }
}

wasmill_sdk::plugin!(Enrich);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::{self, Cell, Harness};

    use super::*;

    const SERVICE: &str = r#"resource.attributes["service.name"]"#;

    /// Services that the table has, one that it has not, and records without any.
    #[test]
    fn records_get_what_the_table_has() {
        let rows: [[Cell; 3]; 2] =
            [["shop".into(), "storefront".into(), 1.into()], ["ledger".into(), Cell::Absent, 2.into()]];
        testing::table("services", ["service", "team", "tier"], rows);
        let config = r#"{"table": "services", "key": "resource.attributes[\"service.name\"]",
            "set": {"team": "attributes[\"team\"]", "tier": "attributes[\"tier\"]"}}"#;
        let mut plugin = Harness::<Enrich>::start(config).unwrap();
        let services = [Some("ledger"), None, Some("shop"), Some("nobody's"), Some("shop")];
        let answer = plugin.slice(Signal::Logs, 5).with(SERVICE, services).process().unwrap();
        let none = None::<Cell>;
        let team = Some(Cell::from("storefront"));
        assert_eq!(
            answer.column(r#"attributes["team"]"#),
            [none.clone(), none.clone(), team.clone(), none.clone(), team]
        );
        let tiers = [Some(2), None, Some(1), None, Some(1)].map(|tier: Option<i64>| tier.map(Cell::from));
        assert_eq!(answer.column(r#"attributes["tier"]"#), tiers);
    }
}
