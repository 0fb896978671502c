//! Ticks: each instance that lives, once an interval, whether it is idle or busy; none that fails holds up anything.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use wasmill_fixtures::{Fault, TICK_FAULTS};
use wasmill_host::{FaultKind, Stage};

use crate::emissions::{Given, emitting};
use crate::support::{build, deadline, spans, spec};

/// Yields until something has come about.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < patience, "{what}");
        tokio::task::yield_now().await;
    }
}

/// The clock is paused: the first tick comes after one interval, and each after another. At the end they stop.
#[tokio::test(start_paused = true)]
async fn ticks_come_at_the_interval() {
    let stage = emitting("ticks", r#", "tick_ms": 1000"#).await;
    let given = Given::to(&stage);
    stage.start_ticks();
    stage.start_ticks();
    for ticks in 1..=3 {
        tokio::time::advance(Duration::from_millis(999)).await;
        tokio::task::yield_now().await;
        assert_eq!(stage.stats().snapshot().ticks, ticks - 1, "not before its time");
        tokio::time::advance(Duration::from_millis(1)).await;
        until("a tick", || stage.stats().snapshot().ticks == ticks).await;
    }
    until("what they made", || given.rows() == 3).await;
    stage.end().await;
    assert_eq!(given.rows(), 4, "and what the end made");
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::task::yield_now().await;
    assert_eq!(stage.stats().snapshot().ticks, 3);
}

/// Many intervals pass at once, as on a machine that stood still: one tick, not one for each.
#[tokio::test(start_paused = true)]
async fn missed_ticks_are_not_made_up_for() {
    let stage = emitting("ticks", r#", "tick_ms": 100"#).await;
    stage.start_ticks();
    tokio::time::advance(Duration::from_secs(60)).await;
    until("a tick", || stage.stats().snapshot().ticks == 1).await;
    tokio::task::yield_now().await;
    assert_eq!(stage.stats().snapshot().ticks, 1);
    stage.end().await;
}

/// Several instances, all idle: each has its tick in each round.
#[tokio::test(flavor = "multi_thread")]
async fn each_instance_has_its_tick() {
    let stage = instances(3).await;
    let living = stage.stats().snapshot().instances;
    for rounds in 1..=2 {
        stage.tick().await;
        assert_eq!(stage.stats().snapshot().ticks, rounds * living);
    }
}

/// A stage with up to so many instances, as many as came of calls side by side.
async fn instances(most: usize) -> Arc<Stage> {
    let mut spec = spec(r#"{"do": "emit", "what": "ticks", "tick_ms": 60000}"#);
    spec.limits.instances_max = NonZeroUsize::new(most).unwrap();
    let stage = build(spec).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let stage = Arc::clone(&stage);
        calls.spawn(async move { stage.process(&mut spans(5), 0).await.map(drop) });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    stage
}

/// An instance is busy when a round comes: it has its tick when its batch has left it.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_instance_has_its_tick_afterwards() {
    let mut spec = spec(r#"{"do": "emit", "what": "slow", "tick_ms": 60000}"#);
    spec.limits.instances_max = NonZeroUsize::MIN;
    spec.limits.call_deadline_ms = spec.limits.init_deadline_ms;
    let stage = build(spec).await.unwrap();
    let given = Given::to(&stage);
    let call = tokio::spawn({
        let stage = Arc::clone(&stage);
        async move { stage.process(&mut spans(1), 0).await.map(drop) }
    });
    // The one instance is taken: the round finds none.
    until("the call", || stage.stats().snapshot().rows_in == 1).await;
    stage.tick().await;
    call.await.unwrap().unwrap();
    until("the tick", || stage.stats().snapshot().ticks == 1).await;
    until("its record", || given.rows() == 1).await;
    stage.end().await;
}

/// Each way to fail in `tick`: counted by its kind, the instance goes unless it only refused, and rows are decided about as before.
#[tokio::test]
async fn a_tick_that_fails_is_contained_and_counted() {
    for (how, fault) in TICK_FAULTS {
        let mut spec = spec(&format!(r#"{{"do": "tick", "how": "{how}"}}"#));
        spec.limits.memory_bytes_max = (24 << 20).try_into().unwrap();
        let loops = fault == Fault::DeadlineExceeded;
        spec.limits.call_deadline_ms = if loops { deadline() } else { spec.limits.init_deadline_ms };
        let stage = build(spec).await.unwrap();
        stage.tick().await;
        let stats = stage.stats().snapshot();
        let faults: Vec<_> = FaultKind::ALL.into_iter().filter(|kind| stats.faults_of(*kind) > 0).collect();
        assert_eq!(Some(faults), crate::faults::kind(fault).map(|kind| vec![kind]), "{how}");
        assert_eq!((stats.ticks, stats.tick_faults), (1, 1), "{how}");
        assert_eq!(stats.instances, u64::from(fault == Fault::Refused), "{how}");
        stage.process(&mut spans(1), 0).await.unwrap();
    }
}
