//! Requests as they are written, of both protocols.
//!
//! 1.0 writes each label of each series; 2.0 writes every text once, into a table, and numbers elsewhere. A point that a request has no
//! room for is taken back out of it ([`Open::rewind`]), with the texts that it brought.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::{WriteProtocol, WriteRequest};
use crate::store::{Exemplar, Exponential};
use crate::translate::{Family, Labels, MetricType};
use crate::wire::{self, put_bytes, put_double, put_message, put_sint, put_tag, put_uint, put_varint};

/// A request that series are appended to.
pub(super) struct Open {
    protocol: WriteProtocol,
    /// Fields of series.
    series: Vec<u8>,
    /// 1.0: fields of metadata.
    metadata: Vec<u8>,
    /// 1.0: the families that are in `metadata`.
    described: HashSet<String, RandomState>,
    symbols: Symbols,
    /// Labels of the series that is being written.
    refs: Vec<u8>,
    pub points: u64,
    samples: u64,
    histograms: u64,
}

/// Texts of a 2.0 request by number; the first is empty.
struct Symbols {
    /// The fields, as they are written.
    encoded: Vec<u8>,
    numbers: HashMap<Box<str>, u32, RandomState>,
    /// In the order of their numbers, with where each begins in `encoded`.
    order: Vec<(Box<str>, usize)>,
    /// A text that is put together.
    joined: String,
}

/// How far a request was.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    series: usize,
    metadata: usize,
    symbols: usize,
    samples: u64,
    histograms: u64,
}

/// A value at a time.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub value: f64,
    /// In milliseconds since 1970.
    pub time: i64,
    /// Since when it counts; 0: it does not say.
    pub start: i64,
}

/// Labels of a series in the order of their names, with its name and what tells it from others of its metric.
pub(super) struct SeriesLabels<'l> {
    labels: &'l Labels,
    name: &'l str,
    /// Put to the name: `_bucket`.
    suffix: &'static str,
    /// `le` or `quantile`.
    extra: Option<(&'static str, &'l str)>,
}

impl<'l> SeriesLabels<'l> {
    pub fn new(labels: &'l Labels, name: &'l str) -> SeriesLabels<'l> {
        SeriesLabels { labels, name, suffix: "", extra: None }
    }

    pub fn suffixed(&self, suffix: &'static str) -> SeriesLabels<'l> {
        SeriesLabels { suffix, ..SeriesLabels::new(self.labels, self.name) }
    }

    pub fn with<'e>(&self, name: &'static str, value: &'e str) -> SeriesLabels<'e>
    where
        'l: 'e,
    {
        SeriesLabels { labels: self.labels, name: self.name, suffix: self.suffix, extra: Some((name, value)) }
    }

    /// `put` is given a name, a value, and what follows that.
    fn each(&self, mut put: impl FnMut(&str, &str, &str)) {
        let mut own = [Some(("__name__", self.name, self.suffix)), self.extra.map(|(name, value)| (name, value, ""))];
        for (name, value) in self.labels.iter() {
            for made in &mut own {
                if let Some((made, value, suffix)) = made.take_if(|(made, ..)| *made < name) {
                    put(made, value, suffix);
                }
            }
            put(name, value, "");
        }
        for (name, value, suffix) in own.into_iter().flatten() {
            put(name, value, suffix);
        }
    }
}

impl Open {
    pub fn new(protocol: WriteProtocol) -> Open {
        Open {
            protocol,
            series: Vec::new(),
            metadata: Vec::new(),
            described: HashSet::default(),
            symbols: Symbols::new(),
            refs: Vec::new(),
            points: 0,
            samples: 0,
            histograms: 0,
        }
    }

    /// Bytes of the whole.
    pub fn len(&self) -> usize {
        self.series.len() + self.metadata.len() + self.symbols.encoded.len()
    }

    pub fn mark(&self) -> Mark {
        Mark {
            series: self.series.len(),
            metadata: self.metadata.len(),
            symbols: self.symbols.order.len(),
            samples: self.samples,
            histograms: self.histograms,
        }
    }

