//! What a run gave, as JSON.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::backend::Backend;
use super::{Arguments, Expect, Exporter, Run};
use crate::process::{Spent, Usage, peak_kib};

/// Of the measured part of a run.
pub struct Measured {
    pub elapsed: Duration,
    /// Acknowledged.
    pub records: u64,
    /// By the engine.
    pub spent: Option<Spent>,
    /// What the engine had at the end.
    pub steady: Option<Usage>,
    /// Of the run, where the engine is scraped.
    pub scrapes: Option<u64>,
}

/// What has become of the records of a whole run.
#[derive(Default)]
struct Fate {
    lost: u64,
    /// Arrived, and should not have, or elsewhere.
    unwanted: u64,
    duplicated: u64,
    strange: u64,
    arrived: u64,
    sent: u64,
}

impl Fate {
    fn of(run: &Run, arguments: &Arguments, backends: &[Backend]) -> Fate {
        let (first_id, end) = (arguments.first_id(), run.next_id.load(Ordering::Relaxed));
        let has = |backend: usize, id: u64| backends.get(backend).is_some_and(|backend| backend.seen().has(id));
        let mut fate = Fate { sent: end - first_id, ..Fate::default() };
        for id in first_id..end {
            let (first, other) = (has(0, id), has(1, id));
            fate.arrived += u64::from(first | other);
            if let Some((wanted_first, wanted_other)) = arguments.expect.of(id) {
                // With a failed request nothing can be said of its records, and the run is no good anyway.
                fate.lost += u64::from((wanted_first && !first) || (wanted_other && !other));
                fate.unwanted += u64::from((first && !wanted_first) || (other && !wanted_other));
            }
        }
        fate.duplicated = backends.iter().map(|backend| backend.seen().duplicates()).sum();
        fate.strange = backends.iter().map(|backend| backend.seen().strange()).sum();
        fate
    }

    fn is_sampled(&self) -> bool {
        (self.sent / 20..=self.sent * 3 / 20).contains(&self.arrived)
    }
}

pub fn report(arguments: &Arguments, run: &Run, backends: &[Backend], measured: &Measured) -> Result<(Value, bool)> {
    let failed = run.failed.load(Ordering::Relaxed);
    // Of what is scraped nobody knows.
    let fate = (arguments.exporter != Exporter::Prometheus).then(|| Fate::of(run, arguments, backends));
    let of_fate = |count: fn(&Fate) -> u64| fate.as_ref().map(count);
    let sum = |of: fn(&Backend) -> u64| backends.iter().map(of).sum::<u64>();
    let (broken, with_email) = (sum(Backend::broken), sum(Backend::with_email));
    let bytes_a_record = run.template.bytes() as f64 / run.template.records() as f64;
    let (records, elapsed) = (measured.records as f64, measured.elapsed.as_secs_f64());
    let mut result = json!({
        "records_a_request": run.template.records(),
        "bytes_a_record": bytes_a_record,
        "bytes_out_a_record": sum(Backend::bytes) as f64 / sum(Backend::arrived).max(1) as f64,
        "connections": arguments.connections,
        "in_flight": arguments.in_flight,
        "frame_bytes": arguments.frame_bytes,
        "seconds": elapsed,
        "records": measured.records,
        "records_per_second": records / elapsed,
        "requests_failed": failed,
        "records_sent": run.next_id.load(Ordering::Relaxed) - arguments.first_id(),
        "records_arrived": of_fate(|fate| fate.arrived),
        "records_lost": of_fate(|fate| fate.lost),
        "records_unwanted": of_fate(|fate| fate.unwanted),
        "records_duplicated": of_fate(|fate| fate.duplicated),
        "records_strange": of_fate(|fate| fate.strange),
        "requests_broken": broken,
        "requests_with_email": with_email,
    });
    if let (Some(spent), Some(steady), Some(pid)) = (measured.spent, measured.steady, arguments.pid) {
        let total = spent.total().as_secs_f64();
        result["cpu_user_seconds"] = spent.user.as_secs_f64().into();
        result["cpu_system_seconds"] = spent.system.as_secs_f64().into();
        result["cpu_seconds_per_gb"] = (total / (records * bytes_a_record / 1e9)).into();
        result["cpu_ns_per_record"] = (total * 1e9 / records).into();
        result["records_per_cpu_second"] = (records / total).into();
        result["peak_memory_kib"] = peak_kib(pid)?.into();
        result["steady_memory_kib"] = (steady.resident_mib * 1024.0).into();
    }
    if let Some(latency) = run.latencies.json() {
        result["latency_ms"] = latency;
    }
    if let Some(scrapes) = measured.scrapes {
        result["scrapes"] = scrapes.into();
    }
    let fate = fate.unwrap_or_default();
    let complete = arguments.failures_allowed || (failed == 0 && fate.lost == 0);
    let sampled = arguments.expect != Expect::Sampled || fate.is_sampled();
    let clean = fate.unwanted + fate.duplicated + fate.strange + broken + with_email == 0;
    Ok((result, complete && sampled && clean))
}
