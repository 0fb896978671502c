//! What `tls` of clients and of servers have in common: certificates, versions, reload.

use std::path::PathBuf;
use std::time::Duration;

use crate::node::Value;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::{Pem, TlsVersion, TlsVersions};
use crate::schema::{Key, Kind, key, never};
use crate::secret::Secret;
use crate::values::words;

pub(super) const MIN_VERSION_KEY: Key = key("min_version", Kind::Word(VERSIONS), "1.2", "The oldest version to speak.");
pub(super) const MAX_VERSION_KEY: Key = key("max_version", Kind::Word(VERSIONS), "1.3", "The newest version to speak.");

const SAFE_SUITES: &str = "the suites of rustls are used, all of them safe";
pub(super) const CIPHER_SUITES_KEY: Key = never("cipher_suites", SAFE_SUITES);
pub(super) const INSECURE_SUITES_KEY: Key = never("include_insecure_cipher_suites", SAFE_SUITES);
pub(super) const CURVES_KEY: Key = never("curve_preferences", "the groups of rustls are used, all of them safe");
pub(super) const TPM_KEY: Key = never("tpm", "use `key_file`");

words!(TlsVersion, VERSIONS: "1.2" => TlsVersion::V1_2, "1.3" => TlsVersion::V1_3);

/// A PEM from a file or a text. `None`: neither is there, or it is wrong, which has been reported.
pub(super) fn read(reader: &Reader, file: &'static str, text: &'static str) -> Option<Pem> {
    if is_there(reader, file) && is_there(reader, text) {
        let problem = Problem::Invalid(format!("`{file}` and `{text}` say the same thing: expected one of them"));
        reader.report.error(&reader.place(file), problem);
        return None;
    }
    match reader.get::<String>(text) {
        Some(pem) if !pem.is_empty() => Some(Pem::Text(Secret::new(pem))),
        _ => read_file(reader, file).map(Pem::File),
    }
}

/// Whether the key has a value that says something: nothing, such as a variable that is not set, is absent, as in the Collector.
pub(super) fn is_there(reader: &Reader, key: &str) -> bool {
    reader.node(key).is_some_and(|node| !matches!(&node.value, Value::Scalar(scalar) if scalar.text.is_empty()))
}

/// Certificate and key: both, or neither. One without the other has been reported.
pub(super) fn read_identity(reader: &Reader) -> Option<(Pem, Pem)> {
    let cert = read(reader, "cert_file", "cert_pem");
    let key = read(reader, "key_file", "key_pem");
    let there = |file: &'static str, text: &'static str| [file, text].into_iter().find(|key| is_there(reader, key));
    match (there("cert_file", "cert_pem"), there("key_file", "key_pem")) {
        (Some(cert), None) => lonely(reader, cert, "key_file"),
        (None, Some(key)) => lonely(reader, key, "cert_file"),
        _ => {}
    }
    cert.zip(key)
}

fn lonely(reader: &Reader, there: &str, missing: &'static str) {
    let expected = format!("`{there}` alone does nothing");
    reader.report.error(&reader.place(there), Problem::MissingKey { key: missing, expected });
}

pub(super) fn read_versions(reader: &Reader) -> TlsVersions {
    let default = TlsVersions::default();
    let version = |key, default| if is_there(reader, key) { reader.get_or(key, default) } else { default };
    let versions = TlsVersions { min: version("min_version", default.min), max: version("max_version", default.max) };
    if versions.min > versions.max {
        let problem = Problem::Invalid("`min_version` is above `max_version`: no version is left".to_owned());
        reader.report.error(&reader.place("min_version"), problem);
    }
    versions
}

/// `None`: never.
pub(super) fn read_reload_interval(reader: &Reader) -> Option<Duration> {
    reader.get::<Duration>("reload_interval").filter(|interval| !interval.is_zero())
}

pub(super) fn read_file(reader: &Reader, key: &str) -> Option<PathBuf> {
    let path = Some(key).filter(|key| is_there(reader, key)).and_then(|key| reader.located::<PathBuf>(key))?;
    let why = match std::fs::metadata(&path.value) {
        Ok(metadata) if !metadata.is_dir() => return Some(path.value),
        Ok(_) => "it is a folder".to_owned(),
        Err(error) => format!("{error}; a relative path starts at the working directory"),
    };
    reader.report.error(&path.place, Problem::NoSuchFile { path: path.value.display().to_string(), why });
    None
}
