//! How a request lies in a log: what is known of it, as JSON, and its bytes as they are sent.
//!
//! ```text
//! 0 length of the context u32, little-endian | 4 context | request
//! ```
//!
//! JSON, because it is short, is read by people who look at a segment, and lets fields be added. Nothing of the request is looked
//! into, neither on its way in nor out.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};
use wasmill_batch::{RequestContext, TraceContext};
use wasmill_wire::Signal;

use crate::exporter::Request;

/// What is kept of a [`RequestContext`]. When its sender stops waiting is of no use later.
#[derive(Serialize, Deserialize)]
struct Context {
    signal: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_parent: Option<String>,
    /// The gateway's own span, written as a `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

/// The parts of a record's payload.
pub fn seal(signal: Signal, context: &RequestContext, body: Bytes) -> Vec<Bytes> {
    let context = Context {
        signal: signal.name().to_owned(),
        metadata: context.metadata.clone(),
        peer: context.peer,
        identity: context.identity.clone(),
        trace_parent: context.trace_parent.clone(),
        trace: context.trace.map(|trace| trace.to_string()),
    };
    // Texts and an address always make JSON.
    let context = serde_json::to_vec(&context).unwrap_or_default();
    let len = (context.len() as u32).to_le_bytes();
    vec![[len.as_slice(), &context].concat().into(), body]
}

/// `None`: it was not sealed by this version, or for another signal.
pub fn open(signal: Signal, rows: u64, mut payload: Bytes) -> Option<Request> {
    let len = payload.try_get_u32_le().ok()? as usize;
    let context: Context = serde_json::from_slice(payload.get(..len)?).ok()?;
    if context.signal != signal.name() {
        return None;
    }
    let body = payload.split_off(len);
    let context = RequestContext {
        metadata: context.metadata,
        peer: context.peer,
        identity: context.identity,
        trace_parent: context.trace_parent,
        trace: context.trace.and_then(|trace| Some(TraceContext::read(&trace)?.0)),
        ..RequestContext::default()
    };
    Some(Request::new(signal, rows, body, Arc::new(context)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request goes through the disk: everything that a backend could be told of it is there again.
    #[test]
    fn what_is_sealed_is_opened() {
        let context = RequestContext {
            metadata: vec![("tenant".to_owned(), "a".to_owned()), ("tenant".to_owned(), "ü".to_owned())],
            peer: Some("[::1]:4317".parse().unwrap()),
            identity: Some("someone".to_owned()),
            trace_parent: Some("00-1-2-01".to_owned()),
            trace: Some(TraceContext { trace_id: [7; 16], span_id: [8; 8] }),
            ..RequestContext::default()
        };
        let payload: Bytes = seal(Signal::Logs, &context, Bytes::from_static(b"body")).concat().into();
        let request = open(Signal::Logs, 3, payload.clone()).unwrap();
        assert_eq!((request.rows, &*request.body.into_bytes()), (3, b"body".as_slice()));
        assert_eq!(format!("{:?}", request.context), format!("{context:?}"));
        assert!(open(Signal::Traces, 3, payload.clone()).is_none(), "another signal's");
        assert!(open(Signal::Logs, 3, payload.slice(..9)).is_none(), "cut");
        assert!(open(Signal::Logs, 3, Bytes::from_static(&[255; 8])).is_none(), "a length beyond the end");
    }
}
