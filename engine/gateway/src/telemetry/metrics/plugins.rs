//! What plugins did, and what became of attempts to swap them.
//!
//! A stage counts from when it was built. A swap retires it: its counts are carried over, so that what is shown never falls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::{Deserialize, Serialize};
use wasmill_host::{
    BreakerState, CALL_DURATION_BOUNDS_NS, FaultKind, GuestMetrics, MetricKind, MetricSample, MetricValue,
    ShadowReport, Stage, StageStatsSnapshot, StateSize,
};
use wasmill_wire::Signal;

const NANOS_PER_SECOND: f64 = 1e9;

#[derive(Default)]
pub struct PluginMetrics {
    stages: Mutex<BTreeMap<String, Counts>>,
    guests: Mutex<Option<Arc<GuestMetrics>>>,
}

/// How an attempt to put another plugin into a stage ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapResult {
    /// Batches run by the new one.
    Published,
    /// The old one serves on.
    Refused,
    /// The one before serves again.
    RolledBack,
}

/// One stage, by name, over all its generations.
#[derive(Default)]
struct Counts {
    /// Of stages that were retired.
    carried: StageStatsSnapshot,
    /// The one that serves, and those that still drain.
    living: Vec<Arc<Stage>>,
    /// The generation that brought the stage's plugin.
    generation: u64,
    published: u64,
    refused: u64,
    rolled_back: u64,
    shadow_batches: u64,
    shadow_faults: u64,
    /// Rows kept or routed differently, and batches changed differently.
    shadow_differences: [u64; 3],
}

impl PluginMetrics {
    /// Shows what plugins count themselves.
    pub fn watch_guests(&self, guests: Arc<GuestMetrics>) {
        *self.guests.lock() = Some(guests);
    }

    /// From `generation` on batches run by this stage.
    pub fn serves(&self, stage: &Arc<Stage>, generation: u64) {
        let mut stages = self.stages.lock();
        let counts = stages.entry(stage.name().to_owned()).or_default();
        counts.living.push(Arc::clone(stage));
        counts.generation = generation;
    }

    /// No batch is left in this stage.
    pub fn retire(&self, stage: &Arc<Stage>) {
        let mut stages = self.stages.lock();
        let Some(counts) = stages.get_mut(stage.name()) else { return };
        let before = counts.living.len();
        counts.living.retain(|living| !Arc::ptr_eq(living, stage));
        if counts.living.len() < before {
            add(&mut counts.carried, &stage.stats().snapshot());
        }
    }

    /// The generation that brought a stage's plugin.
    pub fn generation(&self, stage: &str) -> Option<u64> {
        self.stages.lock().get(stage).map(|counts| counts.generation)
    }

    /// A shadow run has ended.
    pub fn shadowed(&self, stage: &str, report: &ShadowReport) {
        let mut stages = self.stages.lock();
        let counts = stages.entry(stage.to_owned()).or_default();
        counts.shadow_batches += report.batches;
        counts.shadow_faults += report.faults;
        let seen = [report.rows_kept_differently, report.rows_routed_differently, report.batches_changed_differently];
        counts.shadow_differences.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen);
    }

    pub fn swapped(&self, stage: &str, result: SwapResult) {
        let mut stages = self.stages.lock();
        let counts = stages.entry(stage.to_owned()).or_default();
        match result {
            SwapResult::Published => counts.published += 1,
            SwapResult::Refused => counts.refused += 1,
            SwapResult::RolledBack => counts.rolled_back += 1,
        }
    }
}

impl Counts {
    /// Of the plugin that serves: those that drain have the same.
    fn state(&self) -> StateSize {
        self.living.last().and_then(|stage| stage.state()).unwrap_or_default()
    }

