//! The Collector's processors, with the same configuration and the same data in both engines: the same records come out, whole.
//!
//! Configurations are drawn, or written where drawing would not hit the point. Each is a pipeline of its own, and its exporter
//! names the case in a header.

#[allow(dead_code, reason = "shared with `filter`, which uses more of it")]
mod ottl_cases;

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use ottl_cases::{KEYS, PATTERNS, Random, Signal, TEXTS};
use prost::Message;
use serde_json::{Value, json};
use wasmill_tests::{Collector, Folder, Gateway, Keeper, free_port, output, python};

const RECORDS: usize = 200;
const SEED: u64 = 0x5eed_0042;

/// A processor, as both engines have it.
struct Case {
    kind: &'static str,
    config: Value,
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "traces",
        Signal::Logs => "logs",
        Signal::Metrics => "metrics",
    }
}

/// One receiver, and a pipeline with one processor for each case. JSON is YAML.
fn configuration(signal: Signal, cases: &[Case], port: u16, backend: u16) -> String {
    let signal = name(signal);
    let (mut processors, mut exporters, mut pipelines) = (String::new(), String::new(), String::new());
    for (number, Case { kind, config }) in cases.iter().enumerate() {
        // Patterns have dollars that are no variables.
        let config = config.to_string().replace('$', "$$");
        let _ = writeln!(processors, "  {kind}/{number}: {config}");
        let target =
            format!("endpoint: '127.0.0.1:{backend}', tls: {{insecure: true}}, headers: {{x-case: '{number}'}}");
        let _ = writeln!(exporters, "  otlp/{number}: {{{target}, timeout: 60s}}");
        let _ = writeln!(
            pipelines,
            "    {signal}/{number}: {{receivers: [otlp], processors: [{kind}/{number}], exporters: [otlp/{number}]}}"
        );
    }
    let grpc = format!("{{endpoint: '127.0.0.1:{port}', include_metadata: true}}");
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {grpc}}}}}}}\nprocessors:\n{processors}exporters:\n{exporters}\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}"
    )
}

/// Both engines make the same of a request, case by case. Says how many cases changed or dropped something.
fn agree(signal: Signal, request: Vec<u8>, cases: &[Case]) -> Result<usize> {
    let whole = Case { kind: "filter", config: json!({}) };
    let mut all = vec![whole];
    all.extend(cases.iter().map(|case| Case { kind: case.kind, config: case.config.clone() }));

    let (ours, theirs) = (Folder::new()?, Folder::new()?);
    let (our_backend, their_backend) = (Keeper::start(&ours)?, Keeper::start(&theirs)?);
    let (our_port, their_port) = (free_port()?, free_port()?);
    let gateway = Gateway::start(&ours, &configuration(signal, &all, our_port, our_backend.port))?;
    let configuration = configuration(signal, &all, their_port, their_backend.port);
    let collector = Collector::start(&theirs, "collector", &configuration, their_port)?;
    let file = ours.write("request.bin", request)?;
    for port in [our_port, their_port] {
        output(python("tests/peers/send.py")?.args([port.to_string().as_str(), name(signal)]).arg(&file))?;
    }
    gateway.stop()?;
    collector.stop()?;
    let (ours, theirs) = (our_backend.stop()?, their_backend.stop()?);

    let empty = Vec::new();
    let whole = ours.get("0").unwrap_or(&empty);
    ensure!(whole.len() >= RECORDS, "{} of {RECORDS} records arrived where nothing is done", whole.len());
    let (mut telling, mut wrong) = (0, Vec::new());
    for (number, Case { kind, config }) in all.iter().enumerate() {
        let key = number.to_string();
        let (ours, theirs) = (ours.get(&key).unwrap_or(&empty), theirs.get(&key).unwrap_or(&empty));
        telling += usize::from(ours != whole);
        if ours != theirs {
            let only = |these: &[String], those: &[String]| -> Vec<String> {
                these.iter().filter(|record| !those.contains(record)).take(2).cloned().collect()
            };
            wrong.push(format!(
                "{kind}: {config}\n{} records here, {} there\n  here: {:#?}\n  there: {:#?}",
                ours.len(),
                theirs.len(),
                only(ours, theirs),
                only(theirs, ours)
            ));
        }
    }
    ensure!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    Ok(telling)
}

fn request(signal: Signal, random: &mut Random) -> Vec<u8> {
    match signal {
        Signal::Traces => ottl_cases::traces(random, RECORDS).encode_to_vec(),
        Signal::Logs => ottl_cases::logs(random, RECORDS).encode_to_vec(),
        Signal::Metrics => ottl_cases::metrics(random, RECORDS).encode_to_vec(),
    }
}

