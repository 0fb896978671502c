//! The `file` exporter in folders, read as its users read it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use wasmill_tests::{Folder, Gateway, PATIENCE, checks, free_port, length_prefixed, output, post, wait_until};
use wasmill_wire::Signal;
use xtask::places;
use xtask::process::Running;

use crate::archived;
use crate::exporter::{configuration, limit_files, log};
use crate::requests::json::meaning;
use crate::requests::model::decode;
use crate::requests::{Choices, corpus, plain};

/// Rows as a reader of files finds them: `duckdb`, `pyarrow` or `ipc`.
pub fn read(reader: &str, folder: &Path, signal: Signal) -> Result<Vec<Map<String, Value>>> {
    let mut command = checks("tests/peers/archive.py")?;
    let printed = output(command.args([reader, &folder.display().to_string(), &signal.to_string()]))?;
    Ok(printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Log bodies as DuckDB finds them, sorted.
fn bodies(folder: &Path) -> Result<Vec<String>> {
    let rows = read("duckdb", folder, Signal::Logs)?;
    let mut bodies: Vec<String> =
        rows.iter().map(|row| row.get("body").and_then(Value::as_str).unwrap_or_default().to_owned()).collect();
    bodies.sort();
    Ok(bodies)
}

/// Files below a folder that have this extension, its hidden folder included.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|one| one == extension) {
            found.push(path);
        }
    }
    found
}

fn archive(folder: &Path, more: &str) -> String {
    let path = folder.display();
    format!("  file: {{path: \"{path}/{{signal}}/date={{day}}\", format: parquet, create_directory: true{more}}}")
}

/// A row as one text, whatever the order of its columns.
fn canonical(row: Map<String, Value>) -> Result<String> {
    let row: BTreeMap<String, Value> = row.into_iter().filter(|(_, value)| !value.is_null()).collect();
    Ok(serde_json::to_string(&row)?)
}

/// Scenario: generated requests of all signals, with keys twice, times of any size and every kind of value, to Parquet and to Arrow.
/// Guarantee: DuckDB and pyarrow open the files, and find the rows that prost finds in what the pipelines deliver: every column, every
/// nested value.
#[test]
fn duckdb_and_pyarrow_read_every_value() -> Result<()> {
    let folder = Folder::new()?;
    let http = free_port()?;
    let (parquet, arrow) = (folder.path("parquet"), folder.path("arrow"));
    let delivered = |signal: Signal| folder.path(&format!("{signal}.proto"));
    let mut exporters = format!(
        "{}\n  file/arrow: {{path: \"{}\", format: arrow_ipc, compression: zstd, create_directory: true}}\n",
        archive(&parquet, ", row_group_rows: 1024"),
        arrow.display()
    );
    let mut pipelines = String::new();
    for signal in Signal::ALL {
        let path = delivered(signal);
        exporters.push_str(&format!("  file/{signal}: {{path: \"{}\", format: proto}}\n", path.display()));
        let names = format!("[file, file/arrow, file/{signal}]");
        pipelines.push_str(&format!("    {signal}: {{receivers: [otlp], exporters: {names}}}\n"));
    }
    let head = configuration(http, &exporters, "file");
    let (head, _) = head.split_once("    traces:").context("the pipelines of the configuration")?;
    let gateway = Gateway::start(&folder, &format!("{head}{pipelines}"))?;
    for seed in 0..150 {
        for signal in Signal::ALL {
            // Some have spans that are refused for their ids.
            let body = plain(signal, &mut Choices::new(&corpus(seed)));
            post(http, &format!("/v1/{signal}"), "application/x-protobuf", &body)?;
        }
    }
    gateway.stop()?;
    for signal in Signal::ALL {
        let mut expected = Vec::new();
        for request in length_prefixed(&fs::read(delivered(signal))?)? {
            let rows = archived::rows(&decode(signal, &request)?);
            expected.extend(rows.into_iter().map(canonical).collect::<Result<Vec<_>>>()?);
        }
        expected.sort();
        ensure!(expected.len() > 100, "{} rows of {signal}", expected.len());
        for (reader, folder) in [("duckdb", &parquet), ("pyarrow", &parquet), ("ipc", &arrow)] {
            let found = read(reader, folder, signal)?;
            let mut found = found.into_iter().map(canonical).collect::<Result<Vec<_>>>()?;
            found.sort();
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{signal}: {reader}");
            }
            assert_eq!(found.len(), expected.len(), "{signal}: {reader}");
        }
    }
    Ok(())
}