    /// Counts of all generations; memory and instances of the living.
    fn total(&self) -> StageStatsSnapshot {
        let mut total = StageStatsSnapshot { memory_bytes: 0, instances: 0, ..self.carried.clone() };
        for stage in &self.living {
            let stats = stage.stats().snapshot();
            add(&mut total, &stats);
            total.memory_bytes += stats.memory_bytes;
            total.instances += stats.instances;
        }
        total
    }
}

fn add(sum: &mut StageStatsSnapshot, stats: &StageStatsSnapshot) {
    sum.calls += stats.calls;
    sum.rows_in += stats.rows_in;
    sum.rows_kept += stats.rows_kept;
    sum.rows_dropped += stats.rows_dropped;
    sum.rows_diverted += stats.rows_diverted;
    sum.rows_uncalled += stats.rows_uncalled;
    sum.rows_given_up += stats.rows_given_up;
    sum.breaker_opened += stats.breaker_opened;
    sum.ticks += stats.ticks;
    sum.tick_faults += stats.tick_faults;
    sum.emitted.iter_mut().zip(stats.emitted).for_each(|(sum, count)| *sum += count);
    sum.emitted_lost.iter_mut().zip(stats.emitted_lost).for_each(|(sum, count)| *sum += count);
    sum.state_evicted += stats.state_evicted;
    sum.state_lost += stats.state_lost;
    sum.rows_state_lost += stats.rows_state_lost;
    sum.state_restored += stats.state_restored;
    sum.duration_ns_sum += stats.duration_ns_sum;
    sum.instances_created += stats.instances_created;
    sum.faults.iter_mut().zip(stats.faults).for_each(|(sum, count)| *sum += count);
    sum.duration_buckets.iter_mut().zip(stats.duration_buckets).for_each(|(sum, count)| *sum += count);
}

impl fmt::Debug for PluginMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginMetrics").field("stages", &self.stages.lock().len()).finish()
    }
}

impl Collector for PluginMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stages = self.stages.lock();
        if !stages.is_empty() {
            let totals: Vec<(&str, &Counts, StageStatsSnapshot)> =
                stages.iter().map(|(name, counts)| (name.as_str(), counts, counts.total())).collect();
            encode_counts(&mut encoder, &totals)?;
            encode_faults(&mut encoder, &totals)?;
            encode_emissions(&mut encoder, &totals)?;
            encode_durations(&mut encoder, &totals)?;
        }
        drop(stages);
        let guests = self.guests.lock().clone();
        match guests {
            Some(guests) => encode_guests(&mut encoder, &guests.samples()),
            None => Ok(()),
        }
    }
}

/// A metric's name, its help, and where its value is.
type Shown<T> = (&'static str, &'static str, fn(&T) -> u64);

type Total<'a> = (&'a str, &'a Counts, StageStatsSnapshot);

