//! The plugin `attributes`: inserts, updates, deletes, hashes, extracts and converts attributes of records or resources.
//!
//! What an action does is what it does in the Collector's `attributes` and `resource` processors; README.md has the keys.
//!
//! ```text
//!  include, exclude ──► rows ──► each action over the row's cells (actions, work) ──► edits of single attributes
//!      (select)
//! ```

mod actions;
mod config;
mod select;
mod work;

use wasmill_sdk::prelude::*;

use actions::Actions;
use config::Config;
use select::Selector;
use work::Base;

struct Plan {
    signal: Signal,
    include: Option<Selector>,
    exclude: Option<Selector>,
    set: Set,
    headers: Vec<Column<str>>,
}

enum Set {
    Slots(Vec<Column<Dynamic>>),
    Whole(Column<Attributes>),
}

struct Act {
    actions: Actions,
    /// Of the attributes that are acted on.
    path: &'static str,
    plans: Vec<Plan>,
}

impl Plugin for Act {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        let (path, actions) = match (&config.actions[..], &config.attributes[..]) {
            ([], []) => {
                return Err(Error::new("no actions: expected `actions`, or `attributes` for those of resources"));
            }
            (actions, []) => ("attributes", Actions::new("actions", actions)?),
            ([], actions) => ("resource.attributes", Actions::new("attributes", actions)?),
            _ => return Err(Error::new("both `actions` and `attributes`: expected one of them")),
        };
        needs.uses([Use::Edits]);
        let (mut plans, mut refusals) = (Vec::new(), Vec::new());
        for signal in Signal::ALL {
            let named = [("include", &config.include), ("exclude", &config.exclude)];
            let refusal = named.iter().find_map(|(key, of)| Some((key, of.as_ref()?.refusal(signal)?)));
            if let Some((key, refusal)) = refusal {
                refusals.push(format!("`{key}`: {refusal}"));
                continue;
            }
            needs.signals([signal]);
            let [include, exclude] = named.map(|(key, of)| {
                let selector = of.as_ref().map(|of| of.selector(signal, needs)).transpose();
                selector.map_err(|error| Error::new(format!("`{key}`: {}", error.message())))
            });
            let (include, exclude) = (include?, exclude?);
            let set = if actions.patterns.is_empty() {
                let column = |key: &String| needs.column(&work::attribute_path(path, key));
                Set::Slots(actions.slots.iter().map(column).collect())
            } else {
                Set::Whole(needs.column(path))
            };
            let header = |name: &String| needs.column(&work::attribute_path("request.metadata", name));
            let headers = actions.headers.iter().map(header).collect();
            plans.push(Plan { signal, include, exclude, set, headers });
        }
        if plans.is_empty() {
            return Err(Error::new(refusals.join("; ")));
        }
        Ok(Act { actions, path, plans })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let Some(plan) = self.plans.iter().find(|plan| plan.signal == slice.signal()) else { return Ok(()) };
        let mut selected = match &plan.include {
            Some(include) => include.select(slice),
            None => Bitmap::all(slice.rows()),
        };
        if let Some(exclude) = &plan.exclude {
            selected.and_not(&exclude.select(slice));
        }
        let base = match &plan.set {
            Set::Slots(columns) => Base::Slots(columns.iter().map(|column| slice.column(*column)).collect()),
            Set::Whole(column) => Base::Whole(Box::new(slice.column(*column))),
        };
        let headers = plan.headers.iter().map(|column| slice.column(*column)).collect();
        work::run(&self.actions, self.path, base, headers, &selected, verdict);
        Ok(())
    }
}

wasmill_sdk::plugin!(Act);

#[cfg(test)]
mod tests;
