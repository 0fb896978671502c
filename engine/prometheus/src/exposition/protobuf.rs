//! Messages `io.prometheus.client.MetricFamily`, each behind its length.
//!
//! A length can only be written before what is known to be so long. So a family is gathered, up to [`FAMILY_BYTES`]; a larger one comes in
//! several messages of the same name, which a reader of this form reads one after the other.

use super::Escaping;
use crate::store::{Buckets, Exemplar, Exponential, Histogram, LabelBytes, State, Summary, Value};
use crate::translate::{Family, MetricType};
use crate::wire::{self, put_bytes, put_double, put_message, put_sint, put_uint, put_varint, varint_len};

/// Of metrics in one message.
const FAMILY_BYTES: usize = 1 << 20;

/// Numbers of `MetricFamily`.
const METRIC: u32 = 4;

pub(super) struct ProtobufWriter {
    escaping: Escaping,
    has_timestamps: bool,
    kind: MetricType,
    /// Name, description, type and unit.
    head: Vec<u8>,
    /// Metrics that are gathered.
    metrics: Vec<u8>,
}

impl ProtobufWriter {
    pub fn new(escaping: Escaping, has_timestamps: bool) -> ProtobufWriter {
        ProtobufWriter { escaping, has_timestamps, kind: MetricType::Unknown, head: Vec::new(), metrics: Vec::new() }
    }

    pub fn begin(&mut self, family: &Family) {
        let mut name = Vec::new();
        self.escaping.put(&mut name, &family.name);
        self.kind = family.kind;
        self.head.clear();
        put_bytes(&mut self.head, 1, &name);
        if !family.help.is_empty() {
            put_bytes(&mut self.head, 2, family.help.as_bytes());
        }
        let kind = match family.kind {
            MetricType::Counter => 0,
            MetricType::Gauge => 1,
            MetricType::Summary => 2,
            MetricType::Unknown => 3,
            MetricType::Histogram => 4,
        };
        put_uint(&mut self.head, 3, kind);
        if !family.unit.is_empty() {
            put_bytes(&mut self.head, 5, family.unit.as_bytes());
        }
    }

    pub fn put(&mut self, labels: &LabelBytes, state: &State, out: &mut Vec<u8>) {
        let (escaping, kind) = (self.escaping, self.kind);
        let time_ms = state.time / 1_000_000;
        let has_time = self.has_timestamps && time_ms > 0;
        put_message(&mut self.metrics, METRIC, |metric| {
            if labels.names_are_plain && !escaping.touches_plain() || escaping == Escaping::AllowUtf8 {
                metric.extend_from_slice(&labels.pairs);
            } else {
                put_escaped(metric, 1, &labels.pairs, escaping);
            }
            match &state.value {
                Value::Number { value, exemplar } => put_number(metric, kind, *value, exemplar.as_deref(), state.start),
                Value::Histogram(histogram) => {
                    put_message(metric, 7, |out| put_histogram(out, histogram, state.start));
                }
                Value::Exponential(histogram) => {
                    put_message(metric, 7, |out| put_exponential(out, histogram, state.start));
                }
                Value::Summary(summary) => put_message(metric, 4, |out| put_summary(out, summary, state.start)),
            }
            if has_time {
                put_uint(metric, 6, time_ms);
            }
        });
        if self.metrics.len() >= FAMILY_BYTES {
            self.end(out);
        }
    }

    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.metrics.is_empty() {
            return;
        }
        let len = self.head.len() + self.metrics.len();
        out.reserve(varint_len(len as u64) + len);
        put_varint(out, len as u64);
        out.extend_from_slice(&self.head);
        out.append(&mut self.metrics);
    }
}

fn put_number(metric: &mut Vec<u8>, kind: MetricType, value: f64, exemplar: Option<&Exemplar>, start: u64) {
    let number = match kind {
        MetricType::Counter => 3,
        MetricType::Gauge => 2,
        MetricType::Unknown | MetricType::Summary | MetricType::Histogram => 5,
    };
    put_message(metric, number, |out| {
        put_double(out, 1, value);
        if kind == MetricType::Counter {
            if let Some(exemplar) = exemplar {
                put_exemplar(out, 2, exemplar);
            }
            put_time(out, 3, start);
        }
    });
}

fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram, start: u64) {
    put_count_and_sum(out, histogram.count, histogram.sum);
    let mut count = 0u64;
    let mut exemplars = histogram.exemplars.iter();
    for (own, (bound, _)) in histogram.counts.iter().zip(histogram.bounds.iter()) {
        count = count.saturating_add(*own);
        put_bucket(out, count, bound, exemplars.next().and_then(Option::as_ref));
    }
    put_bucket(out, histogram.count, f64::INFINITY, exemplars.next().and_then(Option::as_ref));
    put_time(out, 15, start);
}

