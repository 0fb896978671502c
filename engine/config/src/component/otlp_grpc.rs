//! The `otlp_grpc` exporter, also named `otlp`.

use std::sync::Arc;
use std::time::Duration;

use super::{auth, http_client, retry, sending_queue, tls};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{ClientKeepalive, Compression, Endpoint, Exporter, OtlpGrpcExporter};
use crate::schema::{Key, Kind, Section, key, never, no_effect, not_yet, required};
use crate::values::{ClientAddress, word};

pub(super) static SECTION: Section = Section {
    keys: &[
        required(
            "endpoint",
            Kind::Address,
            "Where to send, `host:port`. With `http://` before it in the clear, with `https://` over TLS, without either as \
             `tls` says. `unix:PATH` is a Unix socket.",
        ),
        tls::KEY,
        tls::HEADERS_KEY,
        key("compression", Kind::Word(COMPRESSION), "gzip", "Of requests."),
        key("timeout", Kind::Duration, "5s", "For one attempt, at most 1h; `0` is 1h."),
        sending_queue::KEY,
        retry::KEY,
        sending_queue::ON_FULL_KEY,
        auth::CLIENT_KEY,
        AUTHORITY_KEY,
        not_yet("batcher", "requests are sent as they come"),
        KEEPALIVE_KEY,
        no_effect("read_buffer_size", "buffers grow and shrink with the traffic"),
        no_effect("write_buffer_size", "buffers grow and shrink with the traffic"),
        no_effect("wait_for_ready", "a connection that cannot be made is retried"),
        no_effect("balancer_name", "requests go to one of the addresses that the name has"),
        never("middlewares", "write a plugin"),
    ],
};

pub(super) const AUTHORITY_KEY: Key =
    key("authority", Kind::Text, "the endpoint's host", "The `:authority` that the backend sees.");
pub(super) const KEEPALIVE_KEY: Key =
    key("keepalive", Kind::Section(&KEEPALIVE), "", "How dead connections are found. Absent: the system finds them.");

static KEEPALIVE: Section = Section {
    keys: &[
        key("time", Kind::Duration, "10s", "Silence after which the backend is pinged, at least 1s."),
        key("timeout", Kind::Duration, "10s", "Time for the answer, at least 1s; then the connection is given up."),
        key("permit_without_stream", Kind::Bool, "false", "Whether to ping also while no request is under way."),
    ],
};

pub(super) fn read_keepalive(reader: &Reader) -> Option<ClientKeepalive> {
    reader.node("keepalive")?;
    let keepalive = reader.section("keepalive", &KEEPALIVE)?;
    let at_least_1s = |time: &Duration| time.as_secs() >= 1;
    let ten = Duration::from_secs(10);
    Some(ClientKeepalive {
        time: keepalive.checked("time", "a duration, at least `1s`", at_least_1s).unwrap_or(ten),
        timeout: keepalive.checked("timeout", "a duration, at least `1s`", at_least_1s).unwrap_or(ten),
        permit_without_stream: keepalive.get_or("permit_without_stream", false),
    })
}

/// A host, with or without a port.
fn read_authority(reader: &Reader) -> Option<Arc<str>> {
    let valid = |authority: &String| authority.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
    let authority = reader.checked("authority", "`HOST` or `HOST:PORT`", valid);
    authority.filter(|authority| !authority.is_empty()).map(Into::into)
}

pub(super) const COMPRESSION: &[&str] = &["gzip", "zstd", "none"];

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let address =
        reader.required::<ClientAddress>("endpoint", "`host:port` of the backend").map(|address| address.value);
    read_client(reader, address, OtlpGrpcExporter::TIMEOUT, Compression::default()).map(Exporter::OtlpGrpc)
}

/// All but the address. Reports what is wrong also where there is none.
pub(super) fn read_client(
    reader: &Reader,
    address: Option<ClientAddress>,
    timeout_default: Duration,
    compression_default: Compression,
) -> Option<OtlpGrpcExporter> {
    let (insecure, tls) = tls::read(reader);
    let headers = tls::read_headers(reader);
    let authenticator = auth::read(reader, auth::Side::Client);
    let compression = read_compression(reader, compression_default);
    let (authority, keepalive) = (read_authority(reader), read_keepalive(reader));
    let timeout = retry::read_timeout(reader, timeout_default);
    let delivery = http_client::read_delivery(reader);
    let address = address?;
    let tls = address.tls.unwrap_or(!insecure).then_some(tls);
    let ClientAddress { endpoint, unix, .. } = address;
    Some(OtlpGrpcExporter {
        endpoint,
        unix,
        tls,
        headers,
        authenticator,
        compression,
        authority,
        keepalive,
        timeout,
        delivery,
    })
}

pub(super) fn read_compression(reader: &Reader, default: Compression) -> Compression {
    let Some(node) = reader.node("compression") else { return default };
    let other = None;
    let words = [
        ("gzip", Some(Compression::Gzip)),
        ("zstd", Some(Compression::Zstd)),
        ("none", Some(Compression::None)),
        ("snappy", other),
        ("lz4", other),
        ("zlib", other),
        ("deflate", other),
    ];
    let problem = match word(node, &words) {
        Ok(Some(compression)) => return compression,
        Ok(None) => Problem::NotServed {
            what: "this compression".to_owned(),
            instead: "use `zstd`, `gzip` or `none`".to_owned(),
        },
        Err(Problem::Value { found, nearest, .. }) => {
            Problem::Value { expected: "one of `gzip`, `zstd`, `none`".to_owned(), found, nearest }
        }
        Err(problem) => problem,
    };
    reader.report.error(&reader.place("compression"), problem);
    default
}
