//! What does OTLP/JSON cost beside protobuf?
//!
//! Axes: signal; direction. Baseline in the same run: serde_json parsing the document to a `Value`, and writing it from one,
//! which is what a transcoder over values would begin and end with. After criterion's figures a table says for each step its
//! cost per record and what part of the baseline it is.
//!
//! Run with `cargo bench -p wasmill-wire --bench json`.

#[allow(dead_code, reason = "another bench changes the requests")]
mod requests;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use serde_json::Value;
use wasmill_wire::{JsonDocument, Signal, from_json, to_json};

const ROWS: usize = 1_000;

/// A step, by name, over one request.
type Step = (&'static str, Box<dyn Fn()>);

/// Bytes of the document, and what is done with it. The baselines come before what they are compared with.
fn steps(signal: Signal) -> (usize, Vec<Step>) {
    let document = JsonDocument::Request(signal);
    let wire = requests::request(signal, ROWS);
    let mut json = Vec::new();
    to_json(document, &wire, &mut json).expect("valid");
    let bytes = json.len();
    let value: Value = serde_json::from_slice(&json).expect("JSON");
    let (parsed, read) = (json.clone(), json);
    let steps: Vec<Step> = vec![
        ("serde_json parses to a value", Box::new(move || drop(black_box(serde_json::from_slice::<Value>(&parsed))))),
        ("JSON to wire bytes", Box::new(move || drop(black_box(from_json(document, &read, usize::MAX))))),
        ("serde_json writes a value", Box::new(move || drop(black_box(serde_json::to_vec(&value))))),
        (
            "wire bytes to JSON",
            Box::new(move || {
                let mut out = Vec::new();
                to_json(document, &wire, &mut out).expect("valid");
                black_box(out);
            }),
        ),
    ];
    (bytes, steps)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for signal in Signal::ALL {
        let (bytes, steps) = steps(signal);
        let mut group = criterion.benchmark_group(format!("json/{signal}"));
        group.throughput(Throughput::Bytes(bytes as u64));
        for (name, step) in &steps {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| bencher.iter(step));
        }
        group.finish();
    }
    criterion.final_summary();
    for signal in Signal::ALL {
        table(signal);
    }
}

fn table(signal: Signal) {
    let (bytes, steps) = steps(signal);
    println!("\n{signal}: {ROWS} records in {bytes} bytes of JSON");
    let mut baseline = Duration::MAX;
    for (number, (name, step)) in steps.iter().enumerate() {
        let took = shortest(step);
        if number % 2 == 0 {
            baseline = took;
        }
        let per_row = took.as_nanos() / ROWS as u128;
        let part = baseline.as_secs_f64() / took.as_secs_f64();
        println!("  {name:<30} {per_row:>6} ns a record, {part:.1} times as fast as serde_json");
    }
}

/// The shortest of some runs: what others take from this one is not its cost.
fn shortest(step: &dyn Fn()) -> Duration {
    let timed = |_| {
        let begun = Instant::now();
        step();
        begun.elapsed()
    };
    (0..200).map(timed).min().unwrap_or_default()
}
