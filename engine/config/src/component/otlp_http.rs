//! The `otlp_http` exporter, also named `otlphttp`.

use std::path::PathBuf;

use super::http_client;
use super::otlp_grpc::{COMPRESSION, read_compression};
use crate::node::Node;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Compression, Endpoint, Exporter, HttpEncoding, HttpUrl, OtlpHttpExporter, PerSignal};
use crate::schema::{Key, Kind, Section, key, never};
use crate::values::{ClientAddress, FromNode, words};

pub(super) static SECTION: Section = Section { keys: &KEYS };

static KEYS: [Key; 28] = http_client::keys([
    key(
        "endpoint",
        Kind::Url,
        "",
        "Where to send; `/v1/traces`, `/v1/metrics` and `/v1/logs` are added. `unix:PATH` is a Unix socket, in the clear.",
    ),
    key("traces_endpoint", Kind::Url, "", "Where traces go instead; nothing is added."),
    key("metrics_endpoint", Kind::Url, "", "Where metrics go instead; nothing is added."),
    key("logs_endpoint", Kind::Url, "", "Where logs go instead; nothing is added."),
    key("compression", Kind::Word(COMPRESSION), "gzip", "Of requests."),
    key("encoding", Kind::Word(ENCODING), "proto", "Of requests: protobuf, or OTLP/JSON."),
    key("timeout", Kind::Duration, "30s", "For one attempt, at most 1h; `0` is 1h."),
    never("profiles_endpoint", "profiles are not carried"),
]);

words!(HttpEncoding, ENCODING: "proto" => HttpEncoding::Proto, "json" => HttpEncoding::Json);

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let unix = read_unix(reader);
    let urls = if unix.is_some() { Some(PerSignal::over_unix()) } else { read_urls(reader) };
    let client = http_client::read(reader, OtlpHttpExporter::TIMEOUT);
    let compression = read_compression(reader, Compression::default());
    let encoding = reader.get_or("encoding", HttpEncoding::default());
    let delivery = http_client::read_delivery(reader);
    Some(Exporter::OtlpHttp(OtlpHttpExporter { urls: urls?, unix, client, compression, encoding, delivery }))
}

/// The path of the Unix socket that `endpoint` names.
fn read_unix(reader: &Reader) -> Option<PathBuf> {
    let unix = |node: &Node| matches!(String::from_node(node), Ok(text) if text.starts_with("unix:"));
    if !reader.node("endpoint").is_some_and(unix) {
        return None;
    }
    let path = reader.get::<ClientAddress>("endpoint")?.unix;
    for key in ["traces_endpoint", "metrics_endpoint", "logs_endpoint"] {
        if reader.node(key).is_some() {
            let problem = Problem::Invalid("`endpoint` is a Unix socket, over which each signal goes".to_owned());
            reader.report.error(&reader.place(key), problem);
        }
    }
    path
}

impl PerSignal<Option<HttpUrl>> {
    /// What stands in requests over a Unix socket.
    fn over_unix() -> Self {
        let url =
            |path: &str| Some(HttpUrl { tls: false, endpoint: Endpoint::new("localhost", 80), path: path.into() });
        PerSignal { traces: url("/v1/traces"), metrics: url("/v1/metrics"), logs: url("/v1/logs") }
    }
}

fn read_urls(reader: &Reader) -> Option<PerSignal<Option<HttpUrl>>> {
    const KEYS: [&str; 4] = ["endpoint", "traces_endpoint", "metrics_endpoint", "logs_endpoint"];
    if KEYS.iter().all(|key| reader.node(key).is_none()) {
        let expected = "the URL of the backend, such as `https://collector:4318`".to_owned();
        reader.report.error(reader.own_place(), Problem::MissingKey { key: "endpoint", expected });
        return None;
    }
    let [base, traces, metrics, logs] = KEYS.map(|key| (reader.node(key).is_some(), reader.get::<HttpUrl>(key)));
    let wrong = [&base, &traces, &metrics, &logs].iter().any(|(there, url)| *there && url.is_none());
    let url = |own: Option<HttpUrl>, path: &str| own.or_else(|| base.1.as_ref().map(|base| below(base, path)));
    let urls = PerSignal {
        traces: url(traces.1, "v1/traces"),
        metrics: url(metrics.1, "v1/metrics"),
        logs: url(logs.1, "v1/logs"),
    };
    (!wrong).then_some(urls)
}

fn below(base: &HttpUrl, path: &str) -> HttpUrl {
    let path = format!("{}/{path}", base.path.trim_end_matches('/'));
    HttpUrl { path: path.into(), ..base.clone() }
}
