//! `wasmill replay` and `wasmill load`: recorded or generated telemetry, sent to a server.

mod recorded;

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tokio::signal::unix::{SignalKind, signal};
use wasmill_authoring::template::Template;
use wasmill_batch::RequestContext;
use wasmill_config::ComponentId;
use wasmill_wire::Signal;

use super::{EXIT_FAILED, EXIT_WRONG, Output, complain, failed, runtime, say, say_json};
use crate::build::make_exporter;
use crate::engine::chain;
use crate::exporter::{Exporter, OpenFiles, Request, Stores};
use crate::sender::{Pace, Summary, send};
use recorded::Recorded;

/// As `OTEL_EXPORTER_OTLP_PROTOCOL` has them.
const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];
/// Rows of a generated request: what fits into the 64 MiB that servers take.
const ROWS_MAX: u32 = 100_000;
const IN_FLIGHT_MAX: u32 = 10_000;

#[derive(Args)]
pub struct ReplayArgs {
    /// Files of OTLP/JSON requests, a line each, as the `file` exporter writes them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How often the files are sent, one after the other; 0: until it is ended.
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: u64,
    #[command(flatten)]
    sending: SendingArgs,
}

#[derive(Args)]
pub struct LoadArgs {
    /// What is sent: traces, metrics or logs.
    #[arg(long, value_name = "SIGNAL", default_value = "traces", value_parser = signals())]
    signal: Signal,
    /// Rows of a request.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROWS_MAX)))]
    rows: u32,
    #[command(flatten)]
    sending: SendingArgs,
}

#[derive(Args)]
struct SendingArgs {
    /// The server: host and port for gRPC, a URL for HTTP. Default: `localhost:4317`, or `http://localhost:4318`.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "exporter")]
    endpoint: Option<String>,
    /// How the server is spoken to.
    #[arg(long, default_value = PROTOCOLS[0], value_parser = PossibleValuesParser::new(PROTOCOLS), conflicts_with = "exporter")]
    protocol: String,
    /// A header of each request, `NAME=VALUE`; of a name that comes twice the last.
    #[arg(long, value_name = "NAME=VALUE", value_parser = header, conflicts_with = "exporter")]
    header: Vec<(String, String)>,
    /// Compresses requests.
    #[arg(long, conflicts_with = "exporter")]
    gzip: bool,
    /// Instead of `--endpoint`: an exporter of this configuration, with its TLS, authentication and compression.
    #[arg(long, short, value_name = "FILE", requires = "exporter")]
    config: Vec<PathBuf>,
    /// Which of its exporters.
    #[arg(long, value_name = "ID", requires = "config")]
    exporter: Option<String>,
    /// Requests a second. Default: as fast as answers come.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Requests in all.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How long requests are begun, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<Duration>,
    /// Requests under way at one time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=i64::from(IN_FLIGHT_MAX)))]
    in_flight: u32,
    /// How to print the summary.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "expected a number, 0.001 to 1000000".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.trim_end_matches('s').parse::<f64>().ok().filter(|seconds| (0.001..=1e8).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds, 0.001 to 100000000".to_owned())
}

/// The names of signals.
pub(super) fn signals() -> impl TypedValueParser<Value = Signal> {
    PossibleValuesParser::new(Signal::ALL.map(Signal::name)).try_map(|name| {
        let named = Signal::ALL.into_iter().find(|signal| signal.name() == name);
        named.ok_or("no such signal")
    })
}

pub fn replay(args: &ReplayArgs) -> ExitCode {
    let mut recorded = match Recorded::open(&args.files, args.repeat) {
        Ok(recorded) => recorded,
        Err(reason) => return failed(EXIT_WRONG, [reason]),
    };
    run(&args.sending, move || recorded.next()).unwrap_or_else(|code| code)
}

pub fn load(args: &LoadArgs) -> ExitCode {
    if args.sending.count.is_none() && args.sending.seconds.is_none() {
        return failed(EXIT_WRONG, ["how much? `--count 1000` requests, or `--seconds 10`".to_owned()]);
    }
    // A template's ids are those of spans, and the times of data points: so they begin now, at a multiple of ten, and no run repeats another's.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let template = Template::at(args.signal, args.rows as usize, now);
    let context = Arc::new(RequestContext::default());
    let (mut first, step) = (now.next_multiple_of(10), u64::from(args.rows).next_multiple_of(10));
    run(&args.sending, move || {
        let body = template.request(first);
        first += step;
        Ok(Some(Request::new(args.signal, args.rows.into(), body, Arc::clone(&context))))
    })
    .unwrap_or_else(|code| code)
}

fn run(args: &SendingArgs, mut next: impl FnMut() -> Result<Option<Request>, String>) -> Result<ExitCode, ExitCode> {
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let exporter = args.exporter()?;
    let mut left = args.count.unwrap_or(u64::MAX);
    let counted = move || match left.checked_sub(1) {
        Some(rest) => {
            left = rest;
            next()
        }
        None => Ok(None),
    };
    // Ctrl-C, and what a supervisor sends: the first time no more is begun, the second time nothing is waited for.
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
        return Err(failed(EXIT_FAILED, ["signals cannot be waited for".to_owned()]));
    };
    let stop = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let shown = std::io::stderr().is_terminal();
    let progress = |summary: &Summary| {
        if shown {
            complain(&format!("\r{}\x1b[K", line(summary)));
        }
    };
    let (summary, ended) = runtime.block_on(send(exporter, args.pace(), counted, stop, progress));
    if shown {
        complain("\r\x1b[K");
    }
    match args.output {
        Output::Text => say(&text(&summary)),
        Output::Json => say_json(&summary)?,
    }
    Ok(match ended {
        Err(reason) => failed(EXIT_WRONG, [reason]),
        Ok(()) if summary.all_accepted() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(EXIT_FAILED),
    })
}

