//! Every field that a path can name: its name, where it lies in the messages, its type, whether it may be changed.

use crate::{ColumnType, MetricKind, Signal, TextForm};

/// What a path can name. One field has one meaning in all signals that have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Field {
    // Spans, log records and data points.
    TraceId,
    SpanId,
    Flags,
    Attributes,
    DroppedAttributesCount,
    StartTime,
    // Log records and data points.
    Time,
    // Spans.
    ParentSpanId,
    TraceState,
    Name,
    Kind,
    EndTime,
    /// End less start, derived.
    Duration,
    StatusCode,
    StatusMessage,
    DroppedEventsCount,
    DroppedLinksCount,
    SpanEventTime,
    SpanEventName,
    SpanEventAttributes,
    SpanEventDroppedAttributesCount,
    SpanLinkTraceId,
    SpanLinkSpanId,
    SpanLinkTraceState,
    SpanLinkAttributes,
    SpanLinkDroppedAttributesCount,
    SpanLinkFlags,
    // Log records.
    ObservedTime,
    SeverityNumber,
    SeverityText,
    Body,
    EventName,
    // Data points.
    /// A number point's value, integer or double by row.
    Value,
    ValueInt,
    ValueDouble,
    Count,
    Sum,
    Min,
    Max,
    BucketCounts,
    ExplicitBounds,
    Scale,
    ZeroCount,
    ZeroThreshold,
    PositiveOffset,
    PositiveBucketCounts,
    NegativeOffset,
    NegativeBucketCounts,
    QuantileQuantile,
    QuantileValue,
    ExemplarTime,
    ExemplarTraceId,
    ExemplarSpanId,
    ExemplarValue,
    ExemplarFilteredAttributes,
    // Metrics.
    MetricName,
    MetricDescription,
    MetricUnit,
    /// 0 none, 1 gauge, 2 sum, 3 histogram, 4 exponential histogram, 5 summary.
    MetricType,
    MetricAggregationTemporality,
    MetricIsMonotonic,
    MetricMetadata,
    // Scopes.
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeDroppedAttributesCount,
    ScopeSchemaUrl,
    // Resources.
    ResourceAttributes,
    ResourceDroppedAttributesCount,
    ResourceSchemaUrl,
    // The request: its context has them, no record.
    RequestMetadata,
}

/// Which part of a batch a field belongs to. An edit above the record splits the parent when its rows differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Level {
    Request,
    Resource,
    Scope,
    Metric,
    Record,
}

/// Records within a record: a column of theirs is a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Inner {
    Event,
    Link,
    Exemplar,
    Quantile,
}

/// How a field is written, which is also what type it has by nature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    Text,
    Id8,
    Id16,
    Bool,
    Int32,
    /// Zigzag.
    SInt32,
    UInt32,
    Fixed32,
    Fixed64,
    Double,
    /// No value where it is not written.
    OptionalDouble,
    Any,
    Attributes,
    Fixed64s,
    Doubles,
    Varints,
    /// One of two numbers: `steps` names the double, the integer is field 6.
    Number,
    /// Of these two the integer alone, the double alone.
    NumberInt,
    NumberDouble,
    Duration,
    MetricType,
    Metadata,
}

impl Code {
    pub(super) fn column_type(self) -> ColumnType {
        match self {
            Code::Text => ColumnType::Text(TextForm::Either),
            Code::Id8 => ColumnType::Id8,
            Code::Id16 => ColumnType::Id16,
            Code::Bool => ColumnType::Boolean,
            Code::Int32 | Code::SInt32 | Code::MetricType => ColumnType::Int32,
            Code::UInt32 | Code::Fixed32 => ColumnType::UInt32,
            Code::Fixed64 | Code::Fixed64s | Code::Varints => ColumnType::UInt64,
            Code::Double | Code::OptionalDouble | Code::Doubles | Code::NumberDouble => ColumnType::Double,
            Code::NumberInt | Code::Duration => ColumnType::Int64,
            Code::Any | Code::Number => ColumnType::Any(TextForm::Either),
            Code::Attributes | Code::Metadata => ColumnType::Attributes(TextForm::Either),
        }
    }

