//! OTLP's messages as OTLP/JSON has them: each field's name, number, type, and place in the output.
//!
//! One table drives both directions. [`crate::shape`] says of the same messages what validation needs, which is less; a test
//! holds the two together. The order of fields is that of the `.proto` files, in which the Collector writes them, too.

use super::JsonDocument;
use crate::Signal;

/// A message: its fields in the order in which they are written.
#[derive(Debug)]
pub(super) struct Message {
    pub fields: &'static [Field],
    /// The place in `fields` of each field number; [`ABSENT`] for the others.
    places: [u8; NUMBERS],
}

#[derive(Debug)]
pub(super) struct Field {
    /// In lowerCamelCase.
    pub name: &'static str,
    /// The name with its quotes and the colon behind.
    pub head: &'static str,
    pub number: u32,
    pub kind: Kind,
    pub rule: Rule,
}

/// How often a field stands in its message, and when it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// Once. Not written if it has its default.
    Plain,
    /// Once. Written if it is there: messages, `optional`.
    Optional,
    /// A case of the message's one `oneof`. Written if it is the last case that is there.
    Case,
    Many,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// `bytes` in hex: trace and span ids.
    Id,
    /// `bytes` in base64.
    Bytes,
    Bool,
    Int32,
    Uint32,
    Sint32,
    Fixed32,
    Int64,
    Uint64,
    Fixed64,
    Sfixed64,
    Double,
    /// A number; its name is taken, too. Names are in the order of their numbers, from 0.
    Enum(&'static [&'static str]),
    Message(&'static Message),
}

/// One more than the highest field number in use.
pub(super) const NUMBERS: usize = 17;

const ABSENT: u8 = u8::MAX;

impl Message {
    const fn new(fields: &'static [Field]) -> Message {
        let mut places = [ABSENT; NUMBERS];
        let mut at = 0;
        while at < fields.len() {
            places[fields[at].number as usize] = at as u8;
            at += 1;
        }
        Message { fields, places }
    }

    /// The place of a field in `fields`; behind them all where there is none.
    #[inline]
    pub fn place(&self, number: u32) -> usize {
        usize::from(*self.places.get(number as usize).unwrap_or(&ABSENT))
    }

    /// The place of a field by its name, in lowerCamelCase or, as the Collector takes it, in snake_case. `expected` is where
    /// it most likely is: behind the one before.
    #[inline]
    pub fn by_name(&self, name: &[u8], expected: usize) -> Option<usize> {
        if self.fields.get(expected).is_some_and(|field| field.name.as_bytes() == name) {
            return Some(expected);
        }
        self.fields
            .iter()
            .position(|field| field.name.as_bytes() == name)
            .or_else(|| self.fields.iter().position(|field| name.contains(&b'_') && is_snake_of(name, field.name)))
    }
}

