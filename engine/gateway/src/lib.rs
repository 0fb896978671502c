//! The gateway: what puts receivers, plugins and exporters together and keeps them running.
//!
//! In the order in which data moves: [`receiver`], [`pipeline`] (the data path on one page), [`batcher`], [`outlet`] with its
//! [`queue`] and [`retry`], [`exporter`]; what plugins make of it goes by [`emissions`]. Around it: [`build`] makes pipelines of a configuration, [`generation`] is what a batch is run by,
//! [`memory_limiter`] refuses what
//! would be too much, [`engine`] starts, swaps, reloads and ends all of it, [`telemetry`] tells of it, and by
//! the socket of [`admin`] its operator asks and changes it, and looks at what goes through with [`tap`].

pub mod ack_point;
pub mod admin;
pub mod admission;
pub mod allocator;
mod auth;
pub mod batcher;
pub mod build;
pub mod cli;
pub mod emissions;
pub mod engine;
pub mod exporter;
pub mod generation;
pub mod grouper;
pub mod memory_limiter;
pub mod outlet;
pub mod pipeline;
pub mod queue;
pub mod receiver;
pub mod retry;
mod sender;
pub mod tap;
pub mod telemetry;
mod timestamp;
mod tls;
pub mod watch;
mod way;
