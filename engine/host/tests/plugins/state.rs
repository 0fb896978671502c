//! What plugins keep: in the host's store, and in instances that are one for a stage or for a shard of it; and what becomes of that.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use tokio::task::JoinSet;
use wasmill_batch::{RequestContext, Routes, TelemetryBatch};
use wasmill_fixtures::{Fault, RESTORE_FAULTS, SNAPSHOT_FAULTS, stamped};
use wasmill_host::{FaultKind, HandOverError, MetricSample, MetricValue, OnLostState, Stage, StageSpec, StateSize};
use wasmill_wire::{ColumnRequest, ColumnType, Path, Signal, TextForm};

use crate::faults::kind;
use crate::support::{HOST, build, deadline, selected, spans, spans_named, spec};

const KEYED: &str = r#"{"do": "hold", "keyed": "name"}"#;
const SINGLE: &str = r#"{"do": "hold"}"#;

/// A stage of another name than others have.
pub fn named(name: &str, config: &str) -> StageSpec {
    StageSpec { name: format!("wasm/{name}"), ..spec(config) }
}

fn sharded(name: &str, config: &str, shards: usize) -> StageSpec {
    let mut spec = named(name, config);
    spec.state.shards = NonZeroUsize::new(shards);
    spec
}

/// The texts of an attribute, of rows in or not.
fn texts(batch: &TelemetryBatch, key: &str) -> Vec<Option<String>> {
    let path = Path::parse(Signal::Traces, &format!("attributes[\"{key}\"]")).unwrap();
    let columns = batch.columns(&[ColumnRequest { path, column: ColumnType::Text(TextForm::Plain) }]);
    columns[0].as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn counts(batch: &TelemetryBatch) -> Vec<u64> {
    texts(batch, "count").iter().map(|count| count.as_ref().unwrap().parse().unwrap()).collect()
}

/// Sends spans of these names through, and gives their counts.
pub async fn count(stage: &Arc<Stage>, names: &[&str]) -> Vec<u64> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut batch = spans_named(&names);
    stage.process(&mut batch, 0).await.unwrap();
    counts(&batch)
}

/// What was lost: instances with what they held, rows decided about too late.
fn lost(stage: &Stage) -> (u64, u64) {
    let stats = stage.stats().snapshot();
    (stats.state_lost, stats.rows_state_lost)
}

/// Numbers that look like chance and are the same in each run.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    }
}

/// Batches of names drawn from few, over any number of shards and slices of a few rows: each row is counted after those of its name that came
/// before it, kept and routed as its count says, exactly as one table for all would.
#[tokio::test]
async fn keyed_state_equals_a_model() {
    for shards in [1, 2, 3, 7] {
        let config = r#"{"do": "hold", "keyed": "name", "sets": [["pager"], ["archive"], []]}"#;
        let mut spec = sharded(&format!("model-{shards}"), config, shards);
        spec.limits.rows_max = 11.try_into().unwrap();
        let stage = build(spec).await.unwrap();
        let (mut draw, mut model) = (numbers(shards as u64), HashMap::<String, u64>::new());
        for _ in 0..20 {
            let names: Vec<String> =
                (0..1 + draw(90)).map(|_| ["", "a", "b", "checkout", "é"][draw(5)].to_owned()).collect();
            let mut batch = spans_named(&names);
            stage.process(&mut batch, 100).await.unwrap();
            let expected: Vec<u64> = names
                .iter()
                .map(|name| {
                    let count = model.entry(name.clone()).or_default();
                    *count += 1;
                    *count
                })
                .collect();
            let kept: Vec<usize> = (0..names.len()).filter(|&row| expected[row] % 2 == 1).collect();
            assert_eq!(selected(&batch), kept, "{shards} shards");
            let seen = texts(&batch, "count");
            let Routes::Rows(routes) = &batch.routes else { panic!("{:?}", batch.routes) };
            for row in kept {
                assert_eq!(seen[row].as_deref(), Some(expected[row].to_string().as_str()), "row {row} of {names:?}");
                assert_eq!(u64::from(routes[row]), 100 + expected[row] % 3);
            }
        }
        let stats = stage.stats().snapshot();
        assert!(stats.instances <= shards as u64, "{stats:?}");
        assert_eq!((stats.faults, lost(&stage)), ([0; FaultKind::ALL.len()], (0, 0)));
    }
}

