//! Exponential histograms, kept as Prometheus' native ones.
//!
//! Bucket `i` of scale `s` holds values in `(2^(i/2^s), 2^((i+1)/2^s)]`. One scale less makes one bucket of two, `i >> 1`; so two
//! histograms are added in the coarser scale of both.

use wasmill_wire::fields;

use super::Reason;
use super::exemplar::Exemplar;
use super::point::{ExponentialPoint, varints, zigzag};

/// The finest scale that Prometheus has; finer ones are made coarser.
const SCALE_MAX: i32 = 8;
/// The coarsest.
pub(crate) const SCALE_MIN: i32 = -4;

/// Buckets of one sign between the lowest and the highest that is not empty: twice what SDKs keep by default. Beyond, the scale becomes
/// coarser; the coarsest needs 134 for all numbers there are.
pub const BUCKETS_MAX: usize = 320;

/// Exemplars of one series: as many as the protobuf form is usually given.
const EXEMPLARS_MAX: usize = 10;

/// Where the zero bucket ends when nothing is said: Prometheus' default.
const ZERO_THRESHOLD: f64 = 1e-128;

#[derive(Debug, Default)]
pub(crate) struct Exponential {
    pub count: u64,
    /// `None`: not said.
    pub sum: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets,
    pub negative: Buckets,
    /// The newest last.
    pub exemplars: Vec<Exemplar>,
}

/// Buckets of one sign, none empty at its ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    /// The index of the first.
    pub offset: i64,
    pub counts: Vec<u64>,
}

impl Exponential {
    /// Takes a point's values for its own.
    pub(crate) fn set(&mut self, point: &ExponentialPoint<'_>) -> Result<(), Reason> {
        let read = Exponential::read(point)?;
        *self = Exponential { exemplars: std::mem::take(&mut self.exemplars), ..read };
        Ok(())
    }

    /// Adds a delta.
    pub(super) fn add(&mut self, point: &ExponentialPoint<'_>) -> Result<(), Reason> {
        let mut more = Exponential::read(point)?;
        if point.sum.is_some_and(|sum| !sum.is_finite()) {
            return Err(Reason::Value);
        }
        let scale = self.scale.min(more.scale);
        self.coarsen(self.scale - scale);
        more.coarsen(more.scale - scale);
        // Both zero buckets become the wider: what is within it is no longer told from zero.
        // One that ends within a bucket takes it whole, and is then the wider.
        while self.zero_threshold != more.zero_threshold {
            let threshold = self.zero_threshold.max(more.zero_threshold);
            self.widen_zero(threshold);
            more.widen_zero(threshold);
        }
        let fits = |one: &Buckets, other: &Buckets, shift| one.span_with(other, shift) <= BUCKETS_MAX as i64;
        let mut shift = 0;
        while scale - shift > SCALE_MIN
            && !(fits(&self.positive, &more.positive, shift) && fits(&self.negative, &more.negative, shift))
        {
            shift += 1;
        }
        // By the range of numbers they fit now; of what is added up here, nothing is to rest on that.
        if !(fits(&self.positive, &more.positive, shift) && fits(&self.negative, &more.negative, shift)) {
            return Err(Reason::Scale);
        }
        self.coarsen(shift);
        more.coarsen(shift);
        self.positive.add(&more.positive);
        self.negative.add(&more.negative);
        self.count = self.count.saturating_add(more.count);
        self.zero_count = self.zero_count.saturating_add(more.zero_count);
        self.sum = self.sum.zip(more.sum).map(|(sum, more)| sum + more);
        Ok(())
    }

    pub fn put_exemplars(&mut self, exemplars: impl Iterator<Item = Exemplar>) {
        self.exemplars.extend(exemplars.take(EXEMPLARS_MAX));
        let old = self.exemplars.len().saturating_sub(EXEMPLARS_MAX);
        self.exemplars.drain(..old);
    }

