//! Telemetry in files, through the gateway's own process: what it writes, on disks that are full too, and what it reads.

#[path = "../engine/wire/tests/requests/mod.rs"]
mod requests;

#[path = "../engine/archive/tests/rows/expected.rs"]
mod archived;

#[path = "files/archive.rs"]
mod archive;

#[path = "files/exporter.rs"]
mod exporter;

#[path = "files/receiver.rs"]
mod receiver;
