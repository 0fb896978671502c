//! Where a call runs: on the task that made it, and if it lasts, on a thread where it holds up nobody.
//!
//! Most calls take microseconds: moving each to another thread would cost more than the call. A call that has not ended by its
//! second tick is moved, as it stands, to a runtime of its own, with as many threads as the machine has cores and a lower
//! priority than the rest, so that a plugin that loops takes what others leave. There it gives way at each tick, so
//! that long calls share these threads. It is never dropped before it ends: its deadline ends it.

use std::future::{Future, poll_fn};
use std::sync::OnceLock;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};

/// Below the receivers and exporters, above what is truly in the background: a Python guest is slow and not at fault.
const LONG_CALL_NICE: i32 = 5;

/// A call that did not come back: the process is ending, or the host failed in it.
#[derive(Debug, thiserror::Error)]
#[error("the call was lost: {reason}")]
pub(crate) struct Lost {
    reason: String,
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Made when the first call lasts: most gateways never need it.
    long: OnceLock<Option<Runtime>>,
}

impl Lane {
    pub async fn run<F>(&self, call: F) -> Result<F::Output, Lost>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let mut call = Box::pin(call);
        // Polled once and moved without an await between: dropping what this returns cannot drop a call that runs.
        let first = poll_fn(|cx| {
            Poll::Ready(match call.as_mut().poll(cx) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        });
        if let Some(output) = first.await {
            return Ok(output);
        }
        let running = match self.long.get_or_init(long_runtime) {
            Some(runtime) => runtime.spawn(call),
            // Without threads of its own (the limit of the process is reached) it shares those of the rest, giving way.
            None => tokio::spawn(call),
        };
        running.await.map_err(|error| Lost { reason: error.to_string() })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.long.take() {
            // Dropping a runtime waits for its threads, which asynchronous code may not.
            runtime.shutdown_background();
        }
    }
}

fn long_runtime() -> Option<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("wasmill-long-call")
        .on_thread_start(|| {
            // SAFETY: takes three numbers. On Linux this is the calling thread's priority; that it may fail is fine.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LONG_CALL_NICE) };
        })
        .build()
        .inspect_err(|error| tracing::warn!(%error, "no threads for long plugin calls"))
        .ok()
}
