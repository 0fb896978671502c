//! What a fresh machine lacks. Each step first looks whether it is done, says what it does, and shows what it runs.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xtask::places;

/// The version of the Collector's builder; the manifest's modules are of the same.
const COLLECTOR_BUILDER: &str = "go.opentelemetry.io/collector/cmd/builder@v0.155.0";

/// Debian's compiler that can build the standard library for WebAssembly.
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// Debian's C compiler, linker and C library for WebAssembly.
const C_PACKAGES: [&str; 4] = ["clang", "lld", "wasi-libc", "libclang-rt-dev-wasm32"];

/// How Rust is compiled to WebAssembly here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WasmToolchain {
    /// The target of the toolchain that builds everything else.
    Rustup,
    /// Debian's compiler, which builds the target's standard library first.
    Debian,
}

impl WasmToolchain {
    /// A `cargo` that builds for WebAssembly in release; the caller adds the rest.
    pub fn cargo_build(self) -> Command {
        let mut command = match self {
            WasmToolchain::Rustup => Command::new("cargo"),
            WasmToolchain::Debian => Command::new("/usr/bin/cargo"),
        };
        self.environment(&mut command);
        command.args(["build", "--release", "--target", "wasm32-unknown-unknown"]);
        if self == WasmToolchain::Debian {
            command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
        }
        command
    }

    /// What the build of the built-in plugins is told, and nothing of what cargo told this program of itself: some build
    /// scripts look at that, and would be run again for each other answer.
    pub fn environment(self, command: &mut Command) {
        for (name, _) in env::vars_os() {
            let own = ["CARGO", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "RUSTFLAGS"];
            let named = name.to_string_lossy();
            if own.contains(&&*named) || named.starts_with("CARGO_PKG_") || named.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        if self == WasmToolchain::Debian {
            command
                .env("WASMILL_WASM_CARGO", "/usr/bin/cargo")
                .env("WASMILL_WASM_RUSTC", "/usr/bin/rustc")
                .env("WASMILL_WASM_BUILD_STD", "1");
        }
    }
}

/// Everything that tests and demo need.
pub fn all() -> Result<()> {
    wasm()?;
    python()?;
    checks()?;
    plugins()?;
    observability()?;
    alertmanager()?;
    servers()
}

/// A way to compile Rust to WebAssembly: by rustup where that works, else by Debian's packages.
pub fn wasm() -> Result<WasmToolchain> {
    if has_wasm_target() {
        return Ok(WasmToolchain::Rustup);
    }
    step("the WebAssembly target, by rustup");
    let added = quiet(Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"]));
    if added.is_ok() && has_wasm_target() {
        return Ok(WasmToolchain::Rustup);
    }
    if !Path::new("/usr/bin/cargo").exists() || !Path::new("/usr/bin/rustc").exists() {
        step("the WebAssembly compiler, by the system's packages (rustup could not fetch the target)");
        quiet(Command::new("apt-get").arg("update")).context("no WebAssembly target by rustup, nor by apt-get")?;
        quiet(Command::new("apt-get").args(["install", "-y", "--no-install-recommends"]).args(DEBIAN_PACKAGES))
            .context("no WebAssembly target by rustup, nor by apt-get")?;
    }
    Ok(WasmToolchain::Debian)
}

/// Whether the toolchain in use has the target's standard library.
fn has_wasm_target() -> bool {
    let printed =
        Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]).output();
    printed.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success() && fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
    })
}

/// A Python environment with the packages of the demo's application and of the tests' peers.
pub fn python() -> Result<()> {
    let packages = "Flask and the official OpenTelemetry SDK";
    python_environment(&places::python_environment()?, &places::python()?, &places::requirements(), packages)
}

/// Another with what the services of `examples/observability` need.
pub fn observability() -> Result<()> {
    let packages = "Flask, OpenTelemetry's auto-instrumentation, and a Prometheus client";
    let folder = places::observability_environment()?;
    python_environment(&folder, &folder.join("bin/python"), &places::observability_requirements(), packages)
}

