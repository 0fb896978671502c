//! The fields that paths can name, and the enums.
//!
//! The host has the same table (`engine/wire`) and checks every path again; a test holds the two together. Types and what
//! a field is where nothing was sent are the Collector's.

use wasmill_columns::Kind;

use crate::Signal;
use crate::plan::Type;

/// A field of a record or of its parents.
#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    /// As the host writes it, without the context that may be left out.
    pub name: &'static str,
    /// The kind of column to ask for.
    pub kind: Kind,
    /// What an expression gets.
    pub value: Type,
    /// Whether a statement may change it.
    pub editable: bool,
    /// What a row without a value has.
    pub missing: Missing,
    /// Whether a number that does not fit is a failure. Other fields take its lowest bits, as the Collector does.
    pub checked: bool,
}

/// What a row has whose column has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The type's zero.
    Zero,
    Nil,
    /// The type's zero where the metric's type is one of these, else nil: the field is there, and was not sent.
    ZeroFor(&'static [i64]),
}

const fn field(name: &'static str, kind: Kind, value: Type) -> Field {
    Field { name, kind, value, editable: true, missing: Missing::Zero, checked: false }
}

impl Field {
    const fn fixed(mut self) -> Field {
        self.editable = false;
        self
    }

    const fn checked(mut self) -> Field {
        self.checked = true;
        self
    }

    const fn missing(mut self, missing: Missing) -> Field {
        self.missing = missing;
        self
    }

    /// Whether the path may go on with keys.
    pub(crate) fn has_keys(&self) -> bool {
        self.value == Type::Map || self.name == "body"
    }
}

/// The column that tells the kinds of data points apart.
pub(crate) const METRIC_TYPE: &str = "metric.type";

/// Metric types, by their numbers: gauge and sum have number points, the others counts.
const NUMBERS: Missing = Missing::ZeroFor(&[1, 2]);
const COUNTED: Missing = Missing::ZeroFor(&[3, 4, 5]);

static TRACES: &[Field] = &[
    field("trace_id", Kind::Id16, Type::TraceId),
    field("span_id", Kind::Id8, Type::SpanId),
    field("trace_state", Kind::Text, Type::Text),
    field("parent_span_id", Kind::Id8, Type::SpanId),
    field("flags", Kind::UInt32, Type::Int).checked(),
    field("name", Kind::Text, Type::Text),
    field("kind", Kind::Int32, Type::Int),
    field("start_time_unix_nano", Kind::UInt64, Type::Int),
    field("end_time_unix_nano", Kind::UInt64, Type::Int),
    field("duration", Kind::Int64, Type::Int).fixed(),
    field("attributes", Kind::Attributes, Type::Map),
    field("dropped_attributes_count", Kind::UInt32, Type::Int),
    field("dropped_events_count", Kind::UInt32, Type::Int),
    field("dropped_links_count", Kind::UInt32, Type::Int),
    field("status.code", Kind::Int32, Type::Int),
    field("status.message", Kind::Text, Type::Text),
];

static LOGS: &[Field] = &[
    field("time_unix_nano", Kind::UInt64, Type::Int),
    field("observed_time_unix_nano", Kind::UInt64, Type::Int),
    field("severity_number", Kind::Int32, Type::Int),
    field("severity_text", Kind::Text, Type::Text),
    field("body", Kind::Any, Type::Any),
    field("attributes", Kind::Attributes, Type::Map),
    field("dropped_attributes_count", Kind::UInt32, Type::Int),
    field("flags", Kind::UInt32, Type::Int),
    field("trace_id", Kind::Id16, Type::TraceId),
    field("span_id", Kind::Id8, Type::SpanId),
    field("event_name", Kind::Text, Type::Text),
];

static METRICS: &[Field] = &[
    field("start_time_unix_nano", Kind::UInt64, Type::Int),
    field("time_unix_nano", Kind::UInt64, Type::Int),
    field("attributes", Kind::Attributes, Type::Map),
    field("flags", Kind::UInt32, Type::Int),
    field("value", Kind::Any, Type::Any).missing(Missing::Nil).fixed(),
    field("value_int", Kind::Int64, Type::Int).missing(NUMBERS),
    field("value_double", Kind::Double, Type::Double).missing(NUMBERS),
    field("count", Kind::UInt64, Type::Int).missing(Missing::Nil),
    field("sum", Kind::Double, Type::Double).missing(COUNTED),
    field("min", Kind::Double, Type::Double).missing(Missing::Nil),
    field("max", Kind::Double, Type::Double).missing(Missing::Nil),
    field("scale", Kind::Int32, Type::Int).missing(Missing::Nil),
    field("zero_count", Kind::UInt64, Type::Int).missing(Missing::Nil),
    field("zero_threshold", Kind::Double, Type::Double).missing(Missing::Nil),
    field("positive.offset", Kind::Int32, Type::Int).missing(Missing::Nil),
    field("negative.offset", Kind::Int32, Type::Int).missing(Missing::Nil),
    field("metric.name", Kind::Text, Type::Text),
    field("metric.description", Kind::Text, Type::Text),
    field("metric.unit", Kind::Text, Type::Text),
    field(METRIC_TYPE, Kind::Int32, Type::Int).fixed(),
    field("metric.aggregation_temporality", Kind::Int32, Type::Int).missing(Missing::Nil).fixed(),
    field("metric.is_monotonic", Kind::Boolean, Type::Bool).missing(Missing::Nil).fixed(),
    field("metric.metadata", Kind::Attributes, Type::Map),
];