    /// Whether the field holds a number of values by itself.
    pub(crate) fn is_repeated(self) -> bool {
        matches!(self, Code::Fixed64s | Code::Doubles | Code::Varints)
    }

    pub(super) fn is_map(self) -> bool {
        matches!(self, Code::Attributes | Code::Metadata)
    }

    pub(super) fn has_keys(self) -> bool {
        self.is_map() || self == Code::Any
    }
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub field: Field,
    /// With its context, unless that may be left out.
    pub name: &'static str,
    pub level: Level,
    pub inner: Option<Inner>,
    pub code: Code,
    /// The numbers of the fields from the record's message (from the parent's header) down to this one. Those of data
    /// points differ by the metric's type, see [`Entry::steps`].
    steps: &'static [u32],
    pub edit: bool,
}

impl Entry {
    const fn new(field: Field, name: &'static str, code: Code, steps: &'static [u32]) -> Entry {
        Entry { field, name, level: Level::Record, inner: None, code, steps, edit: true }
    }

    const fn of(mut self, level: Level) -> Entry {
        self.level = level;
        self
    }

    const fn within(mut self, inner: Inner) -> Entry {
        self.inner = Some(inner);
        self
    }

    const fn fixed(mut self) -> Entry {
        self.edit = false;
        self
    }

    /// The numbers of the fields that lead to this one, the repeated inner record's included. `None` where metrics of
    /// this kind or their points do not have it, and for what is derived.
    pub(crate) fn steps(&self, kind: MetricKind) -> Option<&'static [u32]> {
        use MetricKind::{ExponentialHistogram, Histogram, Sum};
        match (self.field, self.steps) {
            (Field::MetricIsMonotonic, steps) => (kind == Sum).then_some(steps),
            (Field::MetricAggregationTemporality, steps) => {
                matches!(kind, Sum | Histogram | ExponentialHistogram).then_some(steps)
            }
            (field, []) => steps_of_point(field, kind),
            (_, steps) => Some(steps),
        }
    }

    /// Whether it is a field of a metric's `data`, not of the metric.
    pub(crate) fn in_metric_data(&self) -> bool {
        matches!(self.field, Field::MetricAggregationTemporality | Field::MetricIsMonotonic)
    }
}

fn steps_of_point(field: Field, kind: MetricKind) -> Option<&'static [u32]> {
    use MetricKind::{ExponentialHistogram as Exponential, Gauge, Histogram, Sum, Summary};
    Some(match (field, kind) {
        (_, MetricKind::None) => return None,
        (Field::StartTime, _) => &[2],
        (Field::Time, _) => &[3],
        (Field::Attributes, Gauge | Sum | Summary) => &[7],
        (Field::Attributes, Histogram) => &[9],
        (Field::Attributes, Exponential) => &[1],
        (Field::Flags, Gauge | Sum | Summary) => &[8],
        (Field::Flags, Histogram | Exponential) => &[10],
        (Field::Value | Field::ValueInt | Field::ValueDouble, Gauge | Sum) => &[4],
        (Field::Count, Histogram | Exponential | Summary) => &[4],
        (Field::Sum, Histogram | Exponential | Summary) => &[5],
        (Field::Min, Histogram) => &[11],
        (Field::Max, Histogram) => &[12],
        (Field::Min, Exponential) => &[12],
        (Field::Max, Exponential) => &[13],
        (Field::BucketCounts, Histogram) => &[6],
        (Field::ExplicitBounds, Histogram) => &[7],
        (Field::Scale, Exponential) => &[6],
        (Field::ZeroCount, Exponential) => &[7],
        (Field::ZeroThreshold, Exponential) => &[14],
        (Field::PositiveOffset, Exponential) => &[8, 1],
        (Field::PositiveBucketCounts, Exponential) => &[8, 2],
        (Field::NegativeOffset, Exponential) => &[9, 1],
        (Field::NegativeBucketCounts, Exponential) => &[9, 2],
        (Field::QuantileQuantile, Summary) => &[6, 1],
        (Field::QuantileValue, Summary) => &[6, 2],
        (Field::ExemplarTime, Gauge | Sum) => &[5, 2],
        (Field::ExemplarTime, Histogram) => &[8, 2],
        (Field::ExemplarTime, Exponential) => &[11, 2],
        (Field::ExemplarValue, Gauge | Sum) => &[5, 3],
        (Field::ExemplarValue, Histogram) => &[8, 3],
        (Field::ExemplarValue, Exponential) => &[11, 3],
        (Field::ExemplarSpanId, Gauge | Sum) => &[5, 4],
        (Field::ExemplarSpanId, Histogram) => &[8, 4],
        (Field::ExemplarSpanId, Exponential) => &[11, 4],
        (Field::ExemplarTraceId, Gauge | Sum) => &[5, 5],
        (Field::ExemplarTraceId, Histogram) => &[8, 5],
        (Field::ExemplarTraceId, Exponential) => &[11, 5],
        (Field::ExemplarFilteredAttributes, Gauge | Sum) => &[5, 7],
        (Field::ExemplarFilteredAttributes, Histogram) => &[8, 7],
        (Field::ExemplarFilteredAttributes, Exponential) => &[11, 7],
        _ => return None,
    })
}

