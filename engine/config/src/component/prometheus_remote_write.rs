//! The `prometheusremotewrite` exporter, also named `prometheus_remote_write`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::{http_client, sending_queue};
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{
    Delivery, Endpoint, Exporter, HttpClient, RemoteWriteExporter, RemoteWriteProtocol, SendingQueue,
};
use crate::schema::{Key, Kind, Section, key, never, no_effect};
use crate::values::{FromNode, Size, word, words};

pub(super) static SECTION: Section = Section { keys: &KEYS };

static KEYS: [Key; 37] = http_client::keys([
    key(
        "endpoint",
        Kind::Url,
        "",
        "Where to write, such as `http://prometheus:9090/api/v1/write`; `user:password@` may stand before the host.",
    ),
    key("timeout", Kind::Duration, "5s", "For one request, at most 1h; `0` is 1h."),
    key("compression", Kind::Word(COMPRESSION), "snappy", "The protocol has no other."),
    key(
        "protobuf_message",
        Kind::Word(PROTOCOL),
        "prometheus.WriteRequest",
        "Which message is sent: that of remote write 1.0, or of 2.0.",
    ),
    key("namespace", Kind::Text, "", "Put before every metric's name, with a `_`."),
    key("external_labels", Kind::Texts, "", "Added to every series."),
    key("add_metric_suffixes", Kind::Bool, "true", "Whether units and types become suffixes of names."),
    key(
        "translation_strategy",
        Kind::Text,
        "",
        "How names are made, before `add_metric_suffixes`: `UnderscoreEscapingWithSuffixes`, `UnderscoreEscapingWithoutSuffixes`, \
         `NoUTF8EscapingWithSuffixes` or `NoTranslation`. The last two keep all characters, which needs remote write 2.0.",
    ),
    key(
        "send_metadata",
        Kind::Bool,
        "false",
        "Whether 1.0 says the metrics' types, units and descriptions. 2.0 always does.",
    ),
    key("disable_scope_info", Kind::Bool, "false", "`true`: series have no labels `otel_scope_…`."),
    key(
        "resource_to_telemetry_conversion",
        Kind::Section(&RESOURCE),
        "",
        "Whether a resource's attributes become labels of all its series.",
    ),
    key("target_info", Kind::Section(&TARGET_INFO), "", "The series of what is known of a resource."),
    key(
        "max_batch_size_bytes",
        Kind::Size,
        "3000000",
        "Of a request before it is compressed, at most; 1KiB to 64MiB. What is more goes in several. A point that is larger alone goes by \
         itself.",
    ),
    key(
        "remote_write_queue",
        Kind::Section(&QUEUE),
        "",
        "What waits in memory. For a queue on disk, `sending_queue` instead.",
    ),
    no_effect(
        "max_batch_request_parallelism",
        "one request is under way at a time, so that each series' samples come in order",
    ),
    never("wal", "use `sending_queue: {storage: file_storage}`, which keeps what waits on disk"),
    key("export_created_metric", Kind::Section(&CREATED), "", "Series `…_created`."),
]);

static QUEUE: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "true", "`false`: no queue, the client waits for the backend's answer."),
        key("queue_size", Kind::Integer, "1000", "Requests that it may hold, at least 1, as with `sending_queue`."),
        no_effect("num_consumers", "one request is under way at a time, so that each series' samples come in order"),
    ],
};

static RESOURCE: Section = Section {
    keys: &[
        key("enabled", Kind::Bool, "false", "Whether they do."),
        key(
            "exclude_service_attributes",
            Kind::Bool,
            "false",
            "`true`: but for those that `job` and `instance` are made of.",
        ),
    ],
};

static CREATED: Section = Section {
    keys: &[never("enabled", "`protobuf_message: io.prometheus.write.v2.Request` says since when totals count")],
};

static TARGET_INFO: Section =
    Section { keys: &[key("enabled", Kind::Bool, "true", "`false`: there is no `target_info`.")] };

words!(RemoteWriteProtocol, PROTOCOL:
    "prometheus.WriteRequest" => RemoteWriteProtocol::V1, "io.prometheus.write.v2.Request" => RemoteWriteProtocol::V2);

#[derive(Clone, Copy)]
struct Snappy;
words!(Snappy, COMPRESSION: "snappy" => Snappy);

/// Whether names keep all characters, and whether they get suffixes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Strategy {
    utf8: bool,
    suffixes: bool,
}

impl FromNode for Strategy {
    fn from_node(node: &Node) -> Result<Strategy, Problem> {
        let strategy = |utf8, suffixes| Strategy { utf8, suffixes };
        let words = [
            ("UnderscoreEscapingWithSuffixes", strategy(false, true)),
            ("UnderscoreEscapingWithoutSuffixes", strategy(false, false)),
            ("NoUTF8EscapingWithSuffixes", strategy(true, true)),
            ("NoTranslation", strategy(true, false)),
        ];
        word(node, &words)
    }
}

/// Below it every point would be a request; servers refuse what is much above the default.
const REQUEST_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=64 << 20;

