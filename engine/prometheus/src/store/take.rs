//! Points of a batch, to their series.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use wasmill_wire::{Index, Message, MetricKind};

use super::family::{self, Conflict, Found, Registry};
use super::point::{Point, attributes};
use super::room::Room;
use super::series::{LabelBytes, Reading, Series, Taken, Value};
use super::stream::{Keyed, Source, Stream, put_key};
use super::{Reason, Store, Tally, Temporality};
use crate::translate::{NameError, shortened};

/// A batch on its way.
struct Batch<'s> {
    store: &'s Store,
    index: &'s Index,
    now_ms: u64,
    tally: Tally,
    /// The scope that `source` is of.
    scope: Option<u32>,
    source: Option<Arc<Source>>,
    key: Vec<u8>,
    /// Rows of series that are not known yet.
    unknown: Vec<usize>,
}

/// Why a metric has no stream.
enum Refused {
    Name(NameError),
    Labels,
    Conflict(Conflict),
    Full,
    Temporality(String),
}

/// Keeps it under its key where there is room, and gives what is kept there.
fn remember<T>(map: &Keyed<T>, key: &[u8], value: Arc<T>, ways: &Room) -> Arc<T> {
    let mut map = map.write();
    if let Some(known) = map.get(key) {
        return Arc::clone(known);
    }
    if ways.take(key.len()) {
        map.insert(Box::from(key), Arc::clone(&value));
    }
    value
}

impl From<family::Refused> for Refused {
    fn from(refused: family::Refused) -> Self {
        match refused {
            family::Refused::Conflict(conflict) => Refused::Conflict(conflict),
            family::Refused::Full => Refused::Full,
        }
    }
}

impl Store {
    /// Takes the points of `rows`, numbers of records in `index`, ascending.
    pub fn take(&self, index: &Index, rows: impl Iterator<Item = usize>) -> Tally {
        let now_ms = self.clock.now_ms();
        let mut batch = Batch {
            store: self,
            index,
            now_ms,
            tally: Tally::default(),
            scope: None,
            source: None,
            key: Vec::new(),
            unknown: Vec::new(),
        };
        let mut run: Vec<usize> = Vec::new();
        let mut metric = u32::MAX;
        for row in rows {
            let Some(record) = index.records.get(row) else { continue };
            if record.parent != metric {
                batch.take_run(metric, &run);
                run.clear();
                metric = record.parent;
            }
            run.push(row);
        }
        batch.take_run(metric, &run);
        self.sweep_if_due(now_ms);
        batch.tally
    }
}

impl<'s> Batch<'s> {
    /// Takes points of one metric.
    fn take_run(&mut self, metric: u32, rows: &[usize]) {
        if rows.is_empty() {
            return;
        }
        let (source, stream) = match self.stream(metric) {
            Ok(found) => found,
            Err(refused) => {
                self.tally.refuse(refused.reason(), rows.len() as u64, || refused.message());
                return;
            }
        };
        let reading = Reading {
            translation: &self.store.settings.translation,
            kind: stream.kind,
            temporality: stream.temporality,
            is_monotonic: stream.is_monotonic,
            now_ms: self.now_ms,
        };
        let mut unknown = std::mem::take(&mut self.unknown);
        {
            let known = stream.series.read();
            let mut bounds = stream.bounds.lock().clone();
            for &row in rows {
                let Some(point) = self.point(row, stream.kind) else { continue };
                let taken = match known.get(&*point.attributes) {
                    Some(series) => series.update(&point, &mut bounds, &reading),
                    None => Ok(Taken::Gone),
                };
                if taken == Ok(Taken::Gone) {
                    unknown.push(row);
                } else {
                    self.note(taken, metric);
                }
            }
            *stream.bounds.lock() = bounds;
        }
        for row in unknown.drain(..) {
            let Some(point) = self.point(row, stream.kind) else { continue };
            let taken = self.take_unknown(&source, &stream, &point, &reading, metric);
            self.note(taken, metric);
        }
        self.unknown = unknown;
    }

