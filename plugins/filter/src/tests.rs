use wasmill_sdk::testing::Harness;

use super::*;

const ROUTE: &str = r#"attributes["http.route"]"#;

fn start(config: &str) -> Result<Harness<Filter>> {
    Harness::start(config)
}

fn refusal(config: &str) -> String {
    let Err(error) = start(config) else { panic!("`{config}` is refused") };
    error.message().to_owned()
}

/// Several conditions: rows go that any of them is true for, and a row without the attribute stays.
#[test]
fn drop_takes_out_what_any_condition_is_true_for() {
    let config = r#"{"drop": ["attributes[\"http.route\"] == \"/healthz\"", "HasPrefix(attributes[\"http.route\"], \"/int\")"], "error_mode": "ignore"}"#;
    let mut filter = start(config).unwrap();
    for signal in Signal::ALL {
        let routes = [Some("/healthz"), Some("/cart"), None, Some("/internal"), Some("/healthz/x")];
        let answer = filter.slice(signal, 5).with(ROUTE, routes).process().unwrap();
        assert_eq!(answer.kept(), [1, 2, 4]);
        assert!(answer.edits().is_empty());
    }
}

/// The opposite: only what matches stays.
#[test]
fn keep_keeps_what_matches_alone() {
    let mut filter = start(r#"{"keep": ["attributes[\"http.route\"] == \"/cart\""]}"#).unwrap();
    let answer = filter.slice(Signal::Logs, 3).with(ROUTE, [Some("/healthz"), Some("/cart"), None]).process().unwrap();
    assert_eq!(answer.kept(), [1]);
}

/// A field of log records alone: the plugin can be used on logs, and on nothing else.
#[test]
fn conditions_decide_on_which_signals_it_can_be_used() {
    assert_eq!(start(r#"{"drop": ["severity_number < 9"]}"#).unwrap().signals(), [Signal::Logs]);
    assert_eq!(start(r#"{"drop": ["attributes[\"a\"] == 1"]}"#).unwrap().signals().len(), 3);
    let mixed = refusal(r#"{"drop": ["severity_number < 9 and kind == 1"]}"#);
    assert!(mixed.starts_with("`drop`: no signal has all of these fields"), "{mixed}");
}

/// What is wrong is said once, with its place.
#[test]
fn mistakes_are_refused_with_their_place() {
    let message = refusal(r#"{"drop": ["attributes[\"a\"] === 1"]}"#);
    assert!(message.contains("`drop`") && message.contains("character 18"), "{message}");
    assert_eq!(refusal("{}"), "no conditions: expected `drop` or `keep` with at least one");
    assert_eq!(refusal(r#"{"drop": ["true"], "keep": ["true"]}"#), "both `drop` and `keep`: expected one of them");
    assert!(
        refusal(r#"{"dropp": []}"#).contains("unknown field `dropp`, expected one of `drop`, `keep`, `error_mode`")
    );
    assert!(refusal(r#"{"drop": ["true"], "error_mode": "loud"}"#).contains("`loud`"));
}

/// It says that it keeps and nothing else, so that the host need not expect edits.
#[test]
fn it_declares_what_it_does() {
    assert_eq!(start(r#"{"drop": ["true"]}"#).unwrap().uses(), [Use::Keep]);
}

/// A condition that fails in a row: with `propagate` the slice is refused, with `ignore` the row does not match and it is told.
#[test]
fn error_mode_decides_what_a_failure_does() {
    let process = |mode: &str| {
        let config = format!(
            r#"{{"drop": ["IsMatch(Concat([attributes[\"a\"]], \"\"), \"x\") and Int(1) / attributes[\"b\"] == 1"], "error_mode": "{mode}"}}"#
        );
        let mut filter = start(&config).unwrap();
        let slice = filter.slice(Signal::Traces, 2).with(r#"attributes["a"]"#, ["x", "x"]);
        slice.with(r#"attributes["b"]"#, [0_i64, 1]).process()
    };
    assert!(process("propagate").is_err());
    assert_eq!(process("ignore").unwrap().kept(), [0]);
    assert_eq!(wasmill_sdk::testing::logged().len(), 1);
    assert_eq!(process("silent").unwrap().kept(), [0]);
    assert!(wasmill_sdk::testing::logged().is_empty());
}

/// The Collector's keys: each signal has its own conditions, in their contexts, and what is dropped is what any is true for.
#[test]
fn the_collectors_keys_are_conditions_of_their_signals() {
    let config = r#"{"error_mode": "ignore", "collector": {
        "traces": {"span": ["attributes[\"http.route\"] == \"/healthz\""]},
        "metrics": {"metric": ["name == \"up\""]},
        "log_conditions": ["log.severity_number < 9", "resource.attributes[\"a\"] == 1"],
        "trace_conditions": [{"context": "resource", "conditions": ["attributes[\"env\"] == \"test\""]}]
    }}"#;
    let mut filter = start(config).unwrap();
    let slice = filter.slice(Signal::Traces, 3).with(ROUTE, [Some("/healthz"), None, None]);
    let answer = slice.with(r#"resource.attributes["env"]"#, [None, Some("test"), Some("prod")]).process().unwrap();
    assert_eq!(answer.kept(), [2]);
    let answer = filter.slice(Signal::Metrics, 2).with("metric.name", ["up", "down"]).process().unwrap();
    assert_eq!(answer.kept(), [1]);
    let slice = filter.slice(Signal::Logs, 3).with("severity_number", [5_i64, 9, 9]);
    let answer = slice.with(r#"resource.attributes["a"]"#, [None, Some(1_i64), None]).process().unwrap();
    assert_eq!(answer.kept(), [2]);
}

/// Every mistake is said with its own key; without conditions everything passes.
#[test]
fn mistakes_in_the_collectors_keys_say_where_they_are() {
    let message = refusal(
        r#"{"collector": {"traces": {"span": ["true", "severity_number == 1"]}, "metric_conditions": [{"context": "span"}]}}"#,
    );
    assert!(message.starts_with("`traces::span[1]`: `severity_number == 1` at character 0"), "{message}");
    assert!(
        message.contains("; `metric_conditions[0]::conditions`: the context `span` is not served here"),
        "{message}"
    );
    let mut nothing = start(r#"{"collector": {"logs": {"log_record": []}}}"#).unwrap();
    assert_eq!(nothing.slice(Signal::Logs, 2).process().unwrap().kept(), [0, 1]);
}
