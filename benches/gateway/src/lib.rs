//! Parts of the load generator: what it sends, what arrives, and what the engine under test spends meanwhile.
//!
//! Two programs, each a process of its own, so that the system accounts for them apart:
//!
//! ```text
//!  load: generator ──gRPC──► engine under test ──gRPC──► load: sink
//!          ids out            │ /proc/PID/stat              ids in
//! ```
//!
//! `soak`, `overload` and `stalled` are a gateway and what is around it, for a while: does anything grow, and what is refused.
//!
//! `scrape` makes very many series in an engine, and reads them.
//!
//! `relay` is a baseline for the engine: it takes requests and passes them on as bytes. `load` is both ends, so that it
//! knows of every record whether it was sent, acknowledged, and delivered, how often.

pub mod control_group;
pub mod grpc;
pub mod latency;
pub mod load;
pub mod overload;
pub mod process;
pub mod records;
pub mod scrape;
pub mod seen;
pub mod soak;
pub mod stalled;
