//! Plugins swapped under traffic: nothing is lost, nothing comes twice, no batch sees two builds, and a bad build changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use wasmill::engine::Reloaded;
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, names, spans, spans_of, stamping, stamps};

/// How many swaps; `WASMILL_TEST_SWAPS` asks for more (a minute at one a second is 60), with a pause of
/// `WASMILL_TEST_SWAP_PAUSE_MS` after each.
const SWAPS: u32 = 12;

/// Writes beside, and renames: what `cargo build` and editors do.
fn replace(plugin: &Path, bytes: &[u8]) {
    let beside = plugin.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, plugin).unwrap();
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Clients send without pause while builds alternate: every row arrives once, with exactly one stamp, all rows of a request with
/// the same; swaps counted are swaps published.
#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_and_duplicate_nothing() {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("stamp.wasm");
    replace(&plugin, &wasmill_fixtures::stamped(0));
    let backend = Backend::start().await;
    let gateway = Arc::new(Gateway::start(&stamping(&plugin, &backend, "config: {do: stamp}")).await);

    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, stop, next) = (gateway.grpc().await, Arc::clone(&stop), Arc::clone(&next));
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let first = next.fetch_add(50, Ordering::Relaxed);
                let names: Vec<String> = (first..first + 50).map(|id| id.to_string()).collect();
                client.spans(spans(&names)).await.expect("no request is refused because of a swap");
            }
        });
    }
    let swaps = env("WASMILL_TEST_SWAPS").map_or(SWAPS, |swaps| swaps as u32);
    let pause = std::time::Duration::from_millis(env("WASMILL_TEST_SWAP_PAUSE_MS").unwrap_or(0));
    let mut seen = 0;
    for build in 1..=swaps {
        // Some batches run by each build.
        seen = backend.requests(Signal::Traces, seen + 10).await.len();
        replace(&plugin, &wasmill_fixtures::stamped(build % 2));
        let results = gateway.engine.refresh().await;
        let [(_, Ok(Reloaded { generation, swapped }))] = &results[..] else { panic!("{results:?}") };
        assert_eq!((*generation, swapped.len()), (u64::from(build) + 1, 1));
        tokio::time::sleep(pause).await;
    }
    backend.requests(Signal::Traces, seen + 10).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let sent = next.load(Ordering::Relaxed) as usize;
    let requests = backend.spans(sent).await;
    let mut ids: Vec<u64> = Vec::new();
    let mut by_build = [0, 0];
    for request in &requests {
        let spans = spans_of(request);
        let first = stamps(&spans[0]);
        for span in &spans {
            assert_eq!(stamps(span), first, "a batch sees one build");
            ids.push(span.name.parse().unwrap());
        }
        assert_eq!(first.len(), 1, "exactly one stamp");
        by_build[first[0] as usize] += 1;
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..sent as u64).collect::<Vec<_>>(), "every row once");
    assert!(by_build.iter().all(|&requests| requests > 0), "{by_build:?}");
    let published = r#"wasmill_plugin_swap_total{plugin="wasm/stamp",result="published"}"#;
    assert_eq!(gateway.metric(published), Some(f64::from(swaps)));
    let generation = r#"wasmill_plugin_generation{plugin="wasm/stamp"}"#;
    assert_eq!(gateway.metric(generation), Some(f64::from(swaps) + 1.0));
    let rows = r#"wasmill_plugin_rows_in_total{plugin="wasm/stamp"}"#;
    assert_eq!(gateway.metric(rows), Some(sent as f64), "counts outlive the stages that made them");
}

