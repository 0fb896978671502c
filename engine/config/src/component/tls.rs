//! `tls` and `headers` of clients.

use std::path::PathBuf;
use std::sync::Arc;

use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::{Headers, TlsClient};
use crate::schema::{Key, Kind, Section, key, never, no_effect, not_yet};
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
        key("server_name_override", Kind::Text, "the endpoint's host", "The name to expect in the certificate."),
        not_yet("ca_pem", "write it to a file, and name it in `ca_file`"),
        not_yet("cert_pem", "write it to a file, and name it in `cert_file`"),
        not_yet("key_pem", "write it to a file, and name it in `key_file`"),
        not_yet("include_system_ca_certs_pool", "add the system's certificates to `ca_file`"),
        no_effect("min_version", "TLS 1.2 and 1.3 are spoken, the newer where both can"),
        no_effect("max_version", "TLS 1.2 and 1.3 are spoken, the newer where both can"),
        no_effect("reload_interval", "certificates are read when the configuration is"),
        never("cipher_suites", "the suites of rustls are used, all of them safe"),
        never("curve_preferences", "the groups of rustls are used, all of them safe"),
        never("include_insecure_cipher_suites", "the suites of rustls are used, all of them safe"),
        never("tpm", "use `key_file`"),
    ],
};

/// Metadata of a request must fit the peer's limit, which is 8 KiB or 16 KiB in most.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 8 << 10;

/// `insecure`, and the rest.
pub(super) fn read(exporter: &Reader) -> (bool, TlsClient) {
    let Some(reader) = exporter.section("tls", &SECTION) else { return (false, TlsClient::default()) };
    let cert = file(&reader, "cert_file");
    let key = file(&reader, "key_file");
    match (reader.node("cert_file").is_some(), reader.node("key_file").is_some()) {
        (true, false) => lonely(&reader, "cert_file", "key_file"),
        (false, true) => lonely(&reader, "key_file", "cert_file"),
        _ => {}
    }
    let tls = TlsClient {
        insecure_skip_verify: reader.get_or("insecure_skip_verify", false),
        ca_file: file(&reader, "ca_file"),
        identity: cert.zip(key),
        server_name: reader.get::<Arc<str>>("server_name_override"),
    };
    (reader.get_or("insecure", false), tls)
}

fn lonely(reader: &Reader, there: &str, missing: &'static str) {
    let expected = format!("`{there}` alone does nothing");
    reader.report.error(&reader.place(there), Problem::MissingKey { key: missing, expected });
}

fn file(reader: &Reader, key: &str) -> Option<PathBuf> {
    let path = reader.located::<PathBuf>(key)?;
    match std::fs::metadata(&path.value) {
        Ok(metadata) if metadata.is_file() => Some(path.value),
        Ok(_) => {
            let why = "it is not a file".to_owned();
            reader.report.error(&path.place, Problem::NoSuchFile { path: path.value.display().to_string(), why });
            None
        }
        Err(error) => {
            let why = format!("{error}; a relative path starts at the working directory");
            reader.report.error(&path.place, Problem::NoSuchFile { path: path.value.display().to_string(), why });
            None
        }
    }
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
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

fn is_header_value(value: &str) -> bool {
    value.len() <= HEADER_BYTES_MAX && value.bytes().all(|b| b == b' ' || b == b'\t' || b.is_ascii_graphic())
}

/// Headers that the protocol itself has the say of.
fn reserved(name: &str) -> Option<&'static str> {
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
