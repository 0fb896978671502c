//! The `jaeger` exporter, also named `jaeger_thrift` and `jaeger_thrift_http`.
//!
//! The Collector had two: `jaeger` spoke Jaeger's own protocol over gRPC, to `host:14250`, and `jaeger_thrift` Thrift over HTTP, to a URL.
//! Which one is meant is in the address. Jaeger takes OTLP since 1.35, and its own protocol over gRPC is gone from everything else; so an
//! address without a scheme is served by OTLP.

use super::http_client;
use super::otlp_grpc;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Compression, Endpoint, Exporter, HttpUrl, JaegerExporter};
use crate::schema::{Key, Kind, Section, key, no_effect};
use crate::values::{ClientAddress, FromNode, Size, UrlWithUser};

pub(super) static SECTION: Section = Section { keys: &KEYS };

static KEYS: [Key; 29] = http_client::keys([
    key(
        "endpoint",
        Kind::Text,
        "",
        "Where spans go. A URL is that of a Jaeger collector, which takes Thrift there, such as `http://jaeger:14268/api/traces`; \
         `user:password@` may stand before the host. `host:port` is the older form, for gRPC: OTLP goes there, and for the port 14250, \
         where Jaeger has only its own protocol, to 4317.",
    ),
    key("url", Kind::Url, "", "The older name of `endpoint`, for a URL."),
    key(
        "max_batch_bytes",
        Kind::Size,
        "1MiB",
        "Of one POST to a URL, at most; 1KiB to 64MiB. What is more goes in several. A span that is larger alone goes by itself.",
    ),
    key("timeout", Kind::Duration, "5s", "For one POST, or one request of OTLP, at most 1h; `0` is 1h."),
    key(
        "compression",
        Kind::Word(otlp_grpc::COMPRESSION),
        "none",
        "Of requests of OTLP. Jaeger does not decompress what it takes at a URL.",
    ),
    otlp_grpc::KEEPALIVE_KEY,
    otlp_grpc::AUTHORITY_KEY,
    no_effect("wait_for_ready", "a connection that cannot be made is retried"),
    no_effect("balancer_name", "requests go to one of the addresses that the name has"),
]);

/// Below it every span would be a POST, above it Jaeger refuses what it takes for an attack: Thrift's own limit is 100 MiB.
const BATCH_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=64 << 20;

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let key = match (reader.node("endpoint"), reader.node("url")) {
        (Some(_), Some(_)) => {
            let problem = "is the older name of `endpoint`, which is there too: one of them is enough".to_owned();
            reader.report.error(&reader.place("url"), Problem::Invalid(problem));
            "endpoint"
        }
        (None, Some(_)) => "url",
        _ => "endpoint",
    };
    match reader.node(key) {
        Some(node) if key == "endpoint" && is_address(node) => read_grpc(reader),
        _ => read_http(reader, key),
    }
}

/// A text without a scheme.
fn is_address(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if !scalar.text.contains("://") || scalar.text.starts_with("dns:"))
}

fn read_http(reader: &Reader, key: &'static str) -> Option<Exporter> {
    let mut client = http_client::read(reader, JaegerExporter::TIMEOUT);
    let url = http_client::read_url_as::<CollectorUrl>(reader, key, &mut client, "http://jaeger:14268/api/traces");
    // Pings are of no meaning to HTTP/1.1, and their absence is none to the spans.
    if otlp_grpc::read_keepalive(reader).is_some() {
        let what = "`keepalive`".to_owned();
        let why = "it is for gRPC, and `endpoint` is a URL".to_owned();
        reader.report.warn(&reader.place("keepalive"), Problem::NoEffect { what, why });
    }
    for key in ["compression", "authority"] {
        if reader.node(key).is_some() && !is_word(reader, key, "none") {
            let problem =
                "is for gRPC, and `endpoint` is a URL, to which spans go as Jaeger takes them there".to_owned();
            reader.report.error(&reader.place(key), Problem::Invalid(problem));
        }
    }
    let delivery = http_client::read_delivery(reader);
    let batch_bytes_max = read_batch_bytes(reader);
    Some(Exporter::Jaeger(JaegerExporter { url: url?, client, batch_bytes_max, delivery }))
}

fn is_word(reader: &Reader, key: &str, word: &str) -> bool {
    matches!(reader.node(key).map(|node| &node.value), Some(Value::Scalar(scalar)) if &*scalar.text == word)
}

fn read_batch_bytes(reader: &Reader) -> usize {
    let size =
        reader.checked("max_batch_bytes", "a size, `1KiB` to `64MiB`", |size: &Size| BATCH_BYTES.contains(&size.0));
    size.map_or(JaegerExporter::BATCH_BYTES_MAX, |size| usize::try_from(size.0).unwrap_or(usize::MAX))
}

fn read_grpc(reader: &Reader) -> Option<Exporter> {
    let address = reader.located::<ClientAddress>("endpoint");
    let has_own_protocol = address.as_ref().is_some_and(|address| address.value.endpoint.port == OWN_GRPC_PORT);
    let mut address = address.map(|address| address.value);
    if let Some(address) = address.as_mut().filter(|_| has_own_protocol) {
        address.endpoint = Endpoint::new(&address.endpoint.host, OTLP_GRPC_PORT);
    }
    let exporter = otlp_grpc::read_client(reader, address, JaegerExporter::TIMEOUT, Compression::None)?;
    for key in ["max_batch_bytes", "max_idle_conns", "max_idle_conns_per_host", "idle_conn_timeout"] {
        if reader.node(key).is_some() {
            let problem =
                "is for HTTP, and `endpoint` is not a URL, such as `http://jaeger:14268/api/traces`".to_owned();
            reader.report.error(&reader.place(key), Problem::Invalid(problem));
        }
    }
    let instead = format!(
        "spans go to `{}` as OTLP, which Jaeger takes since 1.35: write the exporter `otlp` with that endpoint",
        exporter.endpoint
    );
    let what = "Jaeger's own protocol over gRPC".to_owned();
    reader.report.warn(&reader.place("endpoint"), Problem::NotServed { what, instead });
    Some(Exporter::JaegerOtlp(exporter))
}

/// Where Jaeger takes its own protocol over gRPC,
const OWN_GRPC_PORT: u16 = 14250;
/// and where OTLP.
const OTLP_GRPC_PORT: u16 = 4317;

/// With the path that Jaeger has, where none is given, and without the query that older clients added, `format=jaeger.thrift`: Jaeger looks
/// at the content type.
struct CollectorUrl(UrlWithUser);

impl FromNode for CollectorUrl {
    fn from_node(node: &Node) -> Result<CollectorUrl, Problem> {
        let text = String::from_node(node)?;
        let plain = text.strip_suffix("?format=jaeger.thrift").unwrap_or(&text);
        let mut url = UrlWithUser::from_node(&Node::text(node.span, plain))?;
        if &*url.url.path == "/" {
            url.url = HttpUrl { path: "/api/traces".into(), ..url.url };
        }
        Ok(CollectorUrl(url))
    }
}

impl From<CollectorUrl> for UrlWithUser {
    fn from(url: CollectorUrl) -> UrlWithUser {
        url.0
    }
}
