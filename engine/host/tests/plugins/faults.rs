//! Everything a guest can do wrong is contained, counted by its kind, and decided by the policy; the next batch is served.

use wasmill_batch::TelemetryBatch;
use wasmill_fixtures::{ANSWERS, Fault, INIT_FAULTS, NEEDS, PROCESS_FAULTS};
use wasmill_host::{BreakerSettings, BreakerState, BuildError, FaultKind, OnFault, Stage};

use crate::support::{attribute, build, deadline, selected, spans, spans_with, spec};

pub fn kind(fault: Fault) -> Option<FaultKind> {
    match fault {
        Fault::Refused => Some(FaultKind::Refused),
        Fault::Trapped => Some(FaultKind::Trapped),
        Fault::DeadlineExceeded => Some(FaultKind::DeadlineExceeded),
        Fault::MemoryExceeded => Some(FaultKind::MemoryExceeded),
        Fault::BadOutput => Some(FaultKind::BadOutput),
        Fault::None => None,
    }
}

/// The one kind that was counted, and how often.
fn counted(stage: &Stage) -> Vec<(FaultKind, u64)> {
    let stats = stage.stats().snapshot();
    FaultKind::ALL.into_iter().map(|kind| (kind, stats.faults_of(kind))).filter(|(_, count)| *count > 0).collect()
}

/// What goes in is what comes out.
fn unchanged(batch: &TelemetryBatch, rows: usize) -> bool {
    selected(batch) == (0..rows).collect::<Vec<_>>() && batch.encode() == spans(rows).encode()
}

/// Each way to fail in `process`: it ends as the fixture says, twice, with an instance that is new where it has to be.
#[tokio::test]
async fn a_call_that_fails_is_contained_and_counted_by_kind() {
    for (config, fault) in PROCESS_FAULTS {
        let mut spec = spec(config);
        // Loops end soon; what is to reach the limit of memory has the time to.
        spec.limits.memory_bytes_max = (24 << 20).try_into().unwrap();
        let loops = fault == Fault::DeadlineExceeded;
        spec.limits.call_deadline_ms = if loops { deadline() } else { spec.limits.init_deadline_ms };
        let stage = build(spec).await.unwrap();
        for round in 1..=2 {
            let mut batch = spans(20);
            let result = stage.process(&mut batch, 0).await;
            assert!(unchanged(&batch, 20), "{config}");
            let Some(kind) = kind(fault) else {
                assert_eq!((result.map(drop), counted(&stage)), (Ok(()), Vec::new()), "{config}");
                continue;
            };
            let refusal = result.map(drop).expect_err(config);
            assert!(refusal.is_retryable() && refusal.reason.contains(kind.label()), "{config}: {refusal}");
            assert_eq!(counted(&stage), [(kind, round)], "{config}");
            let stats = stage.stats().snapshot();
            let survivors = u64::from(kind == FaultKind::Refused);
            assert_eq!(stats.instances, survivors, "{config}: a failed instance is thrown away");
        }
    }
}

