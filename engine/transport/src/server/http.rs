//! OTLP/HTTP: one POST.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_wire::Signal;

use super::connection::Service;
use super::cors;
use super::reply::{self, HttpBody};
use crate::auth::ServerAuth;
use crate::encoding::Encoding;
use crate::intake::{Taken, Terms, open, take_body};
use crate::json;
use crate::settings::{HttpServerSettings, REQUEST_BYTES_MAX};
use crate::sink::{Client, context};
use crate::{Budget, ContentType, Protocol, Sink};

/// What is read and thrown away of a body that was refused, so that its sender, who may write it all before it reads, gets
/// to the answer: without one it would send the same again. Beyond it the connection is closed. As much as a body may have by default.
const DISCARD_BYTES_MAX: usize = REQUEST_BYTES_MAX;

/// How long that may take.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct HttpService<S> {
    settings: HttpServerSettings,
    auth: Option<ServerAuth>,
    budget: Arc<Budget>,
    sink: Arc<S>,
}

impl<S: Sink> HttpService<S> {
    pub fn new(settings: HttpServerSettings, auth: Option<ServerAuth>, budget: Arc<Budget>, sink: Arc<S>) -> Arc<Self> {
        Arc::new(HttpService { settings, auth, budget, sink })
    }

    fn signal(&self, path: &str) -> Option<Signal> {
        let HttpServerSettings { traces_url_path, metrics_url_path, logs_url_path, .. } = &self.settings;
        let paths =
            [(traces_url_path, Signal::Traces), (metrics_url_path, Signal::Metrics), (logs_url_path, Signal::Logs)];
        paths.into_iter().find(|(known, _)| *known == path).map(|(_, signal)| signal)
    }

    async fn take(&self, body: &mut Incoming, head: Head) -> Result<Taken, Refusal> {
        let Head { signal, content, encoding } = head;
        let terms = Terms { encoding, bytes_max: self.settings.request_bytes_max, permit: self.budget.permit() };
        let announced = body.size_hint().exact();
        let taken = timeout(self.settings.read_timeout, take_body(body, announced, terms))
            .await
            .map_err(|_| Refusal::new(RefusalKind::DeadlineExceeded, "the request did not arrive in time"))?;
        match (taken, content) {
            (Ok(document), ContentType::Json) => {
                json::request(signal, document, self.settings.request_bytes_max, self.budget.permit()).await
            }
            (taken, _) => taken,
        }
        .map_err(|error| error.refusal())
    }
}

impl<S: Sink> Service for HttpService<S> {
    type Body = HttpBody;

    async fn handle(&self, request: Request<Incoming>, peer: Option<SocketAddr>) -> Response<HttpBody> {
        // Before authentication: a browser asks whether it may send without saying who it is.
        let Some(cors) = &self.settings.cors else { return self.answer(request, peer).await };
        if let Some(answer) = cors::preflight(cors, request.method(), request.headers()) {
            return answer;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let mut response = self.answer(request, peer).await;
        cors::allow(cors, origin.as_ref(), response.headers_mut());
        response
    }
}

impl<S: Sink> HttpService<S> {
    async fn answer(&self, request: Request<Incoming>, peer: Option<SocketAddr>) -> Response<HttpBody> {
        // Held until it is answered. First, because an authenticator may take its time.
        let open = open(&request, &self.budget);
        let (head, mut body) = request.into_parts();
        let _open = match open {
            Ok(open) => open,
            Err(error) => {
                let refusal = error.refusal();
                self.sink.refused(Protocol::Http, self.signal(head.uri.path()), &refusal);
                discard(body, head.version);
                let content = content_type(&head.headers).unwrap_or(ContentType::Protobuf);
                return reply::http_refused(&refusal, content);
            }
        };
        let identity = match &self.auth {
            Some(auth) => auth.check(&head.headers).await.map_err(|refusal| (refusal, auth.challenge())),
            None => Ok(None),
        };
        let identity = match identity {
            Ok(identity) => identity,
            Err((refusal, challenge)) => {
                self.sink.refused(Protocol::Http, self.signal(head.uri.path()), &refusal);
                discard(body, head.version);
                let content = content_type(&head.headers).unwrap_or(ContentType::Protobuf);
                return reply::http_unauthenticated(&refusal, content, challenge);
            }
        };
        let checked = check(&head.method, &head.headers, self.signal(head.uri.path()));
        let known = match checked {
            Ok(known) => known,
            Err(Misdirected { status, content, message }) => {
                discard(body, head.version);
                return reply::http_misdirected(status, content, message);
            }
        };
        let Head { signal, content, .. } = known;
        let taken = match self.take(&mut body, known).await {
            Ok(taken) => taken,
            Err(refusal) => {
                self.sink.refused(Protocol::Http, Some(signal), &refusal);
                discard(body, head.version);
                return reply::http_refused(&refusal, content);
            }
        };
        let request = crate::Request {
            signal,
            protocol: Protocol::Http,
            content,
            payload: taken.payload,
            wire_bytes: taken.wire_bytes,
            context: context(&head.headers, Client { peer, identity }, None, self.settings.include_metadata),
        };
        match self.sink.deliver(request).await {
            Ok(accepted) => reply::http_accepted(&accepted, signal, content),
            Err(refusal) => reply::http_refused(&refusal, content),
        }
    }
}

/// Why a request cannot be for us.
struct Misdirected {
    status: StatusCode,
    /// What the answer is written in.
    content: ContentType,
    message: &'static str,
}

/// What a head says.
#[derive(Clone, Copy)]
struct Head {
    signal: Signal,
    content: ContentType,
    encoding: Encoding,
}

/// What a head says, or why its request cannot be for us.
fn check(method: &Method, headers: &HeaderMap, signal: Option<Signal>) -> Result<Head, Misdirected> {
    let content = content_type(headers);
    let refuse =
        |status, message| Err(Misdirected { status, content: content.unwrap_or(ContentType::Protobuf), message });
    let Some(signal) = signal else {
        return refuse(StatusCode::NOT_FOUND, "there is nothing at this path");
    };
    if method != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "requests are sent with POST");
    }
    let Some(content) = content else {
        let message = "`content-type` is neither `application/x-protobuf` nor `application/json`";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    };
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let encoding = Encoding::parse(encodings.next().map(|name| name.as_bytes()));
    match (encoding, encodings.next()) {
        (Some(encoding), None) => Ok(Head { signal, content, encoding }),
        _ => refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "`content-encoding` is not one of gzip, zstd, deflate"),
    }
}

/// By `content-type`, whatever its parameters.
fn content_type(headers: &HeaderMap) -> Option<ContentType> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-protobuf") {
        Some(ContentType::Protobuf)
    } else if kind.eq_ignore_ascii_case("application/json") {
        Some(ContentType::Json)
    } else {
        None
    }
}

/// Reads on while the answer is on its way. Only for HTTP/1: HTTP/2 resets the stream and keeps the answer.
fn discard(mut body: Incoming, version: Version) {
    if version >= Version::HTTP_2 || body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let by = Instant::now() + DISCARD_TIMEOUT;
        let mut left = DISCARD_BYTES_MAX;
        while let Ok(Some(Ok(frame))) = timeout_at(by, body.frame()).await {
            let bytes = frame.data_ref().map_or(0, |data| data.len());
            if bytes > left {
                return;
            }
            left -= bytes;
        }
    });
}
