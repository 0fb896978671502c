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

use crate::pipeline::Inlet;

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

impl Generations {
    pub fn new(first: Arc<Generation>) -> Generations {
        Generations { current: RwLock::new(first) }
    }

    /// Pins the current generation for as long as the caller keeps it.
    pub fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read())
    }

    /// From now on batches take `next`.
    pub fn publish(&self, next: Arc<Generation>) {
        *self.current.write() = next;
    }
}