    fn read(point: &ExponentialPoint<'_>) -> Result<Exponential, Reason> {
        if point.scale < SCALE_MIN {
            return Err(Reason::Scale);
        }
        // Whoever says more than 2^30 as a scale has no buckets that tell anything apart.
        let mut shift = (point.scale - SCALE_MAX).max(0);
        let extents = [Extent::of(&point.positive), Extent::of(&point.negative)];
        while extents.iter().any(|extent| extent.len(shift) > BUCKETS_MAX as i64) {
            shift += 1;
        }
        let scale = point.scale - shift;
        if scale < SCALE_MIN {
            return Err(Reason::Scale);
        }
        if extents.iter().any(|extent| extent.is_beyond(point.scale)) {
            return Err(Reason::Scale);
        }
        let [positive, negative] = extents;
        let histogram = Exponential {
            count: point.count,
            sum: point.sum,
            scale,
            zero_count: point.zero_count,
            zero_threshold: if point.zero_threshold > 0.0 { point.zero_threshold } else { ZERO_THRESHOLD },
            positive: Buckets::read(&point.positive, positive, shift),
            negative: Buckets::read(&point.negative, negative, shift),
            exemplars: Vec::new(),
        };
        let mut counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
        let sum = counts.try_fold(histogram.zero_count, |sum, count| sum.checked_add(*count));
        if sum != Some(histogram.count) || !histogram.zero_threshold.is_finite() {
            return Err(Reason::Histogram);
        }
        Ok(histogram)
    }

    fn coarsen(&mut self, shift: i32) {
        if shift > 0 {
            self.scale -= shift;
            self.positive.coarsen(shift);
            self.negative.coarsen(shift);
        }
    }

    /// Counts every bucket as zero that begins below the threshold.
    fn widen_zero(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        self.zero_threshold = threshold;
        for buckets in [&mut self.positive, &mut self.negative] {
            let scale = self.scale;
            let within = (0..buckets.counts.len())
                .take_while(|place| lower_bound(scale, buckets.offset + *place as i64) < threshold)
                .count();
            let zero: u64 = buckets.counts.drain(..within).fold(0, u64::saturating_add);
            self.zero_count = self.zero_count.saturating_add(zero);
            buckets.offset += within as i64;
            // A bucket that straddles the threshold widens the zero bucket to its end.
            if within > 0 {
                self.zero_threshold = self.zero_threshold.max(lower_bound(scale, buckets.offset));
            }
            buckets.trim();
        }
    }
}

/// A bucket as a histogram without a scale has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Classic {
    pub bound: f64,
    /// Of everything up to the bound.
    pub count: u64,
}

/// For readers without native histograms buckets are made so coarse that a bound is at least 1.41 times the one before: each is a series.
const CLASSIC_SCALE_MAX: i32 = 1;
/// And coarser, until there are no more of one sign than these: 64 of scale 1 span nine powers of ten.
const CLASSIC_BUCKETS_MAX: i64 = 64;

impl Exponential {
    /// Its buckets with bounds, ascending, but for the last whose bound is infinite.
    pub fn classic(&self) -> impl Iterator<Item = Classic> {
        let mut shift = (self.scale - CLASSIC_SCALE_MAX).max(0);
        let none = Buckets::default();
        while self.positive.span_with(&none, shift).max(self.negative.span_with(&none, shift)) > CLASSIC_BUCKETS_MAX {
            shift += 1;
        }
        let scale = self.scale - shift;
        let (mut positive, mut negative) = (self.positive.clone(), self.negative.clone());
        positive.coarsen(shift);
        negative.coarsen(shift);
        let ends = |offset: i64, len: usize| (offset..).take(len);
        // Of negative numbers the bucket farthest from zero is the lowest; its bound is the end nearer to zero.
        let below = ends(negative.offset, negative.counts.len()).zip(negative.counts).collect::<Vec<_>>();
        let below = below.into_iter().rev().map(move |(index, count)| (-lower_bound(scale, index), count));
        let has_zero = self.zero_count > 0 || !self.negative.counts.is_empty();
        let zero = has_zero.then_some((self.zero_threshold, self.zero_count));
        let above = ends(positive.offset, positive.counts.len()).zip(positive.counts);
        let above = above.map(move |(index, count)| (lower_bound(scale, index + 1), count));
        let mut sum = 0u64;
        let mut last = f64::NEG_INFINITY;
        below.chain(zero).chain(above).filter_map(move |(bound, count)| {
            sum = sum.saturating_add(count);
            // The last may end beyond all numbers, where that of all values is written anyway; and one that ends within the zero bucket has
            // no bound of its own.
            let is_next = bound.is_finite() && bound > last;
            last = last.max(bound);
            is_next.then_some(Classic { bound, count: sum })
        })
    }
}

/// Where bucket `index` begins.
pub(crate) fn lower_bound(scale: i32, index: i64) -> f64 {
    (index as f64 * f64::from(-scale).exp2()).exp2()
}