    /// Back to where it was before points of `family`.
    pub fn rewind(&mut self, mark: Mark, family: &Family) {
        self.series.truncate(mark.series);
        if self.metadata.len() > mark.metadata {
            self.metadata.truncate(mark.metadata);
            self.described.remove(&family.name);
        }
        self.symbols.truncate(mark.symbols);
        (self.samples, self.histograms) = (mark.samples, mark.histograms);
    }

    pub fn put_sample(&mut self, labels: &SeriesLabels<'_>, family: &Family, sample: Written, exemplars: &[&Exemplar]) {
        self.samples += 1;
        self.put_series(labels, family, sample.time, exemplars, |out, protocol| {
            put_message(out, 2, |out| {
                put_double(out, 1, sample.value);
                put_time(out, 2, sample.time);
                if protocol == WriteProtocol::V2 && sample.start != 0 {
                    put_time(out, 3, sample.start);
                }
            });
        });
    }

    /// `None`: the series ends.
    pub fn put_histogram(
        &mut self,
        labels: &SeriesLabels<'_>,
        family: &Family,
        histogram: Option<&Exponential>,
        at: Written,
    ) {
        self.histograms += 1;
        let exemplars: Vec<&Exemplar> = histogram.into_iter().flat_map(|histogram| &histogram.exemplars).collect();
        self.put_series(labels, family, at.time, &exemplars, |out, protocol| {
            let number = if protocol == WriteProtocol::V2 { 3 } else { 4 };
            put_message(out, number, |out| {
                put_native(out, histogram, at.value);
                put_time(out, 15, at.time);
                if protocol == WriteProtocol::V2 && at.start != 0 {
                    put_time(out, 17, at.start);
                }
            });
        });
    }

    fn put_series(
        &mut self,
        labels: &SeriesLabels<'_>,
        family: &Family,
        time: i64,
        exemplars: &[&Exemplar],
        put: impl FnOnce(&mut Vec<u8>, WriteProtocol),
    ) {
        let Open { protocol, series, symbols, refs, .. } = self;
        match protocol {
            WriteProtocol::V1 => put_message(series, 1, |out| {
                labels.each(|name, value, suffix| {
                    put_message(out, 1, |out| {
                        put_bytes(out, 1, name.as_bytes());
                        put_tag(out, 2, 2);
                        put_varint(out, (value.len() + suffix.len()) as u64);
                        out.extend_from_slice(value.as_bytes());
                        out.extend_from_slice(suffix.as_bytes());
                    });
                });
                put(out, WriteProtocol::V1);
                for exemplar in exemplars {
                    put_message(out, 3, |out| put_exemplar(out, exemplar, time));
                }
            }),
            WriteProtocol::V2 => {
                refs.clear();
                labels.each(|name, value, suffix| {
                    put_varint(refs, symbols.number(name).into());
                    put_varint(refs, symbols.number_of_joined(value, suffix).into());
                });
                let (help, unit) = (symbols.number(&family.help), symbols.number(&family.unit));
                put_message(series, 5, |out| {
                    put_bytes(out, 1, refs);
                    put(out, WriteProtocol::V2);
                    for exemplar in exemplars {
                        put_message(out, 4, |out| {
                            put_bytes(out, 1, &exemplar_refs(symbols, exemplar));
                            put_double(out, 2, exemplar.value);
                            put_time(out, 3, exemplar_time(exemplar, time));
                        });
                    }
                    put_message(out, 5, |out| {
                        put_uint(out, 1, type_number(family.kind));
                        put_uint(out, 3, help.into());
                        put_uint(out, 4, unit.into());
                    });
                });
            }
        }
    }

    /// What 1.0 says of a metric, once in a request.
    pub fn put_metadata(&mut self, family: &Family) {
        if self.described.contains(&family.name) {
            return;
        }
        self.described.insert(family.name.clone());
        put_message(&mut self.metadata, 3, |out| {
            put_uint(out, 1, type_number(family.kind));
            put_bytes(out, 2, family.name.as_bytes());
            put_bytes(out, 4, family.help.as_bytes());
            put_bytes(out, 5, family.unit.as_bytes());
        });
    }

