//! A batch at a point where somebody listens: what it was, and what a stage made of it.

use std::sync::Arc;

use wasmill_batch::{ROUTE_DEFAULT, Refusal, Routes, TelemetryBatch};
use wasmill_config::PipelineId;
use wasmill_host::Stage;
use wasmill_wire::{Selection, encode, encoded_len};

use super::changes::changes;
use super::listener::Listener;
use super::mask::Masks;
use super::record::record;
use super::{RowOutcome, Shown, Side};

/// A record with its resource and scope, as it is on the wire. What is larger is nothing to look at, and as JSON several times that.
pub const RECORD_BYTES_MAX: usize = 64 << 10;

/// Keeps the batch's buffers for as long as it lives, which is until its listeners have looked.
pub struct Observed {
    pipeline: PipelineId,
    stage: Option<String>,
    generation: u64,
    before: TelemetryBatch,
    after: After,
}

enum After {
    /// There is no stage.
    Nothing,
    Decided(Box<Decided>),
    /// Why.
    Refused(String),
}

struct Decided {
    batch: TelemetryBatch,
    /// Rows that `on_fault` sent elsewhere.
    diverted: Option<Selection>,
    routing: Routing,
}

/// Where rows go behind a stage, by name.
#[derive(Default)]
pub struct Routing {
    /// The number of the stage's first route set.
    pub route_base: u16,
    /// The stage's.
    pub sets: Vec<Vec<String>>,
    /// Where each of the pipeline's route sets leads; nowhere: where `own` does.
    pub to: Vec<Vec<String>>,
    /// Where rows go that no stage has routed.
    pub own: Vec<String>,
    /// Where rows go that the plugin failed on, where they are diverted.
    pub divert: Vec<String>,
}

/// A batch that a stage is deciding about, for those who want to see what it makes of it.
pub struct Tapped {
    wanting: Vec<Arc<Listener>>,
    pipeline: PipelineId,
    stage: String,
    before: TelemetryBatch,
}

/// The record has more than [`RECORD_BYTES_MAX`].
pub struct TooLarge;

impl Tapped {
    pub(super) fn new(
        wanting: Vec<Arc<Listener>>,
        pipeline: &PipelineId,
        stage: &Stage,
        batch: &TelemetryBatch,
    ) -> Tapped {
        let (pipeline, stage) = (pipeline.clone(), stage.name().to_owned());
        Tapped { wanting, pipeline, stage, before: batch.fork_unobserved() }
    }

    /// The stage has decided: `batch` is what it left, `decided` what it returned.
    pub fn decided(
        self,
        batch: &TelemetryBatch,
        decided: &Result<Option<TelemetryBatch>, Refusal>,
        generation: u64,
        routing: Routing,
    ) {
        let Tapped { wanting, pipeline, stage, before } = self;
        let after = match decided {
            Ok(diverted) => After::Decided(Box::new(Decided {
                batch: batch.fork_unobserved(),
                diverted: diverted.as_ref().map(|branch| branch.selection().clone()),
                routing,
            })),
            Err(refusal) => After::Refused(refusal.reason.to_string()),
        };
        let observed = Arc::new(Observed { pipeline, stage: Some(stage), generation, before, after });
        wanting.iter().for_each(|listener| listener.offer(&observed));
    }
}

impl Observed {
    pub fn arrived(pipeline: &PipelineId, batch: &TelemetryBatch, generation: u64) -> Observed {
        let (pipeline, before) = (pipeline.clone(), batch.fork_unobserved());
        Observed { pipeline, stage: None, generation, before, after: After::Nothing }
    }

    /// Memory that it keeps from being freed.
    pub fn retained_bytes(&self) -> usize {
        let after = match &self.after {
            // The base is the same.
            After::Decided(decided) => {
                decided.batch.retained_bytes().saturating_sub(decided.batch.base().retained_bytes())
            }
            After::Nothing | After::Refused(_) => 0,
        };
        self.before.retained_bytes() + after
    }

    /// The batch that a listener looks at, all of whose selected rows it may be shown. `None`: there is nothing on that side.
    pub fn subject(&self, side: Side) -> Option<&TelemetryBatch> {
        match (side, &self.after) {
            (Side::Both | Side::Before, _) | (_, After::Nothing) => Some(&self.before),
            (Side::After, After::Decided(decided)) => Some(&decided.batch),
            (Side::After, After::Refused(_)) => None,
        }
    }

    /// A row of the [subject](Observed::subject).
    pub fn show(&self, row: usize, side: Side, masks: &Masks) -> Result<Option<Shown>, TooLarge> {
        let Some(of_side) = self.subject(side) else { return Ok(None) };
        let Some(mut record) = one(of_side, row)? else { return Ok(None) };
        let mut shown = Shown {
            pipeline: self.pipeline.to_string(),
            stage: self.stage.clone(),
            generation: self.generation,
            signal: self.before.signal().name().to_owned(),
            outcome: None,
            reason: None,
            route: None,
            to: Vec::new(),
            record: serde_json::Map::new(),
            changes: Vec::new(),
        };
        if side != Side::Before {
            self.decided(row, &mut shown);
        }
        if side == Side::Both
            && let After::Decided(decided) = &self.after
            && shown.outcome == Some(RowOutcome::Kept)
            && let Some(after) = one(&decided.batch, row)?
        {
            shown.changes = changes(&record, &after, masks);
        }
        masks.apply_to(&mut record);
        shown.record = record;
        Ok(Some(shown))
    }

    fn decided(&self, row: usize, shown: &mut Shown) {
        match &self.after {
            After::Nothing => {}
            After::Refused(reason) => {
                shown.outcome = Some(RowOutcome::Refused);
                shown.reason = Some(reason.clone());
            }
            After::Decided(decided) => decided.of_row(row, shown),
        }
    }
}

impl Decided {
    fn of_row(&self, row: usize, shown: &mut Shown) {
        let Decided { batch, diverted, routing } = self;
        if diverted.as_ref().is_some_and(|rows| rows.contains(row)) {
            shown.outcome = Some(RowOutcome::Diverted);
            shown.to.clone_from(&routing.divert);
            return;
        }
        if !batch.selection().contains(row) {
            shown.outcome = Some(RowOutcome::Dropped);
            return;
        }
        shown.outcome = Some(RowOutcome::Kept);
        let route = match &batch.routes {
            Routes::Default => None,
            Routes::All(route) => Some(*route),
            Routes::Rows(routes) => routes.get(row).copied(),
        };
        let route = route.filter(|route| *route != ROUTE_DEFAULT).map(usize::from);
        let of_stage = route.and_then(|route| route.checked_sub(usize::from(routing.route_base)));
        shown.route = of_stage.and_then(|set| routing.sets.get(set)).cloned();
        let to = route.and_then(|route| routing.to.get(route)).filter(|to| !to.is_empty());
        shown.to.clone_from(to.unwrap_or(&routing.own));
    }
}

/// A row of a batch, decoded: the only one that is copied.
fn one(batch: &TelemetryBatch, row: usize) -> Result<Option<serde_json::Map<String, serde_json::Value>>, TooLarge> {
    let Ok(number) = u32::try_from(row) else { return Ok(None) };
    if row >= batch.base().rows() {
        return Ok(None);
    }
    let only = Selection::from_rows(batch.base().rows(), &[number]);
    if encoded_len(batch.signal(), batch.index(), &only) > RECORD_BYTES_MAX {
        return Err(TooLarge);
    }
    Ok(record(batch.signal(), &encode(batch.signal(), batch.index(), &only)))
}
