//! Where each part of a request lies.
//!
//! ```text
//!  resource ◄── scope ◄── [metric] ◄── record        each child names its parent by number
//!     │           │          │            │
//!   extents     extents    extents      one extent   all into `buffers`
//! ```
//!
//! A parent's *header* is what its message holds beside its children: fields known and unknown, in their order, as
//! extents. Most parents have one or two. Numbers of parents ascend in the order in which they came, and so do records:
//! a parent's records need not be neighbours (a request may repeat a resource), but mostly are.

use bytes::Bytes;

/// A range of one buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Number in [`Index::buffers`].
    pub buffer: u32,
    /// First byte. Buffers are shorter than 2 GiB, because Arrow's views hold 32-bit offsets.
    pub offset: u32,
    pub len: u32,
}

/// A record: a span, a log record or a data point, as a field of its parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Number in [`Index::buffers`].
    pub buffer: u32,
    /// First byte of the field's tag.
    pub offset: u32,
    /// Bytes of the field: tag, length prefix and message.
    pub len: u32,
    /// Bytes of tag and length prefix: the message starts at `offset + head`. At most 15: a tag of 5, a length of 10.
    pub head: u32,
    /// Number of the scope (traces, logs) or of the metric that it belongs to.
    pub parent: u32,
}

/// A resource, a scope or a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    /// Number of the resource (for a scope) or of the scope (for a metric). 0 for a resource.
    pub parent: u32,
    /// What its message holds beside its children: numbers in [`Index::extents`].
    pub header: (u32, u32),
    /// Bytes of the header's extents together.
    pub header_len: u32,
}

/// Which `data` a metric has, and with it the type of its points.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MetricKind {
    /// No data at all: it has no points, and survives as it came.
    None,
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl MetricKind {
    /// Each at the place of its number.
    pub const ALL: [MetricKind; 6] = [
        MetricKind::None,
        MetricKind::Gauge,
        MetricKind::Sum,
        MetricKind::Histogram,
        MetricKind::ExponentialHistogram,
        MetricKind::Summary,
    ];

    /// In words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            MetricKind::None => "metric without data",
            MetricKind::Gauge => "gauge",
            MetricKind::Sum => "sum",
            MetricKind::Histogram => "histogram",
            MetricKind::ExponentialHistogram => "exponential histogram",
            MetricKind::Summary => "summary",
        }
    }

    /// The kind whose `data` is this field of `Metric`.
    pub fn of_field(number: u32) -> Option<MetricKind> {
        match number {
            5 => Some(MetricKind::Gauge),
            7 => Some(MetricKind::Sum),
            9 => Some(MetricKind::Histogram),
            10 => Some(MetricKind::ExponentialHistogram),
            11 => Some(MetricKind::Summary),
            _ => None,
        }
    }

    /// The field of `Metric` that its `data` is; 0 for none.
    pub fn field(self) -> u32 {
        match self {
            MetricKind::None => 0,
            MetricKind::Gauge => 5,
            MetricKind::Sum => 7,
            MetricKind::Histogram => 9,
            MetricKind::ExponentialHistogram => 10,
            MetricKind::Summary => 11,
        }
    }
}

/// What a metric has beside a [`Parent`]'s part. `Parent::header` is the metric message without its `data`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetricData {
    pub kind: MetricKind,
    /// What the `data` message holds beside its points (temporality, monotonicity, unknown fields): numbers in
    /// [`Index::extents`].
    pub header: (u32, u32),
    pub header_len: u32,
}

/// A request, or several, taken apart by position only.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Each shorter than 2 GiB.
    pub buffers: Vec<Bytes>,
    pub extents: Vec<Extent>,
    /// What the request holds beside its resources: unknown fields. Numbers in `extents`.
    pub header: (u32, u32),
    /// `Resource{Spans,Logs,Metrics}`.
    pub resources: Vec<Parent>,
    /// `Scope{Spans,Logs,Metrics}`.
    pub scopes: Vec<Parent>,
    /// `Metric`, empty for the other signals.
    pub metrics: Vec<Parent>,
    /// As many as `metrics`.
    pub metric_data: Vec<MetricData>,
    /// In the order in which they came.
    pub records: Vec<Record>,
}

impl Index {
    /// The bytes of an extent; empty where it is not within its buffer.
    pub(crate) fn bytes(&self, extent: Extent) -> &[u8] {
        let start = extent.offset as usize;
        match self.buffers.get(extent.buffer as usize) {
            Some(buffer) => buffer.get(start..start + extent.len as usize).unwrap_or_default(),
            None => &[],
        }
    }

    /// The extents of a header, such as [`Parent::header`].
    pub(crate) fn header(&self, header: (u32, u32)) -> &[Extent] {
        self.extents.get(header.0 as usize..header.1 as usize).unwrap_or_default()
    }
}
