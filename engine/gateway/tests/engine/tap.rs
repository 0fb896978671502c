//! Taps on whole engines: what a plugin made of a record is what is shown, over swaps, for several listeners, with conditions and masks.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, duplex};
use wasmill::engine::TapError;
use wasmill::tap::{Side, TapSpec};
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, logs, patiently, spans, stamping};

/// Lines that a listener is written.
struct Listener(BufReader<DuplexStream>);

impl Listener {
    async fn start(gateway: &Gateway, spec: TapSpec) -> Listener {
        let tap = gateway.engine.tap(&spec).await.unwrap_or_else(|error| panic!("{error}"));
        let (near, far) = duplex(1 << 20);
        let engine = Arc::downgrade(&gateway.engine);
        tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(near);
            let serves = |tap: &_| engine.upgrade().map(|engine| engine.serves_at(tap)).unwrap_or_default();
            tap.run(serves, reader, writer).await;
        });
        Listener(BufReader::new(far))
    }

    /// The next line of a type; others are passed over.
    async fn next(&mut self, kind: &str) -> Value {
        patiently(kind, async {
            loop {
                let mut line = String::new();
                assert!(self.0.read_line(&mut line).await.unwrap() > 0, "it goes on");
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["type"] == kind {
                    return line;
                }
            }
        })
        .await
    }

    async fn record(&mut self) -> Value {
        self.next("record").await
    }
}

fn at(stage: &str) -> TapSpec {
    TapSpec { stage: Some(stage.to_owned()), limit: 1000, ..TapSpec::default() }
}

