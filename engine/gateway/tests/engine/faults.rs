//! Plugins that fail: contained, counted, the policy applied, the next request served.

use wasmill_batch::{Refusal, RefusalKind};

use crate::language::{Backend, Gateway, names, poisoned, spans, spans_of, stamps};

fn hostile(backend: &Backend, on_fault: &str, what: &str) -> (tempfile::TempDir, String) {
    // What ends by itself has as long as it takes on a busy machine.
    let deadline = if what.contains("loop") { "100ms" } else { "50s" };
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("hostile.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let yaml = format!(
        r#"
processors:
  wasm/hostile: {{plugin: '{}', on_fault: {on_fault}, config: {what}, limits: {{call_deadline: {deadline}}}}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/hostile], exporters: [otlp]}}
"#,
        plugin.display(),
        backend.grpc()
    );
    (plugins, yaml)
}

/// `reject`: the client is told to retry, and nothing reaches the backend.
#[tokio::test(flavor = "multi_thread")]
async fn reject_tells_the_client_to_retry() {
    for (what, kind) in
        [("{do: trap}", "trapped"), ("{do: loop}", "deadline_exceeded"), ("{do: grow}", "memory_exceeded")]
    {
        let backend = Backend::start().await;
        let (_plugins, yaml) = hostile(&backend, "reject", what);
        let gateway = Gateway::start(&yaml).await;
        let client = gateway.grpc().await;
        for _ in 0..2 {
            let error = client.spans(spans(&["a", "b"])).await.unwrap_err();
            assert!(error.is_retryable(), "{what}: {error}");
        }
        let faults = format!(r#"wasmill_plugin_faults_total{{plugin="wasm/hostile",kind="{kind}"}}"#);
        assert_eq!(gateway.metric(&faults), Some(2.0), "{what}");
        let refused = r#"otelcol_receiver_refused_spans_total{receiver="otlp",transport="grpc"}"#;
        assert_eq!(gateway.metric(refused), Some(4.0), "{what}");
        assert!(gateway.stop().await.is_nothing());
        assert!(backend.received(wasmill_wire::Signal::Traces).is_empty(), "{what}");
    }
}

/// `pass`: the rows go on as they were.
#[tokio::test(flavor = "multi_thread")]
async fn pass_lets_the_rows_through() {
    let backend = Backend::start().await;
    let (_plugins, yaml) = hostile(&backend, "pass", "{do: trap}");
    let gateway = Gateway::start(&yaml).await;
    gateway.grpc().await.spans(spans(&["a", "b"])).await.unwrap();
    assert_eq!(names(&backend.spans(2).await), ["a", "b"]);
}

/// `drop`: the rows are dropped and counted, and the client is acked.
#[tokio::test(flavor = "multi_thread")]
async fn drop_drops_and_counts() {
    let backend = Backend::start().await;
    let (_plugins, yaml) = hostile(&backend, "drop", "{do: trap-on-poison}");
    let gateway = Gateway::start(&yaml).await;
    let client = gateway.grpc().await;
    client.spans(poisoned(&["a", "b"])).await.unwrap();
    client.spans(spans(&["c"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["c"], "the next request is served");
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_dropped_total{plugin="wasm/hostile"}"#), Some(2.0));
}

/// A pipeline in which `wasm/hostile` traps on poison and `wasm/after` stamps; `divert_to` is where what it fails on goes.
fn diverting(main: &Backend, quarantine: &Backend, divert_to: &str) -> (tempfile::TempDir, String) {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("hostile.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let yaml = format!(
        r#"
processors:
  wasm/hostile:
    plugin: '{0}'
    on_fault: divert
    divert_to: {divert_to}
    config: {{do: trap-on-poison}}
    limits: {{call_deadline: 50s, rows_max: 2}}
  wasm/after: {{plugin: '{0}', config: {{do: stamp, generation: '5'}}}}
  wasm/quarantined: {{plugin: '{0}', config: {{do: stamp, generation: '6'}}}}
exporters:
  otlp: {{endpoint: '{1}', tls: {{insecure: true}}, sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}
  otlp/quarantine: {{endpoint: '{2}', tls: {{insecure: true}}, sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/hostile, wasm/after], exporters: [otlp]}}
    traces/quarantine: {{receivers: [QUARANTINE], processors: [wasm/quarantined], exporters: [otlp/quarantine]}}
"#,
        plugin.display(),
        main.grpc(),
        quarantine.grpc()
    );
    (plugins, yaml)
}

/// `divert`: the rows of the slice that failed leave for the exporter that is named, unchanged and past the stages behind; the
/// others go on. The client is answered when both have arrived.
#[tokio::test(flavor = "multi_thread")]
async fn divert_sends_what_failed_elsewhere() {
    let (main, quarantine) = (Backend::start().await, Backend::start().await);
    let (_plugins, yaml) = diverting(&main, &quarantine, "[otlp/quarantine]");
    let yaml = yaml.lines().filter(|line| !line.contains("traces/quarantine") && !line.contains("wasm/quarantined"));
    let gateway = Gateway::start(&yaml.map(|line| format!("{line}\n")).collect::<String>()).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "b", "c"])).await.unwrap();
    assert_eq!(names(&main.spans(3).await), ["a", "b", "c"]);
    assert!(quarantine.received(wasmill_wire::Signal::Traces).is_empty());

    client.spans(poisoned(&["d", "e", "f"])).await.unwrap();
    let diverted = quarantine.received(wasmill_wire::Signal::Traces);
    assert_eq!(names(&diverted), ["d", "e", "f"], "the client was answered when they had arrived");
    for span in diverted.iter().flat_map(|request| spans_of(request)) {
        assert_eq!(stamps(&span), [0_u32; 0], "stages behind do not see them");
    }
    assert_eq!(names(&main.received(wasmill_wire::Signal::Traces)), ["a", "b", "c"]);
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_diverted_total{plugin="wasm/hostile"}"#), Some(3.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_dropped_total{plugin="wasm/hostile"}"#), Some(0.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_faults_total{plugin="wasm/hostile",kind="trapped"}"#), Some(2.0));
}

