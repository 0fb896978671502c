//! How much processor time do requests take until they are a Parquet file, decoding them included?
//!
//! ```sh
//! cargo run --release -p wasmill-archive --example to_parquet /tmp/spans.parquet
//! python engine/archive/examples/pyarrow_write.py /tmp/spans.parquet
//! ```
//!
//! The script reads the file that this has written, and writes the same table from memory: same compression, same row groups.

use std::fs::File;
use std::time::Instant;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill_archive::columns::Columns;
use wasmill_archive::{Compression, DataFile, DataFileError, FileSettings, Format};
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

const REQUESTS: u64 = 500;
const SPANS: u64 = 1_000;
const ROUNDS: usize = 5;
const ROW_GROUP_ROWS: usize = 131_072;

fn main() {
    let path = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let path = path.unwrap_or_else(|| std::env::temp_dir().join("spans.parquet").display().to_string());
    let requests: Vec<Bytes> = (0..REQUESTS).map(|number| request(number).encode_to_vec().into()).collect();
    let bytes: usize = requests.iter().map(Bytes::len).sum();
    println!("{} spans in {REQUESTS} requests, {} MB", REQUESTS * SPANS, bytes / 1_000_000);
    for compression in [Compression::Zstd, Compression::Snappy] {
        let settings = FileSettings { format: Format::Parquet, compression, row_group_rows_max: ROW_GROUP_ROWS };
        let path = match compression {
            Compression::Snappy => path.replace(".parquet", "-snappy.parquet"),
            _ => path.clone(),
        };
        let mut best = (f64::MAX, f64::MAX, f64::MAX);
        let mut size = 0;
        for _ in 0..ROUNDS {
            let begun = (cpu_seconds(), Instant::now());
            size = write(&path, &requests, &settings).expect("a file");
            let all = cpu_seconds() - begun.0;
            let begun = cpu_seconds();
            let rows = columns_alone(&requests);
            let columns = cpu_seconds() - begun;
            assert_eq!(rows as u64, REQUESTS * SPANS);
            let begun = cpu_seconds();
            requests.iter().for_each(|request| drop(std::hint::black_box(parse(request))));
            let parsed = cpu_seconds() - begun;
            if all < best.0 {
                best = (all, columns, parsed);
            }
        }
        let (all, columns, parsed) = best;
        println!(
            "{compression:?}: {all:.3} s of CPU (parsing {parsed:.3}, with columns {columns:.3}), {:.0} spans a second, {} MB: {path}",
            (REQUESTS * SPANS) as f64 / all,
            size / 1_000_000
        );
    }
}

fn parse(request: &Bytes) -> WireBatch {
    let nothing = Projection::new(Signal::Traces, Vec::new());
    WireBatch::parse(Signal::Traces, request.clone(), &nothing).expect("a request")
}

fn write(path: &str, requests: &[Bytes], settings: &FileSettings) -> Result<u64, DataFileError> {
    let mut file = DataFile::begin(File::create(path)?, Signal::Traces, settings)?;
    let mut columns = Columns::new(Signal::Traces);
    for request in requests {
        let batch = parse(request);
        columns.append(batch.index(), &Selection::all(batch.rows()), |batch| file.write(&batch))?;
    }
    file.write(&columns.finish()?)?;
    file.finish()
}

fn columns_alone(requests: &[Bytes]) -> usize {
    let mut columns = Columns::new(Signal::Traces);
    let mut rows = 0;
    for request in requests {
        let batch = parse(request);
        let taken = columns.append(batch.index(), &Selection::all(batch.rows()), |batch| {
            rows += std::hint::black_box(batch).num_rows();
            Ok::<(), DataFileError>(())
        });
        taken.expect("columns");
    }
    rows + columns.finish().expect("columns").num_rows()
}

/// What this thread has used; the file system's share in it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.expect("a number") / 1e9
}

/// Spans as an SDK of a web service sends them: ten attributes, of which half repeat, an event for every tenth.
fn request(number: u64) -> ExportTraceServiceRequest {
    let text = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    let int = |key: &str, value: i64| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
        ..KeyValue::default()
    };
    let resource = vec![
        text("service.name", format!("service-{}", number % 20)),
        text("service.namespace", "shop".to_owned()),
        text("service.instance.id", format!("instance-{}", number % 100)),
        text("service.version", "1.42.0".to_owned()),
        text("telemetry.sdk.language", "java".to_owned()),
        text("telemetry.sdk.name", "opentelemetry".to_owned()),
        text("telemetry.sdk.version", "1.38.0".to_owned()),
        text("k8s.namespace.name", "production".to_owned()),
        text("k8s.pod.name", format!("service-{}-7d4b9c6f5-{:05x}", number % 20, number % 100)),
        text("host.name", format!("node-{}", number % 30)),
    ];
    let span = |place: u64| {
        let id = (number * SPANS + place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let start = 1_700_000_000_000_000_000 + (number * SPANS + place) * 1_000_000;
        let event = || Event {
            time_unix_nano: start + 1_000,
            name: "exception".to_owned(),
            attributes: vec![text("exception.type", "java.io.IOException".to_owned())],
            ..Event::default()
        };
        Span {
            trace_id: [id.rotate_left(17), id].map(u64::to_le_bytes).concat(),
            span_id: id.to_le_bytes().to_vec(),
            parent_span_id: id.rotate_left(31).to_le_bytes().to_vec(),
            name: format!("GET /api/v1/orders/{}", place % 50),
            kind: 2,
            start_time_unix_nano: start,
            end_time_unix_nano: start + id % 50_000_000,
            attributes: vec![
                text("http.request.method", "GET".to_owned()),
                text("http.route", format!("/api/v1/orders/{}", place % 50)),
                int("http.response.status_code", 200 + (place % 5) as i64),
                text("url.path", format!("/api/v1/orders/{id}")),
                text("url.scheme", "https".to_owned()),
                text("server.address", "shop.example.com".to_owned()),
                int("server.port", 443),
                text("client.address", format!("10.{}.{}.{}", id % 256, id / 256 % 256, id / 65_536 % 256)),
                text("user_agent.original", format!("Mozilla/5.0 (X11; Linux x86_64) Chrome/{}.0", 100 + id % 20)),
                text("session.id", format!("{id:016x}")),
            ],
            events: if place.is_multiple_of(10) { vec![event()] } else { Vec::new() },
            ..Span::default()
        }
    };
    let scope = InstrumentationScope {
        name: "io.opentelemetry.tomcat".to_owned(),
        version: "2.4.0".to_owned(),
        ..Default::default()
    };
    let scope_spans = ScopeSpans { scope: Some(scope), spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() };
    let resource = Resource { attributes: resource, ..Resource::default() };
    let resource =
        ResourceSpans { resource: Some(resource), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}
