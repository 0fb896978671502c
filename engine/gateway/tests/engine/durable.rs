//! Queues on disk: restarts, reloads, folders that are somebody else's, damage.

use std::fs;
use std::path::{Path, PathBuf};

use wasmill_batch::{Refusal, RefusalKind};
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, logs, names, spans};

/// Exporters by name, each with its backend, whose queues are in `folder`. Retries come after a minute: in the tests, never.
fn queued(folder: &Path, exporters: &[(&str, &Backend)]) -> String {
    let exporter = |(name, backend): &(&str, &Backend)| {
        format!(
            "  {name}:
    endpoint: '{}'
    tls: {{insecure: true}}
    timeout: 60s
    retry_on_failure: {{initial_interval: 60s, max_interval: 60s}}
    sending_queue: {{storage: file_storage, num_consumers: 1}}\n",
            backend.grpc()
        )
    };
    let names: Vec<&str> = exporters.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    format!(
        "
extensions:
  file_storage: {{directory: '{}', timeout: 1s}}
exporters:
{}
service:
  extensions: [file_storage]
  pipelines:
    traces: {{receivers: [otlp], exporters: [{names}]}}
    logs: {{receivers: [otlp], exporters: [{names}]}}
",
        folder.display(),
        exporters.iter().map(exporter).collect::<String>()
    )
}

/// A backend that is down for longer than the test.
async fn down() -> Backend {
    let backend = Backend::start().await;
    backend.refuse_next((0..1_000).map(|_| Refusal::new(RefusalKind::Unavailable, "down")));
    backend
}

const QUEUE_SIZE: &str = r#"otelcol_exporter_queue_size{exporter="otlp",data_type="traces"}"#;

/// The backend is down, clients are answered, and the gateway ends: the next one delivers everything, in order, and then nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_is_delivered_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (down, up) = (down().await, Backend::start().await);
    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &down)])).await;
    let client = gateway.grpc().await;
    for name in ["a", "b", "c"] {
        client.spans(spans(&[name])).await.unwrap();
    }
    down.attempts(1).await;
    assert_eq!(gateway.metric(QUEUE_SIZE), Some(3.0));
    assert!(gateway.stop().await.is_nothing(), "what is on disk is not lost");

    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &up)])).await;
    assert_eq!(names(&up.spans(3).await), ["a", "b", "c"]);
    gateway.grpc().await.spans(spans(&["d"])).await.unwrap();
    up.spans(4).await;
    assert!(gateway.stop().await.is_nothing());

    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &up)])).await;
    assert_eq!(gateway.metric(QUEUE_SIZE), Some(0.0), "each was acknowledged");
    gateway.stop().await;
    assert_eq!(names(&up.received(Signal::Traces)), ["a", "b", "c", "d"]);
}

/// A reload moves an exporter to another backend: what the old one waits to send again goes to the new one at once, and nothing
/// is sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_moved_exporter_takes_its_queue_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (down, up) = (down().await, Backend::start().await);
    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &down)])).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["before"])).await.unwrap();
    down.attempts(1).await;
    gateway.engine.reload(Gateway::config(&queued(folder.path(), &[("otlp", &up)]))).await.unwrap();
    client.spans(spans(&["after"])).await.unwrap();
    assert_eq!(names(&up.spans(2).await), ["before", "after"]);
    assert!(gateway.stop().await.is_nothing());
    assert_eq!(up.received(Signal::Traces).len(), 2);
}

/// An exporter gets another name: what it had waits, and is its own again when the name is.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_its_exporter_s_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (down, up) = (down().await, Backend::start().await);
    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &down)])).await;
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    gateway.stop().await;

    let gateway = Gateway::start(&queued(folder.path(), &[("otlp/renamed", &up)])).await;
    gateway.grpc().await.spans(spans(&["b"])).await.unwrap();
    assert_eq!(names(&up.spans(1).await), ["b"]);
    gateway.stop().await;

    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &up)])).await;
    assert_eq!(names(&up.spans(2).await), ["b", "a"]);
    gateway.stop().await;
}

