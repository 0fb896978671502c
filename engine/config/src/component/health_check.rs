//! The `health_check` extension.

use super::{auth, tls_server};
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Extension, HealthCheck};
use crate::schema::{Kind, Section, key, never, no_effect};
use crate::values::ServerAddress;

pub(super) static SECTION: Section = Section {
    keys: &[
        key("endpoint", Kind::Address, "localhost:13133", "Where to listen."),
        key("path", Kind::Text, "/", "The path that answers."),
        tls_server::KEY,
        auth::SERVER_KEY,
        no_effect("response_body", "the status code says it all"),
        no_effect("include_metadata", "nothing reads it here"),
        never("check_collector_pipeline", "the Collector dropped it too; watch the exporters' metrics"),
    ],
};

pub(super) fn read(reader: &Reader, listens: &mut Vec<Located<Endpoint>>) -> Option<Extension> {
    let default = HealthCheck::default();
    let endpoint = reader.get::<ServerAddress>("endpoint").map_or(default.endpoint, |address| address.0);
    listens.push(Located { value: endpoint.clone(), place: reader.place("endpoint") });
    let valid = |path: &String| path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic());
    let path = reader.checked("path", "a path that starts with `/`", valid).map_or(default.path, Into::into);
    let (tls, authenticator) = (tls_server::read(reader), auth::read(reader, auth::Side::Server));
    Some(Extension::HealthCheck(HealthCheck { endpoint, path, tls, authenticator }))
}
