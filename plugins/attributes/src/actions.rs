//! The actions, checked and compiled.
//!
//! An action names attributes by key, which become *slots*, or by a pattern over keys. Without patterns only the slots' columns
//! are asked for; with one, the whole set.

use regex::Regex;
use wasmill_ottl::pattern::compile;
use wasmill_sdk::{Error, Result};

use crate::config::{ActionConfig, Constant, Does, Type};

/// What becomes of a row's attributes, in order.
#[derive(Debug, Default)]
pub struct Actions {
    pub list: Vec<Action>,
    /// Keys that are named, each once.
    pub slots: Vec<String>,
    pub constants: Vec<Constant>,
    /// Headers of requests that are named, each once, in lower case.
    pub headers: Vec<String>,
    /// Patterns over keys.
    pub patterns: Vec<Regex>,
}

#[derive(Debug)]
pub enum Action {
    Put { slot: usize, on: Put, sources: Vec<Source> },
    Delete(Keys),
    Hash(Keys),
    Extract { slot: usize, pattern: Regex, groups: Vec<usize> },
    Convert { slot: usize, to: Type },
}

/// Where a value is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// Where there is none.
    Insert,
    /// Where there is one.
    Update,
    Upsert,
}

/// Where a value comes from; the first that has one counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    Constant(usize),
    Header(usize),
    Slot(usize),
}

/// By name, then by pattern.
#[derive(Debug)]
pub struct Keys {
    pub slot: Option<usize>,
    pub pattern: Option<usize>,
}

impl Actions {
    /// Everything that is wrong is said, each with its action's number under `key`.
    pub fn new(key: &str, configs: &[ActionConfig]) -> Result<Actions> {
        let mut actions = Actions::default();
        let mut wrong = Vec::new();
        for (number, config) in configs.iter().enumerate() {
            match actions.action(config) {
                Ok(action) => actions.list.push(action),
                Err(reason) => wrong.push(format!("`{key}[{number}]`: {}", reason.message())),
            }
        }
        if wrong.is_empty() { Ok(actions) } else { Err(Error::new(wrong.join("; "))) }
    }

    fn action(&mut self, config: &ActionConfig) -> Result<Action> {
        let ActionConfig { action, key, value, default_value, from_attribute, from_context, pattern, converted_type } =
            config;
        let Some(action) = action else { return Err(Error::new("`action` is missing")) };
        let by_keys = matches!(action, Does::Delete | Does::Hash);
        if key.is_empty() && (pattern.is_empty() || !by_keys) {
            return Err(Error::new(if by_keys { "`key` or `pattern` is missing" } else { "`key` is missing" }));
        }
        let puts = matches!(action, Does::Insert | Does::Update | Does::Upsert);
        let named = [
            ("value", value.is_some(), puts),
            ("default_value", default_value.is_some(), puts),
            ("from_attribute", !from_attribute.is_empty(), puts),
            ("from_context", !from_context.is_empty(), puts),
            ("pattern", !pattern.is_empty(), by_keys || *action == Does::Extract),
            ("converted_type", converted_type.is_some(), *action == Does::Convert),
        ];
        if let Some((key, ..)) = named.iter().find(|(_, given, used)| *given && !used) {
            return Err(Error::new(format!("this action does not use `{key}`")));
        }
        Ok(match action {
            Does::Insert => self.put(config, Put::Insert)?,
            Does::Update => self.put(config, Put::Update)?,
            Does::Upsert => self.put(config, Put::Upsert)?,
            Does::Delete => Action::Delete(self.keys(key, pattern)?),
            Does::Hash => Action::Hash(self.keys(key, pattern)?),
            Does::Extract => self.extract(key, pattern)?,
            Does::Convert => {
                let Some(to) = *converted_type else { return Err(Error::new("`converted_type` is missing")) };
                Action::Convert { slot: self.slot(key), to }
            }
        })
    }

    fn put(&mut self, config: &ActionConfig, on: Put) -> Result<Action> {
        let ActionConfig { key, value, default_value, from_attribute, from_context, .. } = config;
        let given = [value.is_some(), !from_attribute.is_empty(), !from_context.is_empty()];
        match given.iter().filter(|given| **given).count() {
            0 if default_value.is_none() => {
                return Err(Error::new("expected one of `value`, `from_attribute`, `from_context`, `default_value`"));
            }
            0 | 1 => {}
            _ => return Err(Error::new("expected only one of `value`, `from_attribute`, `from_context`")),
        }
        let mut sources = Vec::new();
        if let Some(value) = value {
            sources.push(self.constant(Constant::of(value)?));
        }
        if !from_context.is_empty() {
            sources.push(self.header(from_context)?);
        }
        if !from_attribute.is_empty() {
            sources.push(Source::Slot(self.slot(from_attribute)));
        }
        if let (Some(value), true) = (default_value, config.value.is_none()) {
            sources.push(self.constant(Constant::of(value)?));
        }
        Ok(Action::Put { slot: self.slot(key), on, sources })
    }

    fn keys(&mut self, key: &str, pattern: &str) -> Result<Keys> {
        let slot = (!key.is_empty()).then(|| self.slot(key));
        let pattern = match pattern {
            "" => None,
            pattern => {
                self.patterns.push(regex(pattern)?);
                Some(self.patterns.len() - 1)
            }
        };
        Ok(Keys { slot, pattern })
    }

    fn extract(&mut self, key: &str, pattern: &str) -> Result<Action> {
        if pattern.is_empty() {
            return Err(Error::new("`pattern` is missing"));
        }
        let pattern = regex(pattern)?;
        let names: Vec<Option<String>> = pattern.capture_names().skip(1).map(|name| name.map(str::to_owned)).collect();
        if names.is_empty() {
            return Err(Error::new("`pattern` has no groups with names, such as `(?P<user>…)`"));
        }
        let names: Option<Vec<String>> = names.into_iter().collect();
        let Some(names) = names else {
            return Err(Error::new(
                "`pattern` has a group without a name: `(?P<NAME>…)`, or `(?:…)` for one that is none",
            ));
        };
        let groups = names.iter().map(|name| self.slot(name)).collect();
        Ok(Action::Extract { slot: self.slot(key), pattern, groups })
    }

    fn slot(&mut self, key: &str) -> usize {
        position_or_push(&mut self.slots, key)
    }

    fn header(&mut self, from: &str) -> Result<Source> {
        let name = match from.split_once('.') {
            Some(("metadata", name)) => name,
            Some(("auth", _)) => {
                return Err(Error::new(format!("`from_context: {from}` is not served: only `metadata.HEADER` is")));
            }
            _ if from == "client.address" => {
                return Err(Error::new(format!("`from_context: {from}` is not served: only `metadata.HEADER` is")));
            }
            _ => from,
        };
        Ok(Source::Header(position_or_push(&mut self.headers, &name.to_ascii_lowercase())))
    }

    fn constant(&mut self, constant: Constant) -> Source {
        self.constants.push(constant);
        Source::Constant(self.constants.len() - 1)
    }
}

fn position_or_push(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

fn regex(pattern: &str) -> Result<Regex> {
    compile(pattern).map_err(|reason| Error::new(format!("`pattern` is not valid: {reason}")))
}
