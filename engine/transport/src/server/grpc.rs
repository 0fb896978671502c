//! OTLP/gRPC: one unary call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_wire::Signal;

use super::connection::Service;
use super::reply;
use crate::auth::ServerAuth;
use crate::encoding::Encoding;
use crate::framing::{self, UnaryBody};
use crate::intake::{Terms, open, take_message};
use crate::settings::GrpcServerSettings;
use crate::sink::{Client, context};
use crate::{Budget, ContentType, Protocol, Sink};

pub(super) struct GrpcService<S> {
    settings: GrpcServerSettings,
    auth: Option<ServerAuth>,
    budget: Arc<Budget>,
    sink: Arc<S>,
}

impl<S: Sink> GrpcService<S> {
    pub fn new(settings: GrpcServerSettings, auth: Option<ServerAuth>, budget: Arc<Budget>, sink: Arc<S>) -> Arc<Self> {
        Arc::new(GrpcService { settings, auth, budget, sink })
    }

    /// A call to a method of ours, whose encoding is known.
    async fn call(
        &self,
        signal: Signal,
        encoding: Encoding,
        from: Client,
        request: Request<Incoming>,
    ) -> Result<Response<UnaryBody>, Refusal> {
        let start = Instant::now();
        let (head, body) = request.into_parts();
        let deadline = match timeout(&head.headers)? {
            Some(timeout) => start.checked_add(timeout),
            None => None,
        };
        let read_by = start + self.settings.read_timeout;
        let read_by = deadline.map_or(read_by, |deadline| deadline.min(read_by));
        let terms = Terms { encoding, bytes_max: self.settings.request_bytes_max, permit: self.budget.permit() };
        let taken = timeout_at(read_by, take_message(body, terms))
            .await
            .map_err(|_| Refusal::new(RefusalKind::DeadlineExceeded, "the request did not arrive in time"))?
            .map_err(|error| error.refusal())?;
        let request = crate::Request {
            signal,
            protocol: Protocol::Grpc,
            content: ContentType::Protobuf,
            payload: taken.payload,
            wire_bytes: taken.wire_bytes,
            context: context(&head.headers, from, deadline, self.settings.include_metadata),
        };
        let answer = self.sink.deliver(request);
        let answer = match deadline {
            Some(deadline) => timeout_at(deadline, answer).await.unwrap_or_else(|_| {
                Err(Refusal::new(RefusalKind::DeadlineExceeded, "the request was not handled by its deadline"))
            }),
            None => answer.await,
        };
        Ok(match answer {
            Ok(accepted) => reply::grpc_accepted(&accepted),
            // The sink knows of its own refusals.
            Err(refusal) => reply::grpc_refused(&refusal),
        })
    }
}

impl<S: Sink> Service for GrpcService<S> {
    type Body = UnaryBody;

    async fn handle(&self, request: Request<Incoming>, peer: Option<SocketAddr>) -> Response<UnaryBody> {
        if request.method() != Method::POST {
            return reply::not_grpc(StatusCode::METHOD_NOT_ALLOWED);
        }
        if !framing::is_grpc(request.headers().get(CONTENT_TYPE)) {
            return reply::not_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let signal = framing::signal(request.uri().path());
        // Held until it is answered. First, because an authenticator may take its time.
        let _open = match open(&request, &self.budget) {
            Ok(open) => open,
            Err(error) => {
                let refusal = error.refusal();
                self.sink.refused(Protocol::Grpc, signal, &refusal);
                return reply::grpc_refused(&refusal);
            }
        };
        let identity = match &self.auth {
            Some(auth) => auth.check(request.headers()).await,
            None => Ok(None),
        };
        let identity = match identity {
            Ok(identity) => identity,
            Err(refusal) => {
                self.sink.refused(Protocol::Grpc, signal, &refusal);
                return reply::grpc_refused(&refusal);
            }
        };
        let Some(signal) = signal else {
            return reply::grpc_unimplemented(format!("there is no method `{}`", request.uri().path()));
        };
        let name = request.headers().get(framing::GRPC_ENCODING);
        let encoding = match Encoding::parse(name.map(|name| name.as_bytes())) {
            Some(encoding @ (Encoding::Identity | Encoding::Gzip | Encoding::Zstd)) => encoding,
            _ => return reply::grpc_unimplemented(format!("`grpc-encoding` is {name:?}, expected gzip or zstd")),
        };
        match self.call(signal, encoding, Client { peer, identity }, request).await {
            Ok(response) => response,
            Err(refusal) => {
                self.sink.refused(Protocol::Grpc, Some(signal), &refusal);
                reply::grpc_refused(&refusal)
            }
        }
    }
}

/// The caller's timeout.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let Some(value) = headers.get(framing::GRPC_TIMEOUT) else { return Ok(None) };
    let malformed = || Refusal::new(RefusalKind::Invalid, format!("`grpc-timeout` is {value:?}, which is none"));
    framing::parse_timeout(value).ok_or_else(malformed).map(Some)
}