/// A build is broken in every way that files can be: the old one serves on, the reason is given, and it is counted once.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_build_leaves_the_old_one_serving() {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("stamp.wasm");
    replace(&plugin, &wasmill_fixtures::stamped(1));
    let backend = Backend::start().await;
    let gateway = Gateway::start(&stamping(&plugin, &backend, "config: {do: stamp}")).await;
    let client = gateway.grpc().await;

    let half = &wasmill_fixtures::stamped(2)[..1000];
    // As text some of them are, which is no plugin either.
    let files = wasmill_fixtures::FILES.iter().map(|file| (file.name, file.content.to_vec()));
    let mut bad: Vec<(&str, Vec<u8>)> = files.collect();
    bad.push(("half", half.to_vec()));
    bad.push(("forbidden", wasmill_fixtures::forbidden().to_vec()));
    let mut refused = 0.0;
    for (name, content) in bad {
        replace(&plugin, &content);
        let results = gateway.engine.refresh().await;
        let [(path, Err(error))] = &results[..] else { panic!("{name}: {results:?}") };
        assert_eq!(*path, plugin);
        assert!(error.lines()[0].contains("wasm/stamp"), "{name}: {:?}", error.lines());
        refused += 1.0;
        assert!(gateway.engine.refresh().await.is_empty(), "{name}: tried once, not again until it changes");
        client.spans(spans(&[name])).await.unwrap();
        let counted = r#"wasmill_plugin_swap_total{plugin="wasm/stamp",result="refused"}"#;
        assert_eq!(gateway.metric(counted), Some(refused), "{name}");
    }
    let requests = backend.requests(Signal::Traces, refused as usize).await;
    for span in requests.iter().flat_map(|request| spans_of(request)) {
        assert_eq!(stamps(&span), [1], "{}", span.name);
    }
    assert_eq!(gateway.engine.generation(), 1);

    std::fs::remove_file(&plugin).unwrap();
    assert!(
        gateway.engine.refresh().await.iter().all(|(_, result)| result.is_err()),
        "a file that is gone changes nothing"
    );
    replace(&plugin, &wasmill_fixtures::stamped(1));
    assert!(gateway.engine.refresh().await.is_empty(), "the same bytes are the same plugin");
    replace(&plugin, &wasmill_fixtures::stamped(2));
    assert!(gateway.engine.refresh().await.iter().all(|(_, result)| result.is_ok()), "a good build is taken");
    client.spans(spans(&["good"])).await.unwrap();
    let last = backend.requests(Signal::Traces, refused as usize + 1).await.pop().unwrap();
    assert_eq!((names(std::slice::from_ref(&last)), stamps(&spans_of(&last)[0])), (vec!["good".to_owned()], vec![2]));
}

const FLUSH: &str = "config: {do: flush}";

/// A plugin that counts what it saw tells of it when it goes: swapped, removed by a reload, at the gateway's end. Each slice is told
/// of once.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_goes_tells_what_it_holds() {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("flush.wasm");
    replace(&plugin, &wasmill_fixtures::stamped(0));
    let backend = Backend::start().await;
    let gateway = Gateway::start(&stamping(&plugin, &backend, FLUSH)).await;
    let client = gateway.grpc().await;
    let mut sent = 0;
    let mut send = async |requests: usize| {
        for _ in 0..requests {
            client.spans(spans(&["a", "b"])).await.unwrap();
            sent += 1;
            // Queued is not yet through the stages of a batch that its client left.
            backend.requests(Signal::Traces, sent).await;
        }
    };
    send(3).await;
    replace(&plugin, &wasmill_fixtures::stamped(1));
    assert!(gateway.engine.refresh().await.iter().all(|(_, result)| result.is_ok()));
    send(4).await;
    let without = stamping(&plugin, &backend, FLUSH).replace("processors: [wasm/stamp], ", "");
    gateway.engine.reload(Gateway::config(&without)).await.unwrap();
    send(1).await;
    gateway.engine.reload(Gateway::config(&stamping(&plugin, &backend, FLUSH))).await.unwrap();
    send(2).await;
    let lines = [r#"plugin_flushed_total{plugin="wasm/stamp"}"#, r#"plugin_flushes_total{plugin="wasm/stamp"}"#];
    let [flushed, flushes] = gateway.metrics_at_the_end(lines).await;
    assert_eq!(flushed, Some(9.0));
    assert!(flushes >= Some(3.0), "{flushes:?}");
}

/// Plugins that loop or trap when they are to tell: the swap, what is sent, and the end do not wait for more than a call's deadline, and
/// nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_flush_that_fails_holds_nothing_up() {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("flush.wasm");
    replace(&plugin, &wasmill_fixtures::stamped(0));
    let backend = Backend::start().await;
    // Of a name of its own: what plugins count is the process's, and so are the tests'.
    let fails = |how: &str| stamping(&plugin, &backend, how).replace("wasm/stamp", "wasm/fails");
    let gateway = Gateway::start(&fails("config: {do: flush, how: loop}")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a"])).await.unwrap();
    gateway.engine.reload(Gateway::config(&fails("config: {do: flush, how: trap}"))).await.unwrap();
    client.spans(spans(&["b"])).await.unwrap();
    let faults = |kind: &str| format!(r#"wasmill_plugin_faults_total{{plugin="wasm/fails",kind="{kind}"}}"#);
    let (looped, trapped) = (faults("deadline_exceeded"), faults("trapped"));
    let [looped, trapped] = gateway.metrics_at_the_end([looped.as_str(), trapped.as_str()]).await;
    assert_eq!((looped, trapped), (Some(1.0), Some(1.0)));
    let mut arrived = names(&backend.received(Signal::Traces));
    arrived.sort();
    assert_eq!(arrived, ["a", "b"]);
}
