//! Log records become pushes to Loki: whose they are, what is sent again and what is not, what is counted.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use wasmill_transport::Protocol;
use wasmill_wire::Signal;

use crate::language::{Client, Gateway, WebBackend, attribute, logs, text_value};

/// `logproto.PushRequest`, as far as it is looked at.
#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "2")]
    line: String,
}

fn lines(body: &Bytes) -> Vec<String> {
    let bytes = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
    let request = PushRequest::decode(&*bytes).expect("a push");
    request.streams.into_iter().flat_map(|stream| stream.entries).map(|entry| entry.line).collect()
}

fn labels(body: &Bytes) -> Vec<String> {
    let bytes = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
    PushRequest::decode(&*bytes).expect("a push").streams.into_iter().map(|stream| stream.labels).collect()
}

/// A pipeline of logs to Loki; `settings` are keys of the exporter.
fn to_loki(backend: &WebBackend, settings: &str) -> String {
    format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0', include_metadata: true}}}}}}
exporters:
  loki: {{endpoint: 'http://{}/loki/api/v1/push', retry_on_failure: {{initial_interval: 1ms}}{settings}}}
service:
  pipelines:
    logs: {{receivers: [otlp], exporters: [loki]}}
"#,
        backend.address()
    )
}

/// Records with these bodies and an attribute.
fn logs_with(bodies: &[&str], key: &str, values: &[&str]) -> Bytes {
    let records = bodies.iter().zip(values).map(|(body, value)| LogRecord {
        time_unix_nano: 1_000,
        body: text_value(body),
        attributes: vec![attribute(key, value)],
        ..LogRecord::default()
    });
    let scope = ScopeLogs { log_records: records.collect(), ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec().into()
}

const SENT: &str = r#"otelcol_exporter_sent_log_records_total{exporter="loki"}"#;
const FAILED: &str = r#"otelcol_exporter_send_failed_log_records_total{exporter="loki"}"#;
const ALTERED: &str = r#"wasmill_exporter_altered_rows_total{exporter="loki"}"#;

/// Scenario: a request of some records, in each encoding.
/// Guarantee: one push, as Loki's protocol has it, to the URL that was given, with the headers that were given.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_pushed() {
    let backend = WebBackend::start().await;
    let gateway = Gateway::start(&to_loki(&backend, ", headers: {X-Scope-OrgID: shop}")).await;
    gateway.grpc().await.send(Signal::Logs, logs(&["a", "b"])).await.unwrap();
    let push = backend.requests(1).await.remove(0);
    assert_eq!((&*push.path, push.header("content-type")), ("/loki/api/v1/push", "application/x-protobuf"));
    assert_eq!((push.header("x-scope-orgid"), push.header("content-encoding")), ("shop", ""));
    assert_eq!(lines(&push.body), ["a", "b"]);
    assert_eq!(labels(&push.body).len(), 1);
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await, [Some(2.0), Some(0.0)]);

    let gateway = Gateway::start(&to_loki(&backend, ", encoding: json")).await;
    gateway.grpc().await.send(Signal::Logs, logs(&["a"])).await.unwrap();
    let push = backend.requests(2).await.remove(1);
    assert_eq!((push.header("content-type"), push.header("x-scope-orgid")), ("application/json", ""));
    let json: serde_json::Value = serde_json::from_slice(&push.body).expect("JSON");
    assert_eq!(json["streams"][0]["values"][0][1], "a");
    gateway.stop().await;
}

/// Scenario: tenants by a header of the request, by `headers_setter`, by an attribute, by a hint, which goes before; and names that are
/// none of a tenant.
/// Guarantee: each record is pushed with its tenant's header, and those of no tenant to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_its_tenants() {
    let backend = WebBackend::start().await;
    let mut seen = 0;
    let setter = ", auth: {authenticator: headers_setter}";
    type Headers = [(&'static str, &'static str)];
    let cases: [(&str, &Headers, Bytes, &Headers); 6] = [
        (", tenant: {source: context, value: X-Tenant}", &[("x-tenant", "a")], logs(&["1"]), &[("a", "1")]),
        (", tenant: {source: context, value: X-Tenant}", &[], logs(&["1"]), &[("", "1")]),
        (setter, &[("x-tenant", "b")], logs(&["1"]), &[("b", "1")]),
        (
            ", tenant: {source: attributes, value: org}",
            &[],
            logs_with(&["1", "2", "3"], "org", &["c", "d", "c"]),
            &[("c", "1,3"), ("d", "2")],
        ),
        (
            ", tenant: {source: static, value: e}",
            &[],
            logs_with(&["1", "2"], "loki.tenant", &["org", "org"]),
            &[("e", "1,2")],
        ),
        (setter, &[("x-tenant", "f")], logs_with(&["1", "2"], "org", &["g", "not/one"]), &[("f", "1,2")]),
    ];
    for (settings, headers, request, expected) in cases {
        let mut yaml = to_loki(&backend, settings);
        if settings == setter {
            yaml = yaml.replace("\nservice:\n", "\nextensions:\n  headers_setter: {headers: [{key: X-Scope-OrgID, from_context: X-Tenant}]}\nservice:\n  extensions: [headers_setter]\n");
        }
        let gateway = Gateway::start(&yaml).await;
        let client = Client::grpc_with(gateway.address(Protocol::Grpc).await, headers);
        client.send(Signal::Logs, request).await.unwrap();
        let arrived = backend.requests(seen + expected.len()).await;
        let pushed: Vec<(String, String)> = arrived[seen..]
            .iter()
            .map(|push| (push.header("x-scope-orgid").to_owned(), lines(&push.body).join(",")))
            .collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|(tenant, lines)| ((*tenant).to_owned(), (*lines).to_owned())).collect();
        assert_eq!(pushed, expected, "{settings}");
        seen = arrived.len();
        gateway.stop().await;
    }
    for (settings, header) in [
        (", tenant: {source: context, value: X-Tenant}", "not/one"),
        (", tenant: {source: attributes, value: org}", "unused"),
    ] {
        let gateway = Gateway::start(&to_loki(&backend, settings)).await;
        let client = Client::grpc_with(gateway.address(Protocol::Grpc).await, &[("x-tenant", header)]);
        client.send(Signal::Logs, logs_with(&["1"], "org", &["not/one"])).await.unwrap();
        assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await, [Some(0.0), Some(1.0)]);
    }
    assert_eq!(backend.requests(seen).await.len(), seen);
}

