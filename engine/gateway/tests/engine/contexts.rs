//! What is known of a request reaches the stages, through batches too, and tenants do not mix.

use wasmill_transport::Protocol;
use wasmill_wire::Signal;

use crate::language::{Backend, Client, Gateway, spans, spans_of, text_of};

/// A plugin that copies the header `x-tenant` to an attribute stands where `PROCESSORS` says.
fn tenants(backend: &Backend, plugin: &std::path::Path, processors: &str, batch: &str) -> String {
    format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0', include_metadata: true}}}}}}
processors:
  wasm/tenant: {{plugin: '{}', config: {{do: copy-header, header: X-Tenant}}}}
  batch: {{timeout: 1h, send_batch_size: 2{batch}}}
exporters: {{otlp: {{endpoint: '{}', tls: {{insecure: true}}}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [{processors}], exporters: [otlp]}}
"#,
        plugin.display(),
        backend.grpc()
    )
}

/// Two tenants send in turn: a plugin sees whose rows it has, before a batch, and behind one that keeps tenants apart. Behind one
/// that does not, no tenant's header is there to be taken for another's.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_the_header_that_its_rows_came_with() {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("tenant.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let cases = [
        ("wasm/tenant", "", ["a a", "a a", "b b", "b b"]),
        ("batch, wasm/tenant", ", metadata_keys: [X-Tenant]", ["a a", "a a", "b b", "b b"]),
        ("batch, wasm/tenant", "", ["a none", "a none", "b none", "b none"]),
    ];
    for (processors, batch, expected) in cases {
        let backend = Backend::start().await;
        let gateway = Gateway::start(&tenants(&backend, &plugin, processors, batch)).await;
        let address = gateway.address(Protocol::Grpc).await;
        for tenant in ["a", "b", "a", "b"] {
            Client::grpc_with(address, &[("x-tenant", tenant)]).spans(spans(&[tenant])).await.unwrap();
        }
        backend.spans(4).await;
        let requests = backend.received(Signal::Traces);
        let mut seen: Vec<String> = requests
            .iter()
            .flat_map(|request| spans_of(request))
            .map(|span| format!("{} {}", span.name, text_of(&span.attributes, "header").concat()))
            .collect();
        seen.sort();
        assert_eq!(seen, expected, "{processors} {batch}");
    }
}