/// Each answer that is none: bad output, whatever is wrong with it, and nothing of it is used.
#[tokio::test]
async fn an_answer_that_is_none_is_bad_output() {
    for what in ANSWERS {
        let mut spec = spec(&format!(r#"{{"do": "answer", "what": "{what}"}}"#));
        // The guest has room to make even the largest of them.
        spec.limits.memory_bytes_max = (256 << 20).try_into().unwrap();
        spec.limits.call_deadline_ms = 5_000.try_into().unwrap();
        let stage = build(spec).await.unwrap();
        let mut batch = spans(20);
        let refusal = stage.process(&mut batch, 0).await.map(drop).expect_err(what);
        assert_eq!(counted(&stage), [(FaultKind::BadOutput, 1)], "{what}: {refusal}");
        assert!(unchanged(&batch, 20), "{what}");
        assert_eq!(stage.stats().snapshot().instances, 0, "{what}");
    }
}

/// Edits that take little room in the guest, and would take much here: of a slice of 8,192 rows, 4,000 name each of them.
#[tokio::test]
async fn edits_that_name_too_many_rows_are_bad_output() {
    let mut spec = spec(r#"{"do": "answer", "what": "many-rows"}"#);
    spec.limits.call_deadline_ms = 5_000.try_into().unwrap();
    let stage = build(spec).await.unwrap();
    let mut batch = spans(8_192);
    let refusal = stage.process(&mut batch, 0).await.map(drop).expect_err("131 MB of row numbers");
    assert!(refusal.reason.contains("more than 16777216 rows of the batch one by one"), "{refusal}");
    assert_eq!(counted(&stage), [(FaultKind::BadOutput, 1)]);
    assert!(unchanged(&batch, 8_192));
}

/// Each way to fail in `init`, and each need that is not served or is wrong: the stage is not built, and says why.
#[tokio::test]
async fn a_plugin_that_cannot_start_is_refused_with_its_reason() {
    for config in INIT_FAULTS {
        let mut spec = spec(config);
        if config.contains("loop") {
            spec.limits.init_deadline_ms = deadline();
        }
        let error = build(spec).await.map(drop).expect_err(config);
        let expected = match config {
            r#"{"do": "init-trap"}"# => FaultKind::Trapped,
            r#"{"do": "init-loop"}"# => FaultKind::DeadlineExceeded,
            r#"{"do": "init-grow"}"# => FaultKind::MemoryExceeded,
            _ => {
                assert!(matches!(error, BuildError::Config { .. }), "{config}: {error}");
                continue;
            }
        };
        assert!(matches!(&error, BuildError::Start(fault) if fault.kind == expected), "{config}: {error}");
    }
    for what in NEEDS {
        let error = build(spec(&format!(r#"{{"do": "needs", "what": "{what}"}}"#))).await.map(drop).expect_err(what);
        assert!(matches!(error, BuildError::Requirements(_)), "{what}: {error}");
    }
}

/// A plugin fails on one slice of three. Pass and drop decide about the rows of that slice alone; reject about the batch.
#[tokio::test]
async fn the_policy_decides_about_the_rows_of_the_failed_slice() {
    let poisoned = || spans_with(30, |row| if row == 15 { attribute("poison", "x") } else { Vec::new() });
    for (on_fault, expected) in [
        (OnFault::Reject, None),
        (OnFault::Pass, Some((0..30).collect::<Vec<_>>())),
        (OnFault::Drop, Some((0..10).chain(20..30).collect())),
        (OnFault::Divert, Some((0..10).chain(20..30).collect())),
    ] {
        let mut spec = spec(r#"{"do": "trap-on-poison"}"#);
        spec.limits.rows_max = 10.try_into().unwrap();
        spec.on_fault = on_fault;
        let stage = build(spec).await.unwrap();
        let mut batch = poisoned();
        let result = stage.process(&mut batch, 0).await;
        let stats = stage.stats().snapshot();
        match expected {
            Some(rows) => {
                let diverted = result.unwrap().map(|diverted| selected(&diverted));
                let elsewhere = (on_fault == OnFault::Divert).then(|| (10..20).collect::<Vec<_>>());
                assert_eq!((selected(&batch), diverted), (rows, elsewhere));
                assert_eq!((stats.calls, stats.rows_in), (3, 30));
                assert_eq!(stats.rows_kept + stats.rows_dropped + stats.rows_diverted, 30);
                assert_eq!(stats.rows_diverted, if on_fault == OnFault::Divert { 10 } else { 0 });
            }
            None => {
                assert!(result.is_err_and(|refusal| refusal.is_retryable()));
                assert_eq!(selected(&batch).len(), 30);
            }
        }
        assert_eq!(counted(&stage), [(FaultKind::Trapped, 1)]);
    }
}

/// A plugin leaks a MiB a call: its instance is replaced between calls, before the limit, and no call fails.
#[tokio::test]
async fn a_leaking_instance_is_retired_between_calls() {
    let mut spec = spec(r#"{"do": "leak"}"#);
    spec.limits.memory_bytes_max = (16 << 20).try_into().unwrap();
    spec.limits.memory_bytes_retire = (8 << 20).try_into().unwrap();
    let stage = build(spec).await.unwrap();
    for _ in 0..40 {
        stage.process(&mut spans(1), 0).await.unwrap();
        assert!(stage.stats().snapshot().memory_bytes <= 16 << 20);
    }
    let stats = stage.stats().snapshot();
    assert!(stats.instances_created > 2, "{stats:?}");
    assert_eq!(counted(&stage), []);
}

/// An instance that answers `init` differently is not used: columns would be taken for others.
#[tokio::test]
async fn instances_that_answer_differently_are_refused() {
    let mut spec = spec(r#"{"do": "init-alternate"}"#);
    // Each call needs a new instance, and about every second one wants the other column.
    spec.limits.memory_bytes_retire = std::num::NonZeroUsize::MIN;
    let stage = build(spec).await.unwrap();
    let mut refused = None;
    for _ in 0..200 {
        refused = refused.or(stage.process(&mut spans(5), 0).await.err());
    }
    assert!(refused.is_some_and(|refusal| refusal.reason.contains("differently")));
    let faults = counted(&stage);
    assert!(matches!(faults[..], [(FaultKind::BadOutput, 1..200)]), "{faults:?}");
}

/// A plugin traps call after call: the breaker opens, and rows are decided about without a call; the client is told for how long.
#[tokio::test]
async fn a_plugin_that_fails_too_often_is_not_called() {
    let number = |number: u32| std::num::NonZeroU32::new(number).unwrap();
    let pause = std::time::Duration::from_secs(3600);
    let mut spec = spec(r#"{"do": "trap"}"#);
    spec.breaker = Some(BreakerSettings { faults: number(3), calls: number(5), pause, pause_max: pause });
    let stage = build(spec.clone()).await.unwrap();
    for _ in 0..3 {
        let refusal = stage.process(&mut spans(2), 0).await.map(drop).expect_err("it traps");
        assert!(refusal.reason.contains("trapped") && refusal.retry_after.is_none(), "{refusal}");
    }
    let refusal = stage.process(&mut spans(2), 0).await.map(drop).expect_err("it is not called");
    assert!(refusal.is_retryable() && refusal.reason.contains("not called"), "{refusal}");
    assert!(refusal.retry_after.is_some_and(|after| after > pause / 2 && after <= pause));
    let stats = stage.stats().snapshot();
    assert_eq!((stats.faults_of(FaultKind::Trapped), stats.rows_uncalled, stats.rows_in), (3, 2, 8));
    assert_eq!((stage.breaker(), stats.breaker_opened), (BreakerState::Open, 1));

    spec.on_fault = OnFault::Pass;
    let stage = build(spec).await.unwrap();
    for _ in 0..10 {
        let mut batch = spans(2);
        stage.process(&mut batch, 0).await.unwrap();
        assert!(unchanged(&batch, 2), "the policy decides as it does after a fault");
    }
    assert_eq!(stage.stats().snapshot().faults_of(FaultKind::Trapped), 3);
}

/// A plugin that says no to rows is well: it is called each time.
#[tokio::test]
async fn a_plugin_that_refuses_rows_opens_no_breaker() {
    let one = std::num::NonZeroU32::MIN;
    let pause = std::time::Duration::from_secs(3600);
    let mut spec = spec(r#"{"do": "error"}"#);
    spec.breaker = Some(BreakerSettings { faults: one, calls: one, pause, pause_max: pause });
    let stage = build(spec).await.unwrap();
    for _ in 0..5 {
        stage.process(&mut spans(1), 0).await.map(drop).expect_err("it says no");
    }
    assert_eq!(counted(&stage), [(FaultKind::Refused, 5)]);
}

/// The same request faults again and again: after so many times its client is told not to send it any more. Another request is
/// another matter.
#[tokio::test]
async fn a_request_that_faults_each_time_is_given_up() {
    let mut spec = spec(r#"{"do": "trap"}"#);
    spec.content_faults_max = std::num::NonZeroU32::new(3);
    let stage = build(spec).await.unwrap();
    for retryable in [true, true, false, false] {
        let refusal = stage.process(&mut spans(2), 0).await.map(drop).expect_err("it traps");
        assert_eq!(refusal.is_retryable(), retryable, "{refusal}");
    }
    assert!(stage.process(&mut spans(3), 0).await.is_err_and(|refusal| refusal.is_retryable()));
    assert_eq!(stage.stats().snapshot().rows_given_up, 4);
}
