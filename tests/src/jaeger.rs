//! The real Jaeger, with its storage in memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xtask::places;
use xtask::process::Running;

use super::{Folder, PATIENCE, free_port, wait_until};

/// Jaeger's collector, storage and query service in one process.
pub struct Jaeger {
    running: Running,
    /// Where it takes Thrift over HTTP, at `/api/traces`.
    pub thrift: u16,
    /// Where it takes OTLP over gRPC.
    pub otlp: u16,
    query: u16,
}

impl Jaeger {
    /// Starts it, and waits until it takes spans and answers queries.
    pub fn start(folder: &Folder) -> Result<Jaeger> {
        Jaeger::start_at(folder, free_port()?)
    }

    /// The same, taking Thrift on this port.
    pub fn start_at(folder: &Folder, thrift: u16) -> Result<Jaeger> {
        let binary = places::JAEGER.binary("jaeger");
        ensure!(binary.exists(), "Jaeger is missing: run `cargo xtask setup`");
        let (otlp, query, admin) = (free_port()?, free_port()?, free_port()?);
        let mut command = Command::new(binary);
        command.env("SPAN_STORAGE_TYPE", "memory").stderr(folder.log("jaeger")?);
        for (flag, port) in [
            ("collector.http-server", thrift),
            ("collector.grpc-server", free_port()?),
            ("collector.otlp.grpc", otlp),
            ("collector.otlp.http", free_port()?),
            ("query.http-server", query),
            ("query.grpc-server", free_port()?),
            ("admin.http", admin),
        ] {
            command.arg(format!("--{flag}.host-port=127.0.0.1:{port}"));
        }
        let mut running = Running::start("Jaeger", &mut command)?;
        let log = folder.path("jaeger.log");
        wait_until(|| {
            if let Some(status) = running.ended()? {
                bail!("Jaeger ended with {status}:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            let listens = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
            Ok([thrift, otlp, query].into_iter().all(listens))
        })?;
        Ok(Jaeger { running, thrift, otlp, query })
    }

    /// A trace as the query API has it; `None` while there is none.
    pub fn trace(&self, id: &str) -> Result<Option<Value>> {
        let (status, body) = self.get(&format!("/api/traces/{id}"))?;
        match status {
            404 => Ok(None),
            200 => Ok(Some(serde_json::from_str::<Value>(&body)?["data"][0].take())),
            _ => bail!("Jaeger answered {status}: {body}"),
        }
    }

    /// Waits until a trace has so many spans.
    pub fn wait_for_trace(&self, id: &str, spans: usize) -> Result<Value> {
        let mut found = None;
        wait_until(|| {
            found = self.trace(id)?.filter(|trace| trace["spans"].as_array().map_or(0, Vec::len) >= spans);
            Ok(found.is_some())
        })
        .with_context(|| format!("waiting for {spans} spans of {id}"))?;
        found.context("just found")
    }

    /// The services that it has spans of.
    pub fn services(&self) -> Result<Vec<String>> {
        let (_, body) = self.get("/api/services")?;
        let services = serde_json::from_str::<Value>(&body)?["data"].take();
        let names = services.as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(names.map(str::to_owned).collect())
    }

    /// Status and body. By HTTP/1.0, of which answers end with their connection.
    fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.query))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer over HTTP")?;
        Ok((status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())))
    }

    /// Ends it, so that its port is free again.
    pub fn stop(self) -> Result<()> {
        self.running.stop().map(drop)
    }
}
