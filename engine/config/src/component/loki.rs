//! The `loki` exporter.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::http_client;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Exporter, LokiEncoding, LokiExporter, LokiFormat, LokiLabels, LokiLimits, LokiTenant};
use crate::schema::{Key, Kind, Section, key, no_effect, required};
use crate::values::{Size, words};

pub(super) static SECTION: Section = Section { keys: &KEYS };

static KEYS: [Key; 31] = http_client::keys([
    required("endpoint", Kind::Url, "The URL to push to: `http://loki:3100/loki/api/v1/push`."),
    key(
        "default_labels_enabled",
        Kind::Section(&DEFAULT_LABELS),
        "",
        "Labels that come from what every record has. What is not named stays on.",
    ),
    key(
        "labels",
        Kind::Section(&LABELS),
        "",
        "Attributes that become labels, each with `_` for what a label's name cannot have.",
    ),
    key(
        "structured_metadata",
        Kind::Bool,
        "true",
        "What is no label goes along as structured metadata, under the names that Loki's own OTLP endpoint gives. `false`: for Loki \
         before 3.0; then it is in the line.",
    ),
    key(
        "format",
        Kind::Word(FORMAT),
        "raw",
        "A line is the body, or everything that is no label as JSON or logfmt. Without `structured_metadata` it is `json` by default. \
         The hint `loki.format` goes before.",
    ),
    key(
        "encoding",
        Kind::Word(ENCODING),
        "protobuf",
        "Of pushes: protobuf compressed by snappy, or JSON, not compressed.",
    ),
    key(
        "tenant",
        Kind::Section(&TENANT),
        "",
        "Whose the records are, sent as `X-Scope-OrgID`. The hint `loki.tenant` goes before.",
    ),
    key("tenant_id", Kind::Text, "", "The older way to say `tenant: {source: static, value: …}`."),
    key(
        "limits",
        Kind::Section(&LIMITS),
        "",
        "What Loki takes: give here what its `limits_config` has, where that was changed.",
    ),
    key("timeout", Kind::Duration, "30s", "For one attempt, at most 1h; `0` is 1h."),
    no_effect("compression", "pushes are compressed as Loki's protocol has it"),
]);

static DEFAULT_LABELS: Section = Section {
    keys: &[
        key("exporter", Kind::Bool, "true", "`exporter=\"OTLP\"`."),
        key(
            "job",
            Kind::Bool,
            "true",
            "`job`: `service.namespace/service.name`, or `service.name` alone. Without that there is none.",
        ),
        key("instance", Kind::Bool, "true", "`instance`: `service.instance.id`."),
        key(
            "level",
            Kind::Bool,
            "true",
            "`level`: the record's attribute `level`, or its severity in one of six words, `TRACE` to `FATAL`.",
        ),
    ],
};

static LABELS: Section = Section {
    keys: &[
        key(
            "resource",
            Kind::TextList,
            "",
            "Attributes of the resource. `[]`: none. Without the key: `service.name`, `service.namespace`, \
             `deployment.environment.name`, `deployment.environment`, `k8s.cluster.name`, `k8s.namespace.name`, `k8s.deployment.name`, \
             `k8s.statefulset.name`, `k8s.daemonset.name`, `k8s.cronjob.name`.",
        ),
        key("attributes", Kind::TextList, "[]", "Attributes of the record. Each value is a stream of its own."),
    ],
};

static TENANT: Section = Section {
    keys: &[
        required(
            "source",
            Kind::Word(SOURCE),
            "`static`: `value` is the tenant. `attributes`: it is the attribute that holds it, of the resource or else of the record. \
             `context`: it is the header of the request that came in; the receiver needs `include_metadata`, and a `batch` processor \
             the name in `metadata_keys`.",
        ),
        required("value", Kind::Text, "The tenant, the attribute, or the header."),
    ],
};

static LIMITS: Section = Section {
    keys: &[
        key(
            "max_push_size",
            Kind::Size,
            "1MiB",
            "Of a push, before compression, 1KiB to 64MiB. A request that is more becomes several pushes. Loki hands on at most 4 MiB.",
        ),
        key("max_line_size", Kind::Size, "256KiB", "Longer lines are cut."),
        key("max_label_names_per_series", Kind::Integer, "15", "Attributes beyond it become structured metadata."),
        key(
            "max_label_name_length",
            Kind::Integer,
            "1024",
            "Attributes whose names are longer become structured metadata.",
        ),
        key(
            "max_label_value_length",
            Kind::Integer,
            "2048",
            "Longer values are cut, and are whole in the structured metadata.",
        ),
        key(
            "max_structured_metadata_size",
            Kind::Size,
            "64KiB",
            "Of a record's names and values; what is more is cut or left out.",
        ),
        key(
            "max_structured_metadata_entries_count",
            Kind::Integer,
            "128",
            "Of a record; more are left out. What its resource and scope have is at most half of it.",
        ),
    ],
};

words!(LokiFormat, FORMAT: "raw" => LokiFormat::Raw, "json" => LokiFormat::Json, "logfmt" => LokiFormat::Logfmt);
words!(LokiEncoding, ENCODING: "protobuf" => LokiEncoding::Protobuf, "json" => LokiEncoding::Json);

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Static,
    Attributes,
    Context,
}
words!(Source, SOURCE: "static" => Source::Static, "attributes" => Source::Attributes, "context" => Source::Context);

