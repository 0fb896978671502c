//! Data points, read where they lie.

use std::borrow::Cow;

use wasmill_wire::{Any, MetricKind, RawField, WireType, attribute, fields};

/// What every kind of point has.
pub(crate) struct Point<'a> {
    /// The message.
    pub bytes: &'a [u8],
    /// Its attributes' fields, one behind the other.
    pub attributes: Cow<'a, [u8]>,
    /// Nanoseconds since 1970; 0: not said.
    pub start: u64,
    pub time: u64,
    pub is_stale: bool,
    pub has_exemplars: bool,
    pub body: Body<'a>,
}

/// What a point says.
pub(crate) enum Body<'a> {
    Number(f64),
    Histogram(HistogramPoint<'a>),
    Exponential(ExponentialPoint<'a>),
    Summary { count: u64, sum: f64 },
}

#[derive(Default)]
pub(crate) struct HistogramPoint<'a> {
    pub count: u64,
    pub sum: Option<f64>,
    /// Fixed 64-bit numbers, little-endian.
    pub counts: Cow<'a, [u8]>,
    /// Doubles, little-endian.
    pub bounds: Cow<'a, [u8]>,
}

#[derive(Default)]
pub(crate) struct ExponentialPoint<'a> {
    pub count: u64,
    pub sum: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    /// Messages `Buckets`.
    pub positive: Cow<'a, [u8]>,
    pub negative: Cow<'a, [u8]>,
}

/// Which fields of a kind's message are what.
struct Numbers {
    attributes: u32,
    flags: u32,
    exemplars: u32,
}

/// The bit of `flags` that says that there is no value.
const NO_RECORDED_VALUE: u64 = 1;

const START: u32 = 2;
const TIME: u32 = 3;

const fn numbers(kind: MetricKind) -> Numbers {
    match kind {
        MetricKind::Histogram => Numbers { attributes: 9, flags: 10, exemplars: 8 },
        MetricKind::ExponentialHistogram => Numbers { attributes: 1, flags: 10, exemplars: 11 },
        // A summary has no exemplars.
        MetricKind::Summary => Numbers { attributes: 7, flags: 8, exemplars: u32::MAX },
        MetricKind::None | MetricKind::Gauge | MetricKind::Sum => Numbers { attributes: 7, flags: 8, exemplars: 5 },
    }
}

impl<'a> Point<'a> {
    /// Of a point's message, which was checked when its request was parsed.
    #[inline]
    pub fn read(kind: MetricKind, bytes: &'a [u8]) -> Point<'a> {
        let mut point = Point {
            bytes,
            attributes: Cow::Borrowed(&[]),
            start: 0,
            time: 0,
            is_stale: false,
            has_exemplars: false,
            body: match kind {
                MetricKind::Histogram => Body::Histogram(HistogramPoint::default()),
                MetricKind::ExponentialHistogram => Body::Exponential(ExponentialPoint::default()),
                MetricKind::Summary => Body::Summary { count: 0, sum: 0.0 },
                MetricKind::None | MetricKind::Gauge | MetricKind::Sum => Body::Number(0.0),
            },
        };
        let numbers = numbers(kind);
        // Attributes stand one behind the other, but need not.
        let (mut together, mut is_scattered) = (0..0, false);
        for field in fields(bytes) {
            match field.number {
                START => point.start = field.fixed64(),
                TIME => point.time = field.fixed64(),
                number if number == numbers.attributes => {
                    let range = field.range();
                    is_scattered |= !together.is_empty() && together.end != range.start;
                    together = if together.is_empty() { range } else { together.start..range.end };
                }
                number if number == numbers.flags => point.is_stale = field.varint() & NO_RECORDED_VALUE != 0,
                number if number == numbers.exemplars => point.has_exemplars = true,
                _ => point.body.read(&field),
            }
        }
        point.attributes = match is_scattered {
            false => Cow::Borrowed(bytes.get(together).unwrap_or_default()),
            true => gathered(bytes, numbers.attributes),
        };
        point
    }

    /// The messages `Exemplar`.
    pub fn exemplars(&self, kind: MetricKind) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let number = numbers(kind).exemplars;
        fields(self.bytes).filter(move |field| field.number == number).map(|field| field.payload())
    }

    /// The messages `ValueAtQuantile` of a summary.
    pub fn quantiles(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        fields(self.bytes).filter(|field| field.number == 6).map(|field| field.payload())
    }
}

/// Attributes out of [`Point::attributes`].
pub(crate) fn attributes(fields_of_attributes: &[u8]) -> impl Iterator<Item = (&str, Any<'_>)> {
    fields(fields_of_attributes).map(|field| attribute(field.payload()))
}

impl<'a> Body<'a> {
    #[inline]
    fn read(&mut self, field: &RawField<'a>) {
        match self {
            Body::Number(value) => match field.number {
                4 => *value = f64::from_bits(field.fixed64()),
                6 => *value = field.fixed64().cast_signed() as f64,
                _ => {}
            },
            Body::Histogram(point) => match field.number {
                4 => point.count = field.fixed64(),
                5 => point.sum = Some(f64::from_bits(field.fixed64())),
                // Packed or one by one, the bytes are the same.
                6 => join(&mut point.counts, field.payload()),
                7 => join(&mut point.bounds, field.payload()),
                _ => {}
            },
            Body::Exponential(point) => match field.number {
                4 => point.count = field.fixed64(),
                5 => point.sum = Some(f64::from_bits(field.fixed64())),
                // A `sint32` keeps the lower half.
                6 => point.scale = zigzag(field.varint()),
                7 => point.zero_count = field.fixed64(),
                8 => join(&mut point.positive, field.payload()),
                9 => join(&mut point.negative, field.payload()),
                14 => point.zero_threshold = f64::from_bits(field.fixed64()),
                _ => {}
            },
            Body::Summary { count, sum } => match field.number {
                4 => *count = field.fixed64(),
                5 => *sum = f64::from_bits(field.fixed64()),
                _ => {}
            },
        }
    }
}

/// A `sint32` from its varint.
pub(super) fn zigzag(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Numbers of `counts` in a packed or a single field.
pub(super) fn varints<'a>(field: &RawField<'a>) -> impl Iterator<Item = u64> + use<'a> {
    let single = (field.wire == WireType::Varint).then(|| field.varint());
    let mut packed = if single.is_some() { &[][..] } else { field.payload() };
    let packed = std::iter::from_fn(move || {
        let mut value = 0u64;
        for (place, &byte) in packed.iter().enumerate() {
            // The tenth byte has one bit left.
            value |= u64::from(byte & 0x7f).checked_shl(7 * place as u32).unwrap_or(0);
            if byte < 0x80 {
                packed = packed.get(place + 1..).unwrap_or_default();
                return Some(value);
            }
        }
        None
    });
    single.into_iter().chain(packed)
}

/// Numbers of eight bytes each.
pub(super) fn fixed64s(bytes: &[u8]) -> impl ExactSizeIterator<Item = u64> + Clone + '_ {
    bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

/// One more part of what is usually in one.
#[inline]
fn join<'a>(whole: &mut Cow<'a, [u8]>, part: &'a [u8]) {
    if whole.is_empty() {
        *whole = Cow::Borrowed(part);
    } else {
        whole.to_mut().extend_from_slice(part);
    }
}

#[cold]
fn gathered(bytes: &[u8], number: u32) -> Cow<'_, [u8]> {
    let fields = fields(bytes).filter(|field| field.number == number);
    fields.flat_map(|field| bytes.get(field.range()).unwrap_or_default()).copied().collect()
}
