//! Test cases, run in the gateway's own host on plugins that the binary carries and on hostile ones.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wasmill_authoring::bench::{BenchError, BenchSpec, bench};
use wasmill_authoring::case::{CaseError, Mode, Outcome, find, run};
use wasmill_authoring::report;
use wasmill_host::{Compile, Host, HostConfig, Plugin};

const SPANS: &str = r#"{"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "s"}, "spans": [
    {"name": "a", "attributes": [{"key": "http.route", "value": {"stringValue": "/healthz"}}]},
    {"name": "b", "attributes": [{"key": "http.route", "value": {"stringValue": "/cart"}}, {"key": "n", "value": {"intValue": "7"}}]},
    {"name": "c", "attributes": [{"key": "poison", "value": {"stringValue": "yes"}}]}
]}]}]}"#;

fn config() -> HostConfig {
    HostConfig { compile: Compile::InProcess, ..HostConfig::default() }
}

async fn plugin(host: &Host, bytes: &[u8]) -> Arc<Plugin> {
    host.load("plugin", bytes).await.expect("a plugin")
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("a file");
    }
}

async fn outcomes(builtin: &str, files: &[(&str, &str)], mode: Mode) -> Vec<Outcome> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), files);
    let host = Host::new(config()).expect("a host");
    let plugin = plugin(&host, wasmill_builtin::get(builtin).expect("a plugin")).await;
    let mut outcomes = Vec::new();
    for case in find(folder.path()).expect("cases") {
        outcomes.push(run(&host, &plugin, &case, mode).await);
    }
    outcomes
}

fn summaries(outcome: &Outcome) -> Vec<&str> {
    outcome.failures.iter().map(|failure| failure.summary.as_str()).collect()
}

/// Every kind of expectation, met: as a folder, and in one file.
#[tokio::test]
async fn what_is_expected_passes() {
    let case = r#"
config: {drop: ['attributes["http.route"] == "/healthz"']}
expect:
  rows: 2
  routes: {unchanged: 2}
  attributes:
    - {row: 0, has: {n: 7, http.route: /cart}, lacks: [poison]}
    - {row: 1, has: {poison: "yes"}}
"#;
    let alone = format!("input: spans/input.json\n{case}");
    let refused = "config: {drop: ['nonsense(']}\nexpect: {error: '`drop`'}\n";
    let outcomes = outcomes(
        "filter",
        &[
            ("spans/input.json", SPANS),
            ("spans/case.yaml", case),
            ("alone.yaml", &alone),
            ("refused/case.yaml", refused),
            ("refused/input.json", SPANS),
            ("notes.txt", "no case"),
            ("unit/test_plugin.py", "no case"),
        ],
        Mode::Check,
    )
    .await;
    let names: Vec<&str> = outcomes.iter().map(|outcome| outcome.name.as_str()).collect();
    assert_eq!(names, ["alone", "refused", "spans"]);
    for outcome in &outcomes {
        assert!(outcome.failures.is_empty(), "{}: {:?}", outcome.name, outcome.failures);
    }
}

/// Every kind of expectation, missed, with what was found.
#[tokio::test]
async fn what_is_missed_says_what_was_found() {
    let case = r#"
config: {drop: ['attributes["http.route"] == "/healthz"']}
expect:
  rows: 3
  routes: {eu: 2}
  counters: {dropped: 1}
  attributes:
    - {row: 0, has: {n: "7", other: 1}, lacks: [http.route]}
    - {row: 2, has: {poison: "yes"}}
"#;
    let outcomes = outcomes("filter", &[("spans/input.json", SPANS), ("spans/case.yaml", case)], Mode::Check).await;
    assert_eq!(
        summaries(&outcomes[0]),
        [
            "rows that are kept: expected 3, found 2",
            r#"rows by route: expected {"eu": 2}, found {"unchanged": 2}"#,
            "the counter `dropped`: expected 1.0, found 0.0",
            "attribute `n` of row 0: expected \"7\", found 7",
            "attribute `other` of row 0: expected 1, found none",
            "attribute `http.route` of row 0: expected none, found \"/cart\"",
            "there is no row 2: 2 are kept",
        ]
    );
}

