//! Pipelines that lead to pipelines: what is wrong with the ways between them.

use std::path::PathBuf;

use wasmill_config::{Config, load_texts};

/// Sections that every case has; `{{…}}` of a case is laid over it.
const BASE: &str = "
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: }
";

fn load(yaml: &str) -> Result<Config, String> {
    let texts = vec![(PathBuf::from("base.yaml"), BASE.to_owned()), (PathBuf::from("case.yaml"), yaml.to_owned())];
    load_texts(texts, &|_| None).map(|loaded| loaded.config).map_err(|errors| errors.render())
}

/// Each mistake is named where it is written, with what is wrong.
#[test]
fn wrong_ways_are_explained() {
    let cases = [
        (
            "connectors: {forward: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [forward]}}}",
            "the connector `forward` leads nowhere: no traces pipeline names it in its `receivers`",
        ),
        (
            "connectors: {forward: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}, logs: {receivers: [forward], exporters: [debug]}}}",
            "nothing comes by the connector `forward`: no logs pipeline names it in its `exporters`",
        ),
        (
            "connectors: {forward/a: , forward/b: }
service:
  pipelines:
    traces/in: {receivers: [otlp], exporters: [forward/a]}
    traces/a: {receivers: [forward/a, forward/b], exporters: [forward/b]}",
            "pipelines lead in a circle: traces/a -> traces/a",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', routes: {back: [traces/a]}}}
connectors: {forward: }
service:
  pipelines:
    traces/a: {receivers: [otlp], exporters: [forward]}
    traces/b: {receivers: [forward], processors: [wasm], exporters: [debug]}",
            "pipelines lead in a circle: traces/a -> traces/b -> traces/a",
        ),
        (
            "service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}, traces/b: {exporters: [debug]}}}",
            "the key `receivers` is missing: at least one receiver, or a route or `emit_to` that leads to this pipeline",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', routes: {x: [traces/absent]}}}
service: {pipelines: {traces: {receivers: [otlp], processors: [wasm], exporters: [debug]}}}",
            "there is no pipeline `traces/absent`",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', routes: {x: [logs]}}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [wasm], exporters: [debug]}
    logs: {receivers: [otlp], exporters: [debug]}",
            "`wasm` is in no logs pipeline, so that nothing of it can go to `logs`",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', emit_to: [metrics/absent, debgu]}}
service: {pipelines: {traces: {receivers: [otlp], processors: [wasm], exporters: [debug]}}}",
            "there is no pipeline `metrics/absent`",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', emit_to: [debgu]}}
service: {pipelines: {traces: {receivers: [otlp], processors: [wasm], exporters: [debug]}}}",
            "did you mean `debug`?",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', emit_to: [traces]}}
service: {pipelines: {traces: {receivers: [otlp], processors: [wasm], exporters: [debug]}}}",
            "pipelines lead in a circle: traces -> traces",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', emit_to: [metrics]}, wasm/back: {plugin: 'builtin:filter', emit_to: [traces]}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [wasm], exporters: [debug]}
    metrics: {processors: [wasm/back], exporters: [debug]}",
            "pipelines lead in a circle: traces -> metrics -> traces",
        ),
        (
            "processors: {wasm: {plugin: 'builtin:filter', emit_to: [metrics]}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
    metrics: {exporters: [debug]}",
            "the key `receivers` is missing: at least one receiver, or a route or `emit_to` that leads to this pipeline",
        ),
        (
            "connectors: {routing: {table: [{condition: 'true', pipelines: [traces/b]}]}}
service:
  pipelines:
    traces/a: {receivers: [otlp], exporters: [routing]}
    traces/b: {receivers: [otlp], exporters: [debug]}
    traces/c: {receivers: [routing], exporters: [debug]}",
            "the pipeline `traces/b` does not name `routing` in its `receivers`",
        ),
        (
            "connectors: {routing: {table: [{condition: 'true', pipelines: [traces/b]}]}}
service:
  pipelines:
    traces/a: {receivers: [otlp], exporters: [routing]}
    traces/b: {receivers: [routing], exporters: [debug]}
    traces/c: {receivers: [routing], exporters: [debug]}",
            "nothing comes by `routing`: its table does not name this pipeline",
        ),
        (
            "connectors: {routing: {table: [{statement: 'delete_key(attributes, \"a\")', pipelines: [traces/b]}]}}
service:
  pipelines:
    traces/a: {receivers: [otlp], exporters: [routing]}
    traces/b: {receivers: [routing], exporters: [debug]}",
            "expected `route() where CONDITION`",
        ),
    ];
    for (yaml, expected) in cases {
        let errors = load(yaml).expect_err(yaml);
        assert!(errors.contains(expected), "expected: {expected}\nfound:\n{errors}\nin:\n{yaml}");
    }
}

/// A pipeline may have new records as its only input, of another signal than the stage's pipelines.
#[test]
fn new_records_are_an_input() {
    let config = load(
        "processors: {wasm: {plugin: 'builtin:filter', emit_to: [metrics, logs/alerts, debug]}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [wasm], exporters: [debug]}
    metrics: {exporters: [debug]}
    logs/alerts: {exporters: [debug]}",
    )
    .unwrap();
    let (_, stage) = config.stages().next().unwrap();
    assert_eq!(stage.emit_to.len(), 3);
}

/// Ways that part and meet again are no circle, and one connector may serve several signals.
#[test]
fn ways_may_part_and_meet() {
    let config = load(
        "connectors: {forward/a: , forward/b: , forward/end: }
service:
  pipelines:
    traces/in: {receivers: [otlp], exporters: [forward/a, forward/b, debug]}
    traces/a: {receivers: [forward/a], exporters: [forward/end]}
    traces/b: {receivers: [forward/b], exporters: [forward/end]}
    traces/end: {receivers: [forward/end], exporters: [debug]}
    logs/in: {receivers: [otlp], exporters: [forward/a]}
    logs/out: {receivers: [forward/a], exporters: [debug]}",
    )
    .unwrap();
    assert_eq!(config.connectors.len(), 3);
    let input = config.pipelines.iter().find(|(id, _)| id.to_string() == "traces/in").unwrap().1;
    assert_eq!((input.exporters.len(), input.to_connectors.len()), (1, 2));
}