/// Another with what the tests check our answers with.
pub fn checks() -> Result<()> {
    let packages = "validators and readers of JSON Schema, YAML, Parquet and Arrow; the types of Grafana and of compose files; a server that speaks S3; a MaxMind DB";
    let requirements = places::checks_requirements();
    python_environment(&places::checks_environment()?, &places::checks_python()?, &requirements, packages)
}

/// What plugins in other languages than Rust are built with; Go's are those of its toolchain, which the Collector needs too.
pub fn plugins() -> Result<()> {
    clang()?;
    let packages = "componentize-py, for plugins";
    let folder = places::plugin_environment()?;
    python_environment(&folder, &folder.join("bin/python"), &places::plugin_requirements(), packages)?;
    let folder = places::plugin_node()?;
    let done = folder.join(".done");
    if done.exists() {
        return Ok(());
    }
    step("JavaScript packages: componentize-js, esbuild and TypeScript, for plugins");
    fs::create_dir_all(&folder)?;
    let manifest = fs::read_to_string(places::plugin_package())?.replace("{{name}}", "plugin-tools");
    fs::write(folder.join("package.json"), manifest)?;
    quiet(Command::new("npm").current_dir(&folder).args(["install", "--no-audit", "--no-fund", "--no-package-lock"]))
        .context("Node.js 20 or newer with npm is needed to build plugins in JavaScript")?;
    fs::write(done, "")?;
    Ok(())
}

/// A C compiler with a linker and a C library for WebAssembly.
fn clang() -> Result<()> {
    if compiles_c().is_ok() {
        return Ok(());
    }
    step("a C compiler for WebAssembly, by the system's packages");
    quiet(Command::new("apt-get").arg("update"))
        .context("clang, lld and wasi-libc are needed to build plugins in C")?;
    quiet(Command::new("apt-get").args(["install", "-y", "--no-install-recommends"]).args(C_PACKAGES))
        .context("clang, lld and wasi-libc are needed to build plugins in C")?;
    compiles_c().context("the system's clang does not build for WebAssembly")
}

/// Builds a module that needs the C library.
fn compiles_c() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("a.c");
    fs::write(&source, "#include <stdlib.h>\nvoid *f(void) { return malloc(1); }\n")?;
    let mut clang = Command::new("clang");
    clang.args(["--target=wasm32-wasi", "-mexec-model=reactor", "-o"]);
    quiet(clang.arg(folder.path().join("a.wasm")).arg(&source))
}

