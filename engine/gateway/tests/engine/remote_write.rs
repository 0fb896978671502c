//! Points to Prometheus by remote write: what a request says of itself, what is sent again, and in which order.

use crate::language::{Gateway, Push, PushBackend, Reply, metrics};
use wasmill_wire::Signal;

/// An exporter `prometheusremotewrite` alone, with more settings of its own.
fn relay(backend: &PushBackend, settings: &str) -> String {
    format!(
        "
exporters:
  prometheusremotewrite:
    endpoint: 'http://{}/api/v1/write'
    retry_on_failure: {{initial_interval: 1ms, max_interval: 5ms}}
{settings}
service:
  pipelines:
    metrics: {{receivers: [otlp], exporters: [prometheusremotewrite]}}
",
        backend.address()
    )
}

/// The names of these that are in a push.
fn names<'n>(push: &Push, of: &[&'n str]) -> Vec<&'n str> {
    let body = snap::raw::Decoder::new().decompress_vec(&push.body).expect("snappy");
    of.iter().filter(|name| body.windows(name.len()).any(|window| window == name.as_bytes())).copied().collect()
}

async fn send(gateway: &Gateway, name: &str) {
    gateway.grpc().await.send(Signal::Metrics, metrics(&[name])).await.unwrap();
}

const SENT: &str = r#"otelcol_exporter_sent_metric_points_total{exporter="prometheusremotewrite"}"#;
const FAILED: &str = r#"otelcol_exporter_send_failed_metric_points_total{exporter="prometheusremotewrite"}"#;

/// Each protocol has its headers.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_what_it_is() {
    let of_protocol = [
        ("prometheus.WriteRequest", "application/x-protobuf", "0.1.0"),
        ("io.prometheus.write.v2.Request", "application/x-protobuf;proto=io.prometheus.write.v2.request", "2.0.0"),
    ];
    for (protocol, content_type, version) in of_protocol {
        let taken = Reply::StatusWith(204, "x-prometheus-remote-write-samples-written: 1\r\n");
        let backend = PushBackend::answering([], taken).await;
        let settings = format!("    protobuf_message: {protocol}\n    headers: {{X-Scope-OrgID: a}}");
        let gateway = Gateway::start(&relay(&backend, &settings)).await;
        send(&gateway, "pay").await;
        let pushes = backend.wait_for(1).await;
        assert_eq!(names(&pushes[0], &["pay"]), ["pay"]);
        for line in [
            "post /api/v1/write http/1.1",
            "content-encoding: snappy",
            &format!("content-type: {content_type}"),
            &format!("x-prometheus-remote-write-version: {version}"),
            "x-scope-orgid: a",
        ] {
            assert!(pushes[0].head.lines().any(|found| found == line), "{line}: {}", pushes[0].head);
        }
        assert_eq!(gateway.metrics_at_the_end([SENT]).await, [Some(1.0)]);
    }
}

/// Scenario: every failure that passes, on the first of several requests.
/// Guarantee: the others wait until it is taken, and then go in the order in which they came.
#[tokio::test(flavor = "multi_thread")]
async fn requests_go_in_order() {
    let passing = [
        Reply::Status(500),
        Reply::Status(501),
        Reply::StatusWith(429, "retry-after: 0\r\n"),
        Reply::HalfAnAnswer,
        Reply::NotHttp,
    ];
    let backend = PushBackend::answering(passing, Reply::Status(204)).await;
    let gateway = Gateway::start(&relay(&backend, "")).await;
    let all = ["first", "second", "third"];
    for name in all {
        send(&gateway, name).await;
    }
    let pushes = backend.wait_for(8).await;
    let seen: Vec<_> = pushes.iter().flat_map(|push| names(push, &all)).collect();
    assert_eq!(seen, ["first", "first", "first", "first", "first", "first", "second", "third"]);
    assert_eq!(gateway.metrics_at_the_end([SENT]).await, [Some(3.0)]);
}

/// A request that is refused, as one with samples out of order, is not sent again, and counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_not_sent_again() {
    let backend = PushBackend::answering([Reply::Status(400)], Reply::Status(204)).await;
    let gateway = Gateway::start(&relay(&backend, "")).await;
    for name in ["old", "new"] {
        send(&gateway, name).await;
    }
    let pushes = backend.wait_for(2).await;
    let seen: Vec<_> = pushes.iter().flat_map(|push| names(push, &["old", "new"])).collect();
    assert_eq!(seen, ["old", "new"]);
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await, [Some(1.0), Some(1.0)]);
}

/// A server of 1.0 that takes a request of 2.0 has read nothing in it: that is a failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_2_0_is_found_out() {
    let backend = PushBackend::answering([], Reply::Status(204)).await;
    let settings = "    protobuf_message: io.prometheus.write.v2.Request\n    remote_write_queue: {enabled: false}";
    let gateway = Gateway::start(&relay(&backend, settings)).await;
    let error = gateway.grpc().await.send(Signal::Metrics, metrics(&["pay"])).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("prometheus.WriteRequest"), "{error}");
    assert_eq!(gateway.metrics_at_the_end([FAILED]).await, [Some(1.0)]);
}

/// What waits on disk goes the same way.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_on_disk_leads_to_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let backend = PushBackend::answering([Reply::Status(503)], Reply::Status(204)).await;
    let extension =
        format!("\nextensions:\n  file_storage: {{directory: '{}', timeout: 1s}}\n", folder.path().display());
    let yaml = relay(&backend, "    sending_queue: {storage: file_storage}")
        .replace("\nservice:", "\nservice:\n  extensions: [file_storage]");
    let gateway = Gateway::start(&format!("{extension}{yaml}")).await;
    for name in ["first", "second"] {
        send(&gateway, name).await;
    }
    let pushes = backend.wait_for(3).await;
    let seen: Vec<_> = pushes.iter().flat_map(|push| names(push, &["first", "second"])).collect();
    assert_eq!(seen, ["first", "first", "second"]);
    gateway.stop().await;
}
