//! The gateway's own process under a model: sequences of what can happen to it, drawn from a number, and a few rules for what may come
//! out. A failure prints the number; `WASMILL_MODEL_SEED=NUMBER` runs the same sequence again.
//!
//! The rules, for every span by its id:
//!
//! 1. **Acknowledged is delivered**, but for what the backend refused for good, and, where the queue is in memory, for what was in it
//!    when the process was killed.
//! 2. **Nothing arrives that was not sent**, whatever its sender was told.
//! 3. **Twice only with a reason**: between the two there was a kill, or the backend went away.
//! 4. **One stamp**: each span was decided by exactly one build of the plugin, and one that had been put in place.
//!
//! And in the end, with everything up, the gateway takes and delivers.

#[path = "model/backend.rs"]
mod backend;
#[path = "model/world.rs"]
mod world;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use world::{Promise, World};

/// Sequences for each promise; `WASMILL_MODEL_RUNS` sets others.
const RUNS: u64 = 2;
/// Steps of a sequence.
const STEPS: usize = 25;

/// xorshift64*.
pub struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        // Neighbouring seeds are to begin differently, and none may be 0.
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }
}

fn sequences(promise: Promise) -> Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let given = number("WASMILL_MODEL_SEED");
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let runs = if given.is_some() { 1 } else { number("WASMILL_MODEL_RUNS").unwrap_or(RUNS) };
    for run in 0..runs {
        let seed = given.unwrap_or(now.wrapping_add(run));
        println!("WASMILL_MODEL_SEED={seed}");
        let mut world = World::start(promise)?;
        let mut random = Random::new(seed);
        let outcome = (0..STEPS).try_for_each(|_| world.step(&mut random)).and_then(|()| world.end());
        let told = world.told();
        outcome.with_context(|| format!("WASMILL_MODEL_SEED={seed}, {promise:?}:\n{told}"))?;
        println!("{told}");
    }
    Ok(())
}

#[test]
fn with_a_queue_in_memory() -> Result<()> {
    sequences(Promise::Memory)
}

#[test]
fn with_a_queue_on_disk() -> Result<()> {
    sequences(Promise::Disk)
}

#[test]
fn without_a_queue() -> Result<()> {
    sequences(Promise::Delivered)
}