/// Two exporters and two signals keep their queues in one folder: each delivers its own.
#[tokio::test(flavor = "multi_thread")]
async fn exporters_and_signals_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (down().await, down().await);
    let gateway = Gateway::start(&queued(folder.path(), &[("otlp/a", &a), ("otlp/b", &b)])).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["span"])).await.unwrap();
    client.send(Signal::Logs, logs(&["log"])).await.unwrap();
    gateway.stop().await;
    let (a, b) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(&queued(folder.path(), &[("otlp/a", &a), ("otlp/b", &b)])).await;
    for backend in [&a, &b] {
        assert_eq!(backend.requests(Signal::Traces, 1).await, [spans(&["span"])]);
        assert_eq!(backend.requests(Signal::Logs, 1).await, [logs(&["log"])]);
    }
    gateway.stop().await;
}

/// A second gateway is started on a folder that one has, and one on a folder that cannot be made: both say which key and why.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_had_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::start().await;
    let configuration = queued(folder.path(), &[("otlp", &backend)]);
    let gateway = Gateway::start(&configuration).await;
    let Err(error) = Gateway::try_start(&configuration).await else { panic!("two have one folder") };
    let lines = error.lines().join("\n");
    assert!(lines.contains("`extensions::file_storage::directory`"), "{lines}");
    assert!(lines.contains("in use by another process"), "{lines}");
    // The first one does not notice.
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    backend.spans(1).await;
    gateway.stop().await;
    // Not even the superuser writes there.
    let Err(error) = Gateway::try_start(&queued(Path::new("/proc/wasmill"), &[("otlp", &backend)])).await else {
        panic!("it was made")
    };
    let lines = error.lines().join("\n");
    assert!(lines.contains("`extensions::file_storage::directory`") && lines.contains("/proc/wasmill"), "{lines}");
}

/// A bit of a request on disk flips between two runs: it is counted, and the others arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_costs_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let (down, up) = (down().await, Backend::start().await);
    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &down)])).await;
    let client = gateway.grpc().await;
    for name in ["first", "second", "third"] {
        client.spans(spans(&[name])).await.unwrap();
    }
    gateway.stop().await;
    let segment = segment(&folder.path().join("otlp.traces"));
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(6).position(|bytes| bytes == b"second").expect("it is not compressed");
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let gateway = Gateway::start(&queued(folder.path(), &[("otlp", &up)])).await;
    assert_eq!(names(&up.spans(2).await), ["first", "third"]);
    assert_eq!(gateway.metric(r#"wasmill_exporter_queue_damaged_total{exporter="otlp"}"#), Some(1.0));
    gateway.stop().await;
}

/// The file of records in a log's folder.
fn segment(log: &Path) -> PathBuf {
    let files = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().expect("a segment")
}

/// `wait_for_result`: the client hears what the backend said, and the queue bounds how many wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_waits_answers_with_the_result() {
    let backend = Backend::start().await;
    backend.hold();
    let gateway = Gateway::start(&format!(
        "
exporters:
  otlp:
    endpoint: '{}'
    tls: {{insecure: true}}
    timeout: 60s
    sending_queue: {{wait_for_result: true, queue_size: 1}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
",
        backend.grpc()
    ))
    .await;
    let client = gateway.grpc().await;
    let mut first = std::pin::pin!(client.spans(spans(&["first"])));
    tokio::select! {
        answer = &mut first => panic!("answered before the backend: {answer:?}"),
        () = backend.attempts(1) => {}
    }
    let error = client.spans(spans(&["second"])).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("full"), "{error}");
    backend.refuse_next([Refusal::new(RefusalKind::Invalid, "not like this")]);
    backend.release();
    let error = first.await.unwrap_err();
    assert!(error.to_string().contains("not like this"), "{error}");
}
