//! The data path, whole: what happens to a batch between its receiver and its exporters' queues.
//!
//! ```text
//!  receiver ─► parse ─┬─► pipeline: stage ─► stage ─► split ─┬─► outlet (queue, retry) ─► exporter
//!                     │                                      └─► outlet
//!                     └─► pipeline …
//! ```
//!
//! [`accept`] is that path from the receiver's side and [`Pipeline::run`] one pipeline's part of it. A batch runs to completion
//! on one task: nothing between here and the outlets waits, except a stage for its plugin. Each step stands where it does for
//! the reason beside it.

use std::sync::Arc;

use arrow_buffer::BooleanBufferBuilder;
use wasmill_batch::{Ack, Acked, Outcome, ROUTE_DEFAULT, Refusal, RefusalKind, Routes, TelemetryBatch};
use wasmill_config::PipelineId;
use wasmill_host::Stage;
use wasmill_transport::Request;
use wasmill_wire::{Change, Edit, Path, Projection, Rows, Selection, Signal, WireBatch, encoded_len};

use crate::ack_point::AckPoint;
use crate::generation::Generation;
use crate::outlet::Outlet;

/// One signal's pipelines behind one receiver, in one generation.
pub struct Inlet {
    /// What their stages want to see: parsed and projected in one pass.
    pub projection: Projection,
    /// At least one.
    pub pipelines: Vec<Arc<Pipeline>>,
}

/// Stages and where they lead. Immutable: another plugin or configuration makes another pipeline.
pub struct Pipeline {
    pub id: PipelineId,
    pub stages: Vec<PipelineStage>,
    /// Each once: the pipeline's own exporters first, then those that only routes lead to.
    pub outlets: Vec<Arc<Outlet>>,
    /// How many of them are the pipeline's own: where rows go that no stage has routed.
    pub own: usize,
    /// For each route set of each stage, in order: numbers in `outlets`, ascending.
    pub routes: Vec<Vec<usize>>,
    pub ack_point: AckPoint,
}

pub struct PipelineStage {
    pub stage: Arc<Stage>,
    /// Number in `Pipeline::routes` of the stage's first route set.
    pub route_base: u16,
}

/// A request that was taken: who waits for it, and what was left out.
pub struct Taken {
    /// Rows that were taken, and that the ack is about.
    pub rows: u64,
    pub acked: Acked,
    /// Rows that were refused for good: spans with ids of a wrong length.
    pub rejected: u64,
    /// Log records whose ids had a wrong length and were cleared.
    pub cleared: u64,
}

/// Takes a request through every pipeline that its receiver feeds.
///
/// Runs on a task of its own: a client that goes away takes nothing with it. Returns when the stages are done and the outlets
/// have the batch; the ack says what became of it.
pub async fn accept(generation: &Arc<Generation>, inlet: &Inlet, request: Request) -> Result<Taken, Refusal> {
    // Validate before anything else looks at the bytes: from here on a record is known to be well-formed. The columns that
    // stages want come out of the same pass, because the bytes are in the cache now.
    let parsed = WireBatch::parse(request.signal, request.payload, &inlet.projection);
    let base = Arc::new(parsed.map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?);
    let (ack, acked) = Ack::new();
    let mut batch = TelemetryBatch::new(base, Arc::new(request.context), ack);

    // Ids of a wrong length are valid protobuf that no backend can store. Settled before any plugin sees a row, so that none
    // has to think of them.
    let IdsSettled { rejected, cleared } = settle_ids(&mut batch)?;
    let taken = Taken { rows: batch.selection().count() as u64, acked, rejected, cleared };

    // Fork for each further pipeline: they share the base and its columns, and nothing else. Each runs on a task of its own,
    // so that a slow plugin in one does not hold up the others.
    let Some((last, others)) = inlet.pipelines.split_last() else {
        return Err(Refusal::new(RefusalKind::Internal, "an inlet without pipelines"));
    };
    for pipeline in others {
        let (pipeline, batch, pin) = (Arc::clone(pipeline), batch.fork(), Arc::clone(generation));
        tokio::spawn(async move {
            pipeline.run(batch).await;
            drop(pin);
        });
    }
    last.run(batch).await;
    Ok(taken)
}

struct IdsSettled {
    rejected: u64,
    cleared: u64,
}

