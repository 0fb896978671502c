mod messages;

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, Metric};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::requests::*;
use crate::{Store, Translation};
use messages::MetricFamily;

const T: u64 = BEGAN;

/// One metric of each kind.
fn every_kind() -> Vec<Metric> {
    let mut counter = sum("requests", CUMULATIVE, true, vec![number(&[("code", "200")], 7.0, T, T + SECOND)]);
    let mut histogram = histogram("latency", CUMULATIVE, vec![buckets(&[0.5, 1.0], &[1, 2, 0], T, T + SECOND)]);
    if let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Sum(sum)) = &mut counter.data {
        sum.data_points[0].exemplars =
            vec![exemplar(1.0, T + SECOND / 2, &[("user", "u1"), ("long", &"x".repeat(200))])];
    }
    if let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Histogram(data)) = &mut histogram.data {
        data.data_points[0].exemplars = vec![exemplar(0.7, T, &[]), exemplar(0.9, T + 1, &[]), exemplar(0.1, T, &[])];
    }
    let mut temperature = gauge("temperature", vec![number(&[("room", "a\"b\\c\nd")], -1.5, 0, T)]);
    temperature.description = "In \\ two\nlines \"quoted\"".into();
    vec![counter, histogram, temperature, native()]
}

fn native() -> Metric {
    let point = ExponentialHistogramDataPoint {
        start_time_unix_nano: T,
        time_unix_nano: T + SECOND,
        count: 16,
        sum: Some(42.5),
        scale: 3,
        zero_count: 2,
        zero_threshold: 0.001,
        positive: Some(Buckets { offset: -3, bucket_counts: vec![1, 0, 2, 0, 0, 0, 0, 4] }),
        negative: Some(Buckets { offset: 5, bucket_counts: vec![3, 4] }),
        exemplars: vec![exemplar(1.0, T, &[])],
        ..Default::default()
    };
    exponential("size", CUMULATIVE, vec![point])
}

fn filled() -> Arc<Store> {
    let store = store();
    let tally = take_metrics(&store, every_kind());
    assert_eq!(tally.refused(), 0, "{}", tally.message);
    store
}

/// The text that everybody reads: families in order, one type and description each, values escaped.
#[test]
fn text_is_as_it_should_be() {
    let expected = r#"# HELP latency_seconds About latency
# TYPE latency_seconds histogram
latency_seconds_bucket{job="cart",le="0.5"} 1
latency_seconds_bucket{job="cart",le="1"} 3
latency_seconds_bucket{job="cart",le="+Inf"} 3
latency_seconds_sum{job="cart"} 3
latency_seconds_count{job="cart"} 3
# HELP requests_total About requests
# TYPE requests_total counter
requests_total{code="200",job="cart"} 7
# HELP size_seconds About size
# TYPE size_seconds histogram
size_seconds_bucket{job="cart",le="-1.4142135623730951"} 7
size_seconds_bucket{job="cart",le="0.001"} 9
size_seconds_bucket{job="cart",le="1"} 12
size_seconds_bucket{job="cart",le="1.4142135623730951"} 12
size_seconds_bucket{job="cart",le="2"} 16
size_seconds_bucket{job="cart",le="+Inf"} 16
size_seconds_sum{job="cart"} 42.5
size_seconds_count{job="cart"} 16
# HELP temperature In \\ two\nlines "quoted"
# TYPE temperature gauge
temperature{job="cart",room="a\"b\\c\nd"} -1.5
"#;
    // The exponential histogram is made coarser than it came: bounds are 1.41 times the one before.
    assert_eq!(text(&filled()), expected);
}

/// OpenMetrics: counters' families without `_total`, units, when totals began, exemplars, an end.
#[test]
fn open_metrics_is_as_it_should_be() {
    let expected = r#"# HELP latency_seconds About latency
# TYPE latency_seconds histogram
# UNIT latency_seconds seconds
latency_seconds_bucket{job="cart",le="0.5"} 1 # {trace_id="01010101010101010101010101010101",span_id="0202020202020202"} 0.1 1700000000
latency_seconds_bucket{job="cart",le="1.0"} 3 # {trace_id="01010101010101010101010101010101",span_id="0202020202020202"} 0.9 1700000000
latency_seconds_bucket{job="cart",le="+Inf"} 3
latency_seconds_sum{job="cart"} 3
latency_seconds_count{job="cart"} 3
latency_seconds_created{job="cart"} 1700000000
# HELP requests About requests
# TYPE requests counter
requests_total{code="200",job="cart"} 7 # {trace_id="01010101010101010101010101010101",span_id="0202020202020202",user="u1"} 1 1700000000.500
requests_created{code="200",job="cart"} 1700000000
"#;
    let text = String::from_utf8(scrape(&filled(), OPEN_METRICS)).unwrap();
    assert_eq!(&text[..expected.len()], expected);
    assert!(text.contains("# HELP temperature In \\\\ two\\nlines \\\"quoted\\\"\n"), "{text}");
    assert!(text.ends_with("\n# EOF\n"));
    let empty = String::from_utf8(scrape(&store(), OPEN_METRICS)).unwrap();
    assert_eq!(empty, "# EOF\n");
}

