//! Data points, of all kinds of metrics in one table: a column has a value where points of the kind have the field.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, TimestampNanosecondBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow_schema::{ArrowError, DataType, Fields};
use wasmill_wire::{Index, Message, MetricKind, RawField, Record, WireType};

use super::lists::{Element, Lists};
use super::parents::{MapNumber, SharedMap, SharedText, bytes};
use super::text::{Maps, put_id, put_word, time};
use crate::schema::{element_field, exemplar_fields, quantile_fields};

const TYPES: [&str; 6] = ["none", "gauge", "sum", "histogram", "exponential_histogram", "summary"];
const TEMPORALITIES: [&str; 3] = ["UNSPECIFIED", "DELTA", "CUMULATIVE"];

pub struct Points {
    time: TimestampNanosecondBuilder,
    start_time: TimestampNanosecondBuilder,
    name: SharedText,
    description: SharedText,
    unit: SharedText,
    metadata: SharedMap,
    kind: StringBuilder,
    temporality: StringBuilder,
    monotonic: BooleanBuilder,
    flags: UInt32Builder,
    value: Float64Builder,
    value_int: Int64Builder,
    count: UInt64Builder,
    sum: Float64Builder,
    min: Float64Builder,
    max: Float64Builder,
    bucket_counts: ListBuilder<UInt64Builder>,
    explicit_bounds: ListBuilder<Float64Builder>,
    scale: Int32Builder,
    zero_count: UInt64Builder,
    zero_threshold: Float64Builder,
    positive: Buckets,
    negative: Buckets,
    quantiles: Lists<Quantile>,
    exemplars: Lists<Exemplar>,
    attributes: Maps,
    /// Of the request that is being read, those that rows of this batch have.
    metrics: Vec<Option<Metric>>,
}

#[derive(Clone, Copy)]
struct Metric {
    kind: MetricKind,
    name: Option<i32>,
    description: Option<i32>,
    unit: Option<i32>,
    metadata: MapNumber,
    /// Of sums and histograms.
    temporality: Option<u64>,
    /// Of sums.
    monotonic: Option<bool>,
}

/// What may be written more than once, of which the last counts.
#[derive(Default)]
struct Point {
    start: u64,
    time: u64,
    flags: u32,
    value: Option<Number>,
    count: Option<u64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    scale: Option<i32>,
    zero_count: Option<u64>,
    zero_threshold: Option<f64>,
}

#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Double(f64),
}

impl Default for Points {
    fn default() -> Self {
        Points {
            time: TimestampNanosecondBuilder::new(),
            start_time: TimestampNanosecondBuilder::new(),
            name: SharedText::default(),
            description: SharedText::default(),
            unit: SharedText::default(),
            metadata: SharedMap::default(),
            kind: StringBuilder::new(),
            temporality: StringBuilder::new(),
            monotonic: BooleanBuilder::new(),
            flags: UInt32Builder::new(),
            value: Float64Builder::new(),
            value_int: Int64Builder::new(),
            count: UInt64Builder::new(),
            sum: Float64Builder::new(),
            min: Float64Builder::new(),
            max: Float64Builder::new(),
            bucket_counts: unsigned(),
            explicit_bounds: ListBuilder::new(Float64Builder::new()).with_field(element_field(DataType::Float64)),
            scale: Int32Builder::new(),
            zero_count: UInt64Builder::new(),
            zero_threshold: Float64Builder::new(),
            positive: Buckets { offset: Int32Builder::new(), counts: unsigned() },
            negative: Buckets { offset: Int32Builder::new(), counts: unsigned() },
            quantiles: Lists::default(),
            exemplars: Lists::default(),
            attributes: Maps::default(),
            metrics: Vec::new(),
        }
    }
}

fn unsigned() -> ListBuilder<UInt64Builder> {
    ListBuilder::new(UInt64Builder::new()).with_field(element_field(DataType::UInt64))
}

impl Points {
    pub fn begin(&mut self, index: &Index) {
        self.metrics.clear();
        self.metrics.resize(index.metrics.len(), None);
    }