/// Keyed by a header: a request's rows are all of one shard, that of its tenant, and requests without the header of the first.
#[tokio::test]
async fn state_can_be_keyed_by_a_header() {
    let config = r#"{"do": "hold", "keyed": "request.metadata[\"X-Tenant\"]"}"#;
    let stage = build(sharded("tenants", config, 64)).await.unwrap();
    let mut model = HashMap::<&str, u64>::new();
    // No two of them are of one shard.
    for tenant in ["blue", "green", "", "blue", "blue", "green", ""] {
        let mut batch = spans_named(&["a".to_owned(), "a".to_owned()]);
        let metadata = if tenant.is_empty() { Vec::new() } else { vec![("x-tenant".to_owned(), tenant.to_owned())] };
        batch.replace_context(Arc::new(RequestContext { metadata, ..RequestContext::default() }));
        stage.process(&mut batch, 0).await.unwrap();
        let before = model.entry(tenant).or_default();
        assert_eq!(counts(&batch), [*before + 1, *before + 2], "{tenant}");
        *before += 2;
    }
    assert_eq!(stage.stats().snapshot().instances, 3);
}

/// Batches come at once: the one instance takes them in turn, and each row has a count of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_instance_sees_every_row_once() {
    let stage = build(named("single", SINGLE)).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let stage = Arc::clone(&stage);
        calls.spawn(async move { count(&stage, &["a"; 10]).await });
    }
    let mut seen: Vec<u64> = calls.join_all().await.into_iter().flatten().collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=200).collect::<Vec<u64>>());
    assert_eq!(stage.stats().snapshot().instances_created, 1);
}

/// What was held is counted on by the next stage: of one instance, of several, of as many as it has shards now. Then the old stage's rows go to
/// the new one.
#[tokio::test]
async fn state_goes_on_in_the_stage_that_follows() {
    for (config, before, after) in [(SINGLE, 1, 1), (KEYED, 1, 1), (KEYED, 2, 5), (KEYED, 5, 2)] {
        let name = format!("handed-{before}-{after}");
        let old = build(sharded(&name, config, before)).await.unwrap();
        let names = ["a", "b", "c", "d", "e", "f", "g", "a"];
        let first = count(&old, &names).await;
        let new = build(sharded(&name, config, after)).await.unwrap();
        let handed = old.hand_over(&new, OnLostState::Refuse).await.unwrap().expect("it holds something");
        handed.complete(true);
        let single = config == SINGLE;
        assert_eq!(first, if single { vec![1, 2, 3, 4, 5, 6, 7, 8] } else { vec![1, 1, 1, 1, 1, 1, 1, 2] });
        assert_eq!(
            count(&new, &["a", "b"]).await,
            if single { [9, 10] } else { [3, 2] },
            "{config}, {before} to {after}"
        );
        assert_eq!(count(&old, &["a", "b"]).await, if single { [11, 12] } else { [4, 3] }, "pinned to the old one");
        old.end().await;
        assert_eq!((lost(&old), lost(&new)), ((0, 0), (0, 0)));
        assert_eq!(old.stats().snapshot().rows_in, 8, "the new one was asked about the others");
    }
}

/// What was handed over is told of by whoever has it now: the old stage ends without a flush. One whose state nobody took is flushed.
#[tokio::test]
async fn what_was_handed_over_is_not_flushed() {
    let flushes = |name: &str| {
        let samples = HOST.metrics().samples();
        let of_stage = |sample: &&MetricSample| sample.stage == name && sample.name == "flushes";
        samples.iter().find(of_stage).map(|sample| sample.value.clone())
    };
    let config = r#"{"do": "hold", "flush": true}"#;
    let old = build(named("told-once", config)).await.unwrap();
    count(&old, &["a", "b"]).await;
    let new = build(named("told-once", config)).await.unwrap();
    old.hand_over(&new, OnLostState::Refuse).await.unwrap().unwrap().complete(true);
    old.end().await;
    assert_eq!(flushes("wasm/told-once"), None);
    assert_eq!(count(&new, &["a"]).await, [3]);
    new.end().await;
    assert_eq!(flushes("wasm/told-once"), Some(MetricValue::Number(1.0)));
}