/// One slice of a request fails: its rows are diverted and the other slice's are not, each row once.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_slice_that_failed_is_diverted() {
    let (main, quarantine) = (Backend::start().await, Backend::start().await);
    let (_plugins, yaml) = diverting(&main, &quarantine, "[traces/quarantine]");
    let gateway = Gateway::start(&yaml.replace("[QUARANTINE]", "[]")).await;
    gateway.grpc().await.spans(joined(&[spans(&["a", "b"]), poisoned(&["c"])])).await.unwrap();
    let (kept, diverted) = (main.spans(2).await, quarantine.spans(1).await);
    assert_eq!((names(&kept), names(&diverted)), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
    assert_eq!(stamps(&spans_of(&kept[0])[0]), [5]);
    assert_eq!(stamps(&spans_of(&diverted[0])[0]), [6], "it went through the pipeline that it was diverted to");
}

/// Where the diverted rows go is down: the client is told to retry, since nobody has them.
#[tokio::test(flavor = "multi_thread")]
async fn diverted_rows_are_acked_like_others() {
    let (main, quarantine) = (Backend::start().await, Backend::start().await);
    let (_plugins, yaml) = diverting(&main, &quarantine, "[traces/quarantine]");
    let gateway = Gateway::start(&yaml.replace("[QUARANTINE]", "[]")).await;
    let client = gateway.grpc().await;
    quarantine.refuse_next([Refusal::new(RefusalKind::Unavailable, "down")]);
    let error = client.spans(joined(&[spans(&["a", "b"]), poisoned(&["c"])])).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    client.spans(poisoned(&["c"])).await.unwrap();
    assert_eq!(names(&quarantine.spans(1).await), ["c"]);
}

/// Requests one after the other in one.
fn joined(requests: &[bytes::Bytes]) -> bytes::Bytes {
    // The repeated field of protobuf messages joins by joining bytes.
    requests.concat().into()
}

/// The same request faults each time: after five times the client is told not to send it again, and another request is another
/// matter.
#[tokio::test(flavor = "multi_thread")]
async fn content_that_faults_each_time_is_given_up() {
    let backend = Backend::start().await;
    let (_plugins, yaml) = hostile(&backend, "reject", "{do: trap-on-poison}");
    let gateway = Gateway::start(&yaml).await;
    let client = gateway.grpc().await;
    for attempt in 1..=6 {
        let error = client.spans(poisoned(&["a", "b"])).await.unwrap_err();
        assert_eq!(error.is_retryable(), attempt < 5, "attempt {attempt}: {error}");
    }
    assert!(client.spans(poisoned(&["c"])).await.unwrap_err().is_retryable());
    client.spans(spans(&["d"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["d"]);
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_given_up_total{plugin="wasm/hostile"}"#), Some(4.0));
}

/// A plugin traps on all it is given: after ten times it is not called, the client is told to retry all the same, and after the
/// pause a call tries whether it is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_too_often_is_left_alone() {
    let backend = Backend::start().await;
    let (_plugins, yaml) = hostile(&backend, "reject", "{do: trap}");
    let pausing = |pause: &str| yaml.replace("on_fault", &format!("breaker: {{pause: {pause}}}, on_fault"));
    let gateway = Gateway::start(&pausing("1h").replace("pause: 1h", "pause: 1h, pause_max: 1h")).await;
    let client = gateway.grpc().await;
    for number in 0..15 {
        let error = client.spans(spans(&[number.to_string()])).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
    let faults = r#"wasmill_plugin_faults_total{plugin="wasm/hostile",kind="trapped"}"#;
    assert_eq!(gateway.metric(faults), Some(10.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_uncalled_total{plugin="wasm/hostile"}"#), Some(5.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_breaker_state{plugin="wasm/hostile"}"#), Some(2.0));
    assert_eq!(gateway.metric(r#"wasmill_plugin_breaker_opened_total{plugin="wasm/hostile"}"#), Some(1.0));
    assert_eq!(gateway.engine.status().plugins[0].breaker, "open");

    // Other settings: another stage, whose breaker has seen nothing yet.
    gateway.engine.reload(Gateway::config(&pausing("1ms"))).await.unwrap();
    for number in 0..12 {
        let _ = client.spans(spans(&[number.to_string()])).await.unwrap_err();
        // Longer than any of the pauses.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let tried = gateway.metric(faults).unwrap();
    assert!((21.0..=22.0).contains(&tried), "each pause ends with a call: {tried}");
    assert!(gateway.metric(r#"wasmill_plugin_breaker_opened_total{plugin="wasm/hostile"}"#).unwrap() >= 3.0);
}
