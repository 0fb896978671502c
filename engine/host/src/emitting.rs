//! What becomes of a stage's new records: whoever runs the stage takes them, or nobody does.
//!
//! A stage gives its records away and goes on: what takes them does not hold up the batch, the tick or the end that they came
//! of. A stage that nobody gave an [`EmissionSink`] is one that does not serve (a shadow, a measurement): its records are
//! checked as all others are, and then dropped.

use std::sync::{Arc, OnceLock};

use wasmill_batch::{Ack, RequestContext, TelemetryBatch};
use wasmill_wire::Signal;

use crate::StageStats;
use crate::bindings::wasmill::plugin::host::Level;
use crate::emission::Records;
use crate::log::GuestLog;

/// Takes the new records of a stage.
pub trait EmissionSink: Send + Sync + 'static {
    /// Called within a runtime, for each signal and answer by itself. Does not wait.
    fn emit(&self, emitted: Emitted);
}

/// New records of a plugin, of one signal.
pub struct Emitted {
    /// Its routes are numbers of the stage's own [route sets](crate::Stage::route_sets); nobody waits for its ack. Of records that
    /// `process` gave the context is that of the batch, without its deadline: whoever sent that does not wait for these.
    pub batch: TelemetryBatch,
    losses: Losses,
}

/// Where records are counted that were lost.
#[derive(Clone)]
pub struct Losses {
    stats: Arc<StageStats>,
    log: Arc<GuestLog>,
}

impl Emitted {
    /// For whoever loses some of these records later.
    pub fn losses(&self) -> Losses {
        self.losses.clone()
    }
}

impl Losses {
    /// Counts records that went nowhere, and says so in the log, which is not written more often than it can be read.
    pub fn lost(&self, signal: Signal, rows: u64, why: &str) {
        self.stats.emitted_lost(signal, rows);
        self.log.write(Level::Warn, &format!("{rows} new records ({signal}) are lost: {why}"));
    }
}

/// A stage's way out for new records.
pub(crate) struct Emitting {
    sink: OnceLock<Arc<dyn EmissionSink>>,
    losses: Losses,
}

impl Emitting {
    pub fn new(stats: Arc<StageStats>, log: Arc<GuestLog>) -> Arc<Emitting> {
        Arc::new(Emitting { sink: OnceLock::new(), losses: Losses { stats, log } })
    }

    /// Once, before the stage serves.
    pub fn set(&self, sink: Arc<dyn EmissionSink>) {
        // What is in service keeps the one that it has.
        let _ = self.sink.set(sink);
    }

    /// Counts records, and gives them away.
    pub fn emit(&self, records: Vec<Records>, context: &Arc<RequestContext>) {
        let context = match context.deadline {
            Some(_) if !records.is_empty() => Arc::new(RequestContext { deadline: None, ..(**context).clone() }),
            _ => Arc::clone(context),
        };
        for Records { base, routes } in records {
            self.losses.stats.emitted(base.signal(), base.rows() as u64);
            let Some(sink) = self.sink.get() else { continue };
            let mut batch = TelemetryBatch::new(base, Arc::clone(&context), Ack::unobserved());
            batch.routes = routes;
            sink.emit(Emitted { batch, losses: self.losses.clone() });
        }
    }
}
