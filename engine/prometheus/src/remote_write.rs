//! Remote write: the points of a batch as samples, for a server that takes them as they come.
//!
//! Other than exposition it keeps nothing: each point is a sample of its series, with its own time. So a point has to be a total already;
//! deltas are refused, and counted.
//!
//! ```text
//!  point ──► labels + name ──► one series, or one for each bucket and quantile ──► WriteRequest (1.0) or Request (2.0) ──► snappy
//! ```
//!
//! Series stand in a request in the order in which their points came, points of one metric in the order of their times: a server takes no
//! sample that is older than the newest of its series. A request is bounded before it is compressed; a point is in one request whole.
//!
//! A point that says that there is no value becomes Prometheus' stale marker, on each of its series.

mod message;
mod points;

use std::collections::{HashMap, HashSet};

use wasmill_wire::{Index, Message, MetricKind, Selection};

use crate::store::{Reason, Tally};
use crate::translate::{Family, Labels, MetricType, Origin, Translation, shortened};
use message::{Open, SeriesLabels, Written};
use points::Scratch;

/// The messages that there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WriteProtocol {
    /// `prometheus.WriteRequest`.
    #[default]
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteSettings {
    pub translation: Translation,
    pub protocol: WriteProtocol,
    /// Whether resources become `target_info`.
    pub target_info: bool,
    /// Whether 1.0 says what metrics are: their type, unit and description. 2.0 always does.
    pub metadata: bool,
    /// Of a request before it is compressed. A point that is larger alone is a request by itself.
    pub request_bytes_max: usize,
}

/// A request, compressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteRequest {
    pub body: Vec<u8>,
    pub points: u64,
    /// What 2.0 servers say that they have written.
    pub samples: u64,
    pub histograms: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Writing {
    pub requests: Vec<WriteRequest>,
    /// `taken`: points that are in requests.
    pub tally: Tally,
}

/// Requests of the selected points.
pub fn write(settings: &WriteSettings, index: &Index, selection: &Selection) -> Writing {
    let mut writer = Writer {
        settings,
        index,
        open: Open::new(settings.protocol),
        done: Writing::default(),
        scope: None,
        targets: HashMap::new(),
        scratch: Scratch::default(),
    };
    let mut run: Vec<usize> = Vec::new();
    let mut metric = None;
    for row in selection.rows() {
        let Some(record) = index.records.get(row) else { continue };
        if metric.is_some_and(|metric| metric != record.parent) {
            writer.take_run(&mut run);
        }
        metric = Some(record.parent);
        run.push(row);
    }
    writer.take_run(&mut run);
    writer.put_targets();
    writer.close();
    writer.done
}

struct Writer<'s> {
    settings: &'s WriteSettings,
    index: &'s Index,
    open: Open,
    done: Writing,
    /// The last scope, and what it gives to its series.
    scope: Option<(u32, Option<Origin>)>,
    /// The newest time of each resource whose points were taken, in milliseconds.
    targets: HashMap<u32, i64>,
    scratch: Scratch,
}

/// What the points of a metric have in common.
struct Metric<'s> {
    kind: MetricKind,
    family: Family,
    origin: &'s Origin,
    /// Whether its samples say since when they count.
    counts: bool,
    is_monotonic: bool,
}

