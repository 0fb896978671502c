//! Spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::{attributes, method, placeholder, resource, route, scope, services, skewed};

pub fn request(records: usize, start: u64) -> Vec<u8> {
    let resource_spans = services(records)
        .map(|(service, records)| {
            let spans = records.map(|number| span(number, start)).collect();
            let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
            ResourceSpans { resource: Some(resource(service)), scope_spans, ..ResourceSpans::default() }
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn span(number: u64, start: u64) -> Span {
    let start = start + number * 1_000_003;
    Span {
        trace_id: vec![0; 16],
        span_id: placeholder(number).to_be_bytes().to_vec(),
        parent_span_id: (number + 1).to_be_bytes().to_vec(),
        flags: 0x101,
        name: format!("{} {}", method(number), route(number)),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000 + skewed(number, 997) as u64 * 10_000,
        attributes: attributes(number),
        status: (skewed(number, 5) == 4).then(|| Status { code: 2, message: String::new() }),
        ..Span::default()
    }
}
