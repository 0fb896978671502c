//! `sending_queue::batch` in a whole gateway: what backends get, who hears of it, and what a restart finds.

use std::path::Path;

use wasmill_batch::{Refusal, RefusalKind};
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, logs, names, spans, spans_of};

/// One exporter with this queue.
fn queued(backend: &Backend, queue: &str, storage: Option<&Path>) -> String {
    let (extension, service) = storage.map_or_else(Default::default, |folder| {
        let extension = format!("extensions:\n  file_storage: {{directory: '{}'}}\n", folder.display());
        (extension, "  extensions: [file_storage]\n")
    });
    format!(
        "
{extension}exporters:
  otlp:
    endpoint: '{}'
    tls: {{insecure: true}}
    timeout: 60s
    retry_on_failure: {{initial_interval: 60s, max_interval: 60s}}
    sending_queue: {{{queue}}}
service:
{service}  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
    logs: {{receivers: [otlp], exporters: [otlp]}}
",
        backend.grpc()
    )
}

/// How many spans each request had.
fn sizes(requests: &[bytes::Bytes]) -> Vec<usize> {
    requests.iter().map(|request| spans_of(request).len()).collect()
}

const QUEUE_SIZE: &str = r#"otelcol_exporter_queue_size{exporter="otlp",data_type="traces"}"#;

/// Scenario: small requests, then a large one, with a batch of 4 spans at least and at most.
/// Guarantee: the backend gets batches of that size, in order, what is left waits; logs have batches of their own.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_the_queue_is_sent_as_one_request() {
    let backend = Backend::start().await;
    let batch = "num_consumers: 1, batch: {min_size: 4, max_size: 4, flush_timeout: 1h}";
    let gateway = Gateway::start(&queued(&backend, batch, None)).await;
    let client = gateway.grpc().await;
    for name in ["a", "b", "c"] {
        client.spans(spans(&[name])).await.unwrap();
    }
    client.send(Signal::Logs, logs(&["1", "2", "3", "4"])).await.unwrap();
    assert_eq!(backend.requests(Signal::Logs, 1).await.len(), 1);
    assert!(backend.received(Signal::Traces).is_empty(), "three are too few");
    client.spans(spans(&["d", "e", "f", "g", "h", "i"])).await.unwrap();
    let requests = backend.spans(8).await;
    assert_eq!(sizes(&requests), [4, 4]);
    assert_eq!(names(&requests), ["a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(gateway.metric(QUEUE_SIZE), Some(1.0), "what is not sent whole is in the queue");
    assert!(gateway.stop().await.is_nothing());
    let requests = backend.received(Signal::Traces);
    assert_eq!(names(&requests)[8..], ["i"], "the end waits for nobody");
}

/// Scenario: a batch limit in bytes, a request of many times that, and one of a single span that is larger than it.
/// Guarantee: no batch of more spans than one is larger than the limit, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_at_most_so_many_bytes() {
    let backend = Backend::start().await;
    let batch = "num_consumers: 1, batch: {sizer: bytes, min_size: 1000, max_size: 1000, flush_timeout: 10ms}";
    let gateway = Gateway::start(&queued(&backend, batch, None)).await;
    let client = gateway.grpc().await;
    let many: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    client.spans(spans(&many)).await.unwrap();
    let large = "x".repeat(2_000);
    client.spans(spans(&[&large])).await.unwrap();
    let requests = backend.spans(101).await;
    for request in &requests {
        assert!(request.len() <= 1000 || spans_of(request).len() == 1, "{} bytes", request.len());
    }
    assert!(sizes(&requests).iter().any(|spans| *spans > 1));
    let mut expected = many;
    expected.push(large);
    assert_eq!(names(&requests), expected);
}

