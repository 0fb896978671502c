use wasmill_sdk::testing::{Cell, Harness};

use super::*;

const SERVICE: &str = r#"resource.attributes["service.name"]"#;
const TEAM: &str = r#"attributes["team"]"#;

fn start(config: &str) -> Result<Harness<Enrich>> {
    Harness::start(config)
}

fn refusal(config: &str) -> String {
    let Err(error) = start(config) else { panic!("`{config}` is refused") };
    error.message().to_owned()
}

/// The statement of the README: rows of one service get their team, others stay, on every signal.
#[test]
fn set_where_edits_the_rows_that_match() {
    let config = r#"{"statements": ["set(attributes[\"team\"], \"payments\") where resource.attributes[\"service.name\"] == \"checkout\""]}"#;
    let mut enrich = start(config).unwrap();
    for signal in Signal::ALL {
        let answer = enrich.slice(signal, 3).with(SERVICE, [Some("checkout"), Some("cart"), None]).process().unwrap();
        assert_eq!(answer.column(TEAM), [Some(Cell::from("payments")), None, None]);
        assert_eq!(answer.kept(), [0, 1, 2]);
    }
}

/// It says that it edits and nothing else.
#[test]
fn it_declares_what_it_does() {
    assert_eq!(start(r#"{"statements": ["set(name, \"x\")"]}"#).unwrap().uses(), [Use::Edits]);
}

/// What is wrong is said, with its place.
#[test]
fn mistakes_are_refused_with_their_place() {
    let message = refusal(r#"{"statements": ["sett(name, \"x\")"]}"#);
    assert!(message.contains("`statements`") && message.contains("character 0"), "{message}");
    assert_eq!(refusal(r#"{"statements": []}"#), "`statements` is empty, expected at least one");
    assert!(refusal("{}").contains("`statements` is empty"));
}

/// The Collector's keys: statements of each signal, alone or in groups with a context and conditions.
#[test]
fn the_collectors_keys_are_statements_of_their_signals() {
    let config = r#"{"error_mode": "ignore", "collector": {
        "trace_statements": ["set(span.attributes[\"a\"], \"1\") where span.name == \"x\""],
        "log_statements": [
            {"context": "log", "conditions": ["severity_number > 9", "attributes[\"b\"] == \"y\""],
             "statements": ["set(attributes[\"b\"], \"z\")"]},
            {"context": "resource", "statements": ["set(attributes[\"c\"], \"r\")"]}
        ]
    }}"#;
    let mut enrich = start(config).unwrap();
    assert_eq!(enrich.signals(), [Signal::Traces, Signal::Logs]);
    let text = |text: &str| Some(Cell::Text(text.to_owned()));
    let answer = enrich.slice(Signal::Traces, 2).with("name", ["x", "y"]).process().unwrap();
    assert_eq!(answer.column(r#"attributes["a"]"#), [text("1"), None]);
    let slice = enrich.slice(Signal::Logs, 3).with("severity_number", [17_i64, 1, 1]);
    let answer = slice.with(r#"attributes["b"]"#, [None, Some("y"), Some("x")]).process().unwrap();
    assert_eq!(answer.column(r#"attributes["b"]"#), [text("z"), text("z"), None]);
    assert_eq!(answer.column(r#"resource.attributes["c"]"#), [text("r"), text("r"), text("r")]);
}

/// What is wrong is said with its key.
#[test]
fn mistakes_in_the_collectors_keys_say_where_they_are() {
    let message = refusal(
        r#"{"collector": {"trace_statements": ["set(span.attributes[\"a\"], 1)", "flatten(span.attributes)"],
            "metric_statements": [{"context": "exemplar"}]}}"#,
    );
    assert!(message.starts_with("`trace_statements[1]`: `flatten(span.attributes)` at character 0"), "{message}");
    assert!(message.contains("`metric_statements[0]`: the context `exemplar` is not served here"), "{message}");
}
