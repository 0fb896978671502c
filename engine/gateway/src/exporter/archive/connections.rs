//! `object_store`'s requests over the gateway's own connections: one HTTP and one TLS in the process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use wasmill_transport::settings::TlsClientSettings;
use wasmill_transport::{CallClient, ClientError, SendError};

/// For one part of a file.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Answers to uploads are a few lines of XML.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Gives the store a client. Each has the same connections.
#[derive(Clone)]
pub struct Connections(Arc<CallClient>);

impl Connections {
    pub fn new() -> Result<Connections, ClientError> {
        let client = CallClient::new(&TlsClientSettings::default(), TIMEOUT, ANSWER_BYTES_MAX)?;
        Ok(Connections(Arc::new(client)))
    }

    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let response = self.0.call(http::Request::from_parts(head, body)).await.map_err(error)?;
        Ok(response.map(|body| HttpResponseBody::new(Full::new(body).map_err(|never| match never {}))))
    }
}

fn error(error: SendError) -> HttpError {
    let kind = match &error {
        SendError::Connect { .. } => HttpErrorKind::Connect,
        SendError::Timeout { .. } => HttpErrorKind::Timeout,
        SendError::Broken { .. } => HttpErrorKind::Interrupted,
        SendError::Answer { .. } => HttpErrorKind::Decode,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl HttpConnector for Connections {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Connections {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(Connections::call(self, request))
    }
}