/// Scenario: log records with keys of every kind that somebody could mean harm by, a value of a megabyte, one of deep lists, a request
/// without records.
/// Guarantee: DuckDB looks each up by its key, and finds it as it was sent.
#[test]
fn hostile_attributes_are_values_like_others() -> Result<()> {
    let folder = Folder::new()?;
    let http = free_port()?;
    let root = folder.path("root");
    let gateway = Gateway::start(&folder, &configuration(http, &archive(&root, ""), "file"))?;
    let keys = ["", " ", "\0", "a\0b", "'; drop table logs; --", "\"]", "key_value", "..", "\u{202e}", "é\n\t"];
    let attribute = |key: &str| json!({"key": key, "value": {"stringValue": format!("value of {key}")}});
    let mut attributes: Vec<Value> = keys.iter().map(|key| attribute(key)).collect();
    let long = "x".repeat(1 << 20);
    attributes.push(json!({"key": long, "value": {"stringValue": long}}));
    let deep = (0..40).fold(json!({"intValue": "1"}), |inner, _| json!({"arrayValue": {"values": [inner]}}));
    attributes.push(json!({"key": "deep", "value": deep}));
    attributes.push(json!({"key": "deep", "value": {"stringValue": "again"}}));
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": attributes}]}]}]});
    for body in [request.to_string(), "{}".to_owned(), "{\"resourceLogs\":[{\"scopeLogs\":[{}]}]}".to_owned()] {
        let (status, answer) = post(http, "/v1/logs", "application/json", body.as_bytes())?;
        ensure!(status == 200, "{status}: {answer}");
    }
    gateway.stop()?;
    for reader in ["duckdb", "pyarrow"] {
        let rows = read(reader, &root, Signal::Logs)?;
        ensure!(rows.len() == 1, "{reader}: {} rows", rows.len());
        let mut found = rows[0]["attributes"].as_array().context("a list of pairs")?.clone();
        let deep = found.pop().context("the last attribute")?;
        assert_eq!(deep, json!(["deep", format!("{}1{}", "[".repeat(40), "]".repeat(40))]));
        assert_eq!(found.pop(), Some(json!([long, long])));
        let expected: Vec<Value> = keys.iter().map(|key| json!([key, format!("value of {key}")])).collect();
        assert_eq!(found, expected, "{reader}");
    }
    Ok(())
}

/// Scenario: under load the gateway is killed (SIGKILL) at several moments and started again, with files that are made every second.
/// Guarantee: every record that was answered for is in exactly one file, and every file that a reader sees at any moment is whole.
#[test]
fn killed_while_writing_nothing_answered_is_lost() -> Result<()> {
    const ROUNDS: usize = 8;
    let folder = Folder::new()?;
    let http = free_port()?;
    let root = folder.path("root");
    let text = configuration(http, &archive(&root, ", rotation: {interval: 1s}"), "file");
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        let gateway = Gateway::start(&folder, &text)?;
        let end = Instant::now() + Duration::from_millis(300 + 250 * round as u64);
        while Instant::now() < end {
            let body = format!("{round:03}-{:06}-{}", answered.len(), "x".repeat(2_000));
            let (status, answer) = post(http, "/v1/logs", "application/json", log(&body).as_bytes())?;
            ensure!(status == 200, "{status}: {answer}");
            answered.push(body);
        }
        gateway.signal(libc::SIGKILL)?;
        // Waits for its end.
        drop(gateway);
        // What a reader finds now, it can read.
        let found = bodies(&root)?;
        ensure!(found.iter().all(|body| answered.contains(body)), "a row that nobody sent");
    }
    Gateway::start(&folder, &text)?.stop()?;
    answered.sort();
    assert_eq!(bodies(&root)?, answered, "each once");
    ensure!(files(&root, "journal").is_empty() && files(&root, "part").is_empty(), "something is left");
    Ok(())
}

