//! Whole engines in this process: clients in front, backends behind, everything on loopback.
//!
//! What each file guards is in its first lines; what the tests are written in is [`language`].

mod language;

mod acks;
mod batching;
mod connectors;
mod contexts;
mod correlation;
mod data_path;
mod durable;
mod emissions;
mod faults;
mod groups;
mod jaeger;
mod loki;
mod memory;
mod operation;
mod probation;
mod prometheus;
mod queue_batching;
mod reload;
mod remote_write;
mod shadow;
mod state;
mod swap;
mod tables;
mod tap;
mod tempo;
mod traces;
