//! `tls` and `headers` of clients.

use std::sync::Arc;

use super::pem;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::{Headers, TlsClient};
use crate::schema::{Key, Kind, Section, key};
use crate::secret::Secret;
use crate::values::{expected, text};

pub(super) const KEY: Key = key("tls", Kind::Section(&SECTION), "", "How the server is believed.");
pub(super) const HEADERS_KEY: Key =
    key("headers", Kind::Texts, "{}", "Sent with each request. Values are never shown in logs or errors.");

pub(super) static SECTION: Section = Section {
    keys: &[
        key(
            "insecure",
            Kind::Bool,
            "false",
            "`true`: in the clear, where the endpoint's scheme does not say otherwise.",
        ),
        key("insecure_skip_verify", Kind::Bool, "false", "`true`: any certificate is taken. For tests."),
        key("ca_file", Kind::File, "the system's", "PEM with the certificates to believe, instead of the system's."),
        key("cert_file", Kind::File, "", "PEM with our certificate; with `key_file`."),
        key("key_file", Kind::File, "", "PEM with its key; with `cert_file`."),
        key("ca_pem", Kind::Text, "", "The certificates themselves, instead of `ca_file`."),
        key("cert_pem", Kind::Text, "", "Our certificate itself, instead of `cert_file`."),
        key("key_pem", Kind::Text, "", "Its key itself, instead of `key_file`. Never shown."),
        key(
            "include_system_ca_certs_pool",
            Kind::Bool,
            "false",
            "Whether the system's certificates are believed beside those of `ca_file`.",
        ),
        key("server_name_override", Kind::Text, "the endpoint's host", "The name to expect in the certificate."),
        key(
            "reload_interval",
            Kind::Duration,
            "never",
            "How old certificates and key may be when a connection is made; then their files are read again. A file that \
             cannot serve leaves the old ones in use, and the log says why.",
        ),
        pem::MIN_VERSION_KEY,
        pem::MAX_VERSION_KEY,
        pem::CIPHER_SUITES_KEY,
        pem::CURVES_KEY,
        pem::INSECURE_SUITES_KEY,
        pem::TPM_KEY,
    ],
};

/// Metadata of a request must fit the peer's limit, which is 8 KiB or 16 KiB in most.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 8 << 10;

/// `insecure`, and the rest.
pub(super) fn read(exporter: &Reader) -> (bool, TlsClient) {
    let Some(reader) = exporter.section("tls", &SECTION) else { return (false, TlsClient::default()) };
    let tls = TlsClient {
        insecure_skip_verify: reader.get_or("insecure_skip_verify", false),
        ca: pem::read(&reader, "ca_file", "ca_pem"),
        system_ca: reader.get_or("include_system_ca_certs_pool", false),
        identity: pem::read_identity(&reader),
        server_name: reader.get::<Arc<str>>("server_name_override").filter(|name| !name.is_empty()),
        versions: pem::read_versions(&reader),
        reload_interval: pem::read_reload_interval(&reader),
    };
    (reader.get_or("insecure", false), tls)
}

pub(super) fn read_headers(exporter: &Reader) -> Headers {
    let mut headers = Headers::new();
    let entries = exporter.named("headers");
    if entries.len() > HEADERS_MAX {
        let problem = Problem::Invalid(format!("more than {HEADERS_MAX} headers"));
        exporter.report.error(&exporter.place("headers"), problem);
    }
    for (entry, place) in entries.into_iter().take(HEADERS_MAX) {
        let name = entry.key.to_ascii_lowercase();
        if !is_header_name(&name) {
            let problem = Problem::Invalid(format!("`{}` is not the name of a header", entry.key));
            exporter.report.error(&place, problem);
            continue;
        }
        if let Some(why) = reserved(&name) {
            exporter.report.error(&place, Problem::Invalid(format!("`{}` cannot be set: {why}", entry.key)));
            continue;
        }
        if headers.iter().any(|(other, _)| **other == *name) {
            exporter.report.error(&place, Problem::Invalid(format!("`{}` is there twice", entry.key)));
            continue;
        }
        const EXPECTED: &str = "a text of visible ASCII characters and spaces, at most 8 KiB";
        // Nothing, such as a variable that is not set, is an empty header, as in the Collector.
        let value = if entry.node.is_null() { Ok(String::new()) } else { text(&entry.node, EXPECTED) };
        match value {
            Ok(value) if is_header_value(&value) => headers.push((name.into(), Secret::new(value))),
            Ok(_) => exporter.report.error(&place, expected(EXPECTED, &entry.node)),
            Err(problem) => exporter.report.error(&place, problem),
        }
    }
    headers
}

/// A token as in RFC 9110, section 5.6.2.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

pub(super) fn is_header_value(value: &str) -> bool {
    value.len() <= HEADER_BYTES_MAX && value.bytes().all(|b| b == b' ' || b == b'\t' || b.is_ascii_graphic())
}

/// Headers that the protocol itself has the say of.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 8] = [
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
        "host",
    ];
    if NAMES.contains(&name) {
        Some("the exporter sets it")
    } else if name.starts_with("grpc-") {
        Some("names with `grpc-` are gRPC's own")
    } else {
        None
    }
}
