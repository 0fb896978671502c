//! Plugins in every language, from `wasmill plugin new` to rows: built with the languages' own tools, run in the gateway's own host, and
//! compared with Rust's, row by row, on generated data.
//!
//! Building takes seconds to a quarter of a minute each. What is built is kept beside the set-up, by the content of everything that it
//! is made of, so that only what was changed is built again.

#[path = "languages/bindings.rs"]
mod bindings;
#[path = "languages/census.rs"]
mod census;
#[path = "languages/first.rs"]
mod first;
#[path = "languages/generate.rs"]
mod generate;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use wasmill_authoring::Language;
use wasmill_authoring::build::PYTHON_PACKAGE;
use wasmill_authoring::project::Kind;
use wasmill_tests::{Folder, Gateway, PATIENCE, wasmill};
use xtask::places;

/// Rows of each generated request: more than one slice has bits in a byte, fewer than a person could not look through.
const ROWS: usize = 500;

/// A project in a folder of its own, with a plugin that is built.
struct Project {
    dir: PathBuf,
}

impl Project {
    /// As a user makes and builds it, and runs the tests that it begins with.
    fn new(folder: &Folder, language: Language, kind: Kind) -> Result<Project> {
        Project::begin(folder, language, kind.id(), kind)?.build(language, kind.id(), own_tests(language))
    }

    /// As a user makes it.
    fn begin(folder: &Folder, language: Language, name: &str, kind: Kind) -> Result<Project> {
        let dir = folder.path(&format!("{}-{name}", language.id()));
        let args = ["plugin", "new", name, "--lang", language.id(), "--kind", kind.id(), "--dir"];
        run(wasmill()?.args(args).arg(&dir))?;
        Ok(Project { dir })
    }

    /// Builds it, with tools that the set-up put where `--install-tools` would, and runs `tests` before. One that was built already is taken
    /// as it is.
    fn build(self, language: Language, name: &str, tests: &[&[&str]]) -> Result<Project> {
        let cached = built(language, name, &self.dir)?;
        if cached.exists() {
            fs::copy(&cached, self.plugin())?;
            return Ok(self);
        }
        self.tested(language, tests)?;
        let mut build = wasmill()?;
        build.args(["plugin", "build"]).arg(&self.dir);
        // The projects in Rust share what they depend on.
        build.env("CARGO_TARGET_DIR", places::target().join("plugin-projects"));
        run(&mut build).with_context(|| format!("building {name} in {language}"))?;
        let beside = cached.with_extension("new");
        fs::copy(self.plugin(), &beside)?;
        fs::rename(beside, cached)?;
        Ok(self)
    }

    /// Gets its tools, and runs tests with the language's own.
    fn tested(&self, language: Language, tests: &[&[&str]]) -> Result<()> {
        places::link_plugin_tools(language.id(), &self.dir)?;
        tests.iter().try_for_each(|words| run(Command::new(words[0]).args(&words[1..]).current_dir(&self.dir)))
    }

    fn plugin(&self) -> PathBuf {
        self.dir.join("plugin.wasm")
    }

    /// `wasmill plugin test` with what was built.
    fn test(&self, cases: &Path, more: &[&str]) -> Result<Output> {
        let mut test = wasmill()?;
        test.args(["plugin", "test", "--plugin"]).arg(self.plugin());
        test.arg("--cases").arg(cases).args(more);
        test.env("WASMILL_CACHE_DIR", places::cache().join("plugins-compiled"));
        Ok(test.output()?)
    }
}

/// What makes a component of a project, besides the project.
const BUILDERS: [&str; 5] = [
    "engine/authoring/src/build.rs",
    "engine/authoring/src/build",
    "engine/host/src/check.rs",
    "engine/host/src/preview1.rs",
    "engine/host/src/preview1",
];

