//! OTLP/HTTP to a backend.

use std::time::{Duration, SystemTime};

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use ::http::{Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use wasmill_batch::RequestContext;
use wasmill_wire::{JsonDocument, Signal, from_json};

use super::answer::{self, Collected};
use super::connect::Connector;
use super::{ClientError, SendError, head, is_renewed, target, with_credentials};
use crate::auth::ClientAuth;
use crate::encoding::{Encoding, compress};
use crate::settings::{HttpClientSettings, RESPONSE_BYTES_MAX};
use crate::{Accepted, ContentType, json};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is read of an error's body: a status has a sentence and a few details.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// A backend's HTTP endpoint. Connections are kept and shared; used by many tasks at once.
pub struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
    traces: Option<Address>,
    metrics: Option<Address>,
    logs: Option<Address>,
    headers: HeaderMap,
    auth: Option<ClientAuth>,
    content: ContentType,
    encoding: Encoding,
    timeout: Duration,
}

/// Where requests of a signal go.
struct Address {
    uri: Uri,
    /// For errors: the URI, or the socket with its path.
    name: String,
}

impl HttpClient {
    /// Checks the settings and reads the files that they name. Connects to nothing.
    pub fn new(settings: HttpClientSettings) -> Result<HttpClient, ClientError> {
        let base = settings.endpoint.trim().trim_end_matches('/');
        let uri = |key, own: &Option<String>, path: &str| match own.as_deref().filter(|own| !own.is_empty()) {
            Some(own) => Address::read(key, own, &settings).map(Some),
            None if base.is_empty() => Ok(None),
            None => Address::read("endpoint", &format!("{base}{path}"), &settings).map(Some),
        };
        let traces = uri("traces_endpoint", &settings.traces_endpoint, "/v1/traces")?;
        let metrics = uri("metrics_endpoint", &settings.metrics_endpoint, "/v1/metrics")?;
        let logs = uri("logs_endpoint", &settings.logs_endpoint, "/v1/logs")?;
        let all = [&traces, &metrics, &logs];
        if all.iter().all(|address| address.is_none()) {
            let expected = "`http://HOST:PORT`, or an endpoint for each signal";
            return Err(ClientError::Setting { key: "endpoint", value: settings.endpoint, expected });
        }
        let encoding = head::encoding(settings.compression);
        let mut headers = head::headers(&settings.user_agent, &settings.headers)?;
        headers.insert(CONTENT_TYPE, if settings.content == ContentType::Json { JSON } else { PROTOBUF });
        if encoding != Encoding::Identity {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        let tls = all.into_iter().flatten().any(|address| address.uri.scheme_str() == Some("https"));
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(settings.idle_connections_max)
            .pool_idle_timeout(settings.idle_connection_timeout)
            .build(Connector::new(tls.then_some(&settings.tls), &[b"h2", b"http/1.1"])?.over(settings.unix));
        let auth = settings.auth.as_ref().map(ClientAuth::new).transpose()?;
        let HttpClientSettings { content, timeout, .. } = settings;
        Ok(HttpClient { client, traces, metrics, logs, headers, auth, content, encoding, timeout })
    }

    /// Sends one request, once. The payload is protobuf, and not copied unless it is sent as JSON or compressed.
    ///
    /// Dropping the future cancels the call; the backend may have the data then.
    pub async fn send(&self, signal: Signal, payload: Bytes) -> Result<Accepted, SendError> {
        self.send_for(&RequestContext::default(), signal, payload).await
    }

    /// As [`send`](HttpClient::send), for a request of which headers may depend on what it came with.
    pub async fn send_for(
        &self,
        context: &RequestContext,
        signal: Signal,
        payload: Bytes,
    ) -> Result<Accepted, SendError> {
        let address = match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        };
        let Some(address) = address else {
            let reason = format!("there is no endpoint for {signal}");
            return Err(SendError::Unsendable { endpoint: String::new(), reason });
        };
        let call = async {
            let sent = self.call(context, signal, address, payload.clone()).await;
            match is_renewed(&sent, self.auth.as_ref()).await {
                true => self.call(context, signal, address, payload).await,
                false => sent,
            }
        };
        if self.timeout.is_zero() {
            return call.await;
        }
        let timed_out = |_| SendError::Timeout { endpoint: address.name.clone(), timeout: self.timeout };
        timeout(self.timeout, call).await.map_err(timed_out)?
    }

