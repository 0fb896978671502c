//! What a case expects, against what came out.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use serde_json::{Map, Value as Json};
use similar::{ChangeTag, TextDiff};
use wasmill_config::Expectations;

use super::run::Failure;

/// Lines around a difference.
const CONTEXT: usize = 3;
/// Lines of a difference that are shown: a screen or two.
const LINES_MAX: usize = 200;

/// What a plugin made of a case's rows.
#[derive(Debug, Default)]
pub(super) struct Actual {
    pub rows: u64,
    /// By the set's names joined by `+`; `unchanged`.
    pub routes: BTreeMap<String, u64>,
    pub counters: BTreeMap<String, f64>,
    /// Of each kept row.
    pub attributes: Vec<Map<String, Json>>,
    /// New records by signal, as JSON that people read.
    pub emitted: [Option<String>; 3],
}

pub(super) fn expectations(expected: &Expectations, actual: &Actual) -> Vec<Failure> {
    let mut failures = Vec::new();
    if let Some(rows) = expected.rows {
        differs(&mut failures, "rows that are kept", &rows, &actual.rows);
    }
    if let Some(routes) = &expected.routes {
        differs(&mut failures, "rows by route", routes, &actual.routes);
    }
    for (name, value) in &expected.counters {
        let found = actual.counters.get(name).copied().unwrap_or(0.0);
        differs(&mut failures, &format!("the counter `{name}`"), value, &found);
    }
    for expected in &expected.attributes {
        let row = expected.row;
        let Some(attributes) = actual.attributes.get(row) else {
            failures.push(Failure::new(format!("there is no row {row}: {} are kept", actual.attributes.len())));
            continue;
        };
        for (key, value) in &expected.has {
            match attributes.get(key) {
                Some(found) if same(value, found) => {}
                Some(found) => {
                    failures
                        .push(Failure::new(format!("attribute `{key}` of row {row}: expected {value}, found {found}")));
                }
                None => {
                    failures.push(Failure::new(format!("attribute `{key}` of row {row}: expected {value}, found none")))
                }
            }
        }
        for key in expected.lacks.iter().filter(|key| attributes.contains_key(*key)) {
            let found = &attributes[key];
            failures.push(Failure::new(format!("attribute `{key}` of row {row}: expected none, found {found}")));
        }
    }
    failures
}

fn differs<T: PartialEq + Debug>(failures: &mut Vec<Failure>, what: &str, expected: &T, found: &T) {
    if expected != found {
        failures.push(Failure::new(format!("{what}: expected {expected:?}, found {found:?}")));
    }
}

/// `1` and `1.0` are one number.
fn same(one: &Json, other: &Json) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(a), Some(b)) if one.is_f64() != other.is_f64() => a == b,
        _ => one == other,
    }
}

/// Two texts, line by line: `-` is expected and not there, `+` is there and not expected.
/// `what` differs from what.
pub(super) fn difference(expected: &str, found: &str, what: &str) -> Option<Failure> {
    if expected == found {
        return None;
    }
    let diff = TextDiff::from_lines(expected, found);
    let mut detail = String::new();
    let (mut lines, mut left_out) = (0_usize, 0_usize);
    for (i, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if i > 0 && lines < LINES_MAX {
            detail.push_str("  ...\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            lines += 1;
            if lines > LINES_MAX {
                left_out += 1;
                continue;
            }
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let _ = writeln!(detail, "{sign} {}", change.value().trim_end_matches('\n'));
        }
    }
    if left_out > 0 {
        let _ = writeln!(detail, "  {left_out} more lines");
    }
    let summary = format!("{what} (- expected, + found)");
    Some(Failure { summary, detail })
}
