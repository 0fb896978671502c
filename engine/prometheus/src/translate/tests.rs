use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message as _;
use wasmill_wire::{Any, Message, MetricKind};

use super::*;

fn text(value: &str) -> Option<common::AnyValue> {
    Some(common::AnyValue { value: Some(Value::StringValue(value.into())) })
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<common::KeyValue> {
    let pairs = pairs.iter().map(|(key, value)| common::KeyValue {
        key: (*key).into(),
        value: text(value),
        ..Default::default()
    });
    pairs.collect()
}

fn resource(pairs: &[(&str, &str)]) -> Vec<u8> {
    let resource = Resource { attributes: attributes(pairs), ..Default::default() };
    metrics::ResourceMetrics { resource: Some(resource), ..Default::default() }.encode_to_vec()
}

fn scope(name: &str, version: &str, pairs: &[(&str, &str)]) -> Vec<u8> {
    let scope = common::InstrumentationScope {
        name: name.into(),
        version: version.into(),
        attributes: attributes(pairs),
        ..Default::default()
    };
    let schema_url = "https://example.com/1".into();
    metrics::ScopeMetrics { scope: Some(scope), schema_url, ..Default::default() }.encode_to_vec()
}

fn labels_of(
    translation: &Translation,
    of_resource: &[(&str, &str)],
    of_scope: &[(&str, &str)],
    of_point: &[(&str, &str)],
) -> Vec<(String, String)> {
    let (resource, scope) = (resource(of_resource), scope("tea", "2", of_scope));
    let origin = translation.origin(&Message::new(&resource), &Message::new(&scope)).unwrap();
    let point = of_point.iter().map(|(key, value)| (*key, Any::Text(value)));
    let labels = translation.labels(&origin, point, Some("le")).unwrap();
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Names, units and types, as the specification and the Collector have them.
#[test]
fn metrics_are_named() {
    let counter = MetricType::Counter;
    let gauge = MetricType::Gauge;
    let histogram = MetricType::Histogram;
    let cases = [
        ("http.server.request.duration", "s", histogram, "http_server_request_duration_seconds"),
        ("requests", "1", counter, "requests_total"),
        ("requests.total", "{request}", counter, "requests_total"),
        ("total.requests", "", counter, "requests_total"),
        ("system.disk.io", "By", counter, "system_disk_io_bytes_total"),
        ("system.disk.io_bytes", "By", counter, "system_disk_io_bytes_total"),
        ("cpu.utilization", "1", gauge, "cpu_utilization_ratio"),
        ("speed", "By/s", gauge, "speed_bytes_per_second"),
        ("speed", "{packet}/s", gauge, "speed_per_second"),
        ("speed", "m/s", gauge, "speed_meters_per_second"),
        ("work", "foo/{bar}", gauge, "work_foo"),
        ("odd", "°C", gauge, "odd_C"),
        ("rate", "%", gauge, "rate_percent"),
        ("a..b  c--d__e", "", gauge, "a_b_c_d_e"),
        ("5xx", "", gauge, "_5xx"),
        ("ns:metric", "", gauge, "ns:metric"),
        ("温度.inside", "Cel", gauge, "inside_celsius"),
    ];
    let translation = Translation::default();
    for (name, unit, kind, expected) in cases {
        let made = translation.metric_name(name, unit, kind, kind == gauge);
        assert_eq!(made.as_deref(), Ok(expected), "{name} {unit}");
    }
    let plain = Translation { suffixes: false, namespace: "my.shop".into(), ..Translation::default() };
    assert_eq!(plain.metric_name("a.requests", "By", counter, false).as_deref(), Ok("my_shop_a_requests"));
    let utf8 = Translation { utf8: true, ..Translation::default() };
    let cases = [
        ("http.requests", "By", counter, "http.requests_bytes_total"),
        ("http.requests_total", "By", counter, "http.requests_bytes_total"),
        ("溫度", "By/s", gauge, "溫度_bytes_per_second"),
        ("total", "", counter, "total_total"),
    ];
    for (name, unit, kind, expected) in cases {
        assert_eq!(utf8.metric_name(name, unit, kind, false).as_deref(), Ok(expected), "{name} {unit}");
    }
}

/// What has no name in Prometheus is said, shortly, and never named as something else.
#[test]
fn unnameable_metrics_are_refused() {
    let name = |name: &str| Translation::default().metric_name(name, "s", MetricType::Gauge, false);
    assert_eq!(name(""), Err(NameError::Empty));
    assert_eq!(name("ようこそ"), Err(NameError::Unnameable("ようこそ".into())));
    assert_eq!(name(&"a".repeat(1 << 20)), Err(NameError::TooLong(1 << 20)));
    let long = name(&"é".repeat(500)).unwrap_err().to_string();
    assert!(long.len() < 250, "{long}");
}

/// The family: its type by the metric's kind, OpenMetrics' unit only where the name ends with it, a description of bounded length.
#[test]
fn families_have_types_and_units() {
    let metric = |unit: &str, kind: &str| {
        let metadata = attributes(&[("prometheus.type", kind)]);
        let description = "é".repeat(HELP_BYTES_MAX);
        metrics::Metric { name: "x".into(), unit: unit.into(), description, metadata, data: None }.encode_to_vec()
    };
    let family =
        |message: &[u8], kind, is_monotonic| Translation::default().family(&Message::new(message), kind, is_monotonic);
    let made = family(&metric("By", "gauge"), MetricKind::Sum, true).unwrap();
    assert_eq!((&*made.name, made.kind, &*made.unit), ("x_bytes_total", MetricType::Counter, "bytes"));
    assert!(made.help.len() <= HELP_BYTES_MAX && made.help.ends_with('é'));
    let made = family(&metric("1", "gauge"), MetricKind::Gauge, false).unwrap();
    assert_eq!((&*made.name, made.kind, &*made.unit), ("x_ratio", MetricType::Gauge, "ratio"));
    let made = family(&metric("1", "gauge"), MetricKind::Sum, false).unwrap();
    assert_eq!((&*made.name, made.kind, &*made.unit), ("x", MetricType::Gauge, ""));
    let made = family(&metric("", "unknown"), MetricKind::Gauge, false).unwrap();
    assert_eq!(made.kind, MetricType::Unknown);
    assert_eq!(family(&metric("", ""), MetricKind::None, false), Err(NameError::NoData("x".into())));
}

/// Labels of the resource, the scope and the point, in the order of their names; empty ones are none.
#[test]
fn labels_come_from_everywhere() {
    let translation = Translation { const_labels: vec![("env".into(), "prod".into())], ..Translation::default() };
    let resource =
        [("service.name", "cart"), ("service.namespace", "shop"), ("service.instance.id", "7"), ("host", "h")];
    let made =
        labels_of(&translation, &resource, &[("team", "blue")], &[("http.route", "/a"), ("empty", ""), ("0", "z")]);
    let expected = [
        ("env", "prod"),
        ("http_route", "/a"),
        ("instance", "7"),
        ("job", "shop/cart"),
        ("key_0", "z"),
        ("otel_scope_name", "tea"),
        ("otel_scope_schema_url", "https://example.com/1"),
        ("otel_scope_team", "blue"),
        ("otel_scope_version", "2"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(made, expected);
    let with_resource =
        Translation { resource_labels: true, service_labels: false, scope_labels: false, ..translation };
    let made = labels_of(&with_resource, &resource, &[], &[("host", "of the point")]);
    let expected = [("env", "prod"), ("host", "h"), ("instance", "7"), ("job", "shop/cart")];
    assert_eq!(made, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

/// Two attributes of one label are joined in the order of their names; one that has the name of a label of ours gets another.
#[test]
fn labels_that_collide_are_kept() {
    let translation = Translation { scope_labels: false, ..Translation::default() };
    let point = [("a_b", "3"), ("a.b", "2"), ("a-b", "1"), ("job", "mine"), ("le", "5"), ("exported_job", "other")];
    let made = labels_of(&translation, &[("service.name", "cart")], &[], &point);
    let expected = [("a_b", "1;2;3"), ("exported_job", "other;mine"), ("exported_le", "5"), ("job", "cart")];
    assert_eq!(made, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

/// Names that Prometheus keeps for itself, or that nothing is left of.
#[test]
fn labels_have_valid_names() {
    let translation = Translation::default();
    let cases = [
        ("__name__", "_name_"),
        ("_private", "_private"),
        ("ようこそ", "key_"),
        ("", "key_"),
        ("a::b", "a_b"),
        ("9", "key_9"),
        ("a__b", "a_b"),
    ];
    for (attribute, label) in cases {
        assert_eq!(translation.label_name(attribute), label, "{attribute}");
    }
    let utf8 = Translation { utf8: true, ..translation };
    assert_eq!(utf8.label_name("http.route"), "http.route");
    assert_eq!(utf8.label_name("__name__"), "key__name__");
}

/// A megabyte in an attribute is refused, whoever has it.
#[test]
fn labels_are_bounded() {
    let translation = Translation { resource_labels: true, ..Translation::default() };
    let large = "x".repeat(1 << 20);
    let (small, too_large) = (resource(&[("service.name", "cart")]), resource(&[("a", &large)]));
    let scope = scope("tea", "2", &[]);
    let origin = translation.origin(&Message::new(&small), &Message::new(&scope)).unwrap();
    let labels = translation.labels(&origin, [("a", Any::Text(&large))].into_iter(), None);
    assert_eq!(labels, Err(TooManyLabels));
    assert_eq!(translation.origin(&Message::new(&too_large), &Message::new(&scope)), Err(TooManyLabels));
    assert_eq!(translation.target_labels(&Message::new(&too_large)), Ok(None));
    let named = resource(&[("service.name", "cart"), ("a", &large)]);
    assert_eq!(translation.target_labels(&Message::new(&named)), Err(TooManyLabels));
}

/// `target_info` has what else the resource has, and is not there without.
#[test]
fn targets_have_the_rest() {
    let translation = Translation::default();
    let labels = |pairs: &[(&str, &str)]| translation.target_labels(&Message::new(&resource(pairs))).unwrap();
    assert_eq!(labels(&[("service.name", "cart")]), None);
    assert_eq!(labels(&[("host.name", "h")]), None);
    let made = labels(&[("service.name", "cart"), ("host.name", "h"), ("job", "j")]).unwrap();
    let made: Vec<_> = made.iter().collect();
    assert_eq!(made, [("exported_job", "j"), ("host_name", "h"), ("job", "cart")]);
}

proptest! {
    /// Whatever names come: what is made is a name in Prometheus, and of labels each is there once, in order.
    #[test]
    fn names_are_valid(name in any::<String>(), unit in ".{0,8}", keys in prop::collection::vec("[a-z._é0-9]{0,4}", 0..8)) {
        let translation = Translation::default();
        for kind in [MetricType::Counter, MetricType::Gauge, MetricType::Histogram] {
            if let Ok(made) = translation.metric_name(&name, &unit, kind, true) {
                prop_assert!(made.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'), "{made}");
                prop_assert!(!made.starts_with(|c: char| c.is_ascii_digit()));
                prop_assert!(made.len() <= NAME_BYTES_MAX);
            }
        }
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
        let made = labels_of(&translation, &[("service.name", "s")], &pairs, &pairs);
        for (name, value) in &made {
            let is_valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            prop_assert!(is_valid && !name.starts_with("__") && !value.is_empty(), "{name}");
            prop_assert!(!name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty());
        }
        prop_assert!(made.is_sorted_by(|one, other| one.0 < other.0), "{made:?}");
    }
}
