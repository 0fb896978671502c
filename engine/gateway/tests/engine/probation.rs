//! A plugin that fails after it was swapped in: the one before is put back by itself, once, and not for what both fail on.

use std::time::Duration;

use wasmill::engine::ChangedBy;
use wasmill::telemetry::SwapResult;

use crate::language::{Backend, Gateway, patiently, spans, spans_of, stamping, stamps};

async fn until(gateway: &Gateway, what: &str, condition: impl Fn(&wasmill::engine::PluginStatus) -> bool) {
    patiently(what, async {
        while !condition(&gateway.engine.status().plugins[0]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A build traps on all it is given: a client that retries gets through, by the build before; the file that failed is not tried again
/// before it changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_is_taken_out_again() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("stamp.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let gateway =
        Gateway::start(&stamping(&plugin, &backend, "config: {do: stamp-or-trap}, swap: {probation: 1h}")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["before"])).await.unwrap();
    std::fs::write(&plugin, wasmill_fixtures::stamped(1001)).unwrap();
    let results = gateway.engine.refresh().await;
    assert!(results[0].1.is_ok(), "it starts well: {results:?}");

    let mut refused = 0;
    patiently("the build before to serve again", async {
        while let Err(error) = client.spans(spans(&[format!("retried {refused}")])).await {
            assert!(error.is_retryable(), "{error}");
            refused += 1;
        }
    })
    .await;
    assert!(refused >= 3, "not before it has failed often enough: {refused}");
    let last = backend.spans(2).await.pop().unwrap();
    assert_eq!(stamps(&spans_of(&last)[0]), [1]);

    let status = gateway.engine.status().plugins[0].clone();
    let swap = status.last_swap.unwrap();
    assert_eq!((swap.by, swap.result), (ChangedBy::Probation, SwapResult::RolledBack));
    assert!(swap.why[0].contains("calls failed") && swap.why[0].contains("trapped"), "{:?}", swap.why);
    assert!(status.pinned, "the file has the other build still");
    let rolled_back = r#"wasmill_plugin_swap_total{plugin="wasm/stamp",result="rolled_back"}"#;
    assert_eq!(gateway.metric(rolled_back), Some(1.0));
    assert!(gateway.engine.refresh().await.is_empty(), "it is not tried again");
    let config = Gateway::config(&stamping(&plugin, &backend, "config: {do: stamp-or-trap}, swap: {probation: 1h}"));
    assert!(gateway.engine.reload(config).await.unwrap().swapped.is_empty(), "nor by a reload");

    std::fs::write(&plugin, wasmill_fixtures::stamped(3)).unwrap();
    assert!(gateway.engine.refresh().await.iter().all(|(_, result)| result.is_ok()), "a newer build is taken");
    client.spans(spans(&["after"])).await.unwrap();
    let spans: Vec<_> = backend.spans(3).await.iter().flat_map(|request| spans_of(request)).collect();
    assert_eq!(stamps(spans.iter().find(|span| span.name == "after").unwrap()), [3]);
}

/// Both builds fail on half of the data: the new one stays. Without a probation a failing one does too.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_no_worse_stays() {
    for (config, swap) in [("trap-on-poison", "{probation: 300ms}"), ("stamp-or-trap", "{probation: 0s}")] {
        let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
        let plugin = plugins.path().join("stamp.wasm");
        std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
        let gateway =
            Gateway::start(&stamping(&plugin, &backend, &format!("config: {{do: {config}}}, swap: {swap}"))).await;
        let client = gateway.grpc().await;
        for number in 0..4 {
            let _ = client.spans(crate::language::poisoned(&[format!("poisoned {number}")])).await;
        }
        std::fs::write(&plugin, wasmill_fixtures::stamped(1001)).unwrap();
        assert!(gateway.engine.refresh().await[0].1.is_ok());
        for number in 0..4 {
            let _ = client.spans(crate::language::poisoned(&[format!("again {number}")])).await.unwrap_err();
        }
        // Longer than the probation.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let swap = gateway.engine.status().plugins[0].last_swap.clone().unwrap();
        assert_eq!((swap.by, swap.result), (ChangedBy::File, SwapResult::Published), "{config}");
    }
}

/// A few failures among many good calls are no reason, and after the probation nothing is.
#[tokio::test(flavor = "multi_thread")]
async fn few_failures_are_no_reason() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("stamp.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let settings = "{probation: 400ms, faults_min: 2, fault_ratio_max: 0.5}";
    let gateway =
        Gateway::start(&stamping(&plugin, &backend, &format!("config: {{do: trap-on-poison}}, swap: {settings}")))
            .await;
    let client = gateway.grpc().await;
    std::fs::write(&plugin, wasmill_fixtures::stamped(2)).unwrap();
    assert!(gateway.engine.refresh().await[0].1.is_ok());
    for number in 0..8 {
        client.spans(spans(&[number.to_string()])).await.unwrap();
    }
    for number in 0..4 {
        let _ = client.spans(crate::language::poisoned(&[format!("poisoned {number}")])).await.unwrap_err();
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    for number in 0..9 {
        let _ = client.spans(crate::language::poisoned(&[format!("late {number}")])).await.unwrap_err();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let swap = gateway.engine.status().plugins[0].last_swap.clone().unwrap();
    assert_eq!((swap.by, swap.result), (ChangedBy::File, SwapResult::Published));
}

/// A build that was put in by hand is watched too; and what was put back is the one before, with its own counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_by_hand_is_watched_too() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let (plugin, other) = (plugins.path().join("stamp.wasm"), plugins.path().join("other.wasm"));
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    std::fs::write(&other, wasmill_fixtures::stamped(1001)).unwrap();
    let settings = "{probation: 1h, faults_min: 1}";
    let gateway =
        Gateway::start(&stamping(&plugin, &backend, &format!("config: {{do: stamp-or-trap}}, swap: {settings}"))).await;
    let client = gateway.grpc().await;
    gateway.engine.swap_by_hand("wasm/stamp", &other).await.unwrap();
    let _ = client.spans(spans(&["a"])).await.unwrap_err();
    until(&gateway, "the roll-back", |plugin| {
        plugin.last_swap.as_ref().is_some_and(|swap| swap.result == SwapResult::RolledBack)
    })
    .await;
    client.spans(spans(&["b"])).await.unwrap();
    let status = gateway.engine.status().plugins[0].clone();
    assert!(!status.pinned && status.faults.is_empty(), "{status:?}");
    assert!(status.plugin.ends_with("stamp.wasm"), "{status:?}");
}
