//! A merged batch that a backend refuses for good: sent again source by source, once.
//!
//! One client's bad request must not take with it the requests of others that a `batch` processor put beside it. So before anything
//! is given up, each source is sent by itself, and has its own outcome.

use tokio::time::Instant;
use wasmill_batch::{Outcome, Refusal, RefusalKind, TelemetryBatch};

use super::Delivery;
use crate::exporter::Request;

/// What became of a batch.
pub enum Delivered {
    Whole(Outcome),
    /// Of each source of a merged batch.
    BySource(Vec<Outcome>),
}

impl From<Outcome> for Delivered {
    fn from(outcome: Outcome) -> Self {
        Delivered::Whole(outcome)
    }
}

impl Delivered {
    /// Tells whoever waits for the batch.
    pub fn resolve(self, batch: TelemetryBatch) {
        match self {
            Delivered::Whole(outcome) => batch.resolve(outcome),
            Delivered::BySource(outcomes) => batch.resolve_each(outcomes),
        }
    }
}

impl Delivery {
    /// Delivers `request`, which was prepared of `batch` where that is known: what comes from a disk has no sources any more. `None`: it
    /// is to be left to another outlet.
    pub async fn deliver(
        &self,
        batch: Option<&TelemetryBatch>,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Option<Delivered> {
        let refusal = match self.attempt(request, deadline).await? {
            Ok(()) => return Some(Outcome::Delivered.into()),
            Err(refusal) => refusal,
        };
        let batch = batch.filter(|_| may_be_one_source_s_fault(refusal.kind));
        let sources = batch.map(TelemetryBatch::of_sources).unwrap_or_default();
        if sources.iter().filter(|source| !source.selection().is_empty()).count() < 2 {
            return Some(self.give_up(request, refusal).into());
        }
        tracing::warn!(exporter = %self.name, signal = %self.signal, rows = request.rows, reason = %refusal,
            sources = sources.len(), "the backend refused a batch of several requests: each is sent by itself");
        let mut outcomes = Vec::with_capacity(sources.len());
        for source in &sources {
            outcomes.push(self.deliver_source(source, deadline).await?);
        }
        Some(Delivered::BySource(outcomes))
    }

    async fn deliver_source(&self, source: &TelemetryBatch, deadline: Option<Instant>) -> Option<Outcome> {
        if source.selection().is_empty() {
            return Some(Outcome::Dropped);
        }
        let request = self.exporter.prepare(source);
        Some(match self.attempt(&request, deadline).await? {
            Ok(()) => Outcome::Delivered,
            Err(refusal) => self.give_up(&request, refusal),
        })
    }

    /// Counts what nobody will send again.
    fn give_up(&self, request: &Request, refusal: Refusal) -> Outcome {
        let taken = request.taken_rows();
        let rows = request.rows - taken;
        self.metrics.sent(taken);
        self.metrics.send_failed(rows);
        tracing::error!(exporter = %self.name, signal = %self.signal, rows, reason = %refusal,
            retryable = refusal.is_retryable(), "exporting failed");
        Outcome::Refused(refusal)
    }
}

/// Who may not send at all may not send less either, and a backend that is away is away for everybody.
fn may_be_one_source_s_fault(kind: RefusalKind) -> bool {
    match kind {
        RefusalKind::Invalid | RefusalKind::TooLarge | RefusalKind::Internal => true,
        RefusalKind::PermissionDenied | RefusalKind::Unauthenticated | RefusalKind::NotServed => false,
        RefusalKind::Unavailable | RefusalKind::DeadlineExceeded => false,
    }
}
