//! OTLP/gRPC to a backend.

use std::time::Duration;

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use ::http::uri::Scheme;
use ::http::{Method, Request, Response, StatusCode, Uri, Version};
use bytes::Bytes;
use hyper::body::Incoming;
use tokio::time::timeout;
use wasmill_batch::RequestContext;
use wasmill_wire::{GatherList, Signal};

use super::answer::{self, Collected};
use super::channel::{CallError, Channel};
use super::connect::Connector;
use super::{ClientError, SendError, head, is_renewed, target, with_credentials};
use crate::auth::ClientAuth;
use crate::encoding::{Decompression, Encoding, compress};
use crate::framing::{self, Message, PREFIX_BYTES, Prefix, UnaryBody};
use crate::settings::{GrpcClientSettings, RESPONSE_BYTES_MAX};
use crate::{Accepted, Budget};

/// gRPC asks for it, to find proxies that lose trailers.
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// A backend's gRPC endpoint. Connects when first used and whenever a connection has ended; used by many tasks at once.
pub struct GrpcClient {
    /// As the settings have it, for errors.
    endpoint: String,
    channel: Channel,
    /// By signal, in the order of `Signal::ALL`.
    uris: [Uri; 3],
    headers: HeaderMap,
    auth: Option<ClientAuth>,
    encoding: Encoding,
    timeout: Duration,
}

