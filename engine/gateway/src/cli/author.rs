//! `wasmill plugin new`, `build`, `test`, `bench`: what plugin authors work with.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tokio::runtime::Runtime;
use wasmill_authoring::bench::{self, BenchError, BenchSpec};
use wasmill_authoring::build::{self, BuildError, Built, Install};
use wasmill_authoring::case::{self, Case, Mode};
use wasmill_authoring::project::{self, Kind, NewError};
use wasmill_authoring::{Language, report};
use wasmill_host::{Host, Plugin};
use wasmill_wire::Signal;

use super::operate::{self, AdminArgs};
use super::send::signals;
use super::{
    EXIT_FAILED, EXIT_WRONG, HostArgs, Output, complain, failed, inspect, plugin_config, read, runtime, say, say_json,
};
use crate::engine::chain;
use crate::telemetry::init_plugin_logs;
use crate::watch::FileWatcher;

#[derive(Args)]
pub struct NewArgs {
    /// The project's name, and its folder's: letters a to z, digits and `-`.
    name: String,
    /// What it is written in.
    #[arg(long, value_parser = PossibleValuesParser::new(Language::ALL.map(Language::id)).try_map(language))]
    lang: Language,
    /// What it does at first.
    #[arg(long, value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::id)).try_map(kind), default_value = "filter")]
    kind: Kind,
    /// Another folder than the name's, absent or empty.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Args)]
pub struct BuildArgs {
    /// The project's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Gets tools that are missing, into the project's folder where they can be there.
    #[arg(long)]
    install_tools: bool,
    /// Goes on: builds again when a file changes.
    #[arg(long)]
    watch: bool,
    /// With `--watch`: the stage of a running gateway that each new build is put into.
    #[arg(long, value_name = "STAGE", requires = "watch")]
    swap: Option<String>,
    #[command(flatten)]
    gateway: AdminArgs,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
pub struct TestArgs {
    /// The project's folder; its cases are in `tests`.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Tests this plugin, instead of building the project.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Cases from another folder.
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Runs only cases whose name has this in it.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Writes what came out to each case's `expected.json`.
    #[arg(long)]
    update: bool,
    /// Writes the results as JUnit's XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Gets tools that are missing before it builds.
    #[arg(long)]
    install_tools: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
pub struct BenchArgs {
    /// A component, or a core module with its component type.
    #[arg(default_value = build::OUTPUT)]
    file: PathBuf,
    /// An OTLP export request, JSON or protobuf, whose rows are shown to the plugin, repeated where there are too few. Default: that of
    /// the first case in `tests` beside the plugin, with its configuration.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// What a protobuf input holds: traces, metrics or logs.
    #[arg(long, value_name = "SIGNAL", value_parser = signals())]
    signal: Option<Signal>,
    /// What the stage's `config` would be, as JSON.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// What a plugin that decides about groups has its rows grouped by.
    #[arg(long, value_name = "PATH", default_value = "trace_id")]
    group_by: String,
    /// Rows a call, several with commas, each 1 to 8192.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = bench::ROWS, value_parser = rows)]
    rows: Vec<usize>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    host: HostArgs,
}

fn language(id: String) -> Result<Language, &'static str> {
    Language::ALL.into_iter().find(|language| language.id() == id).ok_or("no such language")
}

fn kind(id: String) -> Result<Kind, &'static str> {
    Kind::ALL.into_iter().find(|kind| kind.id() == id).ok_or("no such kind")
}

fn rows(text: &str) -> Result<usize, String> {
    let rows = text.parse::<usize>().ok().filter(|rows| (1..=bench::ROWS_MAX).contains(rows));
    rows.ok_or_else(|| format!("expected a whole number, 1 to {}", bench::ROWS_MAX))
}

pub fn new(args: &NewArgs) -> ExitCode {
    let language = args.lang;
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    match project::create(&dir, &args.name, language, args.kind) {
        Ok(files) => {
            let own: Vec<String> = files
                .iter()
                .filter(|file| !file.starts_with("wasmill") && !file.starts_with(case::FOLDER))
                .map(|file| format!("  {}\n", dir.join(file).display()))
                .collect();
            let dir = dir.display();
            say(&format!(
                "A {language} project:\n{}  {dir}/tests    cases: rows in, rows out\n  {dir}/wasmill  the SDK and the contract\n\n\
                 Next: cd {dir} && wasmill plugin test\n",
                own.concat()
            ));
            ExitCode::SUCCESS
        }
        Err(error @ NewError::Write { .. }) => failed(EXIT_FAILED, [chain(&error)]),
        Err(error) => failed(EXIT_WRONG, [chain(&error)]),
    }
}

pub fn build(args: &BuildArgs) -> Result<ExitCode, ExitCode> {
    let tools = Tools::new(&args.host)?;
    let install = install(args.install_tools);
    if args.watch {
        return Ok(watch(args, &tools, install));
    }
    let built = tools.build(&args.dir, install).map_err(|error| not_built(&error))?;
    say(&tools.describe(&args.dir, &built));
    Ok(ExitCode::SUCCESS)
}

fn install(wanted: bool) -> Install {
    if wanted { Install::Missing } else { Install::No }
}

pub fn test(args: &TestArgs) -> Result<ExitCode, ExitCode> {
    let tools = Tools::new(&args.host)?;
    // Read first: who waited for a compiler does not want to hear of a misspelt key then.
    let folder = args.cases.clone().unwrap_or_else(|| args.dir.join(case::FOLDER));
    let mut cases = case::find(&folder).map_err(|error| failed(EXIT_WRONG, [chain(&error)]))?;
    if let Some(part) = &args.only {
        cases.retain(|case| case.name.contains(part));
        if cases.is_empty() {
            return Err(failed(EXIT_WRONG, [format!("no case of `{}` has `{part}` in its name", folder.display())]));
        }
    }
    let plugin = tools.plugin(args)?;
    init_plugin_logs();
    let mode = if args.update { Mode::Update } else { Mode::Check };
    let outcomes = tools.runtime.block_on(async {
        let mut outcomes = Vec::new();
        for case in &cases {
            outcomes.push(case::run(&tools.host, &plugin, case, mode).await);
        }
        outcomes
    });
    say(&report::text(&outcomes, std::io::stdout().is_terminal()));
    if let Some(file) = &args.junit {
        let written = report::junit(&suite(&args.dir), &outcomes).and_then(|xml| std::fs::write(file, xml));
        if let Err(error) = written {
            return Err(failed(EXIT_FAILED, [format!("`{}` cannot be written: {error}", file.display())]));
        }
    }
    let passed = outcomes.iter().all(|outcome| outcome.failures.is_empty());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

pub fn bench(args: &BenchArgs) -> Result<ExitCode, ExitCode> {
    let bytes = read(&args.file)?;
    let config = plugin_config(args.config.as_deref())?;
    let spec = bench_spec(args, &bytes, config).map_err(|reason| failed(EXIT_WRONG, [reason]))?;
    let report = runtime()?.block_on(bench::bench(args.host.config(), &spec)).map_err(|error| {
        let code = if matches!(error, BenchError::Host(_) | BenchError::Cache(_)) { EXIT_FAILED } else { EXIT_WRONG };
        failed(code, [chain(&error)])
    })?;
    match args.output {
        Output::Json => say_json(&report)?,
        Output::Text => say(&report.text(&args.file.display().to_string())),
    }
    Ok(ExitCode::SUCCESS)
}

fn bench_spec<'b>(
    args: &'b BenchArgs,
    bytes: &'b [u8],
    config: Option<serde_json::Value>,
) -> Result<BenchSpec<'b>, String> {
    let folder = args.file.parent().unwrap_or(Path::new("")).join(case::FOLDER);
    let cases = case::find(&folder);
    let accepted = cases.as_ref().ok().and_then(|cases| cases.iter().find(|case| case.is_accepted()));
    let own_tables = |case: &Case| case.tables().map(|(name, table)| (name.to_owned(), table)).collect();
    let tables = accepted.map(own_tables).unwrap_or_default();
    let (signal, request, config) = match (&args.input, accepted, &cases) {
        (Some(file), ..) => {
            let (signal, request) = case::read_request(file, args.signal)?;
            (signal, request, config.unwrap_or(serde_json::Value::Null))
        }
        (None, Some(case), _) => {
            let (signal, request) = case.request()?;
            (signal, request, config.unwrap_or_else(|| case.config().clone()))
        }
        (None, None, Err(error)) => return Err(format!("there is no `--input`, and {}", chain(error))),
        (None, None, Ok(_)) => {
            return Err(format!("there is no `--input`, and no case in `{}` that is accepted", folder.display()));
        }
    };
    Ok(BenchSpec { bytes, config, tables, signal, request, group_by: &args.group_by, rows: args.rows.clone() })
}

