//! Counts spans, and how long they took, by service, name, kind and status: data points made of spans.
//!
//! Spans pass as they are. At each interval, and when the plugin goes, what came since the last time is emitted: a sum and a
//! histogram for each series that had spans, both deltas. Names are those of the Collector's `spanmetrics` connector.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use wasmill_sdk::columns::Bitmap;
use wasmill_sdk::prelude::*;

/// The stage's `config:` block.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Milliseconds between two points of a series.
    interval_ms: u64,
    /// Upper bounds of the histogram's buckets, in milliseconds, ascending.
    bounds_ms: Vec<f64>,
    /// Series of one interval. Spans of more are counted together, in a series with `otel.metric.overflow`.
    series_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        let bounds_ms = vec![
            2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1_000.0, 1_400.0, 2_000.0, 5_000.0, 10_000.0,
        ];
        Config { interval_ms: 10_000, bounds_ms, series_max: 10_000 }
    }
}

struct SpanMetrics {
    config: Config,
    service: Column<str>,
    name: Column<str>,
    kind: Column<i32>,
    status: Column<i32>,
    duration: Column<i64>,
    /// By all that they are told apart by.
    series: HashMap<String, Series>,
    /// Of spans that came after `series_max` series.
    overflow: Option<Series>,
    /// Since when spans were counted, in nanoseconds since 1970.
    since: u64,
    /// Kept for its memory.
    key: String,
}

#[derive(Clone, Default)]
struct Series {
    service: String,
    name: String,
    kind: i32,
    status: i32,
    count: u64,
    sum_ms: f64,
    buckets: Vec<u64>,
}

impl Plugin for SpanMetrics {
    type Config = Config;

    fn init(config: Config, needs: &mut Requirements) -> Result<Self> {
        if !config.bounds_ms.is_sorted_by(|a, b| a < b) {
            return Err(Error::new("`bounds_ms` does not ascend, expected each bound above the one before"));
        }
        if config.series_max == 0 {
            return Err(Error::new("`series_max` is 0, expected at least 1"));
        }
        needs.signals([Signal::Traces]);
        needs.uses([Use::Emit, Use::Flush]);
        needs.ticks(Duration::from_millis(config.interval_ms));
        Ok(SpanMetrics {
            config,
            service: needs.column(r#"resource.attributes["service.name"]"#),
            name: needs.column("name"),
            kind: needs.column("kind"),
            status: needs.column("status.code"),
            duration: needs.column("duration"),
            series: HashMap::new(),
            overflow: None,
            since: host::clock().unwrap_or(0),
            key: String::new(),
        })
    }

    fn process(&mut self, slice: &Slice, _: &mut Verdict) -> Result<()> {
        let (services, names) = (slice.column(self.service), slice.column(self.name));
        let (kinds, statuses, durations) =
            (slice.column(self.kind), slice.column(self.status), slice.column(self.duration));
        for row in 0..slice.rows() {
            let (service, name) = (services.get(row).unwrap_or_default(), names.get(row).unwrap_or_default());
            let (kind, status) = (kinds.get(row).unwrap_or(0), statuses.get(row).unwrap_or(0));
            let ms = durations.get(row).unwrap_or(0) as f64 / 1e6;
            self.series_of(service, name, kind, status).observe(ms);
        }
        Ok(())
    }

    fn tick(&mut self, now: u64, emit: &mut Emissions) -> Result<()> {
        self.emit(now, emit);
        Ok(())
    }

    fn flush(&mut self, emit: &mut Emissions) -> Result<()> {
        self.emit(host::clock().unwrap_or(self.since), emit);
        Ok(())
    }
}

impl SpanMetrics {
    fn series_of(&mut self, service: &str, name: &str, kind: i32, status: i32) -> Observed<'_> {
        self.key.clear();
        // Writing to a text cannot fail.
        let _ = write!(self.key, "{kind} {status} {} {service}{name}", service.len());
        let (is_new, bounds) = (!self.series.contains_key(&self.key), &self.config.bounds_ms);
        let empty = || Series { buckets: vec![0; bounds.len() + 1], ..Series::default() };
        if is_new && self.series.len() >= self.config.series_max {
            return Observed { bounds, series: self.overflow.get_or_insert_with(empty) };
        }
        if is_new {
            // The key is copied where a series is new: once in an interval.
            let (service, name) = (service.to_owned(), name.to_owned());
            self.series.insert(self.key.clone(), Series { service, name, kind, status, ..empty() });
        }
        let series = self.series.get_mut(&self.key).expect("it is there now");
        Observed { bounds, series }
    }

