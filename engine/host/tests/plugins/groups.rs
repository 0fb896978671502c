//! Rows that are decided together.

use std::sync::Arc;

use wasmill_batch::{GatherReason, Gathered, ROUTE_DEFAULT, Routes, TelemetryBatch};
use wasmill_host::{BuildError, FaultKind, GroupBy, StageSpec};
use wasmill_wire::Selection;

use crate::support::{attribute, build, selected, spans_with, spec};

fn grouped(config: &str) -> StageSpec {
    StageSpec { group_by: Some(GroupBy::parse(r#"attributes["key"]"#).unwrap()), ..spec(config) }
}

/// Rows with these keys; an empty one is none.
fn keyed(keys: &[&str]) -> TelemetryBatch {
    spans_with(keys.len(), |row| if keys[row].is_empty() { Vec::new() } else { attribute("key", keys[row]) })
}

/// The plugin's mark in each kept row, in their order.
fn marks(batch: &TelemetryBatch) -> Vec<String> {
    let bytes = batch.encode();
    let text = String::from_utf8_lossy(&bytes);
    let parts = text.split("group\u{12}").skip(1);
    // A value is a field of its length, within another: both lengths are a byte.
    parts.map(|part| part.chars().skip(3).take_while(|c| c.is_ascii_graphic()).collect()).collect()
}

/// Groups in the order of their first rows, over rows that an earlier stage left; one without a value of the key; what is said of a group is done
/// to its rows, wherever they lie.
#[tokio::test]
async fn a_plugin_decides_about_groups() {
    let stage = build(grouped(r#"{"do": "groups", "at_least": 2, "sets": [["pager"], ["archive"]]}"#)).await.unwrap();
    let mut batch = keyed(&["a", "b", "a", "", "c", "b", "a", ""]);
    batch.gathered = Some(Gathered { waited_ms: 70, reason: GatherReason::Full, attempts: 0 });
    batch.select(Selection::from_rows(8, &[0, 1, 2, 3, 4, 5, 7]));
    stage.process(&mut batch, 10).await.unwrap();
    // a: 0 2, b: 1 5, none: 3 7, c: 4.
    assert_eq!(selected(&batch), [0, 1, 2, 3, 5, 7]);
    let none = ROUTE_DEFAULT;
    assert_eq!(batch.routes, Routes::Rows(Arc::new([10, 11, 10, 10, 11, 11, none, 10])));
    assert_eq!(marks(&batch), ["0/2/full", "1/2/full", "0/2/full", "2/2/full", "1/2/full", "2/2/full"]);
}

/// Slices hold whole groups; one that is larger than a slice comes as several.
#[tokio::test]
async fn slices_hold_whole_groups() {
    let mut spec = grouped(r#"{"do": "groups", "at_least": 2}"#);
    spec.limits.rows_max = 3.try_into().unwrap();
    let stage = build(spec).await.unwrap();
    let mut batch = keyed(&["a", "b", "b", "c", "a", "d", "d", "d", "d", "d"]);
    stage.process(&mut batch, 0).await.unwrap();
    // Calls: a a | b b c | d d d | d d.
    assert_eq!(stage.stats().snapshot().calls, 4);
    assert_eq!(selected(&batch), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    let expected =
        ["0/2/wait", "0/2/wait", "0/2/wait", "0/2/wait", "0/3/wait", "0/3/wait", "0/3/wait", "0/2/wait", "0/2/wait"];
    assert_eq!(marks(&batch), expected);
}

/// A stage and a plugin that do not agree about groups are refused at the start, each with what is missing.
#[tokio::test]
async fn plugin_and_stage_must_agree() {
    let refused = async |spec: StageSpec| match build(spec).await {
        Err(BuildError::Requirements(error)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was built"),
    };
    let missing = refused(spec(r#"{"do": "groups"}"#)).await;
    assert!(missing.contains("expected `group_by` in its stage"), "{missing}");
    let needless = refused(grouped(r#"{"do": "keep"}"#)).await;
    assert!(needless.contains("does not decide about groups"), "{needless}");
    let fact = refused(spec(r#"{"do": "needs", "what": "group-fact"}"#)).await;
    assert!(fact.contains("`group.reason`"), "{fact}");
    let unknown = refused(grouped(r#"{"do": "needs", "what": "unknown-group-fact"}"#)).await;
    assert!(unknown.contains("`group.waited_ms` as uint32"), "{unknown}");
}

/// Answers about groups that are not as many as there are.
#[tokio::test]
async fn answers_about_groups_are_checked() {
    for answer in ["keep-groups-long", "route-groups-odd", "keep-short"] {
        let stage = build(grouped(&format!(r#"{{"do": "groups", "answer": "{answer}"}}"#))).await.unwrap();
        let mut batch = keyed(&["a", "b", "a"]);
        assert!(stage.process(&mut batch, 0).await.is_err());
        assert_eq!(stage.last_fault().unwrap().kind, FaultKind::BadOutput, "{answer}");
        assert_eq!(selected(&batch).len(), 3);
    }
}
