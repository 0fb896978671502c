//! The processors `attributes` and `resource`: the plugin `attributes` with the Collector's keys.

use super::FileProcessor;
use super::plugin_config::{Handed, stage};
use crate::node::Value;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::Endpoint;
use crate::schema::{Kind, Section, key, no_effect, required};

pub(super) static SECTION: Section = Section {
    keys: &[
        required(
            "actions",
            Kind::Sections(&ACTION),
            "Run in order over each record, each seeing what those before it changed.",
        ),
        key("include", Kind::Section(&MATCH), "", "The records that are meant; without it all."),
        key("exclude", Kind::Section(&MATCH), "", "Of these, the records that are not."),
    ],
};

pub(super) static RESOURCE: Section = Section {
    keys: &[required("attributes", Kind::Sections(&ACTION), "Run in order over each resource, as in `attributes`.")],
};

static ACTION: Section = Section {
    keys: &[
        required(
            "action",
            Kind::Word(ACTIONS),
            "`insert` where there is none, `update` where there is one, `upsert` either way; `hash` by SHA-256; `extract` groups \
             of a pattern; `convert` to another type.",
        ),
        key("key", Kind::Text, "", "The attribute."),
        key("value", Kind::Any, "", "What is put."),
        key("default_value", Kind::Any, "", "What is put where there is nothing else."),
        key("from_attribute", Kind::Text, "", "The attribute whose value is put."),
        key(
            "from_context",
            Kind::Text,
            "",
            "The header of the request whose text is put: `metadata.NAME`. The receiver needs `include_metadata`.",
        ),
        key(
            "pattern",
            Kind::Text,
            "",
            "For `delete` and `hash`, keys that are meant too; for `extract`, a regular expression whose named groups become \
             attributes.",
        ),
        key("converted_type", Kind::Word(TYPES), "", "For `convert`."),
    ],
};

static MATCH: Section = Section {
    keys: &[
        required("match_type", Kind::Word(MATCH_TYPES), "How texts are compared."),
        no_effect("regexp", "each distinct value is compared once"),
        key("services", Kind::TextList, "", "Spans: names of services, of which one must match; and so below."),
        key("span_names", Kind::TextList, "", "Spans."),
        key("span_kinds", Kind::TextList, "", "Spans: `SPAN_KIND_SERVER` and the like."),
        key("log_bodies", Kind::TextList, "", "Log records."),
        key("log_severity_texts", Kind::TextList, "", "Log records."),
        key("log_severity_number", Kind::Section(&SEVERITY), "", "Log records."),
        key("metric_names", Kind::TextList, "", "Metrics."),
        key(
            "attributes",
            Kind::Sections(&ATTRIBUTE),
            "",
            "Spans and log records: attributes, all of which must match.",
        ),
        key(
            "resources",
            Kind::Sections(&ATTRIBUTE),
            "",
            "Attributes of the resource, all of which must match; of metrics not looked at.",
        ),
        key("libraries", Kind::Sections(&LIBRARY), "", "Spans and log records: scopes, all of which must match."),
    ],
};

static SEVERITY: Section = Section {
    keys: &[
        key("min", Kind::Integer, "", "At least this `severity_number`."),
        key("match_undefined", Kind::Bool, "", "Records without one match."),
    ],
};

static ATTRIBUTE: Section = Section {
    keys: &[
        required("key", Kind::Text, "The attribute."),
        key("value", Kind::Any, "", "Its value, of the same type; with `regexp` a pattern that its text matches."),
    ],
};

static LIBRARY: Section = Section {
    keys: &[required("name", Kind::Text, "The name of the scope."), key("version", Kind::Text, "", "And its version.")],
};

const ACTIONS: &[&str] = &["insert", "update", "upsert", "delete", "hash", "extract", "convert"];
const TYPES: &[&str] = &["string", "int", "double"];
const MATCH_TYPES: &[&str] = &["strict", "regexp"];

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let mut config = Handed::default();
    read_actions(reader, "actions", &mut config);
    for key in ["include", "exclude"] {
        config.section(reader, key, &MATCH, read_match);
    }
    Some(stage(reader, "attributes", config.into()))
}

pub(super) fn read_resource(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileProcessor> {
    let mut config = Handed::default();
    read_actions(reader, "attributes", &mut config);
    Some(stage(reader, "attributes", config.into()))
}

fn read_actions(reader: &Reader, key: &'static str, config: &mut Handed) {
    let is_empty = reader.node(key).is_none_or(|node| matches!(&node.value, Value::List(items) if items.is_empty()));
    if is_empty {
        let place = if reader.has(key) { reader.place(key) } else { reader.own_place().clone() };
        let expected = "at least one action, such as `{action: insert, key: env, value: prod}`".to_owned();
        reader.report.error(&place, Problem::MissingKey { key, expected });
    }
    config.sections(reader, key, &ACTION, |reader, action| {
        action.word(reader, "action", ACTIONS);
        if reader.node("action").is_none() {
            let expected = format!("one of {}", ACTIONS.join(", "));
            reader.report.error(reader.own_place(), Problem::MissingKey { key: "action", expected });
        }
        for key in ["key", "from_attribute", "from_context", "pattern"] {
            action.text(reader, key);
        }
        action.any(reader, "value");
        action.any(reader, "default_value");
        action.word(reader, "converted_type", TYPES);
    });
}

fn read_match(reader: &Reader, handed: &mut Handed) {
    handed.word(reader, "match_type", MATCH_TYPES);
    if reader.node("match_type").is_none() {
        let expected = "`strict` or `regexp`".to_owned();
        reader.report.error(reader.own_place(), Problem::MissingKey { key: "match_type", expected });
    }
    for list in ["services", "span_names", "span_kinds", "log_bodies", "log_severity_texts", "metric_names"] {
        handed.texts(reader, list);
    }
    handed.section(reader, "log_severity_number", &SEVERITY, |reader, severity| {
        if let Some(min) = reader.checked("min", "a whole number, 0 to 24", |min: &u64| *min <= 24) {
            severity.set("min", min);
        }
        severity.bool(reader, "match_undefined", false);
    });
    for key in ["attributes", "resources"] {
        handed.sections(reader, key, &ATTRIBUTE, |reader, attribute| {
            if let Some(key) = reader.required::<String>("key", "the name of an attribute") {
                attribute.set("key", key.value);
            }
            attribute.any(reader, "value");
        });
    }
    handed.sections(reader, "libraries", &LIBRARY, |reader, library| {
        if let Some(name) = reader.required::<String>("name", "the name of a scope") {
            library.set("name", name.value);
        }
        library.text(reader, "version");
    });
}
