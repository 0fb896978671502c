//! The host side of the plugin contract (`wit/plugin.wit`): load, instantiate, call, check.
//!
//! ```text
//!  bytes ──Host::load──► Plugin ──Stage::build──► Stage ──process──► rows kept, routes, edits
//!          check, compile          init, check      │   └─process, tick, flush──► new records
//!          in a child, cache       what it wants    └─ instances, slices, deadlines, verdicts, faults
//! ```
//!
//! A guest is never trusted: each call has a deadline, each instance a memory limit, each answer is checked to the last
//! offset before anything of it is used, and whatever goes wrong is a [`Fault`] that the stage's [`OnFault`] decides about.
//! Nothing that a guest does panics, blocks or grows the host.

mod bindings;
mod breaker;
mod by_value;
mod cache;
mod check;
mod compile;
mod content;
mod deadline;
mod emission;
mod emitting;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gather;
mod groups;
mod guest;
mod host;
mod inspect;
mod instance;
mod lane;
mod limits;
mod load;
mod log;
mod metrics;
mod output;
mod pool;
mod preview1;
mod requirements;
mod shadow;
mod slice;
mod stage;
mod state;
mod stats;
mod tables;
mod ticker;
mod ticks;
mod values;
mod verdict;
mod wasi;

pub use breaker::{BreakerSettings, BreakerState};
pub use compile::{Compile, CompileCommand, CompileError, compile_child_main};
pub use emitting::{EmissionSink, Emitted, Losses};
pub use fault::{FAULT_MESSAGE_BYTES_MAX, Fault, FaultKind, OnFault};
pub use groups::{GroupBy, GroupByError};
pub use host::{Host, HostConfig, HostError};
pub use inspect::{Inspection, Wants, WantsColumn, WantsSignal};
pub use limits::{COLUMN_BYTES_MAX, Limits, MEMORY_BYTES_MAX, ROWS_MAX};
pub use load::{CONTRACT_VERSION, LoadError, Plugin};
pub use metrics::{GuestMetrics, MetricKind, MetricSample, MetricValue};
pub use requirements::{Input, Requirements, RequirementsError, Scope, Uses};
pub use shadow::{Shadow, ShadowReport, Shadowing};
pub use stage::{BuildError, HandOver, HandOverError, OnLostState, Stage, StageSpec};
pub use state::{StateSettings, StateSize};
pub use stats::{CALL_DURATION_BOUNDS_NS, StageStats, StageStatsSnapshot};
