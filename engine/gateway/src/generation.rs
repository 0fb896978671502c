//! Generations: what every batch is run by.
//!
//! A generation is an immutable set of pipelines with all their stages. A batch takes the current one when it arrives and keeps
//! it to its end, so that it never sees two; publishing another one is the exchange of a pointer, which no batch waits for. The
//! old one ends when its last batch does, and tells whoever published its successor.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::oneshot;
use wasmill_config::ComponentId;
use wasmill_wire::Signal;

use crate::batcher::Batcher;
use crate::emissions::Exits;
use crate::grouper::Grouper;
use crate::pipeline::{Inlet, Pipeline};
use crate::queue::Held;

/// What a receiver hands a signal to.
pub type Inlets = HashMap<ComponentId, [Option<Inlet>; 3]>;

pub struct Generation {
    /// Ascends from 1.
    pub number: u64,
    inlets: Inlets,
    /// For records that its stages make.
    exits: Exits,
    /// Dropped with the generation: its other end hears that no batch is left.
    _ended: oneshot::Sender<()>,
}

/// Resolves when no batch of a generation is left.
pub struct Ended(oneshot::Receiver<()>);

/// The current generation.
pub struct Generations {
    current: RwLock<Arc<Generation>>,
}

impl Generation {
    pub fn new(number: u64, inlets: Inlets, exits: Exits) -> (Arc<Generation>, Ended) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Generation { number, inlets, exits, _ended: sender }), Ended(receiver))
    }

    pub fn exits(&self) -> &Exits {
        &self.exits
    }

    /// `None`: the receiver is in no pipeline of this signal.
    pub fn inlet(&self, receiver: &ComponentId, signal: Signal) -> Option<&Inlet> {
        self.inlets.get(receiver)?.get(signal as usize)?.as_ref()
    }
}

impl Ended {
    pub async fn wait(self) {
        // Nothing is ever sent: the error is the news.
        let _ = self.0.await;
    }
}

/// Where rows wait between steps.
#[derive(Default)]
pub struct Waiting {
    pub batchers: Vec<Arc<Batcher>>,
    pub groupers: Vec<Arc<Grouper>>,
}

impl Waiting {
    /// Sends what waits, and lets nothing wait any more.
    fn close(&self) {
        // What groupers send may come to batchers.
        self.groupers.iter().for_each(|grouper| grouper.close());
        self.batchers.iter().for_each(|batcher| batcher.close());
    }

    /// Resolves when nothing that was sent from there is under way.
    pub async fn idle(&self) {
        for grouper in &self.groupers {
            grouper.idle().await;
        }
        for batcher in &self.batchers {
            batcher.idle().await;
        }
    }

    /// What they have answered for.
    pub fn held(&self) -> impl Iterator<Item = Held> + '_ {
        let batchers = self.batchers.iter().map(|batcher| batcher.held());
        batchers.chain(self.groupers.iter().map(|grouper| grouper.held()))
    }
}

impl Generation {
    /// All pipelines, each once.
    fn pipelines(&self) -> Vec<&Arc<Pipeline>> {
        let inlets = self.inlets.values().flatten().flatten();
        let of_inlets = inlets.flat_map(|inlet| &inlet.pipelines);
        // Those too that nothing but new records come to.
        let mut found: Vec<&Arc<Pipeline>> = of_inlets.chain(self.exits.pipelines.values()).collect();
        let mut pipelines: Vec<&Arc<Pipeline>> = Vec::with_capacity(found.len());
        while let Some(pipeline) = found.pop() {
            if !pipelines.iter().any(|seen| Arc::ptr_eq(seen, pipeline)) {
                found.extend(pipeline.next());
                pipelines.push(pipeline);
            }
        }
        pipelines
    }

    /// Where rows wait, each once.
    fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        // Each is of one pipeline.
        for pipeline in self.pipelines() {
            waiting.batchers.extend(pipeline.batchers().map(|(_, batcher)| Arc::clone(batcher)));
            waiting.groupers.extend(pipeline.groupers().map(|(_, grouper)| Arc::clone(grouper)));
        }
        waiting
    }

    /// What waits goes on by this generation from now on.
    fn lead(self: &Arc<Self>) {
        for pipeline in self.pipelines() {
            pipeline.batchers().for_each(|(step, batcher)| batcher.follow(self, pipeline, step + 1));
            pipeline.groupers().for_each(|(step, grouper)| grouper.follow(self, pipeline, step + 1));
        }
    }

    /// Sends what waits, and lets nothing wait any more. Returns where it waited.
    pub fn close(&self) -> Waiting {
        let waiting = self.waiting();
        waiting.close();
        waiting
    }
}

impl Generations {
    pub fn new(first: Arc<Generation>) -> Generations {
        first.lead();
        Generations { current: RwLock::new(first) }
    }

    /// Pins the current generation for as long as the caller keeps it.
    pub fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read())
    }

    /// From now on batches take `next`, those that wait in a batcher or grouper included. What waits in one that `next` has not goes on by
    /// the old one.
    pub fn publish(&self, next: Arc<Generation>) {
        next.lead();
        let old = std::mem::replace(&mut *self.current.write(), Arc::clone(&next));
        let (mut gone, next) = (old.waiting(), next.waiting());
        gone.batchers.retain(|batcher| !next.batchers.iter().any(|next| Arc::ptr_eq(next, batcher)));
        gone.groupers.retain(|grouper| !next.groupers.iter().any(|next| Arc::ptr_eq(next, grouper)));
        gone.close();
    }
}
