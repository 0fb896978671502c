//! Values that are not shown.
//!
//! Names are compared with every key on the way to a value: of attributes, of maps in them and in bodies, of the record's own fields. So
//! `user.email` hides the attribute on a span, a resource or an event, and `body` a log record's body.

use glob::{MatchOptions, Pattern};
use serde_json::{Map, Value};

/// What stands in place of a value.
pub const MASKED: &str = "****";

/// Each is compared with each key of a record that is shown.
pub const NAMES_MAX: usize = 200;
/// Attributes' names are shorter.
pub const NAME_BYTES_MAX: usize = 200;

/// Names in which `*` stands for any characters.
#[derive(Clone, Debug, Default)]
pub struct Masks(Vec<Pattern>);

impl Masks {
    /// `None`: one is empty or too long, or there are too many.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Masks> {
        let pattern = |name: &str| {
            let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
            let parts: Vec<&str> = name.split('*').collect();
            let last = parts.len() - 1;
            // Two stars beside each other are one: for the library they would be something else.
            let parts = parts.into_iter().enumerate().filter(|(at, part)| *at == 0 || *at == last || !part.is_empty());
            let literal: Vec<String> = parts.map(|(_, part)| Pattern::escape(part)).collect();
            fits.then(|| Pattern::new(&literal.join("*")).ok()).flatten()
        };
        let patterns: Vec<Pattern> = names.into_iter().map(pattern).collect::<Option<_>>()?;
        (patterns.len() <= NAMES_MAX).then_some(Masks(patterns))
    }

    /// Whether the value of a key is not to be shown.
    pub fn hides(&self, key: &str) -> bool {
        let options = MatchOptions { case_sensitive: false, ..MatchOptions::new() };
        self.0.iter().any(|pattern| pattern.matches_with(key, options))
    }

    /// Hides values of a map, and what is to be hidden within the others.
    pub fn apply_to(&self, entries: &mut Map<String, Value>) {
        for (key, value) in entries {
            if self.hides(key) {
                *value = MASKED.into();
            } else {
                self.apply(value);
            }
        }
    }

    /// Hides what is to be hidden within a value.
    pub fn apply(&self, value: &mut Value) {
        match value {
            Value::Object(entries) => self.apply_to(entries),
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A record has secrets at every depth, in any case of letters: they are hidden, and their neighbours are not.
    #[test]
    fn values_of_named_keys_are_hidden_at_any_depth() {
        let masks = Masks::new(["user.email", "*Password*", "*token", "body", "a[b]?"]).unwrap();
        let mut record = json!({
            "body": {"anything": 1},
            "attributes": {
                "user.email": "a@b.c", "db.PASSWORD.old": [1], "access_token": "t", "input_tokens": 7, "a[b]?": 1, "ab1": 2,
                "nested": {"list": [{"password": {"deep": true}, "kept": 1}]},
            },
        });
        masks.apply(&mut record);
        let expected = json!({
            "body": "****",
            "attributes": {
                "user.email": "****", "db.PASSWORD.old": "****", "access_token": "****", "input_tokens": 7, "a[b]?": "****",
                "ab1": 2, "nested": {"list": [{"password": "****", "kept": 1}]},
            },
        });
        assert_eq!(record, expected);
        assert!(Masks::new(["**"]).unwrap().hides("any.thing/at all"));
        assert!(Masks::new(["a**b****c"]).unwrap().hides("a/b.c"));
        assert!(Masks::new(["*"; NAMES_MAX]).is_some());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert!(Masks::new([""]).is_none());
        assert!(Masks::new([&*"x".repeat(NAME_BYTES_MAX + 1)]).is_none());
        assert!(Masks::new(["x"; NAMES_MAX + 1]).is_none());
    }
}