    /// The record's row. Gives the bytes that its metric takes.
    pub fn row(&mut self, index: &Index, record: &Record) -> usize {
        let (metric, bytes) = self.metric(index, record.parent);
        let message = index.record(record);
        let mut point = Point::default();
        self.attributes.begin();
        match metric.kind {
            MetricKind::None => {}
            MetricKind::Gauge | MetricKind::Sum => self.number(&message, &mut point),
            MetricKind::Histogram => self.histogram(&message, &mut point),
            MetricKind::ExponentialHistogram => self.exponential(&message, &mut point),
            MetricKind::Summary => self.summary(&message, &mut point),
        }
        self.attributes.end();
        self.bucket_counts.append(metric.kind == MetricKind::Histogram);
        self.explicit_bounds.append(metric.kind == MetricKind::Histogram);
        self.quantiles.end();
        self.exemplars.end();
        self.of_metric(&metric);
        self.scalars(&point);
        bytes
    }

    fn metric(&mut self, index: &Index, number: u32) -> (Metric, usize) {
        let place = number as usize;
        if let Some(Some(known)) = self.metrics.get(place) {
            return (*known, 0);
        }
        let header = index.metrics.get(place).map(|parent| index.parent(parent));
        let text = |number: u32| header.as_ref().map_or("", |header| header.text(number));
        let data = index.metric_data.get(place);
        let kind = data.map_or(MetricKind::None, |data| data.kind);
        let number = |number: u32| {
            let header = data.map(|data| index.message_of(data.header));
            let last = header.as_ref().and_then(|header| header.fields().filter(|field| field.number == number).last());
            last.map_or(0, |field| field.varint())
        };
        let metric = Metric {
            kind,
            name: self.name.put(text(1)),
            description: self.description.put(text(2)),
            unit: self.unit.put(text(3)),
            metadata: self.metadata.put(header.as_ref(), 12),
            temporality: match kind {
                MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram => Some(number(2)),
                MetricKind::None | MetricKind::Gauge | MetricKind::Summary => None,
            },
            monotonic: (kind == MetricKind::Sum).then(|| number(3) != 0),
        };
        if let Some(known) = self.metrics.get_mut(place) {
            *known = Some(metric);
        }
        (metric, bytes(header.as_ref()))
    }

    fn number(&mut self, message: &Message<'_>, point: &mut Point) {
        for field in message.fields() {
            match field.number {
                2 => point.start = field.fixed64(),
                3 => point.time = field.fixed64(),
                4 => point.value = Some(Number::Double(double(&field))),
                5 => self.exemplars.push(field.payload()),
                6 => point.value = Some(Number::Int(field.fixed64() as i64)),
                7 => self.attributes.push(field.payload()),
                8 => point.flags = field.varint() as u32,
                _ => {}
            }
        }
        self.positive.none();
        self.negative.none();
    }

    fn histogram(&mut self, message: &Message<'_>, point: &mut Point) {
        point.count = Some(0);
        for field in message.fields() {
            match field.number {
                2 => point.start = field.fixed64(),
                3 => point.time = field.fixed64(),
                4 => point.count = Some(field.fixed64()),
                5 => point.sum = Some(double(&field)),
                6 => fixed64s(&field, |bits| self.bucket_counts.values().append_value(bits)),
                7 => fixed64s(&field, |bits| self.explicit_bounds.values().append_value(f64::from_bits(bits))),
                8 => self.exemplars.push(field.payload()),
                9 => self.attributes.push(field.payload()),
                10 => point.flags = field.varint() as u32,
                11 => point.min = Some(double(&field)),
                12 => point.max = Some(double(&field)),
                _ => {}
            }
        }
        self.positive.none();
        self.negative.none();
    }

