//! `wasmill status`, `wasmill swap`, `wasmill rollback`: what is asked of a running gateway.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{EXIT_FAILED, EXIT_WRONG, Output, complain, failed, say, say_json};
use crate::admin::{Answer, Ask, ask, default_path};
use crate::engine::{LastSwap, PluginStatus, Status, TableStatus, chain, describe};

/// Where the gateway listens.
#[derive(Args)]
pub struct AdminArgs {
    /// The gateway's admin socket. Default: where the configuration puts it, or else `wasmill/admin.sock` in `$XDG_RUNTIME_DIR`, in
    /// `/run` for root, in `/tmp/wasmill-UID` for others.
    #[arg(long, value_name = "PATH", env = "WASMILL_ADMIN_SOCKET")]
    admin_socket: Option<PathBuf>,
    /// The gateway's configuration, if that says where the socket is.
    #[arg(long, short, value_name = "FILE")]
    config: Vec<PathBuf>,
}

impl AdminArgs {
    pub(super) fn socket(&self) -> Result<PathBuf, ExitCode> {
        if let Some(path) = &self.admin_socket {
            return Ok(path.clone());
        }
        if self.config.is_empty() {
            return Ok(default_path());
        }
        match wasmill_config::load(&self.config, &|name| std::env::var(name).ok()) {
            Ok(loaded) => Ok(loaded.config.admin.socket.unwrap_or_else(default_path)),
            Err(errors) => {
                complain(&errors.render());
                Err(ExitCode::from(EXIT_WRONG))
            }
        }
    }

    fn ask(&self, question: &Ask) -> Result<Answer, ExitCode> {
        let answer = ask(&self.socket()?, question).map_err(|error| failed(EXIT_FAILED, [chain(&error)]))?;
        match answer {
            Answer::Refused(reasons) => Err(failed(EXIT_WRONG, reasons)),
            answer => Ok(answer),
        }
    }
}

pub(super) fn status(gateway: &AdminArgs, output: Output) -> ExitCode {
    match gateway.ask(&Ask::Status) {
        Ok(Answer::Status(status)) if output == Output::Json => say_json(&status).err().unwrap_or(ExitCode::SUCCESS),
        Ok(Answer::Status(status)) => answered(&text(&status)),
        Ok(_) => failed(EXIT_FAILED, ["the gateway answered something else".to_owned()]),
        Err(code) => code,
    }
}

pub fn swap(gateway: &AdminArgs, stage: &str, file: &Path) -> ExitCode {
    // The gateway has a working directory of its own.
    let file = match std::path::absolute(file) {
        Ok(file) => file,
        Err(error) => return failed(EXIT_WRONG, [format!("`{}`: {error}", file.display())]),
    };
    change(gateway, stage, &Ask::Swap { stage: stage.to_owned(), file })
}

pub fn rollback(gateway: &AdminArgs, stage: &str) -> ExitCode {
    change(gateway, stage, &Ask::Rollback { stage: stage.to_owned() })
}

fn change(gateway: &AdminArgs, stage: &str, question: &Ask) -> ExitCode {
    match gateway.ask(question) {
        Ok(Answer::Changed { generation, stages }) if stages.is_empty() => {
            answered(&format!("{stage}: runs these bytes already, generation {generation}\n"))
        }
        Ok(Answer::Changed { generation, stages }) => {
            let lines = stages.iter().map(|stage| format!("{stage}: serves since generation {generation}\n"));
            answered(&lines.collect::<String>())
        }
        Ok(_) => failed(EXIT_FAILED, ["the gateway answered something else".to_owned()]),
        Err(code) => code,
    }
}

fn answered(text: &str) -> ExitCode {
    say(text);
    ExitCode::SUCCESS
}

fn text(status: &Status) -> String {
    let mut out = format!("wasmill {}, process {}, generation {}\n", status.version, status.pid, status.generation);
    // Writing to a `String` cannot fail.
    let _ = write_status(&mut out, status);
    out
}

