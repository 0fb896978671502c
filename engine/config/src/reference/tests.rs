//! The tables say what the reader does.

use serde_json::{Map, Value, json};

use super::*;
use crate::load::{Loaded, load_texts};
use crate::{Config, ConfigErrors};

/// Each section of the tables with the path to it, in a configuration that uses it.
fn sections() -> Vec<(Vec<&'static str>, &'static Section)> {
    let mut sections = vec![(vec!["service"], &SERVICE), (vec!["service", "pipelines", "traces"], &PIPELINE)];
    fn of<T>(section: &'static str, types: &[ComponentType<T>]) -> Vec<(Vec<&'static str>, &'static Section)> {
        types.iter().map(|of_type| (vec![section, of_type.names[0]], of_type.section)).collect()
    }
    sections.extend(of("receivers", RECEIVERS));
    sections.extend(of("processors", PROCESSORS));
    sections.extend(of("exporters", EXPORTERS));
    sections.extend(of("extensions", EXTENSIONS));
    sections.extend(of("connectors", CONNECTORS));
    sections
}

/// A configuration in which every component is used, with as little in it as possible.
fn base() -> Value {
    let tls = json!({"cert_pem": "certificate", "key_pem": "key"});
    let auth = json!({"authenticator": "bearertokenauth"});
    json!({
        "receivers": {
            "otlp": {"protocols": {"grpc": {"tls": tls.clone(), "auth": auth.clone()}, "http": {"tls": tls.clone(), "auth": auth.clone()}}},
            "otlpjsonfile": {"include": ["*.jsonl"]},
        },
        "processors": {
            "wasm": {
                "plugin": "builtin:filter",
                "group_by": "trace_id",
                "tables": {"NAME": {"file": "Cargo.toml", "format": "csv", "key": "host"}},
            },
            "batch": {},
            "memory_limiter": {"check_interval": "1s", "limit_mib": 100},
            "filter": {},
            "transform": {},
            "attributes": {
                "actions": [{"action": "delete", "key": "a"}],
                "include": {"match_type": "strict"},
                "exclude": {"match_type": "strict"},
            },
            "resource": {"attributes": [{"action": "delete", "key": "a"}]},
            "probabilistic_sampler": {},
            "redaction": {},
        },
        "exporters": {
            "otlp_grpc": {"endpoint": "backend:4317", "keepalive": {"timeout": "10s"}, "sending_queue": {"batch": {}}},
            "otlp_http": {"endpoint": "http://backend:4318", "sending_queue": {"batch": {}}},
            "jaeger": {"endpoint": "http://jaeger:14268/api/traces", "sending_queue": {"batch": {}}},
            "prometheusremotewrite": {"endpoint": "http://prometheus:9090/api/v1/write", "sending_queue": {"batch": {}}},
            "debug": {},
            "file": {"path": "out.jsonl", "create_directory": true, "rotation": {}},
            "loki": {
                "endpoint": "http://loki:3100/loki/api/v1/push",
                "tenant": {"source": "static", "value": "shop"},
                "sending_queue": {"batch": {}},
            },
            "prometheus": {"endpoint": "localhost:9464", "tls": tls.clone(), "auth": auth.clone(), "resource_to_telemetry_conversion": {}},
        },
        "connectors": {
            "forward": {},
            "routing": {"table": [{"condition": "true", "pipelines": ["traces"]}]},
        },
        "extensions": {
            "health_check": {"tls": tls, "auth": auth},
            "file_storage": {},
            "memory_limiter": {"check_interval": "1s", "limit_mib": 100},
            "bearertokenauth": {"token": "t"},
            "basicauth": {"htpasswd": {"inline": "a:b"}, "client_auth": {"username": "a", "password": "b"}},
            "headers_setter": {"headers": [{"key": "x", "value": "y"}]},
            "oauth2client": {"client_id": "a", "client_secret": "b", "token_url": "http://tokens"},
        },
        "service": {
            "extensions": [
                "health_check", "file_storage", "memory_limiter", "bearertokenauth", "basicauth", "headers_setter",
                "oauth2client",
            ],
            "telemetry": {
                "traces": {
                    "processors": [{"batch": {"exporter": {"otlp": {"endpoint": "http://collector:4318"}}}}],
                },
            },
            "pipelines": {
                "traces/in": {"receivers": ["otlp"], "exporters": ["forward", "routing"]},
                "traces": {
                    "receivers": ["otlp", "otlpjsonfile", "forward", "routing"],
                    "processors": [
                        "wasm", "batch", "memory_limiter", "filter", "transform", "attributes", "resource", "probabilistic_sampler",
                        "redaction",
                    ],
                    "exporters": ["otlp_grpc", "otlp_http", "jaeger", "debug", "file"],
                },
                "logs": {"receivers": ["otlp"], "exporters": ["loki"]},
                "metrics": {"receivers": ["otlp"], "exporters": ["prometheus", "prometheusremotewrite"]},
            },
        },
    })
}