impl Writer<'_> {
    /// The points of one metric.
    fn take_run(&mut self, rows: &mut Vec<usize>) {
        let index = self.index;
        let Some(number) = rows.first().and_then(|row| index.records.get(*row)).map(|record| record.parent as usize)
        else {
            return;
        };
        let parents = index.metrics.get(number).zip(index.metric_data.get(number));
        let Some((parent, data)) = parents else { return rows.clear() };
        let (message, header) = (index.parent(parent), index.message_of(data.header));
        let origin = self.origin(parent.parent);
        let count = rows.len() as u64;
        match (origin, metric_of(&self.settings.translation, &message, &header, data.kind)) {
            (Some(origin), Ok((family, is_monotonic))) => {
                let counts = matches!(family.kind, MetricType::Counter | MetricType::Histogram | MetricType::Summary);
                let metric = Metric { kind: data.kind, family, origin: &origin, counts, is_monotonic };
                self.take_points(rows, &metric);
                self.scope = Some((parent.parent, Some(origin)));
            }
            (Some(origin), Err((reason, why))) => {
                self.done.tally.refuse(reason, count, || why);
                self.scope = Some((parent.parent, Some(origin)));
            }
            (None, _) => self.done.tally.refuse(Reason::Labels, count, || Reason::Labels.to_string()),
        }
        rows.clear();
    }

    fn take_points(&mut self, rows: &mut [usize], metric: &Metric<'_>) {
        let index = self.index;
        points::sort_by_time(index, rows);
        let mut newest = None;
        for &row in rows.iter() {
            let Some(record) = index.records.get(row) else { continue };
            let message = index.record(record);
            let Some(bytes) = message.parts().next() else { continue };
            match self.take_point(bytes, metric) {
                Ok(time) => {
                    self.done.tally.taken += 1;
                    newest = newest.max(Some(time));
                }
                Err(reason) => {
                    let name = &metric.family.name;
                    self.done.tally.refuse(reason, 1, || format!("a point of `{name}`: {reason}"));
                }
            }
        }
        let resource = rows.first().and_then(|row| resource_of(index, *row));
        if let Some((resource, newest)) = resource.zip(newest) {
            let time = self.targets.entry(resource).or_insert(newest);
            *time = (*time).max(newest);
        }
    }

    /// Its time in milliseconds, once it is in a request.
    fn take_point(&mut self, bytes: &[u8], metric: &Metric<'_>) -> Result<i64, Reason> {
        let mark = self.open.mark();
        let time = match self.put_point(bytes, metric) {
            Ok(time) => time,
            Err(reason) => {
                self.open.rewind(mark, &metric.family);
                return Err(reason);
            }
        };
        if self.open.len() > self.settings.request_bytes_max && self.open.points > 0 {
            self.open.rewind(mark, &metric.family);
            self.close();
            self.put_point(bytes, metric)?;
        }
        self.open.points += 1;
        Ok(time)
    }

    fn put_point(&mut self, bytes: &[u8], metric: &Metric<'_>) -> Result<i64, Reason> {
        if self.settings.metadata && self.settings.protocol == WriteProtocol::V1 {
            self.open.put_metadata(&metric.family);
        }
        points::put(&mut self.open, &self.settings.translation, metric, bytes, &mut self.scratch)
    }

    /// `None`: its labels are too large.
    fn origin(&mut self, scope: u32) -> Option<Origin> {
        if let Some((_, origin)) = self.scope.take_if(|(last, _)| *last == scope) {
            return origin;
        }
        let parent = self.index.scopes.get(scope as usize)?;
        let resource = self.index.resources.get(parent.parent as usize)?;
        let (resource, scope) = (self.index.parent(resource), self.index.parent(parent));
        self.settings.translation.origin(&resource, &scope).ok()
    }

    /// A resource that is there several times, in a batch of several requests, is one.
    fn put_targets(&mut self) {
        if !self.settings.target_info {
            return;
        }
        let translation = &self.settings.translation;
        let Ok(name) = translation.metric_name("target_info", "", MetricType::Gauge, false) else { return };
        let family = Family { name, kind: MetricType::Gauge, unit: String::new(), help: "Target metadata".to_owned() };
        let mut targets: Vec<(u32, i64)> = self.targets.drain().collect();
        // The newest of what is the same goes first, and is the one that is sent.
        targets.sort_by_key(|(resource, time)| (std::cmp::Reverse(*time), *resource));
        let mut seen: HashSet<(String, String)> = HashSet::new();
        for (resource, time) in targets {
            let Some(parent) = self.index.resources.get(resource as usize) else { continue };
            let Ok(Some(labels)) = translation.target_labels(&self.index.parent(parent)) else { continue };
            let of = |name: &str| labels.get(name).unwrap_or_default().to_owned();
            if seen.insert((of("job"), of("instance"))) {
                self.put_target(&family, &labels, time);
            }
        }
    }

    fn put_target(&mut self, family: &Family, labels: &Labels, time: i64) {
        let put = |open: &mut Open| {
            let labels = SeriesLabels::new(labels, &family.name);
            open.put_sample(&labels, family, Written { value: 1.0, time, start: 0 }, &[]);
        };
        let mark = self.open.mark();
        put(&mut self.open);
        if self.open.len() > self.settings.request_bytes_max && self.open.points > 0 {
            self.open.rewind(mark, family);
            self.close();
            put(&mut self.open);
        }
    }

    fn close(&mut self) {
        let open = std::mem::replace(&mut self.open, Open::new(self.settings.protocol));
        self.done.requests.extend(open.close());
    }
}

fn resource_of(index: &Index, row: usize) -> Option<u32> {
    let record = index.records.get(row)?;
    let metric = index.metrics.get(record.parent as usize)?;
    Some(index.scopes.get(metric.parent as usize)?.parent)
}

/// The family of a metric, and whether it is a sum that only grows.
fn metric_of(
    translation: &Translation,
    message: &Message<'_>,
    header: &Message<'_>,
    kind: MetricKind,
) -> Result<(Family, bool), (Reason, String)> {
    let last = |number| header.fields().filter(|field| field.number == number).last().map_or(0, |field| field.varint());
    const CUMULATIVE: u64 = 2;
    let has_temporality = matches!(kind, MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram);
    if has_temporality && last(2) != CUMULATIVE {
        let name = shortened(message.text(1));
        let why = format!("`{name}` is not cumulative, and remote write has totals only: nobody adds deltas up here");
        return Err((Reason::Temporality, why));
    }
    let is_monotonic = kind == MetricKind::Sum && last(3) != 0;
    let family = translation.family(message, kind, is_monotonic);
    family.map(|family| (family, is_monotonic)).map_err(|error| (Reason::Name, error.to_string()))
}

#[cfg(test)]
mod tests;