/// Samples say when they were taken, where that is asked for.
#[test]
fn samples_have_timestamps() {
    let line = |format, name: &str| {
        let mut scrape = Scrape::new(filled(), format, true);
        let mut out = Vec::new();
        while scrape.next(&mut out) {}
        let text = String::from_utf8(out).unwrap();
        text.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
    };
    assert_eq!(line(TEXT, "requests_total"), r#"requests_total{code="200",job="cart"} 7 1700000001000"#);
    assert!(
        line(OPEN_METRICS, "requests_total").starts_with(r#"requests_total{code="200",job="cart"} 7 1700000001 # {"#)
    );
}

fn families(bytes: &[u8]) -> Vec<MetricFamily> {
    let mut rest = bytes;
    let mut families = Vec::new();
    while !rest.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
    }
    families
}

/// The protobuf form as prost reads it: native histograms in spans and deltas, exemplars, when totals began.
#[test]
fn protobuf_is_as_it_should_be() {
    let families = families(&scrape(&filled(), PROTOBUF));
    let names: Vec<_> = families.iter().map(|family| (family.name(), family.r#type(), family.unit())).collect();
    let expected = [
        ("latency_seconds", 4, "seconds"),
        ("requests_total", 0, ""),
        ("size_seconds", 4, "seconds"),
        ("temperature", 1, ""),
    ];
    assert_eq!(names, expected);
    let histogram = families[0].metric[0].histogram.as_ref().unwrap();
    let counts: Vec<_> =
        histogram.bucket.iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).collect();
    assert_eq!(counts, [(0.5, 1), (1.0, 3), (f64::INFINITY, 3)]);
    assert_eq!(histogram.bucket[1].exemplar.as_ref().unwrap().value(), 0.9);
    assert_eq!(histogram.created_timestamp.as_ref().unwrap().seconds, 1_700_000_000);
    let counter = families[1].metric[0].counter.as_ref().unwrap();
    let exemplar = counter.exemplar.as_ref().unwrap();
    assert_eq!(
        (counter.value(), exemplar.label.len(), exemplar.timestamp.as_ref().unwrap().nanos),
        (7.0, 3, 500_000_000)
    );
    let native = families[2].metric[0].histogram.as_ref().unwrap();
    assert_eq!((native.schema(), native.zero_threshold(), native.zero_count()), (3, 0.001, 2));
    assert_eq!((native.sample_count(), native.sample_sum(), native.bucket.len()), (16, 42.5, 0));
    // A bucket is numbered by its upper end here: one more.
    assert_eq!(counts_of(&native.positive_span, &native.positive_delta), [(-2, 1), (0, 2), (5, 4)]);
    assert_eq!(native.positive_span.len(), 2);
    assert_eq!(counts_of(&native.negative_span, &native.negative_delta), [(6, 3), (7, 4)]);
    assert_eq!(native.exemplars.len(), 1);
    let labels: Vec<_> = families[3].metric[0].label.iter().map(|label| (label.name(), label.value())).collect();
    assert_eq!(labels, [("job", "cart"), ("room", "a\"b\\c\nd")]);
}

/// Index and count of each bucket that is not empty.
fn counts_of(spans: &[messages::BucketSpan], deltas: &[i64]) -> Vec<(i64, i64)> {
    let mut counts = Vec::new();
    let (mut index, mut count) = (0, 0);
    let mut deltas = deltas.iter();
    for span in spans {
        index += i64::from(span.offset());
        for _ in 0..span.length() {
            count += deltas.next().unwrap();
            if count > 0 {
                counts.push((index, count));
            }
            index += 1;
        }
    }
    assert!(deltas.next().is_none());
    counts
}

/// A native histogram that observed nothing still says that it is one.
#[test]
fn empty_native_histograms_are_native() {
    let store = store();
    let point = ExponentialHistogramDataPoint { time_unix_nano: T, ..Default::default() };
    take_metrics(&store, vec![exponential("e", CUMULATIVE, vec![point])]);
    let families = families(&scrape(&store, PROTOBUF));
    let native = families[0].metric[0].histogram.as_ref().unwrap();
    assert_eq!((native.positive_span.len(), native.zero_threshold()), (1, 1e-128));
}

/// A family of many series comes in pieces of text, in which each series is once; and in several messages, which are read one after another.
#[test]
fn large_families_come_in_pieces() {
    let store = Store::new(crate::StoreSettings {
        translation: Translation::default(),
        expiration: std::time::Duration::from_secs(300),
        series_max: 100_000,
    });
    let names: Vec<String> = (0..20_000).map(|number| format!("{number:0100}")).collect();
    let points = names.iter().map(|name| number(&[("k", name)], 1.0, 0, T)).collect();
    assert_eq!(take_metrics(&store, vec![gauge("g", points)]).taken, 20_000);
    let mut scrape_of = Scrape::new(Arc::clone(&store), TEXT, false);
    let (mut whole, mut pieces) = (Vec::new(), 0);
    loop {
        let mut piece = Vec::new();
        let is_more = scrape_of.next(&mut piece);
        assert!(piece.len() < 2 * (64 << 10), "{}", piece.len());
        whole.extend(piece);
        pieces += 1;
        // Series that come meanwhile do not disturb those that were there.
        let late = format!("late {pieces}");
        take_metrics(&store, vec![gauge("a", vec![number(&[("k", &late)], 1.0, 0, T)])]);
        if !is_more {
            break;
        }
    }
    assert!(pieces > 10);
    let text = String::from_utf8(whole).unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| line.starts_with("g{")).collect();
    assert_eq!((lines.len(), text.matches("# TYPE g ").count()), (20_000, 1));
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 20_000);
    let families = families(&scrape(&store, PROTOBUF));
    let of_g: Vec<_> = families.iter().filter(|family| family.name() == "g").collect();
    assert!(of_g.len() > 1);
    assert_eq!(of_g.iter().map(|family| family.metric.len()).sum::<usize>(), 20_000);
}

