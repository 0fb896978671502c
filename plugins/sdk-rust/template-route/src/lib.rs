//! Sends rows on their way by the value of an attribute.

use std::collections::{BTreeMap, HashMap};

use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The attribute's key.
    attribute: String,
    /// Its values, and for each a name out of the stage's `routes:`.
    routes: BTreeMap<String, String>,
    /// The name for all other rows. Without it, they stay on the way they are on.
    default: Option<String>,
}

struct Route {
    value: Column<str>,
    routes: HashMap<String, RouteSet>,
    default: Option<RouteSet>,
}

impl Plugin for Route {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        needs.signals(Signal::ALL);
        let value = needs.column_as(&attribute(&config.attribute), TextForm::Dictionary);
        needs.uses([Use::Routes]);
        // One set for each name, however many values go there.
        let mut sets = HashMap::new();
        let mut set = |name: String| *sets.entry(name).or_insert_with_key(|name| needs.route_set([name.as_str()]));
        let routes = config.routes.into_iter().map(|(value, name)| (value, set(name))).collect();
        Ok(Route { value, routes, default: config.default.map(&mut set) })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        // Looked up once for each distinct value of the slice.
        let known = slice.column(self.value).map(|value| self.routes.get(value).copied());
        verdict.route_each((0..slice.rows()).map(|row| known.get(row).copied().flatten().or(self.default)));
        Ok(())
    }
}

wasmill_sdk::plugin!(Route);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::Harness;

    use super::*;

    /// The route that four rows take: of three values, of which one is not known, and of none.
    fn routes(config: &str) -> Vec<Option<String>> {
        let mut plugin = Harness::<Route>::start(config).unwrap();
        let tenants = [Some("acme"), Some("globex"), Some("umbrella"), None];
        let answer = plugin.slice(Signal::Metrics, 4).with(r#"attributes["tenant"]"#, tenants).process().unwrap();
        answer.routes().iter().map(|names| names.as_ref().map(|names| names.join(" and "))).collect()
    }

    #[test]
    fn rows_take_the_route_of_their_value_or_the_default() {
        let config = r#"{"attribute": "tenant", "routes": {"acme": "eu", "globex": "us"}, "default": "us"}"#;
        assert_eq!(routes(config), ["eu", "us", "us", "us"].map(|name| Some(name.to_owned())));
    }

    #[test]
    fn without_a_default_other_rows_stay_on_their_way() {
        let config = r#"{"attribute": "tenant", "routes": {"acme": "eu"}}"#;
        assert_eq!(routes(config), [Some("eu".to_owned()), None, None, None]);
    }
}
