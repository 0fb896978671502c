//! The JSON Schema that the binary prints takes what the gateway takes, by a validator and a reader of YAML that are not ours.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wasmill_config::{Problem, load_texts};
use wasmill_tests::{checks, wasmill};
use xtask::places;

/// A text in YAML; `partial`: it is a part of a configuration, and the rest does not matter.
struct Configuration {
    name: String,
    yaml: String,
    partial: bool,
}

/// What the binary prints.
fn schema() -> Result<Value> {
    let output = wasmill()?.args(["components", "--output", "json-schema"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What an editor would underline in each: paths to it, and what the validator says.
fn mistakes(configurations: &[Configuration]) -> Result<Vec<Vec<(String, String)>>> {
    let texts: Vec<Value> = configurations
        .iter()
        .map(|configuration| {
            json!({"name": configuration.name, "yaml": configuration.yaml, "partial": configuration.partial})
        })
        .collect();
    let mut child = checks("tests/peers/schema.py")?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let asked = json!({"schema": schema()?, "configurations": texts}).to_string();
    child.stdin.take().context("standard input is piped")?.write_all(asked.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the validator refuses the schema itself");
    let mistakes: Vec<Vec<(String, String)>> = serde_json::from_slice(&output.stdout)?;
    ensure!(mistakes.len() == configurations.len());
    Ok(mistakes)
}

/// Files below a folder, build outputs and hidden folders left out.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|of_path| of_path == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// The contents of the fenced blocks of a page that are YAML, without the indentation of the block.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("```yaml").filter(|indent| indent.trim().is_empty()) else { continue };
        let block = lines.by_ref().take_while(|line| line.trim() != "```");
        blocks.push(block.map(|line| format!("{}\n", line.get(indent.len()..).unwrap_or_default())).collect());
    }
    blocks
}

fn is_part(yaml: &str) -> bool {
    const SECTIONS: [&str; 6] = ["receivers:", "processors:", "exporters:", "connectors:", "extensions:", "service:"];
    yaml.lines().any(|line| SECTIONS.iter().any(|section| line.starts_with(section)))
}

/// Scenario: every configuration in the repository: the examples, those that the documents show, those of the tests.
/// Guarantee: the schema takes all of them, so that an editor shows no mistake where there is none.
#[test]
fn every_configuration_fits_the_schema() -> Result<()> {
    let top = places::checkout();
    let mut configurations = Vec::new();
    for folder in ["examples", "engine/config/tests/forms"] {
        for path in files(&top.join(folder), "yaml")? {
            let name = path.display().to_string();
            let yaml = std::fs::read_to_string(&path)?;
            // A Collector's own configuration, where an example has one beside, and test cases of plugins are none of ours. What else has
            // no service is a part that is laid over another file.
            let is_case = path.file_name().is_some_and(|file| file == "case.yaml");
            if !name.contains("/collector") && !is_case {
                let partial = !(yaml.contains("\nservice:") && yaml.contains("receivers:"));
                configurations.push(Configuration { name, yaml, partial });
            }
        }
    }
    ensure!(configurations.len() >= 5, "only {} files were found", configurations.len());
    let mut pages = files(&top.join("docs"), "md")?;
    pages.push(top.join("README.md"));
    pages.extend(files(&top.join("plugins"), "md")?);
    for page in pages {
        for yaml in blocks(&std::fs::read_to_string(&page)?).into_iter().filter(|yaml| is_part(yaml)) {
            configurations.push(Configuration { name: page.display().to_string(), yaml, partial: true });
        }
    }
    ensure!(configurations.len() >= 20, "only {} configurations were found", configurations.len());
    for (configuration, mistakes) in configurations.iter().zip(mistakes(&configurations)?) {
        ensure!(mistakes.is_empty(), "{}:\n{}\n{mistakes:?}", configuration.name, configuration.yaml);
    }
    Ok(())
}

const BASE: &str = "
receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {debug: {}, otlp_grpc: {endpoint: 'b:4317', sending_queue: {storage: file_storage}}}
extensions: {file_storage: {directory: /tmp, create_directory: true}}
processors: {wasm/a: {plugin: 'builtin:filter'}, batch: {}}
service: {extensions: [file_storage], pipelines: {traces: {receivers: [otlp], processors: [wasm/a, batch], exporters: [debug, otlp_grpc]}}}
";

/// The base with another value at a path.
fn changed(path: &str, value: &Value) -> Result<String> {
    let mut config: Value = serde_json::from_str(&BASE_JSON.replace('\n', ""))?;
    *config.pointer_mut(path).with_context(|| format!("{path} is in the base"))? = value.clone();
    // JSON is YAML.
    Ok(config.to_string())
}

/// [`BASE`] as JSON.
const BASE_JSON: &str = r#"{"receivers": {"otlp": {"protocols": {"grpc": {}}}},
"exporters": {"debug": {}, "otlp_grpc": {"endpoint": "b:4317", "sending_queue": {"storage": "file_storage"}}},
"extensions": {"file_storage": {"directory": "/tmp", "create_directory": true}},
"processors": {"wasm/a": {"plugin": "builtin:filter"}, "batch": {}},
"service": {"extensions": ["file_storage"], "pipelines": {"traces":
{"receivers": ["otlp"], "processors": ["wasm/a", "batch"], "exporters": ["debug", "otlp_grpc"]}}}}"#;

fn load(yaml: &str) -> Result<(), Vec<Problem>> {
    let loaded = load_texts(vec![("test.yaml".into(), yaml.to_owned())], &|_| None);
    loaded.map(drop).map_err(|errors| errors.errors.into_iter().map(|error| error.problem).collect())
}

/// Scenario: a right configuration is changed in one place.
/// Guarantee: the schema says no, at that place, and so does the gateway.
#[test]
fn mistakes_do_not_fit_the_schema() -> Result<()> {
    let one_pipeline = json!({"traces": {"exporters": ["debug"]}});
    let cases = [
        ("/receivers/otlp", json!({"protocol": {}})),
        ("/receivers/otlp/protocols/grpc", json!({"endpoint": "nowhere"})),
        ("/receivers/otlp/protocols/grpc", json!({"max_recv_msg_size_mib": "many"})),
        ("/receivers", json!({"otlpp": null})),
        ("/exporters/debug", json!({"verbosity": "loud"})),
        ("/exporters/otlp_grpc", json!({})),
        ("/exporters/otlp_grpc/sending_queue", json!({"enabled": "maybe"})),
        ("/exporters/otlp_grpc/sending_queue", json!({"queue_size": -1})),
        ("/exporters/otlp_grpc/sending_queue", json!([])),
        ("/processors/batch", json!({"timeout": 5})),
        ("/processors/batch", json!({"timeout": "5 parsecs"})),
        ("/processors/wasm~1a", json!({"plugin": "builtin:filter", "limits": {"memory": "64M"}})),
        ("/processors/wasm~1a", json!({"plugin": "builtin:filter", "routes": {"a": {"b": "c"}}})),
        ("/processors/wasm~1a", json!({"plugin": "builtin:filter", "on_fault": "ignore"})),
        ("/processors/wasm~1a", json!({"limits": {}})),
        ("/service", json!({"telemetry": {"logs": {"level": "chatty"}}, "pipelines": one_pipeline})),
        ("/service/pipelines", json!({"profiles": {"exporters": ["debug"]}})),
        ("/service/pipelines/traces", json!({"receivers": ["otlp"]})),
        ("/service", json!({})),
        ("", json!({"receivers": {}})),
    ];
    let mut configurations = vec![Configuration { name: "base".to_owned(), yaml: BASE.to_owned(), partial: false }];
    for (path, value) in &cases {
        let yaml = changed(path, value)?;
        let problems = load(&yaml).err().unwrap_or_default();
        ensure!(
            problems.iter().any(|problem| !matches!(problem, Problem::NoSuchFile { .. })),
            "the gateway takes {path} = {value}"
        );
        configurations.push(Configuration { name: format!("{path} = {value}"), yaml, partial: false });
    }
    let found = mistakes(&configurations)?;
    ensure!(found[0].is_empty(), "{:?}", found[0]);
    for ((path, value), mistakes) in cases.iter().zip(&found[1..]) {
        let path = path.replace("~1", "/");
        ensure!(mistakes.iter().any(|(at, _)| at.starts_with(&path)), "{path} = {value}: {mistakes:?}");
    }
    Ok(())
}

/// Scenario: what is written in other ways than the usual: expressions, empty values, lists as text, words in capitals.
/// Guarantee: the schema takes it, as the gateway does.
#[test]
fn other_ways_to_write_it_fit_the_schema() -> Result<()> {
    let cases = [
        ("/receivers/otlp/protocols/grpc", json!(null)),
        ("/receivers/otlp/protocols/grpc", json!({"endpoint": "${env:X:-localhost:4317}", "include_metadata": null})),
        ("/exporters/otlp_grpc/sending_queue", json!({"queue_size": "${env:X:-5}", "enabled": "${env:X:-true}"})),
        ("/exporters/debug", json!({"verbosity": "DETAILED"})),
        ("/exporters", json!({"debug": null, "otlp_grpc": {"endpoint": "b:4317", "headers": {"x": 7, "y": "z"}}})),
        ("/processors/batch", json!({"timeout": 0, "send_batch_size": 10})),
        ("/processors/batch", json!({"timeout": "${env:X:-1m30s}"})),
        ("/service/extensions", json!("file_storage")),
        ("/service/pipelines/traces/exporters", json!("debug, otlp_grpc")),
        ("/extensions", json!({"file_storage": {"directory": "/tmp"}, "zpages": {"endpoint": "localhost:55679"}})),
    ];
    let mut configurations = Vec::new();
    for (path, value) in &cases {
        let (name, yaml) = (format!("{path} = {value}"), changed(path, value)?);
        ensure!(load(&yaml).is_ok(), "the gateway does not take {name}: {:?}", load(&yaml));
        configurations.push(Configuration { name, yaml, partial: false });
    }
    for (configuration, mistakes) in configurations.iter().zip(mistakes(&configurations)?) {
        ensure!(mistakes.is_empty(), "{}: {mistakes:?}", configuration.name);
    }
    Ok(())
}
