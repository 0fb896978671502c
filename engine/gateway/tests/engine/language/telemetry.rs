//! Requests to send, and what to look at in those that came out.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// A text attribute.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// A text, as a body.
pub fn text_value(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

/// Spans with these names, of service `checkout`, ids ascending.
pub fn spans<N: AsRef<str>>(names: &[N]) -> Bytes {
    spans_with(names, &[])
}

/// A span for each pair of lengths: of its trace id and of its span id.
pub fn spans_with_ids(lengths: &[(usize, usize)]) -> Bytes {
    let spans = lengths.iter().map(|&(trace, span)| Span {
        trace_id: vec![1; trace],
        span_id: vec![1; span],
        name: format!("{trace}/{span}"),
        ..Span::default()
    });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
}

/// A log record for each pair of lengths: of its trace id and of its span id.
pub fn logs_with_ids(lengths: &[(usize, usize)]) -> Bytes {
    let records = lengths.iter().map(|&(trace, span)| LogRecord {
        trace_id: vec![1; trace],
        span_id: vec![1; span],
        ..LogRecord::default()
    });
    let scope = ScopeLogs { log_records: records.collect(), ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec().into()
}

/// [`spans`] with `attributes["poison"]`.
pub fn poisoned<N: AsRef<str>>(names: &[N]) -> Bytes {
    spans_with(names, &[attribute("poison", "yes")])
}

fn spans_with<N: AsRef<str>>(names: &[N], more: &[KeyValue]) -> Bytes {
    let spans = names.iter().enumerate().map(|(i, name)| Span {
        trace_id: vec![7; 16],
        span_id: (i as u64 + 1).to_be_bytes().to_vec(),
        name: name.as_ref().to_owned(),
        kind: 2,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 2_000,
        attributes: [attribute("http.route", name.as_ref()), attribute("http.request.method", "GET")]
            .into_iter()
            .chain(more.iter().cloned())
            .collect(),
        ..Span::default()
    });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { resource: Some(resource()), scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
}

/// Log records with these bodies.
pub fn logs<N: AsRef<str>>(bodies: &[N]) -> Bytes {
    let records = bodies.iter().map(|body| LogRecord {
        time_unix_nano: 1_000,
        severity_number: 9,
        body: Some(AnyValue { value: Some(Value::StringValue(body.as_ref().to_owned())) }),
        attributes: vec![attribute("line", body.as_ref())],
        ..LogRecord::default()
    });
    let scope = ScopeLogs { log_records: records.collect(), ..ScopeLogs::default() };
    let resource = ResourceLogs { resource: Some(resource()), scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec().into()
}

/// A gauge for each name, with one point.
pub fn metrics<N: AsRef<str>>(names: &[N]) -> Bytes {
    let metrics = names.iter().map(|name| {
        let point = NumberDataPoint {
            attributes: vec![attribute("host", name.as_ref())],
            time_unix_nano: 1_000,
            value: Some(number_data_point::Value::AsInt(1)),
            ..NumberDataPoint::default()
        };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        Metric { name: name.as_ref().to_owned(), data, ..Metric::default() }
    });
    let scope = ScopeMetrics { metrics: metrics.collect(), ..ScopeMetrics::default() };
    let resource =
        ResourceMetrics { resource: Some(resource()), scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec().into()
}

fn resource() -> Resource {
    Resource { attributes: vec![attribute("service.name", "checkout")], ..Resource::default() }
}

/// All spans of a request.
pub fn spans_of(request: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(request).expect("the gateway sends what can be read");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// The names of the spans of these requests, in order.
pub fn names(requests: &[Bytes]) -> Vec<String> {
    requests.iter().flat_map(|request| spans_of(request)).map(|span| span.name).collect()
}

/// The builds that have stamped a span.
pub fn stamps(span: &Span) -> Vec<u32> {
    let stamps = text_of(&span.attributes, "generation");
    stamps.iter().map(|stamp| stamp.parse().expect("a stamp is a number")).collect()
}

/// The text values of a key, as often as it occurs.
pub fn text_of(attributes: &[KeyValue], key: &str) -> Vec<String> {
    let of_key = attributes.iter().filter(|attribute| attribute.key == key);
    let values = of_key.filter_map(|attribute| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    });
    values.collect()
}
