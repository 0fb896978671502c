//! The `filter` processor: the plugin `filter` with the Collector's keys.

use super::FileProcessor;
use super::plugin_config::{Handed, stage};
use crate::reader::{Located, Reader};
use crate::running::Endpoint;
use crate::schema::{Key, Kind, Section, key, never, not_yet};

pub(super) static SECTION: Section = Section {
    keys: &[
        key("error_mode", Kind::Word(ERROR_MODES), "ignore", ERROR_MODE),
        key("traces", Kind::Section(&TRACES), "", "Which spans are dropped."),
        key("metrics", Kind::Section(&METRICS), "", "Which data points are dropped."),
        key("logs", Kind::Section(&LOGS), "", "Which log records are dropped."),
        key(
            "trace_conditions",
            Kind::TextsOrSections(&GROUP),
            "[]",
            "Spans are dropped where one is true. Conditions, or groups of them.",
        ),
        key("metric_conditions", Kind::TextsOrSections(&GROUP), "[]", "The same for data points."),
        key("log_conditions", Kind::TextsOrSections(&GROUP), "[]", "The same for log records."),
        never("spans", "write it as a condition under `traces::span`: `attributes[\"KEY\"] == \"VALUE\"`"),
        never("profiles", "profiles are not taken"),
        never("profile_conditions", "profiles are not taken"),
    ],
};

const ERROR_MODE: &str = "What happens where one cannot be evaluated for a record: it does not count there, with a word in the log \
                          or without, or the client is told to retry.";

static TRACES: Section = Section {
    keys: &[
        key("resource", Kind::TextList, "[]", "Conditions over resources: their spans go."),
        key("span", Kind::TextList, "[]", "Conditions over spans."),
        not_yet("spanevent", "drop whole spans, or write a plugin for it (`wasm/NAME`)"),
    ],
};

static METRICS: Section = Section {
    keys: &[
        key("resource", Kind::TextList, "[]", "Conditions over resources: their metrics go."),
        key("metric", Kind::TextList, "[]", "Conditions over metrics, in the context `metric`: their data points go."),
        key("datapoint", Kind::TextList, "[]", "Conditions over data points."),
        never("include", "write it as a condition under `metrics::metric`: `not IsMatch(name, \"PATTERN\")`"),
        never("exclude", "write it as a condition under `metrics::metric`: `IsMatch(name, \"PATTERN\")`"),
        never("regexp", "it belongs to `include` and `exclude`"),
    ],
};

static LOGS: Section = Section {
    keys: &[
        key("resource", Kind::TextList, "[]", "Conditions over resources: their log records go."),
        key("log_record", Kind::TextList, "[]", "Conditions over log records."),
        never("include", "write it as a condition under `logs::log_record`: `not IsMatch(body, \"PATTERN\")`"),
        never("exclude", "write it as a condition under `logs::log_record`: `IsMatch(body, \"PATTERN\")`"),
    ],
};

static GROUP: Section =
    Section { keys: &[GROUP_CONTEXT, GROUP_ERROR_MODE, key("conditions", Kind::TextList, "", "The conditions.")] };

/// Of a group, here and in `transform`.
pub(super) const GROUP_CONTEXT: Key = key(
    "context",
    Kind::Word(CONTEXTS),
    "",
    "What paths are fields of that do not say so; without it each path says it: `span.name`.",
);
pub(super) const GROUP_ERROR_MODE: Key =
    key("error_mode", Kind::Word(ERROR_MODES), "", "For this group; without it, that of the processor.");

pub(super) const ERROR_MODES: &[&str] = &["ignore", "silent", "propagate"];
pub(super) const CONTEXTS: &[&str] = &["resource", "scope", "span", "metric", "datapoint", "log"];

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let mut keys = Handed::default();
    for (key, section, lists) in [
        ("traces", &TRACES, &["resource", "span"][..]),
        ("metrics", &METRICS, &["resource", "metric", "datapoint"]),
        ("logs", &LOGS, &["resource", "log_record"]),
    ] {
        keys.section(reader, key, section, |reader, keys| lists.iter().for_each(|list| keys.texts(reader, list)));
    }
    for key in ["trace_conditions", "metric_conditions", "log_conditions"] {
        keys.texts_or_sections(reader, key, &GROUP, group);
    }
    Some(stage(reader, "filter", with_error_mode(reader, keys)))
}

/// What every group has.
pub(super) fn group(reader: &Reader, keys: &mut Handed) {
    keys.word(reader, "context", CONTEXTS);
    keys.word(reader, "error_mode", ERROR_MODES);
    keys.texts(reader, "conditions");
}

/// The plugin's configuration: the Collector's keys, and the mode, whose default is the Collector's.
pub(super) fn with_error_mode(reader: &Reader, keys: Handed) -> serde_json::Value {
    let mut config = Handed::default();
    config.set("error_mode", "ignore");
    config.word(reader, "error_mode", ERROR_MODES);
    config.map("collector", keys);
    config.into()
}
