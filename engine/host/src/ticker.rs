//! The clock of deadlines: a thread that advances the engine's epoch while guests run.
//!
//! A compiled guest looks at the epoch at each loop and function entry; that costs it next to nothing, and is why a busy loop
//! cannot escape. The thread sleeps for good when no guest has been called for a while, so that an idle gateway does not wake
//! a thousand times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

use crate::lane::Busy;

/// The time between two ticks: what a deadline and the giving way of a long call are precise to, but that a call's first tick may be
/// [`TICK_BETWEEN_CALLS`] away.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The same after a tick at which no guest ran: calls take microseconds, and a thread that wakes a thousand times a second takes two
/// to three percent of a busy gateway.
const TICK_BETWEEN_CALLS: Duration = Duration::from_millis(4);

/// The same while a call runs on the lane: how long it may hold up a thread of others on its processor.
const TICK_OF_LANE: Duration = Duration::from_micros(200);

/// Ticks without a call after which the thread sleeps: waking it costs a call some microseconds, so not after each.
const IDLE_TICKS: u32 = 200;

#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    /// Calls that were started, ever.
    started: AtomicU64,
    ended: AtomicU64,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// While this lives, the epoch advances.
#[derive(Debug)]
pub(crate) struct Ticking(Arc<Shared>);

impl Ticker {
    pub fn start(engine: &Engine, lane: Busy) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared::default());
        let (engine, of_thread) = (engine.weak(), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("wasmill-ticker".to_owned())
            .stack_size(64 << 10)
            .spawn(move || tick(&engine, &of_thread, &lane))?
            .thread()
            .clone();
        Ok(Ticker { shared, thread })
    }

    /// A call begins.
    pub fn ticking(&self) -> Ticking {
        // Sequentially consistent with the thread's going to sleep: either it sees this call, or this sees it asleep.
        self.shared.started.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(Arc::clone(&self.shared))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn tick(engine: &EngineWeak, shared: &Shared, lane: &Busy) {
    let mut seen = 0;
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        let started = shared.started.load(Ordering::SeqCst);
        let runs = shared.ended.load(Ordering::SeqCst) != started;
        if started != seen || runs {
            (seen, idle) = (started, 0);
        } else if idle < IDLE_TICKS {
            idle += 1;
        } else {
            shared.asleep.store(true, Ordering::SeqCst);
            if shared.started.load(Ordering::SeqCst) == seen && !shared.stop.load(Ordering::SeqCst) {
                thread::park();
            }
            shared.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
        thread::sleep(if lane.is_busy() {
            TICK_OF_LANE
        } else if runs {
            TICK
        } else {
            TICK_BETWEEN_CALLS
        });
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
