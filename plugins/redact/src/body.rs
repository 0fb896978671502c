//! Bodies of log records. Other than attributes, they are looked at as deep as they go, and values of all types as their text.

use wasmill_ottl::value::{Value, entries, items, push_entry, push_item};
use wasmill_sdk::columns::{Any, AnyBuilder, AnyKind, AnyPlace, AnyValue, Attributes, AttributesBuilder, Bitmap};
use wasmill_sdk::{Rows, Verdict};

use crate::map;
use crate::rules::{KeyRule, Rules, TextRule};
use crate::summary::{Deed, Deeds, Of};
use crate::texts::Texts;

/// The name of a body that is no map and no list, in summaries.
const BODY: &str = "body";

/// Values within each other that are looked at, as many as the wire takes. What is deeper cannot have come.
const DEPTH_MAX: usize = 100;

/// Looks at the body of each row. The summary stands among the record's attributes.
pub fn redact(rules: &Rules, path: &str, column: Any<'_>, attributes: Attributes<'_>, verdict: &mut Verdict) {
    let mut texts = Texts::new(rules, &column);
    let mut held = AnyBuilder::new();
    let (mut changed, mut new) = (Bitmap::none(column.len()), Vec::new());
    let (mut told, mut summaries) = (Bitmap::none(column.len()), AttributesBuilder::new());
    let mut nested = Nested { rules, deeds: Deeds::default(), path: String::new() };
    for row in 0..column.len() {
        let value = if column.kind(row) == AnyKind::Text {
            let number = texts.number(column.places().raw(row) as usize);
            match texts.rule(number) {
                TextRule::Blocked => texts.blocked(rules, number, &mut held),
                // That an allowed body is told is what the Collector means to do; it does not, so neither do we.
                TextRule::Clean | TextRule::Allowed => None,
            }
        } else {
            nested.body(column.get(row), &mut held)
        };
        if let Some(value) = value {
            if !matches!(column.kind(row), AnyKind::List | AnyKind::Map) {
                nested.deeds.note(rules.summary, Deed::Masked, BODY);
            }
            new.push(value);
            changed.set(row, true);
        }
        let before = |key: &str| map::value(&attributes, row, key);
        if nested.deeds.write(rules.summary, Of::Body, before, &mut summaries) {
            summaries.end_row();
            told.set(row, true);
        }
        nested.deeds.clear();
    }
    new.into_iter().for_each(|place| held.push_place(place));
    verdict.set_each(path, Rows::Bitmap(&changed), |block| {
        held.append(block);
    });
    verdict.merge("attributes", &told, &summaries);
}

/// A body that is not one text.
struct Nested<'r> {
    rules: &'r Rules,
    deeds: Deeds,
    /// Where in the body, as summaries name it: `user.emails.[0]`.
    path: String,
}

impl Nested<'_> {
    /// What the body becomes; `None`: it stays.
    fn body(&mut self, body: AnyValue<'_>, held: &mut AnyBuilder) -> Option<AnyPlace> {
        self.path.clear();
        let mut out = Vec::new();
        match body {
            AnyValue::Map(map) => self.map(map, 0, &mut out).then(|| held.hold(AnyValue::Map(&out))),
            AnyValue::List(list) => self.list(list, 0, &mut out).then(|| held.hold(AnyValue::List(&out))),
            other => match self.leaf(Value::from(other)) {
                Leaf::Becomes(text) => Some(held.hold(AnyValue::Text(&text))),
                Leaf::Stays | Leaf::Allowed => None,
            },
        }
    }

    /// Writes the map as it is to be. Says whether that is another one.
    fn map(&mut self, map: &[u8], depth: usize, out: &mut Vec<u8>) -> bool {
        let mut changed = false;
        for (key, value) in entries(map) {
            let length = self.path.len();
            if depth > 0 {
                self.path.push('.');
            }
            self.path.push_str(key);
            match self.rules.key(key) {
                KeyRule::Ignore => {
                    self.note(Deed::Ignored);
                    push_entry(out, key, value);
                }
                KeyRule::Remove => {
                    self.note(Deed::Removed);
                    changed = true;
                }
                KeyRule::Mask => {
                    self.note(Deed::Masked);
                    let mut masked = String::new();
                    let text = if let Value::Text(text) = value { text } else { "" };
                    self.rules.write_masked(text, &mut masked);
                    push_entry(out, key, Value::Text(&masked));
                    changed = true;
                }
                KeyRule::Look => changed |= self.value(value, depth, |value| push_entry(out, key, value)),
            }
            self.path.truncate(length);
        }
        changed
    }

    fn list(&mut self, list: &[u8], depth: usize, out: &mut Vec<u8>) -> bool {
        let mut changed = false;
        for (place, value) in items(list).enumerate() {
            let length = self.path.len();
            if depth > 0 {
                self.path.push('.');
            }
            self.path.push_str(&format!("[{place}]"));
            changed |= self.value(value, depth, |value| push_item(out, value));
            self.path.truncate(length);
        }
        changed
    }

    /// Writes a value within, and says whether it is another one.
    fn value(&mut self, value: Value<'_>, depth: usize, mut write: impl FnMut(Value<'_>)) -> bool {
        let mut below = Vec::new();
        match value {
            Value::Map(_) | Value::List(_) if depth >= DEPTH_MAX => {}
            Value::Map(map) => {
                let changed = self.map(map, depth + 1, &mut below);
                write(Value::Map(&below));
                return changed;
            }
            Value::List(list) => {
                let changed = self.list(list, depth + 1, &mut below);
                write(Value::List(&below));
                return changed;
            }
            leaf => match self.leaf(leaf) {
                Leaf::Stays => {}
                Leaf::Allowed => self.note(Deed::Allowed),
                Leaf::Becomes(text) => {
                    self.note(Deed::Masked);
                    write(Value::Text(&text));
                    return true;
                }
            },
        }
        write(value);
        false
    }

    fn leaf(&self, value: Value<'_>) -> Leaf {
        let mut text = String::new();
        value.write_text(&mut text);
        match self.rules.text(&text) {
            TextRule::Clean => Leaf::Stays,
            TextRule::Allowed => Leaf::Allowed,
            TextRule::Blocked => {
                let mut masked = String::new();
                if self.rules.write_blocked(&text, &mut masked) { Leaf::Becomes(masked) } else { Leaf::Stays }
            }
        }
    }

    fn note(&mut self, deed: Deed) {
        self.deeds.note(self.rules.summary, deed, &self.path);
    }
}

enum Leaf {
    Stays,
    Allowed,
    Becomes(String),
}