    /// Emits what came since the last time, and begins anew.
    fn emit(&mut self, now: u64, emit: &mut Emissions) {
        let since = std::mem::replace(&mut self.since, now);
        let mut all: Vec<Series> = self.series.drain().map(|(_, series)| series).collect();
        // So that points come in the same order whenever they are the same.
        all.sort_by(|a, b| (&a.service, &a.name, a.kind, a.status).cmp(&(&b.service, &b.name, b.kind, b.status)));
        let overflow = self.overflow.take();
        let overflows = overflow.is_some();
        all.extend(overflow);

        let mut calls = points(&all, overflows, since, now);
        calls.set("metric.name", "traces.span.metrics.calls").set("metric.type", MetricType::Sum);
        calls.set("metric.unit", "{call}").set("metric.is_monotonic", true);
        calls.numbers("value_int", all.iter().map(|series| series.count as i64));
        emit.push(calls);

        let mut durations = points(&all, overflows, since, now);
        durations.set("metric.name", "traces.span.metrics.duration").set("metric.type", MetricType::Histogram);
        durations.set("metric.unit", "ms");
        durations.numbers("count", all.iter().map(|series| series.count));
        durations.numbers("sum", all.iter().map(|series| series.sum_ms));
        durations.lists("bucket_counts", &all.iter().map(|series| &series.buckets[..]).collect::<Vec<_>>());
        durations.lists("explicit_bounds", &vec![&self.config.bounds_ms[..]; all.len()]);
        emit.push(durations);
    }
}

/// What the points of both metrics have in common.
fn points(all: &[Series], overflows: bool, since: u64, now: u64) -> Emission {
    let mut points = Emission::new(Signal::Metrics, all.len());
    points.set("scope.name", "span-metrics").set("start_time_unix_nano", since).set("time_unix_nano", now);
    points.set("metric.aggregation_temporality", Temporality::Delta);
    points.texts(r#"resource.attributes["service.name"]"#, all.iter().map(|series| series.service.as_str()));
    points.texts(r#"attributes["span.name"]"#, all.iter().map(|series| series.name.as_str()));
    points.texts(r#"attributes["span.kind"]"#, all.iter().map(|series| kind(series.kind)));
    points.texts(r#"attributes["status.code"]"#, all.iter().map(|series| status(series.status)));
    if overflows {
        // The last one alone has a value.
        let last = Bitmap::from_fn(all.len(), |row| row + 1 == all.len());
        points.column(r#"attributes["otel.metric.overflow"]"#, |block| {
            let column = block.boolean(&last);
            block.set_validity(column, &last);
        });
    }
    points
}

/// A series in the making.
struct Observed<'a> {
    bounds: &'a [f64],
    series: &'a mut Series,
}

impl Observed<'_> {
    fn observe(self, ms: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < ms);
        self.series.count += 1;
        self.series.sum_ms += ms;
        self.series.buckets[bucket] += 1;
    }
}

fn kind(kind: i32) -> &'static str {
    match kind {
        1 => "SPAN_KIND_INTERNAL",
        2 => "SPAN_KIND_SERVER",
        3 => "SPAN_KIND_CLIENT",
        4 => "SPAN_KIND_PRODUCER",
        5 => "SPAN_KIND_CONSUMER",
        _ => "SPAN_KIND_UNSPECIFIED",
    }
}

fn status(status: i32) -> &'static str {
    match status {
        1 => "STATUS_CODE_OK",
        2 => "STATUS_CODE_ERROR",
        _ => "STATUS_CODE_UNSET",
    }
}

wasmill_sdk::plugin!(SpanMetrics);

#[cfg(test)]
mod tests {
    use wasmill_sdk::testing::{Cell, Harness};

    use super::*;

    /// Three spans of two series: a point for each, and none the next time.
    #[test]
    fn spans_become_points_once() {
        let mut plugin = Harness::<SpanMetrics>::start(r#"{"bounds_ms": [1, 10]}"#).unwrap();
        let slice = plugin.slice(Signal::Traces, 3).with("name", ["GET /", "GET /cart", "GET /"]);
        slice.with("duration", [500_000_i64, 5_000_000, 50_000_000]).process().unwrap();
        let emitted = plugin.tick(7).unwrap();
        assert_eq!(emitted[0].column(r#"attributes["span.name"]"#), ["GET /", "GET /cart"].map(Cell::from));
        assert_eq!(emitted[0].column("value_int"), [2_i64, 1].map(Cell::from));
        let buckets = [[1_u64, 0, 1], [0, 1, 0]].map(Cell::list);
        assert_eq!(emitted[1].column("bucket_counts"), buckets);
        assert!(plugin.tick(8).unwrap().is_empty());
    }

    /// More series than are kept: the spans of the others are counted together.
    #[test]
    fn series_are_bounded() {
        let mut plugin = Harness::<SpanMetrics>::start(r#"{"series_max": 2}"#).unwrap();
        plugin.slice(Signal::Traces, 4).with("name", ["a", "b", "c", "d"]).process().unwrap();
        let emitted = plugin.flush().unwrap();
        assert_eq!(emitted[0].column("value_int"), [1_i64, 1, 2].map(Cell::from));
        let overflow = emitted[0].column(r#"attributes["otel.metric.overflow"]"#);
        assert_eq!(overflow, [Cell::Absent, Cell::Absent, Cell::Boolean(true)]);
    }
}
