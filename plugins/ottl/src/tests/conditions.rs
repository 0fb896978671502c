//! Conditions: which rows they are true for.

use wasmill_columns::Block;

use super::model::{Row, V, block, map, row};
use crate::{ErrorMode, Matched, Program, Signal};

pub(super) fn run(signal: Signal, conditions: &[&str], rows: &[Row]) -> Matched {
    let mut program =
        Program::conditions(signal, conditions, ErrorMode::Ignore).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let [plain, dictionaries] = [false, true].map(|dictionaries| {
        let block = block(program.columns(), rows, dictionaries);
        let block = Block::check(&block).expect("a sound block");
        program.matches(&block, rows.len()).expect("no failure that ends the call")
    });
    assert_eq!(plain, dictionaries, "the form of text makes no difference: {conditions:?}");
    plain
}

/// Whether a condition is true for one span with these attributes, or why it is neither.
fn verdict(condition: &str, attributes: V) -> Result<bool, crate::Reason> {
    let rows = [row([("attributes", attributes)])];
    let matched = run(Signal::Traces, &[condition], &rows);
    match matched.failures.first() {
        Some(failure) => Err(failure.reason),
        None => Ok(matched.rows.get(0)),
    }
}

/// A span with one attribute of each type: the common conditions, in both forms of text.
#[test]
fn common_conditions_are_true_for_the_right_rows() {
    let span = |name: &str, status: i64, service: &str, attributes: V| {
        row([
            ("name", name.into()),
            ("status.code", status.into()),
            ("resource.attributes", map([("service.name", service.into())])),
            ("attributes", attributes),
        ])
    };
    let rows = [
        span("GET /", 0, "shop", map([("http.route", "/".into()), ("code", 200.into())])),
        span("GET /health", 0, "shop", map([("http.route", "/health".into()), ("code", 500.into())])),
        span("POST /pay", 2, "pay", map([("code", "500".into())])),
        row([]),
    ];
    let ones = |condition: &str| run(Signal::Traces, &[condition], &rows).rows.ones().collect::<Vec<_>>();
    assert_eq!(ones(r#"attributes["http.route"] == "/health""#), [1]);
    assert_eq!(ones(r#"attributes["http.route"] != "/health""#), [0, 2, 3]);
    assert_eq!(ones(r#"attributes["http.route"] == nil"#), [2, 3]);
    assert_eq!(ones(r#"span.attributes["code"] >= 500"#), [1]);
    assert_eq!(ones("status.code == STATUS_CODE_ERROR"), [2]);
    assert_eq!(ones(r#"resource.attributes["service.name"] == "shop" and not name == "GET /""#), [1]);
    assert_eq!(ones(r#"IsMatch(name, "^GET") or status.code == 2"#), [0, 1, 2]);
    assert_eq!(ones(r#"name == """#), [3]);
    assert_eq!(ones("IsRootSpan()"), [0, 1, 2, 3]);
}

#[test]
fn what_is_absent_is_unequal_and_cannot_be_indexed_or_converted() {
    assert_eq!(verdict(r#"attributes["a"] != "x""#, map([])), Ok(true));
    assert_eq!(verdict(r#"attributes["a"]["b"] != "x""#, map([])), Ok(true));
    assert_eq!(verdict(r#"attributes["a"]["b"] != "x""#, map([("a", 1.into())])), Err(crate::Reason::NotIndexable));
    assert_eq!(verdict(r#"HasPrefix(attributes["a"], "x")"#, map([])), Err(crate::Reason::NotText));
}
