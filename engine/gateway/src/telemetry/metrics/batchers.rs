//! What `batch` processors did: the Collector's counters under its names, and why a batch was sent before it was full or old.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{ProcessorLabels, families};

/// The Collector's.
const SEND_SIZE_BOUNDS: [f64; 22] = [
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 10e3, 20e3, 30e3,
    50e3, 100e3,
];

/// Why a batch was sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SendReason {
    /// It had `send_batch_size` rows.
    Size,
    /// Its oldest row had waited for `timeout`.
    Timeout,
    /// Nobody was left who could have added to it.
    CallersWait,
    /// Half of the time of the caller who is in the greatest hurry was over.
    Deadline,
    /// It kept as much memory as it may.
    Memory,
    /// A reload took the processor away, or the gateway ended.
    Closed,
}

/// What one `batch` processor counts, in all pipelines that it stands in.
#[derive(Clone)]
pub struct BatcherMetrics {
    send_size: Histogram,
    by_size: Counter,
    by_timeout: Counter,
    early: Family<EarlyLabels, Counter>,
    processor: String,
    /// Combinations of metadata that have rows waiting.
    pub cardinality: Gauge,
    /// Memory that rows keep which wait, or are on their way to the exporters.
    pub retained_bytes: Gauge,
    /// Rows that were refused behind it after their clients had been answered.
    pub lost: Counter,
}

#[derive(Clone)]
pub(super) struct BatcherFamilies {
    send_size: Family<ProcessorLabels, Histogram, Bounds>,
    by_size: Family<ProcessorLabels, Counter>,
    by_timeout: Family<ProcessorLabels, Counter>,
    early: Family<EarlyLabels, Counter>,
    cardinality: Family<ProcessorLabels, Gauge>,
    retained_bytes: Family<ProcessorLabels, Gauge>,
    lost: Family<ProcessorLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EarlyLabels {
    processor: String,
    reason: &'static str,
}

#[derive(Clone)]
struct Bounds;

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SEND_SIZE_BOUNDS)
    }
}

impl BatcherFamilies {
    pub fn register(registry: &mut Registry) -> BatcherFamilies {
        let of = BatcherFamilies {
            send_size: Family::new_with_constructor(Bounds),
            by_size: Family::default(),
            by_timeout: Family::default(),
            early: Family::default(),
            cardinality: Family::default(),
            retained_bytes: Family::default(),
            lost: Family::default(),
        };
        families(
            registry,
            [
                ("otelcol_processor_batch_batch_size_trigger_send", "Batches sent because of their size", &of.by_size),
                ("otelcol_processor_batch_timeout_trigger_send", "Batches sent because of their age", &of.by_timeout),
                (
                    "wasmill_processor_batch_lost_rows",
                    "Rows refused behind the processor after their clients had been answered",
                    &of.lost,
                ),
            ],
        );
        registry.register(
            "otelcol_processor_batch_batch_send_size",
            "Number of rows in the batches that were sent",
            of.send_size.clone(),
        );
        registry.register(
            "otelcol_processor_batch_metadata_cardinality",
            "Combinations of metadata values that have rows waiting",
            of.cardinality.clone(),
        );
        registry.register(
            "wasmill_processor_batch_retained_bytes",
            "Memory that waiting rows keep",
            of.retained_bytes.clone(),
        );
        registry.register(
            "wasmill_processor_batch_early_send",
            "Batches sent neither because of their size nor because of their age",
            of.early.clone(),
        );
        of
    }

    pub fn of(&self, processor: &str) -> BatcherMetrics {
        let labels = ProcessorLabels { processor: processor.to_owned() };
        BatcherMetrics {
            send_size: self.send_size.get_or_create_owned(&labels),
            by_size: self.by_size.get_or_create_owned(&labels),
            by_timeout: self.by_timeout.get_or_create_owned(&labels),
            early: self.early.clone(),
            cardinality: self.cardinality.get_or_create_owned(&labels),
            retained_bytes: self.retained_bytes.get_or_create_owned(&labels),
            lost: self.lost.get_or_create_owned(&labels),
            processor: labels.processor,
        }
    }
}

impl BatcherMetrics {
    pub fn sent(&self, rows: usize, reason: SendReason) {
        self.send_size.observe(rows as f64);
        let early = match reason {
            SendReason::Size => {
                self.by_size.inc();
                return;
            }
            SendReason::Timeout => {
                self.by_timeout.inc();
                return;
            }
            SendReason::CallersWait => "callers_wait",
            SendReason::Deadline => "deadline",
            SendReason::Memory => "memory",
            SendReason::Closed => "closed",
        };
        self.early.get_or_create(&EarlyLabels { processor: self.processor.clone(), reason: early }).inc();
    }
}
