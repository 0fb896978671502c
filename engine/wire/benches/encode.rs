//! What does it cost to send on a request of which some rows were dropped, or changed?
//!
//! Axes: signal; what is done to the parsed request. Baseline in the same run: `prost` decoding and encoding it. The last
//! steps are a whole stage: validate, index, project, decide, change, encode. After criterion's figures a table says for
//! each step its cost per record and what part of the baseline it is.
//!
//! Run with `cargo bench -p wasmill-wire --bench encode`.

mod requests;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_buffer::BooleanBuffer;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use wasmill_wire::{
    Change, ColumnRequest, ColumnType, Edit, MergePart, Overlay, Path, Projection, Rows, Selection, Signal, TextForm,
    WireBatch, compact, encode, merge,
};

const ROWS: usize = 1_000;

fn prost_round_trip(signal: Signal, request: &[u8]) -> Vec<u8> {
    match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(request).expect("valid").encode_to_vec(),
        Signal::Logs => ExportLogsServiceRequest::decode(request).expect("valid").encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request).expect("valid").encode_to_vec(),
    }
}

/// The five columns of the bar.
fn projection(signal: Signal) -> Projection {
    let paths: [&str; 5] = match signal {
        Signal::Traces => {
            ["status.code", "attributes[\"http.route\"]", "start_time_unix_nano", "end_time_unix_nano", "trace_id"]
        }
        Signal::Logs => ["severity_number", "attributes[\"http.route\"]", "time_unix_nano", "body", "trace_id"],
        Signal::Metrics => {
            ["metric.name", "attributes[\"http.route\"]", "time_unix_nano", "value", "start_time_unix_nano"]
        }
    };
    let request = |text: &str| {
        let path = Path::parse(signal, text).expect("a valid path");
        let column = match path.keys.is_empty() {
            true => path.column_type(),
            false => ColumnType::Text(TextForm::Dictionary),
        };
        ColumnRequest { path, column }
    };
    Projection::new(signal, paths.map(request).to_vec())
}

/// One attribute that is new and one that is there, a constant and a value for each row.
fn two_attributes(signal: Signal) -> Vec<Edit> {
    let team: ArrayRef = Arc::new(StringArray::from(vec!["payments"]));
    let codes: ArrayRef = Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| 300 + row % 7)));
    let edit = |path, change| Edit { path: Path::parse(signal, path).expect("a valid path"), rows: Rows::All, change };
    vec![
        edit("attributes[\"team\"]", Change::SetAll(team)),
        edit("attributes[\"http.response.status_code\"]", Change::Set(codes)),
    ]
}

/// A step, by name, over one request.
type Step = (&'static str, Box<dyn Fn()>);

fn steps(signal: Signal) -> (usize, Vec<Step>) {
    let request = Bytes::from(requests::request(signal, ROWS));
    let bytes = request.len();
    let five = projection(signal);
    let batch = Arc::new(WireBatch::parse(signal, request.clone(), &five).expect("valid"));
    let all = Selection::all(batch.rows());
    let tenth = Selection::from_bits(BooleanBuffer::collect_bool(batch.rows(), |row| row % 10 == 0));
    let route: ArrayRef = Arc::new(StringArray::from(vec!["eu"]));
    let of_resource = Edit {
        path: Path::parse(signal, "resource.attributes[\"region\"]").expect("a valid path"),
        rows: Rows::All,
        change: Change::SetAll(route),
    };
    let two = two_attributes(signal);
    let overlay = Overlay::apply(&batch, None, &all, &two).expect("edits that can be");
    let parse = {
        let request = request.clone();
        move || Arc::new(WireBatch::parse(signal, request.clone(), &five).expect("valid"))
    };
    let parse_too = parse.clone();
    let with = |step: fn(Signal, &Arc<WireBatch>, &Selection), selection: &Selection| -> Box<dyn Fn()> {
        let (batch, selection) = (Arc::clone(&batch), selection.clone());
        Box::new(move || step(signal, &batch, &selection))
    };
    let encode_step = |signal, batch: &Arc<WireBatch>, selection: &Selection| {
        drop(black_box(encode(signal, batch.index(), selection)));
    };
    let edit_step = |edits: Vec<Edit>| -> Box<dyn Fn()> {
        let (batch, all) = (Arc::clone(&batch), all.clone());
        Box::new(move || drop(black_box(Overlay::apply(&batch, None, &all, &edits))))
    };
    let steps: Vec<Step> = vec![
        ("prost decode + encode", Box::new(move || drop(black_box(prost_round_trip(signal, black_box(&request)))))),
        ("encode all", with(encode_step, &all)),
        ("encode one in ten", with(encode_step, &tenth)),
        (
            "compact one in ten",
            with(|signal, batch, some| drop(black_box(compact(signal, batch.index(), some))), &tenth),
        ),
        (
            "merge four, all rows",
            with(
                |signal, batch, all| {
                    drop(black_box(merge(
                        signal,
                        &[MergePart { index: batch.index(), selection: all, with_rowless: true }; 4],
                    )))
                },
                &all,
            ),
        ),
        ("set two attributes", edit_step(two.clone())),
        ("set a resource attribute", edit_step(vec![of_resource])),
        ("encode the edited", {
            let all = all.clone();
            Box::new(move || drop(black_box(encode(signal, overlay.index(), &all))))
        }),
        ("filter: parse + project 5 + verdict + encode all", {
            Box::new(move || {
                let batch = parse();
                let verdict = Selection::all(batch.rows()).narrow(&BooleanBuffer::new_set(batch.rows()));
                drop(black_box(encode(signal, batch.index(), &verdict)));
            })
        }),
        ("enrich: parse + project 5 + set two + encode all", {
            Box::new(move || {
                let batch = parse_too();
                let all = Selection::all(batch.rows());
                let overlay = Overlay::apply(&batch, None, &all, &two).expect("edits that can be");
                drop(black_box(encode(signal, overlay.index(), &all)));
            })
        }),
    ];
    (bytes, steps)
}

/// The shortest of many rounds: what the work costs where nothing disturbs it.
fn shortest(step: &dyn Fn()) -> Duration {
    let started = Instant::now();
    let mut shortest = Duration::MAX;
    while started.elapsed() < Duration::from_millis(500) {
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
            println!("  {name:<50} {nanos:>7.1} ns a record, 1/{:.1} of the baseline", baseline / nanos);
        }
    }
}
