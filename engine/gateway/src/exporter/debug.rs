//! `debug`: writes what reaches it to the log, for people.
//!
//! As the Collector's: `basic` a line for each batch, `normal` a line for each record besides, `detailed` every field. Off the
//! hot path, so records are decoded into messages here, and only here.

mod detailed;
mod normal;
mod text;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use parking_lot::Mutex;
use prost::Message;
use wasmill_batch::TelemetryBatch;
use wasmill_config::Verbosity;
use wasmill_wire::Signal;

use super::{Exporter, Request, Sending, Sent};

/// Sampling looks at one second at a time, as the Collector's.
const SAMPLING_PERIOD: Duration = Duration::from_secs(1);

pub struct DebugExporter {
    name: Arc<str>,
    settings: wasmill_config::DebugExporter,
    sampled: Mutex<Sampled>,
}

/// Batches of the running second.
struct Sampled {
    since: Instant,
    batches: u32,
}

/// A request decoded.
enum Decoded {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

impl DebugExporter {
    pub fn new(name: Arc<str>, settings: wasmill_config::DebugExporter) -> DebugExporter {
        DebugExporter { name, settings, sampled: Mutex::new(Sampled { since: Instant::now(), batches: 0 }) }
    }

    /// Whether this batch is among those that are written.
    fn is_sampled(&self) -> bool {
        let mut sampled = self.sampled.lock();
        if sampled.since.elapsed() >= SAMPLING_PERIOD {
            *sampled = Sampled { since: Instant::now(), batches: 0 };
        }
        sampled.batches = sampled.batches.saturating_add(1);
        let (initial, thereafter) = (self.settings.sampling_initial, self.settings.sampling_thereafter);
        match sampled.batches.checked_sub(initial) {
            None | Some(0) => true,
            Some(further) => thereafter != 0 && further % thereafter == 0,
        }
    }
}

impl Exporter for DebugExporter {
    /// The text to write; empty for a batch that is not sampled.
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        let body = if self.is_sampled() {
            Bytes::from(render(batch.signal(), &batch.encode(), self.settings.verbosity))
        } else {
            Bytes::new()
        };
        Request {
            signal: batch.signal(),
            rows: batch.selection().count() as u64,
            body,
            context: Arc::clone(batch.context()),
        }
    }

    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        if !request.body.is_empty() {
            let text = String::from_utf8_lossy(&request.body);
            tracing::info!(exporter = %self.name, "{}", text.trim_end());
        }
        Box::pin(std::future::ready(Ok(Sent::default())))
    }
}

/// What the exporter writes for one request.
fn render(signal: Signal, request: &[u8], verbosity: Verbosity) -> String {
    let decoded = match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(request).map(Decoded::Traces),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request).map(Decoded::Metrics),
        Signal::Logs => ExportLogsServiceRequest::decode(request).map(Decoded::Logs),
    };
    // The wire engine has validated what arrived here.
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return format!("{signal} that cannot be decoded: {error}"),
    };
    let mut out = summary(&decoded);
    match verbosity {
        Verbosity::Basic => {}
        Verbosity::Normal => normal::write(&mut out, &decoded),
        Verbosity::Detailed => detailed::write(&mut out, &decoded),
    }
    out
}

/// One line of counts.
fn summary(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Traces(request) => {
            let resources = &request.resource_spans;
            let spans: usize = resources.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len()).sum();
            format!("Traces {{\"resource spans\": {}, \"spans\": {spans}}}\n", resources.len())
        }
        Decoded::Metrics(request) => {
            let resources = &request.resource_metrics;
            let metrics = || resources.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
            let points: usize = metrics().map(text::points).sum();
            let (resources, metrics) = (resources.len(), metrics().count());
            format!(
                "Metrics {{\"resource metrics\": {resources}, \"metrics\": {metrics}, \"data points\": {points}}}\n"
            )
        }
        Decoded::Logs(request) => {
            let resources = &request.resource_logs;
            let records: usize = resources.iter().flat_map(|r| &r.scope_logs).map(|s| s.log_records.len()).sum();
            format!("Logs {{\"resource logs\": {}, \"log records\": {records}}}\n", resources.len())
        }
    }
}
