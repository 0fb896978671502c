//! Where rows wait for others of their group, before a stage that decides about groups (`group_by`).
//!
//! ```text
//!            ┌─ decided before ──► follows that decision, past the stage
//!  batch ────┼─ no value of the path ──► the stage, at once
//!            └─► cohort: the groups whose first rows came in the same part of `wait`
//!                   │ wait is over, too many rows, groups or bytes, closed
//!                   ▼
//!                 merge ──► the stage, in the newest generation ──► each group's decision is remembered
//! ```
//!
//! Rows wait by reference: a batch is forked once for each cohort that its rows are in, and keeps its buffers; what is a small part of them is
//! copied out (`TelemetryBatch::park`). A waiting group costs a place in one table. Groups are put together when they are decided, by the stage,
//! so that what waits need not lie in any order.
//!
//! Like a batcher, a grouper outlives generations: what waits is decided by the newest plugin, and a swap forgets nothing. What clients are told
//! is that their rows are held in memory, whatever the exporters promise: nobody waits for as long as a trace takes. When the stage fails on what
//! has waited, under `on_fault: reject`, there is nobody who would send it again, so that it is tried again from here, a few times.

mod cohort;
mod decisions;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wasmill_batch::{Ack, GatherReason, Gathered, Outcome, Refusal, RefusalKind, TelemetryBatch};
use wasmill_config::{Grouping, RouteTarget};
use wasmill_host::GroupBy;
use wasmill_wire::Selection;

use crate::batcher::Metadata;
use crate::generation::Generation;
use crate::pipeline::Pipeline;
use crate::queue::Held;
use crate::telemetry::GrouperMetrics;
use crate::way::{Next, Way, watch_clock};
use cohort::{Cohort, Load, Part};
pub(crate) use decisions::Decision;
use decisions::Decisions;

/// Groups whose first rows came within this part of the wait are decided together, so that they share calls and merges.
const COHORTS: u32 = 16;
/// Decided more often, calls would be for few groups.
const COHORT_MIN: Duration = Duration::from_millis(10);
/// Decided less often, too much would be decided at once.
const COHORT_MAX: Duration = Duration::from_secs(1);
/// How often the stage is asked about rows that it failed on, before they are given up.
const ATTEMPTS_MAX: u8 = 5;
/// Before it is asked again, and each time twice as long: a plugin that fails now may be swapped within this half minute.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What a grouper is: one that stands on over a reload is the same in all of this.
#[derive(Clone, PartialEq, Debug)]
pub struct GrouperSpec {
    pub settings: Grouping,
    /// What the routes mean that rows may have when they come: a row keeps its number while it waits.
    pub routes: Vec<Vec<RouteTarget>>,
}

/// What stands before one stage in one pipeline.
pub struct Grouper {
    shared: Arc<Shared>,
    timer: JoinHandle<()>,
}

struct Shared {
    name: Arc<str>,
    spec: GrouperSpec,
    by: GroupBy,
    cohort: Duration,
    metrics: GrouperMetrics,
    state: Mutex<State>,
    /// Something is due earlier than the timer knows.
    due: Notify,
    /// A receiver for each flight.
    flights: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Those that wait, by key.
    groups: HashMap<u128, Place>,
    /// Oldest first.
    cohorts: VecDeque<Cohort>,
    /// Of the next cohort.
    number: u64,
    decisions: Decisions,
    /// To be asked about again.
    again: Vec<Again>,
    waiting_bytes: usize,
    /// Waiting or under way.
    held: Held,
    /// `None`: closed. Batches pass by as they come.
    ahead: Option<Ahead>,
}

/// Where a group waits.
#[derive(Clone, Copy)]
struct Place {
    cohort: u64,
    /// Of the group in its cohort.
    number: u32,
    rows: usize,
}

struct Again {
    batch: TelemetryBatch,
    due: Instant,
}

/// The stage that decides, and what is behind it.
struct Ahead {
    stage: Next,
    /// What route numbers mean behind it.
    routes: Vec<Vec<RouteTarget>>,
}

/// What of a batch does not wait.
#[derive(Default)]
pub struct Passed {
    /// For the stage.
    pub undecided: Option<TelemetryBatch>,
    /// For what is behind it.
    pub decided: Option<TelemetryBatch>,
}