static PARENTS: &[Field] = &[
    field("scope.name", Kind::Text, Type::Text),
    field("scope.version", Kind::Text, Type::Text),
    field("scope.attributes", Kind::Attributes, Type::Map),
    field("scope.dropped_attributes_count", Kind::UInt32, Type::Int),
    field("scope.schema_url", Kind::Text, Type::Text),
    field("resource.attributes", Kind::Attributes, Type::Map),
    field("resource.dropped_attributes_count", Kind::UInt32, Type::Int),
    field("resource.schema_url", Kind::Text, Type::Text),
];

/// All fields of a signal.
pub(crate) fn all(signal: Signal) -> impl Iterator<Item = &'static Field> {
    let own = match signal {
        Signal::Traces => TRACES,
        Signal::Logs => LOGS,
        Signal::Metrics => METRICS,
    };
    own.iter().chain(PARENTS)
}

/// The field of that name, with or without the context of the signal's records.
pub(crate) fn find(signal: Signal, name: &str) -> Option<&'static Field> {
    let own = match signal {
        Signal::Traces => "span.",
        Signal::Logs => "log.",
        Signal::Metrics => "datapoint.",
    };
    let find = |name: &str| all(signal).find(|field| field.name == name);
    if let Some(name) = name.strip_prefix(own) {
        // Only a record's own fields are in its context.
        return find(name).filter(|field| PARENTS.iter().all(|parent| parent.name != field.name));
    }
    match name.strip_prefix("instrumentation_") {
        Some(scope) if scope.starts_with("scope.") => find(scope),
        _ => find(name),
    }
}

/// The number of an enum's name, in signals that have it.
pub(crate) fn enum_number(signal: Signal, name: &str) -> Option<i64> {
    enums(signal).find(|(candidate, _)| *candidate == name).map(|(_, number)| *number)
}

/// The enums of a signal, with their numbers.
pub(crate) fn enums(signal: Signal) -> impl Iterator<Item = &'static (&'static str, i64)> {
    match signal {
        Signal::Traces => SPAN_ENUMS,
        Signal::Logs => LOG_ENUMS,
        Signal::Metrics => METRIC_ENUMS,
    }
    .iter()
}

static SPAN_ENUMS: &[(&str, i64)] = &[
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
    ("STATUS_CODE_UNSET", 0),
    ("STATUS_CODE_OK", 1),
    ("STATUS_CODE_ERROR", 2),
];

static METRIC_ENUMS: &[(&str, i64)] = &[
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
    ("FLAG_NONE", 0),
    ("FLAG_NO_RECORDED_VALUE", 1),
    ("METRIC_DATA_TYPE_NONE", 0),
    ("METRIC_DATA_TYPE_GAUGE", 1),
    ("METRIC_DATA_TYPE_SUM", 2),
    ("METRIC_DATA_TYPE_HISTOGRAM", 3),
    ("METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM", 4),
    ("METRIC_DATA_TYPE_SUMMARY", 5),
];

static LOG_ENUMS: &[(&str, i64)] = &[
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
];

/// Fields that the Collector derives from others, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derived {
    /// `trace_id.string`, `span_id.string`: hexadecimal digits.
    Hex,
    /// `kind.string`: `Server`.
    KindName,
    /// `kind.deprecated_string`: `SPAN_KIND_SERVER`.
    KindEnum,
    /// `body.string`.
    Plain,
}

/// The field that a derived one is derived from, and how.
pub(crate) fn derived(signal: Signal, name: &str) -> Option<(&'static Field, Derived)> {
    let (base, view) = name.rsplit_once('.')?;
    let field = find(signal, base)?;
    let derived = match (field.name, view) {
        ("trace_id" | "span_id" | "parent_span_id", "string") => Derived::Hex,
        ("kind", "string") => Derived::KindName,
        ("kind", "deprecated_string") => Derived::KindEnum,
        ("body", "string") => Derived::Plain,
        _ => return None,
    };
    Some((field, derived))
}

/// The candidate that takes the fewest edits to get to, if that is at most a third of its length.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names longer than this are nobody's misspelling of ours, and the distance is quadratic.
const NAME_MAX: usize = 64;

/// Levenshtein's distance.
fn distance(left: &[u8], right: &[u8]) -> usize {
    if left.len() > NAME_MAX {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let cost = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