    /// Takes a point of a series that its stream does not know: finds it by its labels, or makes it.
    fn take_unknown(
        &self,
        source: &Source,
        stream: &Stream,
        point: &Point<'_>,
        reading: &Reading<'_>,
        metric: u32,
    ) -> Result<Taken, Reason> {
        // What has ended is not begun for that.
        if point.is_stale {
            return Ok(Taken::Stale);
        }
        let series = loop {
            let series = self.find(source, stream, point, metric)?;
            let mut bounds = stream.bounds.lock().clone();
            match series.update(point, &mut bounds, reading)? {
                Taken::Gone => {}
                taken => {
                    *stream.bounds.lock() = bounds;
                    break (series, taken);
                }
            }
        };
        let (series, taken) = series;
        // A way of a series that is gone may be there still, and is put right.
        let mut known = stream.series.write();
        if known.contains_key(&*point.attributes) || self.store.ways.take(point.attributes.len()) {
            known.insert(Box::from(&*point.attributes), series);
        }
        Ok(taken)
    }

    fn find(&self, source: &Source, stream: &Stream, point: &Point<'_>, metric: u32) -> Result<Arc<Series>, Reason> {
        let made_later = match stream.kind {
            MetricKind::Histogram | MetricKind::ExponentialHistogram => Some("le"),
            MetricKind::Summary => Some("quantile"),
            MetricKind::None | MetricKind::Gauge | MetricKind::Sum => None,
        };
        let translation = &self.store.settings.translation;
        let labels = translation.labels(&source.origin, attributes(&point.attributes), made_later);
        let labels = labels.map_err(|_| Reason::Labels)?;
        loop {
            let members = Arc::clone(&stream.members.lock());
            let label_bytes = LabelBytes::of(&labels);
            let len = label_bytes.pairs.len();
            let value = || Value::empty(stream.kind);
            match members.series(label_bytes, value, || self.store.room.take(len)) {
                Found::Known(series) | Found::Made(series) => return Ok(series),
                Found::Full => return Err(Reason::SeriesLimit),
                Found::Closed => {
                    let parent = self.index.metrics.get(metric as usize).ok_or(Reason::Name)?;
                    let message = self.index.parent(parent);
                    let family = translation.family(&message, stream.kind, stream.is_monotonic);
                    let family = family.map_err(|_| Reason::Name)?;
                    let members = Registry::family(&self.store.registry, &family, &self.store.ways);
                    *stream.members.lock() = members.map_err(|refused| Refused::from(refused).reason())?;
                }
            }
        }
    }

