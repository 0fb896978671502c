//! From two looks at a gateway to what it did between them.

use std::time::Instant;

use serde::Serialize;

use crate::engine::{ExporterStatus, LastSwap, PluginStatus, QueueStatus, ReceiverStatus, Status};

/// One look.
#[derive(Clone)]
pub struct Sample {
    pub at: Instant,
    pub status: Status,
}

/// What is shown, and what `--output json` has. Rates are for each second between two looks; `None`: there was no first one.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct View {
    pub version: String,
    pub pid: u32,
    pub generation: u64,
    /// The change that is being made.
    pub pending: Option<String>,
    pub uptime_seconds: f64,
    /// 100 is one processor.
    pub cpu_percent: Option<f64>,
    pub memory_bytes: u64,
    /// Of rows that wait, in queues and batchers.
    pub retained_bytes: u64,
    pub receivers: Vec<ReceiverRates>,
    pub plugins: Vec<PluginRates>,
    pub exporters: Vec<ExporterRates>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ReceiverRates {
    pub receiver: String,
    pub transport: String,
    pub signal: String,
    pub accepted_per_second: Option<f64>,
    pub refused_per_second: Option<f64>,
    /// Of any signal, before their rows were known.
    pub requests_refused_per_second: Option<f64>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PluginRates {
    pub stage: String,
    pub pipelines: Vec<String>,
    pub plugin: String,
    pub hash: String,
    /// That brought it.
    pub generation: u64,
    pub pinned: bool,
    pub rows_in_per_second: Option<f64>,
    pub rows_kept_per_second: Option<f64>,
    pub rows_dropped_per_second: Option<f64>,
    pub rows_diverted_per_second: Option<f64>,
    pub calls_per_second: Option<f64>,
    /// Between the two looks; `None`: it was not called.
    pub ns_per_row: Option<f64>,
    pub us_per_call: Option<f64>,
    pub faults_per_second: Option<f64>,
    /// Since it serves.
    pub faults: u64,
    /// `closed`, `open` or `half_open`.
    pub breaker: String,
    pub instances: u64,
    pub memory_bytes: u64,
    pub last_swap: Option<LastSwap>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExporterRates {
    pub exporter: String,
    pub signal: String,
    pub sent_per_second: Option<f64>,
    /// Given up.
    pub failed_per_second: Option<f64>,
    /// That a full queue did not take.
    pub not_queued_per_second: Option<f64>,
    /// `None`: it has no queue.
    pub queue: Option<QueueView>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct QueueView {
    pub size: u64,
    pub capacity: u64,
    /// `requests`, `items` or `bytes`.
    pub unit: String,
    pub on_disk: bool,
}

/// The time between two looks at one process.
#[derive(Clone, Copy)]
struct Between<'s> {
    before: Option<&'s Status>,
    seconds: f64,
}

impl View {
    /// What happened between two looks. Another process than before has not been looked at.
    pub fn between(before: Option<&Sample>, after: &Sample) -> View {
        let status = &after.status;
        let before = before.filter(|before| before.status.pid == status.pid && before.at < after.at);
        let seconds = before.map_or(0.0, |before| (after.at - before.at).as_secs_f64());
        let between = Between { before: before.map(|before| &before.status), seconds };
        View {
            version: status.version.clone(),
            pid: status.pid,
            generation: status.generation,
            pending: status.pending.as_ref().map(|pending| pending.change.clone()),
            uptime_seconds: status.process.uptime_seconds,
            cpu_percent: between
                .before
                .map(|before| (status.process.cpu_seconds - before.process.cpu_seconds).max(0.0) / seconds * 100.0),
            memory_bytes: status.process.memory_bytes,
            retained_bytes: status.process.retained_bytes,
            receivers: status.receivers.iter().map(|receiver| receiver_rates(between, receiver)).collect(),
            plugins: status.plugins.iter().map(|plugin| plugin_rates(between, status, plugin)).collect(),
            exporters: status.exporters.iter().map(|exporter| exporter_rates(between, status, exporter)).collect(),
        }
    }

    /// The newest change of a plugin, with its stage.
    pub fn last_swap(&self) -> Option<(&str, &LastSwap)> {
        let swaps = self.plugins.iter().filter_map(|plugin| Some((plugin.stage.as_str(), plugin.last_swap.as_ref()?)));
        // Times in RFC 3339 are in the order of their letters.
        swaps.max_by(|(_, one), (_, other)| one.at.cmp(&other.at))
    }
}

impl Between<'_> {
    /// A counter's, where the first look is known. A counter that fell, or that was not there, has begun at 0.
    fn rate(self, before: Option<u64>, after: u64) -> Option<f64> {
        self.before?;
        let before = before.filter(|before| *before <= after).unwrap_or(0);
        Some((after - before) as f64 / self.seconds)
    }
}

fn receiver_rates(between: Between<'_>, now: &ReceiverStatus) -> ReceiverRates {
    let same = |other: &&ReceiverStatus| {
        (&other.receiver, &other.transport, &other.signal) == (&now.receiver, &now.transport, &now.signal)
    };
    let before = between.before.and_then(|status| status.receivers.iter().find(same));
    let rate = |of: fn(&ReceiverStatus) -> u64| between.rate(before.map(of), of(now));
    ReceiverRates {
        receiver: now.receiver.clone(),
        transport: now.transport.clone(),
        signal: now.signal.clone(),
        accepted_per_second: rate(|status| status.rows_accepted),
        refused_per_second: rate(|status| status.rows_refused),
        requests_refused_per_second: rate(|status| status.requests_refused),
    }
}

fn plugin_rates(between: Between<'_>, status: &Status, now: &PluginStatus) -> PluginRates {
    // A stage counts from when it was built: after a swap from nothing.
    let same = |other: &&PluginStatus| other.stage == now.stage && other.generation == now.generation;
    let before = between.before.and_then(|status| status.plugins.iter().find(same));
    let before = before.filter(|before| before.calls <= now.calls);
    let rate = |of: fn(&PluginStatus) -> u64| between.rate(before.map(of), of(now));
    let since = |of: fn(&PluginStatus) -> u64| of(now).saturating_sub(before.map_or(0, of));
    let seconds = now.call_seconds - before.map_or(0.0, |before| before.call_seconds);
    let per = |count: u64| (between.before.is_some() && count > 0).then(|| seconds.max(0.0) / count as f64);
    let pipelines = status.pipelines.iter().filter(|pipeline| pipeline.processors.contains(&now.stage));
    PluginRates {
        stage: now.stage.clone(),
        pipelines: pipelines.map(|pipeline| pipeline.pipeline.clone()).collect(),
        plugin: now.plugin.clone(),
        hash: now.hash.clone(),
        generation: now.generation,
        pinned: now.pinned,
        rows_in_per_second: rate(|plugin| plugin.rows_in),
        rows_kept_per_second: rate(|plugin| plugin.rows_kept),
        rows_dropped_per_second: rate(|plugin| plugin.rows_dropped),
        rows_diverted_per_second: rate(|plugin| plugin.rows_diverted),
        calls_per_second: rate(|plugin| plugin.calls),
        ns_per_row: per(since(|plugin| plugin.rows_in)).map(|seconds| seconds * 1e9),
        us_per_call: per(since(|plugin| plugin.calls)).map(|seconds| seconds * 1e6),
        faults_per_second: rate(faults),
        faults: faults(now),
        breaker: now.breaker.clone(),
        instances: now.instances,
        memory_bytes: now.memory_bytes,
        last_swap: now.last_swap.clone(),
    }
}

fn faults(plugin: &PluginStatus) -> u64 {
    plugin.faults.values().sum()
}

fn exporter_rates(between: Between<'_>, status: &Status, now: &ExporterStatus) -> ExporterRates {
    let same = |other: &&ExporterStatus| (&other.exporter, &other.signal) == (&now.exporter, &now.signal);
    let before = between.before.and_then(|status| status.exporters.iter().find(same));
    let rate = |of: fn(&ExporterStatus) -> u64| between.rate(before.map(of), of(now));
    let mut queues = status.queues.iter();
    let queue = queues.find(|queue| (&queue.exporter, &queue.signal) == (&now.exporter, &now.signal));
    ExporterRates {
        exporter: now.exporter.clone(),
        signal: now.signal.clone(),
        sent_per_second: rate(|status| status.rows_sent),
        failed_per_second: rate(|status| status.rows_failed),
        not_queued_per_second: rate(|status| status.rows_not_queued),
        queue: queue.map(|QueueStatus { size, capacity, unit, on_disk, .. }| QueueView {
            size: *size,
            capacity: *capacity,
            unit: unit.clone(),
            on_disk: *on_disk,
        }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    /// A gateway that has taken so many rows, whose stage is of that generation.
    pub fn status(pid: u32, rows: u64, generation: u64) -> Status {
        let plugin = json!({
            "stage": "wasm/triage", "plugin": "/srv/triage.wasm", "hash": "3b1f6c0e9a52ffff", "bytes": 1000,
            "configured": "/srv/triage.wasm", "pinned": false, "generation": generation, "instances": 2, "memory_bytes": 3 << 20,
            "calls": rows / 10, "call_seconds": rows as f64 * 1e-6, "rows_in": rows, "rows_kept": rows / 4,
            "rows_dropped": rows - rows / 4, "rows_diverted": 0, "breaker": "closed", "breaker_opened": 0,
            "faults": {"trapped": rows / 100, "refused": 1}, "previous": null,
            "last_swap": {"at": "2026-11-28T20:37:31Z", "by": "swap", "result": "published", "from": null, "to": null},
        });
        let status = json!({
            "version": "0.1.0", "pid": pid, "generation": generation, "pending": null,
            "pipelines": [{
                "pipeline": "traces", "receivers": ["otlp"], "processors": ["wasm/triage"], "exporters": ["otlp/backend"],
                "answered_when": "queued in memory",
            }],
            "plugins": [plugin],
            "queues": [{
                "exporter": "otlp/backend", "signal": "traces", "size": 3, "capacity": 1000, "unit": "requests", "requests": 3,
                "rows": 240, "on_disk": false,
            }],
            "receivers": [{
                "receiver": "otlp", "transport": "grpc", "signal": "traces", "rows_accepted": rows, "rows_refused": rows / 2,
                "requests_refused": 4,
            }],
            "exporters": [{
                "exporter": "otlp/backend", "signal": "traces", "rows_sent": rows / 4, "rows_failed": 0, "rows_not_queued": 0,
            }],
            "process": {
                "uptime_seconds": 3725.0, "cpu_seconds": rows as f64 / 1000.0, "memory_bytes": 64 << 20, "retained_bytes": 1 << 20,
            },
        });
        serde_json::from_value(status).unwrap()
    }

    pub fn view(before: Option<Status>, after: Status, between: Duration) -> View {
        let now = Instant::now();
        let before = before.map(|status| Sample { at: now, status });
        View::between(before.as_ref(), &Sample { at: now + between, status: after })
    }

    /// Two looks, two seconds apart: everything counted between them, for each second.
    #[test]
    fn rates_are_of_what_came_between() {
        let view = view(Some(status(7, 1000, 3)), status(7, 3000, 3), Duration::from_secs(2));
        let receiver = &view.receivers[0];
        assert_eq!((receiver.accepted_per_second, receiver.refused_per_second), (Some(1000.0), Some(500.0)));
        assert_eq!(receiver.requests_refused_per_second, Some(0.0));
        let plugin = &view.plugins[0];
        assert_eq!(plugin.rows_in_per_second, Some(1000.0));
        assert_eq!((plugin.rows_kept_per_second, plugin.rows_dropped_per_second), (Some(250.0), Some(750.0)));
        assert_eq!((plugin.calls_per_second, plugin.faults_per_second, plugin.faults), (Some(100.0), Some(10.0), 31));
        assert!(plugin.ns_per_row.is_some_and(|ns| (ns - 1000.0).abs() < 1e-6), "{:?}", plugin.ns_per_row);
        assert!(plugin.us_per_call.is_some_and(|us| (us - 10.0).abs() < 1e-6), "{:?}", plugin.us_per_call);
        assert_eq!(plugin.pipelines, ["traces"]);
        assert_eq!(view.exporters[0].sent_per_second, Some(250.0));
        assert_eq!(view.exporters[0].queue.as_ref().map(|queue| (queue.size, queue.capacity)), Some((3, 1000)));
        assert_eq!(view.cpu_percent, Some(100.0));
        assert_eq!(view.last_swap().map(|(stage, _)| stage), Some("wasm/triage"));
    }

    /// A plugin is swapped between two looks: it counts from 0, and nothing is negative.
    #[test]
    fn a_swapped_plugin_counts_from_nothing() {
        let swapped = view(Some(status(7, 1000, 3)), status(7, 1200, 4), Duration::from_secs(1));
        assert_eq!(swapped.plugins[0].rows_in_per_second, Some(1200.0));
        // Of the same generation, and fewer: built again.
        let fewer = view(Some(status(7, 1000, 3)), status(7, 400, 3), Duration::from_secs(1));
        assert_eq!(fewer.plugins[0].rows_in_per_second, Some(400.0));
        assert_eq!(fewer.receivers[0].accepted_per_second, Some(400.0));
        assert_eq!(fewer.cpu_percent, Some(0.0));
    }

    /// The first look, and the first at another process: there is no rate yet. A plugin that is not called has no cost.
    #[test]
    fn without_a_first_look_there_are_no_rates() {
        for before in [None, Some(status(6, 100, 1))] {
            let view = view(before, status(7, 1000, 3), Duration::from_secs(1));
            assert_eq!((view.receivers[0].accepted_per_second, view.cpu_percent), (None, None));
            assert_eq!((view.plugins[0].rows_in_per_second, view.plugins[0].ns_per_row), (None, None));
        }
        let idle = view(Some(status(7, 1000, 3)), status(7, 1000, 3), Duration::from_secs(1));
        assert_eq!((idle.plugins[0].rows_in_per_second, idle.plugins[0].ns_per_row), (Some(0.0), None));
    }

    /// Two looks at one moment: nothing is divided by nothing.
    #[test]
    fn no_time_is_no_rate() {
        let view = view(Some(status(7, 1, 1)), status(7, 2, 1), Duration::ZERO);
        assert_eq!(view.receivers[0].accepted_per_second, None);
    }
}
