//! The real Loki in a process of its own: one binary, everything in a test's folder, tenants told apart.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use xtask::places;
use xtask::process::Running;

use super::{Folder, PATIENCE, free_port, wait_until};

pub struct Loki {
    _running: Running,
    pub port: u16,
}

/// A line as a query gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub labels: Map<String, Value>,
    /// In nanoseconds.
    pub time: u64,
    pub line: String,
    /// Of the entry's structured metadata, that which Loki finds out itself left out.
    pub metadata: Map<String, Value>,
}

impl Loki {
    /// Starts it, and waits until it takes pushes.
    pub fn start(folder: &Folder) -> Result<Loki> {
        let binary = places::LOKI.binary("loki");
        ensure!(binary.exists(), "Loki is missing: run `cargo xtask setup`");
        let (port, grpc) = (free_port()?, free_port()?);
        let data = folder.path("loki");
        let configuration = format!(
            r#"
auth_enabled: true
server:
  {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {grpc}, log_level: warn}}
common:
  instance_addr: 127.0.0.1
  path_prefix: {data}
  replication_factor: 1
  ring: {{kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: {data}/chunks, rules_directory: {data}/rules}}}}
schema_config:
  configs:
    - {{from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}
ingester: {{lifecycler: {{min_ready_duration: 0s, final_sleep: 0s}}}}
analytics: {{reporting_enabled: false}}
"#,
            data = data.display()
        );
        let file = folder.write("loki.yaml", configuration)?;
        let mut command = Command::new(binary);
        command.arg(format!("-config.file={}", file.display())).stderr(folder.log("loki")?);
        let mut running = Running::start("Loki", &mut command)?;
        let log = folder.path("loki.log");
        let said = || fs::read_to_string(&log).unwrap_or_default();
        wait_until(|| {
            if let Some(status) = running.ended()? {
                bail!("Loki ended with {status}:\n{}", said());
            }
            Ok(get(port, "/ready", "").is_ok_and(|(status, _)| status == 200))
        })
        .with_context(said)?;
        Ok(Loki { _running: running, port })
    }

    /// What a query of LogQL gives of the last days and the next hour, oldest first.
    pub fn query(&self, tenant: &str, query: &str) -> Result<Vec<Line>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let (start, end) = (now - 3 * 24 * 60 * 60, now + 60 * 60);
        let query = escaped(query);
        let path =
            format!("/loki/api/v1/query_range?query={query}&start={start}&end={end}&limit=5000&direction=forward");
        let (status, body) = get(self.port, &path, tenant)?;
        ensure!(status == 200, "Loki answered {status}: {body}");
        let answer: Value = serde_json::from_str(&body)?;
        let mut lines = Vec::new();
        for stream in answer["data"]["result"].as_array().context("streams")? {
            for entry in stream["values"].as_array().context("entries")? {
                let mut metadata = entry[2]["structuredMetadata"].as_object().cloned().unwrap_or_default();
                metadata.remove("detected_level");
                lines.push(Line {
                    labels: stream["stream"].as_object().cloned().unwrap_or_default(),
                    time: entry[0].as_str().context("a time")?.parse()?,
                    line: entry[1].as_str().unwrap_or_default().to_owned(),
                    metadata,
                });
            }
        }
        lines.sort_by_key(|line| line.time);
        Ok(lines)
    }

    /// Waits until a query gives so many lines.
    pub fn lines(&self, tenant: &str, query: &str, count: usize) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        wait_until(|| {
            lines = self.query(tenant, query)?;
            Ok(lines.len() >= count)
        })
        .with_context(|| format!("{} lines of {count} by {query}", lines.len()))?;
        Ok(lines)
    }
}

/// A page, with the tenant that asks. By HTTP/1.0, so that it comes in one piece.
fn get(port: u16, path: &str, tenant: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nX-Scope-OrgID: {tenant}\r\nX-Loki-Response-Encoding-Flags: categorize-labels\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer over HTTP")?;
    Ok((status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())))
}

/// As a part of a URL.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
