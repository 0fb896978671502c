//! The processes of the whole system, and the order in which they start and end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use xtask::backends::{self, Jaeger, START_TIMEOUT, Server, Targets, eventually, free_port};
use xtask::panels::Sources;
use xtask::process::Running;
use xtask::{http, places};

/// Longer than the demo takes; it is stopped before.
const LOAD_SECONDS: u32 = 600;
const LOAD_A_SECOND: u32 = 20;

pub struct Scene {
    pub folder: PathBuf,
    /// `None` while it is away.
    pub jaeger: Option<Jaeger>,
    /// Of the one that went.
    pub jaeger_ports: [u16; 7],
    pub alertmanager: Server,
    pub prometheus: Server,
    pub loki: Server,
    tempo: Running,
    /// Where Tempo's stand-in answers.
    pub tempo_port: u16,
    gateway: Running,
    services: Vec<Running>,
    load: Running,
}

/// The ports of the gateway.
struct Ports {
    grpc: u16,
    http: u16,
    own_metrics: u16,
    services_metrics: u16,
    health: u16,
}

impl Scene {
    pub fn start() -> Result<Scene> {
        let folder = places::target().join("demo-full");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut loki = backends::loki(&folder)?;
        let jaeger = Jaeger::start(&folder)?;
        let alertmanager = backends::alertmanager(&folder)?;
        let (tempo, tempo_otlp, tempo_port) = start_tempo(&folder)?;
        println!("  Jaeger         http://127.0.0.1:{}", jaeger.query());
        println!("  Tempo          a stand-in, http://127.0.0.1:{tempo_port}");
        println!("  Alertmanager   http://127.0.0.1:{}", alertmanager.port);

        let ports = Ports {
            grpc: free_port()?,
            http: free_port()?,
            own_metrics: free_port()?,
            services_metrics: free_port()?,
            health: free_port()?,
        };
        let targets = [
            format!("exporters::jaeger::endpoint: http://127.0.0.1:{}/api/traces", jaeger.thrift()),
            format!("exporters::prometheus::endpoint: 127.0.0.1:{}", ports.services_metrics),
            format!("exporters::loki::endpoint: http://127.0.0.1:{}/loki/api/v1/push", loki.port),
            format!("exporters::otlp/tempo::endpoint: 127.0.0.1:{tempo_otlp}"),
        ];
        backends::wait_for_loki(&folder, &mut loki)?;
        println!("  Loki           http://127.0.0.1:{}", loki.port);
        let gateway = start_gateway(&folder, &ports, &targets)?;

        let (shop, inventory) = (free_port()?, free_port()?);
        let services = vec![
            start_service(&folder, "inventory", inventory, ports.grpc, None)?,
            start_service(&folder, "shop", shop, ports.grpc, Some(inventory))?,
        ];
        let alertmanager_port = alertmanager.port;
        let prometheus = backends::prometheus(
            &folder,
            Targets {
                gateway: ports.own_metrics,
                services: ports.services_metrics,
                inventory,
                alertmanager: alertmanager_port,
            },
        )?;
        println!("  Prometheus     http://127.0.0.1:{}", prometheus.port);
        let mut load = script(&folder, "load.py", "load")?;
        load.args([format!("http://127.0.0.1:{shop}"), LOAD_SECONDS.to_string(), LOAD_A_SECOND.to_string()]);
        let load = Running::start("the load", &mut load)?;
        Ok(Scene {
            folder,
            jaeger: Some(jaeger),
            jaeger_ports: [0; 7],
            alertmanager,
            prometheus,
            loki,
            tempo,
            tempo_port,
            gateway,
            services,
            load,
        })
    }

    /// Where Grafana's data sources would be.
    pub fn sources(&self) -> Result<Sources> {
        let jaeger = self.jaeger.as_ref().context("Jaeger is away")?.query();
        Ok(Sources { prometheus: self.prometheus.port, loki: self.loki.port, jaeger })
    }

    /// Those who send end first, then the gateway with what it still holds, then the backends.
    pub fn stop(self) -> Result<()> {
        self.load.stop()?;
        for service in self.services {
            service.stop()?;
        }
        let ended = self.gateway.stop()?;
        ensure!(ended.success(), "the gateway ended with {ended}");
        self.tempo.stop()?;
        for server in [self.prometheus, self.alertmanager, self.loki] {
            server.stop();
        }
        self.jaeger.map(Jaeger::stop);
        Ok(())
    }
}

