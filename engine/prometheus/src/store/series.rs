//! A series: its labels, and what is known of it.

use std::sync::Arc;

use parking_lot::Mutex;
use wasmill_wire::{MetricKind, fields};

use super::exemplar::Exemplar;
use super::exponential::Exponential;
use super::histogram::{Bounds, Histogram};
use super::point::{Body, Point};
use super::{Reason, Temporality};
use crate::translate::{Labels, Translation};
use crate::wire;

/// Quantiles of a summary; each is a series in Prometheus.
pub const QUANTILES_MAX: usize = 256;

#[derive(Debug)]
pub(crate) struct Series {
    /// Within its family, ascending in the order in which they came: by it a scrape finds its place again.
    pub number: u64,
    pub labels: LabelBytes,
    pub state: Mutex<State>,
}

/// Labels as the fields `LabelPair` of a `Metric`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct LabelBytes {
    pub pairs: Box<[u8]>,
    /// Every name is one of ASCII's letters, digits and `_`.
    pub names_are_plain: bool,
    /// No value has a character that is escaped in text.
    pub values_are_plain: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    /// On the store's clock.
    pub updated_ms: u64,
    /// Without a value: it is not exposed.
    pub is_stale: bool,
    /// It is in no list any more; another one has to be made.
    pub is_gone: bool,
    /// Nanoseconds since 1970; 0: not said.
    pub start: u64,
    pub time: u64,
    pub value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Number { value: f64, exemplar: Option<Box<Exemplar>> },
    Histogram(Box<Histogram>),
    Exponential(Box<Exponential>),
    Summary(Box<Summary>),
}

#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub count: u64,
    pub sum: f64,
    /// Quantile and value, ascending.
    pub quantiles: Vec<(f64, f64)>,
}

/// What became of a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    Value,
    /// A newer one is known already.
    Older,
    /// The series has ended, as the point says.
    Stale,
    /// A total that began anew.
    Reset,
    /// The series is gone: look for it again.
    Gone,
}

/// How a stream's points are to be read.
pub(super) struct Reading<'a> {
    pub translation: &'a Translation,
    pub kind: MetricKind,
    pub temporality: Temporality,
    /// Of a sum: it only grows.
    pub is_monotonic: bool,
    pub now_ms: u64,
}

impl LabelBytes {
    pub fn of(labels: &Labels) -> LabelBytes {
        let mut pairs = Vec::new();
        let (mut names_are_plain, mut values_are_plain) = (true, true);
        for (name, value) in labels.iter() {
            wire::put_label(&mut pairs, 1, name.as_bytes(), value.as_bytes());
            names_are_plain &= is_plain_label(name);
            values_are_plain &= !value.contains(['\\', '"', '\n']);
        }
        LabelBytes { pairs: pairs.into(), names_are_plain, values_are_plain }
    }
}

