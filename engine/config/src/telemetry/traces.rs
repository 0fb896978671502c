//! `service::telemetry::traces`: the gateway's own spans, as the Collector's configuration has them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Headers, HttpUrl, TraceProtocol, TraceSampler, TraceSettings};
use crate::schema::{Key, Kind, Section, key, never, no_effect, not_yet, required};
use crate::secret::Secret;
use crate::values::words;

pub(super) const KEY: Key =
    key("traces", Kind::Section(&TRACES), "", "Its own spans, and where they are sent. See [operation](operate.md).");

static TRACES: Section = Section {
    keys: &[
        key(
            "propagators",
            Kind::TextList,
            "[]",
            "`tracecontext` (W3C Trace Context): spans join the trace of whoever sent the request, if its `traceparent` names one.",
        ),
        key("processors", Kind::Sections(&PROCESSOR), "[]", "One, of the kind `batch`; without one, no span is made."),
        key(
            "sampler",
            Kind::Section(&SAMPLER),
            "",
            "Which requests have spans: one of these; `parent_based` where it is not said.",
        ),
        no_effect("level", "`processors` says whether spans are made"),
        no_effect("limits", "spans have a few attributes each"),
        no_effect("schema_url", "attributes are those of the Collector"),
    ],
};

static PROCESSOR: Section = Section {
    keys: &[
        key("batch", Kind::Section(&BATCH), "", "Sends spans some at a time."),
        not_yet("simple", "`batch` with a short `schedule_delay`"),
    ],
};

static BATCH: Section = Section {
    keys: &[
        key("schedule_delay", Kind::Integer, "5000", "Milliseconds that spans wait for more, at most."),
        key(
            "max_queue_size",
            Kind::Integer,
            "2048",
            "Spans that wait, at most; more are lost, and counted in the log.",
        ),
        key("max_export_batch_size", Kind::Integer, "512", "Spans of one request, at most."),
        no_effect("export_timeout", "`timeout` of the exporter bounds it"),
        key("exporter", Kind::Section(&EXPORTER), "", "Where to."),
    ],
};

static EXPORTER: Section = Section {
    keys: &[
        key("otlp", Kind::Section(&OTLP), "", "OTLP."),
        not_yet("console", "send them to a gateway with the `debug` exporter"),
    ],
};

static OTLP: Section = Section {
    keys: &[
        key("protocol", Kind::Word(PROTOCOL), "http/protobuf", "Which of OTLP's."),
        required("endpoint", Kind::Url, "A URL; over HTTP `/v1/traces` is added where it has no path."),
        key("headers", Kind::Sections(&HEADER), "[]", "Sent with each request."),
        no_effect("headers_list", "say them in `headers`"),
        key("compression", Kind::Word(COMPRESSION), "none", "Of requests."),
        key("timeout", Kind::Integer, "10000", "Milliseconds for a request."),
        key("certificate", Kind::File, "the system's", "PEM with the certificates to believe."),
        never("client_certificate", "the backend of the gateway's own spans is to be one that needs none"),
        never("client_key", "the backend of the gateway's own spans is to be one that needs none"),
        no_effect("insecure", "the scheme of `endpoint` says it"),
    ],
};

static HEADER: Section = Section {
    keys: &[
        required("name", Kind::Text, "Its name."),
        required("value", Kind::Text, "What it says; never shown in logs or errors."),
    ],
};

static SAMPLER: Section = Section {
    keys: &[
        key("always_on", Kind::Section(&NOTHING), "", "Every request."),
        key("always_off", Kind::Section(&NOTHING), "", "None."),
        key("trace_id_ratio_based", Kind::Section(&RATIO), "", "A share of them."),
        key("parent_based", Kind::Section(&PARENT_BASED), "", "What the caller says, where it says something."),
    ],
};

static PARENT_BASED: Section = Section {
    keys: &[key(
        "root",
        Kind::Section(&ROOT),
        "",
        "For a request whose caller says nothing; `always_on` where it is not said.",
    )],
};

static ROOT: Section = Section {
    keys: &[
        key("always_on", Kind::Section(&NOTHING), "", "Every request."),
        key("always_off", Kind::Section(&NOTHING), "", "None."),
        key("trace_id_ratio_based", Kind::Section(&RATIO), "", "A share of them."),
    ],
};

static RATIO: Section = Section { keys: &[key("ratio", Kind::Number, "", "0 to 1; all where it is not said.")] };

static NOTHING: Section = Section { keys: &[] };

words!(TraceProtocol, PROTOCOL: "http/protobuf" => TraceProtocol::Http, "grpc" => TraceProtocol::Grpc);
words!(TraceCompression, COMPRESSION: "none" => TraceCompression(false), "gzip" => TraceCompression(true));

/// Whether requests are compressed.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct TraceCompression(bool);

/// Waits and bounds as OpenTelemetry's SDKs have them.
const SCHEDULE_DELAY_MS: u32 = 5_000;
const QUEUE_MAX: u32 = 2_048;
const BATCH_MAX: u32 = 512;
const TIMEOUT_MS: u32 = 10_000;
/// No more than the longest that anything else here may wait.
const WAIT_MS_MAX: u32 = 60 * 60 * 1_000;
const SPANS_MAX: u32 = 1 << 20;
/// As of other clients.
const HEADERS_MAX: usize = 64;

