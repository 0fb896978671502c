//! What does a lookup cost a plugin: 1,024 keys of 12 bytes in a table of a million rows?
//!
//! `rows` is the number of keys in a call. `none` is the same plugin on the same column, which asks nothing; `repeated` finds a text that
//! many rows of the table have (a team), `own` one that each row has its own of (an address), and `absent` asks for keys that the table has not. Times are of
//! the processor, as in the bench `call`.

mod support;

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tokio::runtime::Runtime;
use wasmill_host::{Compile, Host, HostConfig, Stage, StageSpec};
use wasmill_tables::{TableSet, TableSpec};
use wasmill_wire::WireBatch;

use support::{batch, field, processor_time, projected};

const TABLE_ROWS: usize = 1_000_000;
const ROWS: [usize; 3] = [10, 1_024, 8_192];
/// Batches that are timed together, each of other keys, so that the table's rows are not in the processor's caches.
const BATCHES: usize = 64;

fn lookup(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let host = Host::new(HostConfig { compile: Compile::InProcess, ..HostConfig::default() }).expect("an engine");
    let file = table();
    let spec = TableSpec::csv(file.path(), "host");
    let tables = runtime.block_on(async {
        let table = host.tables().open(&spec).await.expect("a table");
        TableSet::from([("hosts".to_owned(), table)])
    });
    let mut group = criterion.benchmark_group("lookup");
    for (name, fields, first) in [
        ("none", &[][..], 0),
        ("repeated", &["team"][..], 0),
        ("own", &["address"][..], 0),
        ("absent", &["team"][..], TABLE_ROWS),
    ] {
        let spec = StageSpec { tables: Some(tables.clone()), ..StageSpec::alone(name, json!({"fields": fields})) };
        let stage = runtime.block_on(async {
            let plugin = host.load(name, wasmill_fixtures::find()).await.expect("a plugin");
            Stage::build(&host, plugin, spec).await.expect("a stage")
        });
        for rows in ROWS {
            let bases: Vec<_> = (0..BATCHES).map(|number| spans(rows, first, number, &stage)).collect();
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    let mut left = iterations as usize;
                    while left > 0 {
                        let count = left.min(BATCHES);
                        let mut batches: Vec<_> = bases.iter().take(count).map(batch).collect();
                        let before = processor_time();
                        runtime.block_on(async {
                            for batch in &mut batches {
                                stage.process(batch, 0).await.expect("a verdict");
                            }
                        });
                        spent += processor_time() - before;
                        black_box(&batches);
                        left -= count;
                    }
                    spent
                });
            });
        }
    }
    group.finish();
}

/// A million rows: `host-0000017,team 17,10.0.0.17`.
fn table() -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().expect("a file");
    let mut out = std::io::BufWriter::new(file.as_file());
    writeln!(out, "host,team,address").expect("a line");
    for row in 0..TABLE_ROWS {
        let (a, b, c) = (row >> 16, row >> 8 & 255, row & 255);
        writeln!(out, "{},team {},10.{a}.{b}.{c}", key(row), row % 400).expect("a line");
    }
    out.flush().expect("a file");
    drop(out);
    file
}

fn key(row: usize) -> String {
    format!("host-{row:07}")
}

/// Spans with keys for names, spread over the table.
fn spans(rows: usize, first: usize, number: usize, stage: &Stage) -> Arc<WireBatch> {
    let place = |row: usize| (row + number * rows).wrapping_mul(7_919_017) % TABLE_ROWS;
    projected((0..rows).map(|row| field(5, key(first + place(row)).as_bytes())), stage)
}

criterion_group!(benches, lookup);
criterion_main!(benches);
