//! Points as the samples of their series.

use std::sync::Arc;

use wasmill_wire::{Index, MetricKind};

use super::Metric;
use super::message::{Open, SeriesLabels, Written, millis};
use crate::number::put_value;
use crate::store::{Body, Bounds, Exemplar, Exponential, Histogram, Point, Reason, Summary, attributes};
use crate::translate::Translation;

/// The value of a series that has ended: a NaN that Prometheus keeps for that.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Kept from point to point for its buffers.
#[derive(Default)]
pub(super) struct Scratch {
    bounds: Arc<Bounds>,
    histogram: Histogram,
    exponential: Exponential,
    summary: Summary,
    text: Vec<u8>,
}

/// Brings points of one metric into the order of their times, where they are not in it.
pub(super) fn sort_by_time(index: &Index, rows: &mut [usize]) {
    if rows.len() < 2 {
        return;
    }
    let time = |row: &usize| {
        let record = index.records.get(*row)?;
        // In every kind of point.
        index.record(record).fields().filter(|field| field.number == 3).last().map(|field| field.fixed64())
    };
    if !rows.is_sorted_by_key(time) {
        rows.sort_by_cached_key(time);
    }
}

/// Appends a point's series, and says its time in milliseconds. After an error a part of them may be there.
pub(super) fn put(
    open: &mut Open,
    translation: &Translation,
    metric: &Metric<'_>,
    bytes: &[u8],
    scratch: &mut Scratch,
) -> Result<i64, Reason> {
    let point = Point::read(metric.kind, bytes);
    let made_later = match metric.kind {
        MetricKind::Histogram | MetricKind::ExponentialHistogram => Some("le"),
        MetricKind::Summary => Some("quantile"),
        MetricKind::None | MetricKind::Gauge | MetricKind::Sum => None,
    };
    let labels = translation.labels(metric.origin, attributes(&point.attributes), made_later);
    let labels = labels.map_err(|_| Reason::Labels)?;
    let labels = SeriesLabels::new(&labels, &metric.family.name);
    let time = millis(point.time);
    let start = if metric.counts { millis(point.start) } else { 0 };
    let written = |value: f64| Written { value: if point.is_stale { STALE } else { value }, time, start };
    match &point.body {
        Body::Number(value) => {
            // Prometheus keeps the newest alone.
            let has_exemplar = metric.is_monotonic && point.has_exemplars;
            let exemplar =
                has_exemplar.then(|| exemplars(translation, metric, &point).max_by_key(|one| one.time)).flatten();
            open.put_sample(&labels, &metric.family, written(*value), exemplar.as_ref().as_slice());
        }
        Body::Histogram(body) => {
            scratch.bounds = Bounds::of(&body.bounds, &scratch.bounds)?;
            let histogram = &mut scratch.histogram;
            if point.is_stale {
                // Its buckets end as they were, whatever it says of their counts.
                *histogram = Histogram::ended(Arc::clone(&scratch.bounds));
            } else {
                histogram.set(body, Arc::clone(&scratch.bounds))?;
            }
            histogram.exemplars.clear();
            if point.has_exemplars {
                histogram.put_exemplars(exemplars(translation, metric, &point));
            }
            put_histogram(open, &labels, metric, histogram, written);
        }
        Body::Exponential(body) => {
            let histogram = &mut scratch.exponential;
            if point.is_stale {
                open.put_histogram(&labels, &metric.family, None, written(0.0));
                return Ok(time);
            }
            histogram.set(body)?;
            histogram.exemplars.clear();
            if point.has_exemplars {
                histogram.put_exemplars(exemplars(translation, metric, &point));
                histogram.exemplars.sort_by_key(|exemplar| exemplar.time);
            }
            open.put_histogram(&labels, &metric.family, Some(histogram), written(0.0));
        }
        Body::Summary { count, sum } => {
            let summary = &mut scratch.summary;
            summary.set(&point, *count, *sum)?;
            for (quantile, value) in &summary.quantiles {
                let text = text_of(&mut scratch.text, *quantile);
                open.put_sample(&labels.with("quantile", text), &metric.family, written(*value), &[]);
            }
            open.put_sample(&labels.suffixed("_sum"), &metric.family, written(summary.sum), &[]);
            open.put_sample(&labels.suffixed("_count"), &metric.family, written(summary.count as f64), &[]);
        }
    }
    Ok(time)
}

fn put_histogram(
    open: &mut Open,
    labels: &SeriesLabels<'_>,
    metric: &Metric<'_>,
    histogram: &Histogram,
    written: impl Fn(f64) -> Written,
) {
    let buckets = labels.suffixed("_bucket");
    let mut exemplars = histogram.exemplars.iter();
    let mut next = || exemplars.next().and_then(Option::as_ref);
    let mut count = 0u64;
    for (own, (_, bound)) in histogram.counts.iter().zip(histogram.bounds.iter()) {
        count = count.saturating_add(*own);
        open.put_sample(&buckets.with("le", bound), &metric.family, written(count as f64), next().as_slice());
    }
    let all = written(histogram.count as f64);
    open.put_sample(&buckets.with("le", "+Inf"), &metric.family, all, next().as_slice());
    if let Some(sum) = histogram.sum {
        open.put_sample(&labels.suffixed("_sum"), &metric.family, written(sum), &[]);
    }
    open.put_sample(&labels.suffixed("_count"), &metric.family, all, &[]);
}

fn exemplars(translation: &Translation, metric: &Metric<'_>, point: &Point<'_>) -> impl Iterator<Item = Exemplar> {
    point.exemplars(metric.kind).filter_map(|exemplar| Exemplar::read(translation, exemplar))
}

fn text_of(buffer: &mut Vec<u8>, value: f64) -> &str {
    buffer.clear();
    put_value(buffer, value);
    std::str::from_utf8(buffer).unwrap_or_default()
}
