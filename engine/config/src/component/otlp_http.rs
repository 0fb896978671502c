//! The `otlp_http` exporter, also named `otlphttp`.

use std::path::PathBuf;

use super::otlp_grpc::{COMPRESSION, read_compression};
use super::{auth, retry, sending_queue, tls};
use crate::node::Node;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Exporter, HttpEncoding, HttpUrl, OtlpHttpExporter, PerSignal};
use crate::schema::{Kind, Section, key, never, no_effect, not_yet};
use crate::values::{ClientAddress, FromNode, words};

pub(super) static SECTION: Section = Section {
    keys: &[
        key(
            "endpoint",
            Kind::Url,
            "",
            "Where to send; `/v1/traces`, `/v1/metrics` and `/v1/logs` are added. `unix:PATH` is a Unix socket, in the clear.",
        ),
        key("traces_endpoint", Kind::Url, "", "Where traces go instead; nothing is added."),
        key("metrics_endpoint", Kind::Url, "", "Where metrics go instead; nothing is added."),
        key("logs_endpoint", Kind::Url, "", "Where logs go instead; nothing is added."),
        tls::KEY,
        tls::HEADERS_KEY,
        key("compression", Kind::Word(COMPRESSION), "gzip", "Of requests."),
        key("encoding", Kind::Word(ENCODING), "proto", "Of requests: protobuf, or OTLP/JSON."),
        key("timeout", Kind::Duration, "30s", "For one attempt, at most 1h; `0` is 1h."),
        sending_queue::KEY,
        retry::KEY,
        sending_queue::ON_FULL_KEY,
        auth::CLIENT_KEY,
        not_yet("proxy_url", "reach the backend directly"),
        not_yet("cookies", "give them in `headers`"),
        no_effect("compression_params", "the compressor's fast levels are used"),
        no_effect("read_buffer_size", "buffers grow and shrink with the traffic"),
        no_effect("write_buffer_size", "buffers grow and shrink with the traffic"),
        key("max_idle_conns", Kind::Integer, "100", "Connections that are kept without a request."),
        key(
            "max_idle_conns_per_host",
            Kind::Integer,
            "0",
            "The same for one host and port, as `max_idle_conns` is here, too: the lesser counts. `0` is none of its own.",
        ),
        no_effect("max_conns_per_host", "`sending_queue::num_consumers` bounds them"),
        key(
            "idle_conn_timeout",
            Kind::Duration,
            "90s",
            "How long they are kept; `0`: as long as the backend keeps them.",
        ),
        no_effect("disable_keep_alives", "connections are pooled by host"),
        no_effect("http2_read_idle_timeout", "connections are pooled by host"),
        no_effect("http2_ping_timeout", "connections are pooled by host"),
        no_effect("force_attempt_http2", "the server chooses, by ALPN"),
        never("profiles_endpoint", "profiles are not carried"),
        never("middlewares", "write a plugin"),
    ],
};

words!(HttpEncoding, ENCODING: "proto" => HttpEncoding::Proto, "json" => HttpEncoding::Json);

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let unix = read_unix(reader);
    let urls = if unix.is_some() { Some(PerSignal::over_unix()) } else { read_urls(reader) };
    let (_, tls) = tls::read(reader);
    let headers = tls::read_headers(reader);
    let authenticator = auth::read(reader, auth::Side::Client);
    let compression = read_compression(reader);
    let encoding = reader.get_or("encoding", HttpEncoding::default());
    let timeout = retry::read_timeout(reader, OtlpHttpExporter::TIMEOUT);
    let (queue, on_full) = sending_queue::read(reader);
    let retry = retry::read(reader);
    let idle_timeout = reader.get_or("idle_conn_timeout", OtlpHttpExporter::IDLE_CONNECTION_TIMEOUT);
    Some(Exporter::OtlpHttp(OtlpHttpExporter {
        urls: urls?,
        unix,
        tls,
        headers,
        authenticator,
        compression,
        encoding,
        idle_connections_max: idle_connections_max(reader),
        idle_connection_timeout: Some(idle_timeout).filter(|timeout| !timeout.is_zero()),
        timeout,
        queue,
        retry,
        on_full,
    }))
}

/// `max_idle_conns_per_host` of 0 sets no limit of its own, as in the Collector.
fn idle_connections_max(reader: &Reader) -> usize {
    let all = reader.get_or::<u32>("max_idle_conns", OtlpHttpExporter::IDLE_CONNECTIONS_MAX);
    match reader.get_or::<u32>("max_idle_conns_per_host", 0) {
        0 => all as usize,
        of_host => all.min(of_host) as usize,
    }
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