/// Scenario: a disk that is full while a Parquet file is made, and has room again.
/// Guarantee: the log says which file and why; no half file is there; in the end every answered record is in a file.
#[test]
fn a_full_disk_delays_files() -> Result<()> {
    let folder = Folder::new()?;
    let http = free_port()?;
    let root = folder.path("root");
    let exporter = archive(&root, ", rotation: {interval: 3s}, compression: none");
    let gateway = Gateway::start(&folder, &configuration(http, &exporter, "file"))?;
    // Each fits into a journal, which has room for one, and not into a file with its columns and its footer.
    let mut answered = Vec::new();
    let mut refused = 0;
    limit_files(gateway.id(), 30_000)?;
    for number in 0..40 {
        let body = format!("{number:03}-{}", unlike(number, 3_000));
        let (status, answer) = post(http, "/v1/logs", "application/json", log(&body).as_bytes())?;
        match status {
            200 => answered.push(body),
            503 => {
                ensure!(answer.contains("cannot be written to"), "{answer}");
                refused += 1;
            }
            other => bail!("{other}: {answer}"),
        }
    }
    ensure!(refused > 0 && !answered.is_empty(), "{refused} of 40 were refused");
    wait_until(|| Ok(gateway.log().contains("no files can be made")))?;
    ensure!(files(&root, "parquet").is_empty(), "a file that cannot be whole");
    limit_files(gateway.id(), libc::RLIM_INFINITY)?;
    wait_until(|| Ok(!files(&root, "parquet").is_empty()))?;
    let (status, answer) = post(http, "/v1/logs", "application/json", log("last").as_bytes())?;
    ensure!(status == 200, "{status}: {answer}");
    answered.push("last".to_owned());
    gateway.stop()?;
    answered.sort();
    assert_eq!(bodies(&root)?, answered);
    Ok(())
}

