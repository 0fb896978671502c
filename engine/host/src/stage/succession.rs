//! An instance that outgrew its memory is replaced: linear memory never shrinks.
//!
//! Where its plugin keeps state and gives it (`snapshot`), a successor takes it over before anybody is served again; else what it held is
//! lost, and counted, and it flushes, where it says that it does.

use std::sync::Arc;

use super::Stage;
use crate::bindings::wasmill::plugin::host::Level;
use crate::fault::Fault;
use crate::host::HostInner;
use crate::instance::{Instance, Lease, Start, StartError};
use crate::pool::{Idle, Pool};
use crate::requirements::{Requirements, RequirementsError};
use crate::state::Entries;

/// What it takes to make a successor.
struct Succession {
    host: Arc<HostInner>,
    start: Arc<Start>,
    requirements: Requirements,
    idle: Idle,
}

impl Stage {
    /// Sees to the end of an instance, on a task of its own. Its right to run is given back when it, or its successor, is there or gone:
    /// whoever waits for the shard's only instance waits for that.
    pub(crate) fn retire(&self, outgrown: Lease, pool: &Pool) {
        let Lease { instance, permit } = outgrown;
        let uses = self.requirements.uses;
        if !uses.flush && !uses.snapshot {
            return;
        }
        let (host, start, faults) = (Arc::clone(&self.host), Arc::clone(&self.pool.start), Arc::clone(&self.faults));
        let flusher = self.flusher();
        let succession = uses.snapshot.then(|| Succession {
            host: Arc::clone(&host),
            start: Arc::clone(&start),
            requirements: self.requirements.clone(),
            idle: pool.idle().clone(),
        });
        tokio::spawn(async move {
            let _permit = permit;
            let left = match succession {
                None => Some(instance),
                Some(succession) => {
                    let (left, succeeded) = succession.succeed(instance).await;
                    match succeeded {
                        // What it held is its successor's to tell of.
                        Ok(()) => None,
                        Err(fault) => {
                            start.stats.faulted(&fault);
                            faults.write(
                                Level::Error,
                                &format!("an instance outgrew its memory, and what it held is lost: {fault}"),
                            );
                            left
                        }
                    }
                }
            };
            if let Some(left) = left.filter(|_| uses.flush) {
                flusher.flush(left).await;
            }
        });
    }
}

impl Succession {
    /// Gives what an instance holds to a new one. The old one comes back, unless it cannot be called again; it counts as lost when it goes
    /// where this fails.
    async fn succeed(self, old: Box<Instance>) -> (Option<Box<Instance>>, Result<(), Fault>) {
        let round = old.round;
        let (mut left, snapshot) = old.snapshot(&self.host, &self.start).await;
        let succeeded = async {
            if let Some(entries) = Entries::whole(snapshot?)? {
                let (successor, raw) = Instance::start(&self.host, &self.start).await.map_err(as_fault)?;
                // The names of routes are those that the stage was built with: they were looked at then.
                if Requirements::check(&raw, None, &self.start.tables).ok().as_ref() != Some(&self.requirements) {
                    return Err(Fault::bad_output(RequirementsError::Differs.to_string()));
                }
                let mut successor = successor.restore(&self.host, &self.start, entries).await?;
                // It is due for a tick when the old one was.
                successor.round = round;
                self.idle.put(successor);
            }
            Ok(())
        };
        let succeeded = succeeded.await;
        if let (Ok(()), Some(left)) = (&succeeded, &mut left) {
            left.forget();
        }
        (left, succeeded)
    }
}

fn as_fault(error: StartError) -> Fault {
    match error {
        StartError::Fault(fault) => fault,
        StartError::Config(reason) => Fault::bad_output(format!("{}: {reason}", RequirementsError::Differs)),
        StartError::NoRoom(reason) => Fault::bad_output(reason),
    }
}
