//! Small batches of each signal, with something in every place that a guest may ask for.

use std::sync::Arc;

use wasmill_batch::{Ack, RequestContext, TelemetryBatch};
use wasmill_wire::{Projection, Signal, WireBatch};

/// A batch of so many rows, of two resources. Every third row has no attributes.
pub(super) fn batch(signal: Signal, rows: usize) -> TelemetryBatch {
    let records = |numbers: std::ops::Range<usize>| -> Vec<u8> {
        match signal {
            Signal::Traces => numbers.flat_map(|row| field(2, &span(row))).collect(),
            Signal::Logs => numbers.flat_map(|row| field(2, &log(row))).collect(),
            // One metric: a gauge, or a sum.
            Signal::Metrics => {
                let data = if numbers.start == 0 { 5 } else { 7 };
                let points: Vec<u8> = numbers.flat_map(|row| field(1, &point(row))).collect();
                field(2, &[field(1, b"requests"), field(3, b"1"), field(data, &points)].concat())
            }
        }
    };
    let resource = |name: &str, records: Vec<u8>| {
        let scope = [field(1, &[field(1, b"library"), field(3, &attribute("s", name))].concat()), records].concat();
        field(1, &[field(1, &field(1, &attribute("service.name", name))), field(2, &scope)].concat())
    };
    let request = [resource("a", records(0..rows / 2)), resource("b", records(rows / 2..rows))].concat();
    parse(signal, request).expect("a request as it should be")
}

/// A request that has all of it as rows.
pub(super) fn parse(signal: Signal, request: Vec<u8>) -> Option<TelemetryBatch> {
    let base = WireBatch::parse(signal, request.into(), &Projection::new(signal, Vec::new())).ok()?;
    Some(TelemetryBatch::new(Arc::new(base), Arc::new(RequestContext::default()), Ack::unobserved()))
}

fn span(row: usize) -> Vec<u8> {
    let event = [fixed(1, row as u64), field(2, b"retry"), field(3, &attribute("n", "1"))].concat();
    let mut span = [
        field(1, &[row as u8 + 1; 16]),
        field(2, &[row as u8 + 1; 8]),
        field(5, format!("span {row}").as_bytes()),
        fixed(7, row as u64),
        fixed(8, row as u64 * 3),
    ]
    .concat();
    if !row.is_multiple_of(3) {
        span.extend([field(9, &attribute("k", "v")), field(9, &attribute("x", "y")), field(11, &event)].concat());
    }
    span
}

fn log(row: usize) -> Vec<u8> {
    let mut log = [fixed(1, row as u64), vec![2 << 3, (row % 24) as u8], field(5, &text("said"))].concat();
    if !row.is_multiple_of(3) {
        log.extend([field(6, &attribute("k", "v")), field(6, &attribute("k", "w"))].concat());
    }
    log
}

fn point(row: usize) -> Vec<u8> {
    // A double, or an integer.
    let mut point = [fixed(3, row as u64), fixed(if row.is_multiple_of(2) { 4 } else { 6 }, row as u64)].concat();
    if !row.is_multiple_of(3) {
        point.extend(field(7, &attribute("k", "v")));
    }
    point
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &text(value))].concat()
}

fn text(value: &str) -> Vec<u8> {
    field(1, value.as_bytes())
}

fn fixed(number: u8, value: u64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

/// A field of protobuf that has a length.
fn field(number: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    push_len(&mut out, contents.len());
    out.extend_from_slice(contents);
    out
}

/// As protobuf and WebAssembly write a length: seven bits a byte, the least first.
pub(super) fn push_len(out: &mut Vec<u8>, mut len: usize) {
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}
