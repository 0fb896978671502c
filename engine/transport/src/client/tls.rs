//! TLS of clients: the Collector's `tls` keys as a rustls configuration.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::ClientError;
use crate::settings::TlsClientSettings;

/// A configuration that is never used, for connectors that need one and speak plain text.
pub(super) fn plain() -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Reads the files that `settings` name.
pub(super) fn config(settings: &TlsClientSettings) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = if settings.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else if let Some(path) = &settings.ca_file {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("tls::ca_file", path)? {
            roots.add(certificate).map_err(unusable)?;
        }
        builder.with_root_certificates(roots)
    } else {
        builder.with_native_roots().map_err(unusable)?
    };
    match (&settings.cert_file, &settings.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert_file), Some(key_file)) => {
            let chain = certificates("tls::cert_file", cert_file)?;
            let pem = read("tls::key_file", key_file)?;
            let key = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|_| setting("tls::key_file", key_file.display(), "a PEM file with a private key"))?;
            builder.with_client_auth_cert(chain, key).map_err(unusable)
        }
        (Some(file), None) => Err(setting("tls::cert_file", file.display(), "`tls::key_file` beside it")),
        (None, Some(file)) => Err(setting("tls::key_file", file.display(), "`tls::cert_file` beside it")),
    }
}

/// The name to ask the certificate for, where it is not the endpoint's host.
pub(super) fn server_name(settings: &TlsClientSettings) -> Result<Option<ServerName<'static>>, ClientError> {
    let Some(name) = &settings.server_name_override else { return Ok(None) };
    let parsed = ServerName::try_from(name.clone());
    parsed.map(Some).map_err(|_| setting("tls::server_name_override", name, "a host's name or an IP address"))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let pem = read(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(setting(key, path.display(), "a PEM file with certificates")),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|source| ClientError::File { key, path: path.to_owned(), source })
}

fn setting(key: &'static str, value: impl ToString, expected: &'static str) -> ClientError {
    ClientError::Setting { key, value: value.to_string(), expected }
}

fn unusable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
    ClientError::Tls { source: source.into() }
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
