//! Own metrics, for Prometheus.
//!
//! What the Collector counts too has the Collector's names and labels, so that its dashboards and alerts work; what only Wasmill
//! has is `wasmill_…`. Counters of receivers and exporters belong to the process: a reload that rebuilds a component goes on
//! counting where the old one stopped.

mod batchers;
mod groupers;
mod plugins;
mod queues;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, header};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use wasmill_transport::Guard;
use wasmill_wire::Signal;

use super::{HttpEndpoint, process};
use crate::queue::{Capacity, Queue};
use batchers::BatcherFamilies;
use groupers::GrouperFamilies;
use queues::{QueueId, QueueMetrics};

pub use batchers::{BatcherMetrics, SendReason};
pub use groupers::GrouperMetrics;
pub use plugins::{PluginMetrics, SwapResult};
pub use tables::TableMetrics;

/// All metrics of the process.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    started: Instant,
    /// What each receiver counts by.
    transports: Arc<Mutex<BTreeMap<String, BTreeSet<&'static str>>>>,
    receivers: Families<ReceiverLabels, 2>,
    refused_requests: Family<ReceiverLabels, Counter>,
    cleared_ids: Family<ReceiverLabels, Counter>,
    exporters: Families<ExporterLabels, 3>,
    failed_attempts: Family<ExporterLabels, Counter>,
    queue_damaged: Family<ExporterLabels, Counter>,
    altered: Family<ExporterLabels, Counter>,
    reloads: Family<[(&'static str, &'static str); 1], Counter>,
    limiters: Families<ProcessorLabels, 2>,
    batchers: BatcherFamilies,
    groupers: GrouperFamilies,
    queues: Arc<QueueMetrics>,
    pub plugins: Arc<PluginMetrics>,
    pub tables: Arc<TableMetrics>,
}