fn write_status(out: &mut String, status: &Status) -> std::fmt::Result {
    if let Some(pending) = &status.pending {
        writeln!(out, "being changed: {}, for {:.1} s", pending.change, pending.seconds)?;
        for waiting in &pending.waiting {
            writeln!(out, "  then: {waiting}")?;
        }
    }
    writeln!(out, "\npipelines:")?;
    for pipeline in &status.pipelines {
        let mut way = vec![pipeline.receivers.join(", ")];
        way.extend(pipeline.processors.iter().cloned());
        way.push(pipeline.exporters.join(", "));
        way.retain(|names| !names.is_empty());
        writeln!(out, "  {}: {}", pipeline.pipeline, way.join(" -> "))?;
        writeln!(out, "    clients are answered when their data is {}", pipeline.answered_when)?;
    }
    if !status.plugins.is_empty() {
        writeln!(out, "\nplugins, with what they did since they serve:")?;
    }
    for plugin in &status.plugins {
        write_plugin(out, plugin)?;
    }
    if !status.queues.is_empty() {
        writeln!(out, "\nqueues:")?;
    }
    for queue in &status.queues {
        let place = if queue.on_disk { "on disk" } else { "in memory" };
        let (size, capacity, unit) = (queue.size, queue.capacity, &queue.unit);
        writeln!(
            out,
            "  {} {}: {size} of {capacity} {unit}, {} rows, {place}",
            queue.exporter, queue.signal, queue.rows
        )?;
    }
    Ok(())
}

fn write_plugin(out: &mut String, plugin: &PluginStatus) -> std::fmt::Result {
    let PluginStatus { stage, plugin: name, hash, generation, .. } = plugin;
    writeln!(out, "  {stage}: {name} ({}), since generation {generation}", short(hash))?;
    if plugin.pinned {
        writeln!(out, "    instead of {}, which is configured", plugin.configured)?;
    }
    let mib = plugin.memory_bytes as f64 / f64::from(1 << 20);
    writeln!(out, "    {} instances with {mib:.1} MiB, {} calls", plugin.instances, plugin.calls)?;
    if let Some(state) = &plugin.state {
        let mib = state.bytes as f64 / f64::from(1 << 20);
        writeln!(out, "    {} keys with {mib:.1} MiB are kept for it", state.keys)?;
    }
    let PluginStatus { rows_in, rows_kept, rows_dropped, rows_diverted, .. } = plugin;
    writeln!(out, "    {rows_in} rows in, {rows_kept} kept, {rows_dropped} dropped, {rows_diverted} diverted")?;
    if plugin.breaker_opened > 0 {
        writeln!(out, "    breaker: {}, opened {} times", plugin.breaker.replace('_', " "), plugin.breaker_opened)?;
    }
    if !plugin.faults.is_empty() {
        let faults: Vec<String> = plugin.faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(out, "    faults: {}", faults.join(", "))?;
    }
    if let Some(previous) = &plugin.previous {
        writeln!(out, "    before: {}, which `wasmill rollback {stage}` puts back", short(previous))?;
    }
    for table in &plugin.tables {
        let mib = table.memory_bytes as f64 / f64::from(1 << 20);
        let TableStatus { table: name, file, rows, loaded_at, .. } = table;
        writeln!(out, "    table {name}: {rows} rows of {file}, {mib:.1} MiB, loaded {loaded_at}")?;
        if let Some(reason) = &table.refused {
            writeln!(out, "      its file as it is now does not serve: {reason}")?;
        }
    }
    match &plugin.last_swap {
        Some(last) => write_last_swap(out, last),
        None => Ok(()),
    }
}

fn write_last_swap(out: &mut String, last: &LastSwap) -> std::fmt::Result {
    let word = |value: serde_json::Result<serde_json::Value>| {
        let word = value.ok().and_then(|value| value.as_str().map(|word| word.replace('_', " ")));
        word.unwrap_or_default()
    };
    let (result, by) = (word(serde_json::to_value(last.result)), word(serde_json::to_value(last.by)));
    let hash = |hash: &Option<String>| hash.as_deref().map_or("no plugin", short).to_owned();
    writeln!(out, "    last swap: {result}, by {by}, {}: {} to {}", last.at, hash(&last.from), hash(&last.to))?;
    if let Some(shadow) = &last.shadow {
        writeln!(out, "      shadow run: {}", describe(shadow))?;
    }
    for reason in &last.why {
        writeln!(out, "      {reason}")?;
    }
    Ok(())
}

pub(super) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
