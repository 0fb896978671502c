//! The engine's allocations do not grow with the rows: as many at 8,000 records as at 1,000, but for the few buffers that
//! grow by doubling.
//!
//! One test alone in its process: it counts every allocation there is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::BooleanBuffer;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill_wire::{
    Change, ColumnRequest, Edit, JsonDocument, Overlay, Path, Projection, Rows, Selection, Signal, WireBatch, encode,
    from_json, to_json,
};

/// Allocations that may differ: the hash tables of dictionaries, which are made anew when they double, or not at all
/// where a column turns out to have too many values for one.
const GROWTH: usize = 16;

/// The system's allocator, counted. Growing in place of what is there already is not counted: it is what the few
/// buffers of a batch do.
struct Counting;

thread_local! {
    /// Of this thread: what runs the tests has others, which ask for memory, too.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    }
}

fn attributes(row: usize) -> Vec<KeyValue> {
    vec![
        attribute("http.route", format!("/api/orders/{}", row % 17)),
        attribute("tenant", format!("tenant-{}", row % 5)),
        attribute("unique", format!("request-{row}")),
    ]
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![attribute("service.name", "checkout".into())], ..Resource::default() })
}

fn request(signal: Signal, rows: usize) -> Vec<u8> {
    match signal {
        Signal::Traces => {
            let span = |row| Span { name: format!("span {}", row % 9), attributes: attributes(row), ..Span::default() };
            let scope = ScopeSpans { spans: (0..rows).map(span).collect(), ..ScopeSpans::default() };
            let resource = ResourceSpans { resource: resource(), scope_spans: vec![scope], ..ResourceSpans::default() };
            ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
        }
        Signal::Logs => {
            let log = |row| LogRecord { attributes: attributes(row), ..LogRecord::default() };
            let scope = ScopeLogs { log_records: (0..rows).map(log).collect(), ..ScopeLogs::default() };
            let resource = ResourceLogs { resource: resource(), scope_logs: vec![scope], ..ResourceLogs::default() };
            ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
        }
        Signal::Metrics => {
            let point = |row| NumberDataPoint { attributes: attributes(row), ..NumberDataPoint::default() };
            let sum = Sum { data_points: (0..rows).map(point).collect(), ..Sum::default() };
            let metric = Metric { name: "requests".into(), data: Some(Data::Sum(sum)), ..Metric::default() };
            let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
            let resource =
                ResourceMetrics { resource: resource(), scope_metrics: vec![scope], ..ResourceMetrics::default() };
            ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
        }
    }
}

/// Parse, project, filter and enrich (a constant for all rows, a value for each, one for the resource), encode.
fn run(signal: Signal, request: &Bytes, projection: &Projection, rows: usize, values: &ArrayRef) -> usize {
    let before = ALLOCATIONS.get();
    let batch = Arc::new(WireBatch::parse(signal, request.clone(), projection).unwrap());
    assert_eq!(batch.columns(projection.columns()).len(), 3);
    let selection = Selection::from_bits(BooleanBuffer::collect_bool(rows, |row| row % 10 != 0));
    let path = |text| Path::parse(signal, text).unwrap();
    let constant: ArrayRef = Arc::new(StringArray::from(vec!["payments"]));
    let numbers = (0..rows as u32).filter(|row| row % 10 != 0).collect();
    let edits = [
        Edit { path: path("attributes[\"team\"]"), rows: Rows::All, change: Change::SetAll(Arc::clone(&constant)) },
        Edit {
            path: path("attributes[\"http.route\"]"),
            rows: Rows::Numbers(numbers),
            change: Change::Set(Arc::clone(values)),
        },
        Edit { path: path("resource.attributes[\"team\"]"), rows: Rows::All, change: Change::SetAll(constant) },
        Edit { path: path("attributes[\"unique\"]"), rows: Rows::All, change: Change::Remove },
    ];
    let overlay = Overlay::apply(&batch, None, &selection, &edits).unwrap();
    assert_eq!(overlay.columns(projection.columns()).len(), 3);
    assert!(encode(signal, overlay.index(), &selection).len() > rows * 20);
    ALLOCATIONS.get() - before
}

/// To JSON and back.
fn transcode(signal: Signal, request: &[u8]) -> usize {
    let before = ALLOCATIONS.get();
    let mut json = Vec::new();
    to_json(JsonDocument::Request(signal), request, &mut json).unwrap();
    assert!(from_json(JsonDocument::Request(signal), &json, usize::MAX).unwrap().len() >= request.len());
    ALLOCATIONS.get() - before
}

/// Scenario: the same requests with 1,000 and with 8,000 records through the whole engine, and through JSON. Guarantee: as
/// many allocations, on all signals; through JSON, one for each direction.
#[test]
fn allocations_do_not_grow_with_rows() {
    for signal in Signal::ALL {
        let column = |text: &str| {
            let path = Path::parse(signal, text).unwrap();
            ColumnRequest { column: path.column_type(), path }
        };
        let paths = ["attributes[\"http.route\"]", "attributes[\"unique\"]", "resource.attributes[\"service.name\"]"];
        let projection = Projection::new(signal, paths.map(column).to_vec());
        let count = |rows: usize| {
            let request = Bytes::from(request(signal, rows));
            let selected = (0..rows).filter(|row| row % 10 != 0);
            let values: ArrayRef = Arc::new(StringArray::from_iter_values(selected.map(|row| format!("/{row}"))));
            run(signal, &request, &projection, rows, &values);
            run(signal, &request, &projection, rows, &values)
        };
        for rows in [1_000, 8_000] {
            assert_eq!(transcode(signal, &request(signal, rows)), 2, "{signal}, {rows} records through JSON");
        }
        let (few, many) = (count(1_000), count(8_000));
        assert!(few.abs_diff(many) <= GROWTH, "{signal}: {few} allocations at 1,000 records, {many} at 8,000");
    }
}
