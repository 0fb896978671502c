//! Histograms with bounds, in the form that is exposed.

use std::sync::Arc;

use super::Reason;
use super::exemplar::Exemplar;
use super::point::{HistogramPoint, fixed64s};
use crate::number::put_value;

/// Buckets of one histogram, the last included. Twice what Micrometer makes for a percentile histogram, the most that is known; each
/// is a series in Prometheus.
pub const BUCKETS_MAX: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Histogram {
    pub count: u64,
    /// `None`: not said.
    pub sum: Option<f64>,
    pub bounds: Arc<Bounds>,
    /// Of each bucket by itself, one more than bounds; none where the point had none.
    pub counts: Vec<u64>,
    /// One for each bucket, as many as `counts`, or none at all.
    pub exemplars: Vec<Option<Exemplar>>,
}

/// Upper bounds of buckets but for the last, whose bound is infinite. The series of a metric share them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// As they came.
    bytes: Vec<u8>,
    /// Ascending, finite.
    pub values: Vec<f64>,
    /// As they are written, one behind the other.
    text: String,
    /// Where each of them ends.
    ends: Vec<u32>,
}

impl Bounds {
    /// Those of a point, which are mostly those of the one before.
    pub fn of(bytes: &[u8], before: &Arc<Bounds>) -> Result<Arc<Bounds>, Reason> {
        if before.bytes == bytes {
            return Ok(Arc::clone(before));
        }
        let values = fixed64s(bytes).map(f64::from_bits);
        if values.len() >= BUCKETS_MAX {
            return Err(Reason::Histogram);
        }
        let mut bounds = Bounds { bytes: bytes.to_vec(), ..Bounds::default() };
        let mut text = Vec::new();
        for value in values {
            if !value.is_finite() || bounds.values.last().is_some_and(|last| *last >= value) {
                return Err(Reason::Histogram);
            }
            bounds.values.push(value);
            put_value(&mut text, value);
            bounds.ends.push(text.len() as u32);
        }
        bounds.text = String::from_utf8(text).unwrap_or_default();
        Ok(Arc::new(bounds))
    }

    /// Each bound as a number and as it is written.
    pub fn iter(&self) -> impl Iterator<Item = (f64, &str)> {
        let mut start = 0;
        self.values.iter().zip(&self.ends).map(move |(value, end)| {
            let text = self.text.get(start..*end as usize).unwrap_or_default();
            start = *end as usize;
            (*value, text)
        })
    }

    /// Which bucket a value falls into.
    fn bucket(&self, value: f64) -> usize {
        self.values.partition_point(|bound| *bound < value)
    }
}

impl Histogram {
    /// One whose series have ended: its buckets are there, and nothing is in them.
    pub(crate) fn ended(bounds: Arc<Bounds>) -> Histogram {
        let counts = vec![0; bounds.values.len() + 1];
        Histogram { sum: Some(0.0), bounds, counts, ..Histogram::default() }
    }

    /// Takes a point's values for its own.
    pub(crate) fn set(&mut self, point: &HistogramPoint<'_>, bounds: Arc<Bounds>) -> Result<(), Reason> {
        check(point, &bounds)?;
        if !Arc::ptr_eq(&self.bounds, &bounds) {
            self.exemplars.clear();
            self.bounds = bounds;
        }
        (self.count, self.sum) = (point.count, point.sum);
        self.counts.clear();
        self.counts.extend(fixed64s(&point.counts));
        Ok(())
    }

    /// Adds a delta. `false`: its buckets are others, and it begins anew with them.
    pub(super) fn add(&mut self, point: &HistogramPoint<'_>, bounds: Arc<Bounds>) -> Result<bool, Reason> {
        if self.bounds != bounds || self.counts.len() != fixed64s(&point.counts).len() {
            self.set(point, bounds)?;
            return Ok(false);
        }
        check(point, &bounds)?;
        if point.sum.is_some_and(|sum| !sum.is_finite()) {
            return Err(Reason::Value);
        }
        self.count = self.count.saturating_add(point.count);
        self.sum = self.sum.zip(point.sum).map(|(sum, more)| sum + more);
        for (count, more) in self.counts.iter_mut().zip(fixed64s(&point.counts)) {
            *count = count.saturating_add(more);
        }
        Ok(true)
    }

    /// Puts a point's exemplars to their buckets. The largest of a bucket stays, as the specification has it.
    pub fn put_exemplars(&mut self, exemplars: impl Iterator<Item = Exemplar>) {
        let places = self.counts.len().max(1);
        let mut fresh = vec![false; places];
        for exemplar in exemplars {
            self.exemplars.resize(places, None);
            let bucket = if self.counts.is_empty() { 0 } else { self.bounds.bucket(exemplar.value) };
            let (Some(place), Some(is_fresh)) = (self.exemplars.get_mut(bucket), fresh.get_mut(bucket)) else {
                continue;
            };
            // Those of an earlier point give way.
            if !*is_fresh || place.as_ref().is_none_or(|before| before.value <= exemplar.value) {
                *place = Some(exemplar);
                *is_fresh = true;
            }
        }
    }
}

/// Whether buckets, bounds and count belong together.
fn check(point: &HistogramPoint<'_>, bounds: &Bounds) -> Result<(), Reason> {
    let counts = fixed64s(&point.counts);
    let len = counts.len();
    if len == 0 && bounds.values.is_empty() {
        return Ok(());
    }
    if len != bounds.values.len() + 1 {
        return Err(Reason::Histogram);
    }
    let sum = counts.into_iter().try_fold(0u64, |sum, count| sum.checked_add(count));
    if sum == Some(point.count) { Ok(()) } else { Err(Reason::Histogram) }
}
