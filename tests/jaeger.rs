//! The official SDK delivers through the gateway into the real Jaeger, which is asked for what it has.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value as Case};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::{Value, json};
use wasmill_tests::{Folder, Gateway, Jaeger, free_port, output, post, python, wait_until};

/// The configuration that every guide has, with these ports.
fn gateway(grpc: u16, http: u16, endpoint: &str, settings: &str) -> String {
    format!(
        r#"
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
processors:
  batch: {{timeout: 50ms, send_batch_size: 100}}
exporters:
  jaeger:
    endpoint: "{endpoint}"
{settings}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [jaeger]}}
"#
    )
}

/// What the query API has of a span, by key: its tags, and the rest as it is.
fn tags(of: &Value, list: &str) -> BTreeMap<String, (String, Value)> {
    let tags = of[list].as_array().into_iter().flatten();
    let read = |tag: &Value| {
        let text = |key: &str| tag[key].as_str().unwrap_or_default().to_owned();
        (text("key"), (text("type"), tag["value"].clone()))
    };
    tags.map(read).collect()
}

fn tag(kind: &str, value: impl Into<Value>) -> (String, Value) {
    (kind.to_owned(), value.into())
}

fn span<'t>(trace: &'t Value, name: &str) -> Result<&'t Value> {
    let mut spans = trace["spans"].as_array().into_iter().flatten();
    spans.find(|span| span["operationName"] == name).with_context(|| format!("no span `{name}` in {trace:#}"))
}