    fn exponential(&mut self, message: &Message<'_>, point: &mut Point) {
        (point.count, point.scale, point.zero_count, point.zero_threshold) = (Some(0), Some(0), Some(0), Some(0.0));
        let mut offsets = [0; 2];
        for field in message.fields() {
            match field.number {
                1 => self.attributes.push(field.payload()),
                2 => point.start = field.fixed64(),
                3 => point.time = field.fixed64(),
                4 => point.count = Some(field.fixed64()),
                5 => point.sum = Some(double(&field)),
                6 => point.scale = Some(zigzag(field.varint())),
                7 => point.zero_count = Some(field.fixed64()),
                8 => self.positive.push(field.payload(), &mut offsets[0]),
                9 => self.negative.push(field.payload(), &mut offsets[1]),
                10 => point.flags = field.varint() as u32,
                11 => self.exemplars.push(field.payload()),
                12 => point.min = Some(double(&field)),
                13 => point.max = Some(double(&field)),
                14 => point.zero_threshold = Some(double(&field)),
                _ => {}
            }
        }
        self.positive.end(offsets[0]);
        self.negative.end(offsets[1]);
    }

    fn summary(&mut self, message: &Message<'_>, point: &mut Point) {
        (point.count, point.sum) = (Some(0), Some(0.0));
        for field in message.fields() {
            match field.number {
                2 => point.start = field.fixed64(),
                3 => point.time = field.fixed64(),
                4 => point.count = Some(field.fixed64()),
                5 => point.sum = Some(double(&field)),
                6 => self.quantiles.push(field.payload()),
                7 => self.attributes.push(field.payload()),
                8 => point.flags = field.varint() as u32,
                _ => {}
            }
        }
        self.positive.none();
        self.negative.none();
    }

    fn of_metric(&mut self, metric: &Metric) {
        self.name.row(metric.name);
        self.description.row(metric.description);
        self.unit.row(metric.unit);
        self.metadata.row(metric.metadata);
        let place = MetricKind::ALL.iter().position(|kind| *kind == metric.kind).unwrap_or_default();
        self.kind.append_option(TYPES.get(place));
        match metric.temporality {
            Some(number) => put_word(&mut self.temporality, &TEMPORALITIES, number),
            None => self.temporality.append_null(),
        }
        self.monotonic.append_option(metric.monotonic);
        if metric.kind == MetricKind::None {
            self.positive.none();
            self.negative.none();
        }
    }

    fn scalars(&mut self, point: &Point) {
        self.time.append_option(time(point.time));
        self.start_time.append_option(time(point.start));
        self.flags.append_value(point.flags);
        put_number(point.value, &mut self.value, &mut self.value_int);
        self.count.append_option(point.count);
        self.sum.append_option(point.sum);
        self.min.append_option(point.min);
        self.max.append_option(point.max);
        self.scale.append_option(point.scale);
        self.zero_count.append_option(point.zero_count);
        self.zero_threshold.append_option(point.zero_threshold);
    }

    pub fn finish(&mut self, columns: &mut Vec<ArrayRef>) -> Result<(), ArrowError> {
        columns.push(Arc::new(self.time.finish().with_timezone("UTC")));
        columns.push(Arc::new(self.start_time.finish().with_timezone("UTC")));
        columns.push(self.name.finish()?);
        columns.push(self.description.finish()?);
        columns.push(self.unit.finish()?);
        columns.push(Arc::new(self.kind.finish()));
        columns.push(Arc::new(self.temporality.finish()));
        columns.push(Arc::new(self.monotonic.finish()));
        columns.push(Arc::new(self.flags.finish()));
        columns.push(Arc::new(self.value.finish()));
        columns.push(Arc::new(self.value_int.finish()));
        columns.push(Arc::new(self.count.finish()));
        columns.push(Arc::new(self.sum.finish()));
        columns.push(Arc::new(self.min.finish()));
        columns.push(Arc::new(self.max.finish()));
        columns.push(Arc::new(self.bucket_counts.finish()));
        columns.push(Arc::new(self.explicit_bounds.finish()));
        columns.push(Arc::new(self.scale.finish()));
        columns.push(Arc::new(self.zero_count.finish()));
        columns.push(Arc::new(self.zero_threshold.finish()));
        columns.push(Arc::new(self.positive.offset.finish()));
        columns.push(Arc::new(self.positive.counts.finish()));
        columns.push(Arc::new(self.negative.offset.finish()));
        columns.push(Arc::new(self.negative.counts.finish()));
        columns.push(self.quantiles.finish()?);
        columns.push(self.exemplars.finish()?);
        columns.extend(self.attributes.finish()?);
        columns.extend(self.metadata.finish()?);
        Ok(())
    }
}

