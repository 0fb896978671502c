//! What exporters have in common that send over HTTP.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{auth, retry, sending_queue, tls};
use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::{Delivery, HttpClient, HttpUrl};
use crate::schema::{Key, Kind, key, never, no_effect, not_yet};
use crate::secret::Secret;
use crate::values::{FromNode, UrlWithUser};

/// The keys that [`read`] takes, but for `endpoint`, `compression` and `timeout`, whose defaults are each exporter's own.
pub(super) const KEYS: [Key; 19] = [
    tls::KEY,
    tls::HEADERS_KEY,
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
    key("idle_conn_timeout", Kind::Duration, "90s", "How long they are kept; `0`: as long as the backend keeps them."),
    no_effect("disable_keep_alives", "connections are pooled by host"),
    no_effect("http2_read_idle_timeout", "connections are pooled by host"),
    no_effect("http2_ping_timeout", "connections are pooled by host"),
    no_effect("force_attempt_http2", "the server chooses, by ALPN"),
];

/// What the Collector's HTTP exporters have beside them.
pub(super) const MIDDLEWARES_KEY: Key = never("middlewares", "write a plugin");

/// An exporter's own keys, and then all that is common.
pub(super) const fn keys<const OWN: usize, const ALL: usize>(own: [Key; OWN]) -> [Key; ALL] {
    let mut all = [MIDDLEWARES_KEY; ALL];
    let mut place = 0;
    while place < OWN {
        all[place] = own[place];
        place += 1;
    }
    place = 0;
    while place < KEYS.len() {
        all[OWN + place] = KEYS[place];
        place += 1;
    }
    assert!(OWN + KEYS.len() + 1 == ALL, "an exporter's own keys, the common ones, and `middlewares`");
    all
}

/// Where requests go, with the credentials that the URL may have as the header that they are sent in.
pub(super) fn read_url(reader: &Reader, client: &mut HttpClient, example: &str) -> Option<HttpUrl> {
    read_url_as::<UrlWithUser>(reader, "endpoint", client, example)
}

/// The same, of another key, and with forms of its own.
pub(super) fn read_url_as<T: FromNode + Into<UrlWithUser>>(
    reader: &Reader,
    key: &'static str,
    client: &mut HttpClient,
    example: &str,
) -> Option<HttpUrl> {
    if reader.node(key).is_none() {
        let expected = format!("the URL of the backend, such as `{example}`");
        reader.report.error(reader.own_place(), Problem::MissingKey { key, expected });
        return None;
    }
    let UrlWithUser { url, user } = reader.get::<T>(key)?.into();
    if let Some((name, password)) = user {
        if client.headers.iter().any(|(name, _)| &**name == "authorization") || client.authenticator.is_some() {
            let problem = "has a user, and `headers` or `auth` say otherwise who we are: one of them is enough";
            reader.report.error(&reader.place(key), Problem::Invalid(problem.to_owned()));
        }
        let credentials = STANDARD.encode(format!("{name}:{}", password.expose()));
        client.headers.push(("authorization".into(), Secret::new(format!("Basic {credentials}"))));
    }
    Some(url)
}

pub(super) fn read(reader: &Reader, timeout_default: Duration) -> HttpClient {
    let (_, tls) = tls::read(reader);
    let idle_timeout = reader.get_or("idle_conn_timeout", HttpClient::IDLE_CONNECTION_TIMEOUT);
    HttpClient {
        tls,
        headers: tls::read_headers(reader),
        authenticator: auth::read(reader, auth::Side::Client),
        idle_connections_max: idle_connections_max(reader),
        idle_connection_timeout: Some(idle_timeout).filter(|timeout| !timeout.is_zero()),
        timeout: retry::read_timeout(reader, timeout_default),
    }
}

/// `sending_queue`, `retry_on_failure` and `on_full`.
pub(super) fn read_delivery(reader: &Reader) -> Delivery {
    let (queue, on_full) = sending_queue::read(reader);
    Delivery { queue, retry: retry::read(reader), on_full }
}

/// `max_idle_conns_per_host` of 0 sets no limit of its own, as in the Collector.
fn idle_connections_max(reader: &Reader) -> usize {
    let all = reader.get_or::<u32>("max_idle_conns", HttpClient::IDLE_CONNECTIONS_MAX);
    match reader.get_or::<u32>("max_idle_conns_per_host", 0) {
        0 => all as usize,
        of_host => all.min(of_host) as usize,
    }
}
