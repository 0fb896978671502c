//! What a stage holds goes to the stage that is to follow it.
//!
//! ```text
//!  new plugin: compiled, init, rehearsed      (beside the old one, which serves)
//!      gate closes                            batches that are in the old stage end; those that come wait, as for an instance
//!      snapshot ─► entries ─► restore         from each old instance, into each new one
//!      published                              the old stage knows its successor
//!      gate opens                             whoever waited, and whoever is still pinned to the old generation, goes to the successor
//! ```
//!
//! A failure on the way opens the gate, and the old stage serves on with what it has: `snapshot` leaves an instance as it is.
//!
//! Batches keep the generation that they came with, so that some come to the old stage when its state is gone. They are decided about by the
//! successor: as whole batches, so that none sees two plugins, and only where the successor's routes and settings are the same, because the old
//! generation's pipeline is what resolves them. Where they are not, the old instances decide with what they still know, and what they
//! learn from these rows is lost: `rows_state_lost` counts them.
//!
//! State is carried where both plugins have the same scope and use `snapshot`. Where the one that serves never said that it has anything to
//! give, what it held is lost at every swap, which `validate` says beforehand; where it did, and it cannot be carried, [`OnLostState`]
//! decides.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock};
use tokio::time::timeout;
use wasmill_batch::{Refusal, RefusalKind, TelemetryBatch};

use super::{Stage, Undecided};
use crate::bindings::wasmill::plugin::host::Level;
use crate::instance::Instance;
use crate::pool::Emptied;
use crate::state::{Entries, Snapshot};
use crate::{Fault, Scope};

/// So many times its deadline a call may take on the clock, and so long its end is waited for.
const CLOCK_FACTOR: u64 = 4;

/// What becomes of a change that would lose what a plugin promised to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnLostState {
    /// It is not made.
    #[default]
    Refuse,
    /// It is made if `snapshot` fails, or if the new plugin takes nothing over. Where `restore` fails it is not: the new plugin has said no.
    Accept,
    /// It is made in any case: what fails is to be taken out, and what it held is the lesser loss.
    Whatever,
}

/// Why a plugin's state is not handed over. The old one serves on, with it.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    #[error("what the plugin that serves holds cannot be handed over: its calls had not ended after {ms} ms")]
    Busy { ms: u128 },
    #[error(
        "what the plugin that serves holds cannot be had: `snapshot` failed: {reason}; with `swap::on_lost_state: accept` it is lost"
    )]
    Snapshot { reason: String },
    #[error(
        "what the plugin that serves holds is not taken over: {why}; with `swap::on_lost_state: accept` it is lost"
    )]
    NotTaken { why: String },
    #[error("the new plugin does not take over what the one that serves holds: `restore` failed: {reason}")]
    Restore { reason: String },
}

/// Where batches enter a stage whose instances hold something.
#[derive(Default)]
pub(super) struct Gate {
    /// Read by whoever is in the stage, written while its state is handed over.
    open: Arc<RwLock<()>>,
    /// Set when it was: where batches go from then on; `None`: nowhere else.
    handed: OnceLock<Option<Arc<Stage>>>,
    /// Whether what the instances held went there.
    carried: AtomicBool,
}

/// Where a batch is decided about.
pub(super) enum Entered {
    /// By this stage, which is not handed over before the guard goes.
    Here(Option<OwnedRwLockReadGuard<()>>),
    Next(Arc<Stage>),
}

/// A stage that nobody is in.
struct Closed {
    gate: OwnedRwLockWriteGuard<()>,
    /// All rights to run one of its instances.
    unused: Vec<OwnedSemaphorePermit>,
    /// With their shards.
    instances: Vec<(usize, Box<Instance>)>,
}

#[derive(Default)]
struct Snapshots {
    entries: Entries,
    /// The last failure.
    failed: Option<Fault>,
    /// Instances that are well, and did not give what they hold.
    kept_back: u64,
    /// Those that cannot be called again: counted as lost when they went.
    gone: u64,
}

/// State that was handed over, and does not count before [`complete`](HandOver::complete): dropped, the old stage serves on. Until then no
/// batch enters the old stage.
pub struct HandOver {
    from: Arc<Stage>,
    to: Arc<Stage>,
    /// Whether the old instances' state is with `to`.
    carried: bool,
    /// Instances whose state is lost, and why.
    lost: u64,
    why: Option<String>,
    _closed: OwnedRwLockWriteGuard<()>,
    _unused: Vec<OwnedSemaphorePermit>,
}

