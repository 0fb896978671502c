//! Where a server hands requests to, and what comes back.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use wasmill_batch::{Refusal, RequestContext};
use wasmill_wire::Signal;

use crate::Accepted;

/// How a request is written. A sink is asked for what it can read before the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `application/x-protobuf`, and what gRPC carries.
    Protobuf,
    /// `application/json`. Answered 415 until there is a transcoder.
    Json,
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    /// The name in the Collector's metrics: `grpc`, `http`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
        }
    }
}

/// One request, decompressed, in one piece, not looked into.
#[derive(Debug)]
pub struct Request {
    pub signal: Signal,
    pub protocol: Protocol,
    pub content: ContentType,
    /// The request's message. It owns its part of the process's [`Budget`](crate::Budget), which goes back when the last
    /// clone or slice of it is dropped.
    pub payload: Bytes,
    /// Bytes of the body as it came, compressed or not, without gRPC's five.
    pub wire_bytes: usize,
    pub context: RequestContext,
}

/// What the sender is told. A [`Refusal`] becomes the codes of [`grpc_code`](crate::grpc_code) and
/// [`http_status`](crate::http_status).
pub type Answer = Result<Accepted, Refusal>;

/// Takes requests from a server.
pub trait Sink: Send + Sync + 'static {
    /// Takes a request. The future resolves with what the sender is told.
    ///
    /// **The future is dropped when the sender goes** (it closed its connection, or its deadline has passed). What must
    /// go on then, must run on a task of its own that `deliver` spawns; the future only awaits its result.
    fn deliver(&self, request: Request) -> impl Future<Output = Answer> + Send;

    /// A request that never came to [`deliver`](Sink::deliver), for counters: over a limit, broken, of an unknown
    /// encoding, no budget. `signal` is `None` where the path names none.
    fn refused(&self, _protocol: Protocol, _signal: Option<Signal>, _refusal: &Refusal) {}
}

impl<S: Sink> Sink for Arc<S> {
    fn deliver(&self, request: Request) -> impl Future<Output = Answer> + Send {
        S::deliver(self, request)
    }

    fn refused(&self, protocol: Protocol, signal: Option<Signal>, refusal: &Refusal) {
        S::refused(self, protocol, signal, refusal);
    }
}
