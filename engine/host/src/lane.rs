//! Where a call runs: on the task that made it, and if it lasts, on a thread where it holds up nobody.
//!
//! Most calls take microseconds: moving each to another thread would cost more than the call. A call that has not ended by its
//! second tick is moved, as it stands, to a runtime of its own, and a stage whose last call lasted has its next one begin
//! there. That runtime has a thread less than the machine has cores. Its calls give way to each other at each tick, and its threads
//! to every other thread as soon as that has something to do: see [`give_way`] and [`make_way`]. A call is never dropped before it
//! ends: its deadline ends it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};

/// Below the receivers and exporters, above what is truly in the background: a Python guest is slow and not at fault.
const LONG_CALL_NICE: i32 = 5;

/// Longer than the others' (3 ms are usual): a thread that wakes with a shorter slice does not wait for this one to end. Not much longer:
/// it is also what [`make_way`] gives up.
const LONG_CALL_SLICE_NS: u64 = 10_000_000;

thread_local! {
    /// Whether this thread is one of the lane's.
    static IS_LANE: Cell<bool> = const { Cell::new(false) };
}

/// Where a call begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begin {
    /// It is likely to end within microseconds.
    OnTask,
    /// It is likely to last.
    OnLane,
}

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
    busy: Busy,
}

/// How many calls are on the lane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicUsize>);

/// A call on the lane, while this lives.
struct OnLane(Busy);

impl Lane {
    pub fn busy(&self) -> Busy {
        self.busy.clone()
    }

    pub async fn run<F>(&self, call: F, begin: Begin) -> Result<F::Output, Lost>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let mut call = Box::pin(call);
        if begin == Begin::OnTask {
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
        }
        let on_lane = self.busy.enter();
        let call = async move {
            let _on_lane = on_lane;
            call.await
        };
        let running = match self.long.get_or_init(long_runtime) {
            Some(runtime) => runtime.spawn(call),
            // Without threads of its own (the limit of the process is reached) it shares those of the rest, giving way.
            None => tokio::spawn(call),
        };
        running.await.map_err(|error| Lost { reason: error.to_string() })
    }
}

impl Busy {
    pub fn is_busy(&self) -> bool {
        self.0.load(Relaxed) > 0
    }

    fn enter(&self) -> OnLane {
        self.0.fetch_add(1, Relaxed);
        OnLane(self.clone())
    }
}

impl Drop for OnLane {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
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
    // One core stays free of them: a thread that waits behind one is then taken over as soon as that core has nothing to do. Linux looks for
    // such threads when a core falls idle, which those with a long call never do.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("wasmill-long-call")
        .on_thread_start(|| {
            IS_LANE.set(true);
            give_way();
        })
        .build()
        .inspect_err(|error| tracing::warn!(%error, "no threads for long plugin calls"))
        .ok()
}

/// Whether the calling thread is one of the lane's.
pub(crate) fn is_here() -> bool {
    IS_LANE.get()
}

/// Lets those run that wait for the calling thread's processor. Without it they may wait for the kernel's next tick, 4 ms away: Linux
/// divides time fairly since 6.6, so that whoever has just run stands behind a thread that has not, however low its priority.
pub(crate) fn make_way() {
    std::thread::yield_now();
}

/// Makes the calling thread one that others do not wait for.
///
/// Priority alone is not enough: it divides time, and since version 6.6 Linux lets whoever runs finish its slice, so that a
/// thread of a receiver that wakes beside two looping plugins waits for milliseconds. A slice longer than the others' says that
/// this thread may be interrupted (since 6.12). Not `SCHED_IDLE`: a slow guest beside a busy pipeline would starve, and between two
/// ticks of the kernel such a thread is held up to others no less.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: all fields are numbers, of which 0 is one.
        let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
        attributes.size = size_of::<libc::sched_attr>() as u32;
        attributes.sched_policy = libc::SCHED_OTHER as u32;
        attributes.sched_nice = LONG_CALL_NICE;
        attributes.sched_runtime = LONG_CALL_SLICE_NS;
        // SAFETY: reads the structure, whose size it is told. That it may fail is fine: an older kernel takes the priority below.
        let taken = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        if taken == 0 {
            return;
        }
    }
    // SAFETY: takes three numbers. On Linux this is the calling thread's priority; that it may fail is fine.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LONG_CALL_NICE) };
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn thread_name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    /// A call that is likely to be short: it begins where it was made, and only what is left of it after its first wait moves.
    #[tokio::test]
    async fn a_call_moves_when_it_lasts() {
        let lane = Lane::default();
        let here = thread_name();
        let call = async {
            let begun = thread_name();
            tokio::task::yield_now().await;
            (begun, thread_name())
        };
        let (begun, ended) = lane.run(call, Begin::OnTask).await.unwrap();
        assert_eq!((begun, ended.as_str()), (here, "wasmill-long-call"));
    }

    /// A call that is likely to last: it holds up nothing from the start, on a thread of a lower priority.
    #[tokio::test]
    async fn a_call_can_begin_on_the_lane() {
        let lane = Lane::default();
        let call = async {
            // SAFETY: takes two numbers, and gives one.
            (thread_name(), unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) })
        };
        assert_eq!(lane.run(call, Begin::OnLane).await.unwrap(), ("wasmill-long-call".to_owned(), LONG_CALL_NICE));
    }

    /// Whoever made the call goes away: the call ends all the same.
    #[tokio::test]
    async fn a_call_on_the_lane_ends_without_its_caller() {
        let lane = Lane::default();
        let (ended, was_ended) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let call = async move {
            let _ = gone.await;
            let _ = ended.send(());
        };
        let mut running = Box::pin(lane.run(call, Begin::OnLane));
        let waker = std::task::Waker::noop();
        assert!(running.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        drop(running);
        drop(go);
        was_ended.await.expect("the call ended");
    }
}
