//! What a plugin is and wants, for people and programs.

use serde::Serialize;

use crate::check::{self, Outline};
use crate::requirements::type_name;
use crate::{BuildError, Host, Limits, OnFault, Requirements, Stage, StageSpec, cache};

/// The answer to `wasmill plugin inspect`. Names in JSON are those of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// SHA-256 of the file, in lowercase hexadecimal.
    pub hash: String,
    /// Bytes of the file.
    pub size: usize,
    /// `component` or `core module`; `None`: it is neither.
    pub form: Option<&'static str>,
    /// The contract version that it was built for, where one shows.
    pub contract_version: Option<String>,
    /// Interfaces and functions, as named in the file.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// What it asked for at `init`; `None`: it was not started, or refused.
    pub wants: Option<Wants>,
    /// Why this host does not take it, in plain words, the first that matters first. Empty: it does.
    pub refusals: Vec<String>,
}

/// What a plugin asked for at `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wants {
    pub signals: Vec<WantsSignal>,
    pub uses: Vec<String>,
    pub route_sets: Vec<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantsSignal {
    pub signal: &'static str,
    pub columns: Vec<WantsColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantsColumn {
    /// In its shortest form.
    pub path: String,
    /// The contract's name of the kind, with the form of text where it matters: `uint64`, `text (dictionary)`.
    pub kind: String,
}

/// Looks at a file, and where it can be taken starts it once.
pub(crate) async fn inspect(host: &Host, bytes: &[u8], config: Option<&serde_json::Value>) -> Inspection {
    let mut outline = Outline::default();
    let looked = check::outline(bytes, host.inner.config.plugin_bytes_max, &mut outline);
    let mut inspection = Inspection {
        hash: cache::hash(bytes),
        size: bytes.len(),
        form: outline.form.map(|form| form.name()),
        contract_version: outline.contract_version().map(str::to_owned),
        imports: outline.imports,
        exports: outline.exports,
        wants: None,
        refusals: Vec::new(),
    };
    if let Err(error) = looked {
        inspection.refusals.push(chain(&error));
        return inspection;
    }
    match wants(host, bytes, config).await {
        Ok(wants) => inspection.wants = Some(wants),
        Err(reason) => inspection.refusals.push(reason),
    }
    inspection
}

async fn wants(host: &Host, bytes: &[u8], config: Option<&serde_json::Value>) -> Result<Wants, String> {
    let plugin = host.load("inspected", bytes).await.map_err(|error| chain(&error))?;
    let spec = StageSpec {
        name: "inspected".to_owned(),
        config: config.cloned().unwrap_or(serde_json::Value::Null),
        limits: Limits::default(),
        on_fault: OnFault::Reject,
        breaker: None,
        content_faults_max: None,
        quiet: false,
        routes: None,
    };
    let stage = Stage::build(host, plugin, spec).await.map_err(|error| match (&error, config) {
        (BuildError::Config { .. }, None) => format!("{} (no configuration was given)", chain(&error)),
        _ => chain(&error),
    })?;
    Ok(Wants::of(stage.requirements()))
}

impl Wants {
    fn of(requirements: &Requirements) -> Wants {
        let signals = requirements.inputs.iter().map(|input| WantsSignal {
            signal: input.signal.name(),
            columns: input.asked().map(|(path, column)| WantsColumn { path, kind: type_name(&column) }).collect(),
        });
        Wants {
            signals: signals.collect(),
            uses: requirements.uses.names(),
            route_sets: requirements.route_sets.clone(),
        }
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