/// A hand-over is given up: the old stage serves on with what it had, and waited only for that.
#[tokio::test]
async fn a_hand_over_that_is_given_up_changes_nothing() {
    let old = build(named("given-up", SINGLE)).await.unwrap();
    count(&old, &["a", "b"]).await;
    let new = build(named("given-up", SINGLE)).await.unwrap();
    let handed = old.hand_over(&new, OnLostState::Refuse).await.unwrap().unwrap();
    let waiting = Arc::clone(&old);
    let waiting = tokio::spawn(async move { count(&waiting, &["a"]).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "nobody is in the stage meanwhile");
    drop(handed);
    assert_eq!(waiting.await.unwrap(), [3]);
    drop(new);
    assert_eq!(lost(&old), (0, 0));
}

/// Who waits for a hand-over longer than for an instance is told to try again.
#[tokio::test]
async fn a_batch_waits_for_a_hand_over_within_a_limit() {
    let mut spec = named("waits", SINGLE);
    spec.limits.instance_wait_ms = 1.try_into().unwrap();
    let (old, new) = (build(spec.clone()).await.unwrap(), build(spec).await.unwrap());
    let _handed = old.hand_over(&new, OnLostState::Refuse).await.unwrap().unwrap();
    let refusal = old.process(&mut spans(1), 0).await.map(drop).unwrap_err();
    assert!(refusal.is_retryable() && refusal.reason.contains("handed over"), "{refusal}");
}

/// Each way to fail in `snapshot`. Refused: the old stage serves on, with what it held where its instance is well. Accepted: the new one begins
/// anew, and the loss is counted once.
#[tokio::test]
async fn a_snapshot_that_fails_is_contained_and_decided_about() {
    for (wrong, fault) in SNAPSHOT_FAULTS {
        let mut old = named("snapshot", &format!(r#"{{"do": "hold", "wrong": "{wrong}"}}"#));
        old.limits.memory_bytes_max = (24 << 20).try_into().unwrap();
        if fault == Fault::DeadlineExceeded {
            old.limits.init_deadline_ms = deadline();
        }
        let old = build(old).await.unwrap();
        count(&old, &["a", "b"]).await;
        let new = build(named("snapshot", SINGLE)).await.unwrap();
        let error = old.hand_over(&new, OnLostState::Refuse).await.map(drop).expect_err(wrong);
        let kind = kind(fault).unwrap();
        assert!(
            matches!(&error, HandOverError::Snapshot { reason } if reason.contains(kind.label())),
            "{wrong}: {error}"
        );
        assert_eq!(old.stats().snapshot().faults_of(kind), 1, "{wrong}");
        let survives = matches!(fault, Fault::Refused | Fault::BadOutput);
        assert_eq!(count(&old, &["a"]).await, if survives { [3] } else { [1] }, "{wrong}");
        assert_eq!(lost(&old), (u64::from(!survives), 0), "{wrong}");
        let handed = old.hand_over(&new, OnLostState::Accept).await.unwrap().unwrap();
        handed.complete(true);
        assert_eq!(count(&new, &["a"]).await, [1], "{wrong}");
        assert_eq!(lost(&old), (1 + u64::from(!survives), 0), "{wrong}");
    }
}

/// Each way to fail in `restore`: the old stage serves on with what it held, however lost state is decided about; but what is put back serves.
#[tokio::test]
async fn a_restore_that_fails_keeps_the_old_stage() {
    for (wrong, fault) in RESTORE_FAULTS {
        let old = build(named("restore", SINGLE)).await.unwrap();
        count(&old, &["a", "b"]).await;
        let mut new = named("restore", &format!(r#"{{"do": "hold", "wrong": "{wrong}"}}"#));
        if fault == Fault::DeadlineExceeded {
            new.limits.init_deadline_ms = deadline();
        }
        for on_lost in [OnLostState::Refuse, OnLostState::Accept] {
            let new = build(new.clone()).await.unwrap();
            let error = old.hand_over(&new, on_lost).await.map(drop).expect_err(wrong);
            let label = kind(fault).unwrap().label();
            assert!(matches!(&error, HandOverError::Restore { reason } if reason.contains(label)), "{wrong}: {error}");
        }
        assert_eq!((count(&old, &["a"]).await, lost(&old)), (vec![3], (0, 0)), "{wrong}");
        let new = build(new).await.unwrap();
        old.hand_over(&new, OnLostState::Whatever).await.unwrap().unwrap().complete(true);
        assert_eq!((count(&new, &["a"]).await, lost(&old)), (vec![1], (1, 0)), "{wrong}");
    }
}

/// What cannot be carried: another scope, a new plugin that takes nothing, an old one that never promised anything.
#[tokio::test]
async fn state_that_is_not_taken_over_is_lost_by_consent() {
    let silent = r#"{"do": "hold", "no_snapshot": true}"#;
    for (before, after, promised) in [(SINGLE, KEYED, true), (SINGLE, silent, true), (silent, SINGLE, false)] {
        let old = build(named("not-taken", before)).await.unwrap();
        let new = build(named("not-taken", after)).await.unwrap();
        let nothing = old.hand_over(&new, OnLostState::Refuse).await.unwrap().unwrap();
        drop(nothing);
        count(&old, &["a"]).await;
        let handed = old.hand_over(&new, OnLostState::Refuse).await;
        let handed = if promised {
            let error = handed.map(drop).expect_err("it would be lost");
            assert!(matches!(error, HandOverError::NotTaken { .. }), "{error}");
            old.hand_over(&new, OnLostState::Accept).await
        } else {
            handed
        };
        handed.unwrap().unwrap().complete(true);
        assert_eq!((count(&new, &["a"]).await, lost(&old)), (vec![1], (1, 0)), "{before} to {after}");
    }
}

/// The new plugin routes elsewhere: batches of the old generation are decided about by the old one, and what that learns from them is counted as
/// lost.
#[tokio::test]
async fn rows_that_come_too_late_are_counted() {
    let old = build(named("late", SINGLE)).await.unwrap();
    count(&old, &["a"]).await;
    let new = build(named("late", r#"{"do": "hold", "sets": [["pager"]]}"#)).await.unwrap();
    old.hand_over(&new, OnLostState::Refuse).await.unwrap().unwrap().complete(true);
    assert_eq!(count(&old, &["a", "b"]).await, [2, 3]);
    assert_eq!(lost(&old), (0, 2));
    let mut batch = spans(1);
    new.process(&mut batch, 0).await.unwrap();
    assert_eq!(counts(&batch), [2], "from what was handed over");
    old.end().await;
    assert_eq!(lost(&old), (0, 2), "an end is no loss");
}

/// An instance outgrows its memory: another goes on where it stood. Without `snapshot` the count begins anew, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_outgrew_its_memory_has_a_successor() {
    for (more, carried) in [("", true), (r#", "no_snapshot": true"#, false)] {
        let mut spec = named("outgrown-state", &format!(r#"{{"do": "hold", "leak": true{more}}}"#));
        spec.limits.memory_bytes_max = (16 << 20).try_into().unwrap();
        spec.limits.memory_bytes_retire = (8 << 20).try_into().unwrap();
        let stage = build(spec).await.unwrap();
        let mut last = 0;
        for _ in 0..30 {
            last = count(&stage, &["a"]).await[0];
        }
        let stats = stage.stats().snapshot();
        assert!(stats.instances_created > 2, "{stats:?}");
        assert_eq!(stats.faults, [0; FaultKind::ALL.len()]);
        let replaced = stats.instances_created - stats.instances;
        if carried {
            assert_eq!((last, lost(&stage)), (30, (0, 0)));
        } else {
            assert!(last < 30);
            assert_eq!(lost(&stage), (replaced, 0));
        }
    }
}

/// A fault takes what an instance held with it: that is counted.
#[tokio::test]
async fn state_that_goes_with_a_fault_is_counted() {
    let mut spec = named("faulty", r#"{"do": "hold", "leak": true}"#);
    spec.limits.memory_bytes_max = (8 << 20).try_into().unwrap();
    spec.limits.memory_bytes_retire = (8 << 20).try_into().unwrap();
    let stage = build(spec).await.unwrap();
    while stage.process(&mut spans(1), 0).await.is_ok() {}
    assert_eq!(lost(&stage), (1, 0));
    assert_eq!(count(&stage, &["a"]).await, [1]);
}

const SUM: &str = r#"{"do": "sum", "key": "k"}"#;

async fn sum(stage: &Arc<Stage>, rows: usize) -> String {
    let mut batch = spans(rows);
    stage.process(&mut batch, 0).await.unwrap();
    texts(&batch, "sum").pop().unwrap().unwrap()
}

/// What the host keeps is there for all instances, and for the stages that follow, until none of the name is left. A stage that does not serve
/// sees it, and changes nothing.
#[tokio::test]
async fn what_the_host_keeps_outlives_stages_and_not_their_name() {
    let first = build(named("kept", SUM)).await.unwrap();
    assert_eq!(sum(&first, 5).await, "5");
    let quiet = build(StageSpec { quiet: true, ..named("kept", SUM) }).await.unwrap();
    assert_eq!((sum(&quiet, 2).await, sum(&quiet, 2).await), ("7".to_owned(), "9".to_owned()));
    let second = build(named("kept", SUM)).await.unwrap();
    drop(first);
    assert_eq!(sum(&second, 1).await, "6");
    assert_eq!(second.state(), Some(StateSize { keys: 1, bytes: 144 + 1 + 8 }));
    let unlike = build(named("kept", r#"{"do": "keep"}"#)).await.unwrap();
    drop((second, quiet));
    let third = build(named("kept", SUM)).await.unwrap();
    assert_eq!(sum(&third, 1).await, "7", "the plugin between did not use it");
    drop((unlike, third));
    assert_eq!(sum(&build(named("kept", SUM)).await.unwrap(), 1).await, "1");
}

/// Each misuse ends with its failure and changes nothing; values are bounded by the stage's settings, answers by its limits.
#[tokio::test]
async fn misuse_of_the_hosts_state_is_a_failure() {
    let mut spec = named("misuse", r#"{"do": "misuse-state"}"#);
    spec.state.bytes_max = 2 << 20;
    spec.limits.verdict_bytes_max = (8 << 20).try_into().unwrap();
    spec.limits.call_deadline_ms = 5_000.try_into().unwrap();
    let stage = build(spec).await.unwrap();
    let refusal = stage.process(&mut spans(1), 0).await.map(drop).unwrap_err();
    let told = stage.last_fault().unwrap();
    assert_eq!(told.kind, FaultKind::Refused, "{refusal}");
    let expected = "garbage: invalid, no-column: invalid, two-columns: invalid, doubles: invalid, long-key: limit, longest-key: done, \
                    many-keys: limit, many-values: invalid, garbage-values: invalid, large-value: limit, text-deltas: invalid, \
                    many-deltas: invalid, large-values: done, one-answer: done, large-answer: limit";
    assert_eq!(told.message, expected);
    assert_eq!(stage.state().unwrap().keys, 2);
}

/// A plugin that did not say that it uses state has none, not even where it asks in `init`.
#[tokio::test]
async fn state_that_was_not_announced_is_denied() {
    let stage = build(named("unannounced", r#"{"do": "unannounced-state"}"#)).await.unwrap();
    stage.process(&mut spans(1), 0).await.map(drop).unwrap_err();
    let told = stage.last_fault().unwrap();
    assert_eq!(told.message, "init: unavailable, process: denied");
    assert_eq!(stage.state(), None);
}

/// Builds of one plugin: the loss of the one that fails is not the loss of the other.
#[tokio::test]
async fn builds_follow_each_other() {
    let spec = named("builds", SINGLE);
    let load = |build: u32| async move { HOST.load("stamped", &stamped(build)).await.unwrap() };
    let mut serving = Stage::build(&HOST, load(1).await, spec.clone()).await.unwrap();
    let mut expected = 0;
    for (build, published) in [(2, true), (1_001, false), (3, true), (1_002, false), (1_005, true), (4, false)] {
        expected += 1;
        assert_eq!(count(&serving, &["a"]).await, [expected], "before build {build}");
        let next = Stage::build(&HOST, load(build).await, spec.clone()).await.unwrap();
        match serving.hand_over(&next, OnLostState::Refuse).await {
            Ok(handed) => {
                handed.unwrap().complete(true);
                serving = next;
            }
            Err(error) => assert!(!published, "build {build}: {error}"),
        }
    }
    assert_eq!(lost(&serving), (1, 0), "build 1005 trapped when it was asked");
}
