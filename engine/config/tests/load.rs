//! What a configuration comes to: the Collector's usual forms, variables, several files.

#[path = "load/backends.rs"]
mod backends;
#[path = "load/stages.rs"]
mod stages;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use wasmill_config::{
    ComponentId, Compression, Config, ConfigErrors, Endpoint, Exporter, Loaded, Network, OnFull, OtlpGrpcExporter,
    OtlpHttpExporter, PipelineId, Problem, Processor, Receiver, Retry, SendingQueue, Sizer, WasmStage, load,
    load_texts,
};
use wasmill_wire::Signal;

fn texts(texts: &[&str]) -> Vec<(PathBuf, String)> {
    texts.iter().enumerate().map(|(i, text)| (format!("{i}.yaml").into(), (*text).to_owned())).collect()
}

fn try_load(of_files: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    load_texts(texts(of_files), &variable)
}

fn loaded(of_files: &[&str], variables: &[(&str, &str)]) -> Loaded {
    try_load(of_files, variables).unwrap_or_else(|errors| panic!("{}", errors.render()))
}

/// A pipeline from `otlp` to the exporters that are added.
const REST: &str = "
receivers: {otlp: {protocols: {grpc: {}}}}
service: {pipelines: {traces: {receivers: [otlp], processors: [], exporters: [otlp]}}}
";

fn grpc_exporter(settings: &str, variables: &[(&str, &str)]) -> OtlpGrpcExporter {
    let config = loaded(&[REST, &format!("exporters: {{otlp: {settings}}}")], variables).config;
    match config.exporters.into_values().next() {
        Some(Exporter::OtlpGrpc(exporter)) => exporter,
        other => panic!("{other:?}"),
    }
}

fn http_exporter(settings: &str) -> OtlpHttpExporter {
    let over = "service: {pipelines: {traces: {exporters: [otlphttp]}}}";
    let config = loaded(&[REST, over, &format!("exporters: {{otlphttp: {settings}}}")], &[]).config;
    match config.exporters.into_values().next() {
        Some(Exporter::OtlpHttp(exporter)) => exporter,
        other => panic!("{other:?}"),
    }
}

fn stage(settings: &str, variables: &[(&str, &str)]) -> WasmStage {
    let over = "
exporters: {otlp: {endpoint: 'a:1'}, debug: {}}
service: {pipelines: {traces: {processors: [wasm/a]}}}
";
    let config = loaded(&[REST, over, &format!("processors: {{wasm/a: {settings}}}")], variables).config;
    match config.processors.into_values().next() {
        Some(Processor::Wasm(stage)) => *stage,
        other => panic!("{other:?}"),
    }
}

fn id(text: &str) -> ComponentId {
    ComponentId::parse(text).unwrap()
}

/// Scenario: the forms of configuration that the Collector's documentation and charts are full of.
/// Guarantee: they load, without errors.
#[test]
fn the_collectors_usual_forms_load() {
    let forms = std::fs::read_dir("tests/forms").unwrap().map(|entry| entry.unwrap().path());
    let mut count = 0;
    for path in forms {
        count += 1;
        if let Err(errors) = load(&[path], &|_| None) {
            panic!("{}", errors.render());
        }
    }
    assert!(count >= 4);
}

/// Guarantee: `<<` brings what the map itself does not say, aliases repeat what they stand for.
#[test]
fn merge_keys_bring_what_is_not_said() {
    let config = load(&["tests/forms/anchors.yaml".into()], &|_| None).unwrap().config;
    let Some(Exporter::OtlpGrpc(exporter)) = config.exporters.get(&id("otlp/b")) else { panic!("{config:?}") };
    assert_eq!((exporter.endpoint.to_string().as_str(), exporter.tls.is_none()), ("b:4317", true));
    let retry = exporter.delivery.retry.as_ref().unwrap();
    assert_eq!(retry.interval_initial, Duration::from_secs(1));
    assert_eq!(retry.elapsed_max, Some(Duration::from_secs(600)));
    let pipelines: Vec<_> = config.pipelines.values().collect();
    assert_eq!(pipelines.len(), 3);
    assert!(pipelines.iter().all(|pipeline| pipeline == &pipelines[0]));
}

