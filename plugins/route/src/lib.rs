//! The plugin `route`: sends rows to the routes of the first rule whose condition is true for them.
//!
//! Conditions are those of the Collector's transformation language (OTTL). README.md has the keys.

use serde::Deserialize;
use wasmill_ottl_stage::{ErrorMode, Programs, SignalName, has_context};
use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rules: Vec<Rule>,
    otherwise: Option<Vec<String>>,
    #[serde(default)]
    error_mode: ErrorMode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    when: String,
    to: Vec<String>,
    /// `None`: every signal that the stage is used on.
    signals: Option<Vec<SignalName>>,
    /// What paths are fields of that do not say so: `span`, `datapoint`, `log`, or a parent. A rule is for signals that have it.
    context: Option<String>,
}

struct Route {
    conditions: Programs,
    /// For each signal, where the rows of its rules go, in the order of its conditions.
    to: Vec<(Signal, Vec<RouteSet>)>,
    otherwise: Option<RouteSet>,
}

impl Rule {
    fn is_for(&self, signal: Signal) -> bool {
        let named = self.signals.as_ref().is_none_or(|signals| signals.iter().any(|name| name.signal() == signal));
        named && self.context.as_ref().is_none_or(|context| has_context(signal, context))
    }
}

impl Plugin for Route {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        let Config { rules, otherwise, error_mode } = config;
        if rules.is_empty() {
            return Err(Error::new("`rules` is empty, expected at least one `{when: CONDITION, to: [ROUTE]}`"));
        }
        for (number, rule) in rules.iter().enumerate() {
            let Some(context) = &rule.context else { continue };
            if !Signal::ALL.iter().any(|signal| rule.is_for(*signal)) {
                return Err(Error::new(format!("`rules[{number}]::context`: no signal of the rule has a `{context}`")));
            }
        }
        needs.uses([Use::Routes]);
        let conditions = Programs::conditions_of("rules", error_mode, needs, |signal| {
            let rules = rules.iter().filter(|rule| rule.is_for(signal));
            rules.map(|rule| (rule.context.as_deref(), rule.when.as_str())).collect()
        })?;
        let mut sets = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            sets.push(route_set(&format!("rules[{number}].to"), &rule.to, needs)?);
        }
        let of = |signal| {
            let rules = rules.iter().zip(&sets).filter(|(rule, _)| rule.is_for(signal));
            (signal, rules.map(|(_, set)| *set).collect())
        };
        let otherwise = otherwise.map(|names| route_set("otherwise", &names, needs)).transpose()?;
        Ok(Route { conditions, to: Signal::ALL.map(of).into(), otherwise })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        // Rows that no rule takes keep the route that they have, unless there is one for them.
        if let Some(otherwise) = self.otherwise {
            verdict.route_all(otherwise);
        }
        let to = self.to.iter().find(|(signal, _)| *signal == slice.signal());
        let to = to.map(|(_, sets)| sets.as_slice()).unwrap_or_default();
        self.conditions.first_matches(slice, |rule, rows| {
            if let Some(set) = to.get(rule).filter(|_| !rows.is_none()) {
                verdict.route(rows, *set);
            }
        })
    }
}

/// Declares a set of routes. One without names would lead nowhere, which nobody asks a router for.
fn route_set(key: &str, names: &[String], needs: &mut Requirements) -> Result<RouteSet> {
    if names.is_empty() {
        return Err(Error::new(format!("`{key}` is empty, expected at least one route; `builtin:filter` drops rows")));
    }
    if let Some(twice) = names.iter().enumerate().find_map(|(i, name)| names[..i].contains(name).then_some(name)) {
        return Err(Error::new(format!("`{key}` names `{twice}` twice")));
    }
    Ok(needs.route_set(names))
}

wasmill_sdk::plugin!(Route);

#[cfg(test)]
mod tests;
