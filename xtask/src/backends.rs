//! The servers that stand behind a gateway, each a process of its own on loopback with ports that were free, and the configuration
//! that `deploy/` has for it.
//!
//! What `deploy/` says is changed in three ways: host names become ports of loopback, folders those of this run, and, where somebody
//! waits for an alert, minutes become seconds ([`hurried`]).

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::Running;
use crate::{http, places};

/// How long a server may take until it is ready. Loki waits for a quarter of a minute by itself.
pub const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks at something that says nothing by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A server that answers. It ends with this.
pub struct Server {
    running: Running,
    /// Where it answers questions.
    pub port: u16,
}

/// Jaeger's all-in-one, which keeps traces in memory.
pub struct Jaeger {
    server: Server,
    ports: [u16; 7],
}

impl Server {
    /// Starts `command`, whose standard error goes to a file in `folder`, and returns at once: see [`Server::wait`].
    fn start(name: &str, folder: &Path, command: &mut Command, port: u16) -> Result<Server> {
        let running = Running::start(name, command.stderr(File::create(log_of(folder, name))?))?;
        Ok(Server { running, port })
    }

    /// Until `path` is answered by 200.
    fn wait(&mut self, name: &str, folder: &Path, path: &str) -> Result<()> {
        let said = || fs::read_to_string(log_of(folder, name)).unwrap_or_default();
        eventually(START_TIMEOUT, || {
            if let Some(status) = self.running.ended()? {
                bail!("{name} ended with {status}:\n{}", said());
            }
            Ok(http::is_ready(self.port, path).then_some(()))
        })
        .with_context(|| format!("{name} is not ready; it said:\n{}", said()))
    }

    /// Ends it at once: what it has is this run's, and some take a quarter of a minute to end in order.
    pub fn stop(self) {
        drop(self.running);
    }
}

fn log_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

/// The value that `look` gives at last. Errors end it at once; after `limit` it is one, too.
pub fn eventually<T>(limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < end, "nothing came within {limit:?}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// A port of loopback that nobody has at the moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn deployed(path: &str) -> Result<String> {
    let path = places::checkout().join("deploy").join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// Replaces what must be there.
fn replaced(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.contains(from), "`{from}` is not in\n{text}");
    Ok(text.replace(from, to))
}

/// `deploy/prometheus/rules.yml` for those who cannot wait: rates are over 20 seconds instead of 5 minutes, and nothing has to last
/// longer than 2 seconds. Conditions are the same.
pub fn hurried(rules: &str) -> Result<String> {
    let rules = replaced(rules, "[5m]", "[20s]")?;
    let lines = rules.lines().map(|line| match line.trim_start().strip_prefix("for: ") {
        Some(_) => format!("{}for: 2s\n", &line[..line.len() - line.trim_start().len()]),
        None => format!("{line}\n"),
    });
    Ok(lines.collect())
}

/// The ports of those whom Prometheus scrapes, and of whom it tells.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    /// The gateway's own metrics.
    pub gateway: u16,
    /// Its `prometheus` exporter.
    pub services: u16,
    pub inventory: u16,
    pub alertmanager: u16,
}

/// Prometheus with the rules and the scrape configuration of `deploy/`, each second, in a hurry.
pub fn prometheus(folder: &Path, targets: Targets) -> Result<Server> {
    let folder = folder.join("prometheus");
    fs::create_dir_all(&folder)?;
    let mut config = deployed("prometheus/prometheus.yml")?;
    for (host, port) in [
        ("gateway:8888", targets.gateway),
        ("gateway:9090", targets.services),
        ("inventory:8000", targets.inventory),
        ("alertmanager:9093", targets.alertmanager),
    ] {
        config = replaced(&config, &format!("'{host}'"), &format!("'127.0.0.1:{port}'"))?;
    }
    fs::write(folder.join("prometheus.yml"), replaced(&config, "15s", "1s")?)?;
    fs::write(folder.join("rules.yml"), hurried(&deployed("prometheus/rules.yml")?)?)?;
    let port = free_port()?;
    let mut command = Command::new(places::PROMETHEUS.binary("prometheus"));
    command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut server = Server::start("prometheus", &folder, command.arg("--enable-feature=exemplar-storage"), port)?;
    server.wait("prometheus", &folder, "/-/ready")?;
    Ok(server)
}

