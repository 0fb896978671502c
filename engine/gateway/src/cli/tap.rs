//! `wasmill tap`: records of a running gateway as they pass, and what a plugin makes of them.

mod text;

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::operate::AdminArgs;
use super::paint::{Color, Paint};
use super::{EXIT_FAILED, EXIT_WRONG, Output, complain, failed, runtime};
use crate::admin::{AskError, Tapping, tap as listen};
use crate::engine::chain;
use crate::tap::{LIMIT_DEFAULT, Line, Side, TapSpec};

#[derive(Args)]
pub struct TapArgs {
    /// What goes through this stage, with what it changes. Without it: what comes to pipelines.
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Of this pipeline alone, such as `traces` or `logs/audit`.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Records as they come to the stage, without what it makes of them.
    #[arg(long, requires = "stage", conflicts_with = "after")]
    before: bool,
    /// Records as they leave the stage. Those that it drops are not shown.
    #[arg(long, requires = "stage")]
    after: bool,
    /// Only records that this is true for, in the Collector's transformation language: `severity_number >= 17`. At a stage it looks at
    /// the record as it came, with `--after` at what the stage made of it.
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Shows `****` instead of the value of this attribute or field; `*` in the name stands for any characters. May be given several
    /// times, and is added to what the gateway's configuration masks (`service::admin::mask`).
    #[arg(long, value_name = "KEY")]
    mask: Vec<String>,
    /// Records a second at most; 0: as many as can be shown. What is left out is counted.
    #[arg(long, value_name = "N", default_value_t = LIMIT_DEFAULT)]
    limit: u32,
    /// Ends after so many records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// `json`: a line for each record, and for each thing to tell beside them.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Colours, with `--output text`. `auto`: on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Why it ended.
enum Ended {
    /// So many records were asked for.
    Counted,
    Interrupted,
    /// The gateway's word.
    Told(String),
    /// Without a word.
    Closed,
    /// Nobody reads what is written.
    Unread,
}

pub fn tap(args: &TapArgs) -> Result<ExitCode, ExitCode> {
    let socket = args.gateway.socket()?;
    runtime()?.block_on(async {
        let signals = signal(SignalKind::interrupt()).and_then(|one| Ok((one, signal(SignalKind::terminate())?)));
        let (mut interrupt, mut terminate) =
            signals.map_err(|error| failed(EXIT_FAILED, [format!("no signals: {error}")]))?;
        let ended = tokio::select! {
            ended = async {
                let mut tapping = listen(&socket, spec(args)).await?;
                follow(&mut tapping, args).await
            } => ended,
            _ = interrupt.recv() => Ok(Ended::Interrupted),
            _ = terminate.recv() => Ok(Ended::Interrupted),
        };
        match ended {
            Ok(ended) => Ok(said(&ended)),
            Err(AskError::Refused(reasons)) => Err(failed(EXIT_WRONG, reasons)),
            Err(error) => Err(failed(EXIT_FAILED, [chain(&error)])),
        }
    })
}

fn spec(args: &TapArgs) -> TapSpec {
    TapSpec {
        pipeline: args.pipeline.clone(),
        stage: args.stage.clone(),
        side: match (args.before, args.after) {
            (true, _) => Side::Before,
            (_, true) => Side::After,
            _ => Side::Both,
        },
        condition: args.condition.clone(),
        mask: args.mask.clone(),
        limit: args.limit,
    }
}

/// Writes what comes.
async fn follow(tapping: &mut Tapping, args: &TapArgs) -> Result<Ended, AskError> {
    let paint = Paint::new(args.color);
    let mut left = args.count;
    while let Some(bytes) = tapping.next().await? {
        let line: Line = serde_json::from_slice(&bytes).map_err(AskError::Answer)?;
        let written = match args.output {
            Output::Json => write(&bytes),
            Output::Text => write(text::line(&line, paint).as_bytes()),
        };
        if written.is_err() {
            return Ok(Ended::Unread);
        }
        match line {
            Line::Record(_) => {
                left = left.map(|left| left - 1);
                if left == Some(0) {
                    return Ok(Ended::Counted);
                }
            }
            Line::End { reason } => return Ok(Ended::Told(reason)),
            Line::Skipped(_) | Line::Generation(_) => {}
        }
    }
    Ok(Ended::Closed)
}

fn write(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// All of these are ends that were to come.
fn said(ended: &Ended) -> ExitCode {
    match ended {
        Ended::Counted | Ended::Unread => {}
        Ended::Interrupted => complain("wasmill: interrupted\n"),
        Ended::Told(reason) => complain(&format!("wasmill: {reason}\n")),
        Ended::Closed => complain("wasmill: the gateway has closed the connection\n"),
    }
    ExitCode::SUCCESS
}