/// Draws actions as `attributes` and `resource` have them.
fn actions(random: &mut Random) -> Value {
    let key = |random: &mut Random| if random.one_in(8) { "new" } else { random.pick(&KEYS) };
    let constant = |random: &mut Random| match random.below(6) {
        0 => json!(random.pick(&TEXTS)),
        1 => json!(random.pick(&[0, -7, i64::MAX])),
        2 => json!(random.pick(&[1.5, -0.25])),
        3 => json!(random.one_in(2)),
        4 => json!(["a", 1, {"b": true}]),
        _ => json!({"k": "v", "n": [1.5]}),
    };
    let pattern = |random: &mut Random| random.pick(&["^a$", "http", "^(b|c)$", "e", "nested|new"]);
    let action = |random: &mut Random| {
        let key = key(random);
        match random.below(9) {
            0 => json!({"action": "insert", "key": key, "value": constant(random)}),
            1 => json!({"action": "update", "key": key, "value": constant(random)}),
            2 => json!({"action": "upsert", "key": key, "value": constant(random)}),
            3 => {
                let puts = random.pick(&["insert", "update", "upsert"]);
                json!({"action": puts, "key": key, "from_attribute": random.pick(&KEYS), "default_value": constant(random)})
            }
            4 => json!({"action": "delete", "key": key}),
            5 => json!({"action": random.pick(&["delete", "hash"]), "pattern": pattern(random)}),
            6 => json!({"action": "hash", "key": key}),
            7 => {
                let pattern = random.pick(&["^(?P<new>[a-z]+)", "(?P<a>\\d+)(?P<code>.)?", "(?P<b>.*)/"]);
                json!({"action": "extract", "key": key, "pattern": pattern})
            }
            _ => {
                let to = random.pick(&["string", "int", "double"]);
                json!({"action": "convert", "key": key, "converted_type": to})
            }
        }
    };
    (0..1 + random.below(4)).map(|_| action(random)).collect()
}

/// Draws what `include` or `exclude` asks for.
fn matching(signal: Signal, random: &mut Random) -> Value {
    let strict = random.one_in(2);
    let texts = |random: &mut Random| -> Vec<&str> {
        (0..1 + random.below(2)).map(|_| if strict { random.pick(&TEXTS) } else { plain(random) }).collect()
    };
    let attributes = |random: &mut Random| match random.below(4) {
        0 => json!([{"key": random.pick(&KEYS)}]),
        1 if strict => json!([{"key": random.pick(&KEYS), "value": random.pick(&[0, 1, 200])}]),
        _ => json!([{"key": random.pick(&KEYS), "value": texts(random)[0]}]),
    };
    let mut out = json!({"match_type": if strict { "strict" } else { "regexp" }});
    match (signal, random.below(4)) {
        (Signal::Traces, 0) => out["span_names"] = json!(texts(random)),
        (Signal::Traces, 1) => out["span_kinds"] = json!(["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"]),
        (Signal::Logs, 0) => out["log_bodies"] = json!(texts(random)),
        (Signal::Logs, 1) => {
            let severity = json!({"min": random.pick(&[1, 9, 17]), "match_undefined": random.one_in(2)});
            out["log_severity_number"] = severity;
        }
        (Signal::Metrics, _) => out["metric_names"] = json!(texts(random)),
        (_, 2) => out["resources"] = attributes(random),
        _ => out["attributes"] = attributes(random),
    }
    out
}

/// A pattern that is not escaped for another language's quotes.
fn plain(random: &mut Random) -> &'static str {
    random.pick(&["^a", "b$", "x|y", ".*", "\\d+", "^\\w+$", "[a-c]{2}", "(?i)get", "^true$", "1"])
}

const EVERY: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

#[test]
fn attributes_become_the_same() -> Result<()> {
    let mut random = Random::new(SEED);
    for signal in EVERY {
        let request = request(signal, &mut random);
        let case = |_| {
            let mut config = json!({"actions": actions(&mut random)});
            for key in ["include", "exclude"] {
                if random.one_in(3) {
                    config[key] = matching(signal, &mut random);
                }
            }
            Case { kind: "attributes", config }
        };
        let cases: Vec<Case> = (0..40).map(case).collect();
        let telling = agree(signal, request, &cases).context(name(signal))?;
        ensure!(telling >= 20, "only {telling} cases change anything");
    }
    Ok(())
}

#[test]
fn resources_become_the_same() -> Result<()> {
    let mut random = Random::new(SEED + 1);
    for signal in EVERY {
        let request = request(signal, &mut random);
        let case = |_| Case { kind: "resource", config: json!({"attributes": actions(&mut random)}) };
        let cases: Vec<Case> = (0..24).map(case).collect();
        let telling = agree(signal, request, &cases).context(name(signal))?;
        ensure!(telling >= 12, "only {telling} cases change anything");
    }
    Ok(())
}