use Code::{
    Any, Attributes, Bool, Double, Doubles, Fixed32, Fixed64, Fixed64s, Id8, Id16, Int32, Number, OptionalDouble,
    SInt32, Text, UInt32, Varints,
};
use Inner::{Event, Exemplar, Link, Quantile};

static TRACES: &[Entry] = &[
    Entry::new(Field::TraceId, "trace_id", Id16, &[1]),
    Entry::new(Field::SpanId, "span_id", Id8, &[2]),
    Entry::new(Field::TraceState, "trace_state", Text, &[3]),
    Entry::new(Field::ParentSpanId, "parent_span_id", Id8, &[4]),
    Entry::new(Field::Flags, "flags", Fixed32, &[16]),
    Entry::new(Field::Name, "name", Text, &[5]),
    Entry::new(Field::Kind, "kind", Int32, &[6]),
    Entry::new(Field::StartTime, "start_time_unix_nano", Fixed64, &[7]),
    Entry::new(Field::EndTime, "end_time_unix_nano", Fixed64, &[8]),
    Entry::new(Field::Duration, "duration", Code::Duration, &[7]).fixed(),
    Entry::new(Field::Attributes, "attributes", Attributes, &[9]),
    Entry::new(Field::DroppedAttributesCount, "dropped_attributes_count", UInt32, &[10]),
    Entry::new(Field::DroppedEventsCount, "dropped_events_count", UInt32, &[12]),
    Entry::new(Field::DroppedLinksCount, "dropped_links_count", UInt32, &[14]),
    Entry::new(Field::StatusCode, "status.code", Int32, &[15, 3]),
    Entry::new(Field::StatusMessage, "status.message", Text, &[15, 2]),
    Entry::new(Field::SpanEventTime, "spanevent.time_unix_nano", Fixed64, &[11, 1]).within(Event),
    Entry::new(Field::SpanEventName, "spanevent.name", Text, &[11, 2]).within(Event),
    Entry::new(Field::SpanEventAttributes, "spanevent.attributes", Attributes, &[11, 3]).within(Event),
    Entry::new(Field::SpanEventDroppedAttributesCount, "spanevent.dropped_attributes_count", UInt32, &[11, 4])
        .within(Event),
    Entry::new(Field::SpanLinkTraceId, "spanlink.trace_id", Id16, &[13, 1]).within(Link),
    Entry::new(Field::SpanLinkSpanId, "spanlink.span_id", Id8, &[13, 2]).within(Link),
    Entry::new(Field::SpanLinkTraceState, "spanlink.trace_state", Text, &[13, 3]).within(Link),
    Entry::new(Field::SpanLinkAttributes, "spanlink.attributes", Attributes, &[13, 4]).within(Link),
    Entry::new(Field::SpanLinkDroppedAttributesCount, "spanlink.dropped_attributes_count", UInt32, &[13, 5])
        .within(Link),
    Entry::new(Field::SpanLinkFlags, "spanlink.flags", Fixed32, &[13, 6]).within(Link),
];