impl SendingArgs {
    fn pace(&self) -> Pace {
        Pace { rate: self.rate, in_flight_max: self.in_flight as usize, until: self.seconds }
    }

    /// What sends: one that a configuration has, or one that is made as a configuration would.
    fn exporter(&self) -> Result<Arc<dyn Exporter>, ExitCode> {
        let (loaded, name) = match &self.exporter {
            Some(name) => (wasmill_config::load(&self.config, &|name| std::env::var(name).ok()), name.clone()),
            None => {
                let (kind, yaml) = self.yaml();
                (
                    wasmill_config::load_texts(vec![(PathBuf::from("the command line"), yaml)], &|_| None),
                    kind.to_owned(),
                )
            }
        };
        let loaded = loaded.map_err(|errors| {
            complain(&errors.render());
            ExitCode::from(EXIT_WRONG)
        })?;
        let found = loaded.config.exporters.iter().find(|(id, _)| id.to_string() == name);
        let Some((id, settings)) = found else {
            let known: Vec<String> = loaded.config.exporters.keys().map(ComponentId::to_string).collect();
            let why = format!("there is no exporter `{name}`; there are {}", known.join(", "));
            return Err(failed(EXIT_WRONG, [why]));
        };
        if matches!(settings, wasmill_config::Exporter::Prometheus(_)) {
            return Err(failed(EXIT_WRONG, [format!("exporter `{name}` sends nothing: it is scraped")]));
        }
        make_exporter(&OpenFiles::default(), &Stores::default(), &loaded.config, id, settings)
            .map_err(|error| failed(EXIT_WRONG, [chain(&error)]))
    }

    /// A configuration with the one exporter, and what makes it complete.
    fn yaml(&self) -> (&'static str, String) {
        let grpc = self.protocol == PROTOCOLS[0];
        let kind = if grpc { "otlp_grpc" } else { "otlp_http" };
        let endpoint = self
            .endpoint
            .clone()
            .unwrap_or_else(|| (if grpc { "localhost:4317" } else { "http://localhost:4318" }).to_owned());
        // Values are JSON, which is YAML; there are no variables in them.
        let literal = |text: &str| text.replace('$', "$$");
        let headers = self.header.iter().map(|(name, value)| (name.clone(), literal(value).into()));
        let headers: serde_json::Map<String, serde_json::Value> = headers.collect();
        let mut exporter = serde_json::json!({
            "endpoint": literal(&endpoint),
            "compression": if self.gzip { "gzip" } else { "none" },
            "headers": headers,
            "sending_queue": {"enabled": false},
            "retry_on_failure": {"enabled": false},
        });
        if grpc && !endpoint.starts_with("https:") {
            exporter["tls"] = serde_json::json!({"insecure": true});
        }
        if self.protocol == PROTOCOLS[2] {
            exporter["encoding"] = "json".into();
        }
        let pipeline = serde_json::json!({"receivers": ["otlp"], "exporters": [kind]});
        let yaml = serde_json::json!({
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "localhost:4317"}}}},
            "exporters": {kind: exporter},
            "service": {"pipelines": {"traces": pipeline, "metrics": pipeline, "logs": pipeline}},
        });
        (kind, yaml.to_string())
    }
}

fn line(summary: &Summary) -> String {
    let rate = |count: u64| count as f64 / summary.seconds.max(0.001);
    format!(
        "{:.0} s: {} requests with {} rows ({:.0} rows a second), {} rows accepted, {} refused",
        summary.seconds,
        summary.requests,
        summary.rows,
        rate(summary.rows),
        summary.accepted_rows,
        summary.refused_rows
    )
}

fn text(summary: &Summary) -> String {
    let mut out = String::new();
    let per_second = |count: u64| count as f64 / summary.seconds.max(0.001);
    let Summary { requests, rows, bytes, seconds, .. } = summary;
    let _ = writeln!(
        out,
        "sent:     {requests} requests, {rows} rows, {bytes} bytes in {seconds:.2} s ({:.0} requests, {:.0} rows a second)",
        per_second(*requests),
        per_second(*rows)
    );
    let _ = writeln!(out, "accepted: {} requests, {} rows", summary.accepted_requests, summary.accepted_rows);
    let _ = writeln!(out, "refused:  {} requests, {} rows", summary.refused_requests, summary.refused_rows);
    for (reason, count) in &summary.reasons {
        let _ = writeln!(out, "  {count} times: {reason}");
    }
    if let Some(latency) = &summary.latency_ms {
        let _ = writeln!(
            out,
            "latency:  median {:.2} ms, 90 % {:.2}, 99 % {:.2}, 99.9 % {:.2}, longest {:.2}",
            latency.p50, latency.p90, latency.p99, latency.p999, latency.max
        );
    }
    out
}
