//! The exporters' queues, looked at when somebody scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use wasmill_wire::Signal;

use crate::queue::{Capacity, Held};

#[derive(Default)]
pub struct QueueMetrics {
    next: AtomicU64,
    queues: Mutex<BTreeMap<QueueId, Watched>>,
}

/// One queue of one exporter. A reload may have two for a while: the new one, and the old one that drains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueId {
    exporter: String,
    signal: Signal,
    /// Ascends with time.
    number: u64,
}

struct Watched {
    capacity: Capacity,
    held: Box<dyn Fn() -> Held + Send + Sync>,
}

/// A metric's name, its help, and where its value is.
type Shown = (&'static str, &'static str, fn(&Sum) -> u64);

#[derive(Default)]
struct Sum {
    /// In the queue's unit.
    size: u64,
    size_max: u64,
    held: Held,
}

impl QueueMetrics {
    pub fn id(&self, exporter: &str, signal: Signal) -> QueueId {
        QueueId { exporter: exporter.to_owned(), signal, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    pub fn watch(&self, id: &QueueId, capacity: Capacity, held: impl Fn() -> Held + Send + Sync + 'static) {
        self.queues.lock().insert(id.clone(), Watched { capacity, held: Box::new(held) });
    }

    pub fn forget(&self, id: &QueueId) {
        self.queues.lock().remove(id);
    }

    /// By exporter and signal: an old and a new queue of one exporter are one line.
    fn sums(&self) -> BTreeMap<(String, Signal), Sum> {
        let mut sums: BTreeMap<(String, Signal), Sum> = BTreeMap::new();
        for (id, watched) in &*self.queues.lock() {
            let held = (watched.held)();
            let sum = sums.entry((id.exporter.clone(), id.signal)).or_default();
            sum.size += held.size(watched.capacity.sizer);
            sum.size_max = watched.capacity.size_max;
            sum.held.add(held);
        }
        sums
    }
}

impl fmt::Debug for QueueMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMetrics").field("queues", &self.queues.lock().len()).finish()
    }
}

impl Collector for QueueMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sums = self.sums();
        if sums.is_empty() {
            return Ok(());
        }
        let gauges: [Shown; 4] = [
            ("otelcol_exporter_queue_size", "Current size of the sending queue, in its sizer's unit", |sum| sum.size),
            ("otelcol_exporter_queue_capacity", "Fixed capacity of the sending queue, in its sizer's unit", |sum| {
                sum.size_max
            }),
            ("wasmill_exporter_queue_retained_bytes", "Memory that the batches in the sending queue keep", |sum| {
                sum.held.retained_bytes as u64
            }),
            ("wasmill_exporter_queue_disk_bytes", "Requests that the sending queue keeps on disk, in bytes", |sum| {
                sum.held.disk_bytes
            }),
        ];
        for (name, help, value) in gauges {
            let mut metric =
                encoder.encode_descriptor(name, help, None, prometheus_client::metrics::MetricType::Gauge)?;
            for ((exporter, signal), sum) in &sums {
                let labels = [("exporter", exporter.as_str()), ("data_type", signal.name())];
                ConstGauge::new(value(sum)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
