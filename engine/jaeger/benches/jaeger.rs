//! What does a span cost on its way into a batch for Jaeger?
//!
//! Axis: spans of a request, which are of one resource. Baseline in the same run: every other span of the request as OTLP, which copies
//! records and looks into none.
//!
//! Run with `cargo bench -p wasmill-jaeger`.

#[path = "../../wire/benches/requests/mod.rs"]
mod requests;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use wasmill_jaeger::encode;
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

/// The exporter's default.
const BATCH_BYTES_MAX: usize = 1 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("jaeger");
    for spans in [10, 1_000] {
        let nothing = Projection::new(Signal::Traces, Vec::new());
        let one =
            WireBatch::parse(Signal::Traces, requests::request(Signal::Traces, spans).into(), &nothing).expect("valid");
        let all = Selection::all(one.rows());
        group.throughput(Throughput::Elements(spans as u64));
        group.bench_function(BenchmarkId::new("batch", spans), |b| {
            b.iter(|| black_box(encode(one.index(), &all, BATCH_BYTES_MAX)));
        });
        let half = Selection::from_rows(spans, &Vec::from_iter((0..spans as u32).step_by(2)));
        group.bench_function(BenchmarkId::new("otlp-half", spans), |b| {
            b.iter(|| black_box(wasmill_wire::encode(Signal::Traces, one.index(), &half)));
        });
    }
    group.finish();
    criterion.final_summary();
}
