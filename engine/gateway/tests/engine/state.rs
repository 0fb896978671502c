//! What plugins hold goes on over swaps, under traffic: nothing is counted twice or forgotten, and a swap that would lose it is refused, or
//! says what it lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmill::engine::{ChangedBy, EngineError, Reloaded};
use wasmill::telemetry::SwapResult;
use wasmill_wire::Signal;

use crate::language::{Backend, Client, Gateway, spans, spans_of, stamping, text_of};

/// Each span's name, and what the plugin counted at it.
fn counted(requests: &[bytes::Bytes], key: &str) -> Vec<(String, u64)> {
    let spans = requests.iter().flat_map(|request| spans_of(request));
    let count = |span: &opentelemetry_proto::tonic::trace::v1::Span| text_of(&span.attributes, key)[0].parse().unwrap();
    spans.map(|span| (span.name.clone(), count(&span))).collect()
}

async fn put(gateway: &Gateway, plugin: &Path, build: u32) -> Result<Reloaded, EngineError> {
    std::fs::write(plugin, wasmill_fixtures::stamped(build)).unwrap();
    let mut results = gateway.engine.refresh().await;
    assert_eq!(results.len(), 1, "{results:?}");
    results.pop().unwrap().1
}

/// Sends a span, and gives what was counted at it.
async fn send(client: &Client, backend: &Backend, name: &str) -> u64 {
    let before = backend.received(Signal::Traces).len();
    client.spans(spans(&[name])).await.unwrap();
    counted(&backend.requests(Signal::Traces, before + 1).await[before..], "count")[0].1
}

fn lost(gateway: &Gateway) -> Option<f64> {
    gateway.metric(r#"wasmill_plugin_state_lost_total{plugin="wasm/stamp"}"#)
}

/// Clients send without pause while builds follow each other, of a plugin that counts all, and of one that counts by name over several
/// shards: every row has a count, each count is given once, and none is left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_goes_on_over_swaps_under_load() {
    for (config, names) in [
        ("config: {do: hold}", vec!["all"]),
        ("config: {do: hold, keyed: name}, state: {shards: 3}", vec!["a", "b", "c", "d", "e"]),
    ] {
        let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
        let plugin = plugins.path().join("held.wasm");
        std::fs::write(&plugin, wasmill_fixtures::stamped(0)).unwrap();
        let gateway = Arc::new(Gateway::start(&stamping(&plugin, &backend, config)).await);
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (client, stop, names) = (gateway.grpc().await, Arc::clone(&stop), names.clone());
            clients.spawn(async move {
                let mut sent = 0;
                while !stop.load(Ordering::Relaxed) {
                    client.spans(spans(&names)).await.expect("a hand-over is shorter than a batch waits");
                    sent += 1;
                }
                sent
            });
        }
        let mut seen = 0;
        for build in 1..=8 {
            seen = backend.requests(Signal::Traces, seen + 10).await.len();
            put(&gateway, &plugin, build).await.unwrap();
        }
        backend.requests(Signal::Traces, seen + 10).await;
        stop.store(true, Ordering::Relaxed);
        let sent: u64 = clients.join_all().await.into_iter().sum();
        let requests = backend.spans(sent as usize * names.len()).await;
        let all = counted(&requests, "count");
        for name in names {
            let mut counts: Vec<u64> = all.iter().filter(|(of, _)| of == name).map(|(_, count)| *count).collect();
            counts.sort_unstable();
            assert_eq!(counts, (1..=sent).collect::<Vec<u64>>(), "{config}, {name}");
        }
        assert_eq!(lost(&gateway), Some(0.0), "{config}");
        let late = r#"wasmill_plugin_state_lost_rows_total{plugin="wasm/stamp"}"#;
        assert_eq!(gateway.metric(late), Some(0.0), "{config}");
    }
}

/// An instance traps: the next one counts on from what was kept of it, as configured.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_goes_on_after_a_fault() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("held.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(0)).unwrap();
    let config = "config: {do: hold, keyed: name}, state: {shards: 1, snapshot_interval: 100ms}";
    let gateway = Gateway::start(&stamping(&plugin, &backend, config)).await;
    let client = gateway.grpc().await;
    // The instance is as old as the gateway: the first call is followed by a snapshot, which the one behind it waits for.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(send(&client, &backend, "a").await, 1);
    let error = client.spans(spans(&["poison"])).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(send(&client, &backend, "a").await, 2);
    assert_eq!(lost(&gateway), Some(1.0));
    let restored = r#"wasmill_plugin_state_restored_total{plugin="wasm/stamp"}"#;
    assert_eq!(gateway.metric(restored), Some(1.0));
}