/// Rows that the stage is asked about, before it is.
pub struct Asked {
    keys: Vec<Option<u128>>,
    selected: Selection,
}

/// What becomes of the rows of a batch that comes.
#[derive(Default)]
struct Sorted {
    keyless: Vec<u32>,
    late: Vec<(u32, u16)>,
    late_dropped: u64,
    /// By cohort: rows, and the number of each one's group.
    waiting: Vec<(u64, Vec<u32>, Vec<u32>)>,
    /// Groups that have as many rows as one may have.
    full: Vec<u128>,
}

impl Grouper {
    /// One without a way to go on, which passes on what comes until it [follows](Grouper::follow) a generation. To be called within a runtime.
    pub fn start(name: Arc<str>, spec: GrouperSpec, by: GroupBy, metrics: GrouperMetrics) -> Grouper {
        let cohort = (spec.settings.wait / COHORTS).clamp(COHORT_MIN, COHORT_MAX);
        let state = State { decisions: Decisions::new(spec.settings.decisions_max), ..State::default() };
        let shared = Arc::new(Shared {
            name,
            spec,
            by,
            cohort,
            metrics,
            state: Mutex::new(state),
            due: Notify::new(),
            flights: watch::Sender::new(()),
        });
        let timer = tokio::spawn(Arc::clone(&shared).watch_clock());
        Grouper { shared, timer }
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub fn spec(&self) -> &GrouperSpec {
        &self.shared.spec
    }

    /// From now on what is decided is decided at `step` of this pipeline.
    pub fn follow(&self, generation: &Arc<Generation>, pipeline: &Arc<Pipeline>, step: usize) {
        let routes = pipeline.route_targets.clone();
        let mut state = self.shared.state.lock();
        // Remembered routes are numbers: where they come to mean something else, late rows are asked about anew.
        if state.ahead.as_ref().is_some_and(|before| before.routes != routes) {
            state.decisions = Decisions::new(self.shared.spec.settings.decisions_max);
        }
        state.ahead = Some(Ahead { stage: Next::new(generation, pipeline, step), routes });
    }

    /// Takes a batch; what comes back goes on at once, on the caller's task. Whoever sent it is answered here.
    pub fn take(&self, mut batch: TelemetryBatch) -> Passed {
        let shared = &self.shared;
        // Parents without rows are of no group.
        if batch.selection().is_empty() {
            return Passed { undecided: None, decided: Some(batch) };
        }
        let metadata = Metadata::of(batch.context(), &shared.spec.settings.metadata_keys);
        let keys = shared.keys(&batch, &metadata);
        batch.replace_context(metadata.context(None));
        let mut state = shared.state.lock();
        if state.ahead.is_none() {
            drop(state);
            return Passed { undecided: Some(batch), decided: None };
        }
        if state.held.retained_bytes >= 2 * shared.spec.settings.bytes_max {
            drop(state);
            let reason =
                format!("`{}` has no room: its groups keep more memory than what is behind takes", shared.name);
            batch.resolve(Outcome::Refused(Refusal::new(RefusalKind::Unavailable, reason)));
            return Passed::default();
        }
        let sorted = shared.sort(&mut state, &batch, &keys, Instant::now());
        let passed = shared.pass(&batch, &sorted);
        let waits = !sorted.waiting.is_empty();
        shared.park(&mut state, &metadata, &batch, &sorted);
        shared.metrics.late(sorted.late.len() as u64, sorted.late_dropped);
        shared.make_room(&mut state);
        shared.gauge(&state);
        drop(state);
        batch.resolve(if waits { Outcome::HeldInMemory } else { Outcome::Dropped });
        passed
    }

    /// What the stage is about to be asked.
    pub fn ask(&self, batch: &TelemetryBatch) -> Asked {
        let metadata = Metadata::of(batch.context(), &self.shared.spec.settings.metadata_keys);
        Asked { keys: self.shared.keys(batch, &metadata), selected: batch.selection().clone() }
    }

    /// Remembers what the stage has decided. `diverted`: what it failed on.
    pub fn learn(&self, asked: Asked, batch: &TelemetryBatch, diverted: Option<&TelemetryBatch>) {
        asked.learn(&mut self.shared.state.lock().decisions, batch, diverted);
    }

    /// Has a batch tried again that the stage has refused, which is as it was; or tells whoever waits for it.
    pub fn refused(&self, batch: TelemetryBatch, refusal: Refusal) {
        match batch.gathered {
            Some(gathered) => self.shared.again(batch, gathered, refusal),
            // It did not wait: its client can send it again.
            None => batch.resolve(Outcome::Refused(refusal)),
        }
    }

    /// Sends what waits, and passes on what comes from now on.
    pub fn close(&self) {
        let mut state = self.shared.state.lock();
        while let Some(cohort) = state.cohorts.pop_front() {
            self.shared.send(&mut state, cohort, GatherReason::Closed);
        }
        let way = state.ahead.take().and_then(|ahead| ahead.stage.pin());
        for Again { batch, .. } in std::mem::take(&mut state.again) {
            self.shared.run(way.clone(), batch);
        }
        self.shared.gauge(&state);
    }

    /// Resolves when nothing that it has sent is under way.
    pub async fn idle(&self) {
        self.shared.flights.closed().await;
    }

    /// What it has answered for.
    pub fn held(&self) -> Held {
        self.shared.state.lock().held
    }
}

impl Drop for Grouper {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl Asked {
    /// Remembers what became of each group: it is kept where one of its rows is, and goes where the first of these goes. Of what was diverted
    /// nothing was decided.
    fn learn(self, decisions: &mut Decisions, batch: &TelemetryBatch, diverted: Option<&TelemetryBatch>) {
        if decisions.is_off() {
            return;
        }
        let routes = batch.routes.to_rows(batch.base().rows());
        let mut learned: HashMap<u128, Decision> = HashMap::new();
        for row in self.selected.rows() {
            let Some(key) = self.keys.get(row).copied().flatten() else { continue };
            if diverted.is_some_and(|branch| branch.selection().contains(row)) {
                continue;
            }
            let decision = learned.entry(key).or_insert(Decision::Dropped);
            if *decision == Decision::Dropped
                && batch.selection().contains(row)
                && let Some(&route) = routes.get(row)
            {
                *decision = Decision::Kept { route };
            }
        }
        learned.into_iter().for_each(|(key, decision)| decisions.insert(key, decision));
    }
}

impl Shared {
    /// The key of each row of the base. Rows with other metadata have other keys.
    fn keys(&self, batch: &TelemetryBatch, metadata: &Metadata) -> Vec<Option<u128>> {
        let mut keys = self.by.keys(batch);
        if !metadata.is_empty() {
            let tenant = self.by.hash_of(metadata);
            keys.iter_mut().flatten().for_each(|key| *key ^= tenant);
        }
        keys
    }

