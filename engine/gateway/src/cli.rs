//! The command line.
//!
//! Exit codes: 0 as asked, 1 it could not (a port in use, the engine does not start), 2 what was given is wrong (a configuration,
//! a plugin, an argument).

mod author;
mod components;
mod inspect;
mod operate;
mod paint;
mod run;
mod send;
mod tap;
mod top;
mod validate;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde::Serialize;
use wasmill_config::{ConfigErrors, Loaded};
use wasmill_host::{Compile, Host, HostConfig};

use crate::engine::{EngineError, chain};

pub const EXIT_FAILED: u8 = 1;
pub const EXIT_WRONG: u8 = 2;

/// The hidden command that compiles a plugin in a child process.
const COMPILE_COMMAND: &str = "__compile";

const EXAMPLES: &str = "\
Examples:
  wasmill run --config gateway.yaml
  wasmill run --config base.yaml --config production.yaml
  wasmill validate --config gateway.yaml
  wasmill components --output json-schema > gateway.schema.json
  wasmill plugin inspect filter.wasm --config '{\"drop\": [\"IsMatch(name, \\\"^/health\\\")\"]}'";

/// A telemetry gateway whose processors are WebAssembly plugins: OTLP in, plugins decide, OTLP out.
#[derive(Parser)]
#[command(name = "wasmill", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway until SIGTERM or SIGINT; SIGHUP, and a change of a file, reload it.
    #[command(after_help = "Example:\n  wasmill run --config gateway.yaml")]
    Run {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        host: HostArgs,
        /// Where `wasmill status`, `swap`, `rollback`, `tap` and `top` reach it, instead of `service::admin::socket`.
        #[arg(long, value_name = "PATH", env = "WASMILL_ADMIN_SOCKET")]
        admin_socket: Option<PathBuf>,
    },
    /// Checks a configuration, its plugins included, and shows what it would run. Opens no port.
    #[command(after_help = "Example:\n  wasmill validate --config gateway.yaml && systemctl reload wasmill")]
    Validate {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        host: HostArgs,
    },
    /// Shows everything that can stand in a configuration, with each key, its type, default and meaning.
    #[command(
        after_help = "Examples:\n  wasmill components\n  wasmill components otlp_grpc\n  wasmill components --output json-schema > gateway.schema.json"
    )]
    Components {
        /// A section (`exporters`) or a type (`otlp_grpc`), to see no others.
        name: Option<String>,
        /// How to print.
        #[arg(long, value_enum, default_value_t = components::Format::Text)]
        output: components::Format,
    },
    /// Shows how a running gateway stands: pipelines, plugins, the last swaps and why they failed, queues.
    #[command(after_help = "Examples:\n  wasmill status\n  wasmill status --output json | jq '.plugins[].last_swap'")]
    Status {
        /// How to print.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
        #[command(flatten)]
        gateway: operate::AdminArgs,
    },
    /// Puts a plugin into a stage of a running gateway, and waits until it serves or is refused.
    #[command(after_help = "Example:\n  wasmill swap wasm/triage ./triage.wasm")]
    Swap {
        /// The stage's name in the configuration, such as `wasm/triage`.
        stage: String,
        /// A component, or a core module with its component type.
        file: PathBuf,
        #[command(flatten)]
        gateway: operate::AdminArgs,
    },
    /// Puts the plugin back that a stage of a running gateway ran before.
    #[command(after_help = "Example:\n  wasmill rollback wasm/triage")]
    Rollback {
        /// The stage's name in the configuration, such as `wasm/triage`.
        stage: String,
        #[command(flatten)]
        gateway: operate::AdminArgs,
    },
    /// Shows records of a running gateway as they pass, and what a plugin makes of them.
    #[command(
        after_help = "Examples:\n  wasmill tap --stage wasm/triage\n  wasmill tap --pipeline logs --where 'severity_number >= 17'\n  wasmill tap --stage wasm/triage --where 'attributes[\"http.route\"] == \"/pay\"' --limit 0 --count 100 --output json | jq .changes"
    )]
    Tap(tap::TapArgs),
    /// Shows what a running gateway does, each second: rates, plugins, queues, memory.
    #[command(after_help = "Examples:\n  wasmill top\n  wasmill top --once --output json | jq '.plugins[].ns_per_row'")]
    Top(top::TopArgs),
    /// Sends recorded telemetry to a server, and says what became of it.
    #[command(
        after_help = "Examples:\n  wasmill replay archive.jsonl\n  wasmill replay archive.jsonl --protocol http/json --rate 100 --repeat 0 --seconds 60\n  wasmill replay archive.jsonl --config gateway.yaml --exporter otlp_grpc/backend"
    )]
    Replay(send::ReplayArgs),
    /// Sends generated telemetry to a server, and says what became of it.
    #[command(
        after_help = "Examples:\n  wasmill load --seconds 10\n  wasmill load --signal logs --rows 1000 --rate 200 --count 10000 --endpoint localhost:4317"
    )]
    Load(send::LoadArgs),
    /// Writes completions for a shell to standard output.
    #[command(after_help = "Example:\n  wasmill completions bash > /etc/bash_completion.d/wasmill")]
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Writes manual pages, one for each command, into a folder.
    #[command(after_help = "Example:\n  wasmill man /usr/local/share/man/man1")]
    Man {
        /// Is made if it is not there.
        dir: PathBuf,
    },
    /// Makes, builds, tests, measures and looks at plugins.
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Writes a project that builds, with test cases that pass.
    #[command(
        after_help = "Examples:\n  wasmill plugin new drop-health --lang rust\n  wasmill plugin new teams --lang python --kind enrich"
    )]
    New(author::NewArgs),
    /// Builds a project into its `plugin.wasm`, and shows what came out.
    #[command(
        after_help = "Examples:\n  wasmill plugin build drop-health\n  wasmill plugin build --watch --swap wasm/drop-health"
    )]
    Build(author::BuildArgs),
    /// Builds a project, and runs its test cases in the gateway's own host: no gateway is needed.
    #[command(
        after_help = "Examples:\n  wasmill plugin test drop-health\n  wasmill plugin test --update --only health\n  wasmill plugin test --junit report.xml\n  wasmill plugin test --plugin filter.wasm --cases cases"
    )]
    Test(author::TestArgs),
    /// Measures what a plugin costs a row and a call, beside one that does nothing and the gateway alone.
    #[command(
        after_help = "Examples:\n  wasmill plugin bench plugin.wasm\n  wasmill plugin bench filter.wasm --input spans.json --config '{\"drop\": [\"kind == 2\"]}' --rows 1,1024"
    )]
    Bench(author::BenchArgs),
    /// Shows what a plugin imports, exports and wants, or why it is refused.
    #[command(
        after_help = "Example:\n  wasmill plugin inspect filter.wasm --config '{\"keep\": [\"kind == 2\"]}' --output json\n  wasmill plugin inspect new.wasm --instead-of old.wasm"
    )]
    Inspect {
        /// A component, or a core module with its component type.
        file: PathBuf,
        /// Another plugin, such as the one that serves: shows what would change.
        #[arg(long, value_name = "FILE")]
        instead_of: Option<PathBuf>,
        /// What the stage's `config` would be, as JSON.
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// How to print.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
        #[command(flatten)]
        host: HostArgs,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Args)]
