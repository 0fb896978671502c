//! `cargo +nightly fuzz run parse -- -max_len=4096`, in `engine/wire`.
//!
//! The first byte is the signal, the rest a request: taken if and only if `prost` takes it, with as many records, and
//! its columns can be had while parsing and afterwards.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use wasmill_wire::{ColumnRequest, Path, Projection, Selection, Signal, WireBatch, record_batch};

fn prost_accepts(signal: Signal, request: &[u8]) -> bool {
    match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(request).is_ok(),
        Signal::Logs => ExportLogsServiceRequest::decode(request).is_ok(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request).is_ok(),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, request)) = input.split_first() else { return };
    let signal = Signal::ALL[first as usize % 3];
    let columns = ["attributes[\"a\"]", "attributes", "resource.attributes[\"a\"]", "scope.name"];
    let columns: Vec<ColumnRequest> = columns
        .iter()
        .map(|text| Path::parse(signal, text).expect("a path"))
        .map(|path| ColumnRequest { column: path.column_type(), path })
        .collect();
    let found = WireBatch::parse(signal, Bytes::copy_from_slice(request), &Projection::new(signal, columns.clone()));
    assert_eq!(found.is_ok(), prost_accepts(signal, request));
    if let Ok(batch) = found {
        let at_once = batch.columns(&columns);
        batch.forget_columns();
        assert_eq!(at_once, batch.columns(&columns));
        let all = record_batch(signal, batch.index(), &Selection::all(batch.rows()));
        assert_eq!(all.num_rows(), batch.rows());
    }
});
