//! Spans as Jaeger takes them: batches in Thrift, from OTLP as it came.
//!
//! Jaeger's collector takes one `Batch` of `jaeger.thrift` in one POST: a process, and spans of it, in Thrift's binary protocol. A request
//! of OTLP has any number of resources, each of which is a process there; [`encode`] makes the batches, bounded in bytes, straight from the
//! wire bytes into their buffers.
//!
//! ```text
//!  resource ──► process ─┬─► batch of at most so many bytes ──► POST
//!  resource (the same) ──┘   batch …                        ──► POST
//!  resource (another)  ────► batch                          ──► POST
//! ```
//!
//! Equal resources are one process: after a batcher, a request has as many resources as there were requests, mostly of few services, and
//! Jaeger should not get a batch for each.
//!
//! What becomes what is the specification's "OpenTelemetry to Jaeger Transformation", and for what it does not name "Transformation to
//! non-OTLP Formats". Each rule stands where it is applied, in `span.rs`, `tag.rs` and `process.rs`. Where the specification leaves open
//! what to do with what Jaeger has no place for, it is kept as a tag or a log, unless that says nothing to anybody who looks at a trace.

mod batch;
mod process;
mod span;
mod tag;
mod thrift;

pub use batch::{Batch, Encoded, LeftOut, encode};
