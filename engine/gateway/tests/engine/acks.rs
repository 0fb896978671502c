//! When a client is answered and with what: queues, retries, full queues, backends that are down.

use std::time::Duration;

use wasmill_batch::{Refusal, RefusalKind};
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, names, patiently, spans};

/// One exporter without plugins; `settings` are those of the exporter.
fn relay(backend: &Backend, settings: &str) -> String {
    format!(
        r#"
exporters:
  otlp:
    endpoint: '{}'
    tls: {{insecure: true}}
    timeout: 60s
    retry_on_failure: {{initial_interval: 1ms, max_interval: 5ms}}
{settings}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
"#,
        backend.grpc()
    )
}

fn unavailable() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "down for a while")
}

/// The backend is down for some attempts: the client was answered on acceptance, and the data arrives once, in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_comes_back_gets_everything_once() {
    let backend = Backend::start().await;
    backend.refuse_next((0..5).map(|_| unavailable()));
    let gateway = Gateway::start(&relay(&backend, "")).await;
    gateway.grpc().await.spans(spans(&["pay"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["pay"]);
    let left = gateway.stop().await;
    assert!(left.is_nothing(), "{left:?}");
    assert_eq!(names(&backend.received(Signal::Traces)), ["pay"]);
}

/// The backend says that the data is wrong: it is not sent again, and counted as lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_backend_refuses_for_good_is_not_retried() {
    let backend = Backend::start().await;
    backend.refuse_next([Refusal::new(RefusalKind::Invalid, "no")]);
    let gateway = Gateway::start(&relay(&backend, "")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["wrong"])).await.unwrap();
    backend.attempts(1).await;
    client.spans(spans(&["right"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["right"]);
    assert!(gateway.metric(r#"otelcol_exporter_send_failed_spans_total{exporter="otlp"}"#) == Some(1.0));
}

/// Without a queue the client is answered when the backend has answered, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_the_answer_is_the_backend_s() {
    let backend = Backend::start().await;
    backend.hold();
    let gateway = Gateway::start(&relay(&backend, "    sending_queue: {enabled: false}")).await;
    let client = gateway.grpc().await;
    let send = client.spans(spans(&["pay"]));
    let mut send = std::pin::pin!(send);
    tokio::select! {
        answer = &mut send => panic!("answered before the backend: {answer:?}"),
        () = backend.attempts(1) => {}
    }
    backend.release();
    send.await.unwrap();

    backend.refuse_next([Refusal::new(RefusalKind::Invalid, "not like this")]);
    let error = client.spans(spans(&["wrong"])).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("not like this"), "{error}");

    // Retried on the client's behalf before it hears of it.
    backend.refuse_next((0..3).map(|_| unavailable()));
    client.spans(spans(&["again"])).await.unwrap();
    assert_eq!(names(&backend.received(Signal::Traces)), ["pay", "again"]);
}

/// A client that goes away does not take its request with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_its_request() {
    let backend = Backend::start().await;
    backend.hold();
    let gateway = Gateway::start(&relay(&backend, "    sending_queue: {enabled: false}")).await;
    {
        let client = gateway.grpc().await;
        let send = client.spans(spans(&["pay"]));
        tokio::select! {
            answer = send => panic!("answered before the backend: {answer:?}"),
            () = backend.attempts(1) => {}
        }
    }
    backend.release();
    assert_eq!(names(&backend.spans(1).await), ["pay"]);
}

/// The queue is full: `refuse` tells the client to come back, which loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_says_to_retry() {
    let backend = Backend::start().await;
    backend.hold();
    let gateway = Gateway::start(&relay(&backend, "    sending_queue: {queue_size: 2, num_consumers: 1}")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["first"])).await.unwrap();
    client.spans(spans(&["second"])).await.unwrap();
    let error = client.spans(spans(&["third"])).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("full"), "{error}");
    let size = r#"otelcol_exporter_queue_size{exporter="otlp",data_type="traces"}"#;
    assert_eq!(gateway.metric(size), Some(2.0));
    backend.release();
    backend.spans(2).await;
    let left = gateway.stop().await;
    assert!(left.is_nothing(), "{left:?}");
    assert_eq!(names(&backend.received(Signal::Traces)), ["first", "second"]);
}

