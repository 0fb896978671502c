//! Drops the spans of health checks, and says on all others whose they are.

use wasmill_sdk::prelude::*;

/// Whose the spans are. Change it, build, and the gateway goes on with the new plugin.
const TEAM: &str = "payments";

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    drop_routes: Vec<String>,
}

struct Quickstart {
    config: Config,
    route: Column<str>,
}

impl Plugin for Quickstart {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        needs.signals([Signal::Traces]);
        let route = needs.column(r#"attributes["http.route"]"#);
        Ok(Quickstart { config, route })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let unwanted = |route: &str| self.config.drop_routes.iter().any(|drop| drop == route);
        verdict.drop(&slice.column(self.route).matches(unwanted));
        verdict.set(r#"attributes["team"]"#, Rows::All, TEAM);
        Ok(())
    }
}

wasmill_sdk::plugin!(Quickstart);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::Harness;

    use super::*;

    /// A health check goes; a span of another route, and one without, stay and get their team.
    #[test]
    fn health_checks_go_and_the_rest_has_a_team() {
        let mut plugin = Harness::<Quickstart>::start(r#"{"drop_routes": ["/healthz"]}"#).unwrap();
        let routes = [Some("/healthz"), Some("/cart"), None];
        let answer = plugin.slice(Signal::Traces, 3).with(r#"attributes["http.route"]"#, routes).process().unwrap();
        assert_eq!(answer.kept(), [1, 2]);
        assert_eq!(answer.column(r#"attributes["team"]"#)[1], Some(TEAM.into()));
    }
}
