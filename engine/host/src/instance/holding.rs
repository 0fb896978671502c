//! What an instance holds: given for a successor, taken over from a predecessor.

use std::time::Instant;

use super::{Instance, Start, TICKS_ON_TASK};
use crate::FaultKind;
use crate::fault::Fault;
use crate::host::HostInner;
use crate::lane::Begin;

/// Bytes that a snapshot may have, beside the instance's memory, in which it is made: as much as an instance has by default.
const SNAPSHOT_BYTES_MAX: usize = 64 << 20;

impl Instance {
    /// Whether something is lost with it.
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// What it holds is somebody else's now, or of no use any more.
    pub fn forget(&mut self) {
        self.holds = false;
    }

    /// Asks for what it holds, as a block that nobody has looked at. The instance is as it was; `None`: it failed in a way that it cannot be
    /// called again after. Deadline: that of `init`, for both this and [`restore`](Instance::restore). A call owns all that it needs, as
    /// [`Lease::process`](super::Lease::process) does.
    pub async fn snapshot(
        mut self: Box<Self>,
        host: &HostInner,
        start: &Start,
    ) -> (Option<Box<Instance>>, Result<Vec<u8>, Fault>) {
        let ticking = host.ticker.ticking();
        let limits = &start.limits;
        let deadline_ms = limits.init_deadline_ms.get();
        let (answer_bytes_max, usual) =
            (limits.memory_bytes_max.get().min(SNAPSHOT_BYTES_MAX), limits.verdict_bytes_max.get());
        let call = async move {
            let _ticking = ticking;
            self.begin_call(deadline_ms);
            self.store.set_hostcall_fuel(answer_bytes_max);
            let answer = self.plugin.wasmill_plugin_stage().call_snapshot(&mut self.store).await;
            self.store.set_hostcall_fuel(usual);
            let snapshot = self.answer(answer);
            let survives = snapshot.as_ref().err().is_none_or(|fault| fault.kind.instance_survives());
            (survives.then_some(self), snapshot)
        };
        host.lane.run(call, Begin::OnLane).await.unwrap_or_else(|lost| (None, Err(lost.into())))
    }

    /// Gives it what a predecessor held. `Err`: it did not take it, and is gone.
    pub async fn restore(
        mut self: Box<Self>,
        host: &HostInner,
        start: &Start,
        entries: Vec<u8>,
    ) -> Result<Box<Instance>, Fault> {
        let ticking = host.ticker.ticking();
        let deadline_ms = start.limits.init_deadline_ms.get();
        let call = async move {
            let _ticking = ticking;
            self.begin_call(deadline_ms);
            let answer = self.plugin.wasmill_plugin_stage().call_restore(&mut self.store, &entries).await;
            self.answer(answer)?;
            self.count_memory();
            self.holds = true;
            Ok(self)
        };
        host.lane.run(call, Begin::OnLane).await.unwrap_or_else(|lost| Err(lost.into()))
    }

    fn begin_call(&mut self, deadline_ms: u64) {
        self.store.data_mut().begin(Instant::now(), deadline_ms);
        self.store.set_epoch_deadline(TICKS_ON_TASK);
    }

    fn answer<T>(&self, answer: wasmtime::Result<Result<T, String>>) -> Result<T, Fault> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(reason)) => Err(Fault::new(FaultKind::Refused, reason)),
            Err(error) => Err(Fault::from_call(&error, self.store.data().memory_refused)),
        }
    }
}
