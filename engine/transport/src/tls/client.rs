//! TLS of clients.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{Certificates, TlsError, provider, refused, source, versions};
use crate::reloading::{Reloading, Source};
use crate::settings::{Pem, TlsClientSettings};

/// The configuration's section, below a client's own.
const SECTION: &str = "tls";

/// How a client believes backends and shows itself.
pub(crate) struct ClientTls {
    config: Reloading<ClientConfig, TlsError>,
    /// The name to ask the certificate for, where it is not the endpoint's host.
    pub server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Reads the files that `settings` name, blocking. `protocols` are offered by ALPN.
    pub fn new(settings: &TlsClientSettings, protocols: &[&[u8]]) -> Result<ClientTls, TlsError> {
        let named = |what, pem: &Pem| source(SECTION, what, pem, settings.reload_interval);
        let half = |key: String, other| Err(TlsError::Half { key, other });
        let mut files: Vec<Source> = match (&settings.cert, &settings.private_key) {
            (None, None) => Vec::new(),
            (Some(cert), Some(key)) => vec![named("cert", cert), named("key", key)],
            (Some(cert), None) => return half(named("cert", cert).key, "key_file"),
            (None, Some(key)) => return half(named("key", key).key, "cert_file"),
        };
        // The certificate and its key, or neither.
        let identity = files.len();
        if !settings.insecure_skip_verify {
            files.extend(settings.ca.as_ref().map(|ca| named("ca", ca)));
        }
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let of = settings.clone();
        let make = move |sources: &[Source], contents: &[Vec<u8>]| {
            let (ours, roots) = sources.split_at(identity.min(sources.len()));
            let (of_ours, of_roots) = contents.split_at(identity.min(contents.len()));
            let mut config = make(&of, (ours, of_ours), (roots, of_roots))?;
            config.alpn_protocols = protocols.clone();
            Ok(config)
        };
        let config = Reloading::new("certificates", files, make)?;
        Ok(ClientTls { config, server_name: server_name(settings)? })
    }

    pub async fn config(&self) -> Arc<ClientConfig> {
        self.config.current().await
    }
}

/// Files and their contents.
type Files<'a> = (&'a [Source], &'a [Vec<u8>]);

fn make(settings: &TlsClientSettings, identity: Files<'_>, roots: Files<'_>) -> Result<ClientConfig, TlsError> {
    let unusable = |source| TlsError::unusable(SECTION, source);
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&versions(settings.versions)).map_err(unusable)?;
    let builder = if settings.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider())))
    } else {
        builder.with_root_certificates(root_store(settings, roots)?)
    };
    let ([certificate, private_key], [chain, key]) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificate.chain(chain)?;
    let key = private_key.private_key(key)?;
    builder.with_client_auth_cert(chain, key).map_err(|source| refused(source, certificate, private_key))
}

fn root_store(settings: &TlsClientSettings, (sources, contents): Files<'_>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (source, content) in sources.iter().zip(contents) {
        source.add_roots(content, &mut roots)?;
    }
    if settings.ca.is_none() || settings.system_ca {
        let system = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(system.certs);
        if added == 0 {
            let why = "the system has no certificates to believe: install them, or name yours in `ca_file`";
            return Err(TlsError::unusable(SECTION, why));
        }
    }
    Ok(roots)
}

fn server_name(settings: &TlsClientSettings) -> Result<Option<ServerName<'static>>, TlsError> {
    let Some(name) = &settings.server_name_override else { return Ok(None) };
    let malformed = |_| TlsError::Name { key: format!("{SECTION}::server_name_override"), name: name.clone() };
    ServerName::try_from(name.clone()).map(Some).map_err(malformed)
}

/// Believes any certificate (`insecure_skip_verify`), but not a peer that has not its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