fn load(config: &Value) -> Result<Loaded, ConfigErrors> {
    // JSON is YAML.
    load_texts(vec![("test.yaml".into(), config.to_string())], &|_| None)
}

/// Puts a value at a path; `[]` at the end of a key is a list with one map.
fn with(config: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *config = value;
        return;
    };
    if !config.is_object() {
        *config = Value::Object(Map::new());
    }
    match first.strip_suffix("[]") {
        Some(first) => {
            let list = &mut config[first];
            if !list[0].is_object() {
                *list = json!([{}]);
            }
            with(&mut list[0], rest, value);
        }
        None => with(&mut config[first], rest, value),
    }
}

fn full_path(section: &[&str], key: &str) -> Vec<String> {
    let keys = key.split("::").map(str::to_owned);
    section.iter().map(|key| (*key).to_owned()).chain(keys).collect()
}

/// Scenario: each key that is documented as served gets a value of a type that no key has.
/// Guarantee: the error is about that key. So every documented key is read, and its type is checked.
#[test]
fn every_served_key_is_read() {
    load(&base()).expect("the base is valid");
    for (section, of_section) in sections() {
        for (key, of_key) in flatten(of_section) {
            if !matches!(of_key.state, State::Served | State::Required) || matches!(of_key.kind, Kind::Any) {
                continue;
            }
            let mut config = base();
            let path = full_path(&section, &key);
            with(&mut config, &path, json!([[{"no": "such type"}]]));
            let errors = load(&config).expect_err(&path.join("::"));
            let expected = path.join("::").replace("[]", "[0]");
            let found = errors.errors.iter().any(|error| error.key.starts_with(&expected));
            assert!(found, "{expected}: {errors}");
        }
    }
}

/// Scenario: each key is set to the default that is documented.
/// Guarantee: it changes nothing.
#[test]
fn documented_defaults_are_the_defaults() {
    // What a default says in words, and what it is.
    const IN_WORDS: [&str; 5] =
        ["never", "the system's", "the endpoint's host", "the number of CPUs", "the stage's `limits::rows_max`"];
    let expected: Config = load(&base()).expect("the base is valid").config;
    let mut compared = 0;
    for (section, of_section) in sections() {
        for (key, of_key) in flatten(of_section) {
            let path = full_path(&section, &key);
            let given_in_base = base().pointer(&format!("/{}", path.join("/"))).is_some();
            if of_key.default.is_empty() || IN_WORDS.contains(&of_key.default) || given_in_base {
                continue;
            }
            let mut config = base();
            // What a default of a list or a map is written as, is JSON.
            let value = serde_json::from_str(of_key.default).unwrap_or(Value::String(of_key.default.to_owned()));
            with(&mut config, &path, value);
            let loaded = load(&config).unwrap_or_else(|errors| panic!("{}: {errors}", path.join("::")));
            assert_eq!(loaded.config, expected, "{}", path.join("::"));
            compared += 1;
        }
    }
    assert!(compared > 60, "only {compared} defaults were compared");
}

/// Scenario: keys that are not served are set, to a value that asks for something and to one that does not.
/// Guarantee: the first is an error or a warning about that key, as documented; the second is nothing.
#[test]
fn keys_that_are_not_served_are_answered() {
    for (section, of_section) in sections() {
        for (key, of_key) in flatten(of_section) {
            let path = full_path(&section, &key);
            let mut on = base();
            with(&mut on, &path, json!({"some": "thing"}));
            let mut off = base();
            with(&mut off, &path, Value::Null);
            let of_path = path.join("::").replace("[]", "[0]");
            match of_key.state {
                State::Served | State::Required => continue,
                State::NoEffect(_) => {
                    let warnings = load(&on).expect(&of_path).warnings;
                    assert!(warnings.iter().any(|warning| warning.key == of_path), "{of_path}");
                }
                State::NotYet(_) | State::Never(_) => {
                    let errors = load(&on).expect_err(&of_path);
                    assert!(errors.errors.iter().any(|error| error.key == of_path), "{of_path}: {errors}");
                }
            }
            assert_eq!(load(&off).expect(&of_path).warnings, [], "{of_path}");
        }
    }
}

/// Guarantee: what is known not to be served is not served under another table's name, and no type is there twice.
#[test]
fn known_types_are_not_served() {
    fn check<T>(types: &[ComponentType<T>], known: &[Known]) {
        let mut names: Vec<_> = types.iter().flat_map(|of_type| of_type.names.iter().copied()).collect();
        names.extend(known.iter().map(|known| known.kind));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
    check(RECEIVERS, known::RECEIVERS);
    check(PROCESSORS, known::PROCESSORS);
    check(EXPORTERS, known::EXPORTERS);
    check(EXTENSIONS, known::EXTENSIONS);
    check(CONNECTORS, known::CONNECTORS);
}
