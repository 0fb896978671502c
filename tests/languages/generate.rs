//! Requests of rows as they come, and as they should not: missing attributes, other types, keys that come twice, all of Unicode's
//! corners, texts that nearly are e-mail addresses and card numbers. Drawn from a number: the same each time.

use serde_json::{Value as Json, json};

pub const SIGNALS: [&str; 3] = ["traces", "metrics", "logs"];

/// Rows of a parent: enough that a parent has many, few enough that there are many parents.
const ROWS_A_SCOPE: usize = 23;
const SCOPES_A_RESOURCE: usize = 3;

const ROUTES: [&str; 8] = ["/healthz", "/ready", "/cart", "/checkout", "", "/HEALTHZ", "/healthz ", "Prüfung"];
const TENANTS: [&str; 5] = ["acme", "globex", "initech", "", "ACME"];
const SERVICES: [&str; 6] = ["checkout", "cart", "", "Ünïcode", "search", "Checkout"];
const TEXTS: [&str; 22] = [
    "nothing here",
    "",
    "ada@example.com",
    "Mail Ada <ada.lovelace+x@mail.example.co.uk>, or bob@b.io.",
    "a@b.c and x@y",
    "@@@ a@b@c.de@",
    "ünï@example.com",
    "ada@exämple.com",
    "4111 1111 1111 1111",
    "card 4111-1111-1111-1111!",
    "4111111111111112",
    "x4111111111111111y",
    "0000000000000",
    "00000000000000000000",
    "4111 1111 1111 1111 4111 1111 1111 1111",
    "1-2-3-4-5-6-7-8-9-0-1-2-8",
    "41111111 11111111 4",
    "4111  1111 1111 1111",
    "日本語 4222222222222 テスト",
    "a@b.io4111111111111111",
    "$1 \\1 {{x}} \u{0}\u{7f}\u{1f600}",
    "5500-0000-0000-0004 and 5500 0000 0000 0004",
];
const KEYS: [&str; 7] = ["http.route", "tenant", "user", "note", "n", "team", "ключ"];

/// A small generator (Knuth's MMIX numbers): the rows need to differ, not to be random.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// An export request of a signal as OTLP/JSON.
pub fn request(signal: &str, rows: usize, seed: u64) -> String {
    let mut draw = Draw(seed ^ signal.len() as u64);
    let (resources_name, scopes_name, records_name) = match signal {
        "traces" => ("resourceSpans", "scopeSpans", "spans"),
        "metrics" => ("resourceMetrics", "scopeMetrics", "metrics"),
        _ => ("resourceLogs", "scopeLogs", "logRecords"),
    };
    let (mut resources, mut left) = (Vec::new(), rows);
    while left > 0 {
        let mut scopes = Vec::new();
        for _ in 0..SCOPES_A_RESOURCE {
            let count = left.min(ROWS_A_SCOPE);
            left -= count;
            let records: Vec<Json> = (0..count).map(|row| record(signal, row, &mut draw)).collect();
            let scope = json!({"name": "generated", "attributes": attributes(&mut draw, 2)});
            scopes.push(json!({"scope": scope, records_name: records}));
        }
        resources.push(json!({"resource": {"attributes": resource(&mut draw)}, scopes_name: scopes}));
    }
    json!({ resources_name: resources }).to_string()
}

/// Traces whose spans come mixed.
const TRACES_AT_ONCE: usize = 40;

/// An export request of spans of many traces, which come mixed: some with an error, some slow, of whatever randomness, and some spans of none.
pub fn traces(rows: usize, seed: u64) -> String {
    let mut draw = Draw(seed.wrapping_add(7));
    let mut ids = vec![String::new(); TRACES_AT_ONCE];
    let spans = (0..rows).map(|row| {
        let trace = draw.below(TRACES_AT_ONCE);
        if ids[trace].is_empty() || draw.below(6) == 0 {
            ids[trace] = (0..16).map(|_| format!("{:02x}", draw.below(256))).collect();
        }
        let trace = if draw.below(50) == 0 { "" } else { ids[trace].as_str() };
        let start = 1_700_000_000_000_000_000 + draw.below(1_000_000) as u64;
        // A span may end before it starts: clocks do.
        let end = match draw.below(20) {
            0 => start + 900_000_000 + draw.below(200_000_000) as u64,
            1 => start - 5,
            _ => start + draw.below(1_500_000) as u64,
        };
        let code = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2][draw.below(10)];
        json!({
            "traceId": trace, "spanId": format!("{:016x}", row + 1), "name": "GET", "startTimeUnixNano": start.to_string(),
            "endTimeUnixNano": end.to_string(), "status": {"code": code},
        })
    });
    let spans: Vec<Json> = spans.collect();
    let scopes: Vec<Json> = spans.chunks(ROWS_A_SCOPE).map(|spans| json!({"spans": spans})).collect();
    json!({"resourceSpans": [{"scopeSpans": scopes}]}).to_string()
}

fn resource(draw: &mut Draw) -> Vec<Json> {
    let mut attributes = attributes(draw, 2);
    match draw.below(8) {
        0 => {}
        1 => attributes.push(json!({"key": "service.name", "value": {"intValue": "5"}})),
        _ => attributes.push(json!({"key": "service.name", "value": {"stringValue": draw.one(&SERVICES)}})),
    }
    attributes
}

fn record(signal: &str, row: usize, draw: &mut Draw) -> Json {
    let time = (1_700_000_000_000_000_000_u64 + row as u64).to_string();
    let attributes = attributes(draw, 8);
    match signal {
        "traces" => json!({
            "traceId": format!("{:032x}", row + 1), "spanId": format!("{:016x}", row + 1), "name": draw.one(&ROUTES),
            "kind": draw.below(6), "startTimeUnixNano": time, "attributes": attributes,
        }),
        "metrics" => json!({
            "name": draw.one(&TENANTS), "gauge": {"dataPoints": [{"timeUnixNano": time, "asDouble": 0.5, "attributes": attributes}]},
        }),
        _ => json!({
            "timeUnixNano": time, "body": {"stringValue": draw.one(&TEXTS)}, "attributes": attributes,
        }),
    }
}

/// Up to `max` attributes. A key may come twice.
fn attributes(draw: &mut Draw, max: usize) -> Vec<Json> {
    (0..draw.below(max + 1)).map(|_| attribute(draw)).collect()
}

fn attribute(draw: &mut Draw) -> Json {
    let key = draw.one(&KEYS);
    let value = match (draw.below(8), key) {
        (0, _) => json!({"intValue": draw.below(1_000_000).to_string()}),
        (1, _) => json!({"arrayValue": {"values": [{"stringValue": draw.one(&TEXTS)}]}}),
        (2, _) => json!({"kvlistValue": {"values": [{"key": "user", "value": {"stringValue": draw.one(&TEXTS)}}]}}),
        (3, _) => [json!({}), json!({"boolValue": true}), json!({"bytesValue": "YUBiLmlv"})][draw.below(3)].clone(),
        (_, "http.route") => json!({"stringValue": draw.one(&ROUTES)}),
        (_, "tenant") => json!({"stringValue": draw.one(&TENANTS)}),
        _ => json!({"stringValue": draw.one(&TEXTS)}),
    };
    json!({"key": key, "value": value})
}
