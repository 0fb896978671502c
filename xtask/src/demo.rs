//! `cargo xtask demo`: the gateway at work on a small instrumented application, and its plugin changed under traffic.
//!
//! ```text
//!  load ──► shop (Flask) ──► inventory (Flask)
//!             │ OTLP/gRPC       │ OTLP/HTTP
//!             └──► wasmill, plugin ◄──┘ ──OTLP/gRPC──► backend (official Python packages)
//! ```
//!
//! The services note each span that ended, the backend each that arrived: at the end both lists are compared by id.

pub mod full;
mod story;

use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xtask::places;
use xtask::process::{Running, page};

use crate::setup::{self, WasmToolchain};
use story::Ledger;

/// How long anything that the demo waits for may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long shoppers shop before and after the change.
const SHOPPING: Duration = Duration::from_secs(5);
/// The line of the plugin that is changed, before and after.
const BEFORE: &str = "\"payments\"";
const AFTER: &str = "\"checkout-squad\"";

/// Whether the gateway's binary has to be built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    Build,
    /// By the tests' build, whose dependencies have some features more: built for the demo alone, they would be built again.
    IsBuilt,
}

pub fn run(gateway: Gateway) -> Result<()> {
    println!("\nWasmill: a telemetry gateway whose processors are WebAssembly plugins\n");
    chapter(1, "Set-up");
    let wasm = setup::wasm()?;
    setup::python()?;

    chapter(2, "Build the gateway and the plugin (the first time takes some minutes)");
    if gateway == Gateway::Build {
        let mut build = Command::new("cargo");
        wasm.environment(&mut build);
        setup::shown(build.args(["build", "--workspace", "--bin", "wasmill"]))?;
    }
    let stage = Stage::prepare()?;
    stage.build_plugin(wasm)?;

    chapter(3, "Start: a backend, the gateway, two instrumented Flask services");
    let mut scene = Scene::start(&stage)?;
    println!("  the plugin, {}:\n", stage.example.join("plugin/src/lib.rs").display());
    story::quote(&fs::read_to_string(stage.plugin_source())?);

    chapter(4, "Traffic: what came in, and what went out");
    pause("shoppers shop");
    let first = Ledger::read(&stage.folder)?;
    first.show();

    chapter(5, "Change one line, rebuild, and replace the file while traffic flows");
    let source = fs::read_to_string(stage.plugin_source())?;
    ensure!(source.matches(BEFORE).count() == 1, "the plugin has {BEFORE} once");
    story::diff(&source, BEFORE, AFTER);
    fs::write(stage.plugin_source(), source.replace(BEFORE, AFTER))?;
    let before = scene.generation()?;
    let begun = Instant::now();
    stage.build_plugin(wasm)?;
    let built = begun.elapsed();
    let after = scene.wait_for_generation_after(before)?;
    println!(
        "  rebuilt in {:.1} s; the gateway serves generation {after} after {:.1} s, same process {}",
        built.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        scene.gateway.id()
    );
    pause("shoppers go on shopping");

    chapter(6, "Stop everything in order, and compare by id");
    scene.stop()?;
    let last = Ledger::read(&stage.folder)?;
    last.show();
    story::summary(&last, &stage.example)
}

/// The files of one run, in the target directory.
struct Stage {
    /// Where the example is in the checkout.
    example: PathBuf,
    /// Where this run's files are.
    folder: PathBuf,
}

impl Stage {
    /// A fresh folder with a copy of the plugin, so that the change leaves the checkout as it is.
    fn prepare() -> Result<Stage> {
        let example = places::checkout().join("examples/quickstart");
        let folder = places::target().join("demo");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let plugin = folder.join("plugin");
        fs::create_dir_all(plugin.join("src"))?;
        fs::copy(example.join("plugin/src/lib.rs"), plugin.join("src/lib.rs"))?;
        let manifest = fs::read_to_string(example.join("plugin/Cargo.toml"))?;
        let sdk = places::checkout().join("plugins/sdk-rust");
        let moved = manifest.replace("../../../plugins/sdk-rust", &sdk.display().to_string());
        ensure!(moved != manifest, "the plugin names the SDK by its path");
        fs::write(plugin.join("Cargo.toml"), moved)?;
        fs::copy(example.join("plugin/Cargo.lock"), plugin.join("Cargo.lock"))?;
        Ok(Stage { example, folder })
    }

    fn plugin_source(&self) -> PathBuf {
        self.folder.join("plugin/src/lib.rs")
    }

    /// The file that the gateway watches.
    fn plugin(&self) -> PathBuf {
        self.folder.join("quickstart.wasm")
    }

    /// Builds the plugin and puts it in place by a rename, so that nobody sees half of it.
    fn build_plugin(&self, wasm: WasmToolchain) -> Result<()> {
        // A target directory of its own that stays: the second run of the demo builds only what changed.
        let target = places::target().join("demo-plugin");
        let manifest = self.folder.join("plugin/Cargo.toml");
        setup::step("cargo build --release --target wasm32-unknown-unknown");
        setup::quiet(wasm.cargo_build().arg("--manifest-path").arg(manifest).env("CARGO_TARGET_DIR", &target))?;
        let built = target.join("wasm32-unknown-unknown/release/quickstart.wasm");
        let new = self.folder.join("quickstart.wasm.new");
        fs::copy(&built, &new).with_context(|| format!("copying {}", built.display()))?;
        fs::rename(new, self.plugin())?;
        Ok(())
    }
}