fn put_bucket(out: &mut Vec<u8>, count: u64, bound: f64, exemplar: Option<&Exemplar>) {
    put_message(out, 3, |out| {
        put_uint(out, 1, count);
        put_double(out, 2, bound);
        if let Some(exemplar) = exemplar {
            put_exemplar(out, 3, exemplar);
        }
    });
}

fn put_exponential(out: &mut Vec<u8>, histogram: &Exponential, start: u64) {
    put_count_and_sum(out, histogram.count, histogram.sum);
    put_sint(out, 5, histogram.scale.into());
    put_double(out, 6, histogram.zero_threshold);
    put_uint(out, 7, histogram.zero_count);
    put_native(out, 9, &histogram.negative);
    put_native(out, 12, &histogram.positive);
    if histogram.negative.counts.is_empty() && histogram.positive.counts.is_empty() {
        // An empty span says that this is a native histogram without observations.
        put_span(out, 12, 0, 0);
    }
    put_time(out, 15, start);
    for exemplar in &histogram.exemplars {
        put_exemplar(out, 16, exemplar);
    }
}

/// Spans of buckets, and each bucket's difference to the one before. Prometheus numbers a bucket by its upper end.
pub(crate) fn put_native(out: &mut Vec<u8>, number: u32, buckets: &Buckets) {
    // An empty bucket within a span costs a byte or two, a span four or more.
    const GAP_MAX: usize = 2;
    let mut deltas = Vec::with_capacity(buckets.counts.len());
    let mut before = 0i64;
    // The span that is open: where it starts, how long it is; and where the last one ended.
    let (mut start, mut len, mut end) = (0usize, 0usize, 0usize);
    let mut is_first = true;
    let mut close = |out: &mut Vec<u8>, start: usize, len: usize, end: &mut usize| {
        let offset = if is_first { buckets.offset + 1 + start as i64 } else { (start - *end) as i64 };
        is_first = false;
        put_span(out, number, offset, len as u64);
        *end = start + len;
    };
    for (place, count) in buckets.counts.iter().enumerate() {
        if *count == 0 {
            continue;
        }
        if len > 0 && place > start + len + GAP_MAX {
            close(out, start, len, &mut end);
            (start, len) = (place, 0);
        } else if len == 0 {
            start = place;
        }
        for _ in start + len..place {
            wire::put_varint(&mut deltas, wire::zigzag(-before));
            before = 0;
            len += 1;
        }
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        wire::put_varint(&mut deltas, wire::zigzag(count - before));
        before = count;
        len += 1;
    }
    if len > 0 {
        close(out, start, len, &mut end);
        put_bytes(out, number + 1, &deltas);
    }
}

fn put_span(out: &mut Vec<u8>, number: u32, offset: i64, len: u64) {
    put_message(out, number, |out| {
        put_sint(out, 1, offset);
        put_uint(out, 2, len);
    });
}

fn put_summary(out: &mut Vec<u8>, summary: &Summary, start: u64) {
    put_count_and_sum(out, summary.count, Some(summary.sum));
    for (quantile, value) in &summary.quantiles {
        put_message(out, 3, |out| {
            put_double(out, 1, *quantile);
            put_double(out, 2, *value);
        });
    }
    put_time(out, 4, start);
}

fn put_count_and_sum(out: &mut Vec<u8>, count: u64, sum: Option<f64>) {
    put_uint(out, 1, count);
    if let Some(sum) = sum {
        put_double(out, 2, sum);
    }
}

fn put_exemplar(out: &mut Vec<u8>, number: u32, exemplar: &Exemplar) {
    put_message(out, number, |out| {
        // Fields `LabelPair` of number 1, as here.
        out.extend_from_slice(&exemplar.labels);
        put_double(out, 2, exemplar.value);
        put_time(out, 3, exemplar.time);
    });
}

/// A `google.protobuf.Timestamp`; none for 0.
fn put_time(out: &mut Vec<u8>, number: u32, nanoseconds: u64) {
    if nanoseconds == 0 {
        return;
    }
    put_message(out, number, |out| {
        put_uint(out, 1, nanoseconds / 1_000_000_000);
        let rest = nanoseconds % 1_000_000_000;
        if rest > 0 {
            put_uint(out, 2, rest);
        }
    });
}

fn put_escaped(out: &mut Vec<u8>, number: u32, pairs: &[u8], escaping: Escaping) {
    let mut escaped = Vec::new();
    for (name, value) in wire::labels(pairs) {
        escaped.clear();
        escaping.put(&mut escaped, std::str::from_utf8(name).unwrap_or_default());
        wire::put_label(out, number, &escaped, value);
    }
}
