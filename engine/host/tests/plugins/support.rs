//! A host, a stage, a batch.

use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::Value;
use wasmill_batch::{Ack, RequestContext, TelemetryBatch};
use wasmill_host::{BuildError, Compile, Host, HostConfig, Limits, OnFault, Plugin, Stage, StageSpec, StateSettings};
use wasmill_tables::TableSet;
use wasmill_wire::{Projection, Signal, WireBatch};

/// One for all tests, as a process has one.
pub static HOST: LazyLock<Host> = LazyLock::new(host);

/// A host of its own, with a cache of its own.
pub fn host() -> Host {
    Host::new(HostConfig { compile: Compile::InProcess, ..HostConfig::default() }).unwrap()
}

pub async fn hostile() -> Arc<Plugin> {
    HOST.load("hostile", wasmill_fixtures::hostile()).await.unwrap()
}

/// Short, so that tests of loops are.
pub fn deadline() -> NonZeroU64 {
    NonZeroU64::new(100).unwrap()
}

pub fn spec(config: &str) -> StageSpec {
    StageSpec {
        name: "wasm/test".to_owned(),
        config: serde_json::from_str::<Value>(config).unwrap(),
        limits: Limits::default(),
        on_fault: OnFault::Reject,
        breaker: None,
        content_faults_max: None,
        quiet: false,
        routes: Some(vec!["pager".to_owned(), "archive".to_owned()]),
        group_by: None,
        tables: Some(TableSet::new()),
        state: StateSettings::default(),
    }
}

pub async fn build(spec: StageSpec) -> Result<Arc<Stage>, BuildError> {
    Stage::build(&HOST, hostile().await, spec).await
}

pub async fn stage(config: &str) -> Arc<Stage> {
    build(spec(config)).await.unwrap()
}

/// A stage whose calls may not take long.
pub async fn hurried(config: &str) -> Arc<Stage> {
    let mut spec = spec(config);
    spec.limits.call_deadline_ms = deadline();
    build(spec).await.unwrap()
}

/// Spans `0..rows`: number `i` is called `span i`, and starts at `i` nanoseconds.
pub fn spans(rows: usize) -> TelemetryBatch {
    spans_with(rows, |_| Vec::new())
}

/// Spans of these names.
pub fn spans_named(names: &[String]) -> TelemetryBatch {
    // The last of a field counts.
    spans_with(names.len(), |row| field(5, names[row].as_bytes()))
}

/// As [`spans`], with more fields for each.
pub fn spans_with(rows: usize, more: impl Fn(usize) -> Vec<u8>) -> TelemetryBatch {
    let mut scope = Vec::new();
    for row in 0..rows {
        let mut span = field(5, format!("span {row}").as_bytes());
        span.push(7 << 3 | 1);
        span.extend_from_slice(&(row as u64).to_le_bytes());
        span.extend(more(row));
        scope.extend(field(2, &span));
    }
    let request = field(1, &field(2, &scope));
    let wanted = Projection::new(Signal::Traces, Vec::new());
    let base = WireBatch::parse(Signal::Traces, Bytes::from(request), &wanted).unwrap();
    TelemetryBatch::new(Arc::new(base), Arc::new(RequestContext::default()), Ack::unobserved())
}

/// An attribute of a span, as text.
pub fn attribute(key: &str, value: &str) -> Vec<u8> {
    let value = field(1, value.as_bytes());
    field(9, &[field(1, key.as_bytes()), field(2, &value)].concat())
}

/// A field of protobuf that has a length.
fn field(number: u32, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![(number << 3 | 2) as u8];
    let mut len = contents.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(contents);
    out
}

/// Numbers of the rows still in.
pub fn selected(batch: &TelemetryBatch) -> Vec<usize> {
    batch.selection().rows().collect()
}