struct ConfigArgs {
    /// The configuration: a file, or `env:NAME`, or `yaml:TEXT`. May be given several times: later ones are merged over earlier ones.
    #[arg(long, short, value_name = "FILE", required = true)]
    config: Vec<PathBuf>,
}

#[derive(Args)]
struct HostArgs {
    /// Where compiled plugins are kept. Default: `wasmill/plugins` in the user's cache directory.
    #[arg(long, value_name = "DIR", env = "WASMILL_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
}

/// Runs the command that the arguments name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().peekable();
    let program = args.next().unwrap_or_else(|| "wasmill".into());
    // Before the parser: a child that compiles has its own arguments, and starts nothing else.
    if args.peek().is_some_and(|first| first == COMPILE_COMMAND) {
        return ExitCode::from(wasmill_host::compile_child_main(args.skip(1)) as u8);
    }
    let cli = match Cli::try_parse_from(std::iter::once(program).chain(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no mistakes.
            let code = if error.use_stderr() { EXIT_WRONG } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match cli.command {
        Command::Run { config, host, admin_socket } => run::run(&config, &host, admin_socket.as_deref()),
        Command::Validate { config, host } => validate::validate(&config, &host),
        Command::Components { name, output } => components::components(name.as_deref(), output),
        Command::Status { output, gateway } => operate::status(&gateway, output),
        Command::Swap { stage, file, gateway } => operate::swap(&gateway, &stage, &file),
        Command::Rollback { stage, gateway } => operate::rollback(&gateway, &stage),
        Command::Tap(args) => tap::tap(&args).unwrap_or_else(|code| code),
        Command::Top(args) => top::top(&args).unwrap_or_else(|code| code),
        Command::Replay(args) => send::replay(&args),
        Command::Load(args) => send::load(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "wasmill", &mut script);
            say(&String::from_utf8_lossy(&script));
            ExitCode::SUCCESS
        }
        Command::Man { dir } => {
            let written = std::fs::create_dir_all(&dir).and_then(|()| clap_mangen::generate_to(Cli::command(), &dir));
            match written {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(EXIT_FAILED, [format!("`{}` cannot be written: {error}", dir.display())]),
            }
        }
        Command::Plugin { command: PluginCommand::New(args) } => author::new(&args),
        Command::Plugin { command: PluginCommand::Build(args) } => author::build(&args).unwrap_or_else(|code| code),
        Command::Plugin { command: PluginCommand::Test(args) } => author::test(&args).unwrap_or_else(|code| code),
        Command::Plugin { command: PluginCommand::Bench(args) } => author::bench(&args).unwrap_or_else(|code| code),
        Command::Plugin { command: PluginCommand::Inspect { file, instead_of, config, output, host } } => {
            let inspected = inspect::inspect(&file, instead_of.as_deref(), config.as_deref(), output, &host);
            inspected.unwrap_or_else(|code| code)
        }
    }
}

