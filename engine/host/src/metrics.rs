//! What plugins count: `counter`, `gauge` and `histogram` of the contract, for the gateway's `/metrics`.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Metrics of all plugins of a process. They outlive instances, stages and generations: a counter does not fall.
#[derive(Debug, Default)]
pub struct GuestMetrics {
    families: Mutex<BTreeMap<String, ()>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// One series at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct MetricSample {
    /// As the plugin named it: `[a-zA-Z_][a-zA-Z0-9_]*`.
    pub name: String,
    pub kind: MetricKind,
    /// The stage's name.
    pub stage: String,
    /// As the plugin gave them, sorted by name; names as the metric's.
    pub labels: Vec<(String, String)>,
    pub value: MetricValue,
}

#[derive(Clone, PartialEq, Debug)]
pub enum MetricValue {
    Number(f64),
    /// `buckets` are cumulative, (upper bound, count); the last bound is infinite.
    Histogram { sum: f64, count: u64, buckets: Vec<(f64, u64)> },
}

impl GuestMetrics {
    /// All series, sorted by name, stage and labels.
    pub fn samples(&self) -> Vec<MetricSample> {
        todo!()
    }
}
