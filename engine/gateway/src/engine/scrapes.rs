//! Where exporters are scraped.
//!
//! An address is taken before a configuration is published, and given up after. One that stays is handed from the old server to the new, so
//! that no scraper is refused in between; a server whose settings and series stay is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use wasmill_config::{self as config, ComponentId, Exporter};
use wasmill_prometheus::Store;
use wasmill_transport::{Guard, GuardSettings};
use wasmill_wire::Signal;

use super::listen::{ListenError, listen};
use super::report::EngineError;
use crate::auth::scrape_guard;
use crate::build::Built;
use crate::exporter::serve_scrapes;
use crate::telemetry::HttpEndpoint;

/// The servers of a configuration.
#[derive(Default)]
pub(super) struct Scrapes(BTreeMap<ComponentId, Scraped>);

struct Scraped {
    settings: config::PrometheusExporter,
    guard: GuardSettings,
    store: Arc<Store>,
    endpoint: HttpEndpoint,
}

/// Servers to be put in place of others.
pub(super) struct ChangedScrapes {
    kept: BTreeSet<ComponentId>,
    new: BTreeMap<ComponentId, Scraped>,
}

impl Scrapes {
    /// Takes new addresses. Changes nothing of what serves.
    pub async fn changed(&self, built: &Built) -> Result<ChangedScrapes, EngineError> {
        let mut changed = ChangedScrapes { kept: BTreeSet::new(), new: BTreeMap::new() };
        for (id, exporter) in &built.config.exporters {
            let Exporter::Prometheus(settings) = exporter else { continue };
            // One that no pipeline leads to has nothing to be scraped.
            let outlet = built.outlets.get(&(id.clone(), Signal::Metrics));
            let Some(store) = outlet.and_then(|outlet| outlet.scraped()) else { continue };
            let guard = scrape_guard(&built.config, id, settings);
            let is_same =
                |old: &Scraped| old.settings == *settings && old.guard == guard && Arc::ptr_eq(&old.store, store);
            if self.0.get(id).is_some_and(is_same) {
                changed.kept.insert(id.clone());
                continue;
            }
            // Whichever exporter had the address.
            let old = self.0.values().find(|old| old.settings.endpoint == settings.endpoint);
            let listener = match old {
                Some(old) => old.endpoint.listener().map_err(ListenError::serve)?,
                None => listen(&format!("exporters::{id}::endpoint"), &settings.endpoint).await?,
            };
            let endpoint = serve_scrapes(listener, Guard::new(&guard)?, settings, Arc::clone(store));
            let endpoint = endpoint.map_err(ListenError::serve)?;
            let scraped = Scraped { settings: settings.clone(), guard, store: Arc::clone(store), endpoint };
            changed.new.insert(id.clone(), scraped);
        }
        Ok(changed)
    }

    /// Gives up the addresses that are no longer configured.
    pub fn apply(&mut self, changed: ChangedScrapes) {
        self.0.retain(|id, _| changed.kept.contains(id));
        self.0.extend(changed.new);
    }

    /// A phrase for each: `prometheus scrape 127.0.0.1:9090`.
    pub fn listening(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(id, scraped)| format!("{id} scrape {}", scraped.endpoint.address()))
    }

    pub fn address(&self, id: &ComponentId) -> Option<SocketAddr> {
        self.0.get(id).map(|scraped| scraped.endpoint.address())
    }
}
