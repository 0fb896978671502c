use wasmill_sdk::testing::{Answer, Cell, Harness};

use super::*;

fn start(config: &str) -> Harness<Act> {
    Harness::start(config).unwrap()
}

fn refusal(config: &str) -> String {
    let Err(error) = Harness::<Act>::start(config) else { panic!("`{config}` is refused") };
    error.message().to_owned()
}

fn text(text: &str) -> Option<Cell> {
    Some(Cell::Text(text.to_owned()))
}

fn k(key: &str) -> String {
    format!("attributes[\"{key}\"]")
}

/// Each of the three ways to put a value, from a constant, another attribute, a default: only where it says.
#[test]
fn values_are_put_where_the_action_says() {
    let mut plugin = start(
        r#"{"actions": [
            {"action": "insert", "key": "env", "value": "prod"},
            {"action": "update", "key": "user", "from_attribute": "account"},
            {"action": "UPSERT", "key": "n", "value": 7},
            {"action": "upsert", "key": "from", "from_attribute": "none", "default_value": "nobody"}
        ]}"#,
    );
    let slice = plugin.slice(Signal::Logs, 3);
    let slice = slice.with(&k("env"), [Some("dev"), None, None]).with(&k("user"), [Some("u"), Some("u"), None]);
    let answer = slice.with(&k("account"), [Some("a"), None, Some("c")]).with(&k("n"), [Some(1_i64), None, Some(7)]);
    let answer = answer.process().unwrap();
    assert_eq!(answer.column(&k("env")), [None, text("prod"), text("prod")]);
    assert_eq!(answer.column(&k("user")), [text("a"), None, None]);
    assert_eq!(answer.column(&k("n")), [Some(Cell::Int(7)), Some(Cell::Int(7)), Some(Cell::Int(7))]);
    assert_eq!(answer.column(&k("from")), [text("nobody"), text("nobody"), text("nobody")]);
}

/// An action sees what those before it did: what was deleted can be inserted, what was put can be hashed and deleted again.
#[test]
fn actions_run_in_order() {
    let mut plugin = start(
        r#"{"attributes": [
            {"action": "delete", "key": "a"},
            {"action": "insert", "key": "a", "value": "new"},
            {"action": "insert", "key": "b", "from_attribute": "a"},
            {"action": "hash", "key": "b"},
            {"action": "insert", "key": "c", "value": true},
            {"action": "delete", "key": "c"}
        ]}"#,
    );
    let path = |key: &str| format!("resource.{}", k(key));
    let answer = plugin.slice(Signal::Metrics, 1).with(&path("a"), [Some("old")]).process().unwrap();
    assert_eq!(answer.column(&path("a")), [text("new")]);
    let hash = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437";
    assert_eq!(answer.column(&path("b")), [text(hash)]);
    assert_eq!(answer.column(&path("c")), [None]);
}

/// Groups of a pattern become attributes, texts become numbers; what does not fit stays.
#[test]
fn extract_and_convert_take_what_they_can() {
    let mut plugin = start(
        r#"{"actions": [
            {"action": "extract", "key": "url", "pattern": "^/(?P<section>[a-z]+)/(?P<id>\\d+)?$"},
            {"action": "convert", "key": "id", "converted_type": "int"},
            {"action": "convert", "key": "size", "converted_type": "double"},
            {"action": "convert", "key": "flag", "converted_type": "string"}
        ]}"#,
    );
    let slice = plugin.slice(Signal::Traces, 2).with(&k("url"), ["/users/42", "elsewhere"]);
    let slice = slice.with(&k("size"), ["1.5", "large"]).with(&k("flag"), [Some(true), None]);
    let answer = slice.process().unwrap();
    assert_eq!(answer.column(&k("section")), [text("users"), None]);
    assert_eq!(answer.column(&k("id")), [Some(Cell::Int(42)), None]);
    assert_eq!(answer.column(&k("size")), [Some(Cell::Double(1.5)), None]);
    assert_eq!(answer.column(&k("flag")), [text("true"), None]);
}