/// `N` kinds of counter, each for the three signals, which the Collector tells apart by name.
type Families<L, const N: usize> = [[Family<L, Counter>; 3]; N];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceiverLabels {
    receiver: String,
    transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProcessorLabels {
    processor: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExporterLabels {
    exporter: String,
}

/// What one receiver counts on one transport.
#[derive(Clone)]
pub struct ReceiverMetrics {
    accepted: [Counter; 3],
    refused: [Counter; 3],
    refused_requests: Counter,
    cleared_ids: Counter,
}

/// What a receiver has counted on one transport. By signal, in the order of [`Signal::ALL`].
pub struct Received {
    pub transport: &'static str,
    pub accepted: [u64; 3],
    pub refused: [u64; 3],
    pub refused_requests: u64,
}

/// What one exporter counts for one signal.
#[derive(Clone)]
pub struct ExporterMetrics {
    sent: Counter,
    send_failed: Counter,
    enqueue_failed: Counter,
    failed_attempts: Counter,
    queue_damaged: Counter,
    altered: Counter,
    queues: Arc<QueueMetrics>,
    queue: QueueId,
}

/// What one `memory_limiter` counts for one signal.
#[derive(Clone)]
pub struct LimiterMetrics {
    accepted: Counter,
    refused: Counter,
}

impl Metrics {
    pub fn new() -> Metrics {
        // One value of these labels for the life of the process tells instances of a fleet apart, as in the Collector.
        let instance = instance_id();
        let mut registry = Registry::default();
        let target = [
            ("service_name", "wasmill".to_owned()),
            ("service_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("service_instance_id", instance),
        ];
        registry.register("target", "Target metadata", Info::new(target));
        let receivers = Families::<ReceiverLabels, 2>::default();
        register(&mut registry, "otelcol_receiver_accepted", "taken from clients", &receivers[0]);
        register(&mut registry, "otelcol_receiver_refused", "refused to clients", &receivers[1]);
        let refused_requests = Family::<ReceiverLabels, Counter>::default();
        let help = "Number of requests refused before their rows were known";
        registry.register("wasmill_receiver_refused_requests", help, refused_requests.clone());
        let cleared_ids = Family::<ReceiverLabels, Counter>::default();
        let help = "Number of log records whose ids had a wrong length and were cleared";
        registry.register("wasmill_receiver_cleared_ids", help, cleared_ids.clone());
        let exporters = Families::<ExporterLabels, 3>::default();
        register(&mut registry, "otelcol_exporter_sent", "delivered to the destination", &exporters[0]);
        register(&mut registry, "otelcol_exporter_send_failed", "not delivered, and given up", &exporters[1]);
        register(&mut registry, "otelcol_exporter_enqueue_failed", "that found the sending queue full", &exporters[2]);
        let failed_attempts = Family::<ExporterLabels, Counter>::default();
        let help = "Number of attempts to send a request that failed, whether it is tried again or not";
        registry.register("wasmill_exporter_failed_attempts", help, failed_attempts.clone());
        let queue_damaged = Family::<ExporterLabels, Counter>::default();
        let help = "Number of places in queues on disk that were damaged";
        registry.register("wasmill_exporter_queue_damaged", help, queue_damaged.clone());
        let altered = Family::<ExporterLabels, Counter>::default();
        let help = "Number of rows that were sent with values cut or left out, as the destination does not take more";
        registry.register("wasmill_exporter_altered_rows", help, altered.clone());
        let reloads = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let help = "Number of times that the configuration was to be reloaded";
        registry.register("wasmill_config_reloads", help, reloads.clone());
        // There from the start: a counter that comes into being with its first event has no increase that an alert could see.
        for result in ["applied", "refused"] {
            reloads.get_or_create_owned(&[("result", result)]);
        }
        let limiters = Families::<ProcessorLabels, 2>::default();
        register(&mut registry, "otelcol_processor_accepted", "passed on by the memory limiter", &limiters[0]);
        register(&mut registry, "otelcol_processor_refused", "refused by the memory limiter", &limiters[1]);
        let batchers = BatcherFamilies::register(&mut registry);
        let groupers = GrouperFamilies::register(&mut registry);
        let queues = Arc::new(QueueMetrics::default());
        registry.register_collector(Box::new(Arc::clone(&queues)));
        let plugins = Arc::new(PluginMetrics::default());
        registry.register_collector(Box::new(Arc::clone(&plugins)));
        let tables = Arc::new(TableMetrics::default());
        registry.register_collector(Box::new(Arc::clone(&tables)));
        let started = Instant::now();
        registry.register_collector(Box::new(ProcessMetrics { started }));
        Metrics {
            registry: Arc::new(registry),
            started,
            transports: Arc::default(),
            receivers,
            refused_requests,
            cleared_ids,
            exporters,
            failed_attempts,
            queue_damaged,
            altered,
            reloads,
            limiters,
            batchers,
            groupers,
            queues,
            plugins,
            tables,
        }
    }

    /// `transport`: `grpc` or `http`.
    pub fn receiver(&self, receiver: &str, transport: &'static str) -> ReceiverMetrics {
        self.transports.lock().entry(receiver.to_owned()).or_default().insert(transport);
        let labels = ReceiverLabels { receiver: receiver.to_owned(), transport };
        let counters =
            |kind: usize| std::array::from_fn(|signal| self.receivers[kind][signal].get_or_create_owned(&labels));
        let refused_requests = self.refused_requests.get_or_create_owned(&labels);
        let cleared_ids = self.cleared_ids.get_or_create_owned(&labels);
        ReceiverMetrics { accepted: counters(0), refused: counters(1), refused_requests, cleared_ids }
    }

    pub fn exporter(&self, exporter: &str, signal: Signal) -> ExporterMetrics {
        let labels = ExporterLabels { exporter: exporter.to_owned() };
        let counter = |kind: usize| self.exporters[kind][number(signal)].get_or_create_owned(&labels);
        ExporterMetrics {
            sent: counter(0),
            send_failed: counter(1),
            enqueue_failed: counter(2),
            failed_attempts: self.failed_attempts.get_or_create_owned(&labels),
            queue_damaged: self.queue_damaged.get_or_create_owned(&labels),
            altered: self.altered.get_or_create_owned(&labels),
            queues: Arc::clone(&self.queues),
            queue: self.queues.id(exporter, signal),
        }
    }

    /// Of a `memory_limiter` processor.
    pub fn limiter(&self, processor: &str, signal: Signal) -> LimiterMetrics {
        let labels = ProcessorLabels { processor: processor.to_owned() };
        let counter = |kind: usize| self.limiters[kind][number(signal)].get_or_create_owned(&labels);
        LimiterMetrics { accepted: counter(0), refused: counter(1) }
    }

    pub fn batcher(&self, processor: &str) -> BatcherMetrics {
        self.batchers.of(processor)
    }

    /// Of what stands before a stage that decides about groups.
    pub fn grouper(&self, processor: &str, pipeline: &str) -> GrouperMetrics {
        self.groupers.of(processor, pipeline)
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// What a receiver has counted so far, each transport that it has by name.
    pub fn received(&self, receiver: &str) -> Vec<Received> {
        let of_transport = |transport: &'static str| {
            let labels = ReceiverLabels { receiver: receiver.to_owned(), transport };
            let refused_requests = self.refused_requests.get(&labels)?.get();
            let counts = |kind: usize| std::array::from_fn(|signal| count(&self.receivers[kind][signal], &labels));
            Some(Received { transport, accepted: counts(0), refused: counts(1), refused_requests })
        };
        let transports = self.transports.lock().get(receiver).cloned().unwrap_or_default();
        transports.into_iter().filter_map(of_transport).collect()
    }

    /// What an exporter has counted so far: sent, not sent and given up, not taken by its full queue.
    pub fn exported(&self, exporter: &str, signal: Signal) -> [u64; 3] {
        let labels = ExporterLabels { exporter: exporter.to_owned() };
        std::array::from_fn(|kind| count(&self.exporters[kind][number(signal)], &labels))
    }

    /// The configuration was reloaded, or the old one serves on.
    pub fn config_reloaded(&self, applied: bool) {
        let result = if applied { "applied" } else { "refused" };
        self.reloads.get_or_create(&[("result", result)]).inc();
    }

    /// Everything in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl ReceiverMetrics {
    pub fn accepted(&self, signal: Signal, rows: u64) {
        self.accepted[number(signal)].inc_by(rows);
    }

    pub fn refused(&self, signal: Signal, rows: u64) {
        self.refused[number(signal)].inc_by(rows);
    }

    /// Log records whose ids were taken out.
    pub fn cleared_ids(&self, records: u64) {
        self.cleared_ids.inc_by(records);
    }

    /// A request that was refused before its rows were known: over a limit, or not what it says.
    pub fn refused_request(&self) {
        self.refused_requests.inc();
    }
}

impl LimiterMetrics {
    pub fn accepted(&self, rows: u64) {
        self.accepted.inc_by(rows);
    }

    pub fn refused(&self, rows: u64) {
        self.refused.inc_by(rows);
    }
}

impl ExporterMetrics {
    pub fn sent(&self, rows: u64) {
        self.sent.inc_by(rows);
    }

    pub fn send_failed(&self, rows: u64) {
        self.send_failed.inc_by(rows);
    }

    pub fn enqueue_failed(&self, rows: u64) {
        self.enqueue_failed.inc_by(rows);
    }

    /// An attempt to send a request that failed. `send_failed` counts only what is given up, which with retries is much later or never.
    pub fn failed_attempt(&self) {
        self.failed_attempts.inc();
    }

    /// Rows that were sent with values cut or left out.
    pub fn altered(&self, rows: u64) {
        self.altered.inc_by(rows);
    }

    /// Places in a queue on disk that held something, and hold nothing that can be read.
    pub fn queue_damaged(&self, places: u64) {
        self.queue_damaged.inc_by(places);
    }

    /// Shows the queue's size from now on.
    pub fn watch_queue(&self, capacity: Capacity, queue: &impl Queue) {
        let queue = queue.clone();
        self.queues.watch(&self.queue, capacity, move || queue.held());
    }

    pub fn forget_queue(&self) {
        self.queues.forget(&self.queue);
    }
}

/// Serves the metrics at `/metrics`; other paths are 404.
pub fn serve_metrics(listener: std::net::TcpListener, metrics: Metrics) -> std::io::Result<HttpEndpoint> {
    HttpEndpoint::serve(listener, Guard::default(), move |request| {
        let mut response = Response::new(Full::default());
        if request.uri().path() != "/metrics" {
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
        let text = header::HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        *response.body_mut() = Full::new(Bytes::from(metrics.render()));
        response
    })
}

/// Uptime, time and memory of the process, read when somebody scrapes.
#[derive(Debug)]
struct ProcessMetrics {
    started: Instant,
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let uptime = ConstCounter::new(self.started.elapsed().as_secs_f64());
        let metric = encoder.encode_descriptor(
            "otelcol_process_uptime_seconds",
            "Uptime of the process",
            None,
            uptime.metric_type(),
        )?;
        uptime.encode(metric)?;
        let cpu = ConstCounter::new(process::cpu_time().as_secs_f64());
        let metric = encoder.encode_descriptor(
            "otelcol_process_cpu_seconds",
            "Total CPU user and system time in seconds",
            None,
            cpu.metric_type(),
        )?;
        cpu.encode(metric)?;
        let rss = ConstGauge::new(process::memory_rss_bytes());
        let metric = encoder.encode_descriptor(
            "otelcol_process_memory_rss_bytes",
            "Total physical memory (resident set size)",
            None,
            rss.metric_type(),
        )?;
        rss.encode(metric)?;
        let retained = ConstGauge::new(wasmill_batch::retained_bytes() as u64);
        let metric = encoder.encode_descriptor(
            "wasmill_retained_bytes",
            "Memory that rows keep which wait, in queues and batchers",
            None,
            retained.metric_type(),
        )?;
        retained.encode(metric)
    }
}

fn register<L>(registry: &mut Registry, name: &str, what: &str, families: &[Family<L, Counter>; 3])
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
{
    for signal in Signal::ALL {
        let (items, words) = items(signal);
        registry.register(
            format!("{name}_{items}"),
            format!("Number of {words} {what}"),
            families[number(signal)].clone(),
        );
    }
}

/// Counters of any labels, each with its name and help.
fn families<L, const N: usize>(registry: &mut Registry, counters: [(&str, &str, &Family<L, Counter>); N])
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
{
    for (name, help, counter) in counters {
        registry.register(name, help, counter.clone());
    }
}

/// What a row of a signal is called in the Collector's metrics, and in words.
pub fn items(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Traces => ("spans", "spans"),
        Signal::Metrics => ("metric_points", "metric points"),
        Signal::Logs => ("log_records", "log records"),
    }
}

/// 0 where nothing was counted.
fn count<L>(family: &Family<L, Counter>, labels: &L) -> u64
where
    L: Clone + std::hash::Hash + Eq,
{
    family.get(labels).map_or(0, |counter| counter.get())
}

/// A signal's place in arrays of three.
fn number(signal: Signal) -> usize {
    match signal {
        Signal::Traces => 0,
        Signal::Metrics => 1,
        Signal::Logs => 2,
    }
}

/// A random UUID (version 4), from the keys that the standard library draws for its hashers.
fn instance_id() -> String {
    use std::hash::{BuildHasher, Hasher};
    let draw = || std::hash::RandomState::new().build_hasher().finish();
    let (a, b) = (draw(), draw());
    let (time, version) = (a >> 16, a & 0x0fff);
    let (variant, node) = ((b >> 48) & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
    format!("{:08x}-{:04x}-4{version:03x}-{variant:04x}-{node:012x}", time >> 16, time & 0xffff)
}

#[cfg(test)]
mod tests {
    use wasmill_config::Sizer;

    use super::*;
    use crate::queue::MemoryQueue;

    /// A Collector's dashboard looks at Wasmill: the names and labels that it asks for are there.
    #[test]
    fn the_collector_s_names_are_served() {
        let metrics = Metrics::new();
        metrics.receiver("otlp", "grpc").accepted(Signal::Traces, 7);
        metrics.receiver("otlp", "http").refused(Signal::Metrics, 2);
        metrics.exporter("otlp/a", Signal::Logs).sent(5);
        metrics.exporter("otlp/a", Signal::Logs).send_failed(1);
        let capacity = Capacity { size_max: 10, sizer: Sizer::Requests };
        let exporter = metrics.exporter("otlp/a", Signal::Traces);
        exporter.watch_queue(capacity, &MemoryQueue::new(capacity, false));
        exporter.enqueue_failed(3);
        exporter.failed_attempt();
        let text = metrics.render();
        for line in [
            r#"otelcol_receiver_accepted_spans_total{receiver="otlp",transport="grpc"} 7"#,
            r#"otelcol_receiver_refused_metric_points_total{receiver="otlp",transport="http"} 2"#,
            r#"otelcol_exporter_sent_log_records_total{exporter="otlp/a"} 5"#,
            r#"otelcol_exporter_send_failed_log_records_total{exporter="otlp/a"} 1"#,
            r#"otelcol_exporter_enqueue_failed_spans_total{exporter="otlp/a"} 3"#,
            r#"wasmill_exporter_failed_attempts_total{exporter="otlp/a"} 1"#,
            r#"otelcol_exporter_queue_size{exporter="otlp/a",data_type="traces"} 0"#,
            r#"otelcol_exporter_queue_capacity{exporter="otlp/a",data_type="traces"} 10"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
        for name in [
            "otelcol_process_uptime_seconds_total ",
            "otelcol_process_cpu_seconds_total ",
            "otelcol_process_memory_rss_bytes ",
            "wasmill_retained_bytes ",
            "wasmill_config_reloads_total{result=\"applied\"} 0",
            "wasmill_config_reloads_total{result=\"refused\"} 0",
            "target_info{service_name=\"wasmill\"",
        ] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not in\n{text}");
        }
    }

    /// A reload rebuilds an exporter: it goes on counting, and the queue that went is no longer shown.
    #[test]
    fn counters_outlive_components_and_queues_do_not() {
        let metrics = Metrics::new();
        metrics.exporter("otlp", Signal::Traces).sent(1);
        let exporter = metrics.exporter("otlp", Signal::Traces);
        let capacity = Capacity { size_max: 5, sizer: Sizer::Requests };
        exporter.watch_queue(capacity, &MemoryQueue::new(capacity, false));
        exporter.sent(1);
        exporter.forget_queue();
        let text = metrics.render();
        assert!(text.contains(r#"otelcol_exporter_sent_spans_total{exporter="otlp"} 2"#), "{text}");
        assert!(!text.contains("otelcol_exporter_queue_size{"), "{text}");
    }

    #[test]
    fn an_instance_id_is_a_uuid_of_version_4() {
        let id = instance_id();
        let parts: Vec<&str> = id.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
    }
}
