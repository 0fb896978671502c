//! Who comes in at a port that takes no requests of OTLP: health, for one.

use std::io;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::BindError;
use crate::auth::ServerAuth;
use crate::settings::{ServerAuthSettings, TlsServerSettings};
use crate::tls::ServerTls;

/// Default: everybody, in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GuardSettings {
    pub tls: Option<TlsServerSettings>,
    pub auth: Option<ServerAuthSettings>,
}

/// TLS and an authenticator, as receivers have them.
#[derive(Default)]
pub struct Guard {
    tls: Option<ServerTls>,
    auth: Option<ServerAuth>,
}

/// A connection that came in.
pub type Guarded = Box<dyn Duplex>;

pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Guard {
    /// Reads the files that `settings` name, blocking.
    pub fn new(settings: &GuardSettings) -> Result<Guard, BindError> {
        let tls = settings.tls.as_ref().map(|settings| ServerTls::new(settings, &[b"http/1.1"])).transpose()?;
        let auth = settings.auth.as_ref().map(ServerAuth::new).transpose()?;
        Ok(Guard { tls, auth })
    }

    /// Shakes hands, where there is TLS, and gives up in time.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Guarded> {
        Ok(match &self.tls {
            Some(tls) => Box::new(tls.accept(stream).await?),
            None => Box::new(stream),
        })
    }

    /// The answer to whoever may not ask: 401, with the way to come.
    pub async fn check<B: Default>(&self, headers: &HeaderMap) -> Result<(), Response<B>> {
        let Some(auth) = &self.auth else { return Ok(()) };
        let Err(refusal) = auth.check(headers).await else { return Ok(()) };
        let mut response = Response::new(B::default());
        *response.status_mut() = crate::http_status(refusal.kind);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, auth.challenge());
        }
        Err(response)
    }
}
