//! The one noun that flows.

use std::sync::Arc;

use arrow_array::ArrayRef;
use bytes::Bytes;
use wasmill_wire::{
    ColumnRequest, Edit, EditError, GatherList, Index, Overlay, Selection, Signal, WireBatch, compact, encode,
    encoded_len, gather,
};

use crate::merge::compacted_ends;
use crate::retained::Retained;
use crate::{Ack, RequestContext};

/// What [`TelemetryBatch::gather`] copies: for the system each range is an address and a length to read, for HTTP/2 a chunk to pass
/// through.
const REFERRED_BYTES_MIN: usize = 2 << 10;

/// A parked batch keeps at most so many times the bytes of its selected rows. Copying costs as much as encoding does: at a
/// half of the memory wasted it pays, as a few kept rows can hold a request of 64 MiB.
const PARKED_WASTE_MAX: usize = 2;

/// In [`Routes`]: the pipeline's own exporters.
pub const ROUTE_DEFAULT: u16 = u16::MAX;

/// Where rows go: numbers of the pipeline's route sets, [`ROUTE_DEFAULT`] for its own exporters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Routes {
    /// No stage has said anything.
    #[default]
    Default,
    All(u16),
    /// For each row of the base, selected or not.
    Rows(Arc<[u16]>),
}

impl Routes {
    /// The route of each of the base's rows, of which there are `rows`.
    pub fn to_rows(&self, rows: usize) -> Vec<u16> {
        match self {
            Routes::Default => vec![ROUTE_DEFAULT; rows],
            Routes::All(route) => vec![*route; rows],
            Routes::Rows(routes) => routes.to_vec(),
        }
    }
}

/// Why rows that wait for others of their group are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GatherReason {
    /// They had waited for as long as is configured.
    #[default]
    Wait,
    /// Too many rows or groups waited, or in too much memory: the oldest are decided first.
    Full,
    /// The group had as many rows as one may have.
    Rows,
    /// Nothing waits any more: a reload, or the gateway's end.
    Closed,
}

impl GatherReason {
    pub const ALL: [GatherReason; 4] =
        [GatherReason::Wait, GatherReason::Full, GatherReason::Rows, GatherReason::Closed];

    /// As plugins and metrics are told.
    pub fn name(self) -> &'static str {
        match self {
            GatherReason::Wait => "wait",
            GatherReason::Full => "full",
            GatherReason::Rows => "rows",
            GatherReason::Closed => "closed",
        }
    }
}

/// How the rows of a batch came together that was gathered by group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// How long their groups were waited for.
    pub waited_ms: u32,
    pub reason: GatherReason,
    /// How often a stage has failed on them.
    pub attempts: u8,
}

/// Telemetry on its way: a shared base, the rows that are still in, what was changed, where they go, who waits.
///
/// To fan out, [`fork`](TelemetryBatch::fork) it: each branch has its own selection, changes, routes and ack over one
/// base and its cached columns.
pub struct TelemetryBatch {
    base: Arc<WireBatch>,
    overlay: Option<Arc<Overlay>>,
    pub(crate) selection: Selection,
    pub routes: Routes,
    /// `None`: as it came.
    pub gathered: Option<Gathered>,
    pub(crate) context: Arc<RequestContext>,
    /// Where each source ends in the base's rows. `None`: it was not merged.
    pub(crate) sources: Option<Arc<[u32]>>,
    /// While it is parked: its part of the process's count.
    retained: Option<Retained>,
    ack: Ack,
}

impl TelemetryBatch {
    /// All rows of `base`, unchanged.
    pub fn new(base: Arc<WireBatch>, context: Arc<RequestContext>, ack: Ack) -> Self {
        let selection = Selection::all(base.rows());
        TelemetryBatch {
            base,
            overlay: None,
            selection,
            routes: Routes::Default,
            gathered: None,
            context,
            sources: None,
            retained: None,
            ack,
        }
    }

    pub fn signal(&self) -> Signal {
        self.base.signal()
    }

    pub fn base(&self) -> &Arc<WireBatch> {
        &self.base
    }

    pub fn context(&self) -> &Arc<RequestContext> {
        &self.context
    }

    /// The rows that are still in.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Where the records lie, changes included.
    pub fn index(&self) -> &Index {
        match &self.overlay {
            Some(overlay) => overlay.index(),
            None => self.base.index(),
        }
    }

    /// Columns with a value for each row of the base (selected or not), changes included.
    pub fn columns(&self, wanted: &[ColumnRequest]) -> Vec<ArrayRef> {
        match &self.overlay {
            Some(overlay) => overlay.columns(wanted),
            None => self.base.columns(wanted),
        }
    }