fn places(answer: &Answer, removed: bool) -> Vec<usize> {
    let edits = answer.edits().iter().filter(|edit| edit.entries);
    let edits = edits.filter(|edit| edit.values.iter().all(|value| (*value == Cell::Absent) == removed));
    let mut places: Vec<usize> = edits.flat_map(|edit| edit.targets.clone()).collect();
    places.sort_unstable();
    places
}

/// Patterns over keys need the whole set, and change its entries where they stand, named ones too.
#[test]
fn patterns_find_keys() {
    let mut plugin = start(
        r#"{"actions": [
            {"action": "hash", "pattern": "^user"},
            {"action": "delete", "key": "secret", "pattern": "^internal\\."},
            {"action": "insert", "key": "user.id", "value": "none"}
        ]}"#,
    );
    let rows = [
        Cell::attributes([("user.id", "7"), ("internal.a", "1"), ("x", "2"), ("secret", "3")]),
        Cell::attributes([("internal.b", "1"), ("user.name", "n")]),
    ];
    let answer = plugin.slice(Signal::Traces, 2).with("attributes", rows).process().unwrap();
    assert_eq!(places(&answer, true), [1, 3, 4]);
    assert_eq!(places(&answer, false), [0, 5]);
    assert_eq!(answer.column(&k("user.id")), [None, text("none")]);
}

/// Rows that `include` does not mean, or `exclude` does, stay as they are.
#[test]
fn only_what_is_meant_is_changed() {
    let mut plugin = start(
        r#"{"actions": [{"action": "upsert", "key": "x", "value": 1}],
            "include": {"match_type": "regexp", "services": ["^shop"], "span_names": ["GET", "POST"]},
            "exclude": {"match_type": "strict", "attributes": [{"key": "n", "value": 1}, {"key": "any"}]}}"#,
    );
    assert_eq!(plugin.signals(), [Signal::Traces]);
    let slice = plugin.slice(Signal::Traces, 5);
    let slice = slice.with(
        r#"resource.attributes["service.name"]"#,
        [Some("shop"), Some("shop-2"), Some("a shop"), None, Some("shop")],
    );
    let slice = slice.with("name", ["GET /", "POST", "GET", "GET", "PUT"]);
    let slice = slice.with(&k("n"), [Some(1_i64), Some(1), None, None, None]);
    let answer = slice.with(&k("any"), [Some("a"), None, None, None, None]).process().unwrap();
    assert_eq!(answer.column(&k("x")), [None, Some(Cell::Int(1)), None, None, None]);
}

/// What is wrong is said with its action; what is not served by its name.
#[test]
fn mistakes_are_refused() {
    let actions = |actions: &str| refusal(&format!(r#"{{"actions": [{actions}]}}"#));
    assert_eq!(
        actions(r#"{"action": "insert", "key": "a"}, {"action": "hash"}"#),
        "`actions[0]`: expected one of `value`, `from_attribute`, `from_context`, `default_value`; `actions[1]`: `key` or \
         `pattern` is missing"
    );
    assert_eq!(
        actions(r#"{"action": "delete", "key": "a", "value": 1}"#),
        "`actions[0]`: this action does not use `value`"
    );
    assert!(actions(r#"{"action": "extract", "key": "a", "pattern": "(.)"}"#).contains("a group without a name"));
    assert!(actions(r#"{"action": "hash", "pattern": "("}"#).starts_with("`actions[0]`: `pattern` is not valid"));
    assert!(actions(r#"{"action": "insert", "key": "a", "from_context": "auth.sub"}"#).contains("is not served"));
    assert_eq!(
        refusal(
            r#"{"actions": [{"action": "delete", "key": "a"}], "include": {"services": ["s"], "log_bodies": ["b"]}}"#
        ),
        "`include`: `log_bodies` is not for traces; `include`: `services` is not for metrics; `include`: `services` is not for \
         logs"
    );
}