    /// `None`: there is nothing in it.
    pub fn close(self) -> Option<WriteRequest> {
        if self.series.is_empty() {
            return None;
        }
        let mut whole = self.series;
        match self.protocol {
            WriteProtocol::V1 => whole.extend_from_slice(&self.metadata),
            WriteProtocol::V2 => {
                let series = std::mem::replace(&mut whole, self.symbols.encoded);
                whole.extend_from_slice(&series);
            }
        }
        // Fails for 4 GiB and more, which no request has.
        let body = snap::raw::Encoder::new().compress_vec(&whole).ok()?;
        Some(WriteRequest { body, points: self.points, samples: self.samples, histograms: self.histograms })
    }
}

impl Symbols {
    fn new() -> Symbols {
        let mut symbols =
            Symbols { encoded: Vec::new(), numbers: HashMap::default(), order: Vec::new(), joined: String::new() };
        symbols.number("");
        symbols
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.order.len() as u32;
        self.order.push((text.into(), self.encoded.len()));
        self.numbers.insert(text.into(), number);
        put_bytes(&mut self.encoded, 4, text.as_bytes());
        number
    }

    fn number_of_joined(&mut self, text: &str, suffix: &str) -> u32 {
        if suffix.is_empty() {
            return self.number(text);
        }
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        joined.push_str(text);
        joined.push_str(suffix);
        let number = self.number(&joined);
        self.joined = joined;
        number
    }

    fn truncate(&mut self, count: usize) {
        while self.order.len() > count
            && let Some((text, start)) = self.order.pop()
        {
            self.numbers.remove(&text);
            self.encoded.truncate(start);
        }
    }
}

fn put_native(out: &mut Vec<u8>, histogram: Option<&Exponential>, stale: f64) {
    // A series that ends is known by its sum; its count has to be there, too.
    put_uint(out, 1, histogram.map_or(0, |histogram| histogram.count));
    let Some(histogram) = histogram else { return put_double(out, 3, stale) };
    put_double(out, 3, histogram.sum.unwrap_or(f64::NAN));
    put_sint(out, 4, histogram.scale.into());
    put_double(out, 5, histogram.zero_threshold);
    put_uint(out, 6, histogram.zero_count);
    crate::exposition::put_native(out, 8, &histogram.negative);
    crate::exposition::put_native(out, 11, &histogram.positive);
}

fn put_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar, time: i64) {
    // Fields `LabelPair` of number 1, as here.
    out.extend_from_slice(&exemplar.labels);
    put_double(out, 2, exemplar.value);
    put_time(out, 3, exemplar_time(exemplar, time));
}

fn exemplar_refs(symbols: &mut Symbols, exemplar: &Exemplar) -> Vec<u8> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let mut pairs: Vec<(&str, &str)> =
        wire::labels(&exemplar.labels).map(|(name, value)| (text(name), text(value))).collect();
    pairs.sort_unstable();
    let mut refs = Vec::with_capacity(2 * pairs.len());
    for part in pairs.into_iter().flat_map(|(name, value)| [name, value]) {
        put_varint(&mut refs, symbols.number(part).into());
    }
    refs
}

/// One that does not say when it was made was made when its point was.
fn exemplar_time(exemplar: &Exemplar, time: i64) -> i64 {
    if exemplar.time == 0 { time } else { millis(exemplar.time) }
}

/// Milliseconds since 1970.
pub(super) fn millis(nanoseconds: u64) -> i64 {
    (nanoseconds / 1_000_000) as i64
}

fn put_time(out: &mut Vec<u8>, number: u32, time: i64) {
    put_uint(out, number, time.cast_unsigned());
}

/// As both protocols number types.
fn type_number(kind: MetricType) -> u64 {
    match kind {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::Summary => 5,
    }
}
