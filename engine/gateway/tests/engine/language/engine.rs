//! An engine from YAML.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmill::engine::{Engine, EngineError, Left, Options};
use wasmill_config::{ComponentId, Config, load_texts};
use wasmill_host::{Compile, Host, HostConfig};
use wasmill_transport::{Budget, Protocol};

use super::Client;

/// A running gateway, whose receiver `otlp` listens on any port.
pub struct Gateway {
    pub engine: Arc<Engine>,
}

/// What every configuration of the tests begins with.
const RECEIVERS: &str = "
receivers:
  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}}
";

/// Plugins compiled once for all tests of this process.
fn host() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    // Kept between runs: compiling the builtin plugins takes longer than all tests.
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/plugins");
    let config = HostConfig { compile: Compile::InProcess, cache_dir: Some(cache.into()), ..HostConfig::default() };
    HOST.get_or_init(|| Host::new(config).expect("the engine starts")).clone()
}

impl Gateway {
    /// Starts one. `yaml` is a configuration without receivers and telemetry.
    pub async fn start(yaml: &str) -> Gateway {
        match Gateway::try_start(yaml).await {
            Ok(gateway) => gateway,
            Err(error) => panic!("{}", error.lines().join("\n")),
        }
    }

    pub async fn try_start(yaml: &str) -> Result<Gateway, EngineError> {
        let options = Options { host: host(), budget: Budget::unlimited() };
        Ok(Gateway { engine: Engine::start(Gateway::config(yaml), options).await? })
    }

    /// The configuration that [`start`](Gateway::start) would run.
    pub fn config(yaml: &str) -> Config {
        let mut text = String::new();
        if !yaml.contains("receivers:\n") {
            text.push_str(RECEIVERS);
        }
        text.push_str(yaml);
        if !yaml.contains("telemetry:") {
            text = text.replace("\nservice:\n", "\nservice:\n  telemetry: {metrics: {level: none}}\n");
        }
        match load_texts(vec![(PathBuf::from("gateway.yaml"), text)], &|_| None) {
            Ok(loaded) => loaded.config,
            Err(errors) => panic!("{}", errors.render()),
        }
    }

    pub async fn grpc(&self) -> Client {
        Client::grpc(self.address(Protocol::Grpc).await)
    }

    pub async fn http(&self) -> Client {
        Client::http(self.address(Protocol::Http).await)
    }

    pub async fn address(&self, protocol: Protocol) -> std::net::SocketAddr {
        let otlp = ComponentId::parse("otlp").expect("an id");
        self.engine.address(&otlp, protocol).await.expect("it listens")
    }

    /// The value of a line of `/metrics`, by all of it before the value.
    pub fn metric(&self, line: &str) -> Option<f64> {
        value(&self.engine.metrics().render(), line)
    }

    /// As [`metric`](Gateway::metric), after the end: what a backend has just received is counted when it has answered.
    pub async fn metrics_at_the_end<const LINES: usize>(self, lines: [&str; LINES]) -> [Option<f64>; LINES] {
        let metrics = self.engine.metrics().clone();
        self.stop().await;
        let text = metrics.render();
        lines.map(|line| value(&text, line))
    }

    pub async fn stop(self) -> Left {
        self.engine.shutdown(Duration::from_secs(30)).await
    }
}

fn value(text: &str, line: &str) -> Option<f64> {
    text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.trim().parse().ok())
}
