//! New records: what a plugin makes besides what it was shown.

use wasmill_columns::{BlockBuilder, Fixed, Kind};

use crate::verdict::{ROUTE_UNCHANGED, Value, block};
use crate::{RouteSet, Signal};

/// New records of one signal, column by column: spans, data points or log records.
///
/// Paths are those that rows are seen and edited by. Each column has a value for each record, or one for all. What is missing has its
/// default; needed are `trace_id` and `span_id` of spans, `metric.name` and a value of data points.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// let (names, calls) = (["GET /cart", "GET /"], [12_i64, 3]);
/// let mut points = Emission::new(Signal::Metrics, names.len());
/// points.set("metric.name", "calls").set("metric.unit", "{call}").set("metric.type", MetricType::Sum);
/// points.texts(r#"attributes["span.name"]"#, names).numbers("value_int", calls);
/// ```
///
/// Data points that come out with the same resource, scope and metric are points of one metric.
#[derive(Clone, PartialEq, Debug)]
pub struct Emission {
    pub(crate) signal: Signal,
    pub(crate) rows: usize,
    /// Empty: where the stage's `emit_to` says. Else one for each record.
    pub(crate) routes: Vec<u16>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

/// What [`Plugin::tick`](crate::Plugin::tick) and [`Plugin::flush`](crate::Plugin::flush) make.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Emissions {
    pub(crate) list: Vec<Emission>,
}

/// `metric.type` of a data point.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MetricType {
    Gauge = 1,
    Sum = 2,
    Histogram = 3,
    ExponentialHistogram = 4,
    Summary = 5,
}

/// `metric.aggregation_temporality` of sums and histograms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Temporality {
    /// What came since the last point. The default.
    Delta = 1,
    Cumulative = 2,
}

impl Emissions {
    /// Sends these records on. Those that there are none of are left out.
    pub fn push(&mut self, emission: Emission) {
        if emission.rows > 0 {
            self.list.push(emission);
        }
    }
}

impl Emission {
    /// So many records, which nothing is known of so far.
    pub fn new(signal: Signal, rows: usize) -> Emission {
        Emission { signal, rows, routes: Vec::new(), fields: Vec::new() }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Gives all records the same value.
    pub fn set<'v>(&mut self, path: &str, value: impl Into<Value<'v>>) -> &mut Self {
        let value = value.into();
        self.column(path, |block| value.write(block))
    }

    /// Gives each record a text.
    pub fn texts<'v>(
        &mut self,
        path: &str,
        values: impl IntoIterator<Item = &'v str, IntoIter: ExactSizeIterator>,
    ) -> &mut Self {
        self.column(path, |block| {
            block.text(values);
        })
    }

    /// Gives each record a number, or an id.
    pub fn numbers<T: Fixed>(
        &mut self,
        path: &str,
        values: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    ) -> &mut Self {
        self.column(path, |block| {
            block.fixed(values);
        })
    }

    /// Gives each record several numbers: `bucket_counts`, a field of its events or links.
    pub fn lists<T: Fixed, L: AsRef<[T]>>(&mut self, path: &str, lists: &[L]) -> &mut Self {
        self.column(path, |block| {
            let node = block.open(Kind::Sequence, lists.len(), 1);
            let mut end = 0_u32;
            for (to, list) in block.offsets(node).chunks_exact_mut(4).skip(1).zip(lists) {
                end += list.as_ref().len() as u32;
                to.copy_from_slice(&end.to_le_bytes());
            }
            block.fixed(lists.iter().flat_map(|list| list.as_ref().iter().copied()).collect::<Vec<T>>());
        })
    }

    /// Writes one column: a value for each record, or a single one for all.
    pub fn column(&mut self, path: &str, column: impl FnOnce(&mut BlockBuilder)) -> &mut Self {
        self.fields.push((path.to_owned(), block(column)));
        self
    }

    /// Gives each record resource and scope of a row of the slice, as earlier stages left them; one row, for all. In
    /// [`Plugin::process`](crate::Plugin::process) alone.
    pub fn like(&mut self, rows: impl IntoIterator<Item = u32, IntoIter: ExactSizeIterator>) -> &mut Self {
        self.numbers("source", rows)
    }

    /// Sends all records to the routes of the set, instead of where `emit_to` says.
    pub fn route_all(&mut self, set: RouteSet) -> &mut Self {
        self.routes = vec![set.0; self.rows];
        self
    }

    /// Sends each record to the routes of its set; those with `None`, and those that `sets` is too short for, where `emit_to` says.
    pub fn route_each(&mut self, sets: impl IntoIterator<Item = Option<RouteSet>>) -> &mut Self {
        self.routes = vec![ROUTE_UNCHANGED; self.rows];
        for (route, set) in self.routes.iter_mut().zip(sets) {
            *route = set.map_or(*route, |set| set.0);
        }
        self
    }
}

impl From<MetricType> for Value<'_> {
    fn from(value: MetricType) -> Self {
        Value::Int32(value as i32)
    }
}

impl From<Temporality> for Value<'_> {
    fn from(value: Temporality) -> Self {
        Value::Int32(value as i32)
    }
}
