//! Masks e-mail addresses and card numbers in attributes.

mod scan;

use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What stands in the place of what is masked.
    #[serde(default = "mask")]
    mask: String,
    /// The maps of attributes to look at.
    #[serde(default = "maps")]
    maps: Vec<Map>,
}

#[derive(Clone, Copy, PartialEq, serde::Deserialize)]
enum Map {
    #[serde(rename = "attributes")]
    Own,
    #[serde(rename = "resource.attributes")]
    Resource,
    #[serde(rename = "scope.attributes")]
    Scope,
}

struct Redact {
    mask: String,
    maps: Vec<(&'static str, Column<Attributes>)>,
}

impl Plugin for Redact {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        needs.signals(Signal::ALL);
        needs.uses([Use::Edits]);
        let mut maps = config.maps;
        maps.sort_by_key(|map| map.path());
        maps.dedup();
        let maps = maps.into_iter().map(|map| (map.path(), needs.column_as(map.path(), TextForm::Dictionary)));
        Ok(Redact { mask: config.mask, maps: maps.collect() })
    }

    fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
        let mut count = 0;
        for &(path, column) in &self.maps {
            let values = slice.column(column).values();
            let Some(texts) = values.text() else { continue };
            // Each distinct text is looked at once, and most slices have nothing to mask.
            let masked = texts.map(|text| scan::masked(text, &self.mask));
            if masked.results().iter().all(Option::is_none) {
                continue;
            }
            let (mut entries, mut changed) = (Vec::new(), Vec::new());
            for entry in 0..values.len() {
                if let Some(Some(text)) = values.text_place(entry).and_then(|place| masked.get(place)) {
                    entries.push(entry as u32);
                    changed.push(text.as_str());
                }
            }
            count += entries.len();
            verdict.set_each(path, Rows::Entries(&entries), |block| {
                block.text(changed);
            });
        }
        if count > 0 {
            // Metrics are for whoever operates the gateway: the plugin goes on where they are not taken.
            let _ = host::counter("masked", &[], count as f64);
        }
        Ok(())
    }
}

impl Map {
    fn path(self) -> &'static str {
        match self {
            Map::Own => "attributes",
            Map::Resource => "resource.attributes",
            Map::Scope => "scope.attributes",
        }
    }
}

fn mask() -> String {
    "****".to_owned()
}

fn maps() -> Vec<Map> {
    vec![Map::Own]
}

wasmill_sdk::plugin!(Redact);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::{self, Cell, Harness};

    use super::*;

    /// Entries are masked where they stand, in every row; numbers and what has nothing to mask stay.
    #[test]
    fn entries_are_masked() {
        let mut plugin = Harness::<Redact>::start(r#"{"mask": "…"}"#).unwrap();
        let maps = [
            Cell::attributes([("id", Cell::from(7_i64)), ("user", "ada@example.com".into())]),
            Cell::attributes([("note", "card 4111-1111-1111-1111"), ("route", "/cart")]),
            Cell::attributes([("user", "ada@example.com")]),
        ];
        let answer = plugin.slice(Signal::Traces, 3).with("attributes", maps).process().unwrap();
        let [edit] = answer.edits() else { panic!("one edit") };
        assert_eq!((edit.entries, &edit.targets[..]), (true, &[1, 2, 4][..]));
        assert_eq!(edit.values, ["…", "card …", "…"].map(Cell::from));
        assert_eq!(testing::metrics()[0].value, 3.0);
    }

    /// Nothing is said about a slice without anything to mask.
    #[test]
    fn what_is_clean_stays() {
        let mut plugin = Harness::<Redact>::start("{}").unwrap();
        let maps = [Cell::attributes([("route", "/cart")]), Cell::Absent];
        assert!(plugin.slice(Signal::Logs, 2).with("attributes", maps).process().unwrap().edits().is_empty());
    }
}