    /// Finds each row's group.
    fn sort(&self, state: &mut State, batch: &TelemetryBatch, keys: &[Option<u128>], now: Instant) -> Sorted {
        let mut sorted = Sorted::default();
        let State { groups, cohorts, number, decisions, .. } = state;
        for row in batch.selection().rows() {
            let Some(key) = keys.get(row).copied().flatten() else {
                sorted.keyless.push(row as u32);
                continue;
            };
            let place = match groups.get_mut(&key) {
                Some(place) => place,
                None => {
                    match decisions.get(key) {
                        Some(Decision::Kept { route }) => {
                            sorted.late.push((row as u32, route));
                            continue;
                        }
                        Some(Decision::Dropped) => {
                            sorted.late_dropped += 1;
                            continue;
                        }
                        None => {}
                    }
                    let is_current = |cohort: &&mut Cohort| now < cohort.began + self.cohort;
                    let cohort = match cohorts.back_mut().filter(is_current) {
                        Some(cohort) => cohort,
                        None => {
                            *number += 1;
                            if cohorts.is_empty() {
                                self.due.notify_one();
                            }
                            cohorts.push_back(Cohort::new(*number, now));
                            let Some(cohort) = cohorts.back_mut() else { continue };
                            cohort
                        }
                    };
                    let place = Place { cohort: cohort.number, number: cohort.keys.len() as u32, rows: 0 };
                    cohort.keys.push(key);
                    groups.entry(key).or_insert(place)
                }
            };
            place.rows += 1;
            if place.rows == self.spec.settings.rows_max.get() {
                sorted.full.push(key);
            }
            // Mostly one or two.
            let of_cohort = sorted.waiting.iter_mut().find(|(cohort, ..)| *cohort == place.cohort);
            match of_cohort {
                Some((_, rows, groups)) => {
                    rows.push(row as u32);
                    groups.push(place.number);
                }
                None => sorted.waiting.push((place.cohort, vec![row as u32], vec![place.number])),
            }
        }
        sorted
    }

