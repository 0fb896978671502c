//! Exporters that are scraped: what they serve, to whom, and over reloads.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wasmill_config::ComponentId;
use wasmill_wire::Signal;

use crate::language::{Gateway, metrics, patiently};

fn yaml(settings: &str, rest: &str) -> String {
    format!(
        r#"
exporters:
  prometheus: {{endpoint: '127.0.0.1:0', without_scope_info: true, {settings}}}
{rest}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [prometheus]}}
"#
    )
}

async fn address(gateway: &Gateway) -> SocketAddr {
    gateway.engine.scrape_address(&ComponentId::parse("prometheus").unwrap()).await.unwrap()
}

/// An answer over a connection of its own.
async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    patiently("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// A client is answered when its points can be scraped; other paths are none, and what the gateway listens on is said.
#[tokio::test(flavor = "multi_thread")]
async fn points_are_scraped() {
    let gateway = Gateway::start(&yaml("enable_open_metrics: true", "service:")).await;
    gateway.grpc().await.send(Signal::Metrics, metrics(&["load", "temp"])).await.unwrap();
    let address = address(&gateway).await;
    let answer = get(address, "/metrics", "").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains(r#"load{host="load",job="checkout"} 1"#), "{answer}");
    let open = get(address, "/metrics", "Accept: application/openmetrics-text\r\n").await;
    assert!(open.contains("application/openmetrics-text; version=1.0.0") && open.contains("# EOF"), "{open}");
    assert!(get(address, "/", "").await.starts_with("HTTP/1.1 404"));
    let listening = gateway.engine.listening().await;
    assert!(listening.contains(&format!("prometheus scrape {address}")), "{listening:?}");
    let sent = r#"otelcol_exporter_sent_metric_points_total{exporter="prometheus"}"#;
    let [sent] = gateway.metrics_at_the_end([sent]).await;
    assert_eq!(sent, Some(2.0));
}

/// Scenario: the exporter's form changes by a reload, then its names, then a reload is refused.
/// Guarantee: the port stays open, and its series where they are of the same names; a connection that was open gets the new answers, by being
/// closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_port_and_series() {
    let gateway = Gateway::start(&yaml("", "service:")).await;
    let client = gateway.grpc().await;
    client.send(Signal::Metrics, metrics(&["load"])).await.unwrap();
    let before = address(&gateway).await;
    let mut kept = TcpStream::connect(before).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    kept.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 404");

    gateway.engine.reload(Gateway::config(&yaml("send_timestamps: true", "service:"))).await.unwrap();
    assert_eq!(address(&gateway).await, before, "the socket is the same");
    let answer = get(before, "/metrics", "").await;
    assert!(answer.contains(r#"load{host="load",job="checkout"} 1"#), "{answer}");
    let mut rest = Vec::new();
    patiently("the old connection's end", kept.read_to_end(&mut rest)).await.unwrap();

    gateway.engine.reload(Gateway::config(&yaml("namespace: shop", "service:"))).await.unwrap();
    assert_eq!(address(&gateway).await, before);
    let answer = get(before, "/metrics", "").await;
    assert!(!answer.contains("load"), "{answer}");
    client.send(Signal::Metrics, metrics(&["load"])).await.unwrap();
    let answer = get(before, "/metrics", "").await;
    assert!(answer.contains(r#"shop_load{host="load",job="checkout"} 1"#), "{answer}");

    let broken = yaml(
        "namespace: other",
        "extensions:\n  health_check: {endpoint: '192.0.2.1:1'}\nservice:\n  extensions: [health_check]",
    );
    assert!(gateway.engine.reload(Gateway::config(&broken)).await.is_err(), "that address is nobody's here");
    let answer = get(before, "/metrics", "").await;
    assert!(answer.contains("shop_load"), "{answer}");
}

/// Who has no token is not answered.
#[tokio::test(flavor = "multi_thread")]
async fn scrapers_are_authenticated() {
    let rest = "extensions:\n  bearertokenauth: {token: secret}\nservice:\n  extensions: [bearertokenauth]";
    let gateway = Gateway::start(&yaml("auth: {authenticator: bearertokenauth}", rest)).await;
    let address = address(&gateway).await;
    assert!(get(address, "/metrics", "").await.starts_with("HTTP/1.1 401"));
    assert!(get(address, "/metrics", "Authorization: Bearer secret\r\n").await.starts_with("HTTP/1.1 200"));
}
