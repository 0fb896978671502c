//! The configuration: the Collector's YAML in, the gateway's running shape out, every mistake named with its place.
//!
//! ```text
//!  files ──parse──► nodes ──expand, merge──► one tree ──read──► file shape ──validate──► running shape
//!          YAML      with     ${env:NAME}     still with          typed, with             checked, complete,
//!                  positions                  positions            positions             no positions
//! ```
//!
//! Nothing stops at the first mistake: each step notes what it finds and goes on with what it understood, so that one run
//! reports all of it. Nothing here opens a port, and the gateway opens none before this is done.

mod id;
mod running;
mod secret;

pub use id::{ComponentId, PipelineId};
pub use running::*;
pub use secret::Secret;