/// Draws a `redaction`.
fn redaction(random: &mut Random) -> Value {
    let some = |random: &mut Random, from: &[&'static str]| -> Vec<&'static str> {
        (0..1 + random.below(2)).map(|_| random.pick(from)).collect()
    };
    let mut out = json!({"allow_all_keys": !random.one_in(3)});
    if random.one_in(2) {
        out["allowed_keys"] = json!(some(random, &KEYS));
    }
    if !random.one_in(4) {
        let patterns: Vec<&str> = PATTERNS.iter().copied().filter(|pattern| !pattern.contains('\\')).collect();
        // The Collector takes several in an order that differs from run to run.
        out["blocked_values"] = json!([random.pick(&patterns)]);
    }
    for (key, from) in [
        ("blocked_key_patterns", &["^a", "http", "^(b|c)$"][..]),
        ("ignored_keys", &KEYS),
        ("ignored_key_patterns", &["e$", "^c"]),
        ("allowed_values", &["^[a-c]", "12"]),
    ] {
        if random.one_in(4) {
            out[key] = json!(some(random, from));
        }
    }
    out["redact_all_types"] = json!(random.one_in(4));
    out["summary"] = json!(random.pick(&["info", "debug", "silent"]));
    if random.one_in(3) {
        out["hash_function"] = json!(random.pick(&["md5", "sha1", "sha3", "hmac-sha256"]));
        out["hmac_key"] = json!("0123456789abcdef0123456789abcdef");
    }
    out
}

#[test]
fn redaction_masks_the_same() -> Result<()> {
    let mut random = Random::new(SEED + 2);
    for signal in EVERY {
        let request = request(signal, &mut random);
        let case = |_| Case { kind: "redaction", config: redaction(&mut random) };
        let cases: Vec<Case> = (0..24).map(case).collect();
        let telling = agree(signal, request, &cases).context(name(signal))?;
        ensure!(telling >= 16, "only {telling} cases change anything");
    }
    Ok(())
}

/// Every mode and share; traces that begin everywhere, some sampled before.
#[test]
fn samplers_keep_the_same() -> Result<()> {
    let mut random = Random::new(SEED + 3);
    let mut bytes = |count: usize| -> Vec<u8> { (0..count).map(|_| random.below(256) as u8).collect() };
    let mut traces = ottl_cases::traces(&mut Random::new(SEED), RECORDS);
    let scopes = traces.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    for (number, span) in scopes.flat_map(|scope| &mut scope.spans).enumerate() {
        span.trace_id = bytes(16);
        let states = ["", "ot=th:8", "ot=th:c;rv:d29d6a7215ced0", "a=1,ot=rv:10000000000000", "broken"];
        span.trace_state = states[number % states.len()].to_owned();
    }
    let mut logs = ottl_cases::logs(&mut Random::new(SEED), RECORDS);
    let scopes = logs.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs);
    for (number, record) in scopes.flat_map(|scope| &mut scope.log_records).enumerate() {
        record.trace_id = if number.is_multiple_of(3) { Vec::new() } else { bytes(16) };
    }
    let mut cases = Vec::new();
    for mode in ["", "hash_seed", "equalizing", "proportional"] {
        for percentage in [0.0, 0.05, 12.5, 50.0, 100.0, 250.0] {
            let mut config = json!({"sampling_percentage": percentage});
            if !mode.is_empty() {
                config["mode"] = json!(mode);
            }
            cases.push(Case { kind: "probabilistic_sampler", config });
        }
    }
    for extra in [
        json!({"hash_seed": 22}),
        json!({"fail_closed": false, "mode": "equalizing"}),
        json!({"sampling_precision": 2, "mode": "proportional"}),
        json!({"attribute_source": "record", "from_attribute": "a"}),
        json!({"from_attribute": "b", "mode": "proportional"}),
        json!({"sampling_priority": "code"}),
    ] {
        let mut config = extra;
        config["sampling_percentage"] = json!(30);
        cases.push(Case { kind: "probabilistic_sampler", config });
    }
    for (signal, request) in [(Signal::Traces, traces.encode_to_vec()), (Signal::Logs, logs.encode_to_vec())] {
        let telling = agree(signal, request, &cases).context(name(signal))?;
        ensure!(telling >= 20, "only {telling} cases change anything");
    }
    Ok(())
}

