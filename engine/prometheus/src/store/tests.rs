use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, SummaryDataPoint};
use proptest::prelude::*;

use super::*;
use crate::requests::*;

const T: u64 = BEGAN;

/// The newest value is kept, whoever is late is not needed; a point of a known series is found however its attributes are ordered.
#[test]
fn the_newest_value_is_exposed() {
    let store = store();
    let points = vec![
        number(&[("a", "1"), ("b", "2")], 1.0, 0, T),
        number(&[("b", "2"), ("a", "1")], 3.0, 0, T + 2),
        number(&[("a", "1"), ("b", "2")], 2.0, 0, T + 1),
        number(&[("a", "2")], 7.0, 0, 0),
    ];
    let tally = take_metrics(&store, vec![gauge("temp", points)]);
    assert_eq!((tally.taken, tally.refused()), (4, 0));
    assert_eq!(samples(&store), [r#"temp{a="1",b="2",job="cart"} 3"#, r#"temp{a="2",job="cart"} 7"#]);
    assert_eq!((store.counts().series, store.counts().older), (2, 1));
}

/// Deltas are added up; one that comes twice, or too late, is refused and counted; a cumulative sum that began anew is its new value.
#[test]
fn deltas_are_added_up() {
    let store = store();
    let delta =
        |value, start, time| take_metrics(&store, vec![sum("d", DELTA, true, vec![number(&[], value, start, time)])]);
    assert_eq!(delta(2.0, T, T + 10).refused(), 0);
    assert_eq!(delta(3.0, T + 10, T + 20).refused(), 0);
    let twice = delta(3.0, T + 10, T + 20);
    assert_eq!(twice.refused[Reason::OutOfOrder as usize], 1);
    assert!(twice.message.contains("`d`"), "{}", twice.message);
    // A gap, such as a batch that was lost.
    assert_eq!(delta(5.0, T + 30, T + 40).refused(), 0);
    assert_eq!(delta(-1.0, T + 40, T + 50).refused[Reason::Value as usize], 1);
    assert_eq!(delta(f64::NAN, T + 40, T + 50).refused[Reason::Value as usize], 1);
    assert_eq!(samples(&store), [r#"d_total{job="cart"} 10"#]);

    let total = |value, start, time| {
        take_metrics(&store, vec![sum("c", CUMULATIVE, true, vec![number(&[], value, start, time)])])
    };
    total(9.0, T, T + 10);
    total(2.0, T + 11, T + 20);
    assert_eq!(samples(&store)[0], r#"c_total{job="cart"} 2"#);
    assert_eq!(store.counts().resets, 1);
}

/// A histogram of deltas: added bucket by bucket, begun anew with other bounds.
#[test]
fn histograms_are_added_up() {
    let store = store();
    let take = |bounds: &[f64], counts: &[u64], start, time| {
        take_metrics(&store, vec![histogram("h", DELTA, vec![buckets(bounds, counts, start, time)])])
    };
    take(&[1.0, 2.5], &[1, 2, 3], T, T + 1);
    take(&[1.0, 2.5], &[1, 0, 1], T + 1, T + 2);
    let expected = [
        r#"h_seconds_bucket{job="cart",le="1"} 2"#,
        r#"h_seconds_bucket{job="cart",le="2.5"} 4"#,
        r#"h_seconds_bucket{job="cart",le="+Inf"} 8"#,
        r#"h_seconds_sum{job="cart"} 8"#,
        r#"h_seconds_count{job="cart"} 8"#,
    ];
    assert_eq!(samples(&store), expected);
    take(&[5.0], &[1, 0], T + 2, T + 3);
    assert_eq!(samples(&store)[0], r#"h_seconds_bucket{job="cart",le="5"} 1"#);
    assert_eq!(store.counts().resets, 1);
}

/// Histograms and summaries that contradict themselves are refused, and do not disturb those that are there.
#[test]
fn broken_histograms_are_refused() {
    let store = store();
    let good = buckets(&[1.0, 2.0], &[1, 1, 1], T, T + 1);
    let broken = [
        buckets(&[2.0, 1.0], &[1, 1, 1], T, T + 2),
        buckets(&[1.0, f64::INFINITY], &[1, 1, 1], T, T + 2),
        buckets(&[1.0, f64::NAN], &[1, 1, 1], T, T + 2),
        buckets(&[1.0, 2.0], &[1, 1], T, T + 2),
        buckets(&[], &[], T, T + 2),
        buckets(&(0..BUCKETS_MAX).map(|bound| bound as f64).collect::<Vec<_>>(), &vec![0; BUCKETS_MAX + 1], T, T + 2),
    ];
    take_metrics(&store, vec![histogram("h", CUMULATIVE, vec![good])]);
    let before = samples(&store);
    for (place, mut point) in broken.into_iter().enumerate() {
        if place == 4 {
            // Without buckets it is right: only that there are counts without an end is not.
            point.bucket_counts = vec![1, 2];
            point.count = 3;
        }
        let tally = take_metrics(&store, vec![histogram("h", CUMULATIVE, vec![point])]);
        assert_eq!(tally.refused[Reason::Histogram as usize], 1, "{place}");
    }
    let mut miscounted = buckets(&[1.0], &[1, 1], T, T + 2);
    miscounted.count = 5;
    assert_eq!(take_metrics(&store, vec![histogram("h", CUMULATIVE, vec![miscounted])]).refused(), 1);
    assert_eq!(samples(&store), before);

    let quantile = |quantile| ValueAtQuantile { quantile, value: 1.0 };
    let point = |quantile_values| SummaryDataPoint {
        time_unix_nano: T,
        count: 1,
        sum: 2.0,
        quantile_values,
        ..Default::default()
    };
    for broken in [vec![quantile(1.5)], vec![quantile(f64::NAN)], vec![quantile(0.5); QUANTILES_MAX + 1]] {
        let tally = take_metrics(&store, vec![summary("s", vec![point(broken)])]);
        assert_eq!(tally.refused[Reason::Histogram as usize], 1);
    }
    take_metrics(&store, vec![summary("s", vec![point(vec![quantile(0.9), quantile(0.5)])])]);
    let lines = samples(&store);
    assert_eq!(lines[5..7], [r#"s{job="cart",quantile="0.5"} 1"#, r#"s{job="cart",quantile="0.9"} 1"#]);
}

/// A name that another type has already: the first stays, the other is refused with both named. So are names that a histogram writes.
#[test]
fn the_first_type_stays() {
    let store = store();
    take_metrics(
        &store,
        vec![gauge("x", vec![number(&[], 1.0, 0, T)]), histogram("h", CUMULATIVE, vec![buckets(&[], &[1], T, T)])],
    );
    let tally = take_metrics(
        &store,
        vec![
            sum("x", CUMULATIVE, false, vec![number(&[], 2.0, 0, T + 1)]),
            summary("x", vec![SummaryDataPoint { time_unix_nano: T, ..Default::default() }]),
            gauge("h.seconds.count", vec![number(&[], 1.0, 0, T)]),
        ],
    );
    // A sum that may fall is a gauge too.
    assert_eq!(tally.refused[Reason::TypeConflict as usize], 2);
    assert!(tally.message.contains("`x` is a summary here"), "{}", tally.message);
    assert!(samples(&store).contains(&r#"x{job="cart"} 2"#.to_owned()));
    // Once nothing of it is left, its name is free.
    store.clock().advance(Duration::from_secs(400));
    take_metrics(&store, vec![]);
    let tally =
        take_metrics(&store, vec![summary("x", vec![SummaryDataPoint { time_unix_nano: T, ..Default::default() }])]);
    assert_eq!(tally.refused(), 0, "{}", tally.message);
}

/// Sums whose points cannot be put together.
#[test]
fn unknown_temporalities_are_refused() {
    let store = store();
    let tally = take_metrics(
        &store,
        vec![
            sum("a", DELTA, false, vec![number(&[], 1.0, 0, T)]),
            sum("b", 0, true, vec![number(&[], 1.0, 0, T), number(&[("k", "v")], 1.0, 0, T)]),
            histogram("c", 0, vec![buckets(&[], &[1], T, T)]),
        ],
    );
    assert_eq!((tally.taken, tally.refused[Reason::Temporality as usize]), (0, 4));
    assert!(samples(&store).is_empty());
}

/// A point without a value ends its series; the next one begins it again. What is not heard of goes by itself, with everything that led to it.
#[test]
fn series_end() {
    let store = store();
    let stale = |time| {
        let mut point = number(&[], 0.0, 0, time);
        point.flags = 1;
        take_metrics(&store, vec![sum("d", DELTA, true, vec![point])])
    };
    let delta = |value, time| take_metrics(&store, vec![sum("d", DELTA, true, vec![number(&[], value, 0, time)])]);
    delta(5.0, T);
    assert_eq!(stale(T + 1).refused(), 0);
    assert!(samples(&store).is_empty() && text(&store).is_empty());
    delta(2.0, T + 2);
    assert_eq!(samples(&store), [r#"d_total{job="cart"} 2"#]);

    store.clock().advance(Duration::from_secs(299));
    assert_eq!(samples(&store).len(), 1);
    store.clock().advance(Duration::from_secs(2));
    assert!(samples(&store).is_empty());
    store.clock().advance(Duration::from_secs(300));
    take_metrics(&store, vec![]);
    assert_eq!((store.counts().series, store.ways.count(), store.counts().expired), (0, 0, 1));
    assert!(store.sources.read().is_empty() && store.targets.lock().is_empty());
    delta(1.0, T + 3);
    assert_eq!(samples(&store), [r#"d_total{job="cart"} 1"#]);
}

/// There is room for so many series; what is known goes on when it is full, what is new is refused, and once others went it is taken.
#[test]
fn the_number_of_series_is_bounded() {
    let settings =
        StoreSettings { translation: Translation::default(), expiration: Duration::from_secs(10), series_max: 3 };
    let store = Store::new(settings);
    let point = |name: &str, value| number(&[("k", name)], value, 0, 0);
    let names = ["a", "b", "c", "d", "e"];
    let tally = take_metrics(&store, vec![gauge("g", names.iter().map(|name| point(name, 1.0)).collect())]);
    assert_eq!((tally.taken, tally.refused[Reason::SeriesLimit as usize]), (3, 2));
    assert!(tally.message.contains("max_series"), "{}", tally.message);
    assert_eq!(take_metrics(&store, vec![gauge("g", vec![point("a", 2.0)])]).taken, 1);
    store.clock().advance(Duration::from_secs(15));
    take_metrics(&store, vec![]);
    assert_eq!(take_metrics(&store, vec![gauge("g", vec![point("d", 2.0)])]).taken, 1);
}

/// The bytes of labels are bounded too, and so is what leads to series: attributes in a thousand orders, metrics with a thousand descriptions.
#[test]
fn what_leads_to_series_is_bounded() {
    let store = Store::new(StoreSettings {
        translation: Translation::default(),
        expiration: Duration::from_secs(10),
        series_max: 10,
    });
    let large = "x".repeat(8 << 10);
    let tally = take_metrics(
        &store,
        vec![gauge("g", vec![number(&[("k", &large)], 1.0, 0, 0), number(&[("l", &large)], 1.0, 0, 0)])],
    );
    assert_eq!(tally.refused[Reason::SeriesLimit as usize], 1);
    let huge = "x".repeat(1 << 20);
    let tally = take_metrics(&store, vec![gauge("g", vec![number(&[("k", &huge)], 1.0, 0, 0)])]);
    assert_eq!(tally.refused[Reason::Labels as usize], 1);
    for turn in 0..1_000 {
        let repeated = vec![("k", "v"); turn % 40 + 1];
        let mut metric = gauge("g", vec![number(&repeated, turn as f64, 0, 0)]);
        metric.description = format!("{turn}");
        assert_eq!(take_metrics(&store, vec![metric]).taken, 1);
    }
    assert!(store.ways.count() <= 30, "{}", store.ways.count());
    assert!(
        samples(&store).iter().any(|line| line.contains("k=\"v\"") && line.ends_with(" 999")),
        "{:?}",
        samples(&store)
    );
}

/// `target_info` once for each job and instance, of the resource that came last.
#[test]
fn targets_are_told_of_once() {
    let store = store();
    let of = |host: &str| {
        let resource = [("service.name", "cart"), ("service.instance.id", "1"), ("host.name", host)];
        take(&store, &request_of(&resource, vec![gauge("g", vec![number(&[], 1.0, 0, T)])]));
        samples(&store).into_iter().filter(|line| line.starts_with("target_info")).collect::<Vec<_>>()
    };
    assert_eq!(of("one"), [r#"target_info{host_name="one",instance="1",job="cart"} 1"#]);
    assert_eq!(of("two"), [r#"target_info{host_name="two",instance="1",job="cart"} 1"#]);
}

fn exponential_point(scale: i32, offset: i32, counts: &[u64], zeros: u64, time: u64) -> ExponentialHistogramDataPoint {
    let count = counts.iter().sum::<u64>() + zeros;
    ExponentialHistogramDataPoint {
        time_unix_nano: time,
        count,
        sum: Some(count as f64),
        scale,
        zero_count: zeros,
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        ..Default::default()
    }
}

/// Two histograms of different scales are added in the coarser; one that is finer than Prometheus has is made coarser, one that is coarser
/// refused.
#[test]
fn exponential_histograms_are_added_up() {
    let store = store();
    let take = |point| take_metrics(&store, vec![exponential("e", DELTA, vec![point])]);
    take(exponential_point(1, -1, &[1, 2, 3], 1, T + 1));
    take(exponential_point(0, 0, &[4, 5], 0, T + 2));
    let expected = [
        r#"e_seconds_bucket{job="cart",le="1e-128"} 1"#,
        r#"e_seconds_bucket{job="cart",le="1"} 2"#,
        r#"e_seconds_bucket{job="cart",le="2"} 11"#,
        r#"e_seconds_bucket{job="cart",le="4"} 16"#,
        r#"e_seconds_bucket{job="cart",le="+Inf"} 16"#,
        r#"e_seconds_sum{job="cart"} 16"#,
        r#"e_seconds_count{job="cart"} 16"#,
    ];
    assert_eq!(samples(&store), expected);
    assert_eq!(take(exponential_point(20, 1 << 20, &[1], 0, T + 3)).refused(), 0);
    assert_eq!(take(exponential_point(-5, 0, &[1], 0, T + 4)).refused[Reason::Scale as usize], 1);
    let mut miscounted = exponential_point(0, 0, &[1], 0, T + 4);
    miscounted.count = 9;
    assert_eq!(take(miscounted).refused[Reason::Histogram as usize], 1);
    // A scale without sense, and buckets at the end of all numbers.
    assert_eq!(take(exponential_point(i32::MAX, i32::MAX, &[1, 1], 0, T + 5)).refused(), 0);
    assert_eq!(take(exponential_point(0, i32::MIN, &[1], 0, T + 6)).refused(), 1);
    assert_eq!(samples(&store).last().unwrap(), r#"e_seconds_count{job="cart"} 19"#);
}

proptest! {
    /// Whatever deltas are added: nothing is lost, buckets stay few, and a bucket holds what the points' buckets within it held.
    #[test]
    fn exponential_counts_are_kept(
        points in prop::collection::vec((-4..12i32, -600..600i32, prop::collection::vec(0..5u64, 0..400), 0..3u64), 1..6)
    ) {
        let mut sum = Exponential::default();
        let mut values: Vec<(f64, u64)> = Vec::new();
        let mut total = 0;
        for (scale, offset, counts, zeros) in &points {
            let encoded = prost::Message::encode_to_vec(&Buckets { offset: *offset, bucket_counts: counts.clone() });
            let point = point::ExponentialPoint {
                count: counts.iter().sum::<u64>() + zeros,
                scale: *scale,
                zero_count: *zeros,
                positive: encoded.into(),
                ..Default::default()
            };
            let added = if total == 0 { sum.set(&point) } else { sum.add(&point) };
            // A scale of -4 with hundreds of buckets is beyond all numbers.
            if added.is_err() {
                continue;
            }
            total += point.count;
            let middle = |index: i64| exponential::lower_bound(*scale, index) * (0.5 * f64::from(-*scale).exp2()).exp2();
            values.extend(counts.iter().enumerate().map(|(place, count)| (middle(i64::from(*offset) + place as i64), *count)));
        }
        prop_assert_eq!(sum.count, total);
        prop_assert_eq!(sum.positive.counts.iter().sum::<u64>() + sum.zero_count, total);
        prop_assert!(sum.positive.counts.len() <= NATIVE_BUCKETS_MAX);
        for (place, count) in sum.positive.counts.iter().enumerate() {
            let index = sum.positive.offset + place as i64;
            let (low, high) = (exponential::lower_bound(sum.scale, index), exponential::lower_bound(sum.scale, index + 1));
            let within: u64 = values.iter().filter(|(value, _)| *value > low && *value <= high).map(|(_, count)| count).sum();
            // Beyond the range of numbers there is nothing to compare.
            if low > 0.0 && high.is_finite() {
                prop_assert_eq!(*count, within, "bucket {} of scale {}", index, sum.scale);
            }
        }
    }
}
