//! `wasmill plugin inspect`: what a plugin is and wants, or why it is refused.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use wasmill_host::Inspection;

use super::{EXIT_FAILED, EXIT_WRONG, HostArgs, Output, failed, runtime, say};
use crate::engine::chain;

pub fn inspect(file: &Path, config: Option<&str>, output: Output, host: &HostArgs) -> ExitCode {
    let config = match config.map(serde_json::from_str).transpose() {
        Ok(config) => config,
        Err(error) => return failed(EXIT_WRONG, [format!("`--config` is not JSON: {error}")]),
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return failed(EXIT_WRONG, [format!("cannot read `{}`: {error}", file.display())]),
    };
    let host = match host.host() {
        Ok(host) => host,
        Err(error) => return failed(EXIT_FAILED, [chain(&error)]),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(EXIT_FAILED, [format!("no threads: {error}")]),
    };
    let inspection = runtime.block_on(host.inspect(&bytes, config.as_ref()));
    match output {
        Output::Text => say(&text(file, &inspection)),
        Output::Json => match serde_json::to_string_pretty(&inspection) {
            Ok(json) => say(&format!("{json}\n")),
            Err(error) => return failed(EXIT_FAILED, [chain(&error)]),
        },
    }
    if inspection.refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_WRONG) }
}

fn text(file: &Path, inspection: &Inspection) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {} bytes, sha256 {}", file.display(), inspection.size, inspection.hash);
    let form = inspection.form.unwrap_or("neither a component nor a core module");
    let version = inspection.contract_version.as_deref().unwrap_or("unknown");
    let _ = writeln!(out, "form: {form}\ncontract version: {version}");
    list(&mut out, "imports", &inspection.imports);
    list(&mut out, "exports", &inspection.exports);
    if let Some(wants) = &inspection.wants {
        for signal in &wants.signals {
            let columns: Vec<String> =
                signal.columns.iter().map(|column| format!("{} as {}", column.path, column.kind)).collect();
            list(&mut out, &format!("wants of {}", signal.signal), &columns);
        }
        list(&mut out, "uses", &wants.uses);
        let sets: Vec<String> = wants.route_sets.iter().map(|set| format!("[{}]", set.join(", "))).collect();
        list(&mut out, "routes to", &sets);
    }
    list(&mut out, "refused", &inspection.refusals);
    out
}

/// A heading and a line for each item; nothing where there are none.
fn list(out: &mut String, heading: &str, items: &[String]) {
    if !items.is_empty() {
        let _ = writeln!(out, "{heading}:");
    }
    for item in items {
        let _ = writeln!(out, "  {item}");
    }
}