/// Builds now, and whenever a source changes, until it is ended.
fn watch(args: &BuildArgs, tools: &Tools, install: Install) -> ExitCode {
    let mut watcher = match FileWatcher::new() {
        Ok(watcher) => watcher,
        Err(error) => return failed(EXIT_FAILED, [format!("changes of files cannot be noticed: {error}")]),
    };
    let mut changed: Option<SystemTime> = None;
    // Looked at before the build: what is changed during it is built next.
    let mut sources = build::sources(&args.dir);
    loop {
        watcher.set(sources.paths());
        match tools.build(&args.dir, install) {
            Ok(plugin) => {
                say(&format!("built in {:.1} s: {} bytes\n", plugin.took.as_secs_f64(), plugin.component.len()));
                let swapped = args.swap.as_ref().map(|stage| operate::swap(&args.gateway, stage, &plugin.path));
                if let (true, Some(since)) = (swapped == Some(ExitCode::SUCCESS), changed) {
                    let seconds = since.elapsed().unwrap_or_default().as_secs_f64();
                    say(&format!("from the edit to running: {seconds:.1} s\n"));
                }
            }
            Err(error @ BuildError::NotAProject { .. }) => return not_built(&error),
            Err(error) => {
                not_built(&error);
            }
        }
        // What the build itself wrote is no change.
        sources = loop {
            let now = build::sources(&args.dir);
            if now != sources {
                break now;
            }
            tools.runtime.block_on(watcher.changed());
        };
        changed = sources.newest();
    }
}