impl Stage {
    /// Waits until the stage is not being handed over, as long as for an instance.
    pub(super) async fn enter(&self, batch: &TelemetryBatch) -> Result<Entered, Refusal> {
        let Some(gate) = &self.gate else { return Ok(Entered::Here(None)) };
        let guard = match Arc::clone(&gate.open).try_read_owned() {
            Ok(guard) => guard,
            Err(_) => {
                let wait = Duration::from_millis(self.pool.start.limits.instance_wait_ms.get());
                timeout(wait, Arc::clone(&gate.open).read_owned()).await.map_err(|_| {
                    let reason = format!("`{}`: what its plugin holds is being handed over", self.name);
                    Refusal::new(RefusalKind::Unavailable, reason)
                })?
            }
        };
        match gate.handed.get() {
            None => {}
            Some(Some(next)) => return Ok(Entered::Next(Arc::clone(next))),
            Some(None) => {
                self.stats.rows_state_lost.fetch_add(batch.selection().count() as u64, Relaxed);
            }
        }
        Ok(Entered::Here(Some(guard)))
    }

    /// Gives what this stage's instances hold to `to`, which is to follow it and has served nobody yet. `None`: they hold nothing.
    ///
    /// Lasts as long as the batches that are in the stage, at most as long as one may wait for an instance and a call may take, and
    /// then as `snapshot` and `restore` do.
    pub async fn hand_over(
        self: &Arc<Self>,
        to: &Arc<Stage>,
        on_lost: OnLostState,
    ) -> Result<Option<HandOver>, HandOverError> {
        let Some(gate) = &self.gate else { return Ok(None) };
        let limits = &self.pool.start.limits;
        let limit_ms = CLOCK_FACTOR.saturating_mul(limits.call_deadline_ms.get());
        let limit = Duration::from_millis(limits.instance_wait_ms.get().saturating_add(limit_ms));
        let Some(Closed { gate: closed, unused, instances }) = self.close(gate, limit).await else {
            if on_lost != OnLostState::Whatever {
                return Err(HandOverError::Busy { ms: limit.as_millis() });
            }
            self.lose(self.stats.snapshot().instances, "its calls do not end");
            return Ok(None);
        };
        let kept = self.kept_alone(&instances);
        let holding = instances.iter().filter(|(_, instance)| instance.holds()).count() as u64 + kept.len() as u64;
        let mut over = HandOver {
            from: Arc::clone(self),
            to: Arc::clone(to),
            carried: false,
            lost: 0,
            why: None,
            _closed: closed,
            _unused: unused,
        };
        if let Some(why) = self.not_carried_to(to) {
            self.give_back(instances);
            let promised = self.requirements.uses.snapshot;
            if holding > 0 && promised && on_lost == OnLostState::Refuse {
                return Err(HandOverError::NotTaken { why });
            }
            (over.lost, over.why) = (holding, Some(why));
            return Ok(Some(over));
        }
        let Snapshots { mut entries, failed, kept_back, gone } = self.snapshots(instances).await;
        // Checked when they were kept.
        kept.iter().for_each(|kept| drop(entries.take(kept.entries.clone())));
        if let Some(fault) = failed {
            let reason = first_line(&fault);
            if on_lost == OnLostState::Refuse {
                return Err(HandOverError::Snapshot { reason });
            }
            (over.lost, over.why) = (kept_back, Some(format!("`snapshot` failed: {reason}")));
        }
        over.carried = !entries.is_empty();
        if let Err(reason) = to.take_over(&entries).await {
            if on_lost != OnLostState::Whatever {
                return Err(HandOverError::Restore { reason });
            }
            over.carried = false;
            (over.lost, over.why) = (holding - gone, Some(format!("`restore` failed: {reason}")));
        }
        Ok(Some(over))
    }

    /// Waits until no batch is in the stage and no instance is called, each at most for `limit`, and lets none in.
    async fn close(&self, gate: &Gate, limit: Duration) -> Option<Closed> {
        let gate = timeout(limit, Arc::clone(&gate.open).write_owned()).await.ok()?;
        let mut closed = Closed { gate, unused: Vec::new(), instances: Vec::new() };
        for (shard, pool) in self.pools().enumerate() {
            let Ok(Some(Emptied { instances, permit })) = timeout(limit, pool.empty()).await else {
                self.give_back(closed.instances);
                return None;
            };
            closed.unused.push(permit);
            closed.instances.extend(instances.into_iter().map(|instance| (shard, instance)));
        }
        Some(closed)
    }

    /// Why what this stage's instances hold is nothing for another's.
    fn not_carried_to(&self, to: &Stage) -> Option<String> {
        let (ours, theirs) = (&self.requirements, &to.requirements);
        if !ours.uses.snapshot {
            return Some("it does not use `snapshot`".to_owned());
        }
        if ours.scope != theirs.scope {
            return Some(format!("its state is {}, and the new plugin's {}", ours.scope, theirs.scope));
        }
        (!theirs.uses.snapshot).then(|| "the new plugin does not use `snapshot`".to_owned())
    }

