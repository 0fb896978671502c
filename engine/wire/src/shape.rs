//! What the messages of OTLP look like: the type of each field, as the published `.proto` files have it (v1.11).
//!
//! One table for whoever has to know: validation, projection, edits. A field that is not in it is unknown, and kept.

use crate::MetricKind;

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
}

/// One more than the highest field number in use.
const NUMBERS: usize = 17;

impl Shape {
    pub(crate) const fn new(fields: &[(usize, Kind)]) -> Shape {
        let mut by_number = [Kind::Unknown; NUMBERS];
        let mut at = 0;
        while at < fields.len() {
            by_number[fields[at].0] = fields[at].1;
            at += 1;
        }
        Shape { by_number }
    }

    #[inline]
    pub(crate) fn kind(&self, number: u32) -> Kind {
        self.by_number.get(number as usize).copied().unwrap_or(Kind::Unknown)
    }
}

use Kind::{Bytes, Fixed32, Fixed64, Fixed64s, Message, Text, Varint, Varints};

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
pub(crate) static ARRAY_VALUE: Shape = Shape::new(&[(1, Message(&ANY_VALUE))]);
pub(crate) static KEY_VALUE_LIST: Shape = Shape::new(&[(1, Message(&KEY_VALUE))]);
pub(crate) static KEY_VALUE: Shape = Shape::new(&[(1, Text), (2, Message(&ANY_VALUE)), (3, Varint)]);
pub(crate) static ENTITY_REF: Shape = Shape::new(&[(1, Text), (2, Text), (3, Text), (4, Text)]);

pub(crate) static RESOURCE: Shape = Shape::new(&[(1, Message(&KEY_VALUE)), (2, Varint), (3, Message(&ENTITY_REF))]);
pub(crate) static SCOPE: Shape = Shape::new(&[(1, Text), (2, Text), (3, Message(&KEY_VALUE)), (4, Varint)]);

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
    (9, Message(&KEY_VALUE)),
    (10, Varint),
    (11, Message(&EVENT)),
    (12, Varint),
    (13, Message(&LINK)),
    (14, Varint),
    (15, Message(&STATUS)),
    (16, Fixed32),
]);
pub(crate) static EVENT: Shape = Shape::new(&[(1, Fixed64), (2, Text), (3, Message(&KEY_VALUE)), (4, Varint)]);
pub(crate) static LINK: Shape =
    Shape::new(&[(1, Bytes), (2, Bytes), (3, Text), (4, Message(&KEY_VALUE)), (5, Varint), (6, Fixed32)]);
pub(crate) static STATUS: Shape = Shape::new(&[(2, Text), (3, Varint)]);

pub(crate) static LOG_RECORD: Shape = Shape::new(&[
    (1, Fixed64),
    (2, Varint),
    (3, Text),
    (5, Message(&ANY_VALUE)),
    (6, Message(&KEY_VALUE)),
    (7, Varint),
    (8, Fixed32),
    (9, Bytes),
    (10, Bytes),
    (11, Fixed64),
    (12, Text),
]);

/// `Metric` beside its data.
pub(crate) static METRIC_HEADER: Shape = Shape::new(&[(1, Text), (2, Text), (3, Text), (12, Message(&KEY_VALUE))]);
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
    (7, Message(&KEY_VALUE)),
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
    (9, Message(&KEY_VALUE)),
    (10, Varint),
    (11, Fixed64),
    (12, Fixed64),
]);
pub(crate) static EXPONENTIAL_POINT: Shape = Shape::new(&[
    (1, Message(&KEY_VALUE)),
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
    (7, Message(&KEY_VALUE)),
    (8, Varint),
]);
pub(crate) static QUANTILE: Shape = Shape::new(&[(1, Fixed64), (2, Fixed64)]);
pub(crate) static EXEMPLAR: Shape =
    Shape::new(&[(2, Fixed64), (3, Fixed64), (4, Bytes), (5, Bytes), (6, Fixed64), (7, Message(&KEY_VALUE))]);

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