impl ConfigArgs {
    /// Reads the files. What is loaded keeps its configuration's places, for what is found wrong later.
    fn load(&self) -> Result<Loaded, ConfigErrors> {
        wasmill_config::load(&self.config, &|name| std::env::var(name).ok())
    }
}

impl HostArgs {
    /// `Err`: it does not start, which has been said.
    fn host(&self) -> Result<Host, ExitCode> {
        Host::new(self.config()).map_err(|error| failed(EXIT_FAILED, [chain(&error)]))
    }

    fn config(&self) -> HostConfig {
        let cache_dir = self.cache_dir.clone().or_else(default_cache_dir);
        let mut config = HostConfig { cache_dir, ..HostConfig::default() };
        if let Compile::Child(command) = &mut config.compile {
            command.args = vec![COMPILE_COMMAND.into()];
        }
        config
    }
}

/// As the XDG base directory specification has it.
fn default_cache_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("wasmill/plugins"))
}

/// A runtime for a command; its threads are named for whoever looks at the process. `Err`: there is none, which has been said.
fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("wasmill").enable_all().build();
    runtime.map_err(|error| failed(EXIT_FAILED, [format!("no threads: {error}")]))
}

/// The bytes of a file that an argument names. `Err`: it cannot be read, which has been said.
fn read(file: &Path) -> Result<Vec<u8>, ExitCode> {
    std::fs::read(file).map_err(|error| failed(EXIT_WRONG, [format!("cannot read `{}`: {error}", file.display())]))
}

/// What `--config` of a plugin says. `Err`: it is not JSON, which has been said.
fn plugin_config(argument: Option<&str>) -> Result<Option<serde_json::Value>, ExitCode> {
    let config = argument.map(serde_json::from_str).transpose();
    config.map_err(|error| failed(EXIT_WRONG, [format!("`--config` is not JSON: {error}")]))
}

/// Writes to standard output, for programs. `Err`: it cannot be JSON, which has been said.
fn say_json(value: &impl Serialize) -> Result<(), ExitCode> {
    let json = serde_json::to_string_pretty(value).map_err(|error| failed(EXIT_FAILED, [chain(&error)]))?;
    say(&format!("{json}\n"));
    Ok(())
}

/// Says on standard error what is wrong with a configuration that was read, each mistake at its key.
fn explained(code: u8, loaded: &Loaded, error: &EngineError) -> ExitCode {
    for (key, line) in error.mistakes() {
        complain(&loaded.explain(&key, line).render());
    }
    ExitCode::from(code)
}

/// Says on standard error why a command failed.
fn failed(code: u8, lines: impl IntoIterator<Item = String>) -> ExitCode {
    for line in lines {
        complain(&format!("wasmill: {line}\n"));
    }
    ExitCode::from(code)
}

/// Writes to standard output. Unlike `print!`, it does not panic when nobody reads.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error, as [`say`].
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
