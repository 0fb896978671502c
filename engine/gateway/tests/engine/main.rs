//! Whole engines in this process: clients in front, backends behind, everything on loopback.
//!
//! What each file guards is in its first lines; what the tests are written in is [`language`].

mod language;

mod acks;
mod batching;
mod connectors;
mod contexts;
mod data_path;
mod durable;
mod emissions;
mod faults;
mod groups;
mod memory;
mod operation;
mod probation;
mod queue_batching;
mod reload;
mod shadow;
mod state;
mod swap;
mod tables;
mod tap;
