//! What the tests are written in: an engine from a few lines of YAML, clients that send, backends that record and misbehave.
//!
//! Nothing sleeps: what is waited for is waited for by name, and fails after [`PATIENCE`].

mod backend;
mod client;
mod engine;
mod push;
mod telemetry;
mod web;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

pub use backend::Backend;
pub use client::Client;
pub use engine::Gateway;
pub use push::{Push, PushBackend, Reply};
pub use telemetry::{
    attribute, logs, logs_with_ids, metrics, names, poisoned, spans, spans_of, spans_with_ids, stamps, text_of,
    text_value,
};
pub use web::WebBackend;

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that is certain to come.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// A pipeline of one plugin in a file, as `wasm/stamp`: `settings` are its keys, `config: {do: stamp}`.
pub fn stamping(plugin: &Path, backend: &Backend, settings: &str) -> String {
    format!(
        r#"
processors:
  wasm/stamp: {{plugin: '{}', {settings}}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}, compression: none}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/stamp], exporters: [otlp]}}
"#,
        plugin.display(),
        backend.grpc()
    )
}
