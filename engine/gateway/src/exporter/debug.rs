//! `debug`: writes what reaches it to the log, for people.
//!
//! As the Collector's: `basic` a line for each batch, `normal` a line for each record besides, `detailed` every field. Off the
//! hot path, so records are decoded into messages here, and only here.

mod detailed;
mod normal;
pub(crate) mod text;

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
    fn writes_at_once(&self) -> bool {
        true
    }

    /// The text to write; empty for a batch that is not sampled.
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        let body = if self.is_sampled() {
            Bytes::from(render(batch.signal(), &batch.encode(), self.settings.verbosity))
        } else {
            Bytes::new()
        };
        Request::new(batch.signal(), batch.selection().count() as u64, body, Arc::clone(batch.context()))
    }

    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        if !request.body.is_empty() {
            let body = request.body.clone().into_bytes();
            let text = String::from_utf8_lossy(&body);
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

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList, any_value::Value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{
        AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
        Sum, metric::Data, number_data_point,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event};

    use super::*;

    fn value(value: Value) -> Option<AnyValue> {
        Some(AnyValue { value: Some(value) })
    }

    fn text(key: &str, text: &str) -> KeyValue {
        KeyValue { key: key.to_owned(), value: value(Value::StringValue(text.to_owned())), ..KeyValue::default() }
    }

    fn spans() -> Vec<u8> {
        let span = Span {
            trace_id: (1..=16).collect(),
            span_id: (17..=24).collect(),
            name: "operationA".to_owned(),
            trace_state: "ot=th:0".to_owned(),
            start_time_unix_nano: 1_581_452_772_000_000_321,
            end_time_unix_nano: 1_581_452_773_000_000_789,
            status: Some(Status { code: 2, message: "cancelled".to_owned() }),
            attributes: vec![text("peer", "db")],
            events: vec![Event {
                name: "retry".to_owned(),
                time_unix_nano: 1_581_452_773_000_000_123,
                attributes: vec![text("attempt", "2")],
                dropped_attributes_count: 2,
            }],
            ..Span::default()
        };
        let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
        let resource = ResourceSpans {
            resource: Some(Resource { attributes: vec![text("service.name", "shop")], ..Resource::default() }),
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
    }

    fn logs() -> Vec<u8> {
        let map = KeyValueList { values: vec![text("currency", "EUR")] };
        let nested =
            KeyValue { key: "conversion".to_owned(), value: value(Value::KvlistValue(map)), ..KeyValue::default() };
        let record = LogRecord {
            time_unix_nano: 1_581_452_773_000_000_789,
            severity_number: 9,
            severity_text: "Info".to_owned(),
            body: value(Value::StringValue("This is a log message".to_owned())),
            attributes: vec![text("app", "server"), nested],
            ..LogRecord::default()
        };
        let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
        let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
        ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
    }

    fn metrics() -> Vec<u8> {
        let number = NumberDataPoint {
            attributes: vec![text("state", "user"), text("cpu", "0")],
            value: Some(number_data_point::Value::AsDouble(123.456)),
            ..NumberDataPoint::default()
        };
        let sum = Sum {
            data_points: vec![number],
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        };
        let point = HistogramDataPoint {
            count: 1340,
            sum: Some(99.573),
            min: Some(0.017),
            explicit_bounds: vec![0.125, 0.5],
            bucket_counts: vec![1324, 13, 3],
            ..HistogramDataPoint::default()
        };
        let histogram = Histogram { data_points: vec![point], ..Histogram::default() };
        let metric = |name: &str, data| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
        let metrics = vec![metric("cpu.time", Data::Sum(sum)), metric("duration", Data::Histogram(histogram))];
        let scope = ScopeMetrics { metrics, ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
    }

    /// A line of counts, and with `normal` a line for each record, as the Collector writes them.
    #[test]
    fn basic_and_normal_are_lines() {
        let basic = |signal, request: Vec<u8>| render(signal, &request, Verbosity::Basic);
        assert_eq!(basic(Signal::Traces, spans()), "Traces {\"resource spans\": 1, \"spans\": 1}\n");
        assert_eq!(basic(Signal::Logs, logs()), "Logs {\"resource logs\": 1, \"log records\": 1}\n");
        let counts = "Metrics {\"resource metrics\": 1, \"metrics\": 2, \"data points\": 2}\n";
        assert_eq!(basic(Signal::Metrics, metrics()), counts);

        let normal = |signal, request: Vec<u8>| {
            let text = render(signal, &request, Verbosity::Normal);
            text.split_once('\n').map(|(_, records)| records.to_owned()).unwrap()
        };
        let span = "operationA 0102030405060708090a0b0c0d0e0f10 1112131415161718 peer=db\n";
        assert_eq!(normal(Signal::Traces, spans()), span);
        let record = "This is a log message app=server conversion={\"currency\":\"EUR\"}\n";
        assert_eq!(normal(Signal::Logs, logs()), record);
        let points = "cpu.time{state=user,cpu=0} 123.456\n\
                      duration{} count=1340 sum=99.573 min=0.017 le0.125=1324 le0.5=13 3\n";
        assert_eq!(normal(Signal::Metrics, metrics()), points);
    }

    #[test]
    fn detailed_has_every_field() {
        let text = render(Signal::Traces, &spans(), Verbosity::Detailed);
        let expected = "\
Traces {\"resource spans\": 1, \"spans\": 1}
ResourceSpans #0
Resource SchemaURL: 
Resource attributes:
     -> service.name: Str(shop)
ScopeSpans #0
ScopeSpans SchemaURL: 
InstrumentationScope  
Span #0
    Trace ID       : 0102030405060708090a0b0c0d0e0f10
    Parent ID      : 
    ID             : 1112131415161718
    Name           : operationA
    Kind           : Unspecified
    TraceState     : ot=th:0
    Start time     : 2020-02-11 20:26:12.000000321 +0000 UTC
    End time       : 2020-02-11 20:26:13.000000789 +0000 UTC
    Status code    : Error
    Status message : cancelled
Attributes:
     -> peer: Str(db)
Events:
SpanEvent #0
     -> Name: retry
     -> Timestamp: 2020-02-11 20:26:13.000000123 +0000 UTC
     -> DroppedAttributesCount: 2
     -> Attributes::
          -> attempt: Str(2)
";
        assert_eq!(text, expected);
        let text = render(Signal::Logs, &logs(), Verbosity::Detailed);
        assert!(text.contains("SeverityNumber: INFO(9)\nBody: Str(This is a log message)\n"), "{text}");
        assert!(text.contains("     -> conversion: Map({\"currency\":\"EUR\"})\n"), "{text}");
        let text = render(Signal::Metrics, &metrics(), Verbosity::Detailed);
        assert!(text.contains("     -> IsMonotonic: true\n     -> AggregationTemporality: Cumulative\n"), "{text}");
        assert!(text.contains("Count: 1340\nSum: 99.573000\nMin: 0.017000\nExplicitBounds #0: 0.125000\n"), "{text}");
    }

    /// A flood: the first batches of a second are written, then each so manieth.
    #[test]
    fn a_flood_is_sampled() {
        let settings =
            wasmill_config::DebugExporter { verbosity: Verbosity::Basic, sampling_initial: 2, sampling_thereafter: 3 };
        let exporter = DebugExporter::new("debug".into(), settings);
        // Within one second, or a few: the clock is real, and a new second starts anew.
        let sampled: Vec<bool> = (0..8).map(|_| exporter.is_sampled()).collect();
        assert_eq!(sampled[..2], [true, true]);
        assert!(sampled.iter().filter(|sampled| **sampled).count() >= 4, "{sampled:?}");
    }
}
