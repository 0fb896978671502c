//! What listens beside the receivers: metrics, health, what is scraped.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmill_config::{self as config, ComponentId, Extension};
use wasmill_transport::Guard;

use super::EngineError;
use super::listen::{ListenError, listen};
use super::scrapes::{ChangedScrapes, Scrapes};
use crate::auth::health_guard;
use crate::build::Built;
use crate::telemetry::{Health, HttpEndpoint, Metrics, serve_health, serve_metrics};

/// Endpoints beside the receivers'.
#[derive(Default)]
pub struct Endpoints {
    pub metrics: MetricsEndpoint,
    pub health: HealthEndpoints,
    pub scrapes: Scrapes,
}

type MetricsEndpoint = Option<(config::Endpoint, HttpEndpoint)>;
type HealthEndpoints = BTreeMap<ComponentId, (config::HealthCheck, HttpEndpoint)>;

/// Endpoints whose ports are taken, to be put in place of others.
pub struct ChangedEndpoints {
    /// `None`: as it was.
    metrics: Option<MetricsEndpoint>,
    health: HealthEndpoints,
    scrapes: ChangedScrapes,
}

impl Endpoints {
    /// Takes new addresses. Changes nothing of what serves.
    pub async fn changed(
        &self,
        built: &Built,
        metrics: &Metrics,
        health: &Health,
    ) -> Result<ChangedEndpoints, EngineError> {
        let config = &built.config;
        let wanted = config.telemetry.metrics.endpoint.as_ref();
        let metrics = match wanted {
            _ if self.metrics.as_ref().map(|(endpoint, _)| endpoint) == wanted => None,
            Some(endpoint) => {
                let listener = listen("service::telemetry::metrics", endpoint).await?;
                let served = serve_metrics(listener, metrics.clone());
                Some(Some((endpoint.clone(), served.map_err(ListenError::serve)?)))
            }
            None => Some(None),
        };
        let mut served = BTreeMap::new();
        for (id, extension) in &config.extensions {
            let Extension::HealthCheck(settings) = extension else { continue };
            let old = self.health.get(id).filter(|(old, _)| old.endpoint == settings.endpoint);
            let listener = match old {
                Some((_, endpoint)) => endpoint.listener().map_err(ListenError::serve)?,
                None => listen(&format!("extensions::{id}::endpoint"), &settings.endpoint).await?,
            };
            let guard = Guard::new(&health_guard(config, id, settings))?;
            let endpoint = serve_health(listener, guard, Arc::clone(&settings.path), health.clone());
            served.insert(id.clone(), (settings.clone(), endpoint.map_err(ListenError::serve)?));
        }
        Ok(ChangedEndpoints { metrics, health: served, scrapes: self.scrapes.changed(built).await? })
    }

    /// Gives up the addresses that are no longer configured.
    pub fn apply(&mut self, changed: ChangedEndpoints) {
        if let Some(metrics) = changed.metrics {
            self.metrics = metrics;
        }
        self.health = changed.health;
        self.scrapes.apply(changed.scrapes);
    }
}