/// Where a project's plugin is kept: by the content of the project, which holds the SDK and names some tools, by what builds it, and by the
/// versions of the others.
fn built(language: Language, name: &str, dir: &Path) -> Result<PathBuf> {
    let mut files = Vec::new();
    walk(dir, &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.strip_prefix(dir)?.to_string_lossy().as_bytes());
        hash.update(fs::read(&file)?);
    }
    let mut builders = Vec::new();
    for path in BUILDERS.map(|path| places::checkout().join(path)) {
        if path.is_dir() { walk(&path, &mut builders)? } else { builders.push(path) }
    }
    builders.sort();
    for file in builders {
        hash.update(fs::read(file)?);
    }
    let version: &[&str] = match language {
        Language::Rust => &["cargo", "--version"],
        Language::Go => &["go", "version"],
        Language::Python => &["python3", "--version"],
        Language::JavaScript | Language::TypeScript => &["node", "--version"],
        Language::C => &["clang", "--version"],
    };
    hash.update(Command::new(version[0]).args(&version[1..]).output()?.stdout);
    let key: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = places::cache().join("plugins-built");
    fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{}-{name}-{key}.wasm", language.id())))
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The tests that a project begins with, as its README says to run them. Rust's are `plugins/sdk-rust/tests/templates.rs`.
fn own_tests(language: Language) -> &'static [&'static [&'static str]] {
    match language {
        Language::Rust | Language::C => &[],
        Language::Go => &[&["go", "test", "./..."], &["go", "vet", "./..."]],
        Language::Python => &[&["python3", "-m", "unittest"]],
        Language::JavaScript => &[&["npm", "test"]],
        Language::TypeScript => &[&["npm", "test"], &["npm", "run", "check"]],
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    Ok(())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The configurations that generated rows are tried with.
fn configs(kind: Kind) -> [&'static str; 2] {
    match kind {
        Kind::Filter => [
            r#"{"attribute": "http.route", "drop": ["/healthz", "/ready", "Prüfung"]}"#,
            r#"{"attribute": "absent", "drop": [""]}"#,
        ],
        Kind::Enrich => [
            r#"{"teams": {"checkout": "payments", "cart": "payments", "": "nobody", "Ünïcode": "i18n"}}"#,
            r#"{"teams": {"checkout": "payments"}, "default": "unowned"}"#,
        ],
        Kind::Route => [
            r#"{"attribute": "tenant", "routes": {"acme": "eu", "globex": "us", "initech": "eu"}}"#,
            r#"{"attribute": "tenant", "routes": {"acme": "eu"}, "default": "us"}"#,
        ],
        Kind::Redact => {
            [r#"{}"#, r#"{"mask": "<gone>", "maps": ["attributes", "resource.attributes", "scope.attributes"]}"#]
        }
        Kind::Group => [r#"{}"#, r#"{"slow_ms": 2, "keep_ratio": 0.3}"#],
    }
}

/// Each language's plugin of a kind passes the kind's cases, and leaves of generated rows what Rust's leaves. TypeScript is built for one kind.
fn same_in_every_language(kind: Kind) -> Result<()> {
    let folder = Folder::new()?;
    let generated = folder.path("generated");
    // Whole traces are a matter of traces alone.
    let (signals, grouped) = match kind {
        Kind::Group => (&generate::SIGNALS[..1], "group_by: trace_id\n"),
        _ => (&generate::SIGNALS[..], ""),
    };
    for signal in signals {
        for (number, config) in configs(kind).iter().enumerate() {
            let case = generated.join(format!("{signal}-{number}"));
            fs::create_dir_all(&case)?;
            let request = match kind {
                Kind::Group => generate::traces(ROWS, number as u64),
                _ => generate::request(signal, ROWS, number as u64),
            };
            fs::write(case.join("input.json"), request)?;
            fs::write(case.join("case.yaml"), format!("config: {config}\n{grouped}"))?;
        }
    }
    let rust = Project::new(&folder, Language::Rust, kind)?;
    let written = rust.test(&generated, &["--update"])?;
    ensure!(written.status.success(), "{}", said(&written));
    for language in Language::ALL {
        let project = match language {
            Language::Rust => Project { dir: rust.dir.clone() },
            // Its types are checked, and what is left without them is JavaScript: one kind shows that this is built.
            Language::TypeScript if kind != Kind::Filter => {
                let project = Project::begin(&folder, language, kind.id(), kind)?;
                project.tested(language, own_tests(language))?;
                continue;
            }
            _ => Project::new(&folder, language, kind)?,
        };
        for cases in [&project.dir.join("tests"), &generated] {
            let tested = project.test(cases, &[])?;
            ensure!(tested.status.success(), "{kind:?} in {language}: {}", said(&tested));
        }
    }
    Ok(())
}

#[test]
fn a_filter_is_the_same_in_every_language() -> Result<()> {
    same_in_every_language(Kind::Filter)
}

#[test]
fn an_enricher_is_the_same_in_every_language() -> Result<()> {
    same_in_every_language(Kind::Enrich)
}

#[test]
fn a_router_is_the_same_in_every_language() -> Result<()> {
    same_in_every_language(Kind::Route)
}

#[test]
fn a_redactor_is_the_same_in_every_language() -> Result<()> {
    same_in_every_language(Kind::Redact)
}

#[test]
fn a_tail_sampler_is_the_same_in_every_language() -> Result<()> {
    same_in_every_language(Kind::Group)
}

/// A source is saved while `plugin build --watch --swap` runs beside a gateway: the plugin is built and served, and the time from the edit is
/// shown. One that does not compile is said, and the next is built.
#[test]
fn an_edit_is_served_while_it_is_watched() -> Result<()> {
    let folder = Folder::new()?;
    let project = Project::new(&folder, Language::Go, Kind::Filter)?;
    let (plugin, socket) = (project.plugin(), folder.path("admin.sock"));
    let configuration = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}\n\
         processors: {{wasm/filter: {{plugin: '{}', config: {{attribute: a, drop: []}}, swap: {{probation: 0s}}}}}}\n\
         exporters: {{debug: }}\n\
         service:\n  admin: {{socket: '{}'}}\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines: {{traces: {{receivers: [otlp], processors: \
         [wasm/filter], exporters: [debug]}}}}\n",
        plugin.display(),
        socket.display()
    );
    let gateway = Gateway::start(&folder, &configuration)?;
    let mut watch = wasmill()?;
    watch
        .args(["plugin", "build", "--watch", "--swap", "wasm/filter", "--admin-socket"])
        .arg(&socket)
        .arg(&project.dir);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let said = lines([
        Box::new(watch.stdout.take().context("its output")?),
        Box::new(watch.stderr.take().context("its errors")?),
    ]);
    let until = |what: &str| -> Result<String> {
        let mut seen = Vec::new();
        loop {
            let line = said.recv_timeout(PATIENCE).with_context(|| format!("no `{what}` in {seen:#?}"))?;
            if line.contains(what) {
                return Ok(line);
            }
            seen.push(line);
        }
    };
    let source = project.dir.join("plugin.go");
    let text = fs::read_to_string(&source)?;
    let outcome = (|| {
        until("wasm/filter: ")?;
        fs::write(&source, text.replace("dropped.Count(); count > 0", "dropped.Count(); count > 1"))?;
        until("wasm/filter: serves since generation ")?;
        until("from the edit to running: ")?;
        fs::write(&source, text.replace("package main", "package"))?;
        until("failed with 1")?;
        fs::write(&source, text.replace("dropped.Count(); count > 0", "dropped.Count(); count > 2"))?;
        until("from the edit to running: ")
    })();
    watch.kill()?;
    watch.wait()?;
    gateway.stop()?;
    outcome.map(drop)
}

/// Lines of several outputs, as they come.
fn lines(outputs: [Box<dyn Read + Send>; 2]) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    for output in outputs {
        let sender = sender.clone();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
    }
    receiver
}

/// The SDKs' own tests, without WebAssembly, with the language's own runners.
#[test]
fn the_sdks_pass_their_own_tests() -> Result<()> {
    let plugins = places::checkout().join("plugins");
    run(Command::new("go").args(["test", "./..."]).current_dir(plugins.join("sdk-go/wasmill")))?;
    let mut python = Command::new("python3");
    python.args(["-m", "unittest", "discover", "tests"]).env("PYTHONDONTWRITEBYTECODE", "1");
    run(python.current_dir(plugins.join("sdk-python")))?;
    let mut tests: Vec<PathBuf> = Vec::new();
    walk(&plugins.join("sdk-js/tests"), &mut tests)?;
    run(Command::new("node").arg("--test").args(tests))?;
    run(Command::new("make").args(["CC=gcc", "-C"]).arg(plugins.join("sdk-c/tests")))
}

/// The set-up installs what `--install-tools` does.
#[test]
fn the_tools_are_those_that_are_installed_for_users() -> Result<()> {
    let requirements = fs::read_to_string(places::plugin_requirements())?;
    assert_eq!(requirements.trim_end(), PYTHON_PACKAGE);
    Ok(())
}
