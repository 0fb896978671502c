//! What plugins count: `counter`, `gauge` and `histogram` of the contract, for the gateway's `/metrics`.
//!
//! A guest chooses names and label values, so both are bounded: what does not fit is refused to the guest
//! (`failure::limit`) and never grows the host. Refused series are counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::bindings::wasmill::plugin::types::Failure;

/// Series of one stage. A plugin that wants more is counting something unbounded, such as users.
const SERIES_MAX: usize = 1_000;
/// Names, kinds and labels are short words; label values are routes and error texts at most.
const NAME_BYTES_MAX: usize = 100;
const LABEL_VALUE_BYTES_MAX: usize = 200;
const LABELS_MAX: usize = 8;

/// Upper bounds of a guest's histogram: 1 to 5 in decades from a thousandth to ten thousand, for seconds, milliseconds and
/// counts alike.
const BUCKETS: [f64; 15] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0];

/// Metrics of all plugins of a process. They outlive instances, stages and generations: a counter does not fall.
#[derive(Debug, Default)]
pub struct GuestMetrics {
    /// By stage. One lock for each stage would do no better: the calls are few and short.
    stages: Mutex<HashMap<Box<str>, StageMetrics>>,
    refused: AtomicU64,
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
    /// As the plugin gave them, sorted by name; names as the metric's, each once.
    pub labels: Vec<(String, String)>,
    pub value: MetricValue,
}

#[derive(Clone, PartialEq, Debug)]
pub enum MetricValue {
    Number(f64),
    /// `buckets` are cumulative, (upper bound, count); the last bound is infinite.
    Histogram {
        sum: f64,
        count: u64,
        buckets: Vec<(f64, u64)>,
    },
}

/// Why a guest's number was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MetricRefused {
    /// A name, a label, or a number that cannot be: NaN, or a counter that falls.
    Invalid,
    /// One series too many.
    Limit,
}

#[derive(Debug, Default)]
struct StageMetrics {
    /// A name has one kind.
    kinds: HashMap<Box<str>, MetricKind>,
    series: HashMap<SeriesKey, Series>,
}

/// Name and labels, each with its length before it, in one string: one allocation, and none to look it up.
type SeriesKey = Box<str>;

#[derive(Debug)]
struct Series {
    name: Box<str>,
    labels: Vec<(String, String)>,
    number: f64,
    count: u64,
    /// Not cumulative; empty but for histograms.
    buckets: Box<[u64]>,
}

impl From<MetricRefused> for Failure {
    fn from(refused: MetricRefused) -> Failure {
        match refused {
            MetricRefused::Invalid => Failure::Invalid,
            MetricRefused::Limit => Failure::Limit,
        }
    }
}

impl GuestMetrics {
    /// All series, sorted by name, stage and labels.
    pub fn samples(&self) -> Vec<MetricSample> {
        let stages = self.stages.lock();
        let mut samples: Vec<MetricSample> = stages
            .iter()
            .flat_map(|(stage, metrics)| metrics.series.values().map(|s| s.sample(stage, metrics)))
            .collect();
        drop(stages);
        samples.sort_by(|a, b| (&a.name, &a.stage, &a.labels).cmp(&(&b.name, &b.stage, &b.labels)));
        samples
    }

    /// Numbers that were refused to guests.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(crate) fn record<'a>(
        &self,
        kind: MetricKind,
        name: &str,
        stage: &str,
        labels: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
        value: f64,
    ) -> Result<(), MetricRefused> {
        let result = self.try_record(kind, name, stage, labels, value);
        if result.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        result
    }

    fn try_record<'a>(
        &self,
        kind: MetricKind,
        name: &str,
        stage: &str,
        labels: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
        value: f64,
    ) -> Result<(), MetricRefused> {
        if labels.len() > LABELS_MAX {
            return Err(MetricRefused::Limit);
        }
        let mut labels: Vec<(&str, &str)> = labels.collect();
        labels.sort_unstable();
        let valid = is_name(name)
            && value.is_finite()
            && (kind != MetricKind::Counter || value >= 0.0)
            && labels.iter().all(|(label, value)| is_name(label) && value.len() <= LABEL_VALUE_BYTES_MAX)
            && labels.windows(2).all(|pair| pair[0].0 != pair[1].0);
        if !valid {
            return Err(MetricRefused::Invalid);
        }
        let key = series_key(name, &labels);
        let mut stages = self.stages.lock();
        // Stages are named by the operator, so their number needs no bound.
        if !stages.contains_key(stage) {
            stages.insert(stage.into(), StageMetrics::default());
        }
        match stages.get_mut(stage) {
            Some(metrics) => metrics.record(kind, name, &labels, key, value),
            None => Err(MetricRefused::Limit),
        }
    }
}

impl StageMetrics {
    fn record(
        &mut self,
        kind: MetricKind,
        name: &str,
        labels: &[(&str, &str)],
        key: String,
        value: f64,
    ) -> Result<(), MetricRefused> {
        if let Some(series) = self.series.get_mut(key.as_str()) {
            if self.kinds.get(name) != Some(&kind) {
                return Err(MetricRefused::Invalid);
            }
            series.record(kind, value);
            return Ok(());
        }
        if self.series.len() >= SERIES_MAX {
            return Err(MetricRefused::Limit);
        }
        if *self.kinds.entry(name.into()).or_insert(kind) != kind {
            return Err(MetricRefused::Invalid);
        }
        let buckets = if kind == MetricKind::Histogram { BUCKETS.len() + 1 } else { 0 };
        let mut series = Series {
            name: name.into(),
            labels: labels.iter().map(|&(label, value)| (label.to_owned(), value.to_owned())).collect(),
            number: 0.0,
            count: 0,
            buckets: vec![0; buckets].into(),
        };
        series.record(kind, value);
        self.series.insert(key.into(), series);
        Ok(())
    }
}

