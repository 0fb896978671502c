//! How much less does a request cost that is never decoded?
//!
//! Axes: signal; what is done. Baseline in the same run: `prost` decoding and encoding the same request. After
//! criterion's figures a table says for each step its cost per record and what part of the baseline it is.
//!
//! Run with `cargo bench -p wasmill-wire`.

mod requests;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use wasmill_wire::{ColumnRequest, ColumnType, Path, Projection, Selection, Signal, TextForm, WireBatch, encode};

const ROWS: usize = 1_000;

/// Six columns that a filter or a sampler would ask for; the bar of five takes the first five.
fn columns(signal: Signal) -> Vec<ColumnRequest> {
    let paths: [&str; 6] = match signal {
        Signal::Traces => [
            "status.code",
            "attributes[\"http.route\"]",
            "start_time_unix_nano",
            "end_time_unix_nano",
            "resource.attributes[\"service.name\"]",
            "trace_id",
        ],
        Signal::Logs => [
            "severity_number",
            "attributes[\"http.route\"]",
            "time_unix_nano",
            "body",
            "resource.attributes[\"service.name\"]",
            "trace_id",
        ],
        Signal::Metrics => [
            "metric.name",
            "attributes[\"http.route\"]",
            "time_unix_nano",
            "value",
            "resource.attributes[\"service.name\"]",
            "start_time_unix_nano",
        ],
    };
    let request = |text: &str| {
        let path = Path::parse(signal, text).expect("a valid path");
        let column = match path.keys.is_empty() {
            true => path.column_type(),
            false => ColumnType::Text(TextForm::Dictionary),
        };
        ColumnRequest { path, column }
    };
    paths.into_iter().map(request).collect()
}

fn prost_round_trip(signal: Signal, request: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(request).expect("valid").encode_to_vec(),
        Signal::Logs => ExportLogsServiceRequest::decode(request).expect("valid").encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request).expect("valid").encode_to_vec(),
    }
}

/// A step, by name, over one request.
type Step = (&'static str, Box<dyn Fn()>);

fn steps(signal: Signal) -> (usize, Vec<Step>) {
    let request = Bytes::from(requests::request(signal, ROWS));
    let nothing = Projection::new(signal, Vec::new());
    let six = columns(signal);
    let five = Projection::new(signal, six[..5].to_vec());
    let all = Projection::new(signal, six.clone());
    let parsed = WireBatch::parse(signal, request.clone(), &nothing).expect("valid");
    let bytes = request.len();
    let parse = {
        let request = request.clone();
        move |wanted: &Projection| WireBatch::parse(signal, request.clone(), wanted).expect("valid")
    };
    let (parse_five, parse_all, parse_encode) = (parse.clone(), parse.clone(), parse.clone());
    let (five_encode, six_later) = (five.clone(), six.clone());
    let steps: Vec<Step> = vec![
        ("prost decode + encode", Box::new(move || drop(black_box(prost_round_trip(signal, black_box(&request)))))),
        ("validate + index", Box::new(move || drop(black_box(parse(&nothing))))),
        ("validate + index + project 5", Box::new(move || drop(black_box(parse_five(&five))))),
        ("validate + index + project 6", Box::new(move || drop(black_box(parse_all(&all))))),
        (
            "project 6 afterwards",
            Box::new(move || {
                parsed.forget_columns();
                drop(black_box(parsed.columns(&six_later)));
            }),
        ),
        (
            "validate + index + project 5 + encode all",
            Box::new(move || {
                let batch = parse_encode(&five_encode);
                drop(black_box(encode(signal, batch.index(), &Selection::all(batch.rows()))));
            }),
        ),
    ];
    (bytes, steps)
}

/// The shortest of many rounds: what the work costs where nothing disturbs it.
fn shortest(step: &dyn Fn()) -> Duration {
    let started = Instant::now();
    let mut shortest = Duration::MAX;
    while started.elapsed() < Duration::from_millis(700) {
        let round = Instant::now();
        step();
        shortest = shortest.min(round.elapsed());
    }
    shortest
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for signal in Signal::ALL {
        let (bytes, steps) = steps(signal);
        let mut group = criterion.benchmark_group(signal.name());
        group.throughput(Throughput::Bytes(bytes as u64));
        for (name, step) in &steps {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| bencher.iter(step));
        }
        group.finish();
    }
    criterion.final_summary();

    for signal in Signal::ALL {
        let (bytes, steps) = steps(signal);
        println!("\n{signal}: {ROWS} records, {} bytes each", bytes / ROWS);
        let mut baseline = None;
        for (name, step) in &steps {
            let nanos = shortest(step.as_ref()).as_nanos() as f64 / ROWS as f64;
            let baseline = *baseline.get_or_insert(nanos);
            println!("  {name:<42} {nanos:>7.0} ns a record, 1/{:.1} of the baseline", baseline / nanos);
        }
    }
}
