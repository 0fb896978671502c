//! Says on each row which team its service belongs to.

use std::collections::HashMap;

use wasmill_sdk::prelude::*;

/// The attribute that is set.
const TEAM: &str = r#"attributes["team"]"#;

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Services, and their teams.
    teams: HashMap<String, String>,
    /// The team of all others. Without it, they stay as they are.
    default: Option<String>,
}

struct Enrich {
    config: Config,
    service: Column<str>,
}

impl Plugin for Enrich {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        needs.signals(Signal::ALL);
        let service = needs.column_as(r#"resource.attributes["service.name"]"#, TextForm::Dictionary);
        needs.uses([Use::Edits]);
        Ok(Enrich { config, service })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        // Teams of this slice, each once, by their number; looked up once for each distinct service.
        let mut teams: Vec<&str> = self.config.default.iter().map(String::as_str).collect();
        let default = (!teams.is_empty()).then_some(0);
        let known = slice.column(self.service).map(|service| {
            let team = self.config.teams.get(service)?;
            teams.push(team);
            Some(teams.len() as u32 - 1)
        });

        let of_row = |row| known.get(row).copied().flatten().or(default);
        let rows = Bitmap::from_fn(slice.rows(), |row| of_row(row).is_some());
        let keys: Vec<u32> = (0..slice.rows()).filter_map(of_row).collect();
        verdict.set_each(TEAM, &rows, |block| {
            block.dictionary(keys, teams);
        });
        Ok(())
    }
}

wasmill_sdk::plugin!(Enrich);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::{Cell, Harness};

    use super::*;

    /// The teams that four rows get: of two services that are known, of one that is not, and of none.
    fn teams(config: &str) -> Vec<Option<Cell>> {
        let mut plugin = Harness::<Enrich>::start(config).unwrap();
        let services = [Some("checkout"), Some("search"), Some("legacy"), None];
        let slice = plugin.slice(Signal::Logs, 4).with(r#"resource.attributes["service.name"]"#, services);
        slice.process().unwrap().column(TEAM)
    }

    #[test]
    fn rows_get_the_team_of_their_service_or_the_default() {
        let config = r#"{"teams": {"checkout": "payments", "search": "discovery"}, "default": "unowned"}"#;
        let expected = ["payments", "discovery", "unowned", "unowned"];
        assert_eq!(teams(config), expected.map(|team| Some(team.into())));
    }

    #[test]
    fn without_a_default_other_rows_stay() {
        let expected = [Some("payments".into()), None, None, None];
        assert_eq!(teams(r#"{"teams": {"checkout": "payments"}}"#), expected);
    }
}