/// Scenario: clients wait for the result; the backend takes no request with one of their spans in it.
/// Guarantee: the batch is sent source by source, and each client hears what became of its own.
#[tokio::test(flavor = "multi_thread")]
async fn each_client_hears_of_its_own_request() {
    let backend = Backend::start().await;
    backend.refuse_containing("bad", Refusal::new(RefusalKind::Invalid, "bad data"));
    let batch = "wait_for_result: true, batch: {min_size: 3, flush_timeout: 1h}";
    let gateway = Gateway::start(&queued(&backend, batch, None)).await;
    let client = gateway.grpc().await;
    let (one, bad, two) =
        tokio::join!(client.spans(spans(&["one"])), client.spans(spans(&["bad"])), client.spans(spans(&["two"])));
    one.unwrap();
    two.unwrap();
    assert!(!bad.unwrap_err().refusal().is_retryable());
    let mut found = names(&backend.spans(2).await);
    found.sort();
    assert_eq!(found, ["one", "two"]);
}

/// Scenario: tenants by a header; without the header configured as a partition they would be sent together.
/// Guarantee: no request has spans of two tenants.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_not_sent_together() {
    let backend = Backend::start().await;
    let batch = "num_consumers: 1, batch: {min_size: 4, flush_timeout: 1h, partition: {metadata_keys: [X-Tenant]}}";
    let receivers = "\nreceivers:\n  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0', include_metadata: true}}}\n";
    let gateway = Gateway::start(&(receivers.to_owned() + &queued(&backend, batch, None))).await;
    let address = gateway.address(wasmill_transport::Protocol::Grpc).await;
    let tenants = ["a", "b"].map(|tenant| crate::language::Client::grpc_with(address, &[("x-tenant", tenant)]));
    for number in 0..8 {
        let tenant = number % 2;
        tenants[tenant].spans(spans(&[format!("{tenant}")])).await.unwrap();
    }
    for request in backend.spans(8).await {
        let names = names(&[request]);
        assert!(names.len() == 4 && names.iter().all(|name| *name == names[0]), "{names:?}");
    }
}

/// Scenario: a queue on disk with requests that wait for a batch, and a backend that is down; the gateway ends and starts again.
/// Guarantee: what was not delivered is in the next one's batches, once, and then nothing is left on disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_on_disk_is_batched_too() {
    let folder = tempfile::tempdir().unwrap();
    let (down, up) = (Backend::start().await, Backend::start().await);
    down.refuse_next((0..1_000).map(|_| Refusal::new(RefusalKind::Unavailable, "down")));
    let batch = "storage: file_storage, num_consumers: 1, batch: {min_size: 3, max_size: 4, flush_timeout: 1h}";
    let gateway = Gateway::start(&queued(&down, batch, Some(folder.path()))).await;
    let client = gateway.grpc().await;
    for name in ["a", "b", "c", "d", "e"] {
        client.spans(spans(&[name])).await.unwrap();
    }
    down.attempts(1).await;
    assert_eq!(gateway.metric(QUEUE_SIZE), Some(5.0), "what is gathered is in the queue");
    assert!(gateway.stop().await.is_nothing(), "what is on disk is not lost");

    let gateway = Gateway::start(&queued(&up, batch, Some(folder.path()))).await;
    gateway.grpc().await.spans(spans(&["f"])).await.unwrap();
    let requests = up.spans(6).await;
    assert_eq!(names(&requests), ["a", "b", "c", "d", "e", "f"]);
    assert!(sizes(&requests).iter().all(|size| (3..=4).contains(size)), "{:?}", sizes(&requests));
    assert!(gateway.stop().await.is_nothing());
    let gateway = Gateway::start(&queued(&up, batch, Some(folder.path()))).await;
    assert_eq!(gateway.metric(QUEUE_SIZE), Some(0.0), "each was acknowledged");
}

/// Scenario: the backend holds the only batch that may be under way.
/// Guarantee: nothing more is gathered, the queue fills, and clients are told to retry.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_backend_fills_the_queue() {
    let backend = Backend::start().await;
    backend.hold();
    let batch = "num_consumers: 1, queue_size: 3, batch: {min_size: 1, flush_timeout: 1h}";
    let gateway = Gateway::start(&queued(&backend, batch, None)).await;
    let client = gateway.grpc().await;
    for name in ["a", "b", "c"] {
        client.spans(spans(&[name])).await.unwrap();
    }
    assert!(client.spans(spans(&["d"])).await.is_err());
    backend.release();
    backend.spans(3).await;
    client.spans(spans(&["d"])).await.unwrap();
    assert_eq!(names(&backend.spans(4).await), ["a", "b", "c", "d"]);
}
