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
use crate::pipeline::{Inlet, Pipeline};

/// What a receiver hands a signal to.
pub type Inlets = HashMap<ComponentId, [Option<Inlet>; 3]>;

pub struct Generation {
    /// Ascends from 1.
    pub number: u64,
    inlets: Inlets,
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
    pub fn new(number: u64, inlets: Inlets) -> (Arc<Generation>, Ended) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Generation { number, inlets, _ended: sender }), Ended(receiver))
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

impl Generation {
    /// What waits between pipelines' steps, some more than once: each with its pipeline and the number of its step.
    fn batchers(&self) -> impl Iterator<Item = (&Arc<Pipeline>, usize, &Arc<Batcher>)> {
        let inlets = self.inlets.values().flatten().flatten();
        let mut pipelines: Vec<&Arc<Pipeline>> = inlets.flat_map(|inlet| &inlet.pipelines).collect();
        let mut seen = 0;
        while let Some(&pipeline) = pipelines.get(seen) {
            pipelines.extend(pipeline.next());
            seen += 1;
        }
        let pipelines = pipelines.into_iter();
        pipelines.flat_map(|pipeline| pipeline.batchers().map(move |(step, batcher)| (pipeline, step, batcher)))
    }

    /// What waits goes on by this generation from now on.
    fn lead(self: &Arc<Self>) {
        for (pipeline, step, batcher) in self.batchers() {
            batcher.follow(self, pipeline, step + 1);
        }
    }

    /// Sends what waits, and lets nothing wait any more. Returns those that it waited in.
    pub fn close_batchers(&self) -> Vec<Arc<Batcher>> {
        let batchers: Vec<_> = self.batchers().map(|(_, _, batcher)| Arc::clone(batcher)).collect();
        batchers.iter().for_each(|batcher| batcher.close());
        batchers
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

    /// From now on batches take `next`, those that wait in a batcher included. What waits in one that `next` has not goes on by
    /// the old one.
    pub fn publish(&self, next: Arc<Generation>) {
        next.lead();
        let old = std::mem::replace(&mut *self.current.write(), Arc::clone(&next));
        let stays = |batcher| next.batchers().any(|(_, _, next)| Arc::ptr_eq(next, batcher));
        for (_, _, batcher) in old.batchers().filter(|(_, _, batcher)| !stays(batcher)) {
            batcher.close();
        }
    }
}
