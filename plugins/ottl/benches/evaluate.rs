//! How long conditions and statements take for each row. The axes: what is evaluated, and the rows of a slice.
//!
//! The baseline is `baseline/equal`: a loop written by hand that compares a dictionary's values with a text and looks up
//! each row, which is the least that an equality can cost.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wasmill_columns::{Bitmap, Block, BlockBuilder, Column, Kind};
use wasmill_ottl::{ErrorMode, Program, Signal, Wanted};

const ROWS: [usize; 2] = [1_024, 8_192];

/// Distinct texts of each column: routes and names of a usual service.
const DISTINCT: usize = 20;

const KEYS: [&str; 10] = ["http.route", "http.method", "a", "b", "c", "d", "e", "f", "g", "h"];

fn texts() -> Vec<String> {
    (0..DISTINCT).map(|number| format!("/api/v1/resource/{number}/items")).collect()
}

fn node(out: &mut BlockBuilder, kind: Kind, rows: usize) {
    let (texts, keys) = (texts(), (0..rows).map(|row| (row * 7 % DISTINCT) as u32));
    match kind {
        Kind::Text => drop(out.dictionary(keys, texts.iter().map(String::as_str))),
        Kind::Int32 => drop(out.fixed((0..rows).map(|row| (row % 3) as i32).collect::<Vec<_>>())),
        Kind::Int64 => drop(out.fixed((0..rows).map(|row| row as i64 * 1_000).collect::<Vec<_>>())),
        Kind::Any => {
            // A text in each row, but for one in ten that has none.
            let node = out.open(Kind::Any, rows, 1);
            let kinds = out.values(node, rows);
            kinds.iter_mut().enumerate().for_each(|(row, kind)| *kind = if row % 10 == 9 { 0 } else { 2 });
            for (row, place) in out.offsets(node).chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&(row as u32).to_le_bytes());
            }
            out.dictionary(keys, texts.iter().map(String::as_str));
        }
        Kind::Attributes => {
            // As the host sends them: keys and texts in dictionaries.
            let node = out.open(Kind::Attributes, rows, 2);
            for (row, place) in out.offsets(node).chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&((row * KEYS.len()) as u32).to_le_bytes());
            }
            let entries = rows * KEYS.len();
            out.dictionary((0..entries).map(|entry| (entry % KEYS.len()) as u32), KEYS);
            let values = out.open(Kind::Any, entries, 1);
            out.values(values, entries).fill(2);
            for (entry, place) in out.offsets(values).chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&(entry as u32).to_le_bytes());
            }
            let keys = (0..entries).map(|entry| (entry * 7 % DISTINCT) as u32);
            out.dictionary(keys, texts.iter().map(String::as_str));
        }
        kind => panic!("no benchmark has columns of {kind}"),
    }
}

fn block(wanted: &[Wanted], rows: usize) -> Vec<u8> {
    let mut out = BlockBuilder::new();
    wanted.iter().for_each(|wanted| node(&mut out, wanted.kind, rows));
    out.finish().expect("a block of some thousand rows")
}

fn conditions(criterion: &mut Criterion) {
    let cases = [
        ("any-equal", r#"attributes["http.route"] == "/api/v1/resource/3/items""#),
        ("any-match", r#"IsMatch(attributes["http.route"], "/resource/1\\d*/")"#),
        ("int-equal", "status.code == STATUS_CODE_ERROR"),
        ("long-greater", "duration > 500000"),
        (
            "three-and",
            r#"attributes["http.route"] == "/api/v1/resource/3/items" and status.code == 0 and duration > 5"#,
        ),
        ("converted", r#"ConvertCase(name, "upper") == "/API/V1/RESOURCE/3/ITEMS""#),
        ("two-columns", r#"attributes["a"] == attributes["b"]"#),
    ];
    let mut group = criterion.benchmark_group("condition");
    for rows in ROWS {
        group.throughput(Throughput::Elements(rows as u64));
        for (name, text) in cases {
            let mut program = Program::conditions(Signal::Traces, &[text], ErrorMode::Ignore).expect("a condition");
            let bytes = block(program.columns(), rows);
            let block = Block::check(&bytes).expect("a sound block");
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| black_box(program.matches(&block, rows)).map(|matched| matched.rows.count()));
            });
        }
    }
    group.finish();
}

fn statements(criterion: &mut Criterion) {
    let cases = [
        ("set-where", r#"set(attributes["team"], "payments") where name == "/api/v1/resource/3/items""#),
        ("set-all", r#"set(attributes["team"], "payments")"#),
        ("delete-matching", r#"delete_matching_keys(attributes, "^http\\.")"#),
        ("keep-none-changed", r#"delete_matching_keys(attributes, "^x")"#),
        ("replace-pattern", r#"replace_pattern(name, "/\\d+/", "/{id}/")"#),
    ];
    let mut group = criterion.benchmark_group("statement");
    for rows in ROWS {
        group.throughput(Throughput::Elements(rows as u64));
        for (name, text) in cases {
            let mut program = Program::statements(Signal::Traces, &[text], ErrorMode::Ignore).expect("a statement");
            let bytes = block(program.columns(), rows);
            let block = Block::check(&bytes).expect("a sound block");
            group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                bencher.iter(|| black_box(program.edits(&block, rows)).map(|edited| edited.edits.len()));
            });
        }
    }
    group.finish();
}

fn baseline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("baseline");
    for rows in ROWS {
        let mut out = BlockBuilder::new();
        node(&mut out, Kind::Text, rows);
        let bytes = out.finish().expect("a block of some thousand rows");
        let block = Block::check(&bytes).expect("a sound block");
        let Some(Column::Text(names)) = block.column(0) else { panic!("a column of text") };
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("equal", rows), |bencher| {
            bencher.iter(|| -> Bitmap { names.matches(|name| name == black_box("/api/v1/resource/3/items")) });
        });
    }
    group.finish();
}

criterion_group!(benches, baseline, conditions, statements);
criterion_main!(benches);
