//! What waits between a pipeline and an exporter.
//!
//! A queue is *append, lease, ack*: what is appended is the queue's duty, a lease lends it to a consumer, and only the lease's ack
//! lets go of it. A lease that ends without one (its consumer was cancelled, or panicked) puts what it held back where it was.
//! [`MemoryQueue`] and [`DurableQueue`] differ in what they promise, and say so in the outcome that they resolve a batch's ack
//! with.
//!
//! ```text
//!  pipeline ──append──► [ b ][ b ][ b ] ──lease──► consumer ──ack──► gone
//!               │             ▲                        │
//!            the sender       └────── dropped ─────────┘
//!            is answered
//! ```
//!
//! What is held is counted from append to ack, so that a queue's size bounds all of it, being sent or not.

mod durable;
mod envelope;
mod memory;

use std::future::Future;
use std::sync::Arc;

use wasmill_batch::TelemetryBatch;
use wasmill_config::Sizer;

use crate::exporter::Request;
use crate::outlet::Delivered;

pub use durable::{DurableQueue, WeakDurableQueue};
pub use memory::MemoryQueue;

/// A bounded, ordered store of batches.
pub trait Queue: Clone + Send + Sync + 'static {
    type Lease: Lease;

    /// Takes over a batch. Its ack is resolved with what this queue promises, now or when it is kept. Does not wait for room.
    fn append(&self, batch: TelemetryBatch) -> impl Future<Output = Result<(), Rejected>> + Send;

    /// Resolves when there may be room again for what was rejected, or when the queue is closed. May resolve for nothing.
    fn room(&self, rejected: &RejectedReason) -> impl Future<Output = ()> + Send;

    /// The oldest that nobody has. Waits for one; `None` when the queue is closed and empty.
    fn lease(&self) -> impl Future<Output = Option<Self::Lease>> + Send;

    /// What it holds now, leased or not.
    fn held(&self) -> Held;
}

/// A batch on loan. Dropped without [`ack`](Lease::ack), it goes back to the head of the queue.
pub trait Lease: Send + 'static {
    fn content(&self) -> Content<'_>;

    /// It is delivered, or given up: the queue forgets it, and tells who still waits.
    fn ack(self, delivered: impl Into<Delivered>);
}

/// What a queue gives back.
pub enum Content<'a> {
    Batch(&'a TelemetryBatch),
    /// As it came from a disk: not looked into.
    Encoded(&'a Request),
}

impl<'a> Content<'a> {
    pub fn batch(&self) -> Option<&'a TelemetryBatch> {
        match self {
            Content::Batch(batch) => Some(batch),
            Content::Encoded(_) => None,
        }
    }

    pub fn rows(&self) -> u64 {
        match self {
            Content::Batch(batch) => batch.selection().count() as u64,
            Content::Encoded(request) => request.rows,
        }
    }
}

/// How much a queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub size_max: u64,
    pub sizer: Sizer,
}

/// A batch that a queue did not take, its ack unresolved.
pub struct Rejected {
    pub batch: TelemetryBatch,
    pub reason: RejectedReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectedReason {
    /// There will be room when something is acked.
    Full,
    /// It alone is more than the queue may ever hold.
    TooLarge,
    /// The disk does not take it now: why.
    Disk(Arc<str>),
    /// There will never be room again.
    Closed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub requests: usize,
    pub rows: u64,
    /// In memory: buffers, indexes and columns that the batches keep, those that they share with others included.
    pub retained_bytes: usize,
    /// On disk: of the requests alone.
    pub disk_bytes: u64,
}

impl Held {
    /// In the unit of a queue's size.
    pub fn size(&self, sizer: Sizer) -> u64 {
        match sizer {
            Sizer::Requests => self.requests as u64,
            Sizer::Items => self.rows,
            Sizer::Bytes => self.retained_bytes as u64 + self.disk_bytes,
        }
    }

    pub fn add(&mut self, other: Held) {
        self.requests += other.requests;
        self.rows += other.rows;
        self.retained_bytes += other.retained_bytes;
        self.disk_bytes += other.disk_bytes;
    }

    fn remove(&mut self, other: Held) {
        self.requests -= other.requests;
        self.rows -= other.rows;
        self.retained_bytes -= other.retained_bytes;
        self.disk_bytes -= other.disk_bytes;
    }
}

impl Capacity {
    /// Whether `more` fits beside what is held.
    fn check(&self, held: Held, more: Held) -> Result<(), RejectedReason> {
        let size = more.size(self.sizer);
        if size > self.size_max {
            return Err(RejectedReason::TooLarge);
        }
        if held.size(self.sizer) + size > self.size_max { Err(RejectedReason::Full) } else { Ok(()) }
    }

    fn has_room(&self, held: Held) -> bool {
        held.size(self.sizer) < self.size_max
    }
}

#[cfg(test)]
mod tests;