/// Guarantee: a byte order mark and Windows' line ends change nothing, not even the place of a mistake.
#[test]
fn line_ends_and_byte_order_marks_change_nothing() {
    let text = "exporters: {otlp: {endpoint: 1}}\nreceivers: 5\n";
    let places = |text: &str| {
        let errors = try_load(&[text], &[]).unwrap_err();
        errors.errors.iter().map(|error| (error.line, error.column, error.width)).collect::<Vec<_>>()
    };
    let expected = places(text);
    assert_eq!(places(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), expected);
}

/// Guarantee: what is not said is the Collector's default.
#[test]
fn an_exporter_has_the_collectors_defaults() {
    let exporter = grpc_exporter("{endpoint: 'backend:4317'}", &[]);
    assert_eq!(exporter.endpoint, Endpoint::new("backend", 4317));
    assert!(exporter.tls.is_some());
    assert_eq!(exporter.compression, Compression::Gzip);
    assert_eq!(exporter.timeout, Duration::from_secs(5));
    let queue = SendingQueue {
        consumers: NonZeroUsize::new(10).unwrap(),
        size_max: NonZeroUsize::new(1000).unwrap(),
        sizer: Sizer::Requests,
        wait_for_result: false,
        storage: None,
        batch: None,
    };
    assert_eq!(exporter.delivery.queue, Some(queue));
    let retry = Retry {
        interval_initial: Duration::from_secs(5),
        randomization_factor: 0.5,
        multiplier: 1.5,
        interval_max: Duration::from_secs(30),
        elapsed_max: Some(Duration::from_secs(300)),
    };
    assert_eq!(exporter.delivery.retry, Some(retry));
    assert_eq!(exporter.delivery.on_full, OnFull::Refuse);
}

/// Guarantee: the scheme of an endpoint wins over `tls`, and without one TLS is the default.
#[test]
fn a_scheme_says_whether_there_is_tls() {
    let cases = [
        ("{endpoint: 'a:1'}", true),
        ("{endpoint: 'a:1', tls: {insecure: true}}", false),
        ("{endpoint: 'http://a:1'}", false),
        ("{endpoint: 'https://a:1', tls: {insecure: true}}", true),
    ];
    for (settings, tls) in cases {
        assert_eq!(grpc_exporter(settings, &[]).tls.is_some(), tls, "{settings}");
    }
}

/// Guarantee: what is switched off is gone, and zero means what it means to the Collector.
#[test]
fn queue_and_retry_can_be_switched_off() {
    let exporter =
        grpc_exporter("{endpoint: 'a:1', sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}", &[]);
    assert_eq!((exporter.delivery.queue, exporter.delivery.retry), (None, None));
    let exporter = grpc_exporter(
        "{endpoint: 'a:1', timeout: 0, retry_on_failure: {max_elapsed_time: 0}, sending_queue: {block_on_overflow: true}}",
        &[],
    );
    assert_eq!(exporter.timeout, Duration::from_secs(3600));
    assert_eq!(exporter.delivery.retry.unwrap().elapsed_max, None);
    assert_eq!(exporter.delivery.on_full, OnFull::Block);
}