/// The queue is full: `drop_newest` acks and counts, `block` waits for room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_drops_or_blocks_where_it_is_told_to() {
    let backend = Backend::start().await;
    backend.hold();
    let dropping = "    on_full: drop_newest\n    sending_queue: {queue_size: 1, num_consumers: 1}";
    let gateway = Gateway::start(&relay(&backend, dropping)).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["kept"])).await.unwrap();
    client.spans(spans(&["dropped", "dropped"])).await.unwrap();
    assert_eq!(gateway.metric(r#"otelcol_exporter_enqueue_failed_spans_total{exporter="otlp"}"#), Some(2.0));
    backend.release();
    assert_eq!(names(&backend.spans(1).await), ["kept"]);

    let backend = Backend::start().await;
    backend.hold();
    let blocking = "    on_full: block\n    sending_queue: {queue_size: 1, num_consumers: 1}";
    let gateway = Gateway::start(&relay(&backend, blocking)).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["first"])).await.unwrap();
    backend.attempts(1).await;
    let second = client.spans(spans(&["second"]));
    let released = async {
        backend.release();
        backend.spans(2).await
    };
    let (answer, requests) = patiently("room in the queue", async { tokio::join!(second, released) }).await;
    answer.unwrap();
    assert_eq!(names(&requests), ["first", "second"]);
}

/// Two backends, one down: the other gets the data at once, and the client is told of the one without a queue.
#[tokio::test(flavor = "multi_thread")]
async fn one_backend_down_does_not_hold_up_the_other() {
    let (up, down) = (Backend::start().await, Backend::start().await);
    down.hold();
    let gateway = Gateway::start(&format!(
        r#"
exporters:
  otlp/up: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/down: {{endpoint: '{}', tls: {{insecure: true}}, timeout: 60s}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp/down, otlp/up]}}
"#,
        up.grpc(),
        down.grpc()
    ))
    .await;
    let client = gateway.grpc().await;
    for i in 0..20 {
        client.spans(spans(&[i.to_string()])).await.unwrap();
    }
    assert_eq!(up.spans(20).await.len(), 20);
    assert!(down.received(Signal::Traces).is_empty());
    down.release();
    assert_eq!(down.spans(20).await.len(), 20);
}

fn fan_out(up: &Backend, down: &Backend) -> String {
    let exporter = |backend: &Backend| {
        format!(
            "{{endpoint: '{}', tls: {{insecure: true}}, timeout: 60s, sending_queue: {{enabled: false}}, \
             retry_on_failure: {{initial_interval: 1ms, max_interval: 5ms}}}}",
            backend.grpc()
        )
    };
    format!(
        r#"
exporters:
  otlp/up: {}
  otlp/down: {}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp/down, otlp/up]}}
"#,
        exporter(up),
        exporter(down)
    )
}

/// Two backends without queues, one down for some attempts: it is tried again on the client's behalf, and the other one gets
/// everything once.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_for_one_backend_does_not_reach_the_other() {
    let (up, down) = (Backend::start().await, Backend::start().await);
    down.refuse_next((0..5).map(|_| unavailable()));
    let gateway = Gateway::start(&fan_out(&up, &down)).await;
    gateway.grpc().await.spans(spans(&["pay"])).await.unwrap();
    assert_eq!(names(&down.received(Signal::Traces)), ["pay"]);
    assert_eq!(names(&up.received(Signal::Traces)), ["pay"]);
    up.attempts(1).await;
}

/// Two backends end differently: the client hears what lets it lose nothing. A refusal for good counts more than a delivery.
#[tokio::test(flavor = "multi_thread")]
async fn the_outcomes_of_two_backends_are_one_answer() {
    let (up, down) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(&fan_out(&up, &down)).await;
    down.refuse_next([Refusal::new(RefusalKind::Invalid, "never")]);
    let error = gateway.grpc().await.spans(spans(&["pay"])).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("never"), "{error}");
    assert_eq!(names(&up.received(Signal::Traces)), ["pay"], "the other one has it");
}

/// The backend takes a request in part: what it took is delivered, what it did not is counted, and the client is not told to send
/// everything again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_backend_takes_in_part_is_delivered() {
    let backend = Backend::start().await;
    backend.reject_rows(2);
    let gateway = Gateway::start(&relay(&backend, "    sending_queue: {enabled: false}")).await;
    gateway.grpc().await.spans(spans(&["a", "b", "c"])).await.unwrap();
    backend.attempts(1).await;
    assert_eq!(gateway.metric(r#"otelcol_exporter_sent_spans_total{exporter="otlp"}"#), Some(1.0));
    assert_eq!(gateway.metric(r#"otelcol_exporter_send_failed_spans_total{exporter="otlp"}"#), Some(2.0));
}

/// The backend stays down over the end of the gateway: it ends in time, and says what it could not deliver.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_reports_what_was_left() {
    let backend = Backend::start().await;
    backend.hold();
    let gateway = Gateway::start(&relay(&backend, "")).await;
    gateway.grpc().await.spans(spans(&["a", "b", "c"])).await.unwrap();
    backend.attempts(1).await;
    let left = gateway.engine.shutdown(Duration::from_millis(50)).await;
    assert_eq!((left.queued.requests, left.queued.rows), (1, 3), "{left:?}");
}
