//! What stands between the load and its backend, and how it is configured.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use xtask::places;
use xtask::process::Running;

use super::workload::{Compression, Signal, Task, Workload};
use super::{START_TIMEOUT, binary, free_port};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Passes frames on as they came: the limit.
    Hyper,
    /// Passes messages on as bytes.
    Tonic,
    Collector,
    /// Without processors, whatever the task is.
    Bare,
    Wasmill,
}

/// Where an engine listens, and where its backends do.
pub struct Ports {
    pub front: u16,
    pub back: u16,
    pub other: u16,
}

impl Engine {
    pub const ALL: [Engine; 5] = [Engine::Hyper, Engine::Tonic, Engine::Collector, Engine::Bare, Engine::Wasmill];

    /// Whose latency is measured.
    pub const TIMED: [Engine; 3] = [Engine::Hyper, Engine::Collector, Engine::Wasmill];

    /// In options and results.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Hyper => "hyper",
            Engine::Tonic => "tonic",
            Engine::Collector => "collector",
            Engine::Bare => "bare",
            Engine::Wasmill => "wasmill",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Engine::Hyper => "relay on hyper",
            Engine::Tonic => "relay on tonic",
            Engine::Collector => "Collector 0.155",
            Engine::Bare => "Wasmill without plugin",
            Engine::Wasmill => "**Wasmill**",
        }
    }

    /// Whether it can do the workload, or says something about it.
    pub fn takes(self, workload: &Workload) -> bool {
        let plain = workload.compression == (Compression::None, Compression::None) && !workload.batch;
        match self {
            Engine::Collector | Engine::Wasmill => true,
            Engine::Hyper | Engine::Tonic => plain && matches!(workload.task, Task::Pass | Task::Filter),
            Engine::Bare => workload.task == Task::Look,
        }
    }

    /// What it is to deliver; `load --expect`.
    pub fn expect(self, task: Task) -> &'static str {
        match self {
            Engine::Collector | Engine::Wasmill => task.expect(),
            Engine::Hyper | Engine::Tonic | Engine::Bare => Task::Pass.expect(),
        }
    }

    /// Starts it; it listens when this returns. Its own output goes to `engine.log` in `folder`.
    pub fn start(self, folder: &Path, workload: &Workload, ports: &Ports) -> Result<Running> {
        let task = if self == Engine::Bare { Task::Pass } else { workload.task };
        self.start_with(folder, &configuration(workload, task, ports), ports)
    }

    /// The same with a configuration, which relays have none of.
    pub fn start_with(self, folder: &Path, configuration: &str, ports: &Ports) -> Result<Running> {
        let log = folder.join("engine.log");
        let mut command = match self {
            Engine::Hyper | Engine::Tonic => {
                let mut command = Command::new(binary("relay"));
                command.args(["--kind", self.name(), "--listen", &format!("127.0.0.1:{}", ports.front)]);
                command.args(["--target", &format!("127.0.0.1:{}", ports.back)]);
                command
            }
            Engine::Collector => {
                let mut command = Command::new(places::collector()?);
                command.args(["--config", &write_configuration(folder, configuration)?]);
                command
            }
            Engine::Bare | Engine::Wasmill => {
                let mut command = Command::new(binary("wasmill"));
                command.args(["run", "--config", &write_configuration(folder, configuration)?]);
                command
            }
        };
        command.stderr(fs::File::create(&log)?);
        let mut running = Running::start(self.name(), &mut command)?;
        let listens = match self {
            // It says so in its log; a connection says it, too.
            Engine::Collector => accepts(&mut running, ports.front),
            _ => running.line(START_TIMEOUT, |line| line.contains("listening") || line.contains("ready")).map(drop),
        };
        listens.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(running)
    }
}

impl Ports {
    pub fn free() -> Result<Ports> {
        Ok(Ports { front: free_port()?, back: free_port()?, other: free_port()? })
    }
}

fn write_configuration(folder: &Path, text: &str) -> Result<String> {
    let file = folder.join("engine.yaml");
    fs::write(&file, text)?;
    Ok(file.to_str().context("a path that is text")?.to_owned())
}

