//! The keys of the Collector's `filter` processor.

use serde::Deserialize;
use wasmill_ottl_stage::{Conditions, Entry, ErrorMode, Programs};
use wasmill_sdk::prelude::*;

/// What the processor has besides `error_mode`. A record goes that one of the conditions is true for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    traces: Traces,
    metrics: Metrics,
    logs: Logs,
    trace_conditions: Vec<Entry>,
    metric_conditions: Vec<Entry>,
    log_conditions: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Traces {
    resource: Vec<String>,
    span: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Metrics {
    resource: Vec<String>,
    metric: Vec<String>,
    datapoint: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Logs {
    resource: Vec<String>,
    log_record: Vec<String>,
}

impl Config {
    pub fn conditions(&self, errors: ErrorMode, needs: &mut Requirements) -> Result<Programs> {
        let Config { traces, metrics, logs, .. } = self;
        let under = |signal, key: &str, context, texts| {
            let (key, context) = (key.to_owned(), Some(context));
            Conditions { signal, key, context, texts, errors }
        };
        let mut conditions = vec![
            under(Signal::Traces, "traces::resource", "resource", &traces.resource),
            under(Signal::Traces, "traces::span", "span", &traces.span),
            under(Signal::Metrics, "metrics::resource", "resource", &metrics.resource),
            under(Signal::Metrics, "metrics::metric", "metric", &metrics.metric),
            under(Signal::Metrics, "metrics::datapoint", "datapoint", &metrics.datapoint),
            under(Signal::Logs, "logs::resource", "resource", &logs.resource),
            under(Signal::Logs, "logs::log_record", "log", &logs.log_record),
        ];
        for (signal, key, entries) in [
            (Signal::Traces, "trace_conditions", &self.trace_conditions),
            (Signal::Metrics, "metric_conditions", &self.metric_conditions),
            (Signal::Logs, "log_conditions", &self.log_conditions),
        ] {
            conditions.extend(Conditions::of_entries(signal, key, entries, errors));
        }
        if conditions.iter().all(|part| part.texts.is_empty()) {
            // Nothing is to be dropped: every signal passes.
            needs.signals(Signal::ALL);
        }
        Programs::conditions_in(&conditions, needs)
    }
}
