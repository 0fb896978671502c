//! `prometheus`: metrics for whoever scrapes them, as the Collector's exporter has them.
//!
//! ```text
//!  prepare: points to their series ──► Store ◄── /metrics: a piece at a time, as the scraper reads
//! ```
//!
//! A batch is taken when it is prepared, from the bytes that it came in: there is nothing to send, so that nothing is encoded. What is left
//! for [`send`](Exporter::send) is to say how many rows were refused, and why.
//!
//! The series belong to the name of the exporter and to what decides about their form ([`Stores`]): a reload that changes another key, or
//! none, keeps them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame, Incoming};
use hyper::{HeaderMap, Request as HttpRequest, Response, StatusCode, header};
use parking_lot::Mutex;
use wasmill_batch::{RequestContext, TelemetryBatch};
use wasmill_config::{self as config, ComponentId};
use wasmill_prometheus::{Format, Scrape, Store, StoreSettings, Translation};
use wasmill_transport::Guard;
use wasmill_wire::{Index, Signal};

use super::{Exporter, Pieces, Request, Sending, Sent};
use crate::telemetry::HttpEndpoint;

/// Where it is scraped. The Collector has no other.
const PATH: &str = "/metrics";

pub struct PrometheusExporter {
    store: Arc<Store>,
}

/// What the exporters of this process keep, by their names.
#[derive(Clone, Default)]
pub struct Stores(Arc<Mutex<BTreeMap<ComponentId, Vec<Weak<Store>>>>>);

impl Stores {
    /// The exporter's, which lives as long as an exporter has it.
    fn store(&self, id: &ComponentId, settings: StoreSettings) -> Arc<Store> {
        let mut stores = self.0.lock();
        let known = stores.entry(id.clone()).or_default();
        known.retain(|store| store.strong_count() > 0);
        if let Some(store) = known.iter().filter_map(Weak::upgrade).find(|store| *store.settings() == settings) {
            return store;
        }
        let store = Store::new(settings);
        known.push(Arc::downgrade(&store));
        store
    }
}

impl PrometheusExporter {
    pub fn new(id: &ComponentId, settings: &config::PrometheusExporter, stores: &Stores) -> PrometheusExporter {
        PrometheusExporter { store: stores.store(id, store_settings(settings)) }
    }

    /// Takes the rows. The request has nothing to send, and says what was not taken.
    fn take(
        &self,
        index: &Index,
        rows: impl Iterator<Item = usize>,
        count: usize,
        context: Arc<RequestContext>,
    ) -> Request {
        let tally = self.store.take(index, rows);
        let left_out = Sent { rejected_rows: tally.refused(), message: tally.message };
        Request::in_pieces(Signal::Metrics, count as u64, Pieces::new(Vec::new(), left_out), context)
    }
}

impl Exporter for PrometheusExporter {
    /// Validation lets only metrics lead here.
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        let selection = batch.selection();
        self.take(batch.index(), selection.rows(), selection.count(), Arc::clone(batch.context()))
    }

    fn prepare_encoded(&self, request: Request) -> Request {
        match request.parsed() {
            Ok((batch, context)) => self.take(batch.index(), 0..batch.rows(), batch.rows(), context),
            Err(nothing) => nothing,
        }
    }

    fn writes_at_once(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(std::future::ready(request.pieces().and_then(Pieces::answer)))
    }

    fn scraped(&self) -> Option<&Arc<Store>> {
        Some(&self.store)
    }
}

fn store_settings(settings: &config::PrometheusExporter) -> StoreSettings {
    let const_labels = settings.const_labels.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    StoreSettings {
        translation: Translation {
            namespace: settings.namespace.to_string(),
            suffixes: settings.has_suffixes,
            utf8: settings.has_utf8_names,
            const_labels: const_labels.collect(),
            resource_labels: settings.has_resource_labels,
            service_labels: settings.has_service_labels,
            scope_labels: settings.has_scope_labels,
        },
        expiration: settings.expiration,
        series_max: settings.series_max.get(),
    }
}

/// Serves `store` to whoever `guard` lets in.
pub fn serve_scrapes(
    listener: std::net::TcpListener,
    guard: Guard,
    settings: &config::PrometheusExporter,
    store: Arc<Store>,
) -> std::io::Result<HttpEndpoint> {
    let (has_open_metrics, has_timestamps) = (settings.has_open_metrics, settings.has_timestamps);
    HttpEndpoint::serve(listener, guard, move |request| answer(request, &store, has_open_metrics, has_timestamps))
}

fn answer(
    request: &HttpRequest<Incoming>,
    store: &Arc<Store>,
    has_open_metrics: bool,
    has_timestamps: bool,
) -> Response<ScrapeBody> {
    let mut response = Response::new(ScrapeBody::default());
    if request.uri().path() != PATH {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let format = Format::negotiate(&joined(request.headers(), header::ACCEPT), has_open_metrics);
    if let Ok(content_type) = header::HeaderValue::from_str(&format.content_type()) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    let is_compressed = takes_gzip(&joined(request.headers(), header::ACCEPT_ENCODING));
    if is_compressed {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    let vary = header::HeaderValue::from_static("accept, accept-encoding");
    response.headers_mut().insert(header::VARY, vary);
    let scrape = Scrape::new(Arc::clone(store), format, has_timestamps);
    // The fastest: a scrape repeats itself, and is a third as large at any level.
    let encoder = is_compressed.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
    *response.body_mut() = ScrapeBody { rest: Some((scrape, encoder)) };
    response
}

/// A header that may come in several lines.
fn joined(headers: &HeaderMap, name: header::HeaderName) -> String {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
}

fn takes_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse().is_ok_and(|q: f64| q <= 0.0));
        is_gzip && !parts.any(is_refused)
    })
}

/// An answer that is made while it is sent: a piece is made when the one before is on its way.
#[derive(Default)]
pub struct ScrapeBody {
    rest: Option<(Scrape, Option<GzEncoder<Vec<u8>>>)>,
}

impl Body for ScrapeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let Some((mut scrape, encoder)) = self.rest.take() else { return Poll::Ready(None) };
            let mut piece = Vec::new();
            let is_more = scrape.next(&mut piece);
            let made = match encoder {
                None => {
                    self.rest = is_more.then_some((scrape, None));
                    piece
                }
                Some(mut encoder) => {
                    // A vector takes everything.
                    let _ = encoder.write_all(&piece);
                    if is_more {
                        let made = std::mem::take(encoder.get_mut());
                        self.rest = Some((scrape, Some(encoder)));
                        made
                    } else {
                        encoder.finish().unwrap_or_default()
                    }
                }
            };
            if !made.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(made.into()))));
            }
        }
    }
}

#[cfg(test)]
mod tests;
