//! The plugin `redact`: masks what is not to be seen, in attributes, bodies and, if asked, names of spans.
//!
//! What it does with a key and a value is what the Collector's `redaction` processor does; README.md has the keys.
//!
//! ```text
//!  keys ─── each distinct one: look, ignore, remove, mask ──┐
//!  texts ── each distinct one: clean, allowed, blocked ─────┴─► rows that have one of them ─► edits of entries
//! ```

mod body;
mod config;
mod map;
mod mask;
mod rules;
mod summary;
mod texts;

use wasmill_sdk::columns::{Column as View, TextBuilder};
use wasmill_sdk::prelude::*;

use config::Config;
use rules::{Rules, TextRule};

/// Sets of attributes that every signal has.
const MAPS: [&str; 3] = ["resource.attributes", "scope.attributes", "attributes"];
const EVENTS: &str = "spanevent.attributes";
const BODY: &str = "body";
const NAME: &str = "name";

struct Redact {
    rules: Rules,
    maps: [Column<Attributes>; 3],
    events: Column<List<Attributes>>,
    body: Column<Dynamic>,
    name: Option<Column<str>>,
}

impl Plugin for Redact {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        let rules = Rules::new(&config)?;
        needs.uses([Use::Edits]);
        needs.signals(Signal::ALL);
        let maps = MAPS.map(|path| needs.column(path));
        needs.signals([Signal::Traces]);
        let events = needs.column(EVENTS);
        let name = config.span_names.then(|| needs.column(NAME));
        needs.signals([Signal::Logs]);
        let body = needs.column(BODY);
        Ok(Redact { rules, maps, events, body, name })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let Redact { rules, maps, events, body, name } = self;
        for (path, column) in MAPS.iter().zip(maps.iter()) {
            map::redact(rules, path, slice.column(*column), verdict);
        }
        match slice.signal() {
            Signal::Traces => {
                if let View::Attributes(attributes) = slice.column(*events).values() {
                    map::redact_inner(rules, EVENTS, attributes, verdict);
                }
                if let Some(name) = name {
                    redact_names(rules, slice.column(*name), verdict);
                }
            }
            Signal::Logs => {
                let [.., attributes] = *maps;
                body::redact(rules, BODY, slice.column(*body), slice.column(attributes), verdict);
            }
            Signal::Metrics => {}
        }
        Ok(())
    }
}

/// Names of spans: what is blocked in them is masked.
fn redact_names(rules: &Rules, names: wasmill_sdk::columns::Text<'_>, verdict: &mut Verdict) {
    let blocked =
        names.matches(|name| rules.text(name) == TextRule::Blocked && rules.write_blocked(name, &mut String::new()));
    if blocked.is_none() {
        return;
    }
    let (mut new, mut out) = (TextBuilder::new(), String::new());
    for row in blocked.ones() {
        out.clear();
        rules.write_blocked(names.get(row).unwrap_or_default(), &mut out);
        new.push(Some(&out));
    }
    verdict.set_each(NAME, &blocked, |block| {
        new.append(block);
    });
}

wasmill_sdk::plugin!(Redact);

#[cfg(test)]
mod tests;
