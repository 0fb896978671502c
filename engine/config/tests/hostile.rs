//! Whatever is in the files: no panic, no unbounded work, no unbounded report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use wasmill_config::{ConfigErrors, DEPTH_MAX, FILE_BYTES_MAX, LISTED_MAX, Loaded, Problem, load_texts};

fn load(text: impl Into<String>) -> Result<Loaded, ConfigErrors> {
    load_texts(vec![(PathBuf::from("hostile.yaml"), text.into())], &|name| Some(format!("[{name}, ${{X}}]")))
}

fn problem(text: impl Into<String>) -> Problem {
    load(text).unwrap_err().errors.remove(0).problem
}

/// Everything that can be asked of a result is asked.
fn look_at(result: Result<Loaded, ConfigErrors>) {
    match result {
        Ok(loaded) => drop(format!("{loaded:?}")),
        Err(errors) => {
            assert!(!errors.errors.is_empty() && errors.errors.len() <= LISTED_MAX);
            drop((errors.render(), errors.to_string()));
        }
    }
}

/// Words of configurations and of YAML, so that generated texts get further than the first character.
fn word() -> impl Strategy<Value = String> {
    const WORDS: [&str; 48] = [
        "receivers",
        "processors",
        "exporters",
        "extensions",
        "connectors",
        "service",
        "pipelines",
        "traces",
        "otlp",
        "debug",
        "wasm/a",
        "protocols",
        "grpc",
        "http",
        "endpoint",
        "localhost:4317",
        "plugin",
        "builtin:x",
        "config",
        "limits",
        "routes",
        "headers",
        "tls",
        "sending_queue",
        "timeout",
        "5s",
        "64MiB",
        "-1",
        "0x1F",
        "true",
        "null",
        "~",
        "<<",
        "*a",
        "&a",
        "!!str",
        "!x",
        "${env:A}",
        "${A:-${B}}",
        "$$",
        "|",
        ">-",
        "- ",
        "? ",
        "---",
        "\"",
        "'",
        "ü",
    ];
    prop_oneof![
        8 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
        4 => proptest::sample::select(&[": ", ":\n", "\n", "\n  ", "\n    ", ", ", "{", "}", "[", "]", "#", "\t", "\r\n"][..])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ]
}

/// A configuration of any shape, with keys that exist more often than not.
fn tree() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..6).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC*|(?s).*") {
        look_at(load(text));
    }

    #[test]
    fn any_words_are_answered(words in proptest::collection::vec(word(), 0..80)) {
        look_at(load(words.concat()));
    }

    #[test]
    fn any_tree_is_answered(tree in tree()) {
        look_at(load(tree.to_string()));
    }

    /// A valid configuration with a piece cut out, put in twice or replaced.
    #[test]
    fn any_slip_is_answered(at in 0.0..1.0, length in 0_usize..20, word in word()) {
        let text = include_str!("forms/gateway.yaml");
        let place = |at: f64| text.floor_char_boundary((at * text.len() as f64) as usize);
        let start = place(at);
        let end = text.floor_char_boundary((start + length).min(text.len())).max(start);
        look_at(load(format!("{}{word}{}", &text[..start], &text[end..])));
        look_at(load(format!("{}{}", &text[..end], &text[start..])));
        look_at(load(&text[..start]));
    }
}

/// Scenario: each level repeats the one below nine times.
/// Guarantee: refused at the limit of values, at once.
#[test]
fn a_billion_laughs_end_at_the_limit() {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(matches!(problem(text), Problem::TooManyNodes { .. }));
    assert!(matches!(problem("a: &a {b: *a}"), Problem::AliasWithinItself));
}

#[test]
fn nesting_ends_at_the_limit() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let nested = |levels: usize| format!("x: {}{}", open.repeat(levels), close.repeat(levels));
        assert!(matches!(problem(nested(DEPTH_MAX + 1)), Problem::TooDeep { .. }));
        assert!(!matches!(problem(nested(DEPTH_MAX - 1)), Problem::TooDeep { .. }));
    }
}

#[test]
fn what_yaml_has_and_a_configuration_has_not_is_refused() {
    let finds = |text: &str, is: fn(&Problem) -> bool| {
        let errors = load(text).unwrap_err();
        assert!(errors.errors.iter().any(|error| is(&error.problem)), "{text:?}: {errors}");
    };
    assert!(matches!(problem("a: 1\n---\nb: 2\n"), Problem::SecondDocument));
    finds("receivers:\nreceivers:\n", |problem| matches!(problem, Problem::DuplicateKey { first_line: 1, .. }));
    finds("receivers: !include a.yaml\n", |problem| matches!(problem, Problem::Tag(_)));
    finds("? [a]\n: 1\n", |problem| matches!(problem, Problem::KeyNotText { .. }));
    finds("<<: 1\n", |problem| matches!(problem, Problem::MergeNotMap { .. }));
    assert!(matches!(problem("a: *b\n"), Problem::Syntax(_)));
    assert!(matches!(problem("- a\n"), Problem::Value { .. }));
    assert!(matches!(problem("a: 'b\n"), Problem::Syntax(_)));
    assert!(matches!(problem(""), Problem::MissingKey { key: "service", .. }));
}

/// Scenario: files of the largest size, made to be slow.
/// Guarantee: an answer within seconds, where a quadratic parser would take hours.
#[test]
fn the_largest_files_are_answered_soon() {
    let size = FILE_BYTES_MAX as usize;
    let fill = |piece: &str| piece.repeat(size / piece.len());
    let texts = [
        fill("["),
        fill("{"),
        fill("- "),
        fill("? "),
        fill("a: "),
        fill("a:\n"),
        fill("a: b\n"),
        fill("x, "),
        format!("[{}", fill("x, ")),
        format!("[{}", fill("[], ")),
        format!("a: \"{}", fill("${A}")),
        format!("a: {}", fill("${")),
        format!("a: \"{}\"", fill("${A:-")),
        fill("\n"),
        fill("\t"),
        fill("#"),
        fill("&a "),
        fill("*a "),
        fill("!a "),
        fill("%a "),
        fill("\""),
        fill("'"),
        fill("|\n"),
        fill("---\n"),
        fill("é"),
        (0..60_000).map(|i| format!("k{i}: 1\n")).collect(),
        format!("receivers: {{{}}}", (0..30_000).map(|i| format!("otlp/{i}: , ")).collect::<String>()),
        format!(
            "exporters: {{otlp: {{headers: {{{}}}}}}}",
            (0..40_000).map(|i| format!("k{i}: v, ")).collect::<String>()
        ),
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nservice: {{pipelines: {{traces: {{receivers: [{}]}}}}}}",
            (0..60_000).map(|i| format!("otlp/{i},")).collect::<String>()
        ),
    ];
    for text in texts {
        let start: String = text.chars().take(40).collect();
        let began = Instant::now();
        look_at(load(text));
        assert!(began.elapsed() < Duration::from_secs(20), "{start}… took {:?}", began.elapsed());
    }
}

/// Scenario: what fuzzing found to be new ways through the code.
/// Guarantee: each is answered, cut short at any tenth of it too.
#[test]
fn the_fuzzers_corpus_is_answered() {
    let mut count = 0;
    for entry in std::fs::read_dir("fuzz/corpus/load").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        count += 1;
        for tenth in 0..=10 {
            look_at(load(&text[..text.floor_char_boundary(text.len() * tenth / 10)]));
        }
    }
    assert!(count >= 20);
}