/// What a message `Buckets` spans, from its first to its last bucket that is not empty.
#[derive(Clone, Copy)]
struct Extent {
    first: i64,
    /// Below `first`: there is none.
    last: i64,
    /// The index of the first that is written.
    offset: i64,
}

impl Extent {
    fn of(message: &[u8]) -> Extent {
        let mut extent = Extent { first: 0, last: -1, offset: 0 };
        let mut place = 0;
        let (mut first, mut last) = (None, None);
        for field in fields(message) {
            match field.number {
                1 => extent.offset = zigzag(field.varint()).into(),
                2 => {
                    for count in varints(&field) {
                        if count > 0 {
                            first = first.or(Some(place));
                            last = Some(place);
                        }
                        place += 1;
                    }
                }
                _ => {}
            }
        }
        if let (Some(first), Some(last)) = (first, last) {
            (extent.first, extent.last) = (extent.offset + first, extent.offset + last);
        }
        extent
    }

    /// Whether it has buckets for numbers that there are not: between 2^-1074 and 2^1024 the coarsest scale has 132.
    fn is_beyond(self, scale: i32) -> bool {
        const EXPONENTS: std::ops::RangeInclusive<f64> = -1_090.0..=1_024.0;
        let exponent = |index: i64| index as f64 * (-f64::from(scale)).exp2();
        self.first <= self.last
            && !(EXPONENTS.contains(&exponent(self.first)) && EXPONENTS.contains(&exponent(self.last)))
    }

    /// Buckets, when so many scales coarser.
    fn len(self, shift: i32) -> i64 {
        if self.last < self.first { 0 } else { shifted(self.last, shift) - shifted(self.first, shift) + 1 }
    }
}

impl Buckets {
    fn read(message: &[u8], extent: Extent, shift: i32) -> Buckets {
        let len = extent.len(shift);
        if len == 0 {
            return Buckets::default();
        }
        let offset = shifted(extent.first, shift);
        let mut buckets = Buckets { offset, counts: vec![0; len as usize] };
        let counts = fields(message).filter(|field| field.number == 2).flat_map(|field| varints(&field));
        for (index, count) in (extent.offset..).zip(counts) {
            let place = usize::try_from(shifted(index, shift) - offset).ok();
            if let Some(sum) = place.and_then(|place| buckets.counts.get_mut(place)) {
                *sum = sum.saturating_add(count);
            }
        }
        buckets
    }

    fn coarsen(&mut self, shift: i32) {
        if self.counts.is_empty() {
            return;
        }
        let offset = shifted(self.offset, shift);
        let mut coarse: Vec<u64> = Vec::with_capacity(self.counts.len());
        for (index, count) in (self.offset..).zip(&self.counts) {
            let place = (shifted(index, shift) - offset) as usize;
            match coarse.get_mut(place) {
                Some(sum) => *sum = sum.saturating_add(*count),
                None => coarse.push(*count),
            }
        }
        *self = Buckets { offset, counts: coarse };
    }

    /// Buckets of both together, when so many scales coarser.
    fn span_with(&self, other: &Buckets, shift: i32) -> i64 {
        let ends = [self, other].into_iter().filter(|buckets| !buckets.counts.is_empty());
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for buckets in ends {
            first = first.min(shifted(buckets.offset, shift));
            last = last.max(shifted(buckets.offset + buckets.counts.len() as i64 - 1, shift));
        }
        if last < first { 0 } else { last - first + 1 }
    }

    /// Of the same scale.
    fn add(&mut self, other: &Buckets) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        if other.offset < self.offset {
            let before = (self.offset - other.offset) as usize;
            self.counts.splice(..0, std::iter::repeat_n(0, before));
            self.offset = other.offset;
        }
        let start = (other.offset - self.offset) as usize;
        let len = self.counts.len().max(start + other.counts.len());
        self.counts.resize(len, 0);
        for (sum, count) in self.counts.iter_mut().skip(start).zip(&other.counts) {
            *sum = sum.saturating_add(*count);
        }
    }

    /// Takes off what is empty at the ends.
    fn trim(&mut self) {
        let empty = self.counts.iter().take_while(|count| **count == 0).count();
        self.counts.drain(..empty);
        self.offset += empty as i64;
        let kept = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        self.counts.truncate(kept);
    }
}

/// An index, so many scales coarser. One that is shifted out is that of its sign.
fn shifted(index: i64, shift: i32) -> i64 {
    index >> shift.clamp(0, 63)
}