    /// Narrows to `selection`, which has as many rows as the base.
    pub fn select(&mut self, selection: Selection) {
        self.selection = self.selection.and(&selection);
    }

    /// Applies edits to selected rows, all or none.
    pub fn edit(&mut self, edits: &[Edit]) -> Result<(), EditError> {
        if !edits.is_empty() {
            let overlay = Overlay::apply(&self.base, self.overlay.as_ref(), &self.selection, edits)?;
            self.overlay = Some(overlay);
        }
        Ok(())
    }

    /// Another branch of this batch, with a part of its ack.
    pub fn fork(&self) -> TelemetryBatch {
        TelemetryBatch { ack: self.ack.fork(), ..self.fork_unobserved() }
    }

    /// Another branch of this batch that nobody waits for.
    pub fn fork_unobserved(&self) -> TelemetryBatch {
        TelemetryBatch {
            base: Arc::clone(&self.base),
            overlay: self.overlay.clone(),
            selection: self.selection.clone(),
            routes: self.routes.clone(),
            gathered: self.gathered,
            context: Arc::clone(&self.context),
            sources: self.sources.clone(),
            retained: None,
            ack: Ack::unobserved(),
        }
    }

    /// The selected rows as a request: as it came where all of it is selected and nothing was changed, which copies nothing.
    pub fn encode(&self) -> Bytes {
        match self.as_it_came() {
            Some(request) => request.clone(),
            None => encode(self.signal(), self.index(), &self.selection),
        }
    }

    /// As [`encode`](TelemetryBatch::encode), for whoever writes it to a socket: only what is short is copied, and what this keeps
    /// in memory is kept by it, too.
    pub fn gather(&self) -> GatherList {
        match self.as_it_came() {
            Some(request) => request.clone().into(),
            None => gather(self.signal(), self.index(), &self.selection, REFERRED_BYTES_MIN),
        }
    }

    /// The request, where all of it is selected and nothing was changed.
    fn as_it_came(&self) -> Option<&Bytes> {
        self.base.request().filter(|_| self.selection.is_all() && self.overlay.is_none())
    }

    /// Bytes that this keeps in memory, those that it shares included.
    pub fn retained_bytes(&self) -> usize {
        self.base.retained_bytes() + self.overlay.as_ref().map_or(0, |overlay| overlay.retained_bytes())
    }

    /// Whether somebody waits for its outcome.
    pub fn is_waited_for(&self) -> bool {
        self.ack.is_observed()
    }

    /// Puts another ack in place, and gives back the one that was there, to be resolved.
    pub fn replace_ack(&mut self, ack: Ack) -> Ack {
        std::mem::replace(&mut self.ack, ack)
    }

    /// Puts another context in place.
    pub fn replace_context(&mut self, context: Arc<RequestContext>) {
        self.context = context;
    }

    /// Makes this cheap to keep for a while: cached columns go, unless other branches may still ask for them, and where the
    /// selected rows are a small part of what is kept in memory for them, they are copied out of it. Rows get other numbers
    /// then. From now on it counts among the process's [retained bytes](crate::retained_bytes).
    pub fn park(&mut self) {
        self.retained = None;
        if Arc::strong_count(&self.base) == 1 {
            self.base.forget_columns();
        }
        self.compact();
        self.retained = Some(Retained::new(self.retained_bytes()));
    }

    fn compact(&mut self) {
        if self.selection.is_all() && self.overlay.is_none() {
            return;
        }
        let live_bytes = encoded_len(self.signal(), self.index(), &self.selection);
        if live_bytes * PARKED_WASTE_MAX >= self.retained_bytes() {
            return;
        }
        if let Routes::Rows(routes) = &self.routes {
            self.routes = Routes::Rows(self.selection.rows().filter_map(|row| routes.get(row).copied()).collect());
        }
        if let Some(ends) = &self.sources {
            self.sources = Some(compacted_ends(ends, &self.selection));
        }
        self.base = Arc::new(compact(self.signal(), self.index(), &self.selection));
        self.overlay = None;
        self.selection = Selection::all(self.base.rows());
    }

    /// Ends a batch that was merged, with an outcome for each source.
    pub fn resolve_each(self, outcomes: Vec<crate::Outcome>) {
        self.ack.resolve_each(outcomes);
    }

    /// Ends this batch: who waits for it is told.
    pub fn resolve(self, outcome: crate::Outcome) {
        self.ack.resolve(outcome);
    }

    /// The ack alone, where the rows are no longer needed.
    pub fn into_ack(self) -> Ack {
        self.ack
    }
}
