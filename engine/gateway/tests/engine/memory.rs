//! Memory: what the limiter refuses, and what is counted of rows that wait.

use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, names, spans};

fn limited(backend: &Backend, processor_mib: u32, extension_mib: u32) -> String {
    format!(
        r#"
processors: {{memory_limiter: {{check_interval: 100ms, limit_mib: {processor_mib}}}}}
exporters: {{otlp: {{endpoint: '{}', tls: {{insecure: true}}, timeout: 60s}}}}
extensions: {{memory_limiter: {{check_interval: 100ms, limit_mib: {extension_mib}}}}}
service:
  extensions: [memory_limiter]
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp]}}
"#,
        backend.grpc()
    )
}

/// More than any test has.
const PLENTY_MIB: u32 = 1_000_000;

/// The process uses more than the processor allows, then more than the extension does, then less than either: clients are told to
/// come back, and their requests are counted; then they are served.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_until_there_is_room() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&limited(&backend, 1, PLENTY_MIB)).await;
    let client = gateway.grpc().await;
    let error = client.spans(spans(&["a", "b"])).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("high memory usage"), "{error}");
    let refused = r#"otelcol_processor_refused_spans_total{processor="memory_limiter"}"#;
    assert_eq!(gateway.metric(refused), Some(2.0));

    gateway.engine.reload(Gateway::config(&limited(&backend, PLENTY_MIB, 1))).await.unwrap();
    let error = gateway.http().await.spans(spans(&["a"])).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("high memory usage"), "{error}");
    assert_eq!(gateway.metric(refused), Some(2.0), "it did not come to the processor");
    let requests = r#"wasmill_receiver_refused_requests_total{receiver="otlp",transport="http"}"#;
    assert_eq!(gateway.metric(requests), Some(1.0));

    gateway.engine.reload(Gateway::config(&limited(&backend, PLENTY_MIB, PLENTY_MIB))).await.unwrap();
    client.spans(spans(&["c"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["c"]);
    assert_eq!(gateway.metric(r#"otelcol_processor_accepted_spans_total{processor="memory_limiter"}"#), Some(1.0));
}

/// A request of a megabyte waits in a queue: it is among what the process keeps.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted() {
    let backend = Backend::start().await;
    backend.hold();
    let gateway = Gateway::start(&limited(&backend, PLENTY_MIB, PLENTY_MIB)).await;
    let long = "x".repeat(1 << 20);
    gateway.grpc().await.spans(spans(&[&long])).await.unwrap();
    // Other tests of this process park rows too.
    assert!(gateway.metric("wasmill_retained_bytes") >= Some(1_048_576.0));
    backend.release();
    assert_eq!(backend.requests(Signal::Traces, 1).await.len(), 1);
}
