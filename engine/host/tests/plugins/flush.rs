//! A stage ends: each instance gives once what it holds, after its last slice; one that does not do it well holds up nothing.

use wasmill_fixtures::{FLUSH_FAULTS, Fault};
use wasmill_host::{FaultKind, MetricValue, StageSpec};

use crate::support::{HOST, build, deadline, spans, spec};

fn named(name: &str, config: &str) -> StageSpec {
    StageSpec { name: name.to_owned(), ..spec(config) }
}

/// The counters of a stage: slices that its instances have seen and told of in `flush`, and calls of `flush`.
fn told(name: &str) -> (f64, f64) {
    let samples = HOST.metrics().samples();
    let value = |metric: &str| {
        let mut found = samples.iter().filter(|sample| sample.stage == name && sample.name == metric);
        match found.next().map(|sample| &sample.value) {
            Some(MetricValue::Number(value)) => *value,
            _ => 0.0,
        }
    };
    (value("flushed"), value("flushes"))
}

/// Several instances, with slices each: all are told of, by one call for each instance, and all instances are gone.
#[tokio::test(flavor = "multi_thread")]
async fn each_instance_is_flushed_once_after_its_last_slice() {
    let stage = build(named("wasm/flushed", r#"{"do": "flush"}"#)).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let stage = std::sync::Arc::clone(&stage);
        calls.spawn(async move { stage.process(&mut spans(5), 0).await.map(drop) });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!(told("wasm/flushed"), (0.0, 0.0), "nothing before the end");
    stage.end().await;
    stage.end().await;
    let stats = stage.stats().snapshot();
    assert_eq!(told("wasm/flushed"), (20.0, stats.instances_created as f64));
    assert_eq!((stats.instances, stats.faults), (0, [0; FaultKind::ALL.len()]));
}

/// An instance that outgrew its memory is flushed when it goes, not at the end alone: what it saw is not forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_outgrew_its_memory_is_flushed() {
    let mut spec = named("wasm/outgrown", r#"{"do": "flush", "leak": true}"#);
    spec.limits.memory_bytes_max = (16 << 20).try_into().unwrap();
    spec.limits.memory_bytes_retire = (8 << 20).try_into().unwrap();
    let stage = build(spec).await.unwrap();
    for _ in 0..30 {
        stage.process(&mut spans(1), 0).await.unwrap();
    }
    stage.end().await;
    let stats = stage.stats().snapshot();
    assert!(stats.instances_created > 2, "{stats:?}");
    assert_eq!(told("wasm/outgrown"), (30.0, stats.instances_created as f64));
}

/// Each way to fail in `flush`: counted by its kind, and the instance goes.
#[tokio::test]
async fn a_flush_that_fails_is_contained_and_counted() {
    for (how, fault) in FLUSH_FAULTS {
        let mut spec = named("wasm/badly", &format!(r#"{{"do": "flush", "how": "{how}"}}"#));
        spec.limits.memory_bytes_max = (24 << 20).try_into().unwrap();
        let loops = fault == Fault::DeadlineExceeded;
        spec.limits.call_deadline_ms = if loops { deadline() } else { spec.limits.init_deadline_ms };
        let stage = build(spec).await.unwrap();
        stage.process(&mut spans(1), 0).await.unwrap();
        stage.end().await;
        let stats = stage.stats().snapshot();
        let faults: Vec<_> = FaultKind::ALL.into_iter().filter(|kind| stats.faults_of(*kind) > 0).collect();
        assert_eq!((Some(faults), stats.instances), (crate::faults::kind(fault).map(|kind| vec![kind]), 0), "{how}");
    }
}

/// A plugin that does not say that it uses `flush` is not called: this one would trap.
#[tokio::test]
async fn a_plugin_that_holds_nothing_is_not_called() {
    let stage = build(spec(r#"{"do": "keep"}"#)).await.unwrap();
    stage.process(&mut spans(1), 0).await.unwrap();
    stage.end().await;
    let stats = stage.stats().snapshot();
    assert_eq!((stats.instances, stats.faults), (0, [0; FaultKind::ALL.len()]));
}