/// A build refuses what the old one held, one traps at it, one loops: the old one serves on and counts on, and status, metrics and answer say
/// why. The next good build counts on too.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_fails_refuses_the_swap() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("held.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let config = "config: {do: hold}, limits: {init_deadline: 300ms}";
    let gateway = Gateway::start(&stamping(&plugin, &backend, config)).await;
    let client = gateway.grpc().await;
    assert_eq!(send(&client, &backend, "a").await, 1);
    for (count, build, why) in [(2, 1_001, "these are not mine"), (3, 1_002, "trapped"), (4, 1_003, "deadline")] {
        let error = put(&gateway, &plugin, build).await.unwrap_err();
        let line = error.lines().remove(0);
        assert!(line.contains("wasm/stamp") && line.contains("`restore` failed") && line.contains(why), "{line}");
        let status = gateway.engine.status().plugins[0].clone();
        let swap = status.last_swap.unwrap();
        assert_eq!((swap.by, swap.result, &swap.why), (ChangedBy::File, SwapResult::Refused, &error.lines()));
        assert_eq!(send(&client, &backend, "a").await, count, "build {build}");
    }
    let file = plugins.path().join("by-hand.wasm");
    std::fs::write(&file, wasmill_fixtures::stamped(1_001)).unwrap();
    let error = gateway.engine.swap_by_hand("wasm/stamp", &file).await.unwrap_err();
    assert!(error.lines()[0].contains("these are not mine"), "{:?}", error.lines());
    assert_eq!(gateway.metric(r#"wasmill_plugin_swap_total{plugin="wasm/stamp",result="refused"}"#), Some(4.0));
    put(&gateway, &plugin, 2).await.unwrap();
    assert_eq!((send(&client, &backend, "a").await, lost(&gateway)), (5, Some(0.0)));
}

/// The plugin that serves does not give what it holds: the swap is refused, until the operator accepts the loss, which is counted. What is put
/// back by hand is put back in any case.
#[tokio::test(flavor = "multi_thread")]
async fn state_is_lost_only_where_the_operator_accepts_it() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("held.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1_004)).unwrap();
    let gateway = Gateway::start(&stamping(&plugin, &backend, "config: {do: hold}")).await;
    let client = gateway.grpc().await;
    assert_eq!(send(&client, &backend, "a").await, 1);
    let error = put(&gateway, &plugin, 1).await.unwrap_err();
    let line = error.lines().remove(0);
    assert!(line.contains("`snapshot` failed") && line.contains("swap::on_lost_state: accept"), "{line}");
    assert_eq!(send(&client, &backend, "a").await, 2);
    let accepting = stamping(&plugin, &backend, "config: {do: hold}, swap: {on_lost_state: accept}");
    gateway.engine.reload(Gateway::config(&accepting)).await.unwrap();
    assert_eq!((send(&client, &backend, "a").await, lost(&gateway)), (1, Some(1.0)));

    let refusing = stamping(&plugin, &backend, "config: {do: hold}");
    gateway.engine.reload(Gateway::config(&refusing)).await.unwrap();
    assert_eq!((send(&client, &backend, "a").await, lost(&gateway)), (2, Some(1.0)), "other settings, the same state");
    put(&gateway, &plugin, 1_005).await.unwrap();
    assert_eq!(send(&client, &backend, "a").await, 3);
    gateway.engine.roll_back("wasm/stamp").await.unwrap();
    assert_eq!((send(&client, &backend, "a").await, lost(&gateway)), (1, Some(2.0)), "it trapped when it was asked");
}

/// What the host keeps is there for the next build without anybody's doing; a shadow run sees it, and adds nothing to it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_keeps_is_there_for_the_next_build() {
    let (plugins, backend) = (tempfile::tempdir().unwrap(), Backend::start().await);
    let plugin = plugins.path().join("sum.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    // Of a name of its own: what the host keeps is the process's, and so are the tests'.
    let config = "config: {do: sum, key: k}, swap: {shadow: 10m, shadow_batches: 3}";
    let yaml = stamping(&plugin, &backend, config).replace("wasm/stamp", "wasm/sum");
    let gateway = Gateway::start(&yaml).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "b"])).await.unwrap();
    std::fs::write(&plugin, wasmill_fixtures::stamped(2)).unwrap();
    let engine = Arc::clone(&gateway.engine);
    let refresh = tokio::spawn(async move { engine.refresh().await });
    let mut sent = 1;
    while !refresh.is_finished() {
        client.spans(spans(&["a", "b"])).await.unwrap();
        sent += 1;
    }
    assert!(refresh.await.unwrap()[0].1.is_ok());
    client.spans(spans(&["a", "b"])).await.unwrap();
    sent += 1;
    let mut sums: Vec<u64> = counted(&backend.spans(2 * sent).await, "sum").into_iter().map(|(_, sum)| sum).collect();
    sums.sort_unstable();
    let expected: Vec<u64> = (1..=sent as u64).flat_map(|request| [2 * request; 2]).collect();
    assert_eq!(sums, expected);
    assert_eq!(gateway.metric(r#"wasmill_plugin_state_keys{plugin="wasm/sum"}"#), Some(1.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_state_bytes{plugin="wasm/sum"}"#), Some(153.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_state_evicted_total{plugin="wasm/sum"}"#), Some(0.0));
}
