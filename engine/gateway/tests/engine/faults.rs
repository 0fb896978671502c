//! Plugins that fail: contained, counted, the policy applied, the next request served.

use crate::language::{Backend, Gateway, names, spans};

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
    client.spans(crate::language::poisoned(&["a", "b"])).await.unwrap();
    client.spans(spans(&["c"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["c"], "the next request is served");
    assert_eq!(gateway.metric(r#"wasmill_plugin_rows_dropped_total{plugin="wasm/hostile"}"#), Some(2.0));
}