impl Series {
    fn record(&mut self, kind: MetricKind, value: f64) {
        match kind {
            MetricKind::Counter => self.number += value,
            MetricKind::Gauge => self.number = value,
            MetricKind::Histogram => {
                self.number += value;
                self.count += 1;
                if let Some(bucket) = self.buckets.get_mut(BUCKETS.partition_point(|&bound| bound < value)) {
                    *bucket += 1;
                }
            }
        }
    }

    fn sample(&self, stage: &str, metrics: &StageMetrics) -> MetricSample {
        let kind = metrics.kinds.get(&self.name).copied().unwrap_or(MetricKind::Gauge);
        let value = match kind {
            MetricKind::Counter | MetricKind::Gauge => MetricValue::Number(self.number),
            MetricKind::Histogram => {
                let mut below = 0;
                let bounds = BUCKETS.iter().copied().chain([f64::INFINITY]);
                let buckets = bounds.zip(&self.buckets).map(|(bound, count)| {
                    below += count;
                    (bound, below)
                });
                MetricValue::Histogram { sum: self.number, count: self.count, buckets: buckets.collect() }
            }
        };
        MetricSample { name: self.name.to_string(), kind, stage: stage.to_owned(), labels: self.labels.clone(), value }
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Names hold no control characters; values may, so each value's length stands before it.
fn series_key(name: &str, labels: &[(&str, &str)]) -> String {
    let mut key = String::from(name);
    for (label, value) in labels {
        key.push('\n');
        key.push_str(label);
        key.push('\n');
        key.push_str(&value.len().to_string());
        key.push('\n');
        key.push_str(value);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_labels() -> std::iter::Empty<(&'static str, &'static str)> {
        std::iter::empty()
    }

    /// A guest counts: instances of one stage add to one series, another stage has its own.
    #[test]
    fn series_are_by_stage_name_and_labels() {
        let metrics = GuestMetrics::default();
        metrics.record(MetricKind::Counter, "hits", "a", [("k", "1")].into_iter(), 1.0).unwrap();
        metrics.record(MetricKind::Counter, "hits", "a", [("k", "1")].into_iter(), 2.0).unwrap();
        metrics.record(MetricKind::Counter, "hits", "b", [("k", "1")].into_iter(), 4.0).unwrap();
        metrics.record(MetricKind::Histogram, "took", "a", no_labels(), 0.02).unwrap();
        let samples = metrics.samples();
        let numbers: Vec<_> = samples.iter().map(|s| (s.name.as_str(), s.stage.as_str())).collect();
        assert_eq!(numbers, [("hits", "a"), ("hits", "b"), ("took", "a")]);
        assert_eq!(samples[0].value, MetricValue::Number(3.0));
        let MetricValue::Histogram { count: 1, buckets, .. } = &samples[2].value else { panic!("a histogram") };
        assert_eq!(buckets.iter().find(|(bound, _)| *bound == 0.05), Some(&(0.05, 1)));
        assert_eq!(buckets.first(), Some(&(0.001, 0)));
    }

    /// A guest labels by something unbounded: the host holds a bounded number of series, and says how often it refused.
    #[test]
    fn cardinality_is_bounded() {
        let metrics = GuestMetrics::default();
        for i in 0..2 * SERIES_MAX {
            let value = i.to_string();
            let result = metrics.record(MetricKind::Gauge, "users", "a", [("id", value.as_str())].into_iter(), 1.0);
            assert_eq!(result.is_ok(), i < SERIES_MAX);
        }
        assert_eq!(metrics.samples().len(), SERIES_MAX);
        assert_eq!(metrics.refused(), SERIES_MAX as u64);
    }

    /// What Prometheus could not show is refused: names, numbers, a label twice, a name with two kinds.
    #[test]
    fn invalid_numbers_are_refused() {
        let metrics = GuestMetrics::default();
        let refused = Err(MetricRefused::Invalid);
        assert_eq!(metrics.record(MetricKind::Gauge, "a b", "s", no_labels(), 1.0), refused);
        assert_eq!(metrics.record(MetricKind::Gauge, "", "s", no_labels(), 1.0), refused);
        assert_eq!(metrics.record(MetricKind::Gauge, "a", "s", no_labels(), f64::NAN), refused);
        assert_eq!(metrics.record(MetricKind::Counter, "a", "s", no_labels(), -1.0), refused);
        assert_eq!(metrics.record(MetricKind::Gauge, "a", "s", [("l", "1"), ("l", "2")].into_iter(), 1.0), refused);
        metrics.record(MetricKind::Gauge, "a", "s", no_labels(), 1.0).unwrap();
        assert_eq!(metrics.record(MetricKind::Counter, "a", "s", no_labels(), 1.0), refused);
        let long = "v".repeat(LABEL_VALUE_BYTES_MAX + 1);
        assert_eq!(metrics.record(MetricKind::Gauge, "a", "s", [("l", long.as_str())].into_iter(), 1.0), refused);
    }
}