/// Names with all characters: in quotes for whoever takes them, else escaped as asked.
#[test]
fn names_are_escaped_as_asked() {
    let store = store_of(Translation { utf8: true, scope_labels: false, ..Translation::default() });
    take_metrics(&store, vec![sum("http.täst_x", CUMULATIVE, true, vec![number(&[("http.route", "/")], 1.0, 0, T)])]);
    let written = |protocol, escaping| String::from_utf8(scrape(&store, Format { protocol, escaping })).unwrap();
    let text = Protocol::Text { has_quotes: true };
    let quoted = written(text, Escaping::AllowUtf8);
    assert!(
        quoted.contains(
            "# TYPE \"http.täst_x_total\" counter\n{\"http.täst_x_total\",\"http.route\"=\"/\",job=\"cart\"} 1\n"
        ),
        "{quoted}"
    );
    let cases = [
        (Escaping::Underscores, r#"http_t_st_x_total{http_route="/",job="cart"} 1"#),
        (Escaping::Dots, r#"http_dot_t__st__x__total{http_dot_route="/",job="cart"} 1"#),
        (Escaping::Values, r#"U__http_2e_t_e4_st__x__total{U__http_2e_route="/",job="cart"} 1"#),
    ];
    for (escaping, line) in cases {
        let text = written(text, escaping);
        assert!(text.lines().any(|own| own == line), "{escaping:?}: {text}");
    }
    let open = written(Protocol::OpenMetrics { is_old: false }, Escaping::AllowUtf8);
    assert!(open.contains("# TYPE \"http.täst_x\" counter\n"), "{open}");
    let families = families(&scrape(&store, Format { protocol: Protocol::Protobuf, escaping: Escaping::AllowUtf8 }));
    assert_eq!(families[0].name(), "http.täst_x_total");
}

/// What scrapers ask for, and what they get.
#[test]
fn forms_are_negotiated() {
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let open = "application/openmetrics-text";
    let prometheus = format!(
        "{protobuf};q=0.6,{open};version=1.0.0;escaping=allow-utf-8;q=0.5,{open};version=0.0.1;q=0.4,\
         text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    );
    let without_protobuf = prometheus.split_once(',').unwrap().1.to_owned();
    let text = |has_quotes| Protocol::Text { has_quotes };
    let cases = [
        ("", true, text(false), Escaping::Underscores),
        ("*/*", true, text(false), Escaping::Underscores),
        ("text/html, image/png", true, text(false), Escaping::Underscores),
        (&*prometheus, true, Protocol::Protobuf, Escaping::Underscores),
        (&*without_protobuf, true, Protocol::OpenMetrics { is_old: false }, Escaping::AllowUtf8),
        (&*without_protobuf, false, text(true), Escaping::AllowUtf8),
        ("application/vnd.google.protobuf", true, text(false), Escaping::Underscores),
        ("application/openmetrics-text;version=9", true, text(false), Escaping::Underscores),
        ("application/openmetrics-text;q=0, text/plain", true, text(false), Escaping::Underscores),
        (
            "text/plain;q=0.2, application/openmetrics-text; version=0.0.1; q=0.9",
            true,
            Protocol::OpenMetrics { is_old: true },
            Escaping::Underscores,
        ),
        ("text/plain;version=0.0.4;escaping=values", true, text(false), Escaping::Values),
        (";;;=,q=,,text/plain;q=x", true, text(false), Escaping::Underscores),
    ];
    for (accept, has_open_metrics, protocol, escaping) in cases {
        let format = Format::negotiate(accept, has_open_metrics);
        assert_eq!(format, Format { protocol, escaping }, "{accept}");
    }
    let format = Format::negotiate(&prometheus, true);
    assert_eq!(
        format.content_type(),
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores"
    );
}

/// A line of text: name, labels, value.
type Sample = (String, Vec<(String, String)>, f64);

fn parsed(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
    let mut rest = labels.strip_suffix('}')?;
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (name, quoted) = rest.split_once("=\"")?;
        let (mut value, mut chars) = (String::new(), quoted.char_indices());
        let end = loop {
            match chars.next()? {
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    c => value.push(c),
                },
                (at, '"') => break at + 1,
                (_, c) => value.push(c),
            }
        };
        pairs.push((name.to_owned(), value));
        rest = quoted.get(end..)?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some((name.to_owned(), pairs, value.parse().ok()?))
}

proptest! {
    /// Whatever values attributes and points have: text is read back, and says what the protobuf form says.
    #[test]
    fn text_and_protobuf_say_the_same(
        values in prop::collection::vec((prop::collection::vec(any::<String>(), 0..4), any::<f64>()), 1..12)
    ) {
        let store = store();
        let points = values.iter().enumerate().map(|(place, (texts, value))| {
            let place = place.to_string();
            let names: Vec<String> = (0..texts.len()).map(|number| format!("l{number}")).collect();
            let mut pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
            pairs.push(("place", &place));
            number(&pairs, *value, 0, T)
        });
        let tally = take_metrics(&store, vec![gauge("g", points.collect())]);
        prop_assert_eq!(tally.taken as usize, values.len());
        let families = families(&scrape(&store, PROTOBUF));
        let metrics = &families[0].metric;
        let lines = samples(&store);
        prop_assert_eq!((lines.len(), metrics.len()), (values.len(), values.len()));
        for (line, metric) in lines.iter().zip(metrics) {
            let (name, labels, value) = parsed(line).unwrap();
            let expected: Vec<_> = metric.label.iter().map(|label| (label.name().to_owned(), label.value().to_owned())).collect();
            prop_assert_eq!((&*name, labels), ("g", expected));
            let own = metric.gauge.as_ref().unwrap().value();
            prop_assert!(own.to_bits() == value.to_bits() || own.is_nan() && value.is_nan());
        }
        for ((texts, value), line) in values.iter().zip(&lines) {
            let (_, labels, own) = parsed(line).unwrap();
            prop_assert!(own == *value || own.is_nan() && value.is_nan());
            let kept = texts.iter().filter(|text| !text.is_empty()).count();
            prop_assert_eq!(labels.len(), kept + 2);
        }
    }

    /// Whatever `Accept` comes: there is an answer, and its type is a header.
    #[test]
    fn any_accept_is_answered(accept in any::<String>(), has_open_metrics: bool) {
        let content_type = Format::negotiate(&accept, has_open_metrics).content_type();
        prop_assert!(content_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
    }
}
