//! The host's functions in a test: what was logged and counted on this thread is kept until somebody looks.

use std::cell::RefCell;

use crate::host::{Failure, Level};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// A call of a metric's function.
#[derive(Clone, PartialEq, Debug)]
pub struct Metric {
    pub kind: MetricKind,
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

thread_local! {
    static LOGGED: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static METRICS: RefCell<Vec<Metric>> = const { RefCell::new(Vec::new()) };
}

/// What was logged on this thread since the last look.
pub fn logged() -> Vec<(Level, String)> {
    LOGGED.take()
}

/// The calls of metrics' functions on this thread since the last look.
pub fn metrics() -> Vec<Metric> {
    METRICS.take()
}

pub(crate) fn log(level: Level, message: &str) -> Result<(), Failure> {
    LOGGED.with_borrow_mut(|lines| lines.push((level, message.to_owned())));
    Ok(())
}

pub(crate) fn counter(name: &str, labels: &[(&str, &str)], add: f64) -> Result<(), Failure> {
    if add.is_finite() && add >= 0.0 { keep(MetricKind::Counter, name, labels, add) } else { Err(Failure::Invalid) }
}

pub(crate) fn gauge(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
    keep(MetricKind::Gauge, name, labels, value)
}

pub(crate) fn histogram(name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
    keep(MetricKind::Histogram, name, labels, value)
}

/// A test has no time of its own: always the same moment, 2001-09-09T01:46:40Z.
pub(crate) fn clock() -> Result<u64, Failure> {
    Ok(1_000_000_000_000_000_000)
}

fn keep(kind: MetricKind, name: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Failure> {
    if !value.is_finite() {
        return Err(Failure::Invalid);
    }
    let labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    METRICS.with_borrow_mut(|metrics| metrics.push(Metric { kind, name: name.to_owned(), labels, value }));
    Ok(())
}
