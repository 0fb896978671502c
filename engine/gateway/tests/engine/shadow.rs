//! What is to be swapped in decides about copies of live batches first: nothing comes of it but a count, or a refusal.

use std::sync::Arc;
use std::time::Duration;

use wasmill::engine::{ChangedBy, EngineError, Reloaded};
use wasmill::telemetry::SwapResult;
use wasmill_wire::Signal;

use crate::language::{Backend, Client, Gateway, patiently, spans, spans_of, stamping, stamps};

type Refreshed = Vec<(std::path::PathBuf, Result<Reloaded, EngineError>)>;

/// Looks for changes, and sends until that has ended. How many requests were sent.
async fn refresh_under_traffic(gateway: &Gateway, client: &Client) -> (Refreshed, usize) {
    let engine = Arc::clone(&gateway.engine);
    let refresh = tokio::spawn(async move { engine.refresh().await });
    let mut sent = 0;
    patiently("the swap", async {
        while !refresh.is_finished() {
            client.spans(spans(&["a", "b"])).await.expect("the one that serves takes it");
            sent += 1;
        }
    })
    .await;
    (refresh.await.unwrap(), sent)
}

/// A build that traps is found out on copies: no client sees it, it never serves, and the refusal says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_in_shadow_never_serves() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("stamp.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let yaml = stamping(&plugin, &backend, "config: {do: stamp-or-trap}, swap: {shadow: 10m, shadow_batches: 3}");
    let gateway = Gateway::start(&yaml).await;
    let client = gateway.grpc().await;
    std::fs::write(&plugin, wasmill_fixtures::stamped(1001)).unwrap();
    let (results, sent) = refresh_under_traffic(&gateway, &client).await;
    let Err(error) = &results[0].1 else { panic!("{results:?}") };
    let line = &error.lines()[0];
    assert!(line.contains("shadow run of 3 batches with 6 rows") && line.contains("trapped"), "{line}");
    for span in backend.spans(2 * sent).await.iter().flat_map(|request| spans_of(request)) {
        assert_eq!(stamps(&span), [1]);
    }
    let status = gateway.engine.status().plugins[0].clone();
    let swap = status.last_swap.unwrap();
    assert_eq!((swap.by, swap.result, status.faults.len()), (ChangedBy::File, SwapResult::Refused, 0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_shadow_faults_total{plugin="wasm/stamp"}"#), Some(3.0));
    let faults = r#"wasmill_plugin_faults_total{plugin="wasm/stamp",kind="trapped"}"#;
    assert_eq!(gateway.metric(faults), Some(0.0), "the stage's own counts are of what serves");
}

/// A build that decides differently is put in, and what differed is counted; a copy comes to no backend.
#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_counted_and_the_build_put_in() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("stamp.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let gateway =
        Gateway::start(&stamping(&plugin, &backend, "config: {do: stamp}, swap: {shadow: 10m, shadow_batches: 4}"))
            .await;
    let client = gateway.grpc().await;
    std::fs::write(&plugin, wasmill_fixtures::stamped(2)).unwrap();
    let (results, sent) = refresh_under_traffic(&gateway, &client).await;
    assert!(results[0].1.is_ok(), "{results:?}");
    client.spans(spans(&["after"])).await.unwrap();
    let requests = backend.requests(Signal::Traces, sent + 1).await;
    assert_eq!(requests.len(), sent + 1, "nothing comes of a copy");
    // Those that the queue had before may come later.
    let spans: Vec<_> = requests.iter().flat_map(|request| spans_of(request)).collect();
    let after = spans.iter().find(|span| span.name == "after").unwrap();
    assert_eq!(stamps(after), [2]);
    let shadow = gateway.engine.status().plugins[0].last_swap.clone().unwrap().shadow.unwrap();
    assert_eq!((shadow.batches, shadow.rows, shadow.faults), (4, 8, 0));
    assert_eq!((shadow.rows_kept_differently, shadow.rows_routed_differently), (0, 0));
    assert_eq!(shadow.batches_changed_differently, 4, "another stamp in each");
    let changed = r#"wasmill_plugin_shadow_differences_total{plugin="wasm/stamp",kind="batches_changed"}"#;
    assert_eq!(gateway.metric(changed), Some(4.0));

    // The same decisions by other bytes.
    let mut same = wasmill_fixtures::stamped(2);
    same.extend_from_slice(&[0, 2, 1, b'x']);
    std::fs::write(&plugin, same).unwrap();
    let (results, _) = refresh_under_traffic(&gateway, &client).await;
    assert!(results[0].1.is_ok(), "{results:?}");
    let shadow = gateway.engine.status().plugins[0].last_swap.clone().unwrap().shadow.unwrap();
    assert_eq!((shadow.batches, shadow.batches_changed_differently), (4, 0));
}

/// What plugins count in shadow is not counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_counts_nothing() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("count.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let gateway =
        Gateway::start(&stamping(&plugin, &backend, "config: {do: count}, swap: {shadow: 10m, shadow_batches: 5}"))
            .await;
    let client = gateway.grpc().await;
    std::fs::write(&plugin, wasmill_fixtures::stamped(2)).unwrap();
    let (results, sent) = refresh_under_traffic(&gateway, &client).await;
    assert!(results[0].1.is_ok(), "{results:?}");
    assert_eq!(gateway.metric(r#"plugin_rows_total{plugin="wasm/stamp"}"#), Some(2.0 * sent as f64));
}

/// Nothing comes: after its time the build is put in without.
#[tokio::test(flavor = "multi_thread")]
async fn without_traffic_the_time_ends_it() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("stamp.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let gateway = Gateway::start(&stamping(&plugin, &backend, "config: {do: stamp}, swap: {shadow: 200ms}")).await;
    std::fs::write(&plugin, wasmill_fixtures::stamped(2)).unwrap();
    let start = std::time::Instant::now();
    assert!(gateway.engine.refresh().await[0].1.is_ok());
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(gateway.engine.status().plugins[0].last_swap.clone().unwrap().shadow.unwrap().batches, 0);
    // What is put back has served: it does not wait.
    gateway
        .engine
        .reload(Gateway::config(&stamping(&plugin, &backend, "config: {do: stamp}, swap: {shadow: 10m}")))
        .await
        .unwrap();
    patiently("the roll-back", gateway.engine.roll_back("wasm/stamp")).await.unwrap();
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    assert_eq!(stamps(&spans_of(&backend.spans(1).await[0])[0]), [1]);
}