    async fn call(
        &self,
        context: &RequestContext,
        signal: Signal,
        address: &Address,
        payload: Bytes,
    ) -> Result<Accepted, SendError> {
        let headers = with_credentials(&self.headers, self.auth.as_ref(), context).await;
        let headers = headers
            .map_err(|error| SendError::NoCredentials { endpoint: address.name.clone(), reason: error.to_string() })?;
        let unsendable = |reason| SendError::Unsendable { endpoint: address.name.clone(), reason };
        let payload = match self.content {
            ContentType::Protobuf => payload,
            ContentType::Json => {
                json::document(signal, payload).await.map_err(|error| unsendable(error.to_string()))?
            }
        };
        let payload = compress(payload, self.encoding).await.map_err(|error| unsendable(error.to_string()))?;
        let mut request = Request::new(Full::new(payload));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = address.uri.clone();
        *request.headers_mut() = headers.into_owned();
        match self.client.request(request).await {
            Ok(response) => read(signal, address, response).await,
            Err(error) if error.is_connect() => {
                Err(SendError::Connect { endpoint: address.name.clone(), source: error.into() })
            }
            Err(error) => Err(SendError::Broken { endpoint: address.name.clone(), source: error.into() }),
        }
    }
}

impl Address {
    fn read(key: &'static str, text: &str, settings: &HttpClientSettings) -> Result<Address, ClientError> {
        let uri = target::address(key, text)?;
        let name = match &settings.unix {
            Some(path) => format!("unix:{}{}", path.display(), uri.path()),
            None => uri.to_string(),
        };
        Ok(Address { uri, name })
    }
}

async fn read(signal: Signal, address: &Address, response: Response<Incoming>) -> Result<Accepted, SendError> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Err(refused(address, head.status, &head.headers, body).await);
    }
    let nonsense = |reason| SendError::Answer { endpoint: address.name.clone(), reason };
    let Collected { data, cut, .. } = answer::collect(body, RESPONSE_BYTES_MAX)
        .await
        .map_err(|error| SendError::Broken { endpoint: address.name.clone(), source: error.into() })?;
    if cut {
        return Err(nonsense(format!("it is larger than {RESPONSE_BYTES_MAX} bytes")));
    }
    // Backends that have nothing to say often do not say in which type.
    if data.is_empty() {
        return Ok(Accepted::default());
    }
    // Some answer in JSON whatever they were asked in.
    if answer::is_type(&head.headers, b"application/json") {
        let message = from_json(JsonDocument::Response(signal), &data, RESPONSE_BYTES_MAX);
        let message = message.map_err(|error| nonsense(error.to_string()))?;
        return answer::accepted(message.into()).map_err(|error| nonsense(error.to_string()));
    }
    if !answer::is_type(&head.headers, b"application/x-protobuf") {
        let found = head.headers.get(CONTENT_TYPE).map_or("none", |value| value.to_str().unwrap_or("not text"));
        return Err(nonsense(format!("its content type is `{}`", answer::quote(found))));
    }
    answer::accepted(data).map_err(|error| nonsense(error.to_string()))
}

async fn refused(address: &Address, status: StatusCode, headers: &HeaderMap, body: Incoming) -> SendError {
    // An error whose reason breaks off is still that error.
    let Collected { data, .. } = answer::collect(body, ERROR_BYTES_MAX).await.unwrap_or_default();
    let mut message = answer::message(headers, &data);
    if let Some(location) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
        message = format!("moved to {location:?}, redirects are not followed");
    }
    let retry_after = answer::retry_after(headers, SystemTime::now());
    SendError::Http { endpoint: address.name.clone(), status, message, retry_after }
}
