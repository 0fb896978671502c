//! Requests as services send them: several resources, spans of about 450 bytes with ten attributes, each with its own id.
//!
//! A request is encoded once; for each sending the span ids are written over. One span in ten is a health check
//! (`url.path` is `/healthz`), so that a filter has something to drop: its id is a multiple of ten.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// Services that a request's spans are of, one resource each.
const SERVICES: usize = 4;

/// Every span with an id that this divides is a health check.
pub const HEALTH_CHECK_EVERY: u64 = 10;

/// A request, and where its span ids stand in it.
pub struct Template {
    encoded: Vec<u8>,
    id_offsets: Vec<usize>,
}

impl Template {
    /// `spans` spans, rounded up to a multiple of [`HEALTH_CHECK_EVERY`] where it is above it.
    pub fn new(spans: usize) -> Template {
        let per_service = spans.div_ceil(SERVICES);
        let mut left = spans;
        let mut number = 0;
        let resource_spans = (0..SERVICES)
            .map(|service| {
                let count = per_service.min(left);
                left -= count;
                let spans = (0..count)
                    .map(|_| {
                        number += 1;
                        span(number - 1)
                    })
                    .collect();
                of_service(service, spans)
            })
            .collect();
        let encoded = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let id_offsets = (0..spans as u64).map(|number| find(&encoded, number)).collect();
        Template { encoded, id_offsets }
    }

    pub fn spans(&self) -> usize {
        self.id_offsets.len()
    }

    pub fn bytes(&self) -> usize {
        self.encoded.len()
    }

    /// The request with ids from `first`, which keeps the health checks' ids multiples of ten.
    pub fn request(&self, first: u64) -> Bytes {
        let mut encoded = self.encoded.clone();
        for (number, offset) in self.id_offsets.iter().enumerate() {
            encoded[*offset..offset + 8].copy_from_slice(&(first + number as u64).to_be_bytes());
        }
        encoded.into()
    }
}

/// Where the placeholder of a span's id is: it occurs once.
fn find(encoded: &[u8], number: u64) -> usize {
    // A span begins with its trace id, whose end is the number, followed by the id's tag and length.
    let mut pattern = placeholder(number).to_vec();
    pattern.extend([0x12, 8]);
    let at = encoded.windows(pattern.len()).position(|window| window == pattern);
    at.expect("each span has its placeholder") + pattern.len()
}

fn placeholder(number: u64) -> [u8; 8] {
    (0x5eed_0000_0000_0000 | number).to_be_bytes()
}

fn of_service(service: usize, spans: Vec<Span>) -> ResourceSpans {
    let attributes = vec![
        text("service.name", ["checkout", "cart", "frontend", "payments"][service % 4]),
        text("service.namespace", "shop"),
        text("service.version", "2026.11.3-rc1"),
        text("deployment.environment.name", "production"),
        text("host.name", &format!("ip-10-0-{service}-17.eu-central-1.compute.internal")),
        text("k8s.pod.name", &format!("checkout-7d9f8b6c5d-x{service}2lq")),
        text("k8s.namespace.name", "shop-production"),
        text("telemetry.sdk.language", "python"),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.version", "1.38.0"),
    ];
    let scope = InstrumentationScope {
        name: "opentelemetry.instrumentation.flask".into(),
        version: "0.59b0".into(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }
}

fn span(number: u64) -> Span {
    const ROUTES: [&str; 5] = ["/api/cart/{id}", "/api/checkout", "/api/products", "/api/products/{id}", "/api/login"];
    const METHODS: [&str; 3] = ["GET", "GET", "POST"];
    // Skewed: low numbers are more frequent.
    let skew = |choices: u64| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % choices * (number % 3) % choices;
    let health_check = number.is_multiple_of(HEALTH_CHECK_EVERY);
    let route = if health_check { "/healthz" } else { ROUTES[skew(5) as usize] };
    let start = 1_790_000_000_000_000_000 + number * 1_000_003;
    let mut trace_id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
    trace_id.extend(placeholder(number));
    Span {
        trace_id,
        span_id: vec![0; 8],
        parent_span_id: number.to_be_bytes().to_vec(),
        flags: 0x101,
        name: format!("{} {route}", METHODS[skew(3) as usize]),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000 + skew(997) * 10_000,
        attributes: vec![
            text("http.request.method", METHODS[skew(3) as usize]),
            text("http.route", route),
            text("url.path", if health_check { "/healthz" } else { "/api/products/7423" }),
            text("url.scheme", "https"),
            int("http.response.status_code", [200, 200, 200, 404, 500][skew(5) as usize]),
            text("server.address", "shop.example.com"),
            text("client.address", "203.0.113.27"),
            text("network.protocol.version", "1.1"),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Firefox/146.0"),
            int("thread.id", 140_000 + (number % 64) as i64),
        ],
        status: (skew(5) == 4).then(|| Status { code: 2, message: String::new() }),
        ..Span::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: i64) -> KeyValue {
    pair(key, Value::IntValue(value))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::ids;

    /// What the generator writes is what the sink reads, span by span, and the spans have the size that is asked for.
    #[test]
    fn ids_are_found_again() {
        let template = Template::new(1000);
        let request = template.request(7000);
        let mut found = Vec::new();
        ids(&request, &mut |id| found.push(id)).unwrap();
        assert_eq!(found, (7000..8000).collect::<Vec<_>>());
        let decoded = ExportTraceServiceRequest::decode(request).unwrap();
        let span = &decoded.resource_spans[1].scope_spans[0].spans[3];
        assert_eq!(span.attributes.len(), 10);
        assert!((430..480).contains(&span.encoded_len()), "{}", span.encoded_len());
        for resource in &decoded.resource_spans {
            for span in &resource.scope_spans[0].spans {
                let id = u64::from_be_bytes(span.span_id.clone().try_into().unwrap());
                assert_eq!(span.name.ends_with("/healthz"), id.is_multiple_of(HEALTH_CHECK_EVERY));
            }
        }
    }

    /// A request that is not one is not counted as one.
    #[test]
    fn nonsense_has_no_ids() {
        assert_eq!(ids(&[0x0a, 5, 1], &mut |_| panic!("an id")), None);
    }
}
