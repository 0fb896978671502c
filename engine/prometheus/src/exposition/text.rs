//! Prometheus' text and OpenMetrics', which differ in little.

use super::escape::is_plain;
use super::{Escaping, Format, Protocol};
use crate::number::{put_seconds, put_unsigned, put_value};
use crate::store::{Classic, Exemplar, Exponential, Histogram, LabelBytes, State, Summary, Value};
use crate::translate::{Family, MetricType};
use crate::wire;

pub(super) struct TextWriter {
    escaping: Escaping,
    is_open_metrics: bool,
    has_timestamps: bool,
    family: Option<Names>,
    /// `a="b",c="d"` of the series that is written.
    labels: Vec<u8>,
}

/// The family that is written.
struct Names {
    /// Not written yet: a family without current series is not exposed at all.
    head: Option<Vec<u8>>,
    /// Of samples, escaped.
    name: Vec<u8>,
    /// The name stands in quotes, within the braces.
    is_quoted: bool,
    /// Created timestamps and exemplars are the family's to have.
    is_counter: bool,
}

impl TextWriter {
    pub fn new(format: Format, has_timestamps: bool) -> TextWriter {
        TextWriter {
            escaping: format.escaping,
            is_open_metrics: matches!(format.protocol, Protocol::OpenMetrics { .. }),
            has_timestamps,
            family: None,
            labels: Vec::new(),
        }
    }

    pub fn begin(&mut self, family: &Family) {
        let mut name = Vec::new();
        self.escaping.put(&mut name, &family.name);
        let is_quoted = self.escaping == Escaping::AllowUtf8 && !is_plain(&family.name);
        // OpenMetrics' counters end with `_total`, and their families do not.
        let is_total = self.is_open_metrics && family.kind == MetricType::Counter;
        let stem = if is_total { name.strip_suffix(b"_total") } else { None };
        let is_counter = family.kind == MetricType::Counter && (!self.is_open_metrics || stem.is_some());
        let kind = match family.kind {
            MetricType::Counter if is_counter => "counter",
            MetricType::Counter if self.is_open_metrics => "unknown",
            MetricType::Unknown if !self.is_open_metrics => "untyped",
            kind => kind.name(),
        };
        let stem = stem.unwrap_or(&name);
        let mut head = Vec::new();
        let mut line = |what: &[u8], text: &[u8]| {
            head.extend_from_slice(b"# ");
            head.extend_from_slice(what);
            head.push(b' ');
            if is_quoted {
                put_quoted(&mut head, stem);
            } else {
                head.extend_from_slice(stem);
            }
            head.push(b' ');
            head.extend_from_slice(text);
            head.push(b'\n');
        };
        if !family.help.is_empty() {
            let mut help = Vec::new();
            put_escaped(&mut help, family.help.as_bytes(), self.is_open_metrics);
            line(b"HELP", &help);
        }
        line(b"TYPE", kind.as_bytes());
        let unit = family.unit.as_bytes();
        if self.is_open_metrics && !unit.is_empty() && stem.ends_with(unit) {
            line(b"UNIT", unit);
        }
        self.family = Some(Names { head: Some(head), name, is_quoted, is_counter });
    }

    pub fn put(&mut self, labels: &LabelBytes, state: &State, out: &mut Vec<u8>) {
        let Some(mut family) = self.family.take() else { return };
        if let Some(head) = family.head.take() {
            out.extend_from_slice(&head);
        }
        let mut own = std::mem::take(&mut self.labels);
        own.clear();
        put_labels(&mut own, labels, self.escaping);
        let mut lines = Lines { family: &family, labels: &own, time: self.time(state), writer: self, out };
        match &state.value {
            Value::Number { value, exemplar } => lines.number(*value, exemplar.as_deref(), state.start),
            Value::Histogram(histogram) => lines.histogram(histogram, state.start),
            Value::Exponential(histogram) => lines.exponential(histogram, state.start),
            Value::Summary(summary) => lines.summary(summary, state.start),
        }
        self.labels = own;
        self.family = Some(family);
    }

    pub fn finish(&self, out: &mut Vec<u8>) {
        if self.is_open_metrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }

    /// When the point was taken, where that is written.
    fn time(&self, state: &State) -> Option<u64> {
        Some(state.time).filter(|time| self.has_timestamps && *time > 0)
    }
}

/// The lines of one series.
struct Lines<'a> {
    family: &'a Names,
    labels: &'a [u8],
    time: Option<u64>,
    writer: &'a TextWriter,
    out: &'a mut Vec<u8>,
}