static LOGS: &[Entry] = &[
    Entry::new(Field::Time, "time_unix_nano", Fixed64, &[1]),
    Entry::new(Field::ObservedTime, "observed_time_unix_nano", Fixed64, &[11]),
    Entry::new(Field::SeverityNumber, "severity_number", Int32, &[2]),
    Entry::new(Field::SeverityText, "severity_text", Text, &[3]),
    Entry::new(Field::Body, "body", Any, &[5]),
    Entry::new(Field::Attributes, "attributes", Attributes, &[6]),
    Entry::new(Field::DroppedAttributesCount, "dropped_attributes_count", UInt32, &[7]),
    Entry::new(Field::Flags, "flags", Fixed32, &[8]),
    Entry::new(Field::TraceId, "trace_id", Id16, &[9]),
    Entry::new(Field::SpanId, "span_id", Id8, &[10]),
    Entry::new(Field::EventName, "event_name", Text, &[12]),
];

static METRICS: &[Entry] = &[
    Entry::new(Field::StartTime, "start_time_unix_nano", Fixed64, &[]),
    Entry::new(Field::Time, "time_unix_nano", Fixed64, &[]),
    Entry::new(Field::Attributes, "attributes", Attributes, &[]),
    Entry::new(Field::Flags, "flags", UInt32, &[]),
    Entry::new(Field::Value, "value", Number, &[]),
    Entry::new(Field::ValueInt, "value_int", Code::NumberInt, &[]),
    Entry::new(Field::ValueDouble, "value_double", Code::NumberDouble, &[]),
    Entry::new(Field::Count, "count", Fixed64, &[]),
    Entry::new(Field::Sum, "sum", OptionalDouble, &[]),
    Entry::new(Field::Min, "min", OptionalDouble, &[]),
    Entry::new(Field::Max, "max", OptionalDouble, &[]),
    Entry::new(Field::BucketCounts, "bucket_counts", Fixed64s, &[]),
    Entry::new(Field::ExplicitBounds, "explicit_bounds", Doubles, &[]),
    Entry::new(Field::Scale, "scale", SInt32, &[]),
    Entry::new(Field::ZeroCount, "zero_count", Fixed64, &[]),
    Entry::new(Field::ZeroThreshold, "zero_threshold", Double, &[]),
    Entry::new(Field::PositiveOffset, "positive.offset", SInt32, &[]),
    Entry::new(Field::PositiveBucketCounts, "positive.bucket_counts", Varints, &[]),
    Entry::new(Field::NegativeOffset, "negative.offset", SInt32, &[]),
    Entry::new(Field::NegativeBucketCounts, "negative.bucket_counts", Varints, &[]),
    Entry::new(Field::QuantileQuantile, "quantile_values.quantile", Double, &[]).within(Quantile),
    Entry::new(Field::QuantileValue, "quantile_values.value", Double, &[]).within(Quantile),
    Entry::new(Field::ExemplarTime, "exemplar.time_unix_nano", Fixed64, &[]).within(Exemplar),
    Entry::new(Field::ExemplarTraceId, "exemplar.trace_id", Id16, &[]).within(Exemplar),
    Entry::new(Field::ExemplarSpanId, "exemplar.span_id", Id8, &[]).within(Exemplar),
    Entry::new(Field::ExemplarValue, "exemplar.value", Number, &[]).within(Exemplar),
    Entry::new(Field::ExemplarFilteredAttributes, "exemplar.filtered_attributes", Attributes, &[]).within(Exemplar),
    Entry::new(Field::MetricName, "metric.name", Text, &[1]).of(Level::Metric),
    Entry::new(Field::MetricDescription, "metric.description", Text, &[2]).of(Level::Metric),
    Entry::new(Field::MetricUnit, "metric.unit", Text, &[3]).of(Level::Metric),
    Entry::new(Field::MetricType, "metric.type", Code::MetricType, &[]).of(Level::Metric).fixed(),
    Entry::new(Field::MetricAggregationTemporality, "metric.aggregation_temporality", Int32, &[2])
        .of(Level::Metric)
        .fixed(),
    Entry::new(Field::MetricIsMonotonic, "metric.is_monotonic", Bool, &[3]).of(Level::Metric).fixed(),
    Entry::new(Field::MetricMetadata, "metric.metadata", Attributes, &[12]).of(Level::Metric),
];