fn edits(backend: &Backend) -> String {
    format!(
        r#"
processors:
  wasm/drop: {{plugin: 'builtin:filter', config: {{drop: ['name == "health"']}}}}
  wasm/edit:
    plugin: 'builtin:enrich'
    config:
      statements:
        - 'set(name, "paid") where name == "pay"'
        - 'set(attributes["team"], "payments") where name == "paid"'
        - 'set(attributes["password"], "hunter2") where name == "paid"'
        - 'set(resource.attributes["service.name"], "till") where name == "paid"'
  wasm/route: {{plugin: 'builtin:route', config: {{rules: [{{when: 'name == "paid"', to: [slow]}}]}}, routes: {{slow: [otlp/slow]}}}}
exporters:
  otlp: {{endpoint: '{0}', tls: {{insecure: true}}}}
  otlp/slow: {{endpoint: '{0}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/drop, wasm/edit, wasm/route], exporters: [otlp]}}
    traces/beside: {{receivers: [otlp], processors: [wasm/drop], exporters: [otlp]}}
    logs: {{receivers: [otlp], exporters: [otlp]}}
"#,
        backend.grpc()
    )
}

/// A stage drops, the next one edits, the last one routes: listeners at each see just that, two at one stage the same, and what is masked
/// by default is.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stage_makes_of_a_record_is_shown() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&edits(&backend)).await;
    let of_traces = |stage: &str| TapSpec { pipeline: Some("traces".to_owned()), ..at(stage) };
    let mut dropping = Listener::start(&gateway, of_traces("wasm/drop")).await;
    let mut editing = Listener::start(&gateway, at("wasm/edit")).await;
    let mut also_editing = Listener::start(&gateway, TapSpec { side: Side::After, ..at("wasm/edit") }).await;
    let mut routing = Listener::start(&gateway, at("wasm/route")).await;
    assert!(matches!(gateway.engine.tap(&at("wasm/edit")).await, Err(TapError::Full)));
    gateway.grpc().await.spans(spans(&["health", "pay", "ship"])).await.unwrap();

    let dropped = [dropping.record().await, dropping.record().await, dropping.record().await];
    let outcomes = dropped.each_ref().map(|shown| (shown["record"]["name"].clone(), shown["outcome"].clone()));
    let expected = [("health", "dropped"), ("pay", "kept"), ("ship", "kept")];
    assert_eq!(outcomes, expected.map(|(name, outcome)| (json!(name), json!(outcome))));
    assert_eq!(dropped[0]["to"], Value::Null, "it goes nowhere");
    assert_eq!(dropped[1]["to"], json!(["otlp"]));
    assert_eq!((&dropped[1]["pipeline"], &dropped[1]["stage"]), (&json!("traces"), &json!("wasm/drop")));

    let edited = editing.record().await;
    let expected = json!([
        {"path": "name", "change": "changed", "before": "pay", "after": "paid"},
        {"path": "resource.attributes[\"service.name\"]", "change": "changed", "before": "checkout", "after": "till"},
        {"path": "attributes[\"team\"]", "change": "added", "after": "payments"},
        {"path": "attributes[\"password\"]", "change": "added", "after": "****"},
    ]);
    assert_eq!(sorted(&edited["changes"]), sorted(&expected));
    assert_eq!((&edited["record"]["name"], &edited["route"]), (&json!("pay"), &Value::Null));
    let unchanged = editing.record().await;
    assert_eq!((&unchanged["record"]["name"], &unchanged["changes"]), (&json!("ship"), &Value::Null));
    let after = also_editing.record().await;
    assert_eq!(after["record"]["name"], "paid");
    assert_eq!(after["record"]["attributes"]["password"], "****");
    assert_eq!(after["record"]["resource"]["attributes"]["service.name"], "till");

    let routed = routing.record().await;
    assert_eq!((&routed["route"], &routed["to"]), (&json!(["slow"]), &json!(["otlp/slow"])));
    assert_eq!((&routed["changes"], &routed["outcome"]), (&Value::Null, &json!("kept")));
    let not_routed = routing.record().await;
    assert_eq!((&not_routed["route"], &not_routed["to"]), (&Value::Null, &json!(["otlp"])));
}

fn sorted(changes: &Value) -> Vec<String> {
    let mut changes: Vec<String> = changes.as_array().unwrap().iter().map(ToString::to_string).collect();
    changes.sort();
    changes
}

/// Without a stage: what comes to pipelines, of every signal; a condition leaves those that it is true for, of signals that have its fields;
/// keys that are asked for are masked.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_is_shown_where_a_condition_is_true() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&edits(&backend)).await;
    let all = TapSpec { limit: 1000, ..TapSpec::default() };
    let mut everything = Listener::start(&gateway, all.clone()).await;
    let mut pay = Listener::start(
        &gateway,
        TapSpec {
            condition: Some(r#"name == "pay""#.to_owned()),
            pipeline: Some("traces/beside".to_owned()),
            mask: vec!["service.*".to_owned(), "kind".to_owned()],
            ..all.clone()
        },
    )
    .await;
    let client = gateway.grpc().await;
    client.send(Signal::Logs, logs(&["hello"])).await.unwrap();
    client.spans(spans(&["health", "pay", "ship"])).await.unwrap();
    let log = everything.record().await;
    assert_eq!((&log["pipeline"], &log["record"]["body"]), (&json!("logs"), &json!("hello")));
    let mut seen = Vec::new();
    for _ in 0..6 {
        let shown = everything.record().await;
        seen.push(format!("{} {}", shown["pipeline"].as_str().unwrap(), shown["record"]["name"].as_str().unwrap()));
    }
    seen.sort();
    let names = ["health", "pay", "ship"];
    let of = |pipeline: &'static str| names.map(|name| format!("{pipeline} {name}"));
    assert_eq!(seen, [of("traces"), of("traces/beside")].concat());

    client.spans(spans(&["pay"])).await.unwrap();
    for _ in 0..2 {
        let shown = pay.record().await;
        assert_eq!((&shown["pipeline"], &shown["record"]["name"]), (&json!("traces/beside"), &json!("pay")));
        assert_eq!(shown["record"]["kind"], "****");
        assert_eq!(shown["record"]["resource"]["attributes"]["service.name"], "****");
        assert_eq!((&shown["outcome"], &shown["stage"]), (&Value::Null, &Value::Null));
    }
}

/// What cannot be listened to is refused with what there is; a bad condition with the character at which that shows.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_with_what_is() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&edits(&backend)).await;
    let pipeline = |name: &str| TapSpec { pipeline: Some(name.to_owned()), ..TapSpec::default() };
    let of = |condition: &str| TapSpec { condition: Some(condition.to_owned()), ..TapSpec::default() };
    let cases = [
        (at("wasm/no"), "there is no stage `wasm/no`; there are `wasm/drop`, `wasm/edit`, `wasm/route`"),
        (pipeline("metrics"), "there is no pipeline `metrics`; there are `traces`, `traces/beside`, `logs`"),
        (
            TapSpec { stage: Some("wasm/edit".to_owned()), ..pipeline("traces/beside") },
            "pipeline `traces/beside` has no stage `wasm/edit`; it has `wasm/drop`",
        ),
        (TapSpec { side: Side::After, ..TapSpec::default() }, "about a stage, and none is named"),
        (TapSpec { mask: vec![String::new()], ..TapSpec::default() }, "a mask is a name of 1 to 200 bytes"),
        (of("name =="), "the condition cannot be used: "),
        (of("nme == \"a\""), "`nme`"),
    ];
    for (spec, why) in cases {
        let Err(error) = gateway.engine.tap(&spec).await else { panic!("{spec:?} is refused") };
        assert!(error.to_string().contains(why), "no `{why}` in `{error}`");
    }
    // None of them has kept a place.
    let all = TapSpec { limit: 1, ..TapSpec::default() };
    let mut taps = Vec::new();
    for _ in 0..wasmill::tap::TAPS_MAX {
        taps.push(gateway.engine.tap(&all).await.unwrap_or_else(|error| panic!("{error}")));
    }
}