    fn point(&self, row: usize, kind: MetricKind) -> Option<Point<'s>> {
        let index = self.index;
        let record = index.records.get(row)?;
        let start = (record.offset + record.head) as usize;
        let end = (record.offset + record.len) as usize;
        let buffer = index.buffers.get(record.buffer as usize)?;
        Some(Point::read(kind, buffer.get(start..end)?))
    }

    fn note(&mut self, taken: Result<Taken, Reason>, metric: u32) {
        let counters = &self.store.counters;
        match taken {
            Ok(Taken::Older) => _ = counters.older.fetch_add(1, Ordering::Relaxed),
            Ok(Taken::Reset) => _ = counters.resets.fetch_add(1, Ordering::Relaxed),
            Ok(Taken::Value | Taken::Stale | Taken::Gone) => {}
            Err(reason) => {
                let name = || self.index.metrics.get(metric as usize).map(|parent| self.index.parent(parent));
                self.tally.refuse(reason, 1, || {
                    let name = name().map(|metric| shortened(metric.text(1))).unwrap_or_default();
                    format!("a point of `{name}`: {reason}")
                });
                return;
            }
        }
        self.tally.taken += 1;
    }

    /// The metric's, which is made where it is new.
    fn stream(&mut self, metric: u32) -> Result<(Arc<Source>, Arc<Stream>), Refused> {
        let index = self.index;
        let nothing = || Refused::Name(NameError::Empty);
        let place = metric as usize;
        let (parent, data) = index.metrics.get(place).zip(index.metric_data.get(place)).ok_or_else(nothing)?;
        let source = self.source(parent.parent)?;
        let (message, header) = (index.parent(parent), index.message_of(data.header));
        self.key.clear();
        put_key(&mut self.key, &message);
        put_key(&mut self.key, &header);
        self.key.push(data.kind.field() as u8);
        let known = source.streams.read().get(&*self.key).cloned();
        let stream = match known {
            Some(stream) => stream,
            None => {
                let stream = Arc::new(self.new_stream(&message, &header, data.kind)?);
                remember(&source.streams, &self.key, stream, &self.store.ways)
            }
        };
        stream.used_ms.store(self.now_ms, Ordering::Relaxed);
        Ok((source, stream))
    }

    #[cold]
    fn new_stream(&self, message: &Message<'_>, header: &Message<'_>, kind: MetricKind) -> Result<Stream, Refused> {
        let last =
            |number| header.fields().filter(|field| field.number == number).last().map_or(0, |field| field.varint());
        let is_monotonic = kind == MetricKind::Sum && last(3) != 0;
        let has_temporality =
            matches!(kind, MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram);
        let temporality = match last(2) {
            _ if !has_temporality => Temporality::Cumulative,
            1 if kind != MetricKind::Sum || is_monotonic => Temporality::Delta,
            2 => Temporality::Cumulative,
            _ => return Err(Refused::Temporality(shortened(message.text(1)))),
        };
        let family = self.store.settings.translation.family(message, kind, is_monotonic).map_err(Refused::Name)?;
        let members = Registry::family(&self.store.registry, &family, &self.store.ways)?;
        Ok(Stream {
            kind,
            temporality,
            is_monotonic,
            members: Mutex::new(members),
            series: Keyed::default(),
            bounds: Mutex::default(),
            used_ms: AtomicU64::new(self.now_ms),
        })
    }

    /// The scope's, which is made where it is new.
    fn source(&mut self, scope: u32) -> Result<Arc<Source>, Refused> {
        if let Some(source) = self.source.as_ref().filter(|_| self.scope == Some(scope)) {
            return Ok(Arc::clone(source));
        }
        let index = self.index;
        let parent = index.scopes.get(scope as usize).ok_or(Refused::Labels)?;
        let resource = index.resources.get(parent.parent as usize).ok_or(Refused::Labels)?;
        let (resource, message) = (index.parent(resource), index.parent(parent));
        self.key.clear();
        put_key(&mut self.key, &resource);
        put_key(&mut self.key, &message);
        let known = self.store.sources.read().get(&*self.key).cloned();
        let source = match known {
            Some(source) => source,
            None => {
                let source = Arc::new(self.new_source(&resource, &message)?);
                remember(&self.store.sources, &self.key, source, &self.store.ways)
            }
        };
        source.touch(self.now_ms);
        (self.scope, self.source) = (Some(scope), Some(Arc::clone(&source)));
        Ok(source)
    }

    #[cold]
    fn new_source(&self, resource: &Message<'_>, scope: &Message<'_>) -> Result<Source, Refused> {
        let origin = self.store.settings.translation.origin(resource, scope).map_err(|_| Refused::Labels)?;
        let target = self.store.target(resource, self.now_ms).unwrap_or_else(|_| {
            self.store.counters.targets_refused.fetch_add(1, Ordering::Relaxed);
            None
        });
        Ok(Source { origin, streams: RwLock::default(), target, used_ms: AtomicU64::new(self.now_ms) })
    }
}

impl Refused {
    fn reason(&self) -> Reason {
        match self {
            Refused::Name(_) => Reason::Name,
            Refused::Labels => Reason::Labels,
            Refused::Conflict(_) => Reason::TypeConflict,
            Refused::Full => Reason::SeriesLimit,
            Refused::Temporality(_) => Reason::Temporality,
        }
    }

    fn message(&self) -> String {
        match self {
            Refused::Name(error) => error.to_string(),
            Refused::Labels | Refused::Full => self.reason().to_string(),
            Refused::Conflict(Conflict { name, kind, other, other_kind }) => {
                let (kind, other_kind) = (kind.name(), other_kind.name());
                format!(
                    "`{name}` is a {kind} here, and its names are those of `{other}`, a {other_kind}, which came first"
                )
            }
            Refused::Temporality(name) => format!("`{name}`: {}", Reason::Temporality),
        }
    }
}
