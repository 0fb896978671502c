//! The host asks an instance for what it holds from time to time, and gives it to the one that comes after a fault.
//!
//! ```text
//!  a call has ended, the interval is over ──snapshot──► kept (one for each pool) ──restore──► the instance after a fault
//! ```
//!
//! Batches wait meanwhile, as they wait for a call. A plugin that says no, or fails, goes on with what was kept before; a swap takes along what
//! instances hold, and what was kept of one that is gone.

use std::time::{Duration, Instant};

use super::{Stage, Undecided};
use crate::bindings::wasmill::plugin::host::Level;
use crate::instance::Lease;
use crate::pool::Pool;
use crate::state::Entries;

impl Stage {
    /// An instance has answered, and goes back to its pool. Whether it is to be asked for what it holds before it is called again.
    pub(super) fn answered(&self, lease: &Lease, pool: &Pool) -> bool {
        let Some(interval) = self.snapshot_interval else { return false };
        pool.kept.proved();
        lease.instance.holds() && lease.instance.asked.elapsed() >= interval
    }

    /// Asks an instance of this shard for what it holds, and gives it back.
    pub(super) async fn keep(&self, lease: Lease, shard: usize) {
        let pool = self.pool_of(shard);
        let Lease { instance, permit } = lease;
        let (left, snapshot) = instance.snapshot(&self.host, &pool.start).await;
        match snapshot.and_then(Entries::whole) {
            Ok(entries) => pool.kept.set(entries),
            Err(fault) => {
                self.stats.faulted(&fault);
                self.faults.write(Level::Warn, &format!("`snapshot` failed: {fault}"));
                *self.last_fault.lock() = Some(fault);
            }
        }
        if let Some(mut left) = left {
            left.asked = Instant::now();
            pool.put(left);
        }
        // Not before the instance is there: whoever waits for it would make another.
        drop(permit);
    }

    /// A new instance, with what the one before it held when it was last asked.
    pub(super) async fn with_kept(&self, lease: Lease, pool: &Pool) -> Result<Lease, Undecided> {
        let Some(kept) = pool.kept.give() else { return Ok(lease) };
        let Lease { instance, permit } = lease;
        let restored = instance.restore(&self.host, &pool.start, kept.entries.clone()).await;
        let instance = restored.map_err(|fault| {
            // It took what it gave itself, or never will.
            pool.kept.clear();
            Undecided::Fault(fault)
        })?;
        self.stats.restored();
        let age_ms = u64::try_from(kept.age().as_millis()).unwrap_or(u64::MAX);
        self.faults
            .write(Level::Warn, &format!("an instance is gone; the next one holds what it held {age_ms} ms ago"));
        Ok(Lease { instance, permit })
    }
}

/// What an interval is where a plugin cannot be asked: none.
pub(super) fn interval(asked: Option<Duration>, snapshots: bool, name: &str) -> Option<Duration> {
    if asked.is_some() && !snapshots {
        tracing::warn!(stage = name, "`state::snapshot_interval` has no effect: the plugin does not use `snapshot`");
    }
    asked.filter(|_| snapshots)
}