/// Below it there is no room for an entry beside its labels; above it no Loki takes a push.
const PUSH_SIZE: std::ops::RangeInclusive<u64> = 1 << 10..=64 << 20;
/// Of anything else, so that no limit is none.
const SIZE_MAX: u64 = 64 << 20;

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    let mut client = http_client::read(reader, LokiExporter::TIMEOUT);
    let url = http_client::read_url(reader, &mut client, "http://loki:3100/loki/api/v1/push");
    let structured_metadata = reader.get_or("structured_metadata", true);
    let format = if structured_metadata { LokiFormat::Raw } else { LokiFormat::Json };
    let exporter = LokiExporter {
        client,
        labels: read_labels(reader),
        structured_metadata,
        format: reader.get_or("format", format),
        encoding: reader.get_or("encoding", LokiEncoding::default()),
        tenant: read_tenant(reader),
        limits: read_limits(reader),
        delivery: http_client::read_delivery(reader),
        url: url?,
    };
    if exporter.tenant.is_some()
        && exporter.client.headers.iter().any(|(name, _)| &**name == LokiExporter::TENANT_HEADER)
    {
        let problem = "`headers` has `X-Scope-OrgID`, too: one of them is enough".to_owned();
        let key = if reader.node("tenant").is_some() { "tenant" } else { "tenant_id" };
        reader.report.error(&reader.place(key), Problem::Invalid(problem));
    }
    Some(Exporter::Loki(exporter))
}

fn read_labels(reader: &Reader) -> LokiLabels {
    let mut labels = LokiLabels::default();
    if let Some(defaults) = reader.section("default_labels_enabled", &DEFAULT_LABELS) {
        labels.exporter = defaults.get_or("exporter", true);
        labels.job = defaults.get_or("job", true);
        labels.instance = defaults.get_or("instance", true);
        labels.level = defaults.get_or("level", true);
    }
    if let Some(of) = reader.section("labels", &LABELS) {
        let names = |key: &str| of.list::<Arc<str>>(key).into_iter().map(|name| name.value).collect();
        if of.node("resource").is_some() {
            labels.resource = names("resource");
        }
        labels.attributes = names("attributes");
    }
    labels
}

fn read_tenant(reader: &Reader) -> Option<LokiTenant> {
    let older = reader.located::<Arc<str>>("tenant_id").filter(|id| !id.value.is_empty());
    if let Some(id) = older {
        if reader.node("tenant").is_some() {
            let problem = "`tenant` says it, too: one of them is enough".to_owned();
            reader.report.error(&id.place, Problem::Invalid(problem));
        }
        return Some(LokiTenant::Static(checked_tenant(reader, id)?));
    }
    reader.node("tenant")?;
    let of = reader.section("tenant", &TENANT)?;
    let source = of.required::<Source>("source", "`static`, `attributes` or `context`");
    let value = of.required::<Arc<str>>("value", "the tenant, the attribute, or the header");
    let (source, value) = (source?.value, value?);
    match source {
        Source::Static => checked_tenant(&of, value).map(LokiTenant::Static),
        Source::Attributes => Some(LokiTenant::Attribute(value.value)),
        Source::Context => Some(LokiTenant::Header(value.value.to_ascii_lowercase().into())),
    }
}

/// Loki's rule: <https://grafana.com/docs/loki/latest/operations/multi-tenancy/>.
fn checked_tenant(reader: &Reader, tenant: Located<Arc<str>>) -> Option<Arc<str>> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
    let name = &*tenant.value;
    if !name.is_empty() && name.len() <= 150 && name.bytes().all(is_allowed) && name != "." && name != ".." {
        return Some(tenant.value);
    }
    let problem = format!("`{name}` is no tenant: up to 150 letters, digits and `!-_.*'()` are one, but `.` and `..`");
    reader.report.error(&tenant.place, Problem::Invalid(problem));
    None
}

fn read_limits(reader: &Reader) -> LokiLimits {
    let mut limits = LokiLimits::default();
    let Some(of) = reader.section("limits", &LIMITS) else { return limits };
    let size = |key: &str, place: &mut usize, range: std::ops::RangeInclusive<u64>, what: &str| {
        if let Some(size) = of.checked(key, what, |size: &Size| range.contains(&size.0)) {
            *place = usize::try_from(size.0).unwrap_or(usize::MAX);
        }
    };
    size("max_push_size", &mut limits.push_bytes_max, PUSH_SIZE, "a size, `1KiB` to `64MiB`");
    let any = || 1..=SIZE_MAX;
    size("max_line_size", &mut limits.max_line_size, any(), "a size, at most `64MiB`");
    size("max_structured_metadata_size", &mut limits.max_structured_metadata_size, any(), "a size, at most `64MiB`");
    let count = |key: &str, place: &mut usize, max: usize| {
        let what = format!("a whole number, 1 to {max}");
        if let Some(count) = of.checked(key, &what, |count: &NonZeroUsize| count.get() <= max) {
            *place = count.get();
        }
    };
    count("max_label_names_per_series", &mut limits.max_label_names_per_series, 1_000);
    count("max_label_name_length", &mut limits.max_label_name_length, 1 << 20);
    count("max_label_value_length", &mut limits.max_label_value_length, 1 << 20);
    count("max_structured_metadata_entries_count", &mut limits.max_structured_metadata_entries_count, 10_000);
    limits
}
