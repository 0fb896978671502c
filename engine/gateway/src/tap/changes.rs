//! What a stage changed of a record: two records, field by field.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mask::{MASKED, Masks};

/// One field, or one attribute.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// As the Collector's transformation language names it: `name`, `attributes["k"]`, `resource.attributes["k"]`.
    pub path: String,
    pub change: ChangeKind,
    /// Not there where it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Not there where it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// A field that is compared as a whole.
struct Leaf<'v> {
    path: String,
    /// By a key on the way to it.
    hidden: bool,
    value: &'v Value,
}

/// Fields that hold fields. All others are values, whatever is in them.
const HOLDERS: [&str; 6] = ["resource", "scope", "metric", "status", "events", "links"];
/// What follows from other fields.
const DERIVED: [&str; 1] = ["duration_ms"];

/// What is different, in the order of the fields: removed and changed ones first. Values are masked; whether they differ is found out before.
pub fn changes(before: &Map<String, Value>, after: &Map<String, Value>, masks: &Masks) -> Vec<Change> {
    let (before, after) = (leaves(before, masks), leaves(after, masks));
    let then: HashMap<&str, &Leaf<'_>> = after.iter().map(|leaf| (leaf.path.as_str(), leaf)).collect();
    let now: HashMap<&str, &Leaf<'_>> = before.iter().map(|leaf| (leaf.path.as_str(), leaf)).collect();
    let mut changes = Vec::new();
    for leaf in &before {
        let (change, after) = match then.get(leaf.path.as_str()) {
            None => (ChangeKind::Removed, None),
            Some(other) if other.value == leaf.value => continue,
            Some(other) => (ChangeKind::Changed, Some(other.shown(masks))),
        };
        changes.push(Change { path: leaf.path.clone(), change, before: Some(leaf.shown(masks)), after });
    }
    for leaf in after.iter().filter(|leaf| !now.contains_key(leaf.path.as_str())) {
        let after = Some(leaf.shown(masks));
        changes.push(Change { path: leaf.path.clone(), change: ChangeKind::Added, before: None, after });
    }
    changes
}

impl Leaf<'_> {
    fn shown(&self, masks: &Masks) -> Value {
        if self.hidden {
            return MASKED.into();
        }
        let mut value = self.value.clone();
        masks.apply(&mut value);
        value
    }
}

fn leaves<'v>(record: &'v Map<String, Value>, masks: &Masks) -> Vec<Leaf<'v>> {
    let mut leaves = Vec::new();
    fields("", false, record, masks, &mut leaves);
    leaves
}

/// The depth is that of [`HOLDERS`] in each other, which records give: two.
fn fields<'v>(prefix: &str, hidden: bool, map: &'v Map<String, Value>, masks: &Masks, leaves: &mut Vec<Leaf<'v>>) {
    for (key, value) in map.iter().filter(|(key, _)| !DERIVED.contains(&key.as_str())) {
        let hidden = hidden || masks.hides(key);
        let path = format!("{prefix}{key}");
        match value {
            Value::Object(attributes) if key == "attributes" => {
                for (key, value) in attributes {
                    let path = format!("{path}[{}]", Value::from(key.as_str()));
                    leaves.push(Leaf { path, hidden: hidden || masks.hides(key), value });
                }
            }
            Value::Object(inner) if HOLDERS.contains(&key.as_str()) => {
                fields(&format!("{path}."), hidden, inner, masks, leaves);
            }
            Value::Array(items) if HOLDERS.contains(&key.as_str()) => {
                for (number, item) in items.iter().enumerate() {
                    if let Value::Object(inner) = item {
                        fields(&format!("{path}[{number}]."), hidden, inner, masks, leaves);
                    }
                }
            }
            value => leaves.push(Leaf { path, hidden, value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(before: Value, after: Value, masks: &[&str]) -> Value {
        let (Value::Object(before), Value::Object(after)) = (before, after) else { panic!("records are maps") };
        let masks = Masks::new(masks.iter().copied()).unwrap();
        serde_json::to_value(changes(&before, &after, &masks)).unwrap()
    }

    /// A stage changes a field of each kind: each is named by its path, with what it was and what it is.
    #[test]
    fn each_field_is_named_by_its_path() {
        let before = json!({
            "name": "a", "duration_ms": 1.0, "status": {"code": "unset"}, "attributes": {"gone": 1, "same": {"x": 1}, "map": {"x": 1}},
            "events": [{"name": "one", "attributes": {"k": 1}}], "resource": {"attributes": {"service.name": "shop"}},
        });
        let after = json!({
            "name": "b", "duration_ms": 2.0, "status": {"code": "error"}, "attributes": {"same": {"x": 1}, "map": {"x": 2}, "a \"new\"": true},
            "events": [{"name": "one", "attributes": {"k": 2}}], "resource": {"attributes": {"service.name": "shop", "team": "pay"}},
        });
        let expected = json!([
            {"path": "name", "change": "changed", "before": "a", "after": "b"},
            {"path": "status.code", "change": "changed", "before": "unset", "after": "error"},
            {"path": "attributes[\"gone\"]", "change": "removed", "before": 1},
            {"path": "attributes[\"map\"]", "change": "changed", "before": {"x": 1}, "after": {"x": 2}},
            {"path": "events[0].attributes[\"k\"]", "change": "changed", "before": 1, "after": 2},
            {"path": "attributes[\"a \\\"new\\\"\"]", "change": "added", "after": true},
            {"path": "resource.attributes[\"team\"]", "change": "added", "after": "pay"},
        ]);
        assert_eq!(of(before.clone(), after, &[]), expected);
        assert_eq!(of(before.clone(), before, &[]), json!([]));
    }

    /// What is masked is seen to change, and not what it was or is.
    #[test]
    fn what_is_masked_changes_unseen() {
        let before = json!({"body": "secret 1", "attributes": {"password": "a", "map": {"password": "a"}}});
        let after = json!({"body": "secret 2", "attributes": {"password": "b", "map": {"password": "b"}}});
        let expected = json!([
            {"path": "body", "change": "changed", "before": "****", "after": "****"},
            {"path": "attributes[\"password\"]", "change": "changed", "before": "****", "after": "****"},
            {"path": "attributes[\"map\"]", "change": "changed", "before": {"password": "****"}, "after": {"password": "****"}},
        ]);
        assert_eq!(of(before, after, &["password", "body"]), expected);
    }
}