fn log(folder: &Path, name: &str) -> Result<File> {
    Ok(File::create(folder.join(format!("{name}.log")))?)
}

/// A script of the example's.
fn script(folder: &Path, file: &str, name: &str) -> Result<Command> {
    let (example, python) = super::example()?;
    let mut command = Command::new(python.join("python"));
    command.arg(example.join("app").join(file)).stderr(log(folder, name)?);
    Ok(command)
}

/// With the ports of its OTLP and of its questions.
fn start_tempo(folder: &Path) -> Result<(Running, u16, u16)> {
    let mut running = Running::start("Tempo's stand-in", &mut script(folder, "tempo.py", "tempo")?)?;
    let ports = running.line(START_TIMEOUT, |line| line.contains(' '))?;
    let (otlp, queries) = ports.split_once(' ').context("two ports")?;
    Ok((running, otlp.parse()?, queries.parse()?))
}

/// `targets`: where the backends are, instead of what the example's file says.
fn start_gateway(folder: &Path, ports: &Ports, targets: &[String]) -> Result<Running> {
    let (example, _) = super::example()?;
    let mut command = Command::new(places::target().join("debug/wasmill"));
    command.arg("run").stderr(log(folder, "gateway")?);
    command.arg("--config").arg(example.join("gateway.yaml"));
    command.arg("--config").arg(example.join("operations.yaml"));
    let listening = [
        format!("receivers::otlp::protocols::grpc::endpoint: 127.0.0.1:{}", ports.grpc),
        format!("receivers::otlp::protocols::http::endpoint: 127.0.0.1:{}", ports.http),
        "service::pipelines::traces::processors: [wasm/health, batch]".to_owned(),
        // A gateway that runs on this machine has the usual place.
        "service::admin::enabled: false".to_owned(),
    ];
    for change in listening.iter().chain(targets) {
        command.arg("--config").arg(format!("yaml:{change}"));
    }
    command.env("METRICS_HOST", "127.0.0.1").env("METRICS_PORT", ports.own_metrics.to_string());
    command.env("HEALTH", format!("127.0.0.1:{}", ports.health));
    let mut gateway = Running::start("the gateway", &mut command)?;
    let ready = gateway.line(START_TIMEOUT, |line| line.contains("ready")).with_context(|| {
        let said = fs::read_to_string(folder.join("gateway.log")).unwrap_or_default();
        format!("the gateway said:\n{said}")
    })?;
    println!("  {ready}");
    Ok(gateway)
}

/// A Flask service under `opentelemetry-instrument`, which tells Flask, `requests` and `logging` of OpenTelemetry.
fn start_service(folder: &Path, name: &str, port: u16, otlp: u16, asks: Option<u16>) -> Result<Running> {
    let (example, python) = super::example()?;
    let mut command = Command::new(python.join("opentelemetry-instrument"));
    command.arg(python.join("python")).arg(example.join("app").join(format!("{name}.py")));
    command.stderr(log(folder, name)?);
    command.env("PORT", port.to_string()).env("OTEL_SERVICE_NAME", name);
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{otlp}"));
    command.env("OTEL_SEMCONV_STABILITY_OPT_IN", "http").env("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "metrics");
    // Somebody waits for it.
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "1000").env("OTEL_BSP_SCHEDULE_DELAY", "200");
    command.env("OTEL_BLRP_SCHEDULE_DELAY", "200");
    if let Some(inventory) = asks {
        command.env("INVENTORY", format!("http://127.0.0.1:{inventory}"));
    }
    let mut running = Running::start(name, &mut command)?;
    let path = if asks.is_some() { "/healthz" } else { "/metrics" };
    eventually(START_TIMEOUT, || {
        let said = || fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
        ensure!(running.ended()?.is_none(), "{name} ended:\n{}", said());
        Ok(http::is_ready(port, path).then_some(()))
    })?;
    println!("  {name:<14} http://127.0.0.1:{port}");
    Ok(running)
}
