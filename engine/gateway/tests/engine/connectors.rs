//! Ways between pipelines: connectors, and routes of plugins that lead to pipelines.

use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, logs, names, spans, spans_of, text_of};

/// One pipeline hands on to two: each does with the rows what it does, over one request, and the client is answered for both.
#[tokio::test(flavor = "multi_thread")]
async fn forward_hands_everything_to_every_pipeline_behind_it() {
    let (one, two) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/drop: {{plugin: 'builtin:filter', config: {{drop: ['name == "health"']}}}}
  wasm/mark: {{plugin: 'builtin:enrich', config: {{statements: ['set(attributes["team"], "payments")']}}}}
  wasm/pay: {{plugin: 'builtin:filter', config: {{keep: ['name == "pay"']}}}}
connectors: {{forward: }}
exporters:
  otlp/one: {{endpoint: '{}', tls: {{insecure: true}}, sending_queue: {{enabled: false}}}}
  otlp/two: {{endpoint: '{}', tls: {{insecure: true}}, sending_queue: {{enabled: false}}}}
service:
  pipelines:
    traces/in: {{receivers: [otlp], processors: [wasm/drop], exporters: [forward]}}
    traces/one: {{receivers: [forward], processors: [wasm/mark], exporters: [otlp/one]}}
    traces/two: {{receivers: [forward], processors: [wasm/pay], exporters: [otlp/two]}}
"#,
        one.grpc(),
        two.grpc()
    ))
    .await;
    gateway.grpc().await.spans(spans(&["pay", "health", "ship"])).await.unwrap();
    let (of_one, of_two) = (one.received(Signal::Traces), two.received(Signal::Traces));
    assert_eq!((names(&of_one), names(&of_two)), (vec!["pay".to_owned(), "ship".to_owned()], vec!["pay".to_owned()]));
    assert_eq!(text_of(&spans_of(&of_one[0])[0].attributes, "team"), ["payments"]);
    assert!(text_of(&spans_of(&of_two[0])[0].attributes, "team").is_empty(), "the pipelines do not see each other");
    assert!(gateway.stop().await.is_nothing());
}

/// Pipelines of two signals use one connector, and one of them has a batch behind it, which a reload takes away: what waits is sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_connector_is_not_forgotten() {
    let backend = Backend::start().await;
    let yaml = |processors: &str| {
        format!(
            r#"
processors: {{batch: {{timeout: 1h, send_batch_size: 1000}}}}
connectors: {{forward: }}
exporters: {{otlp: {{endpoint: '{}', tls: {{insecure: true}}}}}}
service:
  pipelines:
    traces/in: {{receivers: [otlp], exporters: [forward]}}
    traces/out: {{receivers: [forward], processors: [{processors}], exporters: [otlp]}}
    logs/in: {{receivers: [otlp], exporters: [forward]}}
    logs/out: {{receivers: [forward], exporters: [otlp]}}
"#,
            backend.grpc()
        )
    };
    let gateway = Gateway::start(&yaml("batch")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["waits"])).await.unwrap();
    client.send(Signal::Logs, logs(&["passes"])).await.unwrap();
    backend.requests(Signal::Logs, 1).await;
    assert!(backend.received(Signal::Traces).is_empty());
    gateway.engine.reload(Gateway::config(&yaml(""))).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["waits"]);

    gateway.engine.reload(Gateway::config(&yaml("batch"))).await.unwrap();
    client.spans(spans(&["waits too"])).await.unwrap();
    assert!(gateway.stop().await.is_nothing());
    assert_eq!(names(&backend.received(Signal::Traces)), ["waits", "waits too"]);
}

/// A plugin routes rows to another pipeline, which has no receiver and a plugin of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_leads_to_a_pipeline() {
    let (own, routed) = (Backend::start().await, Backend::start().await);
    let plugins = tempfile::tempdir().unwrap();
    let plugin = plugins.path().join("route.wasm");
    std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
    let gateway = Gateway::start(&format!(
        r#"
processors:
  wasm/route:
    plugin: '{}'
    config: {{do: route, sets: [[elsewhere], []]}}
    routes: {{elsewhere: [traces/elsewhere]}}
  wasm/mark: {{plugin: 'builtin:enrich', config: {{statements: ['set(attributes["team"], "payments")']}}}}
exporters:
  otlp/own: {{endpoint: '{}', tls: {{insecure: true}}}}
  otlp/routed: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/route], exporters: [otlp/own]}}
    traces/elsewhere: {{processors: [wasm/mark], exporters: [otlp/routed]}}
"#,
        plugin.display(),
        own.grpc(),
        routed.grpc()
    ))
    .await;
    gateway.grpc().await.spans(spans(&["0", "1", "2", "3"])).await.unwrap();
    assert_eq!(names(&own.spans(2).await), ["1", "3"]);
    let routed = routed.spans(2).await;
    assert_eq!(names(&routed), ["0", "2"]);
    assert_eq!(text_of(&spans_of(&routed[0])[0].attributes, "team"), ["payments"]);
}