    /// The branches that do not wait, with their parts of the ack.
    fn pass(&self, batch: &TelemetryBatch, sorted: &Sorted) -> Passed {
        let rows = batch.base().rows();
        let undecided = (!sorted.keyless.is_empty()).then(|| {
            let mut branch = batch.fork();
            branch.select(Selection::from_rows(rows, &sorted.keyless));
            branch
        });
        let decided = (!sorted.late.is_empty()).then(|| {
            let mut branch = batch.fork();
            let late: Vec<u32> = sorted.late.iter().map(|&(row, _)| row).collect();
            branch.select(Selection::from_rows(rows, &late));
            decisions::route(&mut branch, sorted.late.iter().copied());
            branch
        });
        Passed { undecided, decided }
    }

    /// Lets rows wait in their cohorts, and decides about groups that have as many as they may have.
    fn park(self: &Arc<Self>, state: &mut State, metadata: &Metadata, batch: &TelemetryBatch, sorted: &Sorted) {
        let rows = batch.base().rows();
        for (number, (cohort, waiting, groups)) in sorted.waiting.iter().enumerate() {
            let mut part = batch.fork_unobserved();
            part.select(Selection::from_rows(rows, waiting));
            part.park();
            let bytes = part.retained_bytes();
            state.held.requests += usize::from(number == 0);
            state.held.rows += waiting.len() as u64;
            state.held.retained_bytes += bytes;
            state.waiting_bytes += bytes;
            if let Some(cohort) = state.cohort(*cohort) {
                let part = Part { batch: part, groups: groups.clone(), bytes, is_first: number == 0 };
                cohort.push(metadata.clone(), part);
            }
        }
        for key in &sorted.full {
            self.decide_alone(state, *key);
        }
    }

    /// Takes one group out of its cohort, to be decided now.
    fn decide_alone(self: &Arc<Self>, state: &mut State, key: u128) {
        let Some(place) = state.groups.get(&key).copied() else { return };
        let Some(cohort) = state.cohort(place.cohort) else { return };
        let alone = cohort.split_off(place.number);
        self.send(state, alone, GatherReason::Rows);
    }

    /// Decides about the oldest while there are more than there may be.
    fn make_room(self: &Arc<Self>, state: &mut State) {
        let Grouping { groups_max, bytes_max, .. } = &self.spec.settings;
        while state.groups.len() > groups_max.get() || state.waiting_bytes > *bytes_max {
            let Some(cohort) = state.cohorts.pop_front() else { break };
            self.send(state, cohort, GatherReason::Full);
        }
    }

    /// Sends a cohort to its stage, as one batch for each set of metadata, or several where it is large.
    fn send(self: &Arc<Self>, state: &mut State, cohort: Cohort, reason: GatherReason) {
        let now = Instant::now();
        let mut groups = 0;
        for key in &cohort.keys {
            // One that was taken out before may wait in another cohort by now.
            if state.groups.get(key).is_some_and(|place| place.cohort == cohort.number) {
                state.groups.remove(key);
                groups += 1;
            }
        }
        state.waiting_bytes -= cohort.bytes;
        let Some(way) = state.pin() else { return };
        let waited = now.saturating_duration_since(cohort.began).as_millis();
        let gathered = Gathered { waited_ms: u32::try_from(waited).unwrap_or(u32::MAX), reason, attempts: 0 };
        self.metrics.decided(groups, reason);
        // Decided while this was waiting, by a part of the group that was sent before.
        let decided: Vec<Option<Decision>> = cohort.keys.iter().map(|key| state.decisions.get(*key)).collect();
        let flights = cohort.into_loads(&decided).into_iter().map(|load| {
            let held = load.held();
            (load, Flight { shared: Arc::clone(self), held, _lands: self.flights.subscribe() })
        });
        let flights: Vec<(Load, Flight)> = flights.collect();
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            for (load, flight) in flights {
                let (ack, acked) = Ack::new();
                tokio::spawn(flight.land(acked));
                let Load { metadata, decided, .. } = &load;
                let (metadata, decided) = (metadata.clone(), *decided);
                let Some(mut batch) = load.merge(&metadata, ack) else { continue };
                let mut step = way.step;
                match decided {
                    None => batch.gathered = Some(gathered),
                    Some(Decision::Dropped) => {
                        shared.metrics.late(0, batch.selection().count() as u64);
                        batch.resolve(Outcome::Dropped);
                        continue;
                    }
                    Some(Decision::Kept { route }) => {
                        shared.metrics.late(batch.selection().count() as u64, 0);
                        let rows: Vec<u32> = batch.selection().rows().map(|row| row as u32).collect();
                        decisions::route(&mut batch, rows.into_iter().map(|row| (row, route)));
                        step += 1;
                    }
                }
                way.pipeline.run_from(step, batch, &way.generation).await;
            }
        });
    }

