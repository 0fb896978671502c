//! The state of a running gateway, as `wasmill status` shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmill_config::{ComponentId, Sizer};
use wasmill_host::{FaultKind, StateSize};
use wasmill_tables::Table;
use wasmill_wire::Signal;

use super::ledger::LastSwap;
use super::{Engine, chain};
use crate::build::{Built, source_name};
use crate::telemetry::{Metrics, Received, cpu_time, memory_rss_bytes};
use crate::timestamp::rfc3339;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    /// What new batches take.
    pub generation: u64,
    /// The change that is being made.
    pub pending: Option<Pending>,
    pub pipelines: Vec<PipelineStatus>,
    pub plugins: Vec<PluginStatus>,
    pub queues: Vec<QueueStatus>,
    /// Since the process began, this and the following.
    #[serde(default)]
    pub receivers: Vec<ReceiverStatus>,
    #[serde(default)]
    pub exporters: Vec<ExporterStatus>,
    #[serde(default)]
    pub process: ProcessStatus,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pending {
    pub change: String,
    /// Since it was asked for.
    pub seconds: f64,
    /// Those that wait for it.
    pub waiting: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PipelineStatus {
    pub pipeline: String,
    /// Receivers, and connectors that bring data.
    pub receivers: Vec<String>,
    pub processors: Vec<String>,
    /// Exporters, and connectors.
    pub exporters: Vec<String>,
    /// Follows "clients are answered when their data is".
    pub answered_when: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PluginStatus {
    pub stage: String,
    /// What serves: a file, or `builtin:NAME`.
    pub plugin: String,
    /// SHA-256.
    pub hash: String,
    pub bytes: usize,
    /// What is configured.
    pub configured: String,
    /// Whether something else serves than what is configured, by a swap or a roll-back.
    pub pinned: bool,
    /// The one that brought it.
    pub generation: u64,
    pub instances: u64,
    pub memory_bytes: u64,
    /// What is kept for it, if it uses that.
    #[serde(default)]
    pub state: Option<StateSize>,
    /// This and the following since it serves.
    pub calls: u64,
    /// In calls, all of them together.
    #[serde(default)]
    pub call_seconds: f64,
    pub rows_in: u64,
    pub rows_kept: u64,
    pub rows_dropped: u64,
    pub rows_diverted: u64,
    /// `closed`, `open` or `half_open`.
    pub breaker: String,
    pub breaker_opened: u64,
    /// By kind, those that occurred.
    pub faults: BTreeMap<String, u64>,
    /// SHA-256 of what `wasmill rollback` would put back.
    pub previous: Option<String>,
    pub last_swap: Option<LastSwap>,
    /// Lookup tables, by name.
    #[serde(default)]
    pub tables: Vec<TableStatus>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TableStatus {
    pub table: String,
    pub file: String,
    /// Rows, or networks.
    pub rows: u64,
    pub memory_bytes: u64,
    /// RFC 3339.
    pub loaded_at: String,
    /// Why the file as it is now does not serve, where that is so.
    pub refused: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QueueStatus {
    pub exporter: String,
    pub signal: String,
    /// In the unit of its size.
    pub size: u64,
    pub capacity: u64,
    /// `requests`, `items` or `bytes`.
    pub unit: String,
    pub requests: usize,
    pub rows: u64,
    pub on_disk: bool,
}

/// What came by one transport, of one signal.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ReceiverStatus {
    pub receiver: String,
    /// `grpc`, `http` or `file`.
    pub transport: String,
    pub signal: String,
    pub rows_accepted: u64,
    pub rows_refused: u64,
    /// Refused before their rows were known, of any signal.
    pub requests_refused: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ExporterStatus {
    pub exporter: String,
    pub signal: String,
    pub rows_sent: u64,
    /// Given up.
    pub rows_failed: u64,
    /// That a full queue did not take.
    pub rows_not_queued: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ProcessStatus {
    pub uptime_seconds: f64,
    /// Of all its processors.
    pub cpu_seconds: f64,
    /// Resident.
    pub memory_bytes: u64,
    /// Of rows that wait, in queues and batchers.
    pub retained_bytes: u64,
}

impl Engine {
    /// How it stands. Waits for no change.
    pub fn status(&self) -> Status {
        let serving = self.serving.read().clone();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            generation: self.generation(),
            pending: self.ledger.pending(),
            pipelines: pipelines(&serving),
            plugins: serving.config.stages().filter_map(|(id, _)| self.plugin_status(&serving, id)).collect(),
            queues: queues(&serving),
            receivers: receivers(&serving, self.metrics()),
            exporters: exporters(&serving, self.metrics()),
            process: ProcessStatus {
                uptime_seconds: self.metrics().uptime().as_secs_f64(),
                cpu_seconds: cpu_time().as_secs_f64(),
                memory_bytes: memory_rss_bytes(),
                retained_bytes: wasmill_batch::retained_bytes() as u64,
            },
        }
    }

    fn plugin_status(&self, built: &Built, id: &ComponentId) -> Option<PluginStatus> {
        let (settings, plugin, stage) = (built.config.stage(id)?, built.plugin(id)?, built.stages.get(id)?);
        let stats = stage.stats().snapshot();
        let occurred = FaultKind::ALL.into_iter().map(|kind| (kind.label().to_owned(), stats.faults_of(kind)));
        Some(PluginStatus {
            stage: id.to_string(),
            plugin: plugin.name.clone(),
            hash: plugin.hash.clone(),
            bytes: plugin.size,
            configured: source_name(&settings.plugin),
            pinned: built.plugins.is_pinned(id, settings),
            generation: self.metrics().plugins.generation(stage.name()).unwrap_or_default(),
            instances: stats.instances,
            memory_bytes: stats.memory_bytes,
            state: stage.state(),
            calls: stats.calls,
            call_seconds: Duration::from_nanos(stats.duration_ns_sum).as_secs_f64(),
            rows_in: stats.rows_in,
            rows_kept: stats.rows_kept,
            rows_dropped: stats.rows_dropped,
            rows_diverted: stats.rows_diverted,
            breaker: stage.breaker().label().to_owned(),
            breaker_opened: stats.breaker_opened,
            faults: occurred.filter(|(_, count)| *count > 0).collect(),
            previous: self.previous.lock().get(id).map(|plugin| plugin.hash.clone()),
            last_swap: self.ledger.last(id),
            tables: stage.tables().map(|(name, table)| table_status(name, table)).collect(),
        })
    }
}

fn table_status(name: &str, table: &Table) -> TableStatus {
    let state = table.state();
    TableStatus {
        table: name.to_owned(),
        file: table.spec().file.display().to_string(),
        rows: state.rows,
        memory_bytes: state.bytes,
        loaded_at: rfc3339(state.loaded_at),
        refused: state.refused.map(|error| chain(&*error)),
    }
}

fn pipelines(built: &Built) -> Vec<PipelineStatus> {
    let names = |ids: &[&[ComponentId]]| ids.concat().iter().map(ToString::to_string).collect();
    let pipelines = built.config.pipelines.iter().filter_map(|(id, settings)| {
        Some(PipelineStatus {
            pipeline: id.to_string(),
            receivers: names(&[&settings.receivers, &settings.from_connectors]),
            processors: names(&[&settings.processors]),
            exporters: names(&[&settings.exporters, &settings.to_connectors]),
            answered_when: built.pipelines.get(id)?.answered_when(),
        })
    });
    pipelines.collect()
}

fn queues(built: &Built) -> Vec<QueueStatus> {
    let with_queue = built.outlets.values().filter(|outlet| outlet.capacity().size_max > 0);
    let status = with_queue.map(|outlet| {
        let (held, capacity) = (outlet.held(), outlet.capacity());
        QueueStatus {
            exporter: outlet.name().to_string(),
            signal: outlet.signal().to_string(),
            size: held.size(capacity.sizer),
            capacity: capacity.size_max,
            unit: unit(capacity.sizer).to_owned(),
            requests: held.requests,
            rows: held.rows,
            on_disk: outlet.storage().is_some(),
        }
    });
    status.collect()
}

/// Each transport with the signals that the receiver is in pipelines of.
fn receivers(built: &Built, metrics: &Metrics) -> Vec<ReceiverStatus> {
    let mut status = Vec::new();
    for id in built.config.receivers.keys() {
        let in_pipelines = |signal: Signal| {
            let mut pipelines = built.config.pipelines.iter().filter(|(pipeline, _)| pipeline.signal() == signal);
            pipelines.any(|(_, settings)| settings.receivers.contains(id))
        };
        for Received { transport, accepted, refused, refused_requests } in metrics.received(&id.to_string()) {
            for (signal, (rows_accepted, rows_refused)) in
                Signal::ALL.into_iter().zip(accepted.into_iter().zip(refused))
            {
                if in_pipelines(signal) {
                    status.push(ReceiverStatus {
                        receiver: id.to_string(),
                        transport: transport.to_owned(),
                        signal: signal.to_string(),
                        rows_accepted,
                        rows_refused,
                        requests_refused: refused_requests,
                    });
                }
            }
        }
    }
    status
}

fn exporters(built: &Built, metrics: &Metrics) -> Vec<ExporterStatus> {
    let status = built.outlets.values().map(|outlet| {
        let [rows_sent, rows_failed, rows_not_queued] = metrics.exported(outlet.name(), outlet.signal());
        let (exporter, signal) = (outlet.name().to_string(), outlet.signal().to_string());
        ExporterStatus { exporter, signal, rows_sent, rows_failed, rows_not_queued }
    });
    status.collect()
}

fn unit(sizer: Sizer) -> &'static str {
    match sizer {
        Sizer::Requests => "requests",
        Sizer::Items => "items",
        Sizer::Bytes => "bytes",
    }
}
