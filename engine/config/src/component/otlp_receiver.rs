//! The `otlp` receiver.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{auth, tls_server};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Cors, Endpoint, GrpcServer, HttpServer, Network, OtlpReceiver, Receiver, ServerKeepalive};
use crate::schema::{Kind, Section, key, never, no_effect, required};
use crate::values::{ServerAddress, Size, word};

pub(super) static SECTION: Section = Section {
    keys: &[required(
        "protocols",
        Kind::Section(&PROTOCOLS),
        "What to serve: `grpc`, `http` or both. One that is absent is not served, an empty one has all defaults.",
    )],
};

const TRANSPORTS: &[&str] = &["tcp", "tcp4", "tcp6", "unix"];

static PROTOCOLS: Section = Section {
    keys: &[key("grpc", Kind::Section(&GRPC), "", "OTLP/gRPC."), key("http", Kind::Section(&HTTP), "", "OTLP/HTTP.")],
};

static GRPC: Section = Section {
    keys: &[
        key("endpoint", Kind::Address, "localhost:4317", "Where to listen. Port 0 takes any free one."),
        key(
            "transport",
            Kind::Word(TRANSPORTS),
            "tcp",
            "The network; with `tcp4` or `tcp6` only addresses of that family. With `unix` the endpoint is the path of a socket, which is made, and removed at the end.",
        ),
        key("max_recv_msg_size_mib", Kind::Integer, "64", "The largest message, compressed or not, MiB; 1 to 1024."),
        key("max_concurrent_streams", Kind::Integer, "128", "Requests at one time on one connection, at least 1."),
        key("keepalive", Kind::Section(&KEEPALIVE), "", "When a silent connection is probed."),
        key(
            "read_timeout",
            Kind::Duration,
            "60s",
            "For a message to arrive, and for a new connection to say that it speaks HTTP/2; at most 1h, `0` is 1h. The Collector has no \
             such key.",
        ),
        key("include_metadata", Kind::Bool, "false", "Whether the client's metadata goes along with its batch."),
        tls_server::KEY,
        auth::SERVER_KEY,
        no_effect("read_buffer_size", "buffers grow and shrink with the traffic"),
        no_effect("write_buffer_size", "buffers grow and shrink with the traffic"),
        never("middlewares", "write a plugin"),
    ],
};

static KEEPALIVE: Section = Section {
    keys: &[
        key("server_parameters", Kind::Section(&SERVER_PARAMETERS), "", "What the server does."),
        no_effect("enforcement_policy", "clients may ping as often as they like, within the limits of HTTP/2"),
    ],
};

static SERVER_PARAMETERS: Section = Section {
    keys: &[
        key("time", Kind::Duration, "2h", "Silence after which the client is pinged, at least 1s."),
        key("timeout", Kind::Duration, "20s", "Time for the answer, after which the connection is closed."),
        key(
            "max_connection_idle",
            Kind::Duration,
            "never",
            "How long a connection without requests is kept; it may be twice that. `0` is never.",
        ),
        key(
            "max_connection_age",
            Kind::Duration,
            "never",
            "How long a connection is kept, give or take a tenth, so that load balancers choose again. `0` is never.",
        ),
        key(
            "max_connection_age_grace",
            Kind::Duration,
            "never",
            "What requests under way have then, before they are cut. `0` is never.",
        ),
    ],
};

static HTTP: Section = Section {
    keys: &[
        key("endpoint", Kind::Address, "localhost:4318", "Where to listen. Port 0 takes any free one."),
        key(
            "transport",
            Kind::Word(TRANSPORTS),
            "tcp",
            "The network; with `tcp4` or `tcp6` only addresses of that family. With `unix` the endpoint is the path of a socket, which is made, and removed at the end.",
        ),
        key("max_request_body_size", Kind::Size, "64MiB", "The largest body, compressed or not; 1 byte to 1GiB."),
        key("traces_url_path", Kind::Text, "/v1/traces", "The path for traces."),
        key("metrics_url_path", Kind::Text, "/v1/metrics", "The path for metrics."),
        key("logs_url_path", Kind::Text, "/v1/logs", "The path for logs."),
        key("include_metadata", Kind::Bool, "false", "Whether the client's headers go along with its batch."),
        tls_server::KEY,
        auth::SERVER_KEY,
        key("cors", Kind::Section(&CORS), "", "Which pages in browsers may send."),
        no_effect("response_headers", "answers carry what OTLP asks for"),
        no_effect("compression_algorithms", "`gzip`, `zstd` and none are taken"),
        key("read_timeout", Kind::Duration, "60s", "For a body to arrive, at most 1h; `0` is 1h."),
        key("read_header_timeout", Kind::Duration, "60s", "For a head to arrive, at most 1h; `0` is 1h."),
        no_effect("write_timeout", "answers are small"),
        key(
            "idle_timeout",
            Kind::Duration,
            "60s",
            "How long a connection without requests is kept; it may be twice that, and over HTTP/1 is at most \
             `read_header_timeout`. At most 1h; `0` is 1h.",
        ),
        no_effect("keep_alives_enabled", "connections are kept"),
        never("middlewares", "write a plugin"),
    ],
};