/// Of an exponential histogram, on one side of zero.
struct Buckets {
    offset: Int32Builder,
    counts: ListBuilder<UInt64Builder>,
}

impl Buckets {
    /// What is written twice is one: the last offset, and all counts.
    fn push(&mut self, buckets: &[u8], offset: &mut i32) {
        for field in Message::new(buckets).fields() {
            match (field.number, field.wire) {
                (1, _) => *offset = zigzag(field.varint()),
                (2, WireType::Varint) => self.counts.values().append_value(field.varint()),
                (2, _) => varints(field.payload(), |count| self.counts.values().append_value(count)),
                _ => {}
            }
        }
    }

    fn end(&mut self, offset: i32) {
        self.offset.append_value(offset);
        self.counts.append(true);
    }

    fn none(&mut self) {
        self.offset.append_null();
        self.counts.append(false);
    }
}

#[derive(Default)]
struct Quantile {
    quantile: Float64Builder,
    value: Float64Builder,
}

impl Element for Quantile {
    fn fields() -> Fields {
        quantile_fields()
    }

    fn push(&mut self, quantile: &[u8]) {
        let (mut at, mut value) = (0.0, 0.0);
        for field in Message::new(quantile).fields() {
            match field.number {
                1 => at = double(&field),
                2 => value = double(&field),
                _ => {}
            }
        }
        self.quantile.append_value(at);
        self.value.append_value(value);
    }

    fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![Arc::new(self.quantile.finish()), Arc::new(self.value.finish())])
    }
}

#[derive(Default)]
struct Exemplar {
    time: TimestampNanosecondBuilder,
    value: Float64Builder,
    value_int: Int64Builder,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    attributes: Maps,
}

impl Element for Exemplar {
    fn fields() -> Fields {
        exemplar_fields()
    }

    fn push(&mut self, exemplar: &[u8]) {
        let (mut at, mut value) = (0, None);
        let (mut trace_id, mut span_id): (&[u8], &[u8]) = (&[], &[]);
        self.attributes.begin();
        for field in Message::new(exemplar).fields() {
            match field.number {
                2 => at = field.fixed64(),
                3 => value = Some(Number::Double(double(&field))),
                4 => span_id = field.payload(),
                5 => trace_id = field.payload(),
                6 => value = Some(Number::Int(field.fixed64() as i64)),
                7 => self.attributes.push(field.payload()),
                _ => {}
            }
        }
        self.attributes.end();
        self.time.append_option(time(at));
        put_number(value, &mut self.value, &mut self.value_int);
        put_id::<16>(&mut self.trace_id, trace_id);
        put_id::<8>(&mut self.span_id, span_id);
    }

    fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let [attributes, types] = self.attributes.finish()?;
        Ok(vec![
            Arc::new(self.time.finish().with_timezone("UTC")),
            Arc::new(self.value.finish()),
            Arc::new(self.value_int.finish()),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            attributes,
            types,
        ])
    }
}

/// A number as a double, whatever it was, and whole ones as they are.
fn put_number(number: Option<Number>, doubles: &mut Float64Builder, ints: &mut Int64Builder) {
    doubles.append_option(number.map(|number| match number {
        Number::Int(int) => int as f64,
        Number::Double(double) => double,
    }));
    ints.append_option(match number {
        Some(Number::Int(int)) => Some(int),
        _ => None,
    });
}

fn double(field: &RawField<'_>) -> f64 {
    f64::from_bits(field.fixed64())
}

fn zigzag(number: u64) -> i32 {
    let number = number as u32;
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

/// Numbers of eight bytes each, packed or one by one.
fn fixed64s(field: &RawField<'_>, mut each: impl FnMut(u64)) {
    field.payload().as_chunks::<8>().0.iter().for_each(|bytes| each(u64::from_le_bytes(*bytes)));
}

/// Packed numbers, which parsing has checked.
fn varints(bytes: &[u8], mut each: impl FnMut(u64)) {
    let (mut number, mut shift) = (0_u64, 0);
    for byte in bytes {
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        shift += 7;
        if byte & 0x80 == 0 {
            each(number);
            (number, shift) = (0, 0);
        }
    }
}
