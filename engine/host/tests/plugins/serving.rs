//! What plugins decide reaches the batch, and nothing else.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmill_batch::{ROUTE_DEFAULT, Routes};
use wasmill_host::MetricValue;
use wasmill_wire::Selection;

use crate::support::{HOST, build, hurried, selected, spans, spec, stage};

/// Everything, nothing, every second row; over several slices, and where an earlier stage has dropped rows.
#[tokio::test]
async fn a_selection_applies_to_the_rows_of_its_slice() {
    let mut batch = spans(25);
    stage(r#"{"do": "keep"}"#).await.process(&mut batch, 0).await.unwrap();
    assert_eq!(selected(&batch).len(), 25);

    let mut spec = spec(r#"{"do": "drop-odd"}"#);
    spec.limits.rows_max = 7.try_into().unwrap();
    let odd = build(spec).await.unwrap();
    odd.process(&mut batch, 0).await.unwrap();
    // Slices of seven, the first row of each kept.
    let expected: Vec<usize> = (0..25).filter(|row| row % 7 % 2 == 0).collect();
    assert_eq!(selected(&batch), expected);
    assert_eq!(odd.stats().snapshot().rows_kept, expected.len() as u64);

    let left = expected.clone();
    odd.process(&mut batch, 0).await.unwrap();
    let expected: Vec<usize> = (0..left.len()).filter(|at| at % 7 % 2 == 0).map(|at| left[at]).collect();
    assert_eq!(selected(&batch), expected);

    stage(r#"{"do": "drop"}"#).await.process(&mut batch, 0).await.unwrap();
    assert!(batch.selection().is_empty());
}

/// Routes count from the stage's base, and rows that were dropped before keep what they had.
#[tokio::test]
async fn routes_are_numbered_from_the_stages_base() {
    let stage = stage(r#"{"do": "route", "sets": [["pager"], ["archive", "pager"], []]}"#).await;
    assert_eq!(stage.route_sets().len(), 3);
    let mut batch = spans(8);
    batch.select(Selection::from_bits((0..8).map(|row| row != 2).collect()));
    stage.process(&mut batch, 10).await.unwrap();
    assert_eq!(batch.routes, Routes::Rows(Arc::new([10, 11, ROUTE_DEFAULT, 12, 10, 11, 12, 10])));
}

/// A batch of a signal that the plugin does not take, and an empty one, are left alone.
#[tokio::test]
async fn nothing_to_decide_is_not_a_call() {
    let stage = stage(r#"{"do": "trap"}"#).await;
    let mut batch = spans(3);
    batch.select(Selection::from_bits((0..3).map(|_| false).collect()));
    stage.process(&mut batch, 0).await.unwrap();
    assert_eq!(stage.stats().snapshot().calls, 0);
}

/// Edits of all slices reach the encoded request.
#[tokio::test]
async fn edits_reach_the_request() {
    let mut spec = spec(r#"{"do": "stamp", "generation": "seven"}"#);
    spec.limits.rows_max = 4.try_into().unwrap();
    let stage = build(spec).await.unwrap();
    let mut batch = spans(10);
    stage.process(&mut batch, 0).await.unwrap();
    let bytes = batch.encode();
    assert_eq!(bytes.windows(5).filter(|window| window == b"seven").count(), 10);
}

/// What a plugin counts is in the host's metrics, under the stage's name.
#[tokio::test]
async fn counters_add_up_over_calls() {
    let mut spec = spec(r#"{"do": "count"}"#);
    spec.name = "wasm/counting".to_owned();
    let stage = build(spec).await.unwrap();
    for _ in 0..3 {
        stage.process(&mut spans(7), 0).await.unwrap();
    }
    let samples = HOST.metrics().samples();
    let rows = samples.iter().find(|sample| sample.stage == "wasm/counting").unwrap();
    assert_eq!((rows.name.as_str(), &rows.value), ("rows", &MetricValue::Number(21.0)));
}

/// A runtime that imports WASI finds an empty system with clocks and random numbers.
#[tokio::test]
async fn a_guest_that_imports_wasi_finds_an_empty_system() {
    let plugin = HOST.load("wasi", wasmill_fixtures::wasi()).await.unwrap();
    let stage = wasmill_host::Stage::build(&HOST, plugin, spec("null")).await.unwrap();
    let refusal = stage.process(&mut spans(1), 0).await.map(drop).expect_err("it answers with an error");
    let expected = "0 variables, 0 arguments, directory false, 8 random bytes, time goes on true";
    assert!(refusal.reason.contains(expected), "{refusal}");
}

/// More batches than instances: they take turns, and one that waits too long is told to try again.
#[tokio::test]
async fn calls_wait_for_an_instance_within_a_limit() {
    let mut spec = spec(r#"{"do": "slow", "ms": 20}"#);
    spec.limits.instances_max = NonZeroUsize::MIN;
    let stage = build(spec.clone()).await.unwrap();
    let (mut a, mut b, mut c) = (spans(1), spans(1), spans(1));
    let (a, b, c) = tokio::join!(stage.process(&mut a, 0), stage.process(&mut b, 0), stage.process(&mut c, 0));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(stage.stats().snapshot().instances_created, 1);

    spec.config = serde_json::json!({"do": "slow", "ms": 150});
    spec.limits.instance_wait_ms = 1.try_into().unwrap();
    let stage = build(spec).await.unwrap();
    let (mut a, mut b) = (spans(1), spans(1));
    let (a, b) = tokio::join!(stage.process(&mut a, 0), stage.process(&mut b, 0));
    assert!(a.is_ok());
    assert!(b.is_err_and(|refusal| refusal.is_retryable() && refusal.reason.contains("busy")));
}

/// A plugin loops on the only thread there is: other tasks go on meanwhile, and its call ends at its deadline.
#[tokio::test(flavor = "current_thread")]
async fn a_looping_guest_does_not_hold_up_other_tasks() {
    let stage = hurried(r#"{"do": "loop"}"#).await;
    let looping = Arc::clone(&stage);
    let started = Instant::now();
    let call = tokio::spawn(async move { looping.process(&mut spans(1), 0).await });
    let mut others = 0;
    while !call.is_finished() {
        tokio::task::yield_now().await;
        others += 1;
    }
    assert!(call.await.unwrap().is_err());
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert!(others > 50, "other tasks ran {others} times while the guest looped");
}

/// Whoever waits for a call gives up: the call goes on to its end on its own, and its instance is not lost to the next.
#[tokio::test]
async fn a_call_that_nobody_waits_for_ends_by_itself() {
    let stage = hurried(r#"{"do": "loop"}"#).await;
    let mut batch = spans(1);
    let given_up = tokio::time::timeout(Duration::from_millis(5), stage.process(&mut batch, 0)).await;
    assert!(given_up.is_err());
    while stage.stats().snapshot().instances > 0 {
        tokio::task::yield_now().await;
    }
    assert!(stage.process(&mut spans(1), 0).await.is_err_and(|refusal| refusal.reason.contains("deadline")));
}
