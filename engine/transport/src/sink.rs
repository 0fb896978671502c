//! Where a server hands requests to, and what comes back.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use wasmill_batch::{Refusal, RequestContext};
use wasmill_wire::Signal;

use crate::Accepted;

/// How a request was written, and its answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `application/x-protobuf`, and what gRPC carries.
    Protobuf,
    /// `application/json`.
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
    /// How it came.
    pub content: ContentType,
    /// The request's message, protobuf in any case. It owns its part of the process's [`Budget`](crate::Budget), which goes back when the last
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

/// Who sent a request.
pub(crate) struct Client {
    /// `None`: over a Unix socket.
    pub peer: Option<SocketAddr>,
    /// As the server's authenticator knows it.
    pub identity: Option<String>,
}

/// What a request's head says of who sent it. A header that is not text is left out.
pub(crate) fn context(
    headers: &HeaderMap,
    from: Client,
    deadline: Option<Instant>,
    include_metadata: bool,
) -> RequestContext {
    let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let metadata = if include_metadata {
        let all = headers.iter();
        all.filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect()
    } else {
        Vec::new()
    };
    RequestContext {
        metadata,
        peer: from.peer,
        identity: from.identity,
        trace_parent: headers.get("traceparent").and_then(text),
        trace: None,
        deadline: deadline.map(Instant::into_std),
    }
}