pub fn alertmanager(folder: &Path) -> Result<Server> {
    let folder = folder.join("alertmanager");
    fs::create_dir_all(&folder)?;
    let port = free_port()?;
    let mut command = Command::new("prometheus-alertmanager");
    let config = places::checkout().join("deploy/prometheus/alertmanager.yml");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--cluster.listen-address=");
    let mut server = Server::start("alertmanager", &folder, &mut command, port)?;
    server.wait("alertmanager", &folder, "/-/ready")?;
    Ok(server)
}

/// Not ready when this returns: [`wait_for_loki`].
pub fn loki(folder: &Path) -> Result<Server> {
    let folder = folder.join("loki");
    fs::create_dir_all(&folder)?;
    let (port, grpc) = (free_port()?, free_port()?);
    let config = replaced(&deployed("loki/loki.yaml")?, " /loki", &format!(" {}", folder.join("data").display()))?;
    let config = replaced(&config, "http_listen_port: 3100", &format!("http_listen_port: {port}"))?;
    let config = replaced(&config, "grpc_listen_port: 9096", &format!("grpc_listen_port: {grpc}"))?;
    fs::write(folder.join("loki.yaml"), config)?;
    let mut command = Command::new(places::LOKI.binary("loki"));
    command.arg(format!("-config.file={}", folder.join("loki.yaml").display()));
    command.args(["-server.http-listen-address=127.0.0.1", "-server.grpc-listen-address=127.0.0.1"]);
    Server::start("loki", &folder, &mut command, port)
}

pub fn wait_for_loki(folder: &Path, loki: &mut Server) -> Result<()> {
    loki.wait("loki", &folder.join("loki"), "/ready")
}

impl Jaeger {
    pub fn start(folder: &Path) -> Result<Jaeger> {
        let mut ports = [0; 7];
        for port in &mut ports {
            *port = free_port()?;
        }
        Jaeger::start_at(folder, ports)
    }

    /// In the place of one that was stopped.
    pub fn start_at(folder: &Path, ports: [u16; 7]) -> Result<Jaeger> {
        let folder = folder.join("jaeger");
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(places::JAEGER.binary("jaeger"));
        command.env("SPAN_STORAGE_TYPE", "memory");
        let flags = [
            "query.http-server.host-port",
            "collector.http-server.host-port",
            "collector.grpc-server.host-port",
            "collector.otlp.grpc.host-port",
            "collector.otlp.http.host-port",
            "query.grpc-server.host-port",
            "admin.http.host-port",
        ];
        for (flag, port) in flags.iter().zip(ports) {
            command.arg(format!("--{flag}=127.0.0.1:{port}"));
        }
        let mut server = Server::start("jaeger", &folder, &mut command, ports[0])?;
        server.wait("jaeger", &folder, "/api/services")?;
        Ok(Jaeger { server, ports })
    }

    /// Where it answers questions.
    pub fn query(&self) -> u16 {
        self.server.port
    }

    /// Where it takes Thrift over HTTP.
    pub fn thrift(&self) -> u16 {
        self.ports[1]
    }

    /// Ends it, and everything that it had. Gives its ports.
    pub fn stop(self) -> [u16; 7] {
        self.server.stop();
        self.ports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times become short, conditions stay.
    #[test]
    fn rules_in_a_hurry_have_the_same_conditions() {
        let rules = deployed("prometheus/rules.yml").unwrap();
        let short = hurried(&rules).unwrap();
        let conditions = |text: &str| text.lines().filter(|line| line.contains("> 0.75")).count();
        assert_eq!(conditions(&rules), conditions(&short));
        assert_eq!(rules.lines().count(), short.lines().count());
        assert!(!short.contains("[5m]") && !short.contains("for: 5m"), "{short}");
    }
}
