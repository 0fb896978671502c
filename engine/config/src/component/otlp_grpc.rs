//! The `otlp_grpc` exporter, also named `otlp`.

use super::{retry, sending_queue, tls};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Compression, Endpoint, Exporter, OtlpGrpcExporter};
use crate::schema::{Kind, Section, key, never, no_effect, not_yet, required};
use crate::values::{ClientAddress, word};

pub(super) static SECTION: Section = Section {
    keys: &[
        required(
            "endpoint",
            Kind::Address,
            "Where to send, `host:port`. With `http://` before it in the clear, with `https://` over TLS, without either as \
             `tls` says.",
        ),
        tls::KEY,
        tls::HEADERS_KEY,
        key("compression", Kind::Word(COMPRESSION), "gzip", "Of requests."),
        key("timeout", Kind::Duration, "5s", "For one attempt, at most 1h; `0` is 1h."),
        sending_queue::KEY,
        retry::KEY,
        sending_queue::ON_FULL_KEY,
        not_yet("auth", "give the token in `headers`"),
        not_yet("authority", "`tls::server_name_override` sets the name that TLS expects"),
        not_yet("batcher", "requests are sent as they come"),
        no_effect("keepalive", "idle connections are kept, and opened again when they are gone"),
        no_effect("read_buffer_size", "buffers grow and shrink with the traffic"),
        no_effect("write_buffer_size", "buffers grow and shrink with the traffic"),
        no_effect("wait_for_ready", "a connection that cannot be made is retried"),
        no_effect("balancer_name", "requests go to one of the addresses that the name has"),
        never("middlewares", "write a plugin"),
    ],
};

pub(super) const COMPRESSION: &[&str] = &["gzip", "zstd", "none"];

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let address = reader.required::<ClientAddress>("endpoint", "`host:port` of the backend");
    let (insecure, tls) = tls::read(reader);
    let headers = tls::read_headers(reader);
    let compression = read_compression(reader);
    let timeout = retry::read_timeout(reader, OtlpGrpcExporter::TIMEOUT);
    let (queue, on_full) = sending_queue::read(reader);
    let retry = retry::read(reader);
    let address = address?.value;
    let tls = address.tls.unwrap_or(!insecure).then_some(tls);
    let endpoint = address.endpoint;
    Some(Exporter::OtlpGrpc(OtlpGrpcExporter { endpoint, tls, headers, compression, timeout, queue, retry, on_full }))
}

pub(super) fn read_compression(reader: &Reader) -> Compression {
    let Some(node) = reader.node("compression") else { return Compression::default() };
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
    Compression::default()
}
