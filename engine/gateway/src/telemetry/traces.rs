//! The gateway's own spans (`service::telemetry::traces`): what a request met here, in the trace of whoever sent it.
//!
//! ```text
//!  receiver/otlp/TraceDataReceived            server span, child of the caller's where that is asked for
//!    ├─ processor/wasm/filter/traces          one for each stage, with the rows that came and went
//!    └─ exporter/otlp/traces                  from its first attempt to its last
//! ```
//!
//! Names and attributes are those that the Collector gives its own. A request that is not sampled costs one look at whether spans
//! are wanted at all. A span that ends goes into a bounded channel, and a task of its own sends it: telemetry about telemetry waits
//! for nothing and holds up nothing. What does not fit, or cannot be sent, is lost, and the log says how many were.

mod send;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span as WireSpan, Status, span::SpanKind, status::StatusCode};
use parking_lot::RwLock;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wasmill_batch::{RequestContext, TraceContext};
use wasmill_config::TraceSettings;
use wasmill_transport::ClientError;

/// `W3C-trace-flags` in OTLP's `flags`: sampled.
const SAMPLED_FLAG: u32 = 1;

/// What spans are made with, for everybody who makes some. Changes with the configuration.
#[derive(Clone, Default)]
pub struct Tracing(Arc<RwLock<Option<Tracer>>>);

#[derive(Clone)]
struct Tracer {
    settings: Arc<TraceSettings>,
    spans: mpsc::Sender<WireSpan>,
    /// Spans for which there was no room, since the log last said so.
    lost: Arc<AtomicU64>,
    /// Ends when the last sender is gone, with what it still has.
    sending: Arc<parking_lot::Mutex<Option<JoinHandle<()>>>>,
}

/// A span that has begun. Dropped without [`end`](ActiveSpan::end), it is not sent.
pub struct ActiveSpan {
    tracer: Tracer,
    span: WireSpan,
    context: TraceContext,
}

/// A tracer that can be put into service.
pub struct PreparedTracing(Option<Tracer>);

impl Tracing {
    /// Makes what `settings` ask for beside what is in service. `Err`: its backend cannot be addressed so.
    pub fn prepare(&self, settings: Option<&TraceSettings>) -> Result<PreparedTracing, ClientError> {
        let Some(settings) = settings else { return Ok(PreparedTracing(None)) };
        if let Some(same) = self.0.read().as_ref().filter(|tracer| *tracer.settings == *settings) {
            return Ok(PreparedTracing(Some(same.clone())));
        }
        let settings = Arc::new(settings.clone());
        let lost = Arc::<AtomicU64>::default();
        let (spans, sending) = send::start(&settings, Arc::clone(&lost))?;
        Ok(PreparedTracing(Some(Tracer {
            settings,
            spans,
            lost,
            sending: Arc::new(parking_lot::Mutex::new(Some(sending))),
        })))
    }

    /// Puts it into service. Spans that have begun end with the one that they began with.
    pub fn serve(&self, prepared: PreparedTracing) {
        *self.0.write() = prepared.0;
    }

    /// Sends what is there, at most until `limit` has passed; then no span is made any more.
    pub async fn shutdown(&self, limit: Duration) {
        let Some(tracer) = self.0.write().take() else { return };
        let sending = tracer.sending.lock().take();
        drop(tracer);
        if let Some(sending) = sending
            && tokio::time::timeout(limit, sending).await.is_err()
        {
            tracing::warn!("the gateway's own spans could not all be sent before its end");
        }
    }

    /// The span of a request that came in. `None`: it is not to be seen. Until it ends, what is done for the request is in its trace:
    /// `context` is told.
    pub fn request(&self, context: &mut RequestContext, name: impl FnOnce() -> String) -> Option<ActiveSpan> {
        let tracer = self.0.read().clone()?;
        let caller = tracer.caller(context);
        let trace_id = caller.map_or_else(random_trace_id, |(caller, _)| caller.trace_id);
        let sampled = match caller {
            Some((_, sampled)) if tracer.settings.sampler.parent_based => sampled,
            _ => tracer.samples(trace_id),
        };
        if !sampled {
            return None;
        }
        let span = tracer.begin(trace_id, caller.map(|(caller, _)| caller.span_id), SpanKind::Server, name());
        context.trace = Some(span.context);
        Some(span)
    }

    /// A span of what is done for a request. `None`: the request is not to be seen.
    pub fn child(&self, context: &RequestContext, kind: SpanKind, name: impl FnOnce() -> String) -> Option<ActiveSpan> {
        let parent = context.trace?;
        let tracer = self.0.read().clone()?;
        Some(tracer.begin(parent.trace_id, Some(parent.span_id), kind, name()))
    }
}

impl Tracer {
    /// The caller's span, where its trace is to be joined, and whether the caller keeps it.
    fn caller(&self, context: &RequestContext) -> Option<(TraceContext, bool)> {
        let text = context.trace_parent.as_deref().filter(|_| self.settings.joins)?;
        TraceContext::read(text)
    }

    /// As OpenTelemetry's `TraceIdRatioBased`: by the lower half of the id, so that all who use one ratio decide alike.
    fn samples(&self, trace_id: [u8; 16]) -> bool {
        let low = u64::from_be_bytes(trace_id.last_chunk().copied().unwrap_or_default()) >> 1;
        let bound = self.settings.sampler.ratio * (1u64 << 63) as f64;
        (low as f64) < bound
    }

    fn begin(&self, trace_id: [u8; 16], parent: Option<[u8; 8]>, kind: SpanKind, name: String) -> ActiveSpan {
        let context = TraceContext { trace_id, span_id: random_span_id() };
        let span = WireSpan {
            trace_id: trace_id.to_vec(),
            span_id: context.span_id.to_vec(),
            parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
            flags: SAMPLED_FLAG,
            name,
            kind: kind as i32,
            start_time_unix_nano: now(),
            ..WireSpan::default()
        };
        ActiveSpan { tracer: self.clone(), span, context }
    }
}

impl ActiveSpan {
    pub fn text(&mut self, key: &str, value: &str) {
        self.attribute(key, Value::StringValue(value.to_owned()));
    }

    pub fn count(&mut self, key: &str, value: u64) {
        self.attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn attribute(&mut self, key: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.span.attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }

    /// Ends it now. `failed`: why what it is about did not go well.
    pub fn end(mut self, failed: Option<&str>) {
        self.span.end_time_unix_nano = now().max(self.span.start_time_unix_nano);
        if let Some(reason) = failed {
            self.span.status = Some(Status { message: reason.to_owned(), code: StatusCode::Error as i32 });
        }
        if self.tracer.spans.try_send(self.span).is_err() {
            self.tracer.lost.fetch_add(1, Relaxed);
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Not 0. The standard library's hasher is keyed at random, and each keys another: enough for ids, and no dependency.
fn random() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(COUNT.fetch_add(1, Relaxed));
    hasher.finish().max(1)
}

fn random_span_id() -> [u8; 8] {
    random().to_be_bytes()
}

fn random_trace_id() -> [u8; 16] {
    (u128::from(random()) << 64 | u128::from(random())).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids differ, and are not zero.
    #[test]
    fn ids_are_random() {
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| random_trace_id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| *id != [0; 16]));
    }
}
