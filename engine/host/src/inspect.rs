//! What a plugin is and wants, for people and programs.

use serde::Serialize;
use wasmill_wire::Signal;

use crate::check::{self, Outline};
use crate::requirements::type_name;
use crate::{BuildError, Host, Requirements, Scope, Stage, StageSpec, cache};

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
    /// Who shares what an instance holds: `stateless`, ``keyed by `PATH` `` or `single`.
    pub state: String,
    pub route_sets: Vec<Vec<String>>,
    /// How often it wants to be called without rows; `None`: never.
    pub tick_ms: Option<u64>,
    /// Lookup tables that it asks, by the names that are to be configured.
    pub tables: Vec<String>,
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
    let spec = StageSpec::alone("inspected", config.cloned().unwrap_or(serde_json::Value::Null));
    let stage = Stage::build(host, plugin, spec).await.map_err(|error| match (&error, config) {
        (BuildError::Config { .. }, None) => format!("{} (no configuration was given)", chain(&error)),
        _ => chain(&error),
    })?;
    Ok(stage.wants())
}

impl Wants {
    pub(crate) fn of(requirements: &Requirements) -> Wants {
        let signals = requirements.inputs.iter().map(|input| WantsSignal {
            signal: input.signal.name(),
            columns: input.asked().map(|(path, column)| WantsColumn { path, kind: type_name(&column) }).collect(),
        });
        Wants {
            signals: signals.collect(),
            uses: requirements.uses.names(),
            state: requirements.scope.to_string(),
            route_sets: requirements.route_sets.clone(),
            tick_ms: requirements.tick.map(|tick| u64::try_from(tick.as_millis()).unwrap_or(u64::MAX)),
            tables: requirements.tables.clone(),
        }
    }
}

impl Inspection {
    /// What would be different with this plugin in the place of `old`, a line each: what it is shown, does and routes to. Empty: nothing that
    /// can be told from outside. Where one of them did not start, that is the line.
    pub fn instead_of(&self, old: &Inspection) -> Vec<String> {
        let (new, old) = match (&self.wants, &old.wants) {
            (Some(new), Some(old)) => (new, old),
            (None, _) => return vec!["this one does not start with this configuration".to_owned()],
            (_, None) => return vec!["the other one does not start with this configuration".to_owned()],
        };
        let mut lines = Vec::new();
        for signal in Signal::ALL.map(Signal::name) {
            let of = |wants: &Wants| wants.signals.iter().find(|wanted| wanted.signal == signal).cloned();
            match (of(new), of(old)) {
                (Some(new), Some(old)) => {
                    let words = |signal: &WantsSignal| {
                        signal.columns.iter().map(|column| format!("{} as {}", column.path, column.kind)).collect()
                    };
                    compare(&mut lines, &format!("{signal}: is shown"), words(&new), words(&old));
                }
                (Some(_), None) => lines.push(format!("{signal}: can be used on them, the other cannot")),
                (None, Some(_)) => lines.push(format!("{signal}: cannot be used on them, the other can")),
                (None, None) => {}
            }
        }
        lines.extend(state_difference(new, old));
        compare(&mut lines, "uses", new.uses.clone(), old.uses.clone());
        let ticks = |wants: &Wants| wants.tick_ms.map(|ms| format!("every {ms} ms")).into_iter().collect();
        compare(&mut lines, "is called", ticks(new), ticks(old));
        let sets = |wants: &Wants| wants.route_sets.iter().map(|set| format!("[{}]", set.join(", "))).collect();
        compare(&mut lines, "routes to", sets(new), sets(old));
        compare(&mut lines, "looks up in", new.tables.clone(), old.tables.clone());
        lines
    }
}

/// What becomes of what the other's instances hold.
fn state_difference(new: &Wants, old: &Wants) -> Option<String> {
    let hands_over = |wants: &Wants| wants.uses.iter().any(|used| used == "snapshot");
    if new.state != old.state {
        return Some(format!("its state is {}, the other's {}: nothing is taken over", new.state, old.state));
    }
    let is_lost = old.state != Scope::Stateless.to_string() && !(hands_over(new) && hands_over(old));
    is_lost.then(|| "what the other holds is not taken over: both would have to use snapshot".to_owned())
}

fn compare(lines: &mut Vec<String>, what: &str, new: Vec<String>, old: Vec<String>) {
    lines.extend(new.iter().filter(|word| !old.contains(word)).map(|word| format!("{what} {word}, the other not")));
    lines.extend(old.iter().filter(|word| !new.contains(word)).map(|word| format!("{what} no {word}, the other does")));
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(signals: &[(&'static str, &str)], uses: &[&str], sets: &[&str]) -> Inspection {
        let signals = signals.iter().map(|(signal, path)| WantsSignal {
            signal,
            columns: vec![WantsColumn { path: (*path).to_owned(), kind: "text".to_owned() }],
        });
        let wants = Wants {
            signals: signals.collect(),
            uses: uses.iter().map(|used| (*used).to_owned()).collect(),
            state: "stateless".to_owned(),
            route_sets: sets.iter().map(|name| vec![(*name).to_owned()]).collect(),
            tick_ms: None,
            tables: sets.iter().map(|name| format!("table {name}")).collect(),
        };
        Inspection {
            hash: String::new(),
            size: 0,
            form: None,
            contract_version: None,
            imports: Vec::new(),
            exports: Vec::new(),
            wants: Some(wants),
            refusals: Vec::new(),
        }
    }

    /// Every kind of difference, from the side of the new plugin.
    #[test]
    fn differences_are_the_new_plugins() {
        let old = inspection(&[("traces", "name"), ("logs", "body")], &["keep"], &["eu"]);
        let new = inspection(&[("traces", "kind"), ("metrics", "metric.name")], &["keep", "edits"], &["us"]);
        assert_eq!(
            new.instead_of(&old),
            [
                "traces: is shown kind as text, the other not",
                "traces: is shown no name as text, the other does",
                "metrics: can be used on them, the other cannot",
                "logs: cannot be used on them, the other can",
                "uses edits, the other not",
                "routes to [us], the other not",
                "routes to no [eu], the other does",
                "looks up in table us, the other not",
                "looks up in no table eu, the other does",
            ]
        );
        assert!(old.instead_of(&old).is_empty());
        let mut single = old.clone();
        single.wants.as_mut().unwrap().state = Scope::Single.to_string();
        assert_eq!(single.instead_of(&old), ["its state is single, the other's stateless: nothing is taken over"]);
        assert_eq!(
            single.instead_of(&single),
            ["what the other holds is not taken over: both would have to use snapshot"]
        );
        single.wants.as_mut().unwrap().uses.push("snapshot".to_owned());
        assert!(single.instead_of(&single).is_empty());
        let refused = Inspection { wants: None, ..old.clone() };
        assert_eq!(old.instead_of(&refused), ["the other one does not start with this configuration"]);
    }
}
