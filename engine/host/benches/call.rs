//! What does one call of a plugin cost: three columns in (one a text of 30 bytes), a bitmap out?
//!
//! `process` is gathering, crossing, deciding and applying; the columns are projected before. `no-columns` is the same with a
//! guest that asks for nothing and keeps everything: what is left is the call itself. Times are of the processor, not of the
//! clock, so that other work on the machine does not show.

mod support;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tokio::runtime::Runtime;
use wasmill_host::{Compile, Host, HostConfig, Stage, StageSpec};
use wasmill_wire::WireBatch;

use support::{batch, field, processor_time, projected};

/// Batches that are timed together: asking for the time costs as much as a call.
const BATCHES: u64 = 64;
const ROWS: [usize; 5] = [1, 10, 100, 1_000, 8_000];

fn call(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let host = Host::new(HostConfig { compile: Compile::InProcess, ..HostConfig::default() }).expect("an engine");
    let guests = [
        ("no-columns", wasmill_fixtures::hostile(), json!({"do": "keep"})),
        ("three-columns", wasmill_fixtures::three_columns(), json!(null)),
    ];
    let mut group = criterion.benchmark_group("call");
    for (name, module, config) in guests {
        let spec = StageSpec::alone(name, config);
        let stage = runtime.block_on(async {
            let plugin = host.load(name, module).await.expect("a plugin");
            Stage::build(&host, plugin, spec).await.expect("a stage")
        });
        for rows in ROWS {
            let base = spans(rows, &stage);
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    let mut left = iterations;
                    while left > 0 {
                        let count = left.min(BATCHES);
                        let mut batches: Vec<_> = (0..count).map(|_| batch(&base)).collect();
                        let before = processor_time();
                        runtime.block_on(async {
                            for batch in &mut batches {
                                stage.process(batch, 0).await.expect("a verdict");
                            }
                        });
                        spent += processor_time() - before;
                        left -= count;
                    }
                    spent
                });
            });
        }
    }
    group.finish();
}

/// Spans with names of 30 bytes, their columns projected.
fn spans(rows: usize, stage: &Stage) -> Arc<WireBatch> {
    let span = |row: usize| {
        let mut span = field(5, format!("GET /api/v1/orders/{row:011}").as_bytes());
        span.push(7 << 3 | 1);
        span.extend_from_slice(&(row as u64).to_le_bytes());
        // Status: code 1 or 2.
        span.extend(field(15, &[3 << 3, 1 + u8::from(row.is_multiple_of(10))]));
        span
    };
    projected((0..rows).map(span), stage)
}

criterion_group!(benches, call);
criterion_main!(benches);