/// What the protocol says of itself.
const RESERVED_HEADERS: [&str; 2] = ["x-prometheus-remote-write-version", "user-agent"];

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<Exporter> {
    const TIMEOUT: Duration = RemoteWriteExporter::TIMEOUT;
    let mut client = http_client::read(reader, TIMEOUT);
    check_headers(reader, &client);
    let url = http_client::read_url(reader, &mut client, "http://prometheus:9090/api/v1/write");
    reader.get::<Snappy>("compression");
    reader.section("export_created_metric", &CREATED);
    let protocol = reader.get_or("protobuf_message", RemoteWriteProtocol::default());
    let suffixes = reader.get_or("add_metric_suffixes", true);
    let strategy = reader.get::<Strategy>("translation_strategy").unwrap_or(Strategy { utf8: false, suffixes });
    if strategy.utf8 && protocol == RemoteWriteProtocol::V1 {
        let problem = "needs `protobuf_message: io.prometheus.write.v2.Request`: 1.0 has no such names".to_owned();
        reader.report.error(&reader.place("translation_strategy"), Problem::Invalid(problem));
    }
    let size = reader
        .checked("max_batch_size_bytes", "a size, `1KiB` to `64MiB`", |size: &Size| REQUEST_BYTES.contains(&size.0));
    let resource = reader.section("resource_to_telemetry_conversion", &RESOURCE);
    let of_resource = |key: &str| resource.as_ref().is_some_and(|section| section.get_or(key, false));
    let target_info = reader.section("target_info", &TARGET_INFO);
    Some(Exporter::RemoteWrite(RemoteWriteExporter {
        namespace: reader.get_or("namespace", "".into()),
        external_labels: read_external_labels(reader),
        suffixes: strategy.suffixes,
        utf8: strategy.utf8,
        scope_labels: !reader.get_or("disable_scope_info", false),
        resource_labels: of_resource("enabled"),
        service_labels: !of_resource("exclude_service_attributes"),
        target_info: target_info.is_none_or(|section| section.get_or("enabled", true)),
        metadata: reader.get_or("send_metadata", false),
        request_bytes_max: size
            .map_or(RemoteWriteExporter::REQUEST_BYTES_MAX, |size| usize::try_from(size.0).unwrap_or(usize::MAX)),
        protocol,
        delivery: read_delivery(reader),
        url: url?,
        client,
    }))
}

fn check_headers(reader: &Reader, client: &HttpClient) {
    for name in RESERVED_HEADERS.into_iter().filter(|name| client.headers.iter().any(|(own, _)| &**own == *name)) {
        let problem = format!("`{name}` is the protocol's own, and cannot be given");
        reader.report.error(&reader.place("headers"), Problem::Invalid(problem));
    }
}

fn read_external_labels(reader: &Reader) -> Vec<(Arc<str>, Arc<str>)> {
    let is_name = |name: &str| {
        let is_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty()
            && name != "__name__"
            && name.chars().all(is_char)
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut labels = Vec::new();
    for (entry, place) in reader.named("external_labels") {
        match Arc::<str>::from_node(&entry.node) {
            Ok(value) if is_name(&entry.key) => labels.push((entry.key.as_str().into(), value)),
            Ok(_) => {
                let expected = "a label's name: letters, digits and `_`, no digit first, not `__name__`";
                reader.report.error(&place, Problem::Invalid(format!("`{}` is not {expected}", entry.key)));
            }
            Err(problem) => reader.report.error(&place, problem),
        }
    }
    labels
}

/// One request at a time, whatever queue it waits in.
fn read_delivery(reader: &Reader) -> Delivery {
    let mut delivery = http_client::read_delivery(reader);
    let own = reader.section("remote_write_queue", &QUEUE);
    let size = own.as_ref().and_then(|own| own.get::<NonZeroUsize>("queue_size"));
    let enabled = own.as_ref().and_then(|own| own.get::<bool>("enabled"));
    if !reader.has("sending_queue") {
        let default = SendingQueue::default();
        let queue = SendingQueue { size_max: size.unwrap_or(default.size_max), ..default };
        delivery.queue = enabled.unwrap_or(true).then_some(queue);
    } else if size.is_some() || enabled.is_some() {
        let what = "`remote_write_queue`".to_owned();
        let why = "`sending_queue` is there too, and counts".to_owned();
        reader.report.warn(&reader.place("remote_write_queue"), Problem::NoEffect { what, why });
    }
    if has_consumers(reader) {
        let why = "one request is under way at a time, so that each series' samples come in order".to_owned();
        let what = "`num_consumers`".to_owned();
        reader.report.warn(&reader.place(sending_queue::KEY.name), Problem::NoEffect { what, why });
    }
    if let Some(queue) = &mut delivery.queue {
        queue.consumers = NonZeroUsize::MIN;
    }
    delivery
}

fn has_consumers(reader: &Reader) -> bool {
    match reader.node(sending_queue::KEY.name).map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().any(|entry| entry.key == "num_consumers"),
        _ => false,
    }
}
