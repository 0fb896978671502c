use wasmill_sdk::testing::Harness;

use super::*;

const TEAM: &str = r#"resource.attributes["team"]"#;

fn start(config: &str) -> Result<Harness<Route>> {
    Harness::start(config)
}

fn refusal(config: &str) -> String {
    let Err(error) = start(config) else { panic!("`{config}` is refused") };
    error.message().to_owned()
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Two rules that overlap: a row takes the first that is true, and what none takes goes where `otherwise` says.
#[test]
fn the_first_rule_that_is_true_takes_the_row() {
    let config = r#"{"rules": [
        {"when": "resource.attributes[\"team\"] == \"payments\"", "to": ["payments", "audit"]},
        {"when": "HasPrefix(resource.attributes[\"team\"], \"pay\")", "to": ["finance"]}
    ], "otherwise": ["rest"], "error_mode": "ignore"}"#;
    let mut route = start(config).unwrap();
    for signal in Signal::ALL {
        let teams = [Some("payroll"), Some("payments"), None, Some("shop"), Some("payments")];
        let answer = route.slice(signal, 5).with(TEAM, teams).process().unwrap();
        let (first, second, rest) = (names(&["payments", "audit"]), names(&["finance"]), names(&["rest"]));
        assert_eq!(answer.routes(), [second, first.clone(), rest.clone(), rest, first]);
        assert_eq!(answer.kept().len(), 5, "it drops nothing");
    }
}

/// Without `otherwise`, rows that no rule takes keep the route of an earlier stage.
#[test]
fn rows_that_no_rule_takes_keep_their_route() {
    let config = r#"{"rules": [{"when": "resource.attributes[\"team\"] == \"a\"", "to": ["a"]}]}"#;
    let mut route = start(config).unwrap();
    let answer = route.slice(Signal::Logs, 2).with(TEAM, ["b", "a"]).process().unwrap();
    assert_eq!(answer.routes(), [None, names(&["a"])]);
    let answer = route.slice(Signal::Logs, 1).with(TEAM, ["b"]).process().unwrap();
    assert_eq!(answer.routes(), [None]);
}

/// A rule for logs, by a field that only logs have, beside one for all: the stage can be used on all, and spans do not meet the
/// rule for logs.
#[test]
fn a_rule_for_some_signals_is_none_for_the_others() {
    let config = r#"{"rules": [
        {"when": "severity_number >= SEVERITY_NUMBER_ERROR", "to": ["alarm"], "signals": ["logs"]},
        {"when": "resource.attributes[\"team\"] == \"a\"", "to": ["a"]}
    ], "otherwise": ["rest"]}"#;
    let mut route = start(config).unwrap();
    assert_eq!(route.signals().len(), 3);
    let logs = route.slice(Signal::Logs, 2).with("severity_number", [17_i64, 9]).with(TEAM, ["a", "a"]);
    assert_eq!(logs.process().unwrap().routes(), [names(&["alarm"]), names(&["a"])]);
    let spans = route.slice(Signal::Traces, 2).with(TEAM, ["a", "b"]);
    assert_eq!(spans.process().unwrap().routes(), [names(&["a"]), names(&["rest"])]);
}

/// A rule that is for logs without saying so makes the stage one for logs.
#[test]
fn fields_decide_on_which_signals_it_can_be_used() {
    let config = r#"{"rules": [{"when": "severity_number >= 17", "to": ["alarm"]}]}"#;
    assert_eq!(start(config).unwrap().signals(), [Signal::Logs]);
}

/// What is wrong is said with its place; a rule that leads nowhere is a mistake, not a way to drop.
#[test]
fn mistakes_are_refused_with_their_place() {
    let message = refusal(r#"{"rules": [{"when": "attributes[\"a\"] === 1", "to": ["a"]}]}"#);
    assert!(message.contains("`rules`") && message.contains("character 18"), "{message}");
    assert!(refusal(r#"{"rules": []}"#).starts_with("`rules` is empty"));
    let nowhere = refusal(r#"{"rules": [{"when": "true", "to": []}]}"#);
    assert!(nowhere.starts_with("`rules[0].to` is empty"), "{nowhere}");
    assert!(
        refusal(r#"{"rules": [{"when": "true", "to": ["a"]}], "otherwise": []}"#).starts_with("`otherwise` is empty")
    );
    assert_eq!(refusal(r#"{"rules": [{"when": "true", "to": ["a", "b", "a"]}]}"#), "`rules[0].to` names `a` twice");
    assert!(refusal(r#"{"rules": [{"if": "true", "to": ["a"]}]}"#).contains("unknown field `if`"));
    assert!(refusal(r#"{"rules": [{"when": "true", "to": ["a"], "signals": ["spans"]}]}"#).contains("`spans`"));
}

/// It says that it routes and nothing else.
#[test]
fn it_declares_what_it_does() {
    assert_eq!(start(r#"{"rules": [{"when": "true", "to": ["a"]}]}"#).unwrap().uses(), [Use::Routes]);
}
