//! What instances hold is asked for from time to time, and is there after a fault.

use std::sync::Arc;
use std::time::Duration;

use wasmill_host::{FaultKind, OnLostState, Stage, StageSpec};

use crate::state::{count, named};
use crate::support::{build, spans_named};

/// One instance for all names, of which `poison` traps.
fn kept(name: &str, wrong: &str, interval: Option<Duration>) -> StageSpec {
    let config = format!(r#"{{"do": "hold", "keyed": "name", "wrong": "{wrong}"}}"#);
    let mut spec = named(name, &config);
    spec.state.shards = Some(std::num::NonZeroUsize::MIN);
    spec.state.snapshot_interval = interval;
    spec
}

async fn poison(stage: &Stage) {
    stage.process(&mut spans_named(&["poison".to_owned()]), 0).await.map(drop).expect_err("it traps");
}

/// Instances that were lost, and that went on from what was kept.
fn lost_and_restored(stage: &Stage) -> (u64, u64) {
    let stats = stage.stats().snapshot();
    (stats.state_lost, stats.state_restored)
}

const ALWAYS: Option<Duration> = Some(Duration::ZERO);

/// A fault costs what came since the last snapshot: nothing where each call is followed by one, everything where there was none yet.
#[tokio::test]
async fn a_fault_costs_what_came_since() {
    for (interval, after, restored) in
        [(ALWAYS, [3, 2], 1), (Some(Duration::from_hours(1)), [1, 1], 0), (None, [1, 1], 0)]
    {
        let stage = build(kept("kept-often", "", interval)).await.unwrap();
        assert_eq!(count(&stage, &["a", "b"]).await, [1, 1]);
        assert_eq!(count(&stage, &["a"]).await, [2]);
        poison(&stage).await;
        assert_eq!(count(&stage, &["a", "b"]).await, after, "{interval:?}");
        assert_eq!(lost_and_restored(&stage), (1, restored), "{interval:?}");
    }
}

/// What is kept is kept of each shard, and each has its own back.
#[tokio::test]
async fn each_shard_has_its_own_back() {
    let mut spec = kept("kept-shards", "", ALWAYS);
    spec.state.shards = std::num::NonZeroUsize::new(5);
    let stage = build(spec).await.unwrap();
    let names: Vec<String> = (0..30).map(|number| format!("name {number}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    count(&stage, &names).await;
    poison(&stage).await;
    assert_eq!(count(&stage, &names).await, [2; 30]);
    names.reverse();
    assert_eq!(count(&stage, &names).await, [3; 30]);
    assert_eq!(lost_and_restored(&stage), (1, 1));
}

/// A plugin that does not give what it holds goes on as it was, and the fault is counted; one that does not take it back begins anew, after a
/// fault.
#[tokio::test]
async fn a_snapshot_or_a_restore_that_fails_is_contained() {
    let stage = build(kept("kept-refused", "snapshot-error", ALWAYS)).await.unwrap();
    assert_eq!(count(&stage, &["a"]).await, [1]);
    assert_eq!(count(&stage, &["a"]).await, [2]);
    poison(&stage).await;
    assert_eq!(count(&stage, &["a"]).await, [1]);
    assert_eq!(lost_and_restored(&stage), (1, 0));
    assert!(stage.stats().snapshot().faults_of(FaultKind::Refused) >= 2);

    let stage = build(kept("kept-trapped", "snapshot-trap", ALWAYS)).await.unwrap();
    assert_eq!((count(&stage, &["a"]).await, count(&stage, &["a"]).await), (vec![1], vec![1]));

    for wrong in ["restore-error", "restore-trap"] {
        let stage = build(kept("kept-not-taken", wrong, ALWAYS)).await.unwrap();
        count(&stage, &["a"]).await;
        poison(&stage).await;
        let refused = stage.process(&mut spans_named(&["a".to_owned()]), 0).await;
        assert!(refused.map(drop).expect_err(wrong).is_retryable());
        assert_eq!(count(&stage, &["a"]).await, [1], "{wrong}");
        assert_eq!(lost_and_restored(&stage).1, 0, "{wrong}");
    }
}

/// Requests that always trap lose nothing, while others are answered between them. Where eight instances in a row fail at once, what they were
/// given is to blame.
#[tokio::test]
async fn what_makes_every_instance_fail_is_forgotten() {
    let stage = build(kept("kept-to-blame", "", ALWAYS)).await.unwrap();
    count(&stage, &["a"]).await;
    for round in 0..12 {
        poison(&stage).await;
        assert_eq!(count(&stage, &["a"]).await, [2 + round]);
    }
    for _ in 0..8 {
        poison(&stage).await;
    }
    assert_eq!(count(&stage, &["a"]).await, [14]);
    for _ in 0..9 {
        poison(&stage).await;
    }
    assert_eq!(count(&stage, &["a"]).await, [1]);
}

/// The instance is gone, and none has followed it: a swap takes along what was kept of it.
#[tokio::test]
async fn a_swap_takes_along_what_was_kept() {
    let old = build(kept("kept-swapped", "", ALWAYS)).await.unwrap();
    count(&old, &["a", "a", "b"]).await;
    poison(&old).await;
    let new = build(kept("kept-swapped", "", None)).await.unwrap();
    old.hand_over(&new, OnLostState::Refuse).await.unwrap().expect("it holds something").complete(true);
    assert_eq!(count(&new, &["a", "b"]).await, [3, 2]);
    assert_eq!(count(&old, &["a"]).await, [4], "the new one is asked");
    let late: Arc<Stage> = build(kept("kept-swapped", "", ALWAYS)).await.unwrap();
    assert_eq!(count(&late, &["a"]).await, [1]);
}