/// The processes.
struct Scene {
    gateway: Running,
    backend: Running,
    services: Vec<Running>,
    load: Running,
    metrics: u16,
}

impl Scene {
    fn start(stage: &Stage) -> Result<Scene> {
        let app = stage.example.join("app");
        let python = places::python()?;
        let log = |name: &str| File::create(stage.folder.join(format!("{name}.log")));
        let script = |name: &str| -> Result<Command> {
            let mut command = Command::new(&python);
            command.arg(app.join(format!("{name}.py"))).stderr(log(name)?);
            Ok(command)
        };

        let mut backend = Running::start("the backend", script("backend")?.arg(stage.folder.join("arrived.jsonl")))?;
        let port = backend.line(PATIENCE, |line| line.parse::<u16>().is_ok())?;
        println!("  backend    127.0.0.1:{port}");

        let (grpc, http) = (free_port(4317)?, free_port(4318)?);
        let (metrics, health) = (free_port(8888)?, free_port(13133)?);
        let mut command = Command::new(places::target().join("debug/wasmill"));
        command.arg("run").arg("--config").arg(stage.example.join("gateway.yaml"));
        command.env("PLUGIN", stage.plugin()).env("BACKEND", format!("127.0.0.1:{port}"));
        command.env("GRPC_PORT", grpc.to_string()).env("HTTP_PORT", http.to_string());
        command.env("METRICS_PORT", metrics.to_string()).env("HEALTH_PORT", health.to_string());
        let mut gateway = Running::start("the gateway", command.stderr(log("gateway")?))?;
        let ready = gateway.line(PATIENCE, |line| line.contains("ready")).with_context(|| {
            let said = fs::read_to_string(stage.folder.join("gateway.log")).unwrap_or_default();
            format!("the gateway said:\n{said}")
        })?;
        println!("  {ready}");

        let (shop_port, inventory_port) = (free_port(0)?, free_port(0)?);
        let service = |name: &str, ports: &[u16], protocol: &str, endpoint: u16| -> Result<Running> {
            let mut command = script(name)?;
            command.args(ports.iter().map(u16::to_string)).env("LEDGER", stage.folder.join(format!("{name}.sent")));
            command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{endpoint}"));
            command.env("OTEL_BSP_SCHEDULE_DELAY", "200").env("OTEL_METRIC_EXPORT_INTERVAL", "1000");
            let running = Running::start(name, &mut command)?;
            wait_for_port(ports[0])?;
            println!("  {name:<10} 127.0.0.1:{}, sends OTLP by {protocol}", ports[0]);
            Ok(running)
        };
        let inventory = service("inventory", &[inventory_port], "http/protobuf", http)?;
        let shop = service("shop", &[shop_port, inventory_port], "grpc", grpc)?;
        let load = Running::start("the load", script("load")?.args([shop_port.to_string(), "600".to_owned()]))?;
        Ok(Scene { gateway, backend, services: vec![shop, inventory], load, metrics })
    }

    /// Those who send end first, then the gateway with what it still holds, then the backend.
    fn stop(self) -> Result<()> {
        self.load.stop()?;
        for service in self.services {
            service.stop()?;
        }
        let ended = self.gateway.stop()?;
        ensure!(ended.success(), "the gateway ended with {ended}");
        self.backend.stop()?;
        Ok(())
    }

    /// The generation that the gateway says it serves.
    fn generation(&self) -> Result<u64> {
        let text = page(self.metrics, "/metrics")?;
        let line = text.lines().find(|line| line.starts_with("wasmill_plugin_generation{"));
        let value = line.and_then(|line| line.rsplit(' ').next()).context("the gateway shows a generation")?;
        Ok(value.parse::<f64>()? as u64)
    }

    fn wait_for_generation_after(&mut self, before: u64) -> Result<u64> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let now = self.generation()?;
            if now > before {
                return Ok(now);
            }
            ensure!(self.gateway.ended()?.is_none(), "the gateway ended");
            thread::sleep(Duration::from_millis(50));
        }
        bail!("the gateway did not take the new plugin within {PATIENCE:?}")
    }
}

fn chapter(number: u32, title: &str) {
    println!("\n\x1b[1m{number}/6  {title}\x1b[0m");
}

/// Lets traffic flow for a while, and shows that time passes.
fn pause(what: &str) {
    print!("  {what} ");
    for _ in 0..SHOPPING.as_secs() {
        thread::sleep(Duration::from_secs(1));
        print!("·");
        drop(std::io::stdout().flush());
    }
    println!();
}

/// `wanted` if nobody has it, otherwise one that is free.
fn free_port(wanted: u16) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}

fn wait_for_port(port: u16) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < end, "nobody listens on port {port} after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