/// Scenario: a trace with everything that a span can have, made by the SDK, over gRPC.
/// Guarantee: Jaeger shows each field where the specification's mapping has it.
#[test]
fn the_sdk_s_spans_are_in_jaeger() -> Result<()> {
    let folder = Folder::new()?;
    let jaeger = Jaeger::start(&folder)?;
    let (grpc, http) = (free_port()?, free_port()?);
    let endpoint = format!("http://127.0.0.1:{}/api/traces", jaeger.thrift);
    let gateway = Gateway::start(&folder, &gateway(grpc, http, &endpoint, ""))?;
    let printed =
        output(python("tests/peers/trace.py")?.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{grpc}")))?;
    let mut ids = printed.lines();
    let (trace_id, server_id, client_id) =
        (ids.next().context("a trace")?, ids.next().context("a span")?, ids.next().context("another")?);
    let trace = jaeger.wait_for_trace(trace_id, 3)?;
    gateway.stop()?;
    assert!(jaeger.services()?.contains(&"shop".to_owned()));

    let server = span(&trace, "GET /order")?;
    assert_eq!((&server["traceID"], &server["spanID"]), (&json!(trace_id), &json!(server_id)));
    let expected = [
        ("text", tag("string", "tea ü")),
        ("yes", tag("bool", true)),
        ("int", tag("int64", -7)),
        ("double", tag("float64", 0.25)),
        ("list", tag("string", r#"["a","b"]"#)),
        ("numbers", tag("string", "[1,2]")),
        ("span.kind", tag("string", "server")),
        ("otel.status_code", tag("string", "OK")),
        ("otel.scope.name", tag("string", "shop.orders")),
        ("otel.scope.version", tag("string", "1.2.3")),
        ("otel.library.name", tag("string", "shop.orders")),
        ("otel.library.version", tag("string", "1.2.3")),
        ("scope.attribute", tag("string", "kept")),
    ];
    assert_eq!(without_jaeger_s_own(tags(server, "tags")), expected.map(|(key, tag)| (key.to_owned(), tag)).into());
    let link =
        json!({"refType": "FOLLOWS_FROM", "traceID": "1112131415161718191a1b1c1d1e1f20", "spanID": "2122232425262728"});
    assert_eq!(server["references"], json!([link, link]));
    let logs = server["logs"].as_array().context("logs")?;
    assert_eq!(logs.len(), 1, "{logs:?}");
    let fields = [
        ("event", tag("string", "link")),
        ("trace_id", tag("string", "1112131415161718191a1b1c1d1e1f20")),
        ("span_id", tag("string", "2122232425262728")),
        ("why", tag("string", "batch")),
    ];
    assert_eq!(tags(&logs[0], "fields"), fields.map(|(key, tag)| (key.to_owned(), tag)).into());
    assert_eq!(logs[0]["timestamp"], server["startTime"]);

    let client = span(&trace, "charge")?;
    assert_eq!(client["spanID"], json!(client_id));
    let parent = json!([{"refType": "CHILD_OF", "traceID": trace_id, "spanID": server_id}]);
    assert_eq!(client["references"], parent);
    let client_tags = tags(client, "tags");
    for (key, expected) in [
        ("span.kind", tag("string", "client")),
        ("otel.status_code", tag("string", "ERROR")),
        ("otel.status_description", tag("string", "no money")),
        ("error", tag("bool", true)),
    ] {
        assert_eq!(client_tags.get(key), Some(&expected), "{key}: {client_tags:?}");
    }
    let event = &client["logs"][0];
    assert_eq!(event["timestamp"], json!(1_700_000_000_123_456_u64));
    let fields = [("event", tag("string", "retry")), ("attempt", tag("int64", 2))];
    assert_eq!(tags(event, "fields"), fields.map(|(key, tag)| (key.to_owned(), tag)).into());
    let (start, duration) = (client["startTime"].as_u64(), client["duration"].as_u64());
    assert!(start >= server["startTime"].as_u64() && duration <= server["duration"].as_u64(), "{client}");

    let process = &trace["processes"][server["processID"].as_str().context("a process")?];
    assert_eq!(process["serviceName"], "shop");
    let process = tags(process, "tags");
    assert_eq!(process.get("deployment.environment.name"), Some(&tag("string", "demo")));
    assert_eq!(process.get("telemetry.sdk.language"), Some(&tag("string", "python")));
    assert_eq!(process.get("service.name"), None, "it is the process's name");
    Ok(())
}

/// Jaeger says in which format a span came.
fn without_jaeger_s_own(mut tags: BTreeMap<String, (String, Value)>) -> BTreeMap<String, (String, Value)> {
    tags.remove("@jaeger@format");
    tags
}

fn attribute(key: &str, value: Case) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn request(service: &str, spans: Vec<Span>) -> Vec<u8> {
    let attributes = vec![attribute("service.name", Case::StringValue(service.into()))];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// Scenario: what Jaeger has trouble with: numbers that JSON has not, texts of 1 MiB, empty names, times at the ends of OTLP's range, a
/// span that ends before it begins, a parent that is no id; beside them spans that have no ids.
/// Guarantee: the trace can be read, and has every span that has ids.
#[test]
fn hostile_spans_can_be_read() -> Result<()> {
    let folder = Folder::new()?;
    let jaeger = Jaeger::start(&folder)?;
    let (grpc, http) = (free_port()?, free_port()?);
    let endpoint = format!("http://127.0.0.1:{}", jaeger.thrift);
    let gateway = Gateway::start(&folder, &gateway(grpc, http, &endpoint, ""))?;
    let trace_id = vec![0xab; 16];
    let span = |id: u64, name: &str| Span {
        trace_id: trace_id.clone(),
        span_id: id.to_be_bytes().to_vec(),
        name: name.into(),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_001_000_000_000,
        ..Span::default()
    };
    let list = ArrayValue { values: vec![AnyValue { value: Some(Case::DoubleValue(f64::NAN)) }] };
    let large = "x".repeat(1 << 20);
    let attributes = vec![
        attribute("nan", Case::DoubleValue(f64::NAN)),
        attribute("infinite", Case::DoubleValue(f64::NEG_INFINITY)),
        attribute("list", Case::ArrayValue(list)),
        attribute("bytes", Case::BytesValue(vec![0, 159, 146, 150])),
        attribute("", Case::StringValue("unnamed".into())),
        attribute("large", Case::StringValue(large.clone())),
        attribute("nul", Case::StringValue("a\0b".into())),
    ];
    let spans = vec![
        Span { attributes, ..span(1, "values") },
        span(2, ""),
        Span { start_time_unix_nano: u64::MAX, end_time_unix_nano: u64::MAX, ..span(3, "late") },
        Span { start_time_unix_nano: 0, end_time_unix_nano: 0, ..span(4, "early") },
        Span { end_time_unix_nano: 1, ..span(5, "backwards") },
        Span { end_time_unix_nano: 0, ..span(6, "unended") },
        Span { parent_span_id: vec![0; 8], ..span(7, "orphan") },
        span(8, &large),
        span(0, "without an id"),
        Span { trace_id: vec![0; 16], ..span(9, "without a trace") },
    ];
    let (status, answer) = post(http, "/v1/traces", "application/x-protobuf", &request("hostile", spans))?;
    assert_eq!(status, 200, "{answer}");
    let trace = jaeger.wait_for_trace(&"ab".repeat(16), 8)?;
    let spans = trace["spans"].as_array().context("spans")?;
    assert_eq!(spans.len(), 8, "{spans:?}");
    let values = tags(self::span(&trace, "values")?, "tags");
    assert_eq!(values.get("nan"), Some(&tag("string", "NaN")));
    assert_eq!(values.get("infinite"), Some(&tag("string", "-Infinity")));
    assert_eq!(values.get("list"), Some(&tag("string", r#"["NaN"]"#)));
    assert_eq!(values.get("bytes").map(|(kind, _)| kind.as_str()), Some("binary"));
    assert_eq!(values.get(""), Some(&tag("string", "unnamed")));
    assert_eq!(values.get("large"), Some(&tag("string", large)));
    assert_eq!(values.get("nul"), Some(&tag("string", "a\0b")));
    assert_eq!(self::span(&trace, "unended")?["duration"], 0);
    gateway.stop()?;
    Ok(())
}

/// Scenario: Jaeger is not there, then is.
/// Guarantee: what clients were answered for arrives, each span once.
#[test]
fn jaeger_comes_later() -> Result<()> {
    let folder = Folder::new()?;
    let (grpc, http, thrift) = (free_port()?, free_port()?, free_port()?);
    let settings = "    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}";
    let gateway =
        Gateway::start(&folder, &gateway(grpc, http, &format!("http://127.0.0.1:{thrift}/api/traces"), settings))?;
    let span = |number: u64| Span {
        trace_id: vec![3; 16],
        span_id: (number + 1).to_be_bytes().to_vec(),
        name: number.to_string(),
        ..Span::default()
    };
    for number in 0..20 {
        let service = format!("service-{}", number % 2);
        let (status, answer) =
            post(http, "/v1/traces", "application/x-protobuf", &request(&service, vec![span(number)]))?;
        assert_eq!(status, 200, "{answer}");
    }
    wait_until(|| Ok(gateway.log().contains("cannot connect")))?;
    let jaeger = Jaeger::start_at(&folder, thrift)?;
    let trace = jaeger.wait_for_trace(&"03".repeat(16), 20)?;
    gateway.stop()?;
    let mut names: Vec<u64> = trace["spans"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|span| span["operationName"].as_str()?.parse().ok())
        .collect();
    names.sort_unstable();
    assert_eq!(names, Vec::from_iter(0..20));
    // Jaeger has spans of its own, too.
    let services = jaeger.services()?;
    assert!(["service-0", "service-1"].iter().all(|service| services.iter().any(|own| own == service)), "{services:?}");
    jaeger.stop()
}

/// The older form, `host:port`, leads to Jaeger too: as OTLP.
#[test]
fn an_address_leads_to_jaeger() -> Result<()> {
    let folder = Folder::new()?;
    let jaeger = Jaeger::start(&folder)?;
    let (grpc, http) = (free_port()?, free_port()?);
    let endpoint = format!("127.0.0.1:{}", jaeger.otlp);
    let gateway = Gateway::start(&folder, &gateway(grpc, http, &endpoint, "    tls: {insecure: true}"))?;
    let span = Span { trace_id: vec![4; 16], span_id: vec![1; 8], name: "a".into(), ..Span::default() };
    let (status, answer) = post(http, "/v1/traces", "application/x-protobuf", &request("shop", vec![span]))?;
    assert_eq!(status, 200, "{answer}");
    jaeger.wait_for_trace(&"04".repeat(16), 1)?;
    assert!(gateway.log().contains("write the exporter `otlp`"), "{}", gateway.log());
    gateway.stop()
}