/// Scenario: generated requests of all signals, as JSON in folders, compressed and not, a file each second. Another gateway follows the
/// folders.
/// Guarantee: files are whole when they are there; what the other gateway reads and what DuckDB counts is what was delivered.
#[test]
fn requests_in_folders_are_read_as_they_come() -> Result<()> {
    let folder = Folder::new()?;
    let (http, metrics) = (free_port()?, free_port()?);
    let (lines, packed) = (folder.path("lines"), folder.path("packed"));
    let delivered = |signal: Signal| folder.path(&format!("{signal}.proto"));
    let of = |path: &Path| {
        format!("path: \"{}/{{signal}}/date={{day}}/hour={{hour}}\", create_directory: true", path.display())
    };
    let mut exporters = format!(
        "  file/lines: {{{}, rotation: {{interval: 1s}}}}\n  file/packed: {{{}, format: json, compression: zstd, rotation: {{max_rows: 1024}}}}\n",
        of(&lines),
        of(&packed)
    );
    let mut pipelines = String::new();
    for signal in Signal::ALL {
        let path = delivered(signal);
        exporters.push_str(&format!("  file/{signal}: {{path: \"{}\", format: proto}}\n", path.display()));
        let names = format!("[file/lines, file/packed, file/{signal}]");
        pipelines.push_str(&format!("    {signal}: {{receivers: [otlp], exporters: {names}}}\n"));
    }
    let head = configuration(http, &exporters, "file");
    let (head, _) = head.split_once("    traces:").context("the pipelines of the configuration")?;
    let gateway = Gateway::start(&folder, &format!("{head}{pipelines}"))?;
    let out = folder.path("out.proto");
    let follows = format!(
        r#"
receivers:
  otlpjsonfile: {{include: ["{}/**/*.jsonl"], start_at: beginning, poll_interval: 20ms}}
exporters:
  file: {{path: "{}", format: proto}}
service:
  telemetry: {{metrics: {{address: "127.0.0.1:{metrics}"}}}}
  pipelines:
    traces: {{receivers: [otlpjsonfile], exporters: [file]}}
    logs: {{receivers: [otlpjsonfile], exporters: [file]}}
    metrics: {{receivers: [otlpjsonfile], exporters: [file]}}
"#,
        lines.display(),
        out.display(),
    );
    let beside = Folder::new()?;
    let follower = Gateway::start(&beside, &follows)?;
    for seed in 0..150 {
        for signal in Signal::ALL {
            let body = plain(signal, &mut Choices::new(&corpus(seed)));
            post(http, &format!("/v1/{signal}"), "application/x-protobuf", &body)?;
        }
    }
    wait_until(|| Ok(!files(&lines, "jsonl").is_empty())).context("a file that is a second old")?;
    gateway.stop()?;
    let mut expected = Vec::new();
    for signal in Signal::ALL {
        let mut requests = length_prefixed(&fs::read(delivered(signal))?)?;
        // What has no rows is in no folder.
        requests.retain(|wire| decode(signal, wire).is_ok_and(|request| !request.rows().is_empty()));
        expected.extend(requests.iter().map(|wire| meaning(signal, wire)));
        let query = format!("SELECT * FROM read_json('{}/{signal}/**/*.jsonl.zst')", packed.display());
        let found =
            output(checks("tests/peers/run_sql.py")?.stdin(fs::File::open(folder.write("query.sql", query)?)?))?;
        // The folders' names are two columns.
        ensure!(found == format!("{} 3\n", requests.len()), "{signal}: {found} of {}", requests.len());
    }
    let arrived = || match fs::read(&out) {
        Ok(bytes) => length_prefixed(&bytes).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    wait_until(|| Ok(arrived().len() >= expected.len()))
        .with_context(|| format!("{} of {}\n{}", arrived().len(), expected.len(), follower.log()))?;
    follower.stop()?;
    for wire in arrived() {
        let of = |signal: &Signal| decode(*signal, &wire).is_ok_and(|request| !request.rows().is_empty());
        let meanings: Vec<String> = Signal::ALL.into_iter().filter(of).map(|signal| meaning(signal, &wire)).collect();
        let place = expected.iter().position(|expected| meanings.contains(expected));
        expected.swap_remove(place.with_context(|| format!("{meanings:?} was not sent"))?);
    }
    ensure!(expected.is_empty(), "{} did not arrive", expected.len());
    Ok(())
}

/// Scenario: the documentation's configuration, with the folder and the ports of this test; the official shape of requests of all signals;
/// then every query and script that is shown.
/// Guarantee: what is documented runs as it stands, and finds something.
#[test]
fn the_documented_queries_run() -> Result<()> {
    let page = fs::read_to_string(places::checkout().join("docs/archive.md"))?;
    let blocks = |language: &str| -> Vec<String> {
        let opening = format!("```{language}\n");
        let parts = page.split(&opening).skip(1);
        parts.filter_map(|part| Some(part.split_once("```")?.0.to_owned())).collect()
    };
    let folder = Folder::new()?;
    let root = folder.path("telemetry").display().to_string();
    let here = |text: &str| text.replace("/var/lib/telemetry", &root);
    let (grpc, http, metrics) = (free_port()?, free_port()?, free_port()?);
    let yaml = blocks("yaml").into_iter().next().context("a configuration")?;
    let ports = format!("{{grpc: {{endpoint: \"127.0.0.1:{grpc}\"}}, http: {{endpoint: \"127.0.0.1:{http}\"}}}}");
    let yaml = here(&yaml).replace("{grpc: , http: }", &ports).replace(
        "service:\n",
        &format!("service:\n  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}}}\n"),
    );
    let gateway = Gateway::start(&folder, &yaml)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let (begun, ended) = (now - 4_000_000_000, now - 2_000_000_000);
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]});
    let ids = json!({"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"});
    let mut span = json!({"name": "GET /orders", "kind": 2, "startTimeUnixNano": begun, "endTimeUnixNano": ended,
        "attributes": [{"key": "http.route", "value": {"stringValue": "/orders"}}],
        "events": [{"timeUnixNano": ended, "name": "exception",
            "attributes": [{"key": "exception.type", "value": {"stringValue": "IOException"}}]}]});
    let mut log = json!({"timeUnixNano": ended, "severityText": "ERROR", "body": {"stringValue": "no stock"}});
    for record in [&mut span, &mut log] {
        record.as_object_mut().context("a record")?.extend(ids.as_object().context("ids")?.clone());
    }
    let metric =
        json!({"name": "process.memory.usage", "gauge": {"dataPoints": [{"timeUnixNano": ended, "asInt": "7"}]}});
    let requests = [
        ("traces", json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]})),
        ("logs", json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [log]}]}]})),
        ("metrics", json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]})),
    ];
    for (signal, request) in requests {
        let (status, answer) =
            post(http, &format!("/v1/{signal}"), "application/json", request.to_string().as_bytes())?;
        ensure!(status == 200, "{status}: {answer}");
    }
    gateway.stop()?;
    let queries = blocks("sql");
    ensure!(queries.len() >= 3, "{} queries are shown", queries.len());
    for query in queries {
        let file = folder.write("query.sql", here(&query))?;
        let found = output(checks("tests/peers/run_sql.py")?.stdin(fs::File::open(file)?))?;
        ensure!(found.starts_with("1 "), "{found}: {query}");
    }
    for script in blocks("python") {
        let file = folder.write("script.py", here(&script))?;
        let found = output(Command::new(places::checks_python()?).arg(file))?;
        assert_eq!(found, "checkout 7.0 {}\n");
    }
    Ok(())
}

