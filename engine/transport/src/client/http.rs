//! OTLP/HTTP to a backend.

use ::http::Response;
use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::body::Incoming;
use wasmill_batch::RequestContext;
use wasmill_wire::{GatherList, JsonDocument, Signal, from_json};

use super::answer::{self, Collected};
use super::post::{Address, Poster};
use super::{ClientError, SendError, head};
use crate::encoding::{Encoding, compress};
use crate::settings::{HttpClientSettings, RESPONSE_BYTES_MAX};
use crate::{Accepted, ContentType, json};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A backend's HTTP endpoint. Connections are kept and shared; used by many tasks at once.
pub struct HttpClient {
    poster: Poster,
    traces: Option<Address>,
    metrics: Option<Address>,
    logs: Option<Address>,
    content: ContentType,
    encoding: Encoding,
}

impl HttpClient {
    /// Checks the settings and reads the files that they name. Connects to nothing.
    pub fn new(settings: HttpClientSettings) -> Result<HttpClient, ClientError> {
        let base = settings.endpoint.trim().trim_end_matches('/');
        let uri = |key, own: &Option<String>, path: &str| match own.as_deref().filter(|own| !own.is_empty()) {
            Some(own) => Address::read(key, own, &settings.connection).map(Some),
            None if base.is_empty() => Ok(None),
            None => Address::read("endpoint", &format!("{base}{path}"), &settings.connection).map(Some),
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
        let tls = all.into_iter().flatten().any(Address::is_tls);
        let poster = Poster::new(settings.connection, settings.auth.as_ref(), headers, tls)?;
        Ok(HttpClient { poster, traces, metrics, logs, content: settings.content, encoding })
    }

    /// Sends one request, once. The payload is protobuf, and not copied unless it is sent as JSON or compressed.
    ///
    /// Dropping the future cancels the call; the backend may have the data then.
    pub async fn send(&self, signal: Signal, payload: impl Into<GatherList>) -> Result<Accepted, SendError> {
        self.send_for(&RequestContext::default(), signal, payload).await
    }

    /// As [`send`](HttpClient::send), for a request of which headers may depend on what it came with.
    pub async fn send_for(
        &self,
        context: &RequestContext,
        signal: Signal,
        payload: impl Into<GatherList>,
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
        let unsendable = |error: String| address.unsendable(error);
        let payload = match self.content {
            ContentType::Protobuf => payload.into(),
            ContentType::Json => {
                let document = json::document(signal, payload.into().into_bytes()).await;
                document.map_err(|error| unsendable(error.to_string()))?.into()
            }
        };
        let payload = compress(payload, self.encoding).await.map_err(|error| unsendable(error.to_string()))?;
        let read = |response| read(signal, address, response);
        self.poster.post(context, address, &HeaderMap::new(), payload, read).await
    }
}

async fn read(signal: Signal, address: &Address, response: Response<Incoming>) -> Result<Accepted, SendError> {
    let (head, body) = response.into_parts();
    let nonsense = |reason| SendError::Answer { endpoint: address.name.clone(), reason };
    let Collected { data, cut, .. } =
        answer::collect(body, RESPONSE_BYTES_MAX).await.map_err(|error| address.broken(error))?;
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