impl GrpcClient {
    /// Checks the settings and reads the files that they name. Connects to nothing.
    pub fn new(settings: GrpcClientSettings) -> Result<GrpcClient, ClientError> {
        let target = target::target(&settings)?;
        let connector = Connector::new(target.tls.then_some(&settings.tls), &[b"h2"])?.over(target.unix);
        let scheme = if target.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = |signal| {
            let builder = Uri::builder().scheme(scheme.clone()).authority(target.authority.clone());
            builder.path_and_query(framing::path(signal)).build().map_err(|_| ClientError::Setting {
                key: "endpoint",
                value: settings.endpoint.clone(),
                expected: "`HOST:PORT`",
            })
        };
        let [traces, metrics, logs] = Signal::ALL;
        let uris = [uri(traces)?, uri(metrics)?, uri(logs)?];
        let encoding = head::encoding(settings.compression);
        let mut headers = head::headers(&settings.user_agent, &settings.headers)?;
        headers.insert(TE, TRAILERS);
        headers.insert(CONTENT_TYPE, framing::CONTENT_TYPE);
        headers.insert(framing::GRPC_ACCEPT_ENCODING, framing::ACCEPTED_ENCODINGS);
        if encoding != Encoding::Identity {
            headers.insert(framing::GRPC_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        if !settings.timeout.is_zero() {
            headers.insert(framing::GRPC_TIMEOUT, framing::format_timeout(settings.timeout));
        }
        let auth = settings.auth.as_ref().map(ClientAuth::new).transpose()?;
        let channel = Channel::new(connector, target.uri, settings.connections, settings.keepalive);
        let GrpcClientSettings { endpoint, timeout, .. } = settings;
        Ok(GrpcClient { endpoint, channel, uris, headers, auth, encoding, timeout })
    }

    /// Sends one request, once. The payload is not copied unless it is compressed.
    ///
    /// Dropping the future cancels the call; the backend may have the data then.
    pub async fn send(&self, signal: Signal, payload: impl Into<GatherList>) -> Result<Accepted, SendError> {
        self.send_for(&RequestContext::default(), signal, payload).await
    }

    /// As [`send`](GrpcClient::send), for a request of which headers may depend on what it came with.
    pub async fn send_for(
        &self,
        context: &RequestContext,
        signal: Signal,
        payload: impl Into<GatherList>,
    ) -> Result<Accepted, SendError> {
        let payload = payload.into();
        let call = async {
            let sent = self.call(context, signal, payload.clone()).await;
            if is_renewed(&sent, self.auth.as_ref()).await { self.call(context, signal, payload).await } else { sent }
        };
        if self.timeout.is_zero() {
            return call.await;
        }
        let timed_out = |_| SendError::Timeout { endpoint: self.endpoint.clone(), timeout: self.timeout };
        timeout(self.timeout, call).await.map_err(timed_out)?
    }

    async fn call(&self, context: &RequestContext, signal: Signal, payload: GatherList) -> Result<Accepted, SendError> {
        let headers = with_credentials(&self.headers, self.auth.as_ref(), context).await;
        let headers = headers
            .map_err(|error| SendError::NoCredentials { endpoint: self.endpoint.clone(), reason: error.to_string() })?;
        let unsendable = |reason: String| SendError::Unsendable { endpoint: self.endpoint.clone(), reason };
        let payload = compress(payload, self.encoding).await.map_err(|error| unsendable(error.to_string()))?;
        let compressed = self.encoding != Encoding::Identity;
        let request = || {
            let message = Message::new(payload.clone(), compressed)?;
            let mut request = Request::new(UnaryBody::request(message));
            *request.method_mut() = Method::POST;
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = self.uri(signal).clone();
            *request.headers_mut() = HeaderMap::clone(&headers);
            Some(request)
        };
        let response = match self.channel.call(request).await {
            Ok(response) => response,
            Err(CallError::TooLong) => return Err(unsendable("the message is 4 GiB or more".into())),
            Err(CallError::Connect(source)) => {
                return Err(SendError::Connect { endpoint: self.endpoint.clone(), source });
            }
            Err(CallError::Call(source)) => return Err(self.broken(source)),
        };
        self.read(response).await
    }

    fn uri(&self, signal: Signal) -> &Uri {
        let [traces, metrics, logs] = &self.uris;
        match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        }
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Accepted, SendError> {
        let (head, body) = response.into_parts();
        let headers = head.headers;
        // Refusals mostly are headers only.
        if headers.contains_key(framing::GRPC_STATUS) {
            self.check(&headers)?;
        }
        if head.status != StatusCode::OK || !framing::is_grpc(headers.get(CONTENT_TYPE)) {
            let collected = answer::collect(body, QUOTED_BYTES_MAX).await.unwrap_or_default();
            return Err(self.not_grpc(head.status, &headers, &collected.data));
        }
        let Collected { data, trailers, cut } =
            answer::collect(body, PREFIX_BYTES + RESPONSE_BYTES_MAX).await.map_err(|error| self.broken(error))?;
        if cut {
            return Err(self.nonsense(format!("it is larger than {RESPONSE_BYTES_MAX} bytes")));
        }
        match &trailers {
            Some(trailers) => self.check(trailers)?,
            None if headers.contains_key(framing::GRPC_STATUS) => {}
            None => return Err(self.nonsense("it ends without `grpc-status`".into())),
        }
        let message = message(data, headers.get(framing::GRPC_ENCODING)).await;
        let message = message.map_err(|reason| self.nonsense(reason))?;
        answer::accepted(message).map_err(|error| self.nonsense(error.to_string()))
    }

    /// The status in headers or trailers, if it is not OK.
    fn check(&self, headers: &HeaderMap) -> Result<(), SendError> {
        match headers.get(&framing::GRPC_STATUS) {
            Some(status) if *status == framing::STATUS_OK => return Ok(()),
            Some(_) => {}
            None => return Err(self.nonsense("it ends without `grpc-status`".into())),
        }
        let Some(status) = tonic::Status::from_header_map(headers) else {
            return Err(self.nonsense("its `grpc-status` cannot be read".into()));
        };
        let message = match status.message() {
            "" => "no reason was given".into(),
            message => answer::quote(message),
        };
        let retry_after = answer::retry_info(status.details());
        Err(SendError::Grpc { endpoint: self.endpoint.clone(), code: status.code(), message, retry_after })
    }

    /// An answer of something else than gRPC: a proxy's error page, most likely.
    fn not_grpc(&self, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> SendError {
        if status == StatusCode::OK {
            let found = headers.get(CONTENT_TYPE).map_or("none", |value| value.to_str().unwrap_or("not text"));
            return self.nonsense(format!("its content type is `{}`", answer::quote(found)));
        }
        SendError::Grpc {
            endpoint: self.endpoint.clone(),
            code: framing::code_of_http(status),
            message: format!("HTTP status {status}: {}", answer::message(headers, body)),
            retry_after: None,
        }
    }

    fn broken(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SendError {
        SendError::Broken { endpoint: self.endpoint.clone(), source: source.into() }
    }

    fn nonsense(&self, reason: String) -> SendError {
        SendError::Answer { endpoint: self.endpoint.clone(), reason }
    }
}

/// What is read of an answer that is not gRPC, to quote from it.
const QUOTED_BYTES_MAX: usize = 4 << 10;

/// The message of a successful answer, decompressed.
async fn message(mut body: Bytes, encoding: Option<&HeaderValue>) -> Result<Bytes, String> {
    let Some((prefix, _)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(format!("its body has {} bytes, expected a message", body.len()));
    };
    let prefix = Prefix::parse(*prefix).map_err(|flag| format!("its compression flag is {}", flag.0))?;
    let message = body.split_off(PREFIX_BYTES);
    if usize::try_from(prefix.len) != Ok(message.len()) {
        return Err(format!("its message has {} bytes, announced were {}", message.len(), prefix.len));
    }
    if !prefix.compressed {
        return Ok(message);
    }
    let encoding = match Encoding::parse(encoding.map(|name| name.as_bytes())) {
        None | Some(Encoding::Identity) => return Err("its encoding is not known".into()),
        Some(encoding) => encoding,
    };
    let decompress = async {
        let permit = Budget::unlimited().permit();
        let mut decompression = Decompression::new(encoding, message.len(), RESPONSE_BYTES_MAX, permit)?;
        decompression.push(&message).await?;
        decompression.finish()
    };
    decompress.await.map(|(data, _)| data.into()).map_err(|error| error.to_string())
}
