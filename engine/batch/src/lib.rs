//! What flows from a receiver to the exporters: [`TelemetryBatch`], with the [`RequestContext`] that it came with and the
//! [`Ack`] that its sender waits for.

mod ack;
mod batch;
mod context;
mod merge;
mod outcome;
mod retained;

pub use ack::{Ack, Acked};
pub use batch::{GatherReason, Gathered, ROUTE_DEFAULT, Routes, TelemetryBatch};
pub use context::{RequestContext, TraceContext};
pub use merge::MergeInput;
pub use outcome::{Outcome, Refusal, RefusalKind};
pub use retained::retained_bytes;
