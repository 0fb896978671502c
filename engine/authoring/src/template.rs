//! Requests as services send them: several resources, records of about 450 bytes with ten attributes, each with its own id.
//!
//! A request is encoded once; for each sending the ids are written over, and with them the ends of trace ids, which a sampler
//! looks at. One record in ten is a health check (`url.path` is `/healthz`), so that a filter and a router have something to do:
//! its id is a multiple of ten. One in five names somebody's e-mail address within a longer text.
//!
//! The id of a span and of a log record is its `span_id`; a data point has none, and its time says which one it is.

mod logs;
mod metrics;
mod traces;

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use wasmill_wire::Signal;

/// In September 2026.
const START: u64 = 1_790_000_000_000_000_000;

/// Between data points: what Prometheus keeps of a time.
const POINT_EVERY: u64 = 1_000_000;

/// Services that a request's records are of, one resource each.
const SERVICES: usize = 4;

/// Every record with an id that this divides is a health check.
pub const HEALTH_CHECK_EVERY: u64 = 10;

/// Every record with an id that this divides, less one, has an e-mail address.
pub const EMAIL_EVERY: u64 = 5;

/// Is in each of them.
pub const EMAIL: &[u8] = b"@mail.example.com";

/// Tags and lengths between a trace id and the span id behind it, the trace id included.
const TRACE_ID_BEFORE: usize = 18;

/// A request, and where its records' ids stand in it.
pub struct Template {
    signal: Signal,
    encoded: Vec<u8>,
    id_offsets: Vec<usize>,
    /// Of the data point with an id.
    time: fn(u64) -> u64,
}

/// When the data point with this id was taken, in nanoseconds since 1970, in a template of [`Template::new`]. Ids are below 2^40.
pub fn point_time(id: u64) -> u64 {
    START + id * POINT_EVERY
}

/// The id of a data point that was taken then. `None`: there is none of that time.
pub fn point_id(time: u64) -> Option<u64> {
    let since = time.checked_sub(START)?;
    since.is_multiple_of(POINT_EVERY).then_some(since / POINT_EVERY)
}

impl Template {
    /// Of a moment that is always the same; data points are a millisecond apart, see [`point_time`].
    pub fn new(signal: Signal, records: usize) -> Template {
        Template { time: point_time, ..Template::at(signal, records, START) }
    }

    /// Whose spans and log records begin at `start`, in nanoseconds since 1970, a millisecond apart; data points have it as their start,
    /// and their ids are their times.
    pub fn at(signal: Signal, records: usize, start: u64) -> Template {
        let encoded = match signal {
            Signal::Traces => traces::request(records, start),
            Signal::Logs => logs::request(records, start),
            Signal::Metrics => metrics::request(records, start),
        };
        let mut from = 0;
        let id_offsets = (0..records as u64)
            .map(|number| {
                let pattern = on_the_wire(signal, placeholder(number));
                let at = encoded[from..].windows(8).position(|window| window == pattern);
                from += at.expect("records are encoded in their order");
                from
            })
            .collect();
        Template { signal, encoded, id_offsets, time: |id| id }
    }

    pub fn signal(&self) -> Signal {
        self.signal
    }

    pub fn records(&self) -> usize {
        self.id_offsets.len()
    }

    pub fn bytes(&self) -> usize {
        self.encoded.len()
    }

    /// The request with ids from `first`: a multiple of ten, so that the health checks' ids are.
    pub fn request(&self, first: u64) -> Bytes {
        let mut encoded = self.encoded.clone();
        for (number, &offset) in self.id_offsets.iter().enumerate() {
            let id = first + number as u64;
            let written = if self.signal == Signal::Metrics { (self.time)(id) } else { id };
            encoded[offset..offset + 8].copy_from_slice(&on_the_wire(self.signal, written));
            if self.signal != Signal::Metrics {
                let trace_id = offset - TRACE_ID_BEFORE;
                encoded[trace_id..trace_id + 8].copy_from_slice(&mixed(id).to_be_bytes());
                encoded[trace_id + 8..trace_id + 16].copy_from_slice(&mixed(!id).to_be_bytes());
            }
        }
        encoded.into()
    }
}

/// A span's id, or a data point's time.
fn on_the_wire(signal: Signal, number: u64) -> [u8; 8] {
    match signal {
        Signal::Traces | Signal::Logs => number.to_be_bytes(),
        Signal::Metrics => number.to_le_bytes(),
    }
}

/// Evenly spread numbers that are always the same: the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
/// number generators, 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Stands in an encoded request for a record's id, and occurs once.
fn placeholder(number: u64) -> u64 {
    0x5eed_0000_0000_0000 | number
}

