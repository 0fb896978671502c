//! What the messages of OTLP look like: the type of each field, as the published `.proto` files have it (v1.11).
//!
//! One table for whoever has to know: validation, projection, edits. A field that is not in it is unknown, and kept.

use crate::field::WireType;
use crate::{MetricKind, Signal};

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Unknown,
    Text,
    Bytes,
    /// Any integer or boolean that is written as a varint; enums are open.
    Varint,
    Fixed32,
    Fixed64,
    /// One entry of a set of attributes, [`KEY_VALUE`].
    KeyValue,
    /// [`ANY_VALUE`].
    AnyValue,
    Message(&'static Shape),
    /// `repeated fixed64` or `repeated double`, packed or not.
    Fixed64s,
    /// `repeated uint64`, packed or not.
    Varints,
}

/// The fields of a message.
#[derive(Debug)]
pub(crate) struct Shape {
    by_number: [Kind; NUMBERS],
    /// What to do at a tag, by its first byte: tags of one byte are themselves, those of two whose second is 1 (the field
    /// numbers 16 to 31) have the highest bit set. [`Act::Cold`] for any other.
    acts: [Act; 256],
}

/// What a field is, where it is written as usual: with the expected wire type and a tag in its shortest form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Act {
    /// Anything else: unknown, repeated numbers, another wire type.
    Cold,
    Varint,
    Fixed32,
    Fixed64,
    Text,
    Bytes,
    KeyValue,
    AnyValue,
    Message,
}

/// One more than the highest field number in use.
const NUMBERS: usize = 17;

impl Shape {
    pub(crate) const fn new(fields: &[(usize, Kind)]) -> Shape {
        let mut by_number = [Kind::Unknown; NUMBERS];
        let mut acts = [Act::Cold; 256];
        let mut at = 0;
        while at < fields.len() {
            let (number, kind) = fields[at];
            by_number[number] = kind;
            let (wire, act) = match kind {
                Kind::Varint => (WireType::Varint, Act::Varint),
                Kind::Fixed32 => (WireType::Fixed32, Act::Fixed32),
                Kind::Fixed64 => (WireType::Fixed64, Act::Fixed64),
                Kind::Text => (WireType::Len, Act::Text),
                Kind::Bytes => (WireType::Len, Act::Bytes),
                Kind::KeyValue => (WireType::Len, Act::KeyValue),
                Kind::AnyValue => (WireType::Len, Act::AnyValue),
                Kind::Message(_) => (WireType::Len, Act::Message),
                Kind::Unknown | Kind::Fixed64s | Kind::Varints => (WireType::Varint, Act::Cold),
            };
            // The tag's first byte: of a number below 16 all of it, of one below 32 the lower half with the mark that
            // more follows, which has the value that the mark stands for.
            acts[number << 3 | wire as usize] = act;
            at += 1;
        }
        Shape { by_number, acts }
    }

    #[inline]
    pub(crate) fn act(&self, first: u8) -> Act {
        self.acts[first as usize]
    }

    #[inline]
    pub(crate) fn kind(&self, number: u32) -> Kind {
        self.by_number.get(number as usize).copied().unwrap_or(Kind::Unknown)
    }
}

use Kind::{AnyValue, Bytes, Fixed32, Fixed64, Fixed64s, KeyValue, Message, Text, Varint, Varints};

pub(crate) static ANY_VALUE: Shape = Shape::new(&[
    (1, Text),
    (2, Varint),
    (3, Varint),
    (4, Fixed64),
    (5, Message(&ARRAY_VALUE)),
    (6, Message(&KEY_VALUE_LIST)),
    (7, Bytes),
    (8, Varint),
]);
pub(crate) static ARRAY_VALUE: Shape = Shape::new(&[(1, AnyValue)]);
pub(crate) static KEY_VALUE_LIST: Shape = Shape::new(&[(1, KeyValue)]);
pub(crate) static KEY_VALUE: Shape = Shape::new(&[(1, Text), (2, AnyValue), (3, Varint)]);
pub(crate) static ENTITY_REF: Shape = Shape::new(&[(1, Text), (2, Text), (3, Text), (4, Text)]);

pub(crate) static RESOURCE: Shape = Shape::new(&[(1, KeyValue), (2, Varint), (3, Message(&ENTITY_REF))]);
pub(crate) static SCOPE: Shape = Shape::new(&[(1, Text), (2, Text), (3, KeyValue), (4, Varint)]);

/// `Resource{Spans,Logs,Metrics}` beside its scopes.
pub(crate) static RESOURCE_HEADER: Shape = Shape::new(&[(1, Message(&RESOURCE)), (3, Text)]);
/// `Scope{Spans,Logs,Metrics}` beside its records or metrics.
pub(crate) static SCOPE_HEADER: Shape = Shape::new(&[(1, Message(&SCOPE)), (3, Text)]);