fn accepts(running: &mut Running, port: u16) -> Result<()> {
    let by = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(running.ended()?.is_none(), "it ended early");
        ensure!(Instant::now() < by, "it does not listen on port {port}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}

/// The same for the Collector and for Wasmill, as a user of either writes it, but for the queue: answered is what the backend has
/// taken, as by a relay. With `batch` both answer before and queue in memory, waiting where they are full.
pub fn configuration(workload: &Workload, task: Task, ports: &Ports) -> String {
    let Ports { front, back, other } = ports;
    let signal = workload.signal.name();
    let mut text = format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: 127.0.0.1:{front}\n        \
         max_recv_msg_size_mib: 64\n"
    );
    let mut processors = Vec::new();
    if let Some((name, settings)) = processor(workload.signal, task) {
        let _ = write!(text, "processors:\n  {name}:\n{settings}");
        processors.push(name);
    }
    if workload.batch {
        if processors.is_empty() {
            text += "processors:\n";
        }
        text += "  batch:\n";
        processors.push("batch");
    }
    if task == Task::Route {
        let context = context(workload.signal);
        let _ = write!(
            text,
            "connectors:\n  routing:\n    default_pipelines: [{signal}/api]\n    table:\n      - context: {context}\n        \
             condition: attributes[\"url.path\"] == \"/healthz\"\n        pipelines: [{signal}/health]\n"
        );
    }
    text += "exporters:\n";
    let queue = if workload.batch { "block_on_overflow: true" } else { "enabled: false" };
    let mut exporter = |name: &str, port: u16| {
        let _ = write!(
            text,
            "  {name}:\n    endpoint: 127.0.0.1:{port}\n    compression: {}\n    tls:\n      insecure: true\n    \
             sending_queue:\n      {queue}\n",
            workload.compression.1.name()
        );
    };
    exporter("otlp", *back);
    if task == Task::Route {
        exporter("otlp/health", *other);
    }
    text += "service:\n  telemetry:\n    logs:\n      level: warn\n    metrics:\n      level: none\n  pipelines:\n";
    let processors = processors.join(", ");
    if task == Task::Route {
        let _ = write!(
            text,
            "    {signal}:\n      receivers: [otlp]\n      exporters: [routing]\n    {signal}/api:\n      receivers: [routing]\n      \
             exporters: [otlp]\n    {signal}/health:\n      receivers: [routing]\n      exporters: [otlp/health]\n"
        );
    } else {
        let _ = write!(
            text,
            "    {signal}:\n      receivers: [otlp]\n      processors: [{processors}]\n      exporters: [otlp]\n"
        );
    }
    text
}

/// The name in the transformation language of what a record of the signal is.
fn context(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "span",
        Signal::Logs => "log",
        Signal::Metrics => "datapoint",
    }
}

/// The task's processor, and its settings.
fn processor(signal: Signal, task: Task) -> Option<(&'static str, String)> {
    let filter = |conditions: &[&str]| {
        let record = if signal == Signal::Logs { "log_record" } else { context(signal) };
        let list: String = conditions.iter().map(|condition| format!("        - '{condition}'\n")).collect();
        ("filter", format!("    error_mode: ignore\n    {}:\n      {record}:\n{list}", signal.name()))
    };
    Some(match task {
        Task::Pass | Task::Route => return None,
        Task::Filter => filter(&[r#"attributes["url.path"] == "/healthz""#]),
        Task::Look => {
            let third = match signal {
                Signal::Traces => "status.code == 7",
                Signal::Logs => "severity_number == 7",
                Signal::Metrics => "flags == 7",
            };
            filter(&[r#"attributes["url.path"] == "/none""#, r#"attributes["http.route"] == "/none""#, third])
        }
        Task::Attributes => (
            "attributes",
            "    actions:\n      - {key: team, value: payments, action: upsert}\n      - {key: gateway.zone, value: eu-central-1a, \
             action: insert}\n"
                .to_owned(),
        ),
        Task::Redact => (
            "redaction",
            "    allow_all_keys: true\n    blocked_values:\n      - '[\\w.+-]+@[\\w-]+\\.[\\w.]+'\n".to_owned(),
        ),
        Task::Sample => {
            ("probabilistic_sampler", "    sampling_percentage: 10\n    mode: proportional\n".to_owned())
        }
    })
}