/// Whether a label's name needs no quotes.
pub(crate) fn is_plain_label(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

impl Series {
    pub fn new(number: u64, labels: LabelBytes, value: Value) -> Series {
        let state = State { updated_ms: 0, is_stale: true, is_gone: false, start: 0, time: 0, value };
        Series { number, labels, state: Mutex::new(state) }
    }

    pub(super) fn update(
        &self,
        point: &Point<'_>,
        bounds: &mut Arc<Bounds>,
        reading: &Reading<'_>,
    ) -> Result<Taken, Reason> {
        let mut state = self.state.lock();
        if state.is_gone {
            return Ok(Taken::Gone);
        }
        let taken = state.take(point, bounds, reading);
        if !matches!(taken, Err(_) | Ok(Taken::Older)) {
            state.updated_ms = reading.now_ms;
        }
        taken
    }
}

impl State {
    fn take(&mut self, point: &Point<'_>, bounds: &mut Arc<Bounds>, reading: &Reading<'_>) -> Result<Taken, Reason> {
        let is_timed = point.time != 0;
        if point.is_stale {
            if is_timed && point.time < self.time {
                return Ok(Taken::Older);
            }
            (self.is_stale, self.time) = (true, point.time);
            return Ok(Taken::Stale);
        }
        let is_delta = reading.temporality == Temporality::Delta;
        // A delta that comes twice would count twice.
        if is_delta && is_timed && point.time <= self.time {
            return Err(Reason::OutOfOrder);
        }
        if is_timed && point.time < self.time {
            return Ok(Taken::Older);
        }
        let adds = is_delta && !self.is_stale;
        let is_continued = match adds {
            true => self.value.add(point, bounds, reading)?,
            false => self.value.set(point, bounds, reading)?,
        };
        if point.has_exemplars {
            self.value.put_exemplars(point, reading);
        }
        let is_reset = !is_continued || !adds && !self.is_stale && point.start > self.start && self.start != 0;
        if !adds || !is_continued {
            self.start = point.start;
        }
        (self.is_stale, self.time) = (false, point.time);
        Ok(if is_reset { Taken::Reset } else { Taken::Value })
    }
}

impl Value {
    /// Of a series without points so far.
    pub fn empty(kind: MetricKind) -> Value {
        match kind {
            MetricKind::Histogram => Value::Histogram(Box::default()),
            MetricKind::ExponentialHistogram => Value::Exponential(Box::default()),
            MetricKind::Summary => Value::Summary(Box::default()),
            MetricKind::None | MetricKind::Gauge | MetricKind::Sum => Value::Number { value: 0.0, exemplar: None },
        }
    }

    /// Takes the point's value for its own. A histogram becomes one of the other kind where the point is one.
    fn set(&mut self, point: &Point<'_>, bounds: &mut Arc<Bounds>, reading: &Reading<'_>) -> Result<bool, Reason> {
        match (&mut *self, &point.body) {
            (Value::Number { value, .. }, Body::Number(new)) => *value = *new,
            (Value::Histogram(histogram), Body::Histogram(new)) => {
                *bounds = Bounds::of(&new.bounds, bounds)?;
                histogram.set(new, Arc::clone(bounds))?;
            }
            (Value::Exponential(histogram), Body::Exponential(new)) => histogram.set(new)?,
            (Value::Summary(summary), Body::Summary { count, sum }) => summary.set(point, *count, *sum)?,
            (_, _) => {
                let mut other = Value::empty(reading.kind);
                if std::mem::discriminant(&other) == std::mem::discriminant(self) {
                    return Err(Reason::TypeConflict);
                }
                other.set(point, bounds, reading)?;
                *self = other;
            }
        }
        Ok(true)
    }

    /// Adds a delta. `false`: it began anew.
    fn add(&mut self, point: &Point<'_>, bounds: &mut Arc<Bounds>, reading: &Reading<'_>) -> Result<bool, Reason> {
        match (&mut *self, &point.body) {
            (Value::Number { value, .. }, Body::Number(more)) => {
                if !more.is_finite() || reading.is_monotonic && *more < 0.0 {
                    return Err(Reason::Value);
                }
                *value += more;
                Ok(true)
            }
            (Value::Histogram(histogram), Body::Histogram(more)) => {
                *bounds = Bounds::of(&more.bounds, bounds)?;
                histogram.add(more, Arc::clone(bounds))
            }
            (Value::Exponential(histogram), Body::Exponential(more)) => histogram.add(more).map(|()| true),
            (_, _) => self.set(point, bounds, reading).map(|_| false),
        }
    }

    #[cold]
    fn put_exemplars(&mut self, point: &Point<'_>, reading: &Reading<'_>) {
        let exemplars = point.exemplars(reading.kind);
        let mut exemplars = exemplars.filter_map(|exemplar| Exemplar::read(reading.translation, exemplar));
        match self {
            // Only what becomes a counter has them.
            Value::Number { exemplar, .. } if reading.is_monotonic => {
                if let Some(newest) = exemplars.max_by_key(|exemplar| exemplar.time) {
                    *exemplar = Some(Box::new(newest));
                }
            }
            Value::Histogram(histogram) => histogram.put_exemplars(exemplars),
            Value::Exponential(histogram) => histogram.put_exemplars(&mut exemplars),
            Value::Number { .. } | Value::Summary(_) => {}
        }
    }
}

impl Summary {
    pub(crate) fn set(&mut self, point: &Point<'_>, count: u64, sum: f64) -> Result<(), Reason> {
        let mut quantiles = Vec::new();
        for message in point.quantiles() {
            if quantiles.len() == QUANTILES_MAX {
                return Err(Reason::Histogram);
            }
            let (mut quantile, mut value) = (0.0, 0.0);
            for field in fields(message) {
                match field.number {
                    1 => quantile = f64::from_bits(field.fixed64()),
                    2 => value = f64::from_bits(field.fixed64()),
                    _ => {}
                }
            }
            if !(0.0..=1.0).contains(&quantile) {
                return Err(Reason::Histogram);
            }
            quantiles.push((quantile, value));
        }
        quantiles.sort_by(|one, other| one.0.total_cmp(&other.0));
        quantiles.dedup_by(|one, other| one.0 == other.0);
        *self = Summary { count, sum, quantiles };
        Ok(())
    }
}
