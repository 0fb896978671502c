//! The `otlp` receiver.

use std::sync::Arc;

use super::tls_server;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, GrpcServer, HttpServer, OtlpReceiver, Receiver, ServerKeepalive};
use crate::schema::{Key, Kind, Section, key, never, no_effect, not_yet, required};
use crate::values::{ServerAddress, Size, word};

pub(super) static SECTION: Section = Section {
    keys: &[required(
        "protocols",
        Kind::Section(&PROTOCOLS),
        "What to serve: `grpc`, `http` or both. One that is absent is not served, an empty one has all defaults.",
    )],
};

static PROTOCOLS: Section = Section {
    keys: &[key("grpc", Kind::Section(&GRPC), "", "OTLP/gRPC."), key("http", Kind::Section(&HTTP), "", "OTLP/HTTP.")],
};

const AUTH_SERVER: Key = not_yet("auth", "put a proxy that authenticates before this port, and bind it to `localhost`");

static GRPC: Section = Section {
    keys: &[
        key("endpoint", Kind::Address, "localhost:4317", "Where to listen. Port 0 takes any free one."),
        key("transport", Kind::Word(&["tcp"]), "tcp", "The network. Unix sockets are not served yet."),
        key("max_recv_msg_size_mib", Kind::Integer, "64", "The largest message, compressed or not, MiB; 1 to 1024."),
        key("max_concurrent_streams", Kind::Integer, "128", "Requests at one time on one connection, at least 1."),
        key("keepalive", Kind::Section(&KEEPALIVE), "", "When a silent connection is probed."),
        key("include_metadata", Kind::Bool, "false", "Whether the client's metadata goes along with its batch."),
        tls_server::KEY,
        AUTH_SERVER,
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
        no_effect("max_connection_idle", "connections are not closed for their age yet"),
        no_effect("max_connection_age", "connections are not closed for their age yet"),
        no_effect("max_connection_age_grace", "connections are not closed for their age yet"),
    ],
};

static HTTP: Section = Section {
    keys: &[
        key("endpoint", Kind::Address, "localhost:4318", "Where to listen. Port 0 takes any free one."),
        key("transport", Kind::Word(&["tcp"]), "tcp", "The network. Unix sockets are not served yet."),
        key("max_request_body_size", Kind::Size, "64MiB", "The largest body, compressed or not; 1 byte to 1GiB."),
        key("traces_url_path", Kind::Text, "/v1/traces", "The path for traces."),
        key("metrics_url_path", Kind::Text, "/v1/metrics", "The path for metrics."),
        key("logs_url_path", Kind::Text, "/v1/logs", "The path for logs."),
        key("include_metadata", Kind::Bool, "false", "Whether the client's headers go along with its batch."),
        tls_server::KEY,
        AUTH_SERVER,
        not_yet("cors", "let browsers send through a proxy that answers CORS"),
        no_effect("response_headers", "answers carry what OTLP asks for"),
        no_effect("compression_algorithms", "`gzip`, `zstd` and none are taken"),
        no_effect("read_timeout", "a body has 60 s to arrive"),
        no_effect("read_header_timeout", "a head has 60 s to arrive"),
        no_effect("write_timeout", "answers are small"),
        no_effect("idle_timeout", "a connection has 60 s to begin the next request"),
        no_effect("keep_alives_enabled", "connections are kept"),
        never("middlewares", "write a plugin"),
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
    check_transport(reader);
    let mib = reader.checked("max_recv_msg_size_mib", "a whole number of MiB, 1 to 1024", |mib: &u64| {
        (1..=MESSAGE_BYTES_LIMIT >> 20).contains(mib)
    });
    let keepalive = reader.section("keepalive", &KEEPALIVE);
    let parameters = keepalive.and_then(|keepalive| keepalive.section("server_parameters", &SERVER_PARAMETERS));
    GrpcServer {
        endpoint: read_endpoint(reader, &default.endpoint, listens),
        tls: tls_server::read(reader),
        message_bytes_max: mib.map_or(default.message_bytes_max, |mib| to_usize(mib << 20)),
        concurrent_streams_max: reader.get_or("max_concurrent_streams", default.concurrent_streams_max),
        keepalive: parameters.map(|parameters| read_keepalive(&parameters)).unwrap_or_default(),
        include_metadata: reader.get_or("include_metadata", default.include_metadata),
    }
}

fn read_keepalive(reader: &Reader) -> ServerKeepalive {
    let default = ServerKeepalive::default();
    // gRPC's own least, so that probing stays rare.
    let at_least_1s = |time: &std::time::Duration| time.as_secs() >= 1;
    ServerKeepalive {
        time: reader.checked("time", "a duration, at least `1s`", at_least_1s).unwrap_or(default.time),
        timeout: reader.checked("timeout", "a duration, at least `1s`", at_least_1s).unwrap_or(default.timeout),
    }
}

fn read_http(reader: &Reader, listens: &mut Vec<Located<Endpoint>>) -> HttpServer {
    let default = HttpServer::default();
    check_transport(reader);
    let body = reader.checked("max_request_body_size", "a size, 1 byte to `1GiB`, such as `64MiB`", |size: &Size| {
        (1..=MESSAGE_BYTES_LIMIT).contains(&size.0)
    });
    let server = HttpServer {
        endpoint: read_endpoint(reader, &default.endpoint, listens),
        tls: tls_server::read(reader),
        body_bytes_max: body.map_or(default.body_bytes_max, |size| to_usize(size.0)),
        traces_path: read_path(reader, "traces_url_path", default.traces_path),
        metrics_path: read_path(reader, "metrics_url_path", default.metrics_path),
        logs_path: read_path(reader, "logs_url_path", default.logs_path),
        include_metadata: reader.get_or("include_metadata", default.include_metadata),
    };
    let paths = [&server.traces_path, &server.metrics_path, &server.logs_path];
    if paths[0] == paths[1] || paths[0] == paths[2] || paths[1] == paths[2] {
        let place = reader.own_place();
        reader.report.error(place, Problem::Invalid("two signals have the same path".to_owned()));
    }
    server
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

fn check_transport(reader: &Reader) {
    let Some(node) = reader.node("transport") else { return };
    let problem = match word(node, &[("tcp", true), ("tcp4", true), ("tcp6", true), ("unix", false)]) {
        Ok(true) => return,
        Ok(false) => {
            let instead = "use `tcp`".to_owned();
            Problem::NotServedYet { what: "a Unix socket".to_owned(), instead }
        }
        Err(problem) => problem,
    };
    reader.report.error(&reader.place("transport"), problem);
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
