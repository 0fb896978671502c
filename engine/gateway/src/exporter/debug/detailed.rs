//! Every field of every record, in the layout of the Collector's debug exporter.

mod metrics;

use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use super::Decoded;
use super::text::{attributes, hex, typed};
use crate::timestamp::utc;

/// Five columns before an attribute, as the Collector indents them.
const INDENT: &str = "     ";
/// Of what belongs to an event, a link or an exemplar.
const INDENT_INNER: &str = "          ";

/// Writes everything.
pub fn write(out: &mut String, decoded: &Decoded) {
    match decoded {
        Decoded::Traces(request) => {
            for (r, resource) in request.resource_spans.iter().enumerate() {
                head(out, "ResourceSpans", r, &resource.schema_url, resource.resource.as_ref());
                for (s, scope) in resource.scope_spans.iter().enumerate() {
                    scope_head(out, "ScopeSpans", s, &scope.schema_url, scope.scope.as_ref());
                    scope.spans.iter().enumerate().for_each(|(i, record)| span(out, i, record));
                }
            }
        }
        Decoded::Logs(request) => {
            for (r, resource) in request.resource_logs.iter().enumerate() {
                head(out, "ResourceLog", r, &resource.schema_url, resource.resource.as_ref());
                for (s, scope) in resource.scope_logs.iter().enumerate() {
                    scope_head(out, "ScopeLogs", s, &scope.schema_url, scope.scope.as_ref());
                    scope.log_records.iter().enumerate().for_each(|(i, record)| log_record(out, i, record));
                }
            }
        }
        Decoded::Metrics(request) => {
            for (r, resource) in request.resource_metrics.iter().enumerate() {
                head(out, "ResourceMetrics", r, &resource.schema_url, resource.resource.as_ref());
                for (s, scope) in resource.scope_metrics.iter().enumerate() {
                    scope_head(out, "ScopeMetrics", s, &scope.schema_url, scope.scope.as_ref());
                    scope.metrics.iter().enumerate().for_each(|(i, metric)| metrics::metric(out, i, metric));
                }
            }
        }
    }
}

fn head(out: &mut String, what: &str, number: usize, schema: &str, resource: Option<&Resource>) {
    let _ = writeln!(out, "{what} #{number}\nResource SchemaURL: {schema}");
    if let Some(resource) = resource {
        attributes(out, "Resource attributes:", INDENT, &resource.attributes);
    }
}

fn scope_head(out: &mut String, what: &str, number: usize, schema: &str, scope: Option<&InstrumentationScope>) {
    let (name, version) = scope.map_or(("", ""), |scope| (scope.name.as_str(), scope.version.as_str()));
    let _ = writeln!(out, "{what} #{number}\n{what} SchemaURL: {schema}\nInstrumentationScope {name} {version}");
    if let Some(scope) = scope {
        attributes(out, "InstrumentationScope attributes:", INDENT, &scope.attributes);
    }
}

fn span(out: &mut String, number: usize, span: &Span) {
    let _ = writeln!(out, "Span #{number}");
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(out, "    {name:<15}: {value}");
    };
    field("Trace ID", &hex(&span.trace_id));
    field("Parent ID", &hex(&span.parent_span_id));
    field("ID", &hex(&span.span_id));
    field("Name", &span.name);
    field("Kind", kind(span.kind));
    if !span.trace_state.is_empty() {
        field("TraceState", &span.trace_state);
    }
    field("Start time", &utc(span.start_time_unix_nano));
    field("End time", &utc(span.end_time_unix_nano));
    let status = span.status.as_ref();
    field("Status code", status_code(status.map_or(0, |status| status.code)));
    field("Status message", status.map_or("", |status| &status.message));
    dropped(out, "    DroppedAttributesCount", span.dropped_attributes_count);
    dropped(out, "    DroppedEventsCount", span.dropped_events_count);
    dropped(out, "    DroppedLinksCount", span.dropped_links_count);
    attributes(out, "Attributes:", INDENT, &span.attributes);
    if !span.events.is_empty() {
        out.push_str("Events:\n");
    }
    for (i, event) in span.events.iter().enumerate() {
        let _ = writeln!(out, "SpanEvent #{i}\n{INDENT}-> Name: {}", event.name);
        let _ = writeln!(out, "{INDENT}-> Timestamp: {}", utc(event.time_unix_nano));
        dropped(out, "     -> DroppedAttributesCount", event.dropped_attributes_count);
        attributes(out, "     -> Attributes::", INDENT_INNER, &event.attributes);
    }
    if !span.links.is_empty() {
        out.push_str("Links:\n");
    }
    for (i, link) in span.links.iter().enumerate() {
        let (trace, id) = (hex(&link.trace_id), hex(&link.span_id));
        let _ = writeln!(out, "SpanLink #{i}\n{INDENT}-> Trace ID: {trace}\n{INDENT}-> ID: {id}");
        let _ = writeln!(out, "{INDENT}-> TraceState: {}", link.trace_state);
        dropped(out, "     -> DroppedAttributesCount", link.dropped_attributes_count);
        attributes(out, "     -> Attributes::", INDENT_INNER, &link.attributes);
    }
}

fn log_record(out: &mut String, number: usize, record: &LogRecord) {
    let severity = SeverityNumber::try_from(record.severity_number)
        .map_or("unknown", |severity| severity.as_str_name().trim_start_matches("SEVERITY_NUMBER_"));
    let _ = writeln!(out, "LogRecord #{number}\nObservedTimestamp: {}", utc(record.observed_time_unix_nano));
    let _ = writeln!(out, "Timestamp: {}\nSeverityText: {}", utc(record.time_unix_nano), record.severity_text);
    let _ = writeln!(out, "SeverityNumber: {severity}({})", record.severity_number);
    if !record.event_name.is_empty() {
        let _ = writeln!(out, "EventName: {}", record.event_name);
    }
    let _ = writeln!(out, "Body: {}", typed(record.body.as_ref()));
    attributes(out, "Attributes:", INDENT, &record.attributes);
    dropped(out, "DroppedAttributesCount", record.dropped_attributes_count);
    let (trace, span) = (hex(&record.trace_id), hex(&record.span_id));
    let _ = writeln!(out, "Trace ID: {trace}\nSpan ID: {span}\nFlags: {}", record.flags);
}

fn dropped(out: &mut String, what: &str, count: u32) {
    if count > 0 {
        let _ = writeln!(out, "{what}: {count}");
    }
}

fn kind(kind: i32) -> &'static str {
    match SpanKind::try_from(kind) {
        Ok(SpanKind::Unspecified) | Err(_) => "Unspecified",
        Ok(SpanKind::Internal) => "Internal",
        Ok(SpanKind::Server) => "Server",
        Ok(SpanKind::Client) => "Client",
        Ok(SpanKind::Producer) => "Producer",
        Ok(SpanKind::Consumer) => "Consumer",
    }
}

fn status_code(code: i32) -> &'static str {
    match StatusCode::try_from(code) {
        Ok(StatusCode::Unset) | Err(_) => "Unset",
        Ok(StatusCode::Ok) => "Ok",
        Ok(StatusCode::Error) => "Error",
    }
}
