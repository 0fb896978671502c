//! TLS on both sides: certificates and keys from files or texts, checked before they serve, read again while they serve.
//!
//! What makes a handshake fail for everybody is found here and named by key: a file that cannot be read or holds no PEM, a key
//! that is another certificate's, a certificate that has expired or is not valid yet. At the start that is an error; of a
//! reload it is a warning, and the certificate before it serves on.

mod client;
mod server;
mod validity;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, SupportedProtocolVersion};

use crate::reloading::{Content, Source, Unreadable};
use crate::settings::{Pem, TlsVersion, TlsVersions};

pub(crate) use client::ClientTls;
pub(crate) use server::ServerTls;

/// TLS settings that cannot serve. `key` is the full path of the configuration key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("`{key}`: {place} is not a certificate in PEM")]
    NoCertificate { key: String, place: String },
    #[error("`{key}`: {place} is not a private key in PEM")]
    NoKey { key: String, place: String },
    #[error("`{key}`: the key is not that of the certificate in {certificate}")]
    Mismatch { key: String, certificate: String },
    #[error("`{key}`: the certificate in {place} expired on {on}")]
    Expired { key: String, place: String, on: String },
    #[error("`{key}`: the certificate in {place} is not valid before {on}")]
    NotYetValid { key: String, place: String, on: String },
    #[error("`{key}`: `{other}` is missing beside it")]
    Half { key: String, other: &'static str },
    #[error("`{key}` is `{name}`, expected a host's name or an IP address")]
    Name { key: String, name: String },
    #[error("`{key}`: cannot be used")]
    Unusable {
        key: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl TlsError {
    /// The configuration key that it is about.
    pub fn key(&self) -> &str {
        match self {
            TlsError::Unreadable(Unreadable { key, .. })
            | TlsError::NoCertificate { key, .. }
            | TlsError::NoKey { key, .. }
            | TlsError::Mismatch { key, .. }
            | TlsError::Expired { key, .. }
            | TlsError::NotYetValid { key, .. }
            | TlsError::Half { key, .. }
            | TlsError::Name { key, .. }
            | TlsError::Unusable { key, .. } => key,
        }
    }

    fn unusable(key: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> TlsError {
        TlsError::Unusable { key: key.into(), source: source.into() }
    }
}

/// `what`: `cert`, `key`, `ca`; its keys end in `_file` and `_pem`.
fn source(section: &str, what: &str, pem: &Pem, every: Option<Duration>) -> Source {
    let (form, content, every) = match pem {
        Pem::File(path) => ("file", Content::File(path.clone()), every),
        Pem::Text(text) => ("pem", Content::Text(text.clone()), None),
    };
    Source { key: format!("{section}::{what}_{form}"), content, every }
}

/// What a source's content is read as.
trait Certificates {
    /// At least one.
    fn certificates(&self, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError>;

    /// A chain that we present ourselves: every certificate of it is valid now.
    fn chain(&self, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError>;

    fn private_key(&self, content: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError>;

    fn add_roots(&self, content: &[u8], roots: &mut RootCertStore) -> Result<(), TlsError>;
}

impl Certificates for Source {
    fn certificates(&self, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(TlsError::NoCertificate { key: self.key.clone(), place: self.content.to_string() }),
        }
    }

    fn chain(&self, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain = self.certificates(content)?;
        let now = validity::unix_seconds(SystemTime::now());
        for (begins, ends) in chain.iter().filter_map(|certificate| validity::of(certificate)) {
            let (key, place) = (self.key.clone(), self.content.to_string());
            if now > ends {
                return Err(TlsError::Expired { key, place, on: validity::date(ends) });
            }
            if now < begins {
                return Err(TlsError::NotYetValid { key, place, on: validity::date(begins) });
            }
        }
        Ok(chain)
    }

    fn private_key(&self, content: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(content)
            .map_err(|_| TlsError::NoKey { key: self.key.clone(), place: self.content.to_string() })
    }

    fn add_roots(&self, content: &[u8], roots: &mut RootCertStore) -> Result<(), TlsError> {
        for certificate in self.certificates(content)? {
            roots.add(certificate).map_err(|source| TlsError::unusable(&self.key, source))?;
        }
        Ok(())
    }
}

/// What rustls says of a certificate with its key, by the key that is to blame.
fn refused(source: rustls::Error, certificate: &Source, private_key: &Source) -> TlsError {
    match source {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { key: private_key.key.clone(), certificate: certificate.content.to_string() }
        }
        source => TlsError::unusable(&certificate.key, source),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn versions(of: TlsVersions) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(TlsVersion::V1_2, &rustls::version::TLS12), (TlsVersion::V1_3, &rustls::version::TLS13)];
    all.into_iter().filter(|(version, _)| (of.min..=of.max).contains(version)).map(|(_, version)| version).collect()
}