/// A plugin is swapped, refuses a batch, and its stage is taken out and put back: the listener goes on, and is told each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_tap_goes_on_over_swaps_and_reloads() {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("stamp.wasm");
    std::fs::write(&plugin, wasmill_fixtures::stamped(1)).unwrap();
    let backend = Backend::start().await;
    let yaml = stamping(&plugin, &backend, "config: {do: stamp-or-trap}");
    let gateway = Gateway::start(&yaml).await;
    let mut listener = Listener::start(&gateway, at("wasm/stamp")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a"])).await.unwrap();
    let stamped = listener.record().await;
    assert_eq!((&stamped["generation"], &stamped["changes"][0]["after"]), (&json!(1), &json!("0000000001")));

    std::fs::write(&plugin, wasmill_fixtures::stamped(2000)).unwrap();
    assert!(gateway.engine.refresh().await.iter().all(|(_, result)| result.is_ok()));
    let serves = listener.next("generation").await;
    assert_eq!((&serves["generation"], &serves["plugin"]), (&json!(2), &json!(plugin.display().to_string())));
    client.spans(spans(&["b"])).await.expect_err("it traps");
    let refused = listener.record().await;
    assert_eq!((&refused["generation"], &refused["outcome"]), (&json!(2), &json!("refused")));
    assert!(refused["reason"].as_str().unwrap().contains("wasm/stamp"), "{refused}");
    assert_eq!(refused["record"]["name"], "b");

    let without = yaml.replace("processors: [wasm/stamp], ", "");
    gateway.engine.reload(Gateway::config(&without.replace("  wasm/stamp:", "  wasm/other:"))).await.unwrap();
    let gone = listener.next("generation").await;
    assert_eq!((&gone["generation"], &gone["gone"]), (&json!(3), &json!("stage `wasm/stamp`")));
    std::fs::write(&plugin, wasmill_fixtures::stamped(3)).unwrap();
    gateway.engine.reload(Gateway::config(&yaml)).await.unwrap();
    assert_eq!(listener.next("generation").await["gone"], Value::Null);
    client.spans(spans(&["c"])).await.unwrap();
    assert_eq!(listener.record().await["changes"][0]["after"], "0000000003");
}

/// A plugin fails, and its rows are diverted: they are shown with where they go.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_diverted_is_shown() {
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("hostile.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let backend = Backend::start().await;
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/trap: {{plugin: '{}', config: {{do: trap}}, on_fault: divert, divert_to: [otlp/bad]}}
exporters:
  otlp: {{endpoint: '{1}', tls: {{insecure: true}}}}
  otlp/bad: {{endpoint: '{1}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/trap], exporters: [otlp]}}
"#,
        plugin.display(),
        backend.grpc()
    ))
    .await;
    let mut listener = Listener::start(&gateway, at("wasm/trap")).await;
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    let shown = listener.record().await;
    assert_eq!((&shown["outcome"], &shown["to"]), (&json!("diverted"), &json!(["otlp/bad"])));
    assert_eq!(shown["record"]["name"], "a");
}

/// A listener that never reads, with traffic that would fill it many times: what is sent arrives, all of it, and is not kept for the listener.
#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_does_not_read_costs_the_traffic_nothing() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&edits(&backend)).await;
    let _silent = {
        let spec = TapSpec { limit: 0, pipeline: Some("traces/beside".to_owned()), ..TapSpec::default() };
        let tap = gateway.engine.tap(&spec).await.unwrap();
        let (near, far) = duplex(64);
        tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(near);
            tap.run(|_| Default::default(), reader, writer).await;
        });
        far
    };
    let client = gateway.grpc().await;
    let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    for _ in 0..20 {
        client.spans(spans(&names)).await.unwrap();
    }
    // Through both pipelines.
    backend.spans(2 * 20 * 1000).await;
}
