//! Shadow runs: a plugin that is to serve decides about copies of what the serving one decides about, and nothing comes of it.
//!
//! ```text
//!  batch ──► serving stage ──► on its way
//!    └ copy ──► candidate ──► compared with what the serving one decided, counted, dropped
//! ```
//!
//! A copy shares the batch's buffers and columns. It is decided about on a task of its own, and one at a time: what comes while the candidate
//! is busy is not copied, so that a slow one costs the traffic nothing. The candidate is built [quiet](crate::StageSpec::quiet): its logs and
//! metrics go nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use wasmill_batch::{Refusal, TelemetryBatch};

use crate::{FaultKind, Stage};

/// A candidate beside a stage.
pub struct Shadow {
    candidate: Arc<Stage>,
    batches_max: u32,
    copied: AtomicU32,
    /// One permit: of the copy that is being decided about.
    idle: Arc<Semaphore>,
    report: Mutex<ShadowReport>,
    compared: Notify,
}

/// What a shadow run has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowReport {
    /// Copies that the candidate was given.
    pub batches: u64,
    pub rows: u64,
    /// Calls of the candidate that failed.
    pub faults: u64,
    /// Why the first batch that it failed on was refused.
    pub first_fault: Option<String>,
    /// Rows that one of the two keeps, and the other does not.
    pub rows_kept_differently: u64,
    /// Rows that both keep, and send to different routes.
    pub rows_routed_differently: u64,
    /// Batches of which both keep the same rows, with different content.
    pub batches_changed_differently: u64,
}

/// A copy of a batch that is being decided about.
pub(crate) struct Copied {
    shadow: Arc<Shadow>,
    copy: TelemetryBatch,
    place: OwnedSemaphorePermit,
}

/// Copies are made for as long as this lives.
pub struct Shadowing {
    stage: Arc<Stage>,
    shadow: Arc<Shadow>,
}

impl Shadow {
    /// Ends by itself after so many batches.
    pub fn new(candidate: Arc<Stage>, batches_max: u32) -> Arc<Shadow> {
        Arc::new(Shadow {
            candidate,
            batches_max,
            copied: AtomicU32::new(0),
            idle: Arc::new(Semaphore::new(1)),
            report: Mutex::default(),
            compared: Notify::new(),
        })
    }

    /// Gives the candidate copies of what `stage` decides about.
    pub fn beside(self: &Arc<Self>, stage: &Arc<Stage>) -> Shadowing {
        stage.set_shadow(Some(Arc::clone(self)));
        Shadowing { stage: Arc::clone(stage), shadow: Arc::clone(self) }
    }

    pub fn report(&self) -> ShadowReport {
        self.report.lock().clone()
    }

    /// `None`: it has seen enough, is busy, or does not take such batches.
    pub(crate) fn copy(self: &Arc<Self>, batch: &TelemetryBatch) -> Option<Copied> {
        let takes = self.candidate.columns(batch.signal()).is_some() && !batch.selection().is_empty();
        let place = takes.then(|| Arc::clone(&self.idle).try_acquire_owned().ok()).flatten()?;
        // Nobody else counts while the place is taken.
        let copied = self.copied.load(Relaxed);
        if copied >= self.batches_max {
            return None;
        }
        self.copied.store(copied + 1, Relaxed);
        Some(Copied { shadow: Arc::clone(self), copy: batch.fork_unobserved(), place })
    }

    fn compare(
        &self,
        stage_sets: &[Vec<String>],
        decided: &Decided,
        candidate: &TelemetryBatch,
        report: &mut ShadowReport,
    ) {
        let (ours, theirs): (Vec<usize>, Vec<usize>) =
            (decided.batch.selection().rows().collect(), candidate.selection().rows().collect());
        let both = intersection(&ours, &theirs);
        report.rows_kept_differently += (ours.len() + theirs.len() - 2 * both.len()) as u64;
        let rows = decided.batch.base().rows();
        let (routes, other_routes) = (decided.batch.routes.to_rows(rows), candidate.routes.to_rows(rows));
        let differs = |row: &&usize| {
            let (route, other) = (routes.get(**row), other_routes.get(**row));
            let of = |route: Option<&u16>, sets: &[Vec<String>]| -> Result<Vec<String>, Option<u16>> {
                let set = route.and_then(|route| sets.get(usize::from(route.checked_sub(decided.route_base)?)));
                set.cloned().ok_or(route.copied())
            };
            of(route, stage_sets) != of(other, self.candidate.route_sets())
        };
        if routes != other_routes || stage_sets != self.candidate.route_sets() {
            report.rows_routed_differently += both.iter().filter(differs).count() as u64;
        }
        if ours == theirs && decided.batch.encode() != candidate.encode() {
            report.batches_changed_differently += 1;
        }
    }
}

impl Shadowing {
    /// Resolves when as many batches were compared as were asked for.
    pub async fn ended(&self) {
        loop {
            let compared = self.shadow.compared.notified();
            if self.shadow.report.lock().batches >= u64::from(self.shadow.batches_max) {
                return;
            }
            compared.await;
        }
    }

    /// Copies no more, waits for the copy that is being decided about, and says what was seen.
    pub async fn end(self) -> ShadowReport {
        self.stage.set_shadow(None);
        // The semaphore is never closed. A call has a deadline, and so ends.
        let _idle = self.shadow.idle.acquire().await;
        self.shadow.report()
    }
}

impl Drop for Shadowing {
    fn drop(&mut self) {
        self.stage.set_shadow(None);
    }
}

/// What the serving stage made of a batch.
struct Decided {
    batch: TelemetryBatch,
    route_base: u16,
}

impl Copied {
    /// Lets the candidate decide, on a task of its own. `batch` is as the serving stage has left it; `None`: it was refused, and
    /// there is nothing to compare with.
    pub fn decide(self, stage_sets: &[Vec<String>], batch: Option<&TelemetryBatch>, route_base: u16) {
        let Copied { shadow, mut copy, place } = self;
        let decided = batch.map(|batch| Decided { batch: batch.fork_unobserved(), route_base });
        let stage_sets = stage_sets.to_vec();
        tokio::spawn(async move {
            let rows = copy.selection().count() as u64;
            let faults = |stage: &Stage| {
                let stats = stage.stats().snapshot();
                FaultKind::ALL.into_iter().map(|kind| stats.faults_of(kind)).sum::<u64>()
            };
            let result = shadow.candidate.process(&mut copy, route_base).await;
            let mut report = shadow.report();
            report.batches += 1;
            report.rows += rows;
            report.faults = faults(&shadow.candidate);
            match (result, decided) {
                (Err(Refusal { reason, .. }), _) => {
                    report.first_fault = report.first_fault.or(Some(reason.to_string()))
                }
                (Ok(_), Some(decided)) => shadow.compare(&stage_sets, &decided, &copy, &mut report),
                (Ok(_), None) => {}
            }
            *shadow.report.lock() = report;
            drop(place);
            shadow.compared.notify_waiters();
        });
    }
}

/// Of two ascending lists.
fn intersection(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut both = Vec::new();
    let mut rest = b;
    for &row in a {
        rest = &rest[rest.partition_point(|&other| other < row)..];
        if rest.first() == Some(&row) {
            both.push(row);
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intersection_has_what_both_have() {
        assert_eq!(intersection(&[1, 3, 5, 9], &[0, 3, 4, 5, 10]), [3, 5]);
        assert_eq!(intersection(&[], &[1]), [0; 0]);
        assert_eq!(intersection(&[1, 2], &[1, 2]), [1, 2]);
    }
}