/// Guarantee: an endpoint gets the paths of OTLP, one for a signal is taken as it is.
#[test]
fn http_urls_are_made_for_each_signal() {
    let url = |settings: &str| {
        let urls = http_exporter(settings).urls;
        Signal::ALL.map(|signal| urls.get(signal).as_ref().map(|url| url.to_string()).unwrap_or_default())
    };
    let all = ["http://a:4318/v1/traces", "http://a:4318/v1/metrics", "http://a:4318/v1/logs"];
    assert_eq!(url("{endpoint: 'http://a:4318'}"), all);
    assert_eq!(url("{endpoint: 'http://a:4318/'}"), all);
    assert_eq!(url("{endpoint: 'https://a/otlp'}")[0], "https://a:443/otlp/v1/traces");
    let of_signal = "{endpoint: 'http://a:4318', traces_endpoint: 'http://b:1/x'}";
    assert_eq!(url(of_signal), ["http://b:1/x", all[1], all[2]]);
    assert_eq!(url("{traces_endpoint: 'http://b:1/x'}"), ["http://b:1/x", "", ""]);
}

/// Guarantee: only what runs is in the running shape; the rest is warned about.
#[test]
fn unused_components_are_left_out_with_a_warning() {
    let more = "
receivers: {otlp/unused: {protocols: {http: {}}}}
exporters: {otlp: {endpoint: 'a:1'}, debug: {}}
extensions: {health_check: {}}
";
    let Loaded { config, warnings, files_read, .. } = loaded(&[REST, more], &[]);
    assert_eq!(config.receivers.keys().collect::<Vec<_>>(), [&id("otlp")]);
    assert_eq!(config.exporters.keys().collect::<Vec<_>>(), [&id("otlp")]);
    assert!(config.extensions.is_empty());
    let keys: Vec<_> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(keys, ["receivers::otlp/unused", "exporters::debug", "extensions::health_check"]);
    assert_eq!(files_read, [PathBuf::from("0.yaml"), PathBuf::from("1.yaml")]);
    assert!(config.pipelines.contains_key(&PipelineId::new(Signal::Traces, None)));
}