pub(crate) static SPAN: Shape = Shape::new(&[
    (1, Bytes),
    (2, Bytes),
    (3, Text),
    (4, Bytes),
    (5, Text),
    (6, Varint),
    (7, Fixed64),
    (8, Fixed64),
    (9, KeyValue),
    (10, Varint),
    (11, Message(&EVENT)),
    (12, Varint),
    (13, Message(&LINK)),
    (14, Varint),
    (15, Message(&STATUS)),
    (16, Fixed32),
]);
pub(crate) static EVENT: Shape = Shape::new(&[(1, Fixed64), (2, Text), (3, KeyValue), (4, Varint)]);
pub(crate) static LINK: Shape =
    Shape::new(&[(1, Bytes), (2, Bytes), (3, Text), (4, KeyValue), (5, Varint), (6, Fixed32)]);
pub(crate) static STATUS: Shape = Shape::new(&[(2, Text), (3, Varint)]);

pub(crate) static LOG_RECORD: Shape = Shape::new(&[
    (1, Fixed64),
    (2, Varint),
    (3, Text),
    (5, AnyValue),
    (6, KeyValue),
    (7, Varint),
    (8, Fixed32),
    (9, Bytes),
    (10, Bytes),
    (11, Fixed64),
    (12, Text),
]);

/// `Metric` beside its data.
pub(crate) static METRIC_HEADER: Shape = Shape::new(&[(1, Text), (2, Text), (3, Text), (12, KeyValue)]);
/// `Gauge` and `Summary` beside their points.
pub(crate) static GAUGE_HEADER: Shape = Shape::new(&[]);
pub(crate) static SUM_HEADER: Shape = Shape::new(&[(2, Varint), (3, Varint)]);
/// `Histogram` and `ExponentialHistogram` beside their points.
pub(crate) static HISTOGRAM_HEADER: Shape = Shape::new(&[(2, Varint)]);

pub(crate) static NUMBER_POINT: Shape = Shape::new(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Message(&EXEMPLAR)),
    (6, Fixed64),
    (7, KeyValue),
    (8, Varint),
]);
pub(crate) static HISTOGRAM_POINT: Shape = Shape::new(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Fixed64s),
    (7, Fixed64s),
    (8, Message(&EXEMPLAR)),
    (9, KeyValue),
    (10, Varint),
    (11, Fixed64),
    (12, Fixed64),
]);
pub(crate) static EXPONENTIAL_POINT: Shape = Shape::new(&[
    (1, KeyValue),
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Varint),
    (7, Fixed64),
    (8, Message(&BUCKETS)),
    (9, Message(&BUCKETS)),
    (10, Varint),
    (11, Message(&EXEMPLAR)),
    (12, Fixed64),
    (13, Fixed64),
    (14, Fixed64),
]);
pub(crate) static BUCKETS: Shape = Shape::new(&[(1, Varint), (2, Varints)]);
pub(crate) static SUMMARY_POINT: Shape = Shape::new(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Message(&QUANTILE)),
    (7, KeyValue),
    (8, Varint),
]);
pub(crate) static QUANTILE: Shape = Shape::new(&[(1, Fixed64), (2, Fixed64)]);
pub(crate) static EXEMPLAR: Shape =
    Shape::new(&[(2, Fixed64), (3, Fixed64), (4, Bytes), (5, Bytes), (6, Fixed64), (7, KeyValue)]);

/// The message of a metric's `data` beside its points, and that of its points.
pub(crate) fn of_metric(kind: MetricKind) -> Option<(&'static Shape, &'static Shape)> {
    match kind {
        MetricKind::None => None,
        MetricKind::Gauge => Some((&GAUGE_HEADER, &NUMBER_POINT)),
        MetricKind::Sum => Some((&SUM_HEADER, &NUMBER_POINT)),
        MetricKind::Histogram => Some((&HISTOGRAM_HEADER, &HISTOGRAM_POINT)),
        MetricKind::ExponentialHistogram => Some((&HISTOGRAM_HEADER, &EXPONENTIAL_POINT)),
        MetricKind::Summary => Some((&GAUGE_HEADER, &SUMMARY_POINT)),
    }
}

/// The message of a record.
pub(crate) fn of_record(signal: Signal, kind: MetricKind) -> &'static Shape {
    match signal {
        Signal::Traces => &SPAN,
        Signal::Logs => &LOG_RECORD,
        Signal::Metrics => of_metric(kind).map_or(&GAUGE_HEADER, |(_, point)| point),
    }
}