static CORS: Section = Section {
    keys: &[
        key(
            "allowed_origins",
            Kind::Any,
            "[]",
            "Origins of pages that may send, such as `https://example.com` or `https://*.example.com`; `*` is any. Without one no \
             page of another origin may.",
        ),
        key(
            "allowed_headers",
            Kind::Any,
            "[]",
            "Headers that they may send beside `Accept`, `Content-Type`, `Origin` and `X-Requested-With`; `*` is any.",
        ),
        key(
            "max_age",
            Kind::Integer,
            "0",
            "How long browsers may remember that, seconds; `0`: as they do by themselves.",
        ),
        no_effect("exposed_headers", "answers have no headers that a page needs"),
    ],
};

/// Below Arrow's 2 GiB for a buffer, with room for what merging adds.
const MESSAGE_BYTES_LIMIT: u64 = 1 << 30;

pub(super) fn read(reader: &Reader, listens: &mut Vec<Located<Endpoint>>) -> Option<Receiver> {
    const EXPECTED: &str = "`grpc:`, `http:` or both";
    if !reader.has("protocols") {
        let problem = Problem::MissingKey { key: "protocols", expected: EXPECTED.to_owned() };
        reader.report.error(reader.own_place(), problem);
        return None;
    }
    let protocols = reader.section("protocols", &PROTOCOLS)?;
    if !protocols.has("grpc") && !protocols.has("http") {
        reader.report.error(protocols.own_place(), Problem::Invalid(format!("no protocol: expected {EXPECTED}")));
        return None;
    }
    let grpc = protocols.section("grpc", &GRPC).map(|grpc| read_grpc(&grpc, listens));
    let http = protocols.section("http", &HTTP).map(|http| read_http(&http, listens));
    Some(Receiver::Otlp(OtlpReceiver { grpc, http }))
}

fn read_grpc(reader: &Reader, listens: &mut Vec<Located<Endpoint>>) -> GrpcServer {
    let default = GrpcServer::default();
    let (network, unix) = read_transport(reader);
    let mib = reader.checked("max_recv_msg_size_mib", "a whole number of MiB, 1 to 1024", |mib: &u64| {
        (1..=MESSAGE_BYTES_LIMIT >> 20).contains(mib)
    });
    let keepalive = reader.section("keepalive", &KEEPALIVE);
    let parameters = keepalive.and_then(|keepalive| keepalive.section("server_parameters", &SERVER_PARAMETERS));
    GrpcServer {
        endpoint: if unix.is_some() { default.endpoint } else { read_endpoint(reader, &default.endpoint, listens) },
        network,
        unix,
        tls: tls_server::read(reader),
        authenticator: auth::read(reader, auth::Side::Server),
        message_bytes_max: mib.map_or(default.message_bytes_max, |mib| to_usize(mib << 20)),
        concurrent_streams_max: reader.get_or("max_concurrent_streams", default.concurrent_streams_max),
        keepalive: parameters.map(|parameters| read_keepalive(&parameters)).unwrap_or_default(),
        read_timeout: read_timeout(reader, "read_timeout"),
        include_metadata: reader.get_or("include_metadata", default.include_metadata),
    }
}

fn read_keepalive(reader: &Reader) -> ServerKeepalive {
    let default = ServerKeepalive::default();
    // gRPC's own least, so that probing stays rare.
    let at_least_1s = |time: &Duration| time.as_secs() >= 1;
    let limit = |key| reader.get::<Duration>(key).filter(|limit| !limit.is_zero());
    ServerKeepalive {
        time: reader.checked("time", "a duration, at least `1s`", at_least_1s).unwrap_or(default.time),
        timeout: reader.checked("timeout", "a duration, at least `1s`", at_least_1s).unwrap_or(default.timeout),
        idle_max: limit("max_connection_idle"),
        age_max: limit("max_connection_age"),
        age_grace: limit("max_connection_age_grace"),
    }
}

