//! What an operator meets: ports in use, health, metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use wasmill_config::ComponentId;

use crate::language::{Backend, Gateway, spans};

/// Asks with HTTP/1.1, and returns the whole answer.
async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    });
    crate::language::patiently("an answer", answer).await.unwrap().unwrap()
}

/// A port is taken by somebody else: the gateway does not start, and says which port and by which key.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let cases = [
        (
            format!(
                "receivers:\n  otlp/x: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}\nexporters: {{debug: }}\nservice:\n  pipelines: {{traces: {{receivers: [otlp/x], exporters: [debug]}}}}\n"
            ),
            "receivers::otlp/x::protocols::http::endpoint",
        ),
        (
            format!(
                "exporters: {{debug: }}\nextensions: {{health_check: {{endpoint: '127.0.0.1:{port}'}}}}\nservice:\n  extensions: [health_check]\n  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}\n"
            ),
            "extensions::health_check::endpoint",
        ),
        (
            format!(
                "exporters: {{debug: }}\nservice:\n  telemetry: {{metrics: {{address: '127.0.0.1:{port}'}}}}\n  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}\n"
            ),
            "service::telemetry::metrics",
        ),
    ];
    for (yaml, key) in cases {
        let Err(error) = Gateway::try_start(&yaml).await else { panic!("{key}: it started") };
        let line = error.lines().join("\n");
        assert!(line.contains(key) && line.contains(&port.to_string()), "{line}");
        assert!(line.to_lowercase().contains("in use"), "{line}");
    }
}

/// Probes and scrapers ask: 200 with the Collector's body while it serves, metrics as text, 404 for the rest.
#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_served() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&format!(
        r#"
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
extensions:
  health_check: {{endpoint: '127.0.0.1:0', path: /status}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{address: '127.0.0.1:0'}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
"#,
        backend.grpc()
    ))
    .await;
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    backend.spans(1).await;
    let health = gateway.engine.health_address(&ComponentId::parse("health_check").unwrap()).await.unwrap();
    let answer = get(health, "/status").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""status":"Server available""#), "{answer}");
    assert!(get(health, "/").await.starts_with("HTTP/1.1 404"));
    let metrics = gateway.engine.metrics_address().await.unwrap();
    let answer = get(metrics, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.trim_end().ends_with("# EOF"), "{answer}");
    assert!(
        answer.contains(r#"otelcol_receiver_accepted_spans_total{receiver="otlp",transport="grpc"} 1"#),
        "{answer}"
    );
    assert!(get(metrics, "/").await.starts_with("HTTP/1.1 404"));
}
