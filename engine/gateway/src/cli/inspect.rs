//! `wasmill plugin inspect`: what a plugin is and wants, or why it is refused.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use wasmill_host::Inspection;

use super::{EXIT_WRONG, HostArgs, Output, plugin_config, read, runtime, say, say_json};

/// What `--output json` has.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    /// With `--instead-of` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<Vec<String>>,
}

pub fn inspect(
    file: &Path,
    instead_of: Option<&Path>,
    config: Option<&str>,
    output: Output,
    host: &HostArgs,
) -> Result<ExitCode, ExitCode> {
    let config = plugin_config(config)?;
    let (bytes, old) = (read(file)?, instead_of.map(read).transpose()?);
    let (host, runtime) = (host.host()?, runtime()?);
    let inspection = runtime.block_on(host.inspect(&bytes, config.as_ref()));
    let old = old.map(|old| runtime.block_on(host.inspect(&old, config.as_ref())));
    let differences = old.map(|old| inspection.instead_of(&old));
    match output {
        Output::Text => {
            say(&text(file, &inspection));
            if let Some(differences) = &differences {
                let mut out = String::new();
                let heading = format!("instead of {}", instead_of.unwrap_or(file).display());
                let same = [String::from("the same, as far as can be told from outside")];
                list(&mut out, &heading, if differences.is_empty() { &same } else { differences });
                say(&out);
            }
        }
        Output::Json => say_json(&Shown { inspection: &inspection, instead_of: differences })?,
    }
    Ok(if inspection.refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_WRONG) })
}

pub(super) fn text(file: &Path, inspection: &Inspection) -> String {
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
        let ticks: Vec<String> = wants.tick_ms.map(|ms| format!("every {ms} ms")).into_iter().collect();
        list(&mut out, "is called without rows", &ticks);
        if wants.state != "stateless" {
            let _ = writeln!(out, "state: {}", wants.state);
        }
        let sets: Vec<String> = wants.route_sets.iter().map(|set| format!("[{}]", set.join(", "))).collect();
        list(&mut out, "routes to", &sets);
        list(&mut out, "looks up in the tables", &wants.tables);
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