/// What all of them need.
struct Tools {
    host: Host,
    runtime: Runtime,
}

impl Tools {
    fn new(host: &HostArgs) -> Result<Tools, ExitCode> {
        Ok(Tools { host: host.host()?, runtime: runtime()? })
    }

    fn build(&self, dir: &Path, install: Install) -> Result<Built, BuildError> {
        if let Some(language) = Language::of(dir) {
            complain(&format!("building `{}` ({language})\n", dir.display()));
        }
        build::build(&self.host, dir, install)
    }

    /// What was built, as far as the plugin says it itself, with the configuration of the first case that has one.
    fn describe(&self, dir: &Path, built: &Built) -> String {
        let config = case::find(&dir.join(case::FOLDER)).ok();
        let accepted = config.as_ref().and_then(|cases| cases.iter().find(|case| case.is_accepted()));
        let config = accepted.map(Case::config);
        let inspection = self.runtime.block_on(self.host.inspect(&built.component, config));
        format!("built in {:.1} s\n{}", built.took.as_secs_f64(), inspect::text(&built.path, &inspection))
    }

    fn plugin(&self, args: &TestArgs) -> Result<Arc<Plugin>, ExitCode> {
        let (name, bytes) = match &args.plugin {
            Some(file) => (file.clone(), read(file)?),
            None => {
                let built = self.build(&args.dir, install(args.install_tools)).map_err(|error| not_built(&error))?;
                (built.path, built.component)
            }
        };
        let loaded = self.runtime.block_on(self.host.load(&name.display().to_string(), &bytes));
        loaded.map_err(|error| failed(EXIT_WRONG, [format!("`{}`: {}", name.display(), chain(&error))]))
    }
}

fn not_built(error: &BuildError) -> ExitCode {
    let code = match error {
        BuildError::Start { .. } | BuildError::Io { .. } => EXIT_FAILED,
        _ => EXIT_WRONG,
    };
    failed(code, [chain(error)])
}

/// The project's name.
fn suite(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).ok();
    let name = absolute.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "plugin".to_owned())
}
