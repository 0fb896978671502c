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
    assert!(refusal("{}").contains("missing field `statements`"));
}
