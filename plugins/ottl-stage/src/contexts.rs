//! Texts as the Collector's own configurations have them: for each signal under keys of its own, in contexts.
//!
//! Other than the plugins' own keys, none of these may be left out for a signal: `traces::span` is for spans, and what is wrong
//! there is said with its key and number.

use serde::Deserialize;
use wasmill_ottl::{Context, Group, ParseError, Program};
use wasmill_sdk::prelude::*;

use crate::{ErrorMode, Programs, ottl};

/// Conditions under one key, of one signal.
#[derive(Clone, Debug)]
pub struct Conditions<'t> {
    pub signal: Signal,
    /// The full path within the config: `traces::span`.
    pub key: String,
    /// What their paths are fields of where they do not say so; `None`: of what they say.
    pub context: Option<&'t str>,
    pub texts: &'t [String],
    pub errors: ErrorMode,
}

/// An entry of a list of texts, or of groups of texts.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// One whose paths say what they are fields of.
    Text(String),
    Group(Keyed),
}

/// A group of texts with a context and an error mode of its own.
#[derive(Clone, PartialEq, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keyed {
    pub context: Option<String>,
    pub error_mode: Option<ErrorMode>,
    pub conditions: Vec<String>,
    pub statements: Vec<String>,
}

/// What is wrong, with the key of the text that it is in.
struct Wrong {
    key: String,
    reason: String,
}

impl<'t> Conditions<'t> {
    /// What a list of texts or groups says.
    pub fn of_entries(signal: Signal, key: &str, entries: &'t [Entry], errors: ErrorMode) -> Vec<Conditions<'t>> {
        let of = |(number, entry): (usize, &'t Entry)| match entry {
            Entry::Text(text) => {
                let key = format!("{key}[{number}]");
                Conditions { signal, key, context: None, texts: std::slice::from_ref(text), errors }
            }
            Entry::Group(group) => Conditions {
                signal,
                key: format!("{key}[{number}]::conditions"),
                context: group.context.as_deref(),
                texts: &group.conditions,
                errors: group.error_mode.unwrap_or(errors),
            },
        };
        entries.iter().enumerate().map(of).collect()
    }

    fn key_of(&self, number: usize) -> String {
        // The key of a text that stands in a list of its own kind has its number already.
        if self.key.ends_with(']') { self.key.clone() } else { format!("{}[{number}]", self.key) }
    }
}

impl Programs {
    /// Conditions of several keys, and asks for what they need. A signal without any is not asked for: its records pass.
    pub fn conditions_in(conditions: &[Conditions<'_>], needs: &mut Requirements) -> Result<Programs> {
        let (mut programs, mut wrong) = (Vec::new(), Vec::new());
        for signal in Signal::ALL {
            let (mut texts, mut keys) = (Vec::new(), Vec::new());
            for part in conditions.iter().filter(|part| part.signal == signal) {
                let Some(context) = context_of(signal, part.context, &part.key, &mut wrong) else { continue };
                for (number, text) in part.texts.iter().enumerate() {
                    texts.push((context, text.as_str(), part.errors.into()));
                    keys.push((text.as_str(), part.key_of(number)));
                }
            }
            if texts.is_empty() {
                continue;
            }
            match Program::conditions_in(ottl(signal), &texts) {
                Ok(program) => programs.push((signal, program)),
                Err(errors) => wrong.extend(located(errors, &keys)),
            }
        }
        finish(programs, wrong, needs)
    }

    /// Groups of statements of several lists, run in their order, and asks for what they need.
    pub fn statements_in(
        lists: &[(Signal, &str, &[Entry])],
        errors: ErrorMode,
        needs: &mut Requirements,
    ) -> Result<Programs> {
        let (mut programs, mut wrong) = (Vec::new(), Vec::new());
        for (signal, key, entries) in lists.iter().filter(|(_, _, entries)| !entries.is_empty()) {
            let (mut groups, mut keys) = (Vec::new(), Vec::new());
            for (number, entry) in entries.iter().enumerate() {
                let key = format!("{key}[{number}]");
                match entry {
                    Entry::Text(text) => {
                        keys.push((text.as_str(), key));
                        let statements = vec![text.as_str()];
                        let (context, conditions) = (Context::Record, Vec::new());
                        groups.push(Group { context, conditions, statements, errors: errors.into() });
                    }
                    Entry::Group(group) => {
                        let Some(context) = context_of(*signal, group.context.as_deref(), &key, &mut wrong) else {
                            continue;
                        };
                        for (number, text) in group.conditions.iter().enumerate() {
                            keys.push((text.as_str(), format!("{key}::conditions[{number}]")));
                        }
                        for (number, text) in group.statements.iter().enumerate() {
                            keys.push((text.as_str(), format!("{key}::statements[{number}]")));
                        }
                        groups.push(Group {
                            context,
                            conditions: group.conditions.iter().map(String::as_str).collect(),
                            statements: group.statements.iter().map(String::as_str).collect(),
                            errors: group.error_mode.unwrap_or(errors).into(),
                        });
                    }
                }
            }
            match Program::groups(ottl(*signal), &groups) {
                Ok(program) => programs.push((*signal, program)),
                Err(errors) => wrong.extend(located(errors, &keys)),
            }
        }
        finish(programs, wrong, needs)
    }
}

fn finish(programs: Vec<(Signal, Program)>, wrong: Vec<Wrong>, needs: &mut Requirements) -> Result<Programs> {
    if wrong.is_empty() {
        return Ok(Programs::of_signals(programs, needs));
    }
    let lines: Vec<String> = wrong.iter().map(|Wrong { key, reason }| format!("`{key}`: {reason}")).collect();
    Err(Error::new(lines.join("; ")))
}

/// The context of that name, in any case.
pub(crate) fn named(signal: Signal, name: &str) -> Option<Context> {
    Context::from_name(ottl(signal), &name.to_ascii_lowercase())
}

/// `None`: there is none of that name, which is noted.
fn context_of(signal: Signal, name: Option<&str>, key: &str, wrong: &mut Vec<Wrong>) -> Option<Context> {
    let Some(name) = name else { return Some(Context::Record) };
    let context = named(signal, name);
    if context.is_none() {
        let record = match signal {
            Signal::Traces => "`span`",
            Signal::Metrics => "`datapoint`, `metric`",
            Signal::Logs => "`log`",
        };
        let reason = format!("the context `{name}` is not served here, expected one of {record}, `scope`, `resource`");
        wrong.push(Wrong { key: key.to_owned(), reason });
    }
    context
}

/// One text may stand in several places: the first is named.
fn located(errors: Vec<ParseError>, keys: &[(&str, String)]) -> Vec<Wrong> {
    let wrong = |error: ParseError| {
        let key = keys.iter().find(|(text, _)| *text == error.text).map(|(_, key)| key.clone());
        Wrong { key: key.unwrap_or_default(), reason: error.to_string() }
    };
    errors.into_iter().map(wrong).collect()
}
