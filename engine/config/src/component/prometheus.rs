//! The `prometheus` exporter.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::{auth, tls_server};
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Exporter, PrometheusExporter};
use crate::schema::{Kind, Section, key, never, no_effect, not_yet, required};
use crate::values::{FromNode, ServerAddress, word};

pub(super) static SECTION: Section = Section {
    keys: &[
        required("endpoint", Kind::Address, "Where to listen; `/metrics` is served. Port 0 takes any free one."),
        tls_server::KEY,
        auth::SERVER_KEY,
        key("namespace", Kind::Text, "", "Put before every name, with a `_`."),
        key("const_labels", Kind::Texts, "{}", "Labels that every series has."),
        key(
            "send_timestamps",
            Kind::Bool,
            "false",
            "Whether each sample says when its point was taken. Prometheus then writes no end of a series by itself.",
        ),
        key("metric_expiration", Kind::Duration, "5m", "How long a series is exposed without new points, 1s to 24h."),
        key(
            "enable_open_metrics",
            Kind::Bool,
            "false",
            "Whether scrapers that ask for it get OpenMetrics, with exemplars, units and `_created`.",
        ),
        key(
            "resource_to_telemetry_conversion",
            Kind::Section(&RESOURCE),
            "",
            "What becomes of resources beside `target_info`.",
        ),
        key(
            "add_metric_suffixes",
            Kind::Bool,
            "true",
            "Whether names end with unit and type, such as `_seconds` and `_total`. Not with `translation_strategy`.",
        ),
        key(
            "translation_strategy",
            Kind::Text,
            "UnderscoreEscapingWithSuffixes",
            "How names are made: `UnderscoreEscapingWithSuffixes`, `UnderscoreEscapingWithoutSuffixes`, or with all their characters \
             `NoUTF8EscapingWithSuffixes` or `NoTranslation`.",
        ),
        key("without_scope_info", Kind::Bool, "false", "Leaves out the labels `otel_scope_…`."),
        key(
            "max_series",
            Kind::Integer,
            "500000",
            "Series that are kept at one time, 1 to 10000000; points of others are refused, and counted. A series takes about 600 bytes, \
             a histogram more. The Collector has no such key, and no limit.",
        ),
        not_yet("sending_queue", "put a `batch` processor before it: what comes is taken at once, and nothing waits"),
        never("cors", "pages in browsers are not served"),
        no_effect("transport", "`tcp` is served"),
        no_effect("max_request_body_size", "requests have no body"),
        no_effect("include_metadata", "nothing reads it here"),
        no_effect("response_headers", "answers carry what scrapers ask for"),
        no_effect("compression_algorithms", "requests have no body; answers are compressed for who takes `gzip`"),
        no_effect("read_timeout", "a request has 10 s"),
        no_effect("read_header_timeout", "a request has 10 s"),
        no_effect("write_timeout", "an answer has 2 minutes and more"),
        no_effect("idle_timeout", "a connection is kept for 2 minutes"),
        no_effect("keep_alives_enabled", "connections are kept"),
        never("middlewares", "write a plugin"),
    ],
};

static RESOURCE: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "false", "Whether all attributes of a resource become labels of its series."),
        key(
            "exclude_service_attributes",
            Kind::Bool,
            "false",
            "Leaves out `service.name`, `service.namespace` and `service.instance.id`, which `job` and `instance` are made of.",
        ),
    ],
};

/// Whether suffixes are added, and whether names keep their characters.
#[derive(Clone, Copy)]
struct Strategy {
    has_suffixes: bool,
    has_utf8_names: bool,
}

impl FromNode for Strategy {
    fn from_node(node: &Node) -> Result<Strategy, Problem> {
        let strategy = |has_suffixes, has_utf8_names| Strategy { has_suffixes, has_utf8_names };
        let words = [
            ("UnderscoreEscapingWithSuffixes", strategy(true, false)),
            ("UnderscoreEscapingWithoutSuffixes", strategy(false, false)),
            ("NoUTF8EscapingWithSuffixes", strategy(true, true)),
            ("NoTranslation", strategy(false, true)),
        ];
        word(node, &words)
    }
}

