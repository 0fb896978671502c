//! Hints, and what lines become by them.

use super::*;
use crate::LineFormat;

/// Each hint does what the Collector's exporter does by it, and is itself left out.
#[test]
fn hints_are_followed() {
    let resource = [
        ("service.name", "shop"),
        ("host.name", "h1"),
        ("cloud.zone", "z"),
        ("loki.resource.labels", "host.name, missing"),
    ];
    let mut attributes = texts(&[("event.name", "paid"), ("loki.resource.labels", "cloud.zone"), ("x", "1")]);
    attributes.push(attribute("loki.attribute.labels", list(&["event.name", "user.id"])));
    attributes.push(attribute("user", map(texts(&[("id", "u1")]))));
    let options = Options { resource_labels: vec![], ..Options::default() };
    let read = all(&translate(options, vec![logs(texts(&resource), vec![record(1, "a", attributes)])]));
    let labels = r#"{cloud_zone="z", event_name="paid", exporter="OTLP", host_name="h1", job="shop", user_id="u1"}"#;
    let expected = pairs(&[("service_name", "shop"), ("x", "1"), ("user_id", "u1")]);
    assert_eq!(read, [(labels.to_owned(), 1, "a".to_owned(), expected)]);
}

/// A hint's tenant is the value of the attribute that it names, the resource's first; each tenant has pushes of its own. What is no name
/// of a tenant is sent to nobody.
#[test]
fn tenants_are_kept_apart() {
    let hint = ("loki.tenant", "team");
    let of = |tenant: &'static str| record(1, tenant, texts(&[hint, ("team", tenant)]));
    let translation = translate(
        Options::default(),
        vec![
            logs(vec![], vec![of("b"), of(""), of("a"), of("b"), of("a/b"), record(1, "open", vec![])]),
            logs(texts(&[hint, ("team", "c")]), vec![of("b")]),
        ],
    );
    let tenants: Vec<(&str, u64)> = translation.pushes.iter().map(|push| (&*push.tenant, push.rows)).collect();
    assert_eq!(tenants, [("", 2), ("b", 2), ("a", 1), ("c", 1)]);
    assert_eq!(translation.of_no_tenant, 1);
    assert!(all(&translation)[2].0.contains(r#"team="b""#), "{:?}", all(&translation));

    let options = Options { tenant_attribute: Some("org".to_owned()), ..Options::default() };
    let records = vec![record(1, "a", texts(&[("org", "o2")])), record(1, "b", vec![])];
    let translation = translate(options, vec![logs(vec![], records)]);
    let tenants: Vec<&str> = translation.pushes.iter().map(|push| &*push.tenant).collect();
    assert_eq!(tenants, ["", "o2"]);
}

fn record_with(format: &str, body: Option<AnyValue>) -> Vec<ResourceLogs> {
    let record = LogRecord {
        time_unix_nano: 1,
        severity_number: 9,
        severity_text: "info".to_owned(),
        body,
        attributes: vec![
            attribute("http.route", text("/a b")),
            attribute("n", map(vec![attribute("k", list(&["x", "y"])), attribute("e", text("null"))])),
        ],
        flags: 1,
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..LogRecord::default()
    };
    let mut logs = logs(texts(&[("service.name", "s"), ("os", "linux"), ("loki.format", format)]), vec![record]);
    logs.scope_logs[0].scope = Some(InstrumentationScope {
        name: "lib".to_owned(),
        version: "1".to_owned(),
        ..InstrumentationScope::default()
    });
    vec![logs]
}

fn line(format: &str, body: Option<AnyValue>) -> String {
    all(&translate(Options::default(), record_with(format, body))).remove(0).2
}

#[test]
fn lines_are_json() {
    let ids = r#""traceid":"01010101010101010101010101010101","spanid":"0202020202020202","severity":"info","flags":1"#;
    let rest = r#""attributes":{"http.route":"/a b","n":{"k":["x","y"],"e":"null"}},"resources":{"os":"linux"},"instrumentation_scope":{"name":"lib","version":"1"}"#;
    assert_eq!(line("json", any(text("hi \"x\""))), format!(r#"{{"body":"hi \"x\"",{ids},{rest}}}"#));
    assert_eq!(line("json", None), format!("{{{ids},{rest}}}"));
    assert_eq!(line("json", any(Value::IntValue(7))), format!(r#"{{"body":7,{ids},{rest}}}"#));
    // What is in the line is not said again.
    let read = all(&translate(Options::default(), record_with("json", None)));
    let names: Vec<&str> = read[0].3.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["trace_id", "span_id", "severity_text", "severity_number"]);
}

#[test]
fn lines_are_logfmt() {
    let ids = "traceID=01010101010101010101010101010101 spanID=0202020202020202 severity=info flags=1";
    let rest = "attribute_http.route=\"/a b\" attribute_n_k_0=x attribute_n_k_1=y attribute_n_e=\"null\" resource_os=linux \
                instrumentation_scope_name=lib instrumentation_scope_version=1";
    let cases = [
        (any(text("hello there")), "msg=\"hello there\" ".to_owned()),
        (any(text("a=1  b=\"x y\" severity=old")), "a=1 b=\"x y\" ".to_owned()),
        (any(map(texts(&[("k", "v"), ("k=\" 2", "w")]))), "k=v k2=w ".to_owned()),
        (any(list(&["x"])), "body_0=x ".to_owned()),
        (any(Value::BoolValue(true)), "msg=true ".to_owned()),
        (None, String::new()),
    ];
    for (body, expected) in cases {
        assert_eq!(line("logfmt", body), format!("{expected}{ids} {rest}"));
    }
}

/// The configuration's format holds where no hint says otherwise; a hint that says none is as none, and a record's goes before.
#[test]
fn a_hint_goes_before_the_configuration() {
    let options = |format| Options { format, ..Options::default() };
    let of = |format: LineFormat, resource: &[(&str, &str)], attributes: &[(&str, &str)]| {
        all(&translate(options(format), vec![logs(texts(resource), vec![record(1, "a", texts(attributes))])]))
            .remove(0)
            .2
    };
    let (json, raw) = (r#"{"body":"a"}"#, "a");
    assert_eq!(of(LineFormat::Json, &[], &[]), json);
    assert_eq!(of(LineFormat::Json, &[("loki.format", "raw")], &[]), raw);
    assert_eq!(of(LineFormat::Json, &[("loki.format", "xml")], &[]), json);
    assert_eq!(of(LineFormat::Raw, &[("loki.format", "raw")], &[("loki.format", "json")]), json);
    assert_eq!(of(LineFormat::Raw, &[], &[]), raw);
}