static PARENTS: &[Entry] = &[
    Entry::new(Field::ScopeName, "scope.name", Text, &[1, 1]).of(Level::Scope),
    Entry::new(Field::ScopeVersion, "scope.version", Text, &[1, 2]).of(Level::Scope),
    Entry::new(Field::ScopeAttributes, "scope.attributes", Attributes, &[1, 3]).of(Level::Scope),
    Entry::new(Field::ScopeDroppedAttributesCount, "scope.dropped_attributes_count", UInt32, &[1, 4]).of(Level::Scope),
    Entry::new(Field::ScopeSchemaUrl, "scope.schema_url", Text, &[3]).of(Level::Scope),
    Entry::new(Field::ResourceAttributes, "resource.attributes", Attributes, &[1, 1]).of(Level::Resource),
    Entry::new(Field::ResourceDroppedAttributesCount, "resource.dropped_attributes_count", UInt32, &[1, 2])
        .of(Level::Resource),
    Entry::new(Field::ResourceSchemaUrl, "resource.schema_url", Text, &[3]).of(Level::Resource),
    Entry::new(Field::RequestMetadata, "request.metadata", Code::Metadata, &[]).of(Level::Request).fixed(),
];

fn entries(signal: Signal) -> impl Iterator<Item = &'static Entry> {
    let own = match signal {
        Signal::Traces => TRACES,
        Signal::Logs => LOGS,
        Signal::Metrics => METRICS,
    };
    own.iter().chain(PARENTS)
}

/// All names of a signal, in the form that [`super::Path`] displays.
pub(crate) fn names(signal: Signal) -> impl Iterator<Item = &'static str> {
    entries(signal).map(|entry| entry.name)
}

/// The context that may be left out.
fn own_context(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "span.",
        Signal::Logs => "log.",
        Signal::Metrics => "datapoint.",
    }
}

/// A name without the context that may be left out.
pub(super) fn without_own_context(signal: Signal, name: &str) -> &str {
    name.strip_prefix(own_context(signal)).unwrap_or(name)
}

/// The entry of a name, with or without context.
pub(super) fn find(signal: Signal, name: &str) -> Option<&'static Entry> {
    match (name.strip_prefix(own_context(signal)), name.strip_prefix("instrumentation_scope")) {
        (Some(own), _) => {
            entries(signal).find(|entry| entry.level == Level::Record && entry.inner.is_none() && entry.name == own)
        }
        (_, Some(scope)) => {
            entries(signal).find(|entry| entry.level == Level::Scope && entry.name.strip_prefix("scope") == Some(scope))
        }
        _ => entries(signal).find(|entry| entry.name == name),
    }
}

/// Whether any name of the signal starts with these parts.
pub(super) fn has_prefix(signal: Signal, parts: &str) -> bool {
    let own = own_context(signal);
    let parts = parts.strip_prefix(own).unwrap_or(parts);
    let of = |name: &str| name.strip_prefix(parts).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    parts == own.trim_end_matches('.') || names(signal).any(of) || parts == "instrumentation_scope"
}

/// A name for messages.
pub(super) fn example(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "status.code",
        Signal::Logs => "severity_number",
        Signal::Metrics => "metric.name",
    }
}

/// The entry of a field. A field that the signal does not have, which no parsed path names, gives the request's.
pub(super) fn of(signal: Signal, field: Field) -> &'static Entry {
    let last = &PARENTS[PARENTS.len() - 1];
    entries(signal).find(|entry| entry.field == field).unwrap_or(last)
}
