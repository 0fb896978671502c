//! TLS of servers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Certificates, TlsError, provider, refused, source, versions};
use crate::reloading::{Reloading, Source};
use crate::settings::{TlsServerSettings, TlsVersions};

/// How soon a change of the clients' roots is seen, where it is to be.
const CLIENT_CA_INTERVAL: Duration = Duration::from_secs(1);

/// A port's TLS.
pub(crate) struct ServerTls {
    config: Reloading<ServerConfig, TlsError>,
    handshake_timeout: Duration,
}

impl ServerTls {
    /// Reads the files that `settings` name, blocking. `protocols` are offered by ALPN.
    pub fn new(settings: &TlsServerSettings, protocols: &[&[u8]]) -> Result<ServerTls, TlsError> {
        let section = settings.key.as_str();
        let every = settings.reload_interval;
        let mut named =
            vec![source(section, "cert", &settings.cert, every), source(section, "key", &settings.private_key, every)];
        let every = settings.client_ca_reload.then_some(CLIENT_CA_INTERVAL);
        named.extend(settings.client_ca.as_ref().map(|pem| source(section, "client_ca", pem, every)));
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let (versions, key) = (settings.versions, section.to_owned());
        let make = move |sources: &[Source], contents: &[Vec<u8>]| {
            let mut config = make(&key, versions, sources, contents)?;
            config.alpn_protocols = protocols.clone();
            Ok(config)
        };
        let config = Reloading::new("certificates", named, make)?;
        Ok(ServerTls { config, handshake_timeout: settings.handshake_timeout })
    }

    /// Shakes hands, or gives up in time.
    pub async fn accept<T>(&self, stream: T) -> io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = async { TlsAcceptor::from(self.config.current().await).accept(stream).await };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
        timeout(self.handshake_timeout, handshake).await.map_err(late)?
    }
}

fn make(section: &str, of: TlsVersions, sources: &[Source], contents: &[Vec<u8>]) -> Result<ServerConfig, TlsError> {
    let ([certificate, private_key, rest @ ..], [chain, key, more @ ..]) = (sources, contents) else {
        return Err(TlsError::unusable(section, "a certificate and its key are missing"));
    };
    let unusable = |source| TlsError::unusable(section, source);
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&versions(of)).map_err(unusable)?;
    let builder = match (rest, more) {
        ([client_ca], [content]) => {
            let mut roots = RootCertStore::empty();
            client_ca.add_roots(content, &mut roots)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|source| TlsError::unusable(&client_ca.key, source))?)
        }
        _ => builder.with_no_client_auth(),
    };
    let chain = certificate.chain(chain)?;
    let key = private_key.private_key(key)?;
    builder.with_single_cert(chain, key).map_err(|source| refused(source, certificate, private_key))
}