/// Of all services of a request, with the numbers of their records.
fn services(records: usize) -> impl Iterator<Item = (usize, std::ops::Range<u64>)> {
    let each = records.div_ceil(SERVICES).max(1);
    let range = move |service: usize| (service * each).min(records) as u64..((service + 1) * each).min(records) as u64;
    (0..SERVICES).map(move |service| (service, range(service))).filter(|(_, records)| !records.is_empty())
}

fn is_health_check(number: u64) -> bool {
    number.is_multiple_of(HEALTH_CHECK_EVERY)
}

/// One of `choices` numbers; low ones are more frequent.
fn skewed(number: u64, choices: u64) -> usize {
    (mixed(number) % choices * (number % 3) % choices) as usize
}

fn resource(service: usize) -> Resource {
    let attributes = vec![
        text("service.name", ["checkout", "cart", "frontend", "payments"][service % SERVICES]),
        text("service.namespace", "shop"),
        text("service.version", "2026.11.3-rc1"),
        text("service.instance.id", &format!("627cc493-f310-47de-96bd-71410b7dec0{service}")),
        text("deployment.environment.name", "production"),
        text("host.name", &format!("ip-10-0-{service}-17.eu-central-1.compute.internal")),
        text("host.arch", "amd64"),
        text("os.type", "linux"),
        int("process.pid", 4_711 + service as i64),
        text("process.runtime.name", "cpython"),
        text("process.runtime.version", "3.13.9"),
        text("k8s.cluster.name", "shop-eu-central-1"),
        text("k8s.namespace.name", "shop-production"),
        text("k8s.deployment.name", ["checkout", "cart", "frontend", "payments"][service % SERVICES]),
        text("k8s.pod.name", &format!("checkout-7d9f8b6c5d-x{service}2lq")),
        text("telemetry.sdk.language", "python"),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.version", "1.38.0"),
    ];
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "opentelemetry.instrumentation.flask".into(),
        version: "0.59b0".into(),
        ..InstrumentationScope::default()
    }
}

const ROUTES: [&str; 5] = ["/api/cart/{id}", "/api/checkout", "/api/products", "/api/products/{id}", "/api/login"];
const METHODS: [&str; 3] = ["GET", "GET", "POST"];

fn route(number: u64) -> &'static str {
    if is_health_check(number) { "/healthz" } else { ROUTES[skewed(number, 5)] }
}

fn method(number: u64) -> &'static str {
    METHODS[skewed(number, 3)]
}

/// Ten, of a request to a web server.
fn attributes(number: u64) -> Vec<KeyValue> {
    let who = match number % EMAIL_EVERY {
        1 => text("enduser.note", &format!("order of jane.roe{}@mail.example.com, second try", number % 64)),
        _ => text("client.address", "203.0.113.27"),
    };
    vec![
        text("http.request.method", method(number)),
        text("http.route", route(number)),
        text("url.path", if is_health_check(number) { "/healthz" } else { "/api/products/7423" }),
        text("url.scheme", "https"),
        int("http.response.status_code", [200, 200, 200, 404, 500][skewed(number, 5)]),
        text("server.address", "shop.example.com"),
        who,
        text("network.protocol.version", "1.1"),
        text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Firefox/146.0"),
        int("thread.id", 140_000 + (number % 64) as i64),
    ]
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

    /// Trace ids are what samplers decide by: spread, and never the same twice.
    #[test]
    fn a_tenth_of_the_trace_ids_is_low() {
        let template = Template::new(Signal::Traces, 1000);
        let request = template.request(0);
        let low = template.id_offsets.iter().filter(|&&at| request[at - 9] < 26).count();
        assert!((70..140).contains(&low), "{low} of 1,000");
    }

    /// Times are recent ones, of which no two are the same where milliseconds are kept.
    #[test]
    fn a_data_points_time_says_which_it_is() {
        assert_eq!(point_time(7), 1_790_000_000_007_000_000);
        assert_eq!([0, 7, 1 << 27].map(|id| point_id(point_time(id))), [Some(0), Some(7), Some(1 << 27)]);
        assert_eq!([7, START + 1].map(point_id), [None, None]);
        let time = |template: &Template| {
            let at = template.id_offsets[3];
            u64::from_le_bytes(template.request(20)[at..at + 8].try_into().unwrap())
        };
        assert_eq!(time(&Template::new(Signal::Metrics, 10)), point_time(23));
        assert_eq!(time(&Template::at(Signal::Metrics, 10, 5)), 23, "a time that the caller chose");
    }

    /// As few as there are, without an empty resource.
    #[test]
    fn a_small_request_has_few_resources() {
        let services: Vec<_> = services(10).map(|(_, records)| records.end - records.start).collect();
        assert_eq!(services, [3, 3, 3, 1]);
    }
}
