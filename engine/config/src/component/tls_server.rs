//! `tls` of servers.

use super::pem;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::TlsServer;
use crate::schema::{Key, Kind, Section, key, no_effect};

pub(super) const KEY: Key = key("tls", Kind::Section(&SECTION), "", "TLS. Absent or empty: in the clear.");

pub(super) static SECTION: Section = Section {
    keys: &[
        key("cert_file", Kind::File, "", "PEM with our certificate, and those between it and the root. Required."),
        key("key_file", Kind::File, "", "PEM with its key. Required."),
        key("cert_pem", Kind::Text, "", "The certificates themselves, instead of `cert_file`."),
        key("key_pem", Kind::Text, "", "The key itself, instead of `key_file`. Never shown."),
        key(
            "client_ca_file",
            Kind::File,
            "",
            "PEM with the authorities of clients. With it each client must have a certificate of theirs (mutual TLS).",
        ),
        key(
            "client_ca_file_reload",
            Kind::Bool,
            "false",
            "Whether a change of `client_ca_file` counts while the gateway runs, within a second.",
        ),
        key(
            "reload_interval",
            Kind::Duration,
            "never",
            "How old certificate and key may be when a client connects; then their files are read again. A file that cannot \
             serve leaves the old ones in service, and the log says why.",
        ),
        pem::MIN_VERSION_KEY,
        pem::MAX_VERSION_KEY,
        no_effect("ca_file", "a server believes clients by `client_ca_file`"),
        no_effect("ca_pem", "a server believes clients by `client_ca_file`"),
        no_effect("include_system_ca_certs_pool", "a server believes clients by `client_ca_file`"),
        pem::CIPHER_SUITES_KEY,
        pem::CURVES_KEY,
        pem::INSECURE_SUITES_KEY,
        pem::TPM_KEY,
    ],
};

/// `None`: in the clear, or with mistakes, which have been reported.
pub(super) fn read(server: &Reader) -> Option<TlsServer> {
    server.node("tls")?;
    let reader = server.section("tls", &SECTION)?;
    let identity = pem::read_identity(&reader);
    let keys = ["cert_file", "cert_pem", "key_file", "key_pem"];
    if !keys.into_iter().any(|key| pem::is_there(&reader, key)) {
        let expected = "a server needs a certificate, and `key_file`".to_owned();
        reader.report.error(reader.own_place(), Problem::MissingKey { key: "cert_file", expected });
    }
    let client_ca = pem::read_file(&reader, "client_ca_file");
    let versions = pem::read_versions(&reader);
    let reload_interval = pem::read_reload_interval(&reader);
    let client_ca_reload = reader.get_or("client_ca_file_reload", false);
    let (cert, private_key) = identity?;
    let client_ca = client_ca.map(crate::running::Pem::File);
    Some(TlsServer { cert, private_key, client_ca, versions, reload_interval, client_ca_reload })
}