fn python_environment(folder: &Path, python: &Path, requirements: &Path, packages: &str) -> Result<()> {
    let done = folder.join(".done");
    if done.exists() {
        return Ok(());
    }
    step(&format!("Python packages: {packages}"));
    quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
        .context("python3 with its venv module is needed (Debian: python3-venv)")?;
    quiet(Command::new(python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    fs::write(done, "")?;
    Ok(())
}

/// The OpenTelemetry Collector, built from its Go modules: a peer of the tests.
pub fn collector() -> Result<()> {
    let binary = places::collector()?;
    if binary.exists() {
        return Ok(());
    }
    step("the OpenTelemetry Collector, from its Go modules (about 4 minutes, once)");
    ensure!(quiet(Command::new("go").arg("version")).is_ok(), "go 1.25 or newer is needed to build the Collector");
    let folder = places::collector_folder()?;
    let source = folder.join("source");
    fs::create_dir_all(&source)?;
    let manifest = folder.join("manifest.yaml");
    let mut text = fs::read_to_string(places::collector_manifest())?;
    text = text.replacen("dist:\n", &format!("dist:\n  output_path: {}\n", source.display()), 1);
    fs::write(&manifest, text)?;
    let go = |args: &[&str]| quiet(Command::new("go").current_dir(&source).args(args));
    let config = format!("--config={}", manifest.display());
    // The builder writes the sources and `go.mod`, and tidies. Tidying also wants what only the modules' own tests use; where that
    // is not to be had it fails, and the build does not.
    let generated = go(&["run", COLLECTOR_BUILDER, &config, "--skip-compilation", "--skip-strict-versioning"]);
    let tidied = generated.or_else(|_| go(&["mod", "tidy", "-e"]));
    // Built beside its place and moved there, so that a build that was cut off is not taken for a binary.
    if let Err(error) = go(&["build", "-trimpath", "-o", "otelcol.new", "."]) {
        bail!("{error:#}{}", tidied.err().map_or_else(String::new, |error| format!("\n{error:#}")));
    }
    fs::rename(source.join("otelcol.new"), binary)?;
    Ok(())
}

/// What stands beside and behind the gateway in tests, and is built from Go modules: the Collector, Prometheus, Jaeger and Loki.
pub fn servers() -> Result<()> {
    let folder = places::cache();
    fs::create_dir_all(&folder)?;
    // One builds them; whoever else wants them waits for it.
    let lock = fs::File::create(folder.join("servers.lock"))?;
    lock.lock().context("waiting for another set-up")?;
    collector()?;
    backends()
}

/// Prometheus, Jaeger and Loki.
pub fn backends() -> Result<()> {
    places::GO_SERVERS.iter().try_for_each(go_server)
}

/// Prometheus' Alertmanager, with `amtool`.
pub fn alertmanager() -> Result<()> {
    if quiet(Command::new("prometheus-alertmanager").arg("--version")).is_ok() {
        return Ok(());
    }
    step("Prometheus' Alertmanager, by the system's packages");
    let why = "Alertmanager is needed (Debian: prometheus-alertmanager)";
    quiet(Command::new("apt-get").arg("update")).context(why)?;
    quiet(Command::new("apt-get").args(["install", "-y", "--no-install-recommends", "prometheus-alertmanager"]))
        .context(why)
}

/// A server from its Go module: a copy of the module, because the module cache is read-only, with the versions of its own `go.sum`.
fn go_server(server: &places::GoServer) -> Result<()> {
    let missing: Vec<_> = server.commands.iter().filter(|(_, binary)| !server.binary(binary).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    step(&format!("{} from its Go module (some minutes, once)", server.module));
    let output = Command::new("go").args(["mod", "download", "-json", server.module]).output();
    let output = output.context("go 1.25 or newer is needed to build the servers that the tests run")?;
    let downloaded: Value = serde_json::from_slice(&output.stdout).context("reading what `go mod download` says")?;
    let Some(module) = downloaded["Dir"].as_str() else {
        bail!("{} cannot be had: {}", server.module, downloaded["Error"].as_str().unwrap_or("no reason was given"));
    };
    let source = server.folder().join("source");
    if source.exists() {
        fs::remove_dir_all(&source)?;
    }
    fs::create_dir_all(server.folder())?;
    quiet(Command::new("cp").arg("-r").args([Path::new(module), &source]))?;
    quiet(Command::new("chmod").args(["-R", "u+w"]).arg(&source))?;
    // Without the workspace that some modules come with: its other modules are not in the copy.
    let go = |args: &[&str]| quiet(Command::new("go").current_dir(&source).env("GOWORK", "off").args(args));
    for replacement in server.replacements_dropped {
        go(&["mod", "edit", &format!("-dropreplace={replacement}")])?;
    }
    let tags = format!("-tags={}", server.tags);
    for (package, binary) in missing {
        // Built beside its place and moved there, so that a build that was cut off is not taken for a binary.
        let built = server.binary(&format!("{binary}.new"));
        let output = built.to_string_lossy();
        // Without tables for debuggers: half the size, and a third of the time to link.
        go(&["build", "-mod=mod", "-trimpath", "-ldflags=-s -w", &tags, "-o", &output, package])?;
        fs::rename(&built, server.binary(binary))?;
    }
    fs::remove_dir_all(source)?;
    Ok(())
}

/// Says what a step does.
pub fn step(what: &str) {
    eprintln!("  ▸ {what}");
}

/// Runs a command whose output is of interest only when it fails.
pub fn quiet(command: &mut Command) -> Result<()> {
    let begun = Instant::now();
    let shown = format!("{command:?}").replace('"', "");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = said.lines().rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!("{shown}: {}\n{}", output.status, tail.join("\n"));
    }
    if env::var_os("WASMILL_VERBOSE").is_some() {
        eprintln!("    {shown} ({:.1} s)", begun.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Runs a command whose output the user sees as it comes.
pub fn shown(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    ensure!(status.success(), "{}: {status}", command.get_program().to_string_lossy());
    Ok(())
}
