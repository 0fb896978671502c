//! `service::telemetry`: what the gateway says of itself.

mod traces;

use std::sync::Arc;

use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, LogEncoding, LogLevel, LogSettings, MetricsLevel, MetricsSettings, Telemetry};
use crate::schema::{Kind, Section, key, never, no_effect, not_yet};
use crate::values::{ServerAddress, text, words};

pub(crate) static SECTION: Section = Section {
    keys: &[
        key("logs", Kind::Section(&LOGS), "", "What it logs, to standard error."),
        key("metrics", Kind::Section(&METRICS), "", "What it counts, for Prometheus."),
        traces::KEY,
        key(
            "resource",
            Kind::Texts,
            "",
            "Attributes of its own spans, beside `service.name` and `service.version`. In metrics they are for the scraper to add.",
        ),
    ],
};

static LOGS: Section = Section {
    keys: &[
        key("level", Kind::Word(LEVEL), "info", "The least severe that is logged."),
        key("encoding", Kind::Word(ENCODING), "console", "Lines to read, or JSON."),
        no_effect("development", "there is one mode"),
        no_effect("disable_caller", "lines name the module"),
        no_effect("disable_stacktrace", "there are none"),
        no_effect("sampling", "repeated messages are bounded at their source"),
        no_effect("output_paths", "logs go to standard error"),
        no_effect("error_output_paths", "logs go to standard error"),
        no_effect("initial_fields", "fields are for the log's collector to add"),
        not_yet("processors", "collect standard error"),
    ],
};

static METRICS: Section = Section {
    keys: &[
        key("level", Kind::Word(METRICS_LEVEL), "normal", "How much is counted; `none`: nothing, and no port."),
        key("address", Kind::Address, "localhost:8888", "Where Prometheus reads them. The older way to say `readers`."),
        key("readers", Kind::Sections(&METRIC_READER), "", "One reader, of the kind `pull`."),
        no_effect("views", "what is counted is fixed"),
    ],
};

static METRIC_READER: Section = Section {
    keys: &[
        key("pull", Kind::Section(&PULL), "", "Read by Prometheus."),
        not_yet("periodic", "let a Collector scrape the port, and send it on"),
    ],
};

static PULL: Section = Section { keys: &[key("exporter", Kind::Section(&PULL_EXPORTER), "", "The form.")] };

static PULL_EXPORTER: Section =
    Section { keys: &[key("prometheus", Kind::Section(&PROMETHEUS), "", "Prometheus's text.")] };

static PROMETHEUS: Section = Section {
    keys: &[
        key("host", Kind::Text, "localhost", "Where to listen."),
        key("port", Kind::Integer, "8888", "Where to listen."),
        no_effect("without_scope_info", "names are those of the Collector with its defaults"),
        no_effect("without_type_suffix", "names are those of the Collector with its defaults"),
        no_effect("without_units", "names are those of the Collector with its defaults"),
        no_effect("with_resource_constant_labels", "labels are for the scraper to add"),
        never("translation_strategy", "names are those of the Collector with its defaults"),
    ],
};

words!(LogLevel, LEVEL:
    "debug" => LogLevel::Debug, "info" => LogLevel::Info, "warn" => LogLevel::Warn, "error" => LogLevel::Error);
words!(LogEncoding, ENCODING: "console" => LogEncoding::Console, "json" => LogEncoding::Json);
words!(MetricsLevel, METRICS_LEVEL:
    "none" => MetricsLevel::None, "basic" => MetricsLevel::Basic, "normal" => MetricsLevel::Normal,
    "detailed" => MetricsLevel::Detailed);

pub(crate) fn read(reader: &Reader, listens: &mut Vec<Located<Endpoint>>) -> Telemetry {
    let logs = reader.section("logs", &LOGS).map_or_else(LogSettings::default, |logs| LogSettings {
        level: logs.get_or("level", LogLevel::default()),
        encoding: logs.get_or("encoding", LogEncoding::default()),
    });
    let mut traces = traces::read(reader);
    let resource = read_resource(reader);
    if let Some(traces) = &mut traces {
        traces.resource = resource;
    }
    Telemetry { logs, metrics: read_metrics(reader, listens), traces }
}

/// Texts by name; one without a value says nothing.
fn read_resource(telemetry: &Reader) -> Vec<(Arc<str>, Arc<str>)> {
    let mut resource = Vec::new();
    for (entry, place) in telemetry.named("resource") {
        if entry.node.is_null() {
            continue;
        }
        match text(&entry.node, "a text") {
            Ok(value) => resource.push((entry.key.as_str().into(), value.into())),
            Err(problem) => telemetry.report.error(&place, problem),
        }
    }
    resource
}

fn read_metrics(telemetry: &Reader, listens: &mut Vec<Located<Endpoint>>) -> MetricsSettings {
    let default = MetricsSettings::default();
    let Some(reader) = telemetry.section("metrics", &METRICS) else {
        if let Some(value) = default.endpoint.clone() {
            listens.push(Located { value, place: telemetry.own_place().clone() });
        }
        return default;
    };
    let level = reader.get_or("level", default.level);
    let mut place = reader.place("address");
    let mut endpoint = reader.get::<ServerAddress>("address").map(|address| address.0);
    let readers = reader.sections("readers", &METRIC_READER);
    if readers.len() > 1 || (endpoint.is_some() && !readers.is_empty()) {
        let problem = Problem::Invalid("expected one reader, or `address`".to_owned());
        reader.report.error(&reader.place("readers"), problem);
    }
    for metric_reader in readers {
        let pull = metric_reader.section("pull", &PULL);
        let exporter = pull.and_then(|pull| pull.section("exporter", &PULL_EXPORTER));
        if let Some(prometheus) = exporter.and_then(|exporter| exporter.section("prometheus", &PROMETHEUS)) {
            place = prometheus.place("port");
            endpoint = read_prometheus(&prometheus);
        }
    }
    let endpoint = endpoint.or(default.endpoint).filter(|_| level != MetricsLevel::None);
    listens.extend(endpoint.clone().map(|value| Located { value, place }));
    MetricsSettings { level, endpoint }
}

fn read_prometheus(reader: &Reader) -> Option<Endpoint> {
    let valid = |host: &String| !host.contains(['/', '[', ']']) && !host.contains(char::is_whitespace);
    let host = reader.checked("host", "the name or the address of a host", valid);
    let port = reader.get_or("port", 8888);
    Some(Endpoint::new(host.as_deref().unwrap_or("localhost"), port))
}
