//! Rows that wait for others of their group, through a whole gateway: what the plugin decides about, and what reloads, failures and the end do to
//! what waits. Groups are spans of one name.

use wasmill_transport::Protocol;
use wasmill_wire::Signal;

use crate::language::{Backend, Client, Gateway, names, spans, spans_of, text_of};

/// A gateway whose plugin decides about groups as the fixture's `groups` does. `settings`: of `groups:`; `exporters` beside `otlp`.
struct Grouped {
    backend: Backend,
    other: Backend,
    _plugins: tempfile::TempDir,
    plugin: std::path::PathBuf,
}

impl Grouped {
    async fn new() -> Grouped {
        let plugins = tempfile::tempdir().unwrap();
        let plugin = plugins.path().join("groups.wasm");
        std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
        Grouped { backend: Backend::start().await, other: Backend::start().await, _plugins: plugins, plugin }
    }

    fn yaml(&self, groups: &str, config: &str) -> String {
        format!(
            r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0', include_metadata: true}}}}}}
processors:
  wasm/tail:
    plugin: '{}'
    group_by: name
    groups: {{{groups}}}
    config: {{do: groups, {config}}}
    limits: {{call_deadline: 50s}}
    routes: {{main: [otlp], other: [otlp/other]}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/other: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/tail], exporters: [otlp]}}
"#,
            self.plugin.display(),
            self.backend.grpc(),
            self.other.grpc(),
        )
    }
}

/// The plugin's marks, by span.
fn marks(requests: &[bytes::Bytes]) -> Vec<String> {
    let spans = requests.iter().flat_map(|request| spans_of(request));
    let mut marks: Vec<String> =
        spans.map(|span| format!("{} {}", span.name, text_of(&span.attributes, "group").concat())).collect();
    marks.sort();
    marks
}

/// Rows of several requests are decided together, when they have waited; rows that come later follow.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_decided_over_requests() {
    let rig = Grouped::new().await;
    let gateway = Gateway::start(&rig.yaml("wait: 3s", "at_least: 2")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "b"])).await.unwrap();
    client.spans(spans(&["a"])).await.unwrap();
    rig.backend.spans(2).await;
    assert_eq!(marks(&rig.backend.received(Signal::Traces)), ["a 0/2/wait", "a 0/2/wait"]);
    // `a` was kept, `b` dropped.
    client.spans(spans(&["b", "a", "b"])).await.unwrap();
    assert_eq!(names(&rig.backend.spans(3).await), ["a", "a", "a"]);
    let late = |decision: &str| {
        format!(r#"wasmill_groups_late_rows_total{{processor="wasm/tail",pipeline="traces",decision="{decision}"}}"#)
    };
    assert_eq!(gateway.metrics_at_the_end([&late("kept"), &late("dropped")]).await, [Some(1.0), Some(2.0)]);
}

/// A group goes where the plugin routes it, and so do its late rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_where_it_is_routed() {
    let rig = Grouped::new().await;
    let gateway = Gateway::start(&rig.yaml("wait: 500ms", "sets: [[main], [other]]")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "b", "a"])).await.unwrap();
    assert_eq!(names(&rig.backend.spans(2).await), ["a", "a"]);
    assert_eq!(names(&rig.other.spans(1).await), ["b"]);
    client.spans(spans(&["b", "a"])).await.unwrap();
    assert_eq!(names(&rig.other.spans(2).await), ["b", "b"]);
    assert_eq!(names(&rig.backend.spans(3).await), ["a", "a", "a"]);
}

/// A reload while rows wait: the new configuration decides about them. The end: what waits goes out first.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlives_a_reload() {
    let rig = Grouped::new().await;
    let gateway = Gateway::start(&rig.yaml("wait: 1h", "at_least: 100")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "b"])).await.unwrap();
    gateway.engine.reload(Gateway::config(&rig.yaml("wait: 1h", "at_least: 2"))).await.unwrap();
    client.spans(spans(&["a"])).await.unwrap();
    let left = gateway.stop().await;
    assert!(left.is_nothing(), "{left:?}");
    assert_eq!(marks(&rig.backend.received(Signal::Traces)), ["a 0/2/closed", "a 0/2/closed"]);
}

/// A reload that changes how rows wait decides about those that do.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_the_wait_sends_what_waits() {
    let rig = Grouped::new().await;
    let gateway = Gateway::start(&rig.yaml("wait: 1h", "at_least: 1")).await;
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    gateway.engine.reload(Gateway::config(&rig.yaml("wait: 30m", "at_least: 1"))).await.unwrap();
    rig.backend.spans(1).await;
    assert_eq!(marks(&rig.backend.received(Signal::Traces)), ["a 0/1/closed"]);
}

/// The plugin fails on what has waited: nobody would send it again, and it is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again() {
    let rig = Grouped::new().await;
    let gateway = Gateway::start(&rig.yaml("wait: 1h, rows_max: 2", "failing: 1")).await;
    gateway.grpc().await.spans(spans(&["a", "a"])).await.unwrap();
    rig.backend.spans(2).await;
    assert_eq!(marks(&rig.backend.received(Signal::Traces)), ["a 0/2/rows", "a 0/2/rows"]);
    let lost = r#"wasmill_groups_lost_rows_total{processor="wasm/tail",pipeline="traces"}"#;
    assert_eq!(gateway.metrics_at_the_end([lost]).await, [Some(0.0)]);
}

/// Nothing works any more: what is given up at the end is counted, and said.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_counted() {
    let rig = Grouped::new().await;
    let gateway = Gateway::start(&rig.yaml("wait: 1h", "failing: 1000")).await;
    gateway.grpc().await.spans(spans(&["a", "a", "b"])).await.unwrap();
    let lost = r#"wasmill_groups_lost_rows_total{processor="wasm/tail",pipeline="traces"}"#;
    assert_eq!(gateway.metrics_at_the_end([lost]).await, [Some(3.0)]);
}

/// Rows of two tenants are two groups.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_groups_of_their_own() {
    let rig = Grouped::new().await;
    let yaml = rig.yaml("wait: 1h, rows_max: 2, metadata_keys: [X-Tenant]", "at_least: 1");
    let gateway = Gateway::start(&yaml).await;
    let address = gateway.address(Protocol::Grpc).await;
    for tenant in ["one", "two", "one"] {
        Client::grpc_with(address, &[("x-tenant", tenant)]).spans(spans(&["a"])).await.unwrap();
    }
    rig.backend.spans(2).await;
    gateway.stop().await;
    let expected = ["a 0/1/closed", "a 0/2/rows", "a 0/2/rows"];
    assert_eq!(marks(&rig.backend.received(Signal::Traces)), expected);
}

/// A path that no signal has is refused, with the place.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_cannot_be_is_refused() {
    let rig = Grouped::new().await;
    let yaml = rig.yaml("wait: 1h", "at_least: 1").replace("group_by: name", "group_by: trace_idd");
    let Err(error) = Gateway::try_start(&yaml).await else { panic!("it started") };
    let lines = error.lines().join("\n");
    assert!(lines.contains("rows cannot be grouped") && lines.contains("trace_id"), "{lines}");
    let yaml = rig.yaml("wait: 1h", "at_least: 1").replace("traces: {receivers", "metrics: {receivers");
    let Err(error) = Gateway::try_start(&yaml).await else { panic!("it started") };
    let lines = error.lines().join("\n");
    assert!(lines.contains("rows of pipeline `metrics` cannot be grouped by `name`"), "{lines}");
}
