//! Reading and printing, on any text.

use proptest::prelude::*;

use super::cases::{self, Random, Texts};
use crate::{Condition, ErrorMode, Program, Signal, Statement};

const SIGNALS: [(cases::Signal, Signal); 3] = [
    (cases::Signal::Traces, Signal::Traces),
    (cases::Signal::Logs, Signal::Logs),
    (cases::Signal::Metrics, Signal::Metrics),
];

/// Text of the grammar's own pieces in any order: more of it gets past the first token than of random characters.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "name",
        "attributes",
        "[",
        "]",
        "\"a\"",
        "(",
        ")",
        "==",
        "!=",
        "<",
        "and",
        "or",
        "not",
        "nil",
        "true",
        "1",
        "1.5",
        "-",
        "+",
        "*",
        "/",
        ".",
        ",",
        "{",
        "}",
        ":",
        "=",
        "0x01",
        "IsMatch",
        "Concat",
        "set",
        "where",
        "SPAN_KIND_SERVER",
        "\"\\",
        "ü",
        "body",
        "0x",
        "resource",
        "delete_key",
        "\n",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

fn read_as_everything(text: &str) {
    for (_, signal) in SIGNALS {
        let conditions = Program::conditions(signal, &[text], ErrorMode::Propagate);
        let statements = Program::statements(signal, &[text], ErrorMode::Propagate);
        for error in conditions.err().into_iter().chain(statements.err()).flatten() {
            let length = text.chars().count();
            assert!(error.position <= length, "{error}");
            let at: String = text.chars().skip(error.position).take(error.found.chars().count()).collect();
            assert_eq!(at, error.found, "what is shown stands where it says");
            assert!(!error.reason.is_empty() && !error.to_string().is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text is read or refused, with a place within it: never a panic.
    #[test]
    fn no_text_panics(text in any::<String>()) {
        read_as_everything(&text);
    }

    #[test]
    fn no_order_of_tokens_panics(text in pieces()) {
        read_as_everything(&text);
    }

    /// What is printed reads as what was printed.
    #[test]
    fn printed_texts_read_as_the_same(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        for (drawn, _) in SIGNALS {
            let mut texts = Texts { random: &mut random, signal: drawn };
            let condition = Condition::parse(&texts.condition(3)).expect("a drawn condition");
            prop_assert_eq!(&Condition::parse(&condition.to_string()), &Ok(condition.clone()));
            let statement = Statement::parse(&texts.statement()).expect("a drawn statement");
            prop_assert_eq!(&Statement::parse(&statement.to_string()), &Ok(statement.clone()));
        }
    }
}

/// Texts whose structure is easily lost in print, and how they are printed.
#[test]
fn brackets_are_printed_where_they_matter() {
    let cases = [
        ("not (a == 1 and b == 2)", "not (a == 1 and b == 2)"),
        ("not a == 1 and b == 2", "not a == 1 and b == 2"),
        ("(a == 1 or b == 2) and c == 3", "(a == 1 or b == 2) and c == 3"),
        ("a == 1 or (b == 2 and c == 3)", "a == 1 or b == 2 and c == 3"),
        ("a - (b - c) == (a - b) - c", "a - (b - c) == a - b - c"),
        ("a * (b + c) == +1", "a * (b + c) == 1"),
        ("-(a + b) == -1.50", "-(a + b) == -1.5"),
        (r#"a["\"\\\u00e9\101"]["x"][0] == "\x7f""#, r#"a["\"\\éA"]["x"][0] == "\x7f""#),
        ("a == 0xAB01", "a == 0xab01"),
        ("F(x=1, y=[2, {\"k\": nil}]) == 10.0", "F(x=1, y=[2, {\"k\": nil}]) == 10.0"),
    ];
    for (text, printed) in cases {
        assert_eq!(Condition::parse(text).map(|condition| condition.to_string()), Ok(printed.to_owned()), "{text}");
    }
    let statement = r#"set( attributes["a"],"b" )  where not true"#;
    let printed = r#"set(attributes["a"], "b") where not true"#;
    assert_eq!(Statement::parse(statement).map(|statement| statement.to_string()), Ok(printed.to_owned()));
}