/// Guarantee: variables become what the Collector makes of them.
#[test]
fn variables_are_expanded_as_in_the_collector() {
    let variables = [
        ("HOST", "backend"),
        ("PORT", "4317"),
        ("EMPTY", ""),
        ("NUMBER", "0017"),
        ("DOLLAR", "a${HOST}$$b"),
        ("LIST", "[1, two]"),
        ("QUOTED", "\"text\""),
        ("NOT_YAML", "[unclosed"),
    ];
    let cases = [
        ("${env:HOST}:${PORT}", r#""backend:4317""#),
        ("${env:PORT}", "4317"),
        ("'${env:PORT}'", "4317"),
        ("x${env:PORT}", r#""x4317""#),
        ("${env:UNSET}", "null"),
        ("a${env:UNSET}b", r#""ab""#),
        ("${env:EMPTY}", "null"),
        ("${env:EMPTY:-x}", "null"),
        ("${env:UNSET:-x}", r#""x""#),
        ("${env:UNSET:-5}", "5"),
        ("${UNSET:-}", "null"),
        ("${env:UNSET:-${env:HOST}/${env:UNSET:-y}}", r#""backend/y""#),
        ("$${env:HOST}", r#""${env:HOST}""#),
        ("$$$${HOST}", r#""$${HOST}""#),
        ("$$${HOST}", r#""$backend""#),
        ("^a$", r#""^a$""#),
        ("$1", r#""$1""#),
        ("$HOST", r#""$HOST""#),
        ("${env:DOLLAR}", r#""a${HOST}$$b""#),
        ("${env:LIST}", r#"[1,"two"]"#),
        ("${env:QUOTED}", r#""\"text\"""#),
        ("${env:NOT_YAML}", r#""[unclosed""#),
        ("${env:NUMBER}", "15"),
    ];
    for (written, expected) in cases {
        let value = if written.starts_with('\'') { written.to_owned() } else { format!("\"{written}\"") };
        let stage = stage(&format!("{{plugin: 'builtin:filter', config: {{v: {value}}}}}"), &variables);
        assert_eq!(stage.config.expose(), format!("{{\"v\":{expected}}}"), "{written}");
    }
    // Where a text is wanted, the variable's own text is taken.
    let exporter = grpc_exporter("{endpoint: 'a:1', headers: {tenant: '${env:NUMBER}'}}", &variables);
    assert_eq!(exporter.headers[0].1.expose(), "0017");
}

/// Guarantee: what cannot be expanded is an error that says why; what is not set a warning.
#[test]
fn expressions_that_mean_nothing_are_errors() {
    for written in [
        "${env:HOST",
        "${env:}",
        "${}",
        "${env:A B}",
        "${env:1A}",
        "${file:none.yaml}",
        "${http://a/b}",
        "${what:ever}",
    ] {
        let settings = format!("exporters: {{otlp: {{endpoint: \"a:1\", headers: {{x: \"{written}\"}}}}}}");
        let errors = try_load(&[REST, &settings], &[]).expect_err(written);
        assert_eq!(errors.errors.len(), 1, "{errors}");
        assert!(matches!(errors.errors[0].problem, Problem::Expansion { .. }), "{errors}");
        assert_eq!(errors.errors[0].key, "exporters::otlp::headers::x");
    }
    let unset = loaded(&[REST, "exporters: {otlp: {endpoint: 'a:1', headers: {x: '${env:UNSET}'}}}"], &[]);
    assert!(matches!(&unset.warnings[0].problem, Problem::Unset(name) if name == "UNSET"));
}

/// Scenario: a value that is wrong comes out of a variable.
/// Guarantee: the message names the expression, and does not show what the variable holds.
#[test]
fn what_a_variable_holds_is_not_shown() {
    let settings = "exporters: {otlp: {endpoint: 'a:1', timeout: '${env:SECRET}'}}";
    let errors = try_load(&[REST, settings], &[("SECRET", "hunter2")]).unwrap_err();
    let rendered = errors.render();
    assert!(rendered.contains("found a text from `${env:SECRET}`") && !rendered.contains("hunter2"), "{rendered}");
}

/// Guarantee: later files are laid over earlier ones: maps joined, lists and empty values replaced; a mistake is shown in the file
/// that has it.
#[test]
fn later_files_are_laid_over_earlier_ones() {
    let base = "
receivers: {otlp: {protocols: {grpc: {endpoint: 'a:1', max_recv_msg_size_mib: 8}, http: {}}}}
exporters: {debug: {verbosity: detailed}, otlp: {endpoint: 'a:1'}}
service: {pipelines: {logs: {receivers: [otlp], exporters: [debug, otlp]}}}
";
    let over = "
receivers: {otlp: {protocols: {grpc: {endpoint: 'b:2'}, http: {endpoint: 'c:3'}}}}
exporters: {debug: }
service: {pipelines: {logs: {exporters: [debug]}}}
";
    let config: Config = loaded(&[base, over, "", "# nothing"], &[]).config;
    let Some(Receiver::Otlp(otlp)) = config.receivers.get(&id("otlp")) else { panic!("{config:?}") };
    let grpc = otlp.grpc.as_ref().unwrap();
    assert_eq!((grpc.endpoint.to_string().as_str(), grpc.message_bytes_max), ("b:2", 8 << 20));
    assert_eq!(otlp.http.as_ref().unwrap().endpoint.to_string(), "c:3");
    assert_eq!(config.exporters.get(&id("debug")), Some(&Exporter::Debug(Default::default())));
    assert_eq!(config.exporters.len(), 1);

    let errors = try_load(&[base, "receivers: {otlp: {protocols: {grpc: {endpoint: 'b'}}}}"], &[]).unwrap_err();
    assert_eq!(errors.errors[0].file, PathBuf::from("1.yaml"));
}

/// Guarantee: a change shows, and nothing else does, so that a reload rebuilds what it must. No secret is in `Debug`.
#[test]
fn running_shapes_compare_and_hide_secrets() {
    let with = |token: &str| grpc_exporter(&format!("{{endpoint: 'a:1', headers: {{token: {token}}}}}"), &[]);
    assert_eq!(with("hunter2"), with("hunter2"));
    assert_ne!(with("hunter2"), with("hunter3"));
    assert!(!format!("{:?}", with("hunter2")).contains("hunter2"));
    let stage = stage("{plugin: 'builtin:filter', config: {key: hunter2}}", &[]);
    assert!(!format!("{stage:?}").contains("hunter2"));
}

/// Scenario: something is found wrong when the gateway is built.
/// Guarantee: it is shown as other mistakes are, at its key, or at the nearest above it; secrets are not shown.
#[test]
fn what_is_found_later_is_shown_at_its_key() {
    let more = "exporters:\n  otlp: {endpoint: 'a:1', headers: {a: hunter2}}\n";
    let loaded = loaded(&[REST, more], &[]);
    let place = |key: &str| {
        let found = loaded.explain(key, "no such port");
        (found.file.display().to_string(), found.line, found.column)
    };
    assert_eq!(place("exporters::otlp::endpoint"), ("1.yaml".to_owned(), 2, 10));
    assert_eq!(place("receivers::otlp::protocols::grpc::endpoint"), ("0.yaml".to_owned(), 2, 32));
    assert_eq!(place("nowhere"), ("0.yaml".to_owned(), 1, 1));
    let rendered = loaded.explain("exporters::otlp::endpoint", "no such port").render();
    assert!(rendered.contains("error: no such port") && !rendered.contains("hunter2"), "{rendered}");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

/// Guarantee: files that cannot be read are named, all of them.
#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("binary.yaml");
    std::fs::write(&binary, [b'a', 0xff]).unwrap();
    let large = folder.path().join("large.yaml");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
    let paths = [folder.path().join("missing.yaml"), binary, large, folder.path().to_owned()];
    let errors = load(&paths, &|_| None).unwrap_err();
    let files: Vec<_> = errors.errors.iter().map(|error| error.file.clone()).collect();
    assert_eq!(files, paths);
    assert!(matches!(errors.errors[0].problem, Problem::Unreadable(_)));
    assert!(matches!(errors.errors[1].problem, Problem::NotUtf8 { at: 1 }));
    assert!(matches!(errors.errors[2].problem, Problem::FileTooLarge { .. }));
    assert!(matches!(errors.errors[3].problem, Problem::Unreadable(_)));
    assert!(load(&[], &|_| None).is_err());
}

/// Scenario: files that the configuration names, with expressions and files within, alone and in a text; YAML on the spot.
/// Guarantee: they are what they hold, of its type, and are among the files that were read.
#[test]
fn files_and_texts_are_expanded() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("exporter.yaml"),
        "endpoint: ${env:HOST}:4317\nheaders: ${file:HEADERS}\ntimeout: ${yaml:7s}\n",
    )
    .unwrap();
    let exporter = std::fs::read_to_string(path("exporter.yaml")).unwrap();
    std::fs::write(path("exporter.yaml"), exporter.replace("HEADERS", path("headers.yaml").to_str().unwrap())).unwrap();
    let token = path("token");
    std::fs::write(&token, "s3cret$1\r\n").unwrap();
    std::fs::write(path("headers.yaml"), format!("authorization: Bearer ${{file:{}}}", token.display())).unwrap();
    let exporters = format!("exporters: {{otlp: '${{file:{}}}'}}", path("exporter.yaml").display());
    let loaded = loaded(&[REST, &exporters], &[("HOST", "backend")]);
    let Exporter::OtlpGrpc(exporter) = &loaded.config.exporters[&id("otlp")] else { panic!("an exporter") };
    assert_eq!(exporter.endpoint, Endpoint::new("backend", 4317));
    assert_eq!(exporter.timeout, Duration::from_secs(7));
    let headers: Vec<_> = exporter.headers.iter().collect();
    assert_eq!(headers.len(), 1);
    assert!(format!("{headers:?}").contains("authorization") && !format!("{headers:?}").contains("s3cret"));
    let read = ["0.yaml".into(), "1.yaml".into(), path("exporter.yaml"), path("headers.yaml"), token];
    assert_eq!(loaded.files_read, read);
}

/// Guarantee: a file that is itself within ends with an error, and so does one that cannot be read, is a folder, or waits.
#[test]
fn files_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, format!("[\"${{file:{}}}\"]", path.display())).unwrap();
    for (path, why) in [
        (path.display().to_string(), "too many expressions within each other"),
        (folder.path().display().to_string(), "it is a folder"),
        ("/dev/zero".to_owned(), "it is no file"),
        ("none.yaml".to_owned(), "No such file"),
    ] {
        let errors = try_load(&[&format!("receivers: '${{file:{path}}}'")], &[]).unwrap_err();
        assert!(errors.to_string().contains(why), "{path}: {errors}");
    }
}

/// Scenario: `--config` as the Collector has it: a file by its scheme, a variable, keys as paths.
/// Guarantee: they are merged in their order, and only files are watched.
#[test]
fn configurations_come_from_files_variables_and_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, REST).unwrap();
    let variable = |name: &str| (name == "EXPORTERS").then(|| "exporters: {otlp: {endpoint: 'a:1'}}".to_owned());
    let sources = [
        PathBuf::from(format!("file:{}", file.display())),
        "env:EXPORTERS".into(),
        "yaml:exporters::otlp::endpoint: b:2".into(),
        "yaml:exporters::otlp::sending_queue::queue_size: 7".into(),
    ];
    let loaded = load(&sources, &variable).unwrap();
    let Exporter::OtlpGrpc(exporter) = &loaded.config.exporters[&id("otlp")] else { panic!("an exporter") };
    assert_eq!(exporter.endpoint, Endpoint::new("b", 2));
    assert_eq!(exporter.delivery.queue.as_ref().map(|queue| queue.size_max.get()), Some(7));
    assert_eq!(loaded.files_read, [file]);
    let errors = load(&["env:NONE".into()], &variable).unwrap_err();
    assert!(errors.to_string().contains("the environment variable `NONE` is not set"), "{errors}");
}

/// Guarantee: over HTTP a Unix socket takes each signal, the lesser of two limits of idle connections counts, and a server may keep
/// to one family of addresses.
#[test]
fn sockets_networks_and_idle_connections() {
    let exporter = http_exporter("{endpoint: 'unix:///run/a.sock'}");
    assert_eq!(exporter.unix, Some(PathBuf::from("/run/a.sock")));
    let urls = [&exporter.urls.traces, &exporter.urls.metrics, &exporter.urls.logs].map(|url| url.as_ref().unwrap());
    assert_eq!(urls.map(|url| &*url.path), ["/v1/traces", "/v1/metrics", "/v1/logs"]);
    for (keys, expected) in [("", 100), ("max_idle_conns: 7", 7), ("max_idle_conns_per_host: 3", 3)] {
        assert_eq!(http_exporter(&format!("{{endpoint: 'http://a', {keys}}}")).client.idle_connections_max, expected);
    }
    assert_eq!(http_exporter("{endpoint: 'http://a', max_idle_conns_per_host: 0}").client.idle_connections_max, 100);
    for (word, expected) in [("tcp", Network::Tcp), ("tcp4", Network::Tcp4), ("tcp6", Network::Tcp6)] {
        let protocols = format!("{{grpc: {{transport: {word}, read_timeout: 2s}}, http: {{transport: {word}}}}}");
        let over = format!("receivers: {{otlp: {{protocols: {protocols}}}}}\nexporters: {{otlp: {{endpoint: 'a:1'}}}}");
        let config = loaded(&[REST, &over], &[]).config;
        let Some(Receiver::Otlp(otlp)) = config.receivers.get(&id("otlp")) else { panic!("{config:?}") };
        let (grpc, http) = (otlp.grpc.as_ref().unwrap(), otlp.http.as_ref().unwrap());
        assert_eq!((grpc.network, http.network, grpc.read_timeout), (expected, expected, Duration::from_secs(2)));
    }
}