fn encode_counts(encoder: &mut DescriptorEncoder<'_>, totals: &[Total<'_>]) -> fmt::Result {
    let counters: [Shown<StageStatsSnapshot>; 15] = [
        ("wasmill_plugin_calls", "Calls of process, one for each slice of rows", |stats| stats.calls),
        ("wasmill_plugin_rows_in", "Rows that the plugin was asked about", |stats| stats.rows_in),
        ("wasmill_plugin_rows_kept", "Rows that the plugin kept", |stats| stats.rows_kept),
        ("wasmill_plugin_rows_dropped", "Rows that the plugin, or on_fault, dropped", |stats| stats.rows_dropped),
        ("wasmill_plugin_rows_diverted", "Rows that on_fault sent elsewhere", |stats| stats.rows_diverted),
        ("wasmill_plugin_rows_uncalled", "Rows that on_fault decided about while the breaker was open", |stats| {
            stats.rows_uncalled
        }),
        ("wasmill_plugin_rows_given_up", "Rows of requests that failed too often to be sent again", |stats| {
            stats.rows_given_up
        }),
        ("wasmill_plugin_breaker_opened", "How often the breaker opened", |stats| stats.breaker_opened),
        ("wasmill_plugin_ticks", "Calls of tick, one for each instance and interval", |stats| stats.ticks),
        ("wasmill_plugin_tick_faults", "Calls of tick that failed, which are among the faults too", |stats| {
            stats.tick_faults
        }),
        ("wasmill_plugin_state_evicted", "Keys of state that were forgotten for want of room", |stats| {
            stats.state_evicted
        }),
        ("wasmill_plugin_state_lost", "Instances that went with what they held", |stats| stats.state_lost),
        (
            "wasmill_plugin_state_lost_rows",
            "Rows decided about after the state was handed over, with what they changed of it lost",
            |stats| stats.rows_state_lost,
        ),
        (
            "wasmill_plugin_state_restored",
            "Instances that followed one that failed, and were given what it held at its last snapshot",
            |stats| stats.state_restored,
        ),
        ("wasmill_plugin_instances_created", "Instances ever made", |stats| stats.instances_created),
    ];
    for (name, help, value) in counters {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (plugin, _, stats) in totals {
            ConstCounter::new(value(stats)).encode(metric.encode_family(&[("plugin", *plugin)])?)?;
        }
    }
    let gauges: [Shown<Total<'_>>; 6] = [
        ("wasmill_plugin_memory_bytes", "Linear memory of all instances", |(_, _, stats)| stats.memory_bytes),
        ("wasmill_plugin_instances", "Living instances", |(_, _, stats)| stats.instances),
        (
            "wasmill_plugin_breaker_state",
            "Of the plugin that serves: 0 closed, 1 half open, 2 open",
            |(_, counts, _)| match counts.living.last().map(|stage| stage.breaker()).unwrap_or_default() {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            },
        ),
        ("wasmill_plugin_state_keys", "Keys that are kept for the plugin", |(_, counts, _)| counts.state().keys as u64),
        ("wasmill_plugin_state_bytes", "Bytes of state that are kept for the plugin", |(_, counts, _)| {
            counts.state().bytes as u64
        }),
        ("wasmill_plugin_generation", "The generation that brought the plugin that serves", |(_, counts, _)| {
            counts.generation
        }),
    ];
    for (name, help, value) in gauges {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for total in totals {
            ConstGauge::new(value(total)).encode(metric.encode_family(&[("plugin", total.0)])?)?;
        }
    }
    let runs: [Shown<Counts>; 2] = [
        ("wasmill_plugin_shadow_batches", "Batches that candidates were given in shadow runs", |counts| {
            counts.shadow_batches
        }),
        ("wasmill_plugin_shadow_faults", "Calls of candidates that failed in shadow runs", |counts| {
            counts.shadow_faults
        }),
    ];
    for (name, help, value) in runs {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (plugin, counts, _) in totals {
            ConstCounter::new(value(counts)).encode(metric.encode_family(&[("plugin", *plugin)])?)?;
        }
    }
    let help = "Rows kept or routed, and batches changed, differently than by what serves, in shadow runs";
    let mut metric = encoder.encode_descriptor("wasmill_plugin_shadow_differences", help, None, MetricType::Counter)?;
    for (plugin, counts, _) in totals {
        for (kind, count) in ["rows_kept", "rows_routed", "batches_changed"].into_iter().zip(counts.shadow_differences)
        {
            let labels = [("plugin", *plugin), ("kind", kind)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "Attempts to put another plugin into the stage";
    let mut metric = encoder.encode_descriptor("wasmill_plugin_swap", help, None, MetricType::Counter)?;
    for (plugin, counts, _) in totals {
        let results =
            [("published", counts.published), ("refused", counts.refused), ("rolled_back", counts.rolled_back)];
        for (result, count) in results {
            let labels = [("plugin", *plugin), ("result", result)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_faults(encoder: &mut DescriptorEncoder<'_>, totals: &[Total<'_>]) -> fmt::Result {
    let help = "Calls that failed, by kind";
    let mut metric = encoder.encode_descriptor("wasmill_plugin_faults", help, None, MetricType::Counter)?;
    for (plugin, _, stats) in totals {
        for kind in FaultKind::ALL {
            let labels = [("plugin", *plugin), ("kind", kind.label())];
            ConstCounter::new(stats.faults_of(kind)).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// By signal: only of stages that have made new records, because most never do.
fn encode_emissions(encoder: &mut DescriptorEncoder<'_>, totals: &[Total<'_>]) -> fmt::Result {
    let names = [
        ("wasmill_plugin_emitted", "New records that the plugin made"),
        ("wasmill_plugin_emitted_lost", "Those of them that nothing took"),
    ];
    for (number, (name, help)) in names.into_iter().enumerate() {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (plugin, _, stats) in totals.iter().filter(|(_, _, stats)| stats.emitted != [0; 3]) {
            let counts = if number == 0 { stats.emitted } else { stats.emitted_lost };
            for (signal, count) in Signal::ALL.into_iter().zip(counts) {
                let labels = [("plugin", *plugin), ("signal", signal.name())];
                ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

fn encode_durations(encoder: &mut DescriptorEncoder<'_>, totals: &[Total<'_>]) -> fmt::Result {
    let help = "How long a call of process took";
    let name = "wasmill_plugin_call_duration_seconds";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (plugin, _, stats) in totals {
        let bounds = CALL_DURATION_BOUNDS_NS.iter().map(|&ns| ns as f64 / NANOS_PER_SECOND);
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(stats.duration_buckets).collect();
        let sum = stats.duration_ns_sum as f64 / NANOS_PER_SECOND;
        histogram(&mut metric.encode_family(&[("plugin", *plugin)])?, sum, stats.calls, &buckets)?;
    }
    Ok(())
}

/// What plugins count themselves: `plugin_NAME{plugin="STAGE",…}`, so that no plugin can speak for the gateway.
fn encode_guests(encoder: &mut DescriptorEncoder<'_>, samples: &[MetricSample]) -> fmt::Result {
    for family in samples.chunk_by(|a, b| a.name == b.name && a.kind == b.kind) {
        let Some(first) = family.first() else { continue };
        let (metric_type, name) = match first.kind {
            // The format adds the suffix.
            MetricKind::Counter => (MetricType::Counter, first.name.strip_suffix("_total").unwrap_or(&first.name)),
            MetricKind::Gauge => (MetricType::Gauge, first.name.as_str()),
            MetricKind::Histogram => (MetricType::Histogram, first.name.as_str()),
        };
        let name = format!("plugin_{name}");
        let mut metric = encoder.encode_descriptor(&name, "Kept by a plugin", None, metric_type)?;
        for sample in family {
            let stage = ("plugin", sample.stage.as_str());
            let own = sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels: Vec<(&str, &str)> = std::iter::once(stage).chain(own).collect();
            let mut series = metric.encode_family(&labels)?;
            match (&sample.value, sample.kind) {
                (MetricValue::Number(value), MetricKind::Counter) => ConstCounter::new(*value).encode(series)?,
                (MetricValue::Number(value), _) => ConstGauge::new(*value).encode(series)?,
                (MetricValue::Histogram { sum, count, buckets }, _) => {
                    histogram(&mut series, *sum, *count, &apart(buckets))?;
                }
            }
        }
    }
    Ok(())
}

/// Cumulative buckets as counts for each.
fn apart(cumulative: &[(f64, u64)]) -> Vec<(f64, u64)> {
    let mut below = 0;
    let apart = cumulative.iter().map(|&(bound, count)| {
        let own = count.saturating_sub(below);
        below = count;
        (bound, own)
    });
    apart.collect()
}

/// `buckets`: (upper bound, count in it); the last bound is infinite, which the format writes as `+Inf`: without that Prometheus knows no
/// quantiles.
fn histogram(metric: &mut MetricEncoder<'_>, sum: f64, count: u64, buckets: &[(f64, u64)]) -> fmt::Result {
    metric.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
}
