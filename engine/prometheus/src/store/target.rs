//! `target_info`: what is known of a resource beside `job` and `instance`, once for each of these.

use std::sync::Arc;

use wasmill_wire::{Message, MetricKind};

use super::family::{Found, Registry};
use super::series::{LabelBytes, Series, Value};
use super::{Reason, Store};
use crate::translate::{Family, MetricType};

const NAME: &str = "target_info";
const HELP: &str = "Target metadata";

impl Store {
    /// The series of a resource that is new. Of two resources with one `job` and `instance` the later is told of: a process that was
    /// started anew has other attributes.
    pub(super) fn target(&self, resource: &Message<'_>, now_ms: u64) -> Result<Option<Arc<Series>>, Reason> {
        let translation = &self.settings.translation;
        let Some(labels) = translation.target_labels(resource).map_err(|_| Reason::Labels)? else { return Ok(None) };
        let name = translation.metric_name(NAME, "", MetricType::Gauge, false).map_err(|_| Reason::Name)?;
        let family = Family { name, kind: MetricType::Gauge, unit: String::new(), help: HELP.to_owned() };
        let (job, instance) = (labels.get("job").unwrap_or_default(), labels.get("instance").unwrap_or_default());
        loop {
            let members = Registry::family(&self.registry, &family, &self.ways).map_err(|_| Reason::TypeConflict)?;
            let label_bytes = LabelBytes::of(&labels);
            let len = label_bytes.pairs.len();
            let found = members.series(label_bytes, || Value::empty(MetricKind::Gauge), || self.room.take(len));
            let series = match found {
                Found::Known(series) | Found::Made(series) => series,
                Found::Full => return Err(Reason::SeriesLimit),
                Found::Closed => continue,
            };
            let mut state = series.state.lock();
            if state.is_gone {
                continue;
            }
            (state.is_stale, state.updated_ms) = (false, now_ms);
            state.value = Value::Number { value: 1.0, exemplar: None };
            drop(state);
            let key = format!("{job}\0{instance}");
            let before = self.targets.lock().insert(key, Arc::clone(&series));
            if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &series)) {
                before.state.lock().is_stale = true;
            }
            return Ok(Some(series));
        }
    }
}
