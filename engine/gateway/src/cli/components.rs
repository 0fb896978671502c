//! `wasmill components`: everything that can stand in a configuration, from the tables that it is read by.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};
use wasmill_config::{component_names, components_json, components_text, json_schema};

use super::{EXIT_WRONG, failed, say};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// To read.
    Text,
    /// For programs: each component with its keys, types, defaults and meanings.
    Json,
    /// A JSON Schema (draft 2020-12) of the whole configuration, for editors.
    JsonSchema,
}

/// `name`: a section or a type, to see no others.
pub fn components(name: Option<&str>, format: Format) -> ExitCode {
    if let Some(name) = name.filter(|name| !component_names().contains(name)) {
        let names = component_names().join(", ");
        return failed(EXIT_WRONG, [format!("there is no component `{name}`: expected one of {names}")]);
    }
    match (format, name) {
        (Format::Text, name) => say(&text(name)),
        (Format::Json, name) => say(&format!("{:#}\n", json_of(name))),
        (Format::JsonSchema, None) => say(&format!("{:#}\n", json_schema())),
        (Format::JsonSchema, Some(_)) => {
            return failed(EXIT_WRONG, ["the schema is of a whole configuration: leave out the name".to_owned()]);
        }
    }
    ExitCode::SUCCESS
}

fn text(name: Option<&str>) -> String {
    let plugins: Vec<String> = wasmill_builtin::names().map(|name| format!("builtin:{name}")).collect();
    match name {
        Some(name) if name != "wasm" => components_text(Some(name)),
        name => format!("{}\nplugins that the binary carries: {}\n", components_text(name), plugins.join(", ")),
    }
}

fn json_of(name: Option<&str>) -> Value {
    let mut all = components_json(name);
    all["version"] = json!(env!("CARGO_PKG_VERSION"));
    all["builtin_plugins"] = wasmill_builtin::names().map(Value::from).collect();
    all
}
