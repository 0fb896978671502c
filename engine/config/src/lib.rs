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

mod admin;
mod case;
mod component;
mod diagnostic;
mod expand;
mod file;
mod id;
mod known;
mod load;
mod merge;
mod nearest;
mod node;
mod origins;
mod problem;
mod reader;
mod reference;
mod running;
mod schema;
mod secret;
mod source;
mod telemetry;
mod validate;
mod values;
mod yaml;

pub use case::{Expectations, ExpectedAttributes, TestCase, load_case};
pub use diagnostic::{ConfigErrors, Diagnostic, LISTED_MAX, Severity};
pub use expand::{EXPANDED_BYTES_MAX, Environment};
pub use id::{ComponentId, PipelineId};
pub use load::{FILE_BYTES_MAX, Loaded, load, load_texts};
pub use problem::Problem;
pub use reference::{component_names, components_json, components_text, json_schema, reference};
pub use running::*;
pub use secret::Secret;
pub use yaml::{DEPTH_MAX, NODES_MAX};
