//! A plugin that was swapped in is watched for a while, and taken out again by itself if it fails.
//!
//! Whatever was looked at before, the first batches show what a build is worth. Each swap starts a watch of its own, which ends with
//! its time, with the next swap of the stage, or with the roll-back. What it compares is the part of the calls that failed: with a limit, and
//! with the plugin before, since data on which both fail is nobody's reason to go back.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use wasmill_config::{ComponentId, Swap};
use wasmill_host::{FaultKind, Stage, StageStatsSnapshot};

use super::{ChangedBy, Engine};

/// How often a stage is looked at: a build that fails is out again within the patience of a client's first retry.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What is watched.
pub(super) struct Probation {
    pub id: ComponentId,
    pub stage: Arc<Stage>,
    /// Of the calls of the plugin before.
    pub ratio_before: f64,
    pub settings: Swap,
}

impl Probation {
    pub fn new(id: ComponentId, before: &Stage, stage: &Arc<Stage>, settings: Swap) -> Probation {
        let ratio_before = ratio(&before.stats().snapshot());
        Probation { id, stage: Arc::clone(stage), ratio_before, settings }
    }

    /// Watches on a task of its own.
    pub fn start(self, engine: Weak<Engine>) {
        if !self.settings.probation.is_zero() {
            tokio::spawn(self.watch(engine));
        }
    }

    async fn watch(self, engine: Weak<Engine>) {
        let until = Instant::now() + self.settings.probation;
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // Neither is kept from ending by being watched.
            let Some(engine) = engine.upgrade() else { return };
            if !engine.serves(&self.id, &self.stage) {
                return;
            }
            if let Some(why) = self.fails() {
                return engine.take_out(&self.id, &self.stage, why).await;
            }
            if Instant::now() >= until {
                tracing::info!(stage = %self.id, "the plugin has passed its probation");
                return;
            }
        }
    }

    /// Why the plugin is to be taken out.
    fn fails(&self) -> Option<String> {
        let stats = self.stage.stats().snapshot();
        let (faults, ratio) = (faults(&stats), ratio(&stats));
        let Swap { faults_min, fault_ratio_max, probation, .. } = self.settings;
        let too_often = faults >= u64::from(faults_min.get()) && ratio > fault_ratio_max && ratio > self.ratio_before;
        too_often.then(|| {
            let kinds = FaultKind::ALL.into_iter().map(|kind| (kind.label(), stats.faults_of(kind)));
            let kinds: Vec<String> =
                kinds.filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{count} {kind}")).collect();
            let calls = stats.calls.max(faults);
            format!(
                "{faults} of its first {calls} calls failed ({}) within {probation:?} of the swap",
                kinds.join(", ")
            )
        })
    }
}

fn faults(stats: &StageStatsSnapshot) -> u64 {
    stats.faults.iter().sum()
}

/// Of the calls, those that failed; none of none. An instance that does not start fails without a call.
fn ratio(stats: &StageStatsSnapshot) -> f64 {
    let faults = faults(stats);
    match stats.calls.max(faults) {
        0 => 0.0,
        calls => faults as f64 / calls as f64,
    }
}

impl Engine {
    fn serves(&self, id: &ComponentId, stage: &Arc<Stage>) -> bool {
        self.serving.read().stages.get(id).is_some_and(|serving| Arc::ptr_eq(serving, stage))
    }

    /// Puts back what a stage ran before, unless somebody has changed it meanwhile.
    async fn take_out(&self, id: &ComponentId, stage: &Arc<Stage>, why: String) {
        let _under_way = self.ledger.begin(format!("roll-back of `{id}` by itself"));
        let mut state = self.state.lock().await;
        let previous = self.previous.lock().get(id).cloned();
        let Some(previous) = previous.filter(|_| self.serves(id, stage)) else { return };
        match self.exchange(&mut state, id, previous, ChangedBy::Probation).await {
            Ok(reloaded) => {
                tracing::error!(stage = %id, generation = reloaded.generation, reason = why,
                    "the plugin fails, and the one before was put back");
                self.ledger.explain(id, why);
            }
            Err(error) => {
                for line in error.lines() {
                    tracing::error!(stage = %id, reason = why, "the plugin fails, and the one before cannot be put back: {line}");
                }
            }
        }
    }
}
