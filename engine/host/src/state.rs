//! What outlives a call: the host's store for plugins, and what instances hold themselves.
//!
//! ```text
//!  the host's       store (one for a stage's name)  ◄── get, put, add ──  any instance
//!                     └ survives swaps, reloads, faults; gone with the last stage of the name
//!
//!  an instance's    scope `single`: one instance      ──snapshot──► entries ──restore──► the new plugin's
//!                   scope `keyed`:  one for a shard                  (by shard)         or the next one's, after a fault
//! ```
//!
//! The store is for whoever can use it: nothing has to be carried over. What an instance holds is carried by the plugin's own words
//! (`stage/hand_over.rs`, `stage/keeping.rs`), or lost and counted.

mod calls;
mod cells;
mod entries;
mod kept;
mod shards;
mod shelf;
mod store;
mod view;

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::bindings::wasmill::plugin::types::Failure;

pub(crate) use entries::Entries;
pub(crate) use kept::{Kept, Snapshot};
pub(crate) use shards::{Cut, cut};
pub use store::StateSize;
pub(crate) use store::{Store, Stores};
pub(crate) use view::View;

/// Bounds of what the host keeps for a stage, and how what its instances hold is divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateSettings {
    /// Bytes of keys and values, with 144 for each key besides: what an entry costs in memory.
    pub bytes_max: usize,
    pub keys_max: usize,
    /// Of scope `keyed`: instances that the values of the path are divided among. `None`: as many as the stage may have instances.
    pub shards: Option<NonZeroUsize>,
    /// How often instances are asked for what they hold, where their plugin uses `snapshot`. `None`: never but for a swap, and a fault
    /// loses all of it.
    pub snapshot_interval: Option<Duration>,
}

impl StateSettings {
    /// As much as an instance may have: the counters of some hundred thousand services or users.
    pub const BYTES_MAX: usize = 64 << 20;
    /// Where values are large, bytes are the bound; where they are small, this keeps a walk over all keys below a second.
    pub const KEYS_MAX: usize = 1_000_000;
}

impl Default for StateSettings {
    fn default() -> Self {
        StateSettings { bytes_max: Self::BYTES_MAX, keys_max: Self::KEYS_MAX, shards: None, snapshot_interval: None }
    }
}

/// What a stage's instances may do with state, once it is known: after the first of them has answered `init`.
#[derive(Debug, Default)]
pub(crate) struct Granted(OnceLock<Grant>);

#[derive(Debug)]
struct Grant {
    /// `None`: the plugin did not say that it uses `state`.
    view: Option<View>,
    /// Whether instances hold what must not be forgotten in silence.
    stateful: bool,
}

impl Granted {
    pub fn set(&self, view: Option<View>, stateful: bool) {
        // Set once, by whoever builds the stage.
        let _ = self.0.set(Grant { view, stateful });
    }

    pub fn is_stateful(&self) -> bool {
        self.0.get().is_some_and(|grant| grant.stateful)
    }

    /// `None`: the host keeps nothing for this plugin.
    pub fn size(&self) -> Option<StateSize> {
        Some(self.0.get()?.view.as_ref()?.size())
    }
}

/// An instance's way to the store.
#[derive(Debug, Default)]
pub(crate) struct Access {
    granted: Option<Arc<Granted>>,
    /// `init` is over: all instances find the same there, nothing.
    begun: bool,
    /// Bytes that an answer may have.
    answer_bytes_max: usize,
}

impl Access {
    pub fn new(granted: &Arc<Granted>, answer_bytes_max: usize) -> Access {
        Access { granted: Some(Arc::clone(granted)), begun: false, answer_bytes_max }
    }

    pub fn begin(&mut self) {
        self.begun = true;
    }

    fn view(&self) -> Result<&View, Failure> {
        let granted = self.granted.as_ref().filter(|_| self.begun);
        let grant = granted.and_then(|granted| granted.0.get()).ok_or(Failure::Unavailable)?;
        grant.view.as_ref().ok_or(Failure::Denied)
    }
}
