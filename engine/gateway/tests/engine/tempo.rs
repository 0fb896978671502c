//! Traces to Tempo, which takes OTLP and asks whose they are: by gRPC and by HTTP, a header for each tenant.

use wasmill_transport::Protocol;

use crate::language::{Client, Gateway, WebBackend, spans};

/// `otlp` and `otlphttp` beside each other; `settings` are keys of both.
fn to_tempo(backend: &WebBackend, settings: &str) -> String {
    format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0', include_metadata: true}}}}}}
exporters:
  otlp/tempo: {{endpoint: '{address}', tls: {{insecure: true}}{settings}}}
  otlphttp/tempo: {{endpoint: 'http://{address}'{settings}}}
extensions:
  headers_setter: {{headers: [{{key: X-Scope-OrgID, from_context: X-Scope-OrgID, default_value: anonymous}}]}}
service:
  extensions: [headers_setter]
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp/tempo, otlphttp/tempo]}}
"#,
        address = backend.address()
    )
}

/// Path and tenant of what came, in order.
async fn seen(backend: &WebBackend, count: usize) -> Vec<(String, String)> {
    let arrived = backend.requests(count).await;
    let mut seen: Vec<(String, String)> =
        arrived.iter().map(|request| (request.path.clone(), request.header("x-scope-orgid").to_owned())).collect();
    seen.sort();
    seen
}

const GRPC: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// One tenant, by `headers`.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_said_by_headers() {
    let backend = WebBackend::start().await;
    let gateway = Gateway::start(&to_tempo(&backend, ", headers: {X-Scope-OrgID: shop}")).await;
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    let expected = [(GRPC, "shop"), ("/v1/traces", "shop")];
    assert_eq!(seen(&backend, 2).await, expected.map(|(path, tenant)| (path.to_owned(), tenant.to_owned())));
    gateway.stop().await;
}

/// Tenants that clients say themselves, and one that says none: each request has its client's header.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_said_by_clients() {
    let backend = WebBackend::start().await;
    let gateway = Gateway::start(&to_tempo(&backend, ", auth: {authenticator: headers_setter}")).await;
    let address = gateway.address(Protocol::Grpc).await;
    for headers in [&[("x-scope-orgid", "a")][..], &[("x-scope-orgid", "b")], &[]] {
        Client::grpc_with(address, headers).spans(spans(&["a"])).await.unwrap();
    }
    let mut expected = Vec::new();
    for path in [GRPC, "/v1/traces"] {
        expected.extend(["a", "anonymous", "b"].map(|tenant| (path.to_owned(), tenant.to_owned())));
    }
    assert_eq!(seen(&backend, 6).await, expected);
    gateway.stop().await;
}