/// Whether `snake` is the name that became `camel`: each capital letter was a small one behind an underscore.
fn is_snake_of(snake: &[u8], camel: &str) -> bool {
    let mut rest = snake;
    for c in camel.bytes() {
        let matched = if c.is_ascii_uppercase() {
            rest.strip_prefix(&[b'_', c.to_ascii_lowercase()])
        } else {
            rest.strip_prefix(&[c])
        };
        match matched {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.is_empty()
}

/// The message that a document is.
pub(super) fn root(document: JsonDocument) -> &'static Message {
    match document {
        JsonDocument::Request(Signal::Traces) => &TRACES,
        JsonDocument::Request(Signal::Metrics) => &METRICS,
        JsonDocument::Request(Signal::Logs) => &LOGS,
        JsonDocument::Response(Signal::Traces) => &TRACES_RESPONSE,
        JsonDocument::Response(Signal::Metrics) => &METRICS_RESPONSE,
        JsonDocument::Response(Signal::Logs) => &LOGS_RESPONSE,
        JsonDocument::Status => &RPC_STATUS,
    }
}

use Kind::{
    Bool, Bytes, Double, Enum, Fixed32, Fixed64, Id, Int32, Int64, Message as Of, Sfixed64, Sint32, Text, Uint32,
    Uint64,
};
use Rule::{Case, Many, Optional, Plain};

macro_rules! messages {
    ($($message:ident { $($number:literal $name:ident: $rule:ident $kind:expr),* $(,)? })*) => {
        $(pub(super) static $message: Message = Message::new(&[
            $(Field {
                name: stringify!($name),
                head: concat!("\"", stringify!($name), "\":"),
                number: $number,
                kind: $kind,
                rule: $rule,
            }),*
        ]);)*
    };
}

messages! {
    TRACES { 1 resourceSpans: Many Of(&RESOURCE_SPANS) }
    RESOURCE_SPANS { 1 resource: Optional Of(&RESOURCE), 2 scopeSpans: Many Of(&SCOPE_SPANS), 3 schemaUrl: Plain Text }
    SCOPE_SPANS { 1 scope: Optional Of(&SCOPE), 2 spans: Many Of(&SPAN), 3 schemaUrl: Plain Text }
    LOGS { 1 resourceLogs: Many Of(&RESOURCE_LOGS) }
    RESOURCE_LOGS { 1 resource: Optional Of(&RESOURCE), 2 scopeLogs: Many Of(&SCOPE_LOGS), 3 schemaUrl: Plain Text }
    SCOPE_LOGS { 1 scope: Optional Of(&SCOPE), 2 logRecords: Many Of(&LOG_RECORD), 3 schemaUrl: Plain Text }
    METRICS { 1 resourceMetrics: Many Of(&RESOURCE_METRICS) }
    RESOURCE_METRICS {
        1 resource: Optional Of(&RESOURCE), 2 scopeMetrics: Many Of(&SCOPE_METRICS), 3 schemaUrl: Plain Text,
    }
    SCOPE_METRICS { 1 scope: Optional Of(&SCOPE), 2 metrics: Many Of(&METRIC), 3 schemaUrl: Plain Text }

    RESOURCE {
        1 attributes: Many Of(&KEY_VALUE), 2 droppedAttributesCount: Plain Uint32, 3 entityRefs: Many Of(&ENTITY_REF),
    }
    ENTITY_REF { 1 schemaUrl: Plain Text, 2 type: Plain Text, 3 idKeys: Many Text, 4 descriptionKeys: Many Text }
    SCOPE {
        1 name: Plain Text, 2 version: Plain Text, 3 attributes: Many Of(&KEY_VALUE),
        4 droppedAttributesCount: Plain Uint32,
    }
    KEY_VALUE { 1 key: Plain Text, 2 value: Optional Of(&ANY_VALUE), 3 keyStrindex: Plain Int32 }
    ANY_VALUE {
        1 stringValue: Case Text, 2 boolValue: Case Bool, 3 intValue: Case Int64, 4 doubleValue: Case Double,
        5 arrayValue: Case Of(&ARRAY_VALUE), 6 kvlistValue: Case Of(&KEY_VALUE_LIST), 7 bytesValue: Case Bytes,
        8 stringValueStrindex: Case Int32,
    }
    ARRAY_VALUE { 1 values: Many Of(&ANY_VALUE) }
    KEY_VALUE_LIST { 1 values: Many Of(&KEY_VALUE) }

    SPAN {
        1 traceId: Plain Id, 2 spanId: Plain Id, 3 traceState: Plain Text, 4 parentSpanId: Plain Id,
        16 flags: Plain Fixed32, 5 name: Plain Text, 6 kind: Plain Enum(&SPAN_KIND),
        7 startTimeUnixNano: Plain Fixed64, 8 endTimeUnixNano: Plain Fixed64, 9 attributes: Many Of(&KEY_VALUE),
        10 droppedAttributesCount: Plain Uint32, 11 events: Many Of(&EVENT), 12 droppedEventsCount: Plain Uint32,
        13 links: Many Of(&LINK), 14 droppedLinksCount: Plain Uint32, 15 status: Optional Of(&STATUS),
    }
    EVENT {
        1 timeUnixNano: Plain Fixed64, 2 name: Plain Text, 3 attributes: Many Of(&KEY_VALUE),
        4 droppedAttributesCount: Plain Uint32,
    }
    LINK {
        1 traceId: Plain Id, 2 spanId: Plain Id, 3 traceState: Plain Text, 4 attributes: Many Of(&KEY_VALUE),
        5 droppedAttributesCount: Plain Uint32, 6 flags: Plain Fixed32,
    }
    STATUS { 2 message: Plain Text, 3 code: Plain Enum(&STATUS_CODE) }
    LOG_RECORD {
        1 timeUnixNano: Plain Fixed64, 11 observedTimeUnixNano: Plain Fixed64,
        2 severityNumber: Plain Enum(&SEVERITY_NUMBER), 3 severityText: Plain Text, 5 body: Optional Of(&ANY_VALUE),
        6 attributes: Many Of(&KEY_VALUE), 7 droppedAttributesCount: Plain Uint32, 8 flags: Plain Fixed32,
        9 traceId: Plain Id, 10 spanId: Plain Id, 12 eventName: Plain Text,
    }

    METRIC {
        1 name: Plain Text, 2 description: Plain Text, 3 unit: Plain Text, 5 gauge: Case Of(&GAUGE), 7 sum: Case Of(&SUM),
        9 histogram: Case Of(&HISTOGRAM), 10 exponentialHistogram: Case Of(&EXPONENTIAL_HISTOGRAM),
        11 summary: Case Of(&SUMMARY), 12 metadata: Many Of(&KEY_VALUE),
    }
    GAUGE { 1 dataPoints: Many Of(&NUMBER_POINT) }
    SUM {
        1 dataPoints: Many Of(&NUMBER_POINT), 2 aggregationTemporality: Plain Enum(&TEMPORALITY),
        3 isMonotonic: Plain Bool,
    }
    HISTOGRAM { 1 dataPoints: Many Of(&HISTOGRAM_POINT), 2 aggregationTemporality: Plain Enum(&TEMPORALITY) }
    EXPONENTIAL_HISTOGRAM {
        1 dataPoints: Many Of(&EXPONENTIAL_POINT), 2 aggregationTemporality: Plain Enum(&TEMPORALITY),
    }
    SUMMARY { 1 dataPoints: Many Of(&SUMMARY_POINT) }
    NUMBER_POINT {
        7 attributes: Many Of(&KEY_VALUE), 2 startTimeUnixNano: Plain Fixed64, 3 timeUnixNano: Plain Fixed64,
        4 asDouble: Case Double, 6 asInt: Case Sfixed64, 5 exemplars: Many Of(&EXEMPLAR), 8 flags: Plain Uint32,
    }
    HISTOGRAM_POINT {
        9 attributes: Many Of(&KEY_VALUE), 2 startTimeUnixNano: Plain Fixed64, 3 timeUnixNano: Plain Fixed64,
        4 count: Plain Fixed64, 5 sum: Optional Double, 6 bucketCounts: Many Fixed64, 7 explicitBounds: Many Double,
        8 exemplars: Many Of(&EXEMPLAR), 10 flags: Plain Uint32, 11 min: Optional Double, 12 max: Optional Double,
    }
    EXPONENTIAL_POINT {
        1 attributes: Many Of(&KEY_VALUE), 2 startTimeUnixNano: Plain Fixed64, 3 timeUnixNano: Plain Fixed64,
        4 count: Plain Fixed64, 5 sum: Optional Double, 6 scale: Plain Sint32, 7 zeroCount: Plain Fixed64,
        8 positive: Optional Of(&BUCKETS), 9 negative: Optional Of(&BUCKETS), 10 flags: Plain Uint32,
        11 exemplars: Many Of(&EXEMPLAR), 12 min: Optional Double, 13 max: Optional Double, 14 zeroThreshold: Plain Double,
    }
    BUCKETS { 1 offset: Plain Sint32, 2 bucketCounts: Many Uint64 }
    SUMMARY_POINT {
        7 attributes: Many Of(&KEY_VALUE), 2 startTimeUnixNano: Plain Fixed64, 3 timeUnixNano: Plain Fixed64,
        4 count: Plain Fixed64, 5 sum: Plain Double, 6 quantileValues: Many Of(&QUANTILE), 8 flags: Plain Uint32,
    }
    QUANTILE { 1 quantile: Plain Double, 2 value: Plain Double }
    EXEMPLAR {
        7 filteredAttributes: Many Of(&KEY_VALUE), 2 timeUnixNano: Plain Fixed64, 3 asDouble: Case Double,
        6 asInt: Case Sfixed64, 4 spanId: Plain Id, 5 traceId: Plain Id,
    }

    TRACES_RESPONSE { 1 partialSuccess: Optional Of(&TRACES_PARTIAL) }
    METRICS_RESPONSE { 1 partialSuccess: Optional Of(&METRICS_PARTIAL) }
    LOGS_RESPONSE { 1 partialSuccess: Optional Of(&LOGS_PARTIAL) }
    TRACES_PARTIAL { 1 rejectedSpans: Plain Int64, 2 errorMessage: Plain Text }
    METRICS_PARTIAL { 1 rejectedDataPoints: Plain Int64, 2 errorMessage: Plain Text }
    LOGS_PARTIAL { 1 rejectedLogRecords: Plain Int64, 2 errorMessage: Plain Text }
    // Its details are messages of any type, which only their own tables could name.
    RPC_STATUS { 1 code: Plain Int32, 2 message: Plain Text }
}

static SPAN_KIND: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
static STATUS_CODE: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
static TEMPORALITY: [&str; 3] =
    ["AGGREGATION_TEMPORALITY_UNSPECIFIED", "AGGREGATION_TEMPORALITY_DELTA", "AGGREGATION_TEMPORALITY_CUMULATIVE"];
static SEVERITY_NUMBER: [&str; 25] = [
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricKind;
    use crate::shape::{self, Shape};

    /// What validation takes the field for.
    fn agrees(kind: Kind, rule: Rule, shape: shape::Kind) -> bool {
        use shape::Kind as K;
        match (kind, rule) {
            (Text, _) => matches!(shape, K::Text),
            (Id | Bytes, _) => matches!(shape, K::Bytes),
            (Fixed64 | Double, Many) => matches!(shape, K::Fixed64s),
            (Uint64, Many) => matches!(shape, K::Varints),
            (Bool | Int32 | Uint32 | Sint32 | Int64 | Uint64 | Enum(_), _) => matches!(shape, K::Varint),
            (Fixed32, _) => matches!(shape, K::Fixed32),
            (Fixed64 | Sfixed64 | Double, _) => matches!(shape, K::Fixed64),
            (Of(_), _) => matches!(shape, K::Message(_) | K::KeyValue | K::AnyValue),
        }
    }

    /// Every field of the table is one of validation's, with the same type, and the other way round; `beside` are the fields
    /// that validation handles elsewhere (records, points).
    fn same(message: &Message, shape: &Shape, beside: &[u32]) {
        for number in 0..NUMBERS as u32 {
            match (message.fields.get(message.place(number)), shape.kind(number)) {
                (Some(_), _) if beside.contains(&number) => {}
                (Some(field), kind) => assert!(agrees(field.kind, field.rule, kind), "{field:?} {kind:?}"),
                (None, shape::Kind::Unknown) => {}
                (None, kind) => {
                    panic!("{number} is {kind:?} in validation and unknown here, beside {:?}", message.fields)
                }
            }
        }
    }

    #[test]
    fn the_tables_of_json_and_of_validation_agree() {
        for (message, shape) in [
            (&RESOURCE, &shape::RESOURCE),
            (&SCOPE, &shape::SCOPE),
            (&KEY_VALUE, &shape::KEY_VALUE),
            (&ANY_VALUE, &shape::ANY_VALUE),
            (&ARRAY_VALUE, &shape::ARRAY_VALUE),
            (&KEY_VALUE_LIST, &shape::KEY_VALUE_LIST),
            (&ENTITY_REF, &shape::ENTITY_REF),
            (&SPAN, &shape::SPAN),
            (&EVENT, &shape::EVENT),
            (&LINK, &shape::LINK),
            (&STATUS, &shape::STATUS),
            (&LOG_RECORD, &shape::LOG_RECORD),
            (&BUCKETS, &shape::BUCKETS),
            (&QUANTILE, &shape::QUANTILE),
            (&EXEMPLAR, &shape::EXEMPLAR),
        ] {
            same(message, shape, &[]);
        }
        for message in [&RESOURCE_SPANS, &RESOURCE_LOGS, &RESOURCE_METRICS] {
            same(message, &shape::RESOURCE_HEADER, &[2]);
        }
        for message in [&SCOPE_SPANS, &SCOPE_LOGS, &SCOPE_METRICS] {
            same(message, &shape::SCOPE_HEADER, &[2]);
        }
        same(&METRIC, &shape::METRIC_HEADER, &[5, 7, 9, 10, 11]);
        for (kind, data, point) in [
            (MetricKind::Gauge, &GAUGE, &NUMBER_POINT),
            (MetricKind::Sum, &SUM, &NUMBER_POINT),
            (MetricKind::Histogram, &HISTOGRAM, &HISTOGRAM_POINT),
            (MetricKind::ExponentialHistogram, &EXPONENTIAL_HISTOGRAM, &EXPONENTIAL_POINT),
            (MetricKind::Summary, &SUMMARY, &SUMMARY_POINT),
        ] {
            let (header, record) = shape::of_metric(kind).expect("a kind with data");
            same(data, header, &[1]);
            same(point, record, &[]);
        }
    }

    /// Snake case is taken for each name, and nothing else than the two.
    #[test]
    fn names_in_both_cases() {
        for (name, found) in [
            ("startTimeUnixNano", true),
            ("start_time_unix_nano", true),
            ("start_timeUnix_nano", false),
            ("startTimeUnixnano", false),
            ("StartTimeUnixNano", false),
            ("start_time_unix_nano_", false),
            ("_start_time_unix_nano", false),
            ("name", true),
            ("na_me", false),
            ("", false),
        ] {
            assert_eq!(SPAN.by_name(name.as_bytes(), 0).is_some(), found, "{name}");
        }
    }
}