/// Scenario: a request that is several pushes; one of them is refused for now, with a time to wait, and then by an internal error.
/// Guarantee: what was taken is not sent again, the time is kept, and all of it arrives in the end.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_not_sent_again() {
    let backend = WebBackend::start().await;
    backend.answer_next([(204, "")]);
    backend.throttle_next(429, 1);
    backend.answer_next([(500, "at least 1 live replicas required")]);
    let gateway = Gateway::start(&to_loki(&backend, ", limits: {max_push_size: 1KiB}")).await;
    let bodies = ["a", "b", "c"].map(|name| name.repeat(800));
    let started = std::time::Instant::now();
    gateway.grpc().await.send(Signal::Logs, logs(&bodies)).await.unwrap();
    let arrived = backend.requests(5).await;
    assert!(started.elapsed() >= std::time::Duration::from_secs(1), "Retry-After was not kept");
    let seen: Vec<(u16, String)> =
        arrived.iter().map(|push| (push.status, lines(&push.body).concat()[..1].to_owned())).collect();
    let expected = [(204, "a"), (429, "b"), (500, "b"), (204, "b"), (204, "c")];
    assert_eq!(seen, expected.map(|(status, line)| (status, line.to_owned())));
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED]).await, [Some(3.0), Some(0.0)]);
}

/// Scenario: Loki takes a push in part, or leaves streams without saying how much that is, or does not take it.
/// Guarantee: nothing is sent again; what is known is counted, and what is not known is counted as failed.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_final_and_counted() {
    let old = "entry for stream '{a=\"b\"}' has timestamp too old: 2022-09-01T00:00:00Z, oldest acceptable timestamp is: 2022-09-14T00:00:00Z";
    let cases = [
        (400, old.to_owned(), [2.0, 1.0]),
        (400, format!("2 errors like: {old}"), [1.0, 2.0]),
        (400, format!("3 errors like: {old}"), [0.0, 3.0]),
        (
            400,
            format!(
                "{}user 'fake', total ignored: 2 out of 3 for stream: {{}}",
                "entry with timestamp x ignored, ".repeat(20)
            ),
            [1.0, 2.0],
        ),
        (400, "stream '{}' has label value too long: 'a'".to_owned(), [0.0, 3.0]),
        (400, "couldn't parse push request".to_owned(), [0.0, 3.0]),
        (413, "too large".to_owned(), [0.0, 3.0]),
        (401, "no org id".to_owned(), [0.0, 3.0]),
    ];
    for (status, body, expected) in cases {
        let backend = WebBackend::start().await;
        backend.answer_next([(status, &*body)]);
        let gateway = Gateway::start(&to_loki(&backend, "")).await;
        gateway.grpc().await.send(Signal::Logs, logs(&["a", "b", "c"])).await.unwrap();
        let counted = gateway.metrics_at_the_end([SENT, FAILED]).await;
        assert_eq!(counted, expected.map(Some), "{status} {body}");
        assert_eq!(backend.requests(1).await.len(), 1, "{status} {body}");
    }
}

/// Scenario: a queue on disk; a line that is longer than Loki takes; a gateway that ends before Loki answers.
/// Guarantee: the next gateway pushes the same, cut, and counts it.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_disk_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let backend = WebBackend::start().await;
    let yaml = to_loki(&backend, ", sending_queue: {storage: file_storage}, limits: {max_line_size: 10B}").replace(
        "\nservice:\n",
        &format!(
            "\nextensions:\n  file_storage: {{directory: '{}'}}\nservice:\n  extensions: [file_storage]\n",
            folder.path().display()
        ),
    );
    // Refused until it ends: what waits goes back to the disk.
    // Within `max_elapsed_time`: beyond it the request would be given up.
    backend.throttle_next(503, 100);
    let gateway = Gateway::start(&yaml).await;
    gateway.grpc().await.send(Signal::Logs, logs(&["short", "longer than ten"])).await.unwrap();
    backend.requests(1).await;
    gateway.stop().await;
    let gateway = Gateway::start(&yaml).await;
    let push = backend.requests(2).await.remove(1);
    assert_eq!(lines(&push.body), ["short", "longer tha"]);
    assert_eq!(gateway.metrics_at_the_end([SENT, FAILED, ALTERED]).await, [Some(2.0), Some(0.0), Some(1.0)]);
}