impl Lines<'_> {
    fn number(&mut self, value: f64, exemplar: Option<&Exemplar>, start: u64) {
        self.name(b"", None);
        self.value(value);
        if self.family.is_counter {
            self.exemplar(exemplar);
            self.end();
            self.created(start);
        } else {
            self.end();
        }
    }

    fn histogram(&mut self, histogram: &Histogram, start: u64) {
        let mut count = 0u64;
        let mut exemplars = histogram.exemplars.iter();
        let buckets = histogram.counts.iter().zip(histogram.bounds.iter());
        for (own, (_, bound)) in buckets {
            count = count.saturating_add(*own);
            self.bucket(bound.as_bytes(), count, exemplars.next().and_then(Option::as_ref));
        }
        self.bucket(b"+Inf", histogram.count, exemplars.next().and_then(Option::as_ref));
        self.sum_and_count(histogram.sum, histogram.count, start);
    }

    fn exponential(&mut self, histogram: &Exponential, start: u64) {
        let mut text = Vec::new();
        for Classic { bound, count } in histogram.classic() {
            text.clear();
            put_value(&mut text, bound);
            self.bucket(&text, count, None);
        }
        self.bucket(b"+Inf", histogram.count, histogram.exemplars.last());
        self.sum_and_count(histogram.sum, histogram.count, start);
    }

    fn summary(&mut self, summary: &Summary, start: u64) {
        let mut text = Vec::new();
        for (quantile, value) in &summary.quantiles {
            text.clear();
            put_value(&mut text, *quantile);
            self.name(b"", Some((&b"quantile"[..], &text[..])));
            self.value(*value);
            self.end();
        }
        self.sum_and_count(Some(summary.sum), summary.count, start);
    }

    fn bucket(&mut self, bound: &[u8], count: u64, exemplar: Option<&Exemplar>) {
        self.name(b"_bucket", Some((&b"le"[..], bound)));
        self.count(count);
        self.exemplar(exemplar);
        self.end();
    }

    fn sum_and_count(&mut self, sum: Option<f64>, count: u64, start: u64) {
        if let Some(sum) = sum {
            self.name(b"_sum", None);
            self.value(sum);
            self.end();
        }
        self.name(b"_count", None);
        self.count(count);
        self.end();
        self.created(start);
    }

    /// When the total began.
    fn created(&mut self, start: u64) {
        if !self.writer.is_open_metrics || start == 0 {
            return;
        }
        self.name(b"_created", None);
        put_seconds(self.out, start);
        self.end();
    }

    /// Name and labels, and the space behind them.
    fn name(&mut self, suffix: &[u8], more: Option<(&[u8], &[u8])>) {
        let Lines { family, out, labels, .. } = self;
        let mut name = family.name.as_slice();
        if suffix == b"_created"
            && let Some(stem) = name.strip_suffix(b"_total").filter(|_| family.is_counter)
        {
            name = stem;
        }
        if family.is_quoted {
            out.extend_from_slice(b"{\"");
            put_escaped(out, name, true);
            out.extend_from_slice(suffix);
            out.push(b'"');
        } else {
            out.extend_from_slice(name);
            out.extend_from_slice(suffix);
        }
        let mut is_open = family.is_quoted;
        let mut separate = |out: &mut Vec<u8>| {
            out.push(if is_open { b',' } else { b'{' });
            is_open = true;
        };
        if !labels.is_empty() {
            separate(out);
            out.extend_from_slice(labels);
        }
        if let Some((name, value)) = more {
            separate(out);
            out.extend_from_slice(name);
            out.extend_from_slice(b"=\"");
            out.extend_from_slice(value);
            // OpenMetrics' bounds are never whole numbers to look at.
            if self.writer.is_open_metrics && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
                out.extend_from_slice(b".0");
            }
            out.push(b'"');
        }
        out.extend_from_slice(if is_open { b"} " } else { b" " });
    }

    fn value(&mut self, value: f64) {
        put_value(self.out, value);
        self.timestamp();
    }

    fn count(&mut self, count: u64) {
        put_unsigned(self.out, count);
        self.timestamp();
    }

    fn timestamp(&mut self) {
        let Some(time) = self.time else { return };
        self.out.push(b' ');
        if self.writer.is_open_metrics {
            put_seconds(self.out, time);
        } else {
            put_unsigned(self.out, time / 1_000_000);
        }
    }

    fn exemplar(&mut self, exemplar: Option<&Exemplar>) {
        let Some(exemplar) = exemplar.filter(|_| self.writer.is_open_metrics) else { return };
        self.out.extend_from_slice(b" # {");
        put_pairs(self.out, &exemplar.labels, self.writer.escaping);
        self.out.extend_from_slice(b"} ");
        put_value(self.out, exemplar.value);
        if exemplar.time > 0 {
            self.out.push(b' ');
            put_seconds(self.out, exemplar.time);
        }
    }

    fn end(&mut self) {
        self.out.push(b'\n');
    }
}

/// `a="b",c="d"`.
fn put_labels(out: &mut Vec<u8>, labels: &LabelBytes, escaping: Escaping) {
    if !labels.names_are_plain || !labels.values_are_plain || escaping.touches_plain() {
        return put_pairs(out, &labels.pairs, escaping);
    }
    for (place, (name, value)) in wire::labels(&labels.pairs).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b"=\"");
        out.extend_from_slice(value);
        out.push(b'"');
    }
}

/// The same with whatever names and values.
fn put_pairs(out: &mut Vec<u8>, pairs: &[u8], escaping: Escaping) {
    for (place, (name, value)) in wire::labels(pairs).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let name = std::str::from_utf8(name).unwrap_or_default();
        // A `:` is a metric's to have.
        if escaping == Escaping::AllowUtf8 && (!is_plain(name) || name.contains(':')) {
            put_quoted(out, name.as_bytes());
        } else {
            escaping.put(out, name);
        }
        out.push(b'=');
        put_quoted(out, value);
    }
}

fn put_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    put_escaped(out, text, true);
    out.push(b'"');
}

/// With a backslash before what would end a line, or a text.
fn put_escaped(out: &mut Vec<u8>, text: &[u8], in_quotes: bool) {
    for &byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if in_quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}