/// An output is written where it is asked for, passes then however it is written down, and its difference is shown when it changes.
#[tokio::test]
async fn an_output_is_written_compared_and_its_difference_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = |drop: &str| format!("config: {{drop: ['attributes[\"http.route\"] == \"{drop}\"']}}\n");
    write(folder.path(), &[("spans/input.json", SPANS), ("spans/case.yaml", &config("/healthz"))]);
    let host = Host::new(self::config()).expect("a host");
    let plugin = plugin(&host, wasmill_builtin::get("filter").expect("a plugin")).await;
    let once = async |mode| {
        let cases = find(folder.path()).expect("cases");
        run(&host, &plugin, &cases[0], mode).await
    };

    let nothing_said = once(Mode::Check).await;
    assert!(summaries(&nothing_said)[0].contains("expects nothing"), "{nothing_said:?}");
    assert!(once(Mode::Update).await.updated);
    let expected = folder.path().join("spans/expected.json");
    let written = fs::read_to_string(&expected).expect("what was written");
    assert!(written.contains("\"b\"") && !written.contains("/healthz"), "{written}");
    assert!(once(Mode::Check).await.failures.is_empty());

    // The same, otherwise written.
    let other = written.replace("\"intValue\": \"7\"", "\"intValue\": 7").replace("resourceSpans", "resource_spans");
    assert_ne!(other, written);
    fs::write(&expected, other).expect("a file");
    let same = once(Mode::Check).await;
    assert!(same.failures.is_empty(), "{:?}", same.failures);
    fs::write(&expected, &written).expect("a file");
    assert!(!once(Mode::Update).await.updated, "what is right is left alone");

    write(folder.path(), &[("spans/case.yaml", &config("/cart"))]);
    let outcome = once(Mode::Check).await;
    let [failure] = outcome.failures.as_slice() else { panic!("{outcome:?}") };
    let lines: Vec<&str> = failure.detail.lines().map(str::trim_end).collect();
    assert!(lines.iter().any(|line| line.starts_with('-') && line.ends_with(r#""name": "b","#)), "{}", failure.detail);
    assert!(lines.iter().any(|line| line.starts_with('+') && line.ends_with(r#""name": "a","#)), "{}", failure.detail);

    let outcomes = [outcome];
    let text = report::text(&outcomes, false);
    assert!(text.starts_with("FAIL spans\n") && text.ends_with("0 passed, 1 failed\n"), "{text}");
    let xml = String::from_utf8(report::junit("drop & more", &outcomes).expect("a report")).expect("text");
    for part in [
        "<testsuite name=\"drop &amp; more\" tests=\"1\" failures=\"1\"",
        "<testcase ",
        "<failure message=\"the rows differ",
    ] {
        assert!(xml.contains(part), "no `{part}` in {xml}");
    }
    assert!(!once(Mode::Check).await.updated, "nothing is written unless it is asked for");
}

/// A plugin traps on one of three rows: the failure has the trap, and the row.
#[tokio::test]
async fn the_row_that_makes_it_trap_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &[("spans/input.json", SPANS), ("spans/case.yaml", "config: {do: trap-on-poison}\n")]);
    let host = Host::new(config()).expect("a host");
    let plugin = plugin(&host, wasmill_fixtures::hostile()).await;
    let cases = find(folder.path()).expect("cases");
    let outcome = run(&host, &plugin, &cases[0], Mode::Check).await;
    let [failure] = outcome.failures.as_slice() else { panic!("{outcome:?}") };
    assert!(failure.summary.starts_with("trapped: "), "{}", failure.summary);
    assert!(failure.summary.ends_with("(row 2 of `input.json` alone makes it)"), "{}", failure.summary);
    assert!(failure.detail.contains("wasm backtrace"), "{}", failure.detail);
}

/// Several inputs come to one stage, one after another: what is kept goes on, each has rows expected of it, and what is counted is of all.
#[tokio::test]
async fn inputs_come_one_after_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let two = "{\"resourceSpans\": [{\"scopeSpans\": [{\"spans\": [{\"name\": \"d\"}, {\"name\": \"e\"}]}]}]}";
    let case = "config: {do: sum, key: n}\nexpect:\n  rows: 8\n  routes: {unchanged: 8}\n  attributes:\n    \
                - {row: 0, has: {sum: '3'}}\n    - {row: 4, has: {sum: '5'}}\n    - {row: 7, has: {sum: '8'}}\n";
    let files = [("a/input.1.json", SPANS), ("a/input.2.json", two), ("a/input.3.json", SPANS), ("a/case.yaml", case)];
    write(folder.path(), &files);
    write(folder.path(), &[("b.yaml", &format!("inputs: [a/input.1.json, a/input.2.json, a/input.1.json]\n{case}"))]);
    let host = Host::new(config()).expect("a host");
    let plugin = plugin(&host, wasmill_fixtures::hostile()).await;
    let run = async |mode| {
        let mut outcomes = Vec::new();
        for case in find(folder.path()).expect("cases") {
            outcomes.push(run(&host, &plugin, &case, mode).await);
        }
        outcomes
    };
    let passes = |outcomes: &[Outcome]| outcomes.iter().all(|outcome| outcome.failures.is_empty());
    let outcomes = run(Mode::Check).await;
    assert!(outcomes.len() == 2 && passes(&outcomes), "{outcomes:?}");

    let outcomes = run(Mode::Update).await;
    assert!(outcomes.iter().all(|outcome| outcome.updated) && passes(&outcomes), "{outcomes:?}");
    let expected = |name: &str| fs::read_to_string(folder.path().join(name)).expect("what was written");
    assert!(expected("a/expected.2.json").contains("\"e\"") && !expected("a/expected.3.json").contains("\"e\""));
    assert_eq!(expected("a/expected.2.json"), expected("b.expected.2.json"));
    assert!(passes(&run(Mode::Check).await));
    write(folder.path(), &[("a/expected.2.json", &expected("a/expected.1.json"))]);
    let outcomes = run(Mode::Check).await;
    assert_eq!(summaries(&outcomes[0]), ["the rows differ from `expected.2.json` (- expected, + found)"]);
    assert!(outcomes[1].failures.is_empty(), "{outcomes:?}");
}

/// A refusal says which input's row makes it; numbers that are missing, and inputs that are named twice over, are mistakes.
#[tokio::test]
async fn a_mistake_in_one_of_several_inputs_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let fine = SPANS.replace("poison", "fine");
    let case = "config: {do: trap-on-poison}\n";
    write(folder.path(), &[("a/input.1.json", &fine), ("a/input.2.json", SPANS), ("a/case.yaml", case)]);
    let host = Host::new(config()).expect("a host");
    let plugin = plugin(&host, wasmill_fixtures::hostile()).await;
    let outcome = run(&host, &plugin, &find(folder.path()).expect("cases")[0], Mode::Check).await;
    assert!(summaries(&outcome)[0].ends_with("(row 2 of `input.2.json` alone makes it)"), "{outcome:?}");

    let mistake = |files: &[(&str, &str)]| {
        write(folder.path(), files);
        find(folder.path()).expect_err("a mistake").to_string()
    };
    let error = mistake(&[("a/input.4.json", SPANS)]);
    assert!(error.contains("a/input.4.json`: expected `input.3.json`, or `.binpb`"), "{error}");
    fs::rename(folder.path().join("a/input.4.json"), folder.path().join("a/input.2.binpb")).expect("a file");
    let error = mistake(&[]);
    assert!(error.contains("expected `input.3.json`"), "a number that is there twice: {error}");
    let error = mistake(&[("a/case.yaml", "input: input.1.json\ninputs: [input.2.json]\n")]);
    assert!(
        error.contains("a/case.yaml:2:") && error.contains("`input` is there too: expected one of the two"),
        "{error}"
    );
    fs::remove_dir_all(folder.path().join("a")).expect("a folder");
    for number in 1..=1_001 {
        write(folder.path(), &[(&format!("many/input.{number}.json"), "")]);
    }
    let error = mistake(&[]);
    assert!(error.contains("has 1001 inputs: expected 1000, at most"), "{error}");
}

/// What is wrong with a case, an input or an expected output is said with its place.
#[tokio::test]
async fn what_is_malformed_has_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |files: &[(&str, &str)]| {
        let _ = fs::remove_dir_all(folder.path().join("a"));
        write(folder.path(), files);
        find(folder.path()).expect_err("a mistake")
    };
    assert!(matches!(find(folder.path()), Err(CaseError::None { .. })));
    let error = refused(&[("a/input.json", SPANS), ("a/case.yaml", "config: {}\nexpect:\n  row: 3\n  rows: many\n")]);
    let text = error.to_string();
    for part in
        ["a/case.yaml:3:3", "unknown key `row`", "did you mean `rows`?", "a/case.yaml:4:9", "expected a whole number"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let error = refused(&[("a/case.yaml", "config: {}\n")]);
    assert!(matches!(error, CaseError::NoInput { .. }), "{error}");
    let alone = folder.path().join("alone.yaml");
    fs::write(&alone, "config: {}\n").expect("a file");
    let error = refused(&[("a/input.json", SPANS)]);
    assert!(error.to_string().ends_with("expected a file that `input:` names"), "{error}");
    fs::remove_file(alone).expect("a file");

    let keep = "expect: {rows: 1}\n";
    let broken = "{\"resourceSpans\": [\n  {\"scopeSpans\": 7}]}";
    for (input, files) in [
        ("line 2, column 18: ", vec![("a/input.json", broken), ("a/case.yaml", keep)]),
        ("is no OTLP/JSON request", vec![("a/input.json", "{}"), ("a/case.yaml", keep)]),
        ("cannot be read", vec![("a/case.yaml", "input: none.json\n")]),
        ("`signal:` must say", vec![("a/input.binpb", "x"), ("a/case.yaml", keep)]),
        (
            "does not take metrics",
            vec![("a/input.json", r#"{"resourceMetrics": []}"#), ("a/case.yaml", "config: {drop: [kind == 1]}\n")],
        ),
        (
            "expected.json",
            vec![
                ("a/input.json", SPANS),
                ("a/expected.json", "nonsense"),
                ("a/case.yaml", "config: {drop: [kind == 7]}\n"),
            ],
        ),
    ] {
        let outcomes = outcomes("filter", &files, Mode::Check).await;
        let [failure] = outcomes[0].failures.as_slice() else { panic!("{outcomes:?}") };
        assert!(failure.summary.contains(input), "no `{input}` in {}", failure.summary);
    }
}

/// Costs are measured for each number of rows, and an input without rows is no input.
#[tokio::test(flavor = "multi_thread")]
async fn costs_are_measured() {
    let request = wasmill_wire::from_json(
        wasmill_wire::JsonDocument::Request(wasmill_wire::Signal::Traces),
        SPANS.as_bytes(),
        1 << 20,
    )
    .expect("a request");
    let mut spec = BenchSpec {
        bytes: wasmill_builtin::get("filter").expect("a plugin"),
        config: serde_json::json!({"drop": ["attributes[\"http.route\"] == \"/healthz\""]}),
        tables: Vec::new(),
        signal: wasmill_wire::Signal::Traces,
        request: request.into(),
        group_by: "trace_id",
        rows: vec![1, 100],
    };
    let report = bench(config(), &spec).await.expect("figures");
    let rows: Vec<usize> = report.rows.iter().map(|measured| measured.rows).collect();
    assert_eq!(rows, [1, 100]);
    for measured in &report.rows {
        let costs = [measured.gateway_ns, measured.native_ns, measured.noop.call_ns, measured.plugin.call_ns];
        assert!(costs.iter().all(|ns| *ns > 0.0), "{measured:?}");
        assert!(measured.plugin.total_ns >= measured.plugin.call_ns, "{measured:?}");
    }
    assert!(report.memory_bytes > 0 && report.text("filter").contains("at 100 rows: "));
    spec.request = bytes::Bytes::new();
    assert!(matches!(bench(config(), &spec).await, Err(BenchError::Empty)));
    spec.request = bytes::Bytes::from_static(&[0xff; 7]);
    assert!(matches!(bench(config(), &spec).await, Err(BenchError::Input(_))));
}

/// A case does not tick for ever.
#[test]
fn ticks_of_a_case_are_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &[("a/input.json", SPANS), ("a/case.yaml", "ticks: 1001\n")]);
    let error = find(folder.path()).map(drop).expect_err("too many").to_string();
    assert!(error.contains("expected a whole number, 0 to 1000"), "{error}");
}

/// New records, of the rows, of two ticks and of the end: written where it is asked for, without the times of the run, and compared. A plugin
/// that makes none any more, or others, fails.
#[tokio::test]
async fn new_records_are_written_and_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let case = |what: &str| format!("config: {{do: emit, what: {what}}}\nticks: 2\n");
    write(folder.path(), &[("spans/input.json", SPANS), ("spans/case.yaml", &case("ticks"))]);
    let host = Host::new(config()).expect("a host");
    let plugin = plugin(&host, wasmill_fixtures::hostile()).await;
    let run = async |mode| {
        let cases = find(folder.path()).expect("cases");
        run(&host, &plugin, &cases[0], mode).await
    };
    let file = folder.path().join("spans/emitted.logs.json");
    let written = run(Mode::Update).await;
    assert!(written.updated && written.failures.is_empty(), "{written:?}");
    let text = fs::read_to_string(&file).expect("a file");
    assert_eq!(text.matches("\"stringValue\": \"new\"").count(), 3, "two ticks and the end: {text}");
    assert!(!text.contains("UnixNano"), "{text}");
    let again = run(Mode::Check).await;
    assert_eq!(summaries(&again), [""; 0]);

    write(folder.path(), &[("spans/case.yaml", &case("log"))]);
    assert_eq!(
        summaries(&run(Mode::Check).await),
        ["the new records differ from `emitted.logs.json` (- expected, + found)"]
    );
    write(folder.path(), &[("spans/case.yaml", &case("count"))]);
    assert_eq!(summaries(&run(Mode::Check).await), ["no logs were emitted; `emitted.logs.json` expects some"]);
    assert!(
        run(Mode::Update).await.updated && !file.exists() && folder.path().join("spans/emitted.metrics.json").exists()
    );
    write(folder.path(), &[("spans/case.yaml", "config: {do: tick, how: trap}\nticks: 1\n")]);
    let failed = run(Mode::Check).await;
    assert!(summaries(&failed)[0].contains("trapped"), "{failed:?}");
}

/// The example's own cases, which look up in its table; and a case whose table cannot be loaded, which fails with the reason.
#[tokio::test]
async fn a_case_has_lookup_tables() {
    let host = Host::new(config()).expect("a host");
    let plugin = plugin(&host, wasmill_fixtures::enrich_from_table()).await;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/enrich-from-table/plugin/tests");
    let cases = find(&example).expect("cases");
    assert_eq!(cases.len(), 2);
    for case in &cases {
        let outcome = run(&host, &plugin, case, Mode::Check).await;
        assert!(outcome.failures.is_empty(), "{}: {:?}", outcome.name, summaries(&outcome));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let case = "tables: {services: {file: services.csv, key: service}}\n\
                config: {table: services, key: name, signals: [traces], set: {team: 'attributes[\"team\"]'}}\n";
    write(folder.path(), &[("a/case.yaml", case), ("a/input.json", SPANS), ("a/services.csv", "service,team\na\n")]);
    let outcome = run(&host, &plugin, &find(folder.path()).expect("cases")[0], Mode::Check).await;
    assert!(summaries(&outcome)[0].contains("services.csv`, line 2: 1 cell: expected 2"), "{:?}", summaries(&outcome));
}