/// Scenario: files of a few rows, and one of more than a part of an upload, to a server that speaks S3; a server that is gone, and another
/// that comes back in its place.
/// Guarantee: every row that was answered for is in one object, large ones came in parts, and nothing is left on the disk.
#[test]
fn files_go_into_a_bucket() -> Result<()> {
    const BUCKET: &str = "telemetry";
    let folder = Folder::new()?;
    let http = free_port()?;
    let root = folder.path("root");
    let start = || -> Result<(Running, String)> {
        let mut command = checks("tests/peers/s3.py")?;
        let mut server = Running::start("the S3 server", command.args(["serve", BUCKET]).stderr(Stdio::null()))?;
        let port = server.line(PATIENCE, |line| line.parse::<u16>().is_ok())?;
        Ok((server, port))
    };
    let (server, port) = start()?;
    let exporter = |port: &str| {
        let options = format!(
            "{{endpoint: \"http://127.0.0.1:{port}\", allow_http: true, region: us-east-1, access_key_id: key, secret_access_key: secret}}"
        );
        let bucket = format!("{{url: \"s3://{BUCKET}/some/where\", options: {options}}}");
        configuration(http, &archive(&root, &format!(", compression: none, bucket: {bucket}")), "file")
    };
    let gateway = Gateway::start(&folder, &exporter(&port))?;
    let mut answered = Vec::new();
    let mut send = |body: String| -> Result<()> {
        let (status, answer) = post(http, "/v1/logs", "application/json", log(&body).as_bytes())?;
        ensure!(status == 200, "{status}: {answer}");
        answered.push(body);
        Ok(())
    };
    for number in 0..20 {
        send(format!("{number:03}-{}", unlike(number, 1 << 20)))?;
    }
    gateway.stop()?;
    let fetched = folder.path("fetched");
    let fetch =
        |port: &str| output(checks("tests/peers/s3.py")?.args(["fetch", port, BUCKET, &fetched.display().to_string()]));
    let objects = fetch(&port)?;
    ensure!(objects.starts_with("some/where/logs/date=2"), "{objects}");
    ensure!(objects.lines().count() == 1 && objects.trim_end().ends_with(" 2"), "in two parts: {objects}");

    // Nobody is there, and what was answered waits.
    server.stop()?;
    let gateway = Gateway::start(&folder, &exporter(&port))?;
    send("while nobody is there".to_owned())?;
    gateway.stop()?;
    ensure!(files(&root, "journal").len() == 1, "it waits on the disk");
    let (server, port) = start()?;
    let gateway = Gateway::start(&folder, &exporter(&port))?;
    send("again".to_owned())?;
    gateway.stop()?;
    fetch(&port)?;
    server.stop()?;
    answered.sort();
    assert_eq!(bodies(&fetched)?, answered);
    ensure!(files(&root, "journal").is_empty() && files(&root, "part").is_empty(), "something is left");
    ensure!(!gateway_log(&folder).contains("secret"), "secrets are shown nowhere");
    Ok(())
}

fn gateway_log(folder: &Folder) -> String {
    fs::read_to_string(folder.path("gateway.log")).unwrap_or_default()
}

/// Text that no compression makes smaller.
fn unlike(seed: usize, len: usize) -> String {
    let bytes = corpus(seed as u64);
    bytes.iter().cycle().take(len).map(|byte| char::from(b'!' + byte % 90)).filter(|c| !"\"\\".contains(*c)).collect()
}
