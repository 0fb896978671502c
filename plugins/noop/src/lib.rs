//! The plugin `noop`: is shown columns and keeps every row. What another plugin is measured beside.
//!
//! `columns` has for each signal a list of paths, each with the kind that it is wanted as, in the words of `wasmill plugin inspect`:
//! `{"columns": {"traces": [["name", "text (dictionary)"], ["kind", "int32"]]}}`. Without it: every signal, no columns.

use std::collections::BTreeMap;

use serde::Deserialize;
use wasmill_sdk::TextForm;
use wasmill_sdk::columns::Kind;
use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    columns: Option<BTreeMap<SignalName, Vec<(String, String)>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SignalName {
    Traces,
    Metrics,
    Logs,
}

struct Noop;

impl Plugin for Noop {
    type Config = Option<Config>;

    fn init(config: Option<Config>, needs: &mut Requirements) -> Result<Self> {
        needs.uses([]);
        let Some(columns) = config.unwrap_or_default().columns else {
            needs.signals(Signal::ALL);
            return Ok(Noop);
        };
        for (signal, columns) in columns {
            needs.signals([signal.signal()]);
            for (path, kind) in columns {
                let (kind, form) = wanted(&kind)
                    .ok_or_else(|| Error::new(format!("`columns`: `{kind}` of `{path}` is no kind of column")))?;
                needs.column_of(&path, kind, form);
            }
        }
        Ok(Noop)
    }

    fn process(&mut self, _: &Slice, _: &mut Verdict) -> Result<()> {
        Ok(())
    }
}

impl SignalName {
    fn signal(self) -> Signal {
        match self {
            SignalName::Traces => Signal::Traces,
            SignalName::Metrics => Signal::Metrics,
            SignalName::Logs => Signal::Logs,
        }
    }
}

/// A sequence is asked for by the kind of its values.
fn wanted(words: &str) -> Option<(Kind, TextForm)> {
    let words = words.strip_prefix("sequence of ").unwrap_or(words);
    let (name, form) = match words.split_once(" (") {
        Some((name, "plain)")) => (name, TextForm::Plain),
        Some((name, "dictionary)")) => (name, TextForm::Dictionary),
        Some(_) => return None,
        None => (words, TextForm::Either),
    };
    let kind = Kind::ALL.into_iter().find(|kind| kind.to_string() == name)?;
    Some((kind, form))
}

wasmill_sdk::plugin!(Noop);