/// More are more than Prometheus takes from one target in any time.
const SERIES_MAX: usize = 10_000_000;
/// A namespace and the labels of all series together are part of each of these.
const TEXT_BYTES_MAX: usize = 4_096;

pub(super) fn read(reader: &Reader, listens: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let endpoint = reader.required::<ServerAddress>("endpoint", "where to listen, such as `0.0.0.0:9090`");
    if let Some(endpoint) = &endpoint {
        listens.push(Located { value: endpoint.value.0.clone(), place: endpoint.place.clone() });
    }
    let expiration = reader.checked("metric_expiration", "a duration, `1s` to `24h`", |expiration: &Duration| {
        (Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60)).contains(expiration)
    });
    let series_max =
        reader.checked("max_series", "a whole number, 1 to 10000000", |most: &NonZeroUsize| most.get() <= SERIES_MAX);
    let namespace = reader.checked("namespace", "a text of at most 4096 bytes with a letter", |namespace: &String| {
        namespace.len() <= TEXT_BYTES_MAX && namespace.chars().any(char::is_alphanumeric)
    });
    let strategy = reader.get::<Strategy>("translation_strategy");
    let resource = reader.section("resource_to_telemetry_conversion", &RESOURCE);
    let has_suffixes = reader.get_or("add_metric_suffixes", true);
    let (tls, authenticator) = (tls_server::read(reader), auth::read(reader, auth::Side::Server));
    let const_labels = read_labels(reader, strategy.is_some_and(|strategy| strategy.has_utf8_names));
    Some(Exporter::Prometheus(PrometheusExporter {
        endpoint: endpoint?.value.0,
        tls,
        authenticator,
        namespace: namespace.unwrap_or_default().into(),
        const_labels,
        has_timestamps: reader.get_or("send_timestamps", false),
        expiration: expiration.unwrap_or(PrometheusExporter::EXPIRATION),
        has_open_metrics: reader.get_or("enable_open_metrics", false),
        has_resource_labels: resource.as_ref().is_some_and(|resource| resource.get_or("enabled", false)),
        has_service_labels: !resource.is_some_and(|resource| resource.get_or("exclude_service_attributes", false)),
        has_scope_labels: !reader.get_or("without_scope_info", false),
        has_suffixes: strategy.map_or(has_suffixes, |strategy| strategy.has_suffixes),
        has_utf8_names: strategy.is_some_and(|strategy| strategy.has_utf8_names),
        series_max: series_max.unwrap_or(PrometheusExporter::SERIES_MAX),
    }))
}

/// Names as Prometheus takes them, since they are what the operator will look for.
fn read_labels(reader: &Reader, has_utf8_names: bool) -> Vec<(Arc<str>, Arc<str>)> {
    let mut labels: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    let mut bytes = 0;
    for (entry, place) in reader.named("const_labels") {
        let name = entry.key.as_str();
        let is_plain = |name: &str| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        let made_later = matches!(name, "le" | "quantile");
        if name.is_empty() || name.starts_with("__") || made_later || !(has_utf8_names || is_plain(name)) {
            let problem = format!("`{name}` cannot be the name of a label of all series");
            reader.report.error(&place, Problem::Invalid(problem));
            continue;
        }
        if let Value::Null = entry.node.value {
            continue;
        }
        match String::from_node(&entry.node) {
            Ok(value) => {
                bytes += name.len() + value.len();
                labels.push((name.into(), value.into()));
            }
            Err(problem) => reader.report.error(&place, problem),
        }
    }
    if bytes > TEXT_BYTES_MAX {
        let problem = format!("{bytes} bytes of labels, expected at most {TEXT_BYTES_MAX}: every series has them");
        reader.report.error(&reader.place("const_labels"), Problem::Invalid(problem));
    }
    labels
}