    /// Has a batch tried again that the stage has refused, or gives it up.
    fn again(self: &Arc<Self>, mut batch: TelemetryBatch, mut gathered: Gathered, refusal: Refusal) {
        let mut state = self.state.lock();
        if !refusal.kind.is_retryable() || gathered.attempts + 1 >= ATTEMPTS_MAX || state.ahead.is_none() {
            drop(state);
            return batch.resolve(Outcome::Refused(refusal));
        }
        let due = Instant::now() + RETRY_AFTER * 2_u32.pow(u32::from(gathered.attempts));
        gathered.attempts += 1;
        batch.gathered = Some(gathered);
        state.again.push(Again { batch, due });
        self.due.notify_one();
    }

    /// Sends a batch to the stage, on a task of its own.
    fn run(self: &Arc<Self>, way: Option<Way>, batch: TelemetryBatch) {
        // Without a way the engine is gone, and the ack goes the way of everything that is dropped.
        let Some(Way { pipeline, step, generation }) = way else { return };
        tokio::spawn(async move { pipeline.run_from(step, batch, &generation).await });
    }

    fn gauge(&self, state: &State) {
        self.metrics.groups.set(state.groups.len() as i64);
        self.metrics.retained_bytes.set(state.held.retained_bytes as i64);
    }

    /// Sends what has waited for long enough.
    async fn watch_clock(self: Arc<Self>) {
        watch_clock(&self.due, || self.send_due(self.state.lock())).await;
    }

    /// When the next one is due.
    fn send_due(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Option<Instant> {
        let now = Instant::now();
        // The last of a cohort's groups waits for as long as is configured, and the first a little longer.
        let due = |cohort: &Cohort| cohort.began + self.cohort + self.spec.settings.wait;
        while let Some(cohort) = state.cohorts.pop_front_if(|cohort| due(cohort) <= now) {
            self.send(&mut state, cohort, GatherReason::Wait);
        }
        let way = state.pin();
        for Again { batch, .. } in state.again.extract_if(.., |again| again.due <= now) {
            self.run(way.clone(), batch);
        }
        self.gauge(&state);
        let again = state.again.iter().map(|again| again.due);
        state.cohorts.front().map(due).into_iter().chain(again).min()
    }
}

impl State {
    /// `None`: closed, or the engine is gone.
    fn pin(&self) -> Option<Way> {
        self.ahead.as_ref()?.stage.pin()
    }

    fn cohort(&mut self, number: u64) -> Option<&mut Cohort> {
        self.cohorts.iter_mut().rev().find(|cohort| cohort.number == number)
    }
}

/// Rows on their way from the grouper until everybody behind has said what became of them.
struct Flight {
    shared: Arc<Shared>,
    held: Held,
    _lands: watch::Receiver<()>,
}

impl Flight {
    async fn land(self, acked: wasmill_batch::Acked) {
        if let Outcome::Refused(refusal) = acked.await {
            self.shared.metrics.lost.inc_by(self.held.rows);
            tracing::error!(processor = %self.shared.name, rows = self.held.rows, reason = %refusal,
                "rows were refused after they had waited for their groups: at least a part of them is lost");
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.held.requests -= self.held.requests;
        state.held.rows -= self.held.rows;
        state.held.retained_bytes -= self.held.retained_bytes;
        self.shared.gauge(&state);
    }
}

#[cfg(test)]
mod tests;