/// `None`: no span is made.
pub(super) fn read(telemetry: &Reader) -> Option<TraceSettings> {
    let reader = telemetry.section("traces", &TRACES)?;
    let joins = read_propagators(&reader);
    let sampler = read_sampler(&reader);
    let processors = reader.sections("processors", &PROCESSOR);
    if processors.len() > 1 {
        let problem = Problem::Invalid("expected one processor, of the kind `batch`".to_owned());
        reader.report.error(&reader.place("processors"), problem);
    }
    let batch = processors.first()?.section("batch", &BATCH)?;
    let bounded = |key: &str, default: u32, max: u32| {
        let number = batch
            .checked(key, "a whole number of at least 1, not too large", |number: &u32| (1..=max).contains(number));
        number.unwrap_or(default)
    };
    let schedule_delay = Duration::from_millis(bounded("schedule_delay", SCHEDULE_DELAY_MS, WAIT_MS_MAX).into());
    let count = |number: u32| NonZeroUsize::new(number as usize).unwrap_or(NonZeroUsize::MIN);
    let queue_max = count(bounded("max_queue_size", QUEUE_MAX, SPANS_MAX));
    let batch_max = count(bounded("max_export_batch_size", BATCH_MAX, SPANS_MAX)).min(queue_max);
    let otlp = batch.section("exporter", &EXPORTER)?.section("otlp", &OTLP)?;
    let protocol = otlp.get_or("protocol", TraceProtocol::default());
    let endpoint = otlp.required::<HttpUrl>("endpoint", "the URL of the backend, such as `http://collector:4318`");
    let headers = read_headers(&otlp);
    let TraceCompression(gzip) = otlp.get_or("compression", TraceCompression::default());
    let timeout = otlp.checked("timeout", "milliseconds, 1 to 3600000", |ms: &u32| (1..=WAIT_MS_MAX).contains(ms));
    let certificate = otlp.get::<PathBuf>("certificate");
    let mut endpoint = endpoint?.value;
    if protocol == TraceProtocol::Http && &*endpoint.path == "/" {
        endpoint.path = "/v1/traces".into();
    }
    Some(TraceSettings {
        joins,
        sampler,
        schedule_delay,
        queue_max,
        batch_max,
        protocol,
        endpoint,
        headers,
        gzip,
        timeout: Duration::from_millis(timeout.unwrap_or(TIMEOUT_MS).into()),
        ca: certificate,
        resource: Vec::new(),
    })
}

/// Whether the caller's trace is joined.
fn read_propagators(reader: &Reader) -> bool {
    let mut joins = false;
    for Located { value, place } in reader.list::<String>("propagators") {
        match value.as_str() {
            "tracecontext" => joins = true,
            // Nothing of it is in a span.
            "baggage" => {}
            other => {
                let problem = Problem::Invalid(format!("`{other}` is not served: expected `tracecontext`"));
                reader.report.error(&place, problem);
            }
        }
    }
    joins
}

fn read_sampler(traces: &Reader) -> TraceSampler {
    let Some(reader) = traces.section("sampler", &SAMPLER) else { return TraceSampler::default() };
    let parent_based = reader.section("parent_based", &PARENT_BASED);
    let root = parent_based.as_ref().and_then(|parent_based| parent_based.section("root", &ROOT));
    let (own, of_root) = (read_ratio(&reader), root.as_ref().and_then(read_ratio));
    if own.is_some() && parent_based.is_some() {
        let problem = Problem::Invalid("expected one sampler".to_owned());
        reader.report.error(reader.own_place(), problem);
    }
    TraceSampler { parent_based: own.is_none(), ratio: own.or(of_root).unwrap_or(1.0) }
}

/// The share of requests, 0 to 1. `None`: nothing is said of it.
fn read_ratio(sampler: &Reader) -> Option<f64> {
    let always = [("always_on", 1.0), ("always_off", 0.0)].map(|(key, ratio)| {
        sampler.section(key, &NOTHING);
        Some(ratio).filter(|_| sampler.has(key))
    });
    let share = sampler.section("trace_id_ratio_based", &RATIO).map(|share| {
        share.checked("ratio", "a number, 0 to 1", |ratio: &f64| (0.0..=1.0).contains(ratio)).unwrap_or(1.0)
    });
    let mut given = always.into_iter().chain([share]).flatten();
    let first = given.next();
    if given.next().is_some() {
        let problem = Problem::Invalid("expected one sampler".to_owned());
        sampler.report.error(sampler.own_place(), problem);
    }
    first
}

fn read_headers(otlp: &Reader) -> Headers {
    let headers = otlp.sections("headers", &HEADER);
    if headers.len() > HEADERS_MAX {
        let problem = Problem::Invalid(format!("more than {HEADERS_MAX} headers"));
        otlp.report.error(&otlp.place("headers"), problem);
    }
    let pair = |header: &Reader| -> Option<(Arc<str>, Secret)> {
        let name = header.required::<String>("name", "the name of a header");
        let value = header.required::<String>("value", "what the header says");
        Some((name?.value.to_ascii_lowercase().into(), Secret::new(value?.value)))
    };
    headers.iter().take(HEADERS_MAX).filter_map(pair).collect()
}