fn read_http(reader: &Reader, listens: &mut Vec<Located<Endpoint>>) -> HttpServer {
    let default = HttpServer::default();
    let (network, unix) = read_transport(reader);
    let body = reader.checked("max_request_body_size", "a size, 1 byte to `1GiB`, such as `64MiB`", |size: &Size| {
        (1..=MESSAGE_BYTES_LIMIT).contains(&size.0)
    });
    let server = HttpServer {
        endpoint: if unix.is_some() { default.endpoint } else { read_endpoint(reader, &default.endpoint, listens) },
        network,
        unix,
        tls: tls_server::read(reader),
        authenticator: auth::read(reader, auth::Side::Server),
        body_bytes_max: body.map_or(default.body_bytes_max, |size| to_usize(size.0)),
        traces_path: read_path(reader, "traces_url_path", default.traces_path),
        metrics_path: read_path(reader, "metrics_url_path", default.metrics_path),
        logs_path: read_path(reader, "logs_url_path", default.logs_path),
        read_timeout: read_timeout(reader, "read_timeout"),
        read_header_timeout: read_timeout(reader, "read_header_timeout"),
        idle_timeout: read_timeout(reader, "idle_timeout"),
        cors: read_cors(reader),
        include_metadata: reader.get_or("include_metadata", default.include_metadata),
    };
    let paths = [&server.traces_path, &server.metrics_path, &server.logs_path];
    if paths[0] == paths[1] || paths[0] == paths[2] || paths[1] == paths[2] {
        let place = reader.own_place();
        reader.report.error(place, Problem::Invalid("two signals have the same path".to_owned()));
    }
    server
}

/// No client is waited for longer than an hour.
fn read_timeout(reader: &Reader, key: &str) -> Duration {
    const MAX: Duration = Duration::from_secs(60 * 60);
    match reader.get_or(key, OtlpReceiver::READ_TIMEOUT) {
        Duration::ZERO => MAX,
        timeout => timeout.min(MAX),
    }
}

/// Without an allowed origin there is nothing to answer.
fn read_cors(reader: &Reader) -> Option<Cors> {
    reader.node("cors")?;
    let cors = reader.section("cors", &CORS)?;
    let mut allowed_origins = Vec::new();
    for Located { value, place } in cors.list::<String>("allowed_origins") {
        if value.matches('*').count() > 1 {
            let problem = Problem::Invalid(format!("`{value}` has more than one `*`"));
            cors.report.error(&place, problem);
        }
        allowed_origins.push(value.into());
    }
    let headers = cors.list::<String>("allowed_headers").into_iter().map(|header| header.value.into()).collect();
    let max_age = Duration::from_secs(cors.get_or::<u32>("max_age", 0).into());
    (!allowed_origins.is_empty()).then_some(Cors { allowed_origins, allowed_headers: headers, max_age })
}

fn read_endpoint(reader: &Reader, default: &Endpoint, listens: &mut Vec<Located<Endpoint>>) -> Endpoint {
    let endpoint = reader.get::<ServerAddress>("endpoint").map_or(default.clone(), |address| address.0);
    listens.push(Located { value: endpoint.clone(), place: reader.place("endpoint") });
    endpoint
}

/// A path as HTTP has it. The Collector takes one without the first `/` too.
fn read_path(reader: &Reader, key: &str, default: Arc<str>) -> Arc<str> {
    let valid =
        |path: &String| !path.is_empty() && path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%'));
    match reader.checked(key, "the path of a URL, such as `/v1/traces`", valid) {
        Some(path) if path.starts_with('/') => path.into(),
        Some(path) => format!("/{path}").into(),
        None => default,
    }
}

/// The network, and the path of a Unix socket, if that is it.
fn read_transport(reader: &Reader) -> (Network, Option<PathBuf>) {
    let Some(node) = reader.node("transport") else { return Default::default() };
    let words =
        [("tcp", Some(Network::Tcp)), ("tcp4", Some(Network::Tcp4)), ("tcp6", Some(Network::Tcp6)), ("unix", None)];
    match word(node, &words) {
        Ok(Some(network)) => (network, None),
        Ok(None) => {
            let path = reader.required::<PathBuf>("endpoint", "the path of the socket");
            (Network::Tcp, path.map(|path| path.value))
        }
        Err(problem) => {
            reader.report.error(&reader.place("transport"), problem);
            Default::default()
        }
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