/// Takes out spans whose ids have a wrong length, and clears the ids of such log records.
fn settle_ids(batch: &mut TelemetryBatch) -> Result<IdsSettled, Refusal> {
    let base = Arc::clone(batch.base());
    let wrong = &base.id_faults().wrong_length;
    let count = wrong.len() as u64;
    match batch.signal() {
        _ if wrong.is_empty() => Ok(IdsSettled { rejected: 0, cleared: 0 }),
        Signal::Traces => {
            let mut kept = BooleanBufferBuilder::new(base.rows());
            kept.append_n(base.rows(), true);
            wrong.iter().for_each(|&row| kept.set_bit(row as usize, false));
            batch.select(Selection::from_bits(kept.finish()));
            Ok(IdsSettled { rejected: count, cleared: 0 })
        }
        Signal::Logs | Signal::Metrics => {
            let clear = |path: &str| -> Result<Edit, String> {
                let path = Path::parse(batch.signal(), path).map_err(|error| error.to_string())?;
                Ok(Edit { path, rows: Rows::Numbers(wrong.clone()), change: Change::Remove })
            };
            let edits = clear("trace_id").and_then(|trace| Ok([trace, clear("span_id")?]));
            let cleared = edits.and_then(|edits| batch.edit(&edits).map_err(|error| error.to_string()));
            // The paths are ours: an error here is one of the gateway's.
            cleared.map_err(|reason| Refusal::new(RefusalKind::Internal, reason))?;
            Ok(IdsSettled { rejected: 0, cleared: count })
        }
    }
}

impl Pipeline {
    /// Takes a batch through the stages to the outlets, and sees to it that its ack is resolved.
    pub async fn run(&self, mut batch: TelemetryBatch) {
        for PipelineStage { stage, route_base } in &self.stages {
            // Nothing is left to decide about; the rest of the stages would be called for no rows.
            if batch.selection().is_empty() {
                break;
            }
            // A stage that fails under `on_fault: reject` has changed nothing, and the sender is told to try again.
            if let Err(refusal) = stage.process(&mut batch, *route_base).await {
                return batch.resolve(Outcome::Refused(refusal));
            }
        }
        // Split once, after the last stage: until then rows that will part share columns and calls.
        let mut parts = self.split(batch);
        // Outlets that wait (for their backend, or for room) wait side by side; queues take a batch at once.
        let inline = parts.iter().rposition(|(outlet, _)| outlet.waits()).unwrap_or(0);
        let last = (inline < parts.len()).then(|| parts.swap_remove(inline));
        for (outlet, part) in parts {
            if outlet.waits() {
                let outlet = Arc::clone(outlet);
                tokio::spawn(async move { outlet.submit(part).await });
            } else {
                outlet.submit(part).await;
            }
        }
        if let Some((outlet, part)) = last {
            outlet.submit(part).await;
        }
    }

    /// The batch in parts, one for each outlet that rows lead to. A batch of which nothing is left is resolved as dropped.
    fn split(&self, mut batch: TelemetryBatch) -> Vec<(&Arc<Outlet>, TelemetryBatch)> {
        // Parents that came without rows (a metric without points) survive where no row does.
        if batch.selection().is_empty() && encoded_len(batch.signal(), batch.index(), batch.selection()) == 0 {
            batch.resolve(Outcome::Dropped);
            return Vec::new();
        }
        let selections: Vec<(usize, Option<Selection>)> = match std::mem::take(&mut batch.routes) {
            // What is left are parents without rows, of which no stage has said where they go.
            _ if batch.selection().is_empty() => (0..self.own).map(|outlet| (outlet, None)).collect(),
            Routes::Default => (0..self.own).map(|outlet| (outlet, None)).collect(),
            Routes::All(route) => self.outlets_of(route).map(|outlet| (outlet, None)).collect(),
            Routes::Rows(routes) => self.select_by_route(batch.selection(), &routes),
        };
        let forks = selections.len().saturating_sub(1);
        let mut branches: Vec<TelemetryBatch> = (0..forks).map(|_| batch.fork()).collect();
        branches.push(batch);
        let parts = selections.into_iter().zip(branches).map(|((outlet, selection), mut branch)| {
            if let Some(selection) = selection {
                branch.select(selection);
            }
            (&self.outlets[outlet], branch)
        });
        parts.collect()
    }

    /// Numbers in `outlets` of where a route leads.
    fn outlets_of(&self, route: u16) -> impl Iterator<Item = usize> + '_ {
        let set = (route != ROUTE_DEFAULT).then(|| self.routes.get(usize::from(route))).flatten();
        // A set without names says nothing about where a row goes; it is not a drop.
        let set = set.filter(|set| !set.is_empty());
        let own = if set.is_none() { 0..self.own } else { 0..0 };
        set.into_iter().flatten().copied().chain(own)
    }

    /// For each outlet that a selected row leads to, its rows.
    fn select_by_route(&self, selection: &Selection, routes: &[u16]) -> Vec<(usize, Option<Selection>)> {
        let mut bits: Vec<Option<BooleanBufferBuilder>> = (0..self.outlets.len()).map(|_| None).collect();
        for row in selection.rows() {
            let route = routes.get(row).copied().unwrap_or(ROUTE_DEFAULT);
            for outlet in self.outlets_of(route) {
                let bits = bits[outlet].get_or_insert_with(|| {
                    let mut bits = BooleanBufferBuilder::new(selection.len());
                    bits.append_n(selection.len(), false);
                    bits
                });
                bits.set_bit(row, true);
            }
        }
        let select = |mut bits: BooleanBufferBuilder| Some(Selection::from_bits(bits.finish()));
        bits.into_iter().enumerate().filter_map(|(outlet, bits)| Some((outlet, select(bits?)))).collect()
    }
}