/// Contexts of metrics, the flat form, and groups: what `tests/filter.rs` does not draw.
#[test]
fn filters_drop_the_same() -> Result<()> {
    let mut random = Random::new(SEED + 4);
    let traces = [
        json!({"traces": {"resource": ["attributes[\"a\"] == \"x\""], "span": ["name == \"abc\"", "kind == SPAN_KIND_SERVER"]}}),
        json!({"trace_conditions": ["span.status.code == STATUS_CODE_ERROR", "resource.attributes[\"b\"] != nil"]}),
        json!({"trace_conditions": [
            {"context": "scope", "conditions": ["name == \"x\""]},
            {"context": "span", "error_mode": "silent", "conditions": ["IsMatch(name, \"^[a-c]\")"]},
            {"conditions": ["scope.name == \"y\" and span.attributes[\"code\"] == 200"]},
        ]}),
        json!({"logs": {"log_record": ["true"]}}),
    ];
    let logs = [
        json!({"logs": {"resource": ["attributes[\"a\"] != nil"], "log_record": ["severity_number > 12"]}}),
        json!({"log_conditions": ["IsMatch(log.body, \"a|1\")", "log.attributes[\"code\"] == 12"]}),
        json!({"traces": {"span": ["true"]}}),
    ];
    let metrics = [
        json!({"metrics": {"metric": ["name == \"abc\"", "type == METRIC_DATA_TYPE_GAUGE", "unit == \"By\""]}}),
        json!({"metrics": {"metric": ["metric.name == \"x\" or resource.attributes[\"a\"] == \"x\""]}}),
        json!({"metrics": {"datapoint": ["attributes[\"a\"] == nil", "metric.type == METRIC_DATA_TYPE_SUM"]}}),
        json!({"metrics": {"resource": ["attributes[\"code\"] != nil"], "datapoint": ["value_int > 1"]}}),
        json!({"metric_conditions": ["metric.name == \"y\"", "datapoint.attributes[\"b\"] == \"y\""]}),
        json!({"metric_conditions": [{"context": "metric", "conditions": ["IsMatch(description, \"x\")"]}]}),
    ];
    for (signal, configs) in [(Signal::Traces, &traces[..]), (Signal::Logs, &logs), (Signal::Metrics, &metrics)] {
        let request = request(signal, &mut random);
        let cases: Vec<Case> = configs.iter().map(|config| Case { kind: "filter", config: config.clone() }).collect();
        let telling = agree(signal, request, &cases).context(name(signal))?;
        ensure!(telling + 1 >= cases.len(), "only {telling} cases drop anything");
    }
    Ok(())
}

/// The functions of which few texts make something: on their own, over records whose attributes are of all types.
fn handwritten(own: &str) -> Vec<String> {
    let mut statements = Vec::new();
    for key in ["a", "b", "http.route"] {
        let path = format!("{own}.attributes[\"{key}\"]");
        for value in [
            format!("MD5({path})"),
            format!("SHA1({path})"),
            format!("SHA512({path})"),
            format!("FNV({path})"),
            format!("Trim({path})"),
            format!("Trim({path}, \"abcx\")"),
            format!("TrimPrefix({path}, \"a\")"),
            format!("TrimSuffix({path}, \"c\")"),
            format!("ToLowerCase({path})"),
            format!("ToUpperCase({path})"),
            format!("ExtractPatterns({path}, \"^(?P<first>[a-zA-Z]+)(?P<rest>.*)$\")"),
            format!("ParseJSON({path})"),
        ] {
            statements.push(format!("set({own}.attributes[\"made\"], {value})"));
        }
        statements.push(format!("replace_match({path}, \"a*\", \"$1 became\")"));
        statements.push(format!("replace_match({path}, \"[xy]\", \"one\") where {path} != \"y\""));
    }
    for json in
        ["{\\\"a\\\": [1, {\\\"b\\\": null}], \\\"c\\\": 1e3, \\\"a\\\": true}", "[1, 2.5, \\\"x\\\"]", "17", "{", ""]
    {
        statements.push(format!("set({own}.attributes[\"made\"], ParseJSON(\"{json}\"))"));
    }
    statements.push(format!(
        "merge_maps({own}.attributes, ExtractPatterns(\"GET /users/7\", \"(?P<verb>[A-Z]+) /(?P<what>[a-z]+)\"), \"upsert\")"
    ));
    for glob in ["*", "{x,abc}", "[!a]*", "*e?someName*"] {
        statements.push(format!("replace_all_matches({own}.attributes, \"{glob}\", \"<{glob}>\")"));
    }
    statements
}

/// The statements above; drawn ones are compared with the library (`plugins/ottl/src/tests`), of which the Collector has an older version.
#[test]
fn transforms_make_the_same() -> Result<()> {
    let mut random = Random::new(SEED + 5);
    for (signal, own, list) in [
        (Signal::Traces, "span", "trace_statements"),
        (Signal::Logs, "log", "log_statements"),
        (Signal::Metrics, "datapoint", "metric_statements"),
    ] {
        let request = request(signal, &mut random);
        let mut cases = Vec::new();
        for statement in handwritten(own) {
            let mut config = json!({});
            config[list] = json!([statement]);
            cases.push(Case { kind: "transform", config });
        }
        let telling = agree(signal, request, &cases).context(name(signal))?;
        ensure!(telling >= cases.len() / 2, "only {telling} cases change anything");
    }
    Ok(())
}