    /// What was kept of instances that are gone, and that none has followed yet.
    fn kept_alone(&self, instances: &[(usize, Box<Instance>)]) -> Vec<Arc<Snapshot>> {
        let without = |shard: &usize| instances.iter().all(|(other, _)| other != shard);
        let pools = self.pools().enumerate().filter(|(shard, _)| without(shard));
        pools.filter_map(|(_, pool)| pool.kept.get()).collect()
    }

    /// What the instances hold. They go back to where they were, but for those that cannot be called again.
    async fn snapshots(&self, instances: Vec<(usize, Box<Instance>)>) -> Snapshots {
        let mut snapshots = Snapshots::default();
        for (shard, instance) in instances {
            if !instance.holds() {
                self.pool_of(shard).put(instance);
                continue;
            }
            let (left, snapshot) = instance.snapshot(&self.host, &self.pool.start).await;
            if let Err(fault) = snapshot.and_then(|snapshot| snapshots.entries.take(snapshot)) {
                self.stats.faulted(&fault);
                self.faults.write(Level::Warn, &format!("`snapshot` failed: {fault}"));
                snapshots.failed = Some(fault);
                snapshots.kept_back += u64::from(left.is_some());
                snapshots.gone += u64::from(left.is_none());
            }
            if let Some(left) = left {
                self.pool_of(shard).put(left);
            }
        }
        snapshots
    }

    /// Gives entries to the instances that they belong to. `Err`: why one did not take its own; none has any then.
    async fn take_over(&self, entries: &Entries) -> Result<(), String> {
        let keyed = matches!(self.requirements.scope, Scope::Keyed(_));
        let divided = entries.divided(self.shards(), keyed).map_err(|error| error.to_string())?;
        let mut taken = Vec::with_capacity(divided.len());
        for (shard, block) in divided {
            match self.take_over_shard(shard, block).await {
                Ok(instance) => taken.push((shard, instance)),
                Err(reason) => {
                    // Those that took theirs go too; what they were given is still where it came from.
                    taken.iter_mut().for_each(|(_, instance)| instance.forget());
                    return Err(reason);
                }
            }
        }
        self.give_back(taken);
        Ok(())
    }

    async fn take_over_shard(&self, shard: usize, block: Vec<u8>) -> Result<Box<Instance>, String> {
        let lease = self.take(self.pool_of(shard)).await.map_err(|undecided| match undecided {
            Undecided::Fault(fault) => first_line(&fault),
            Undecided::Refused(refusal) => refusal.reason.to_string(),
        })?;
        let restored = lease.instance.restore(&self.host, &self.pool.start, block).await;
        restored.map_err(|fault| first_line(&fault))
    }

    /// Whether what its instances held is with the stage that follows it.
    pub(crate) fn has_handed_over(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.carried.load(Relaxed))
    }

    fn give_back(&self, instances: Vec<(usize, Box<Instance>)>) {
        instances.into_iter().for_each(|(shard, instance)| self.pool_of(shard).put(instance));
    }

    fn lose(&self, instances: u64, why: &str) {
        self.stats.state_lost.fetch_add(instances, Relaxed);
        tracing::warn!(stage = &*self.name, instances, "what a plugin held is lost with it: {why}");
    }
}

impl HandOver {
    /// The successor serves: what it did not take over is lost, and counted by the old stage. `forward`: batches that are still pinned to the
    /// old one go on by the successor, where their routes lead to the same; the settings of both are the same.
    pub fn complete(self, forward: bool) {
        let HandOver { from, to, carried, lost, why, .. } = &self;
        if *lost > 0 {
            from.lose(*lost, why.as_deref().unwrap_or("it was not taken over"));
        }
        if *carried {
            tracing::info!(stage = &*from.name, "what the plugin held was handed over");
        }
        for pool in from.pools() {
            pool.idle().each(Instance::forget);
            pool.kept.clear();
        }
        let same = from.requirements.route_sets == to.requirements.route_sets
            && from.requirements.inputs.iter().all(|input| to.requirements.input(input.signal).is_some());
        if let Some(gate) = &from.gate {
            gate.carried.store(*carried, Relaxed);
            // Handed over once: whoever follows is built anew.
            let _ = gate.handed.set((forward && same).then(|| Arc::clone(to)));
        }
    }
}

fn first_line(fault: &Fault) -> String {
    format!("{}: {}", fault.kind.label(), fault.message.lines().next().unwrap_or_default())
}
