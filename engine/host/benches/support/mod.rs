//! What measurements of the host have in common: batches, and the time that they are measured in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmill_batch::{Ack, RequestContext, TelemetryBatch};
use wasmill_host::Stage;
use wasmill_wire::{Projection, Signal, WireBatch};

pub fn batch(base: &Arc<WireBatch>) -> TelemetryBatch {
    TelemetryBatch::new(Arc::clone(base), Arc::new(RequestContext::default()), Ack::unobserved())
}

/// What this thread has used of a processor.
pub fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the one value that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// These spans, with the columns that the stage asks for projected.
pub fn projected(spans: impl Iterator<Item = Vec<u8>>, stage: &Stage) -> Arc<WireBatch> {
    let scope: Vec<u8> = spans.flat_map(|span| field(2, &span)).collect();
    let request = Bytes::from(field(1, &field(2, &scope)));
    let columns = stage.columns(Signal::Traces).expect("traces").to_vec();
    let base = WireBatch::parse(Signal::Traces, request, &Projection::new(Signal::Traces, columns.clone()));
    let base = base.expect("a request");
    base.columns(&columns);
    Arc::new(base)
}

/// A field of protobuf that has a length.
pub fn field(number: u32, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![(number << 3 | 2) as u8];
    let mut len = contents.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(contents);
    out
}
