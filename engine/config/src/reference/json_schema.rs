//! The tables as a JSON Schema (draft 2020-12), so that editors complete and check `gateway.yaml` while it is written.
//!
//! The schema takes every file that the gateway takes by itself. It says less than the gateway does: whether a name is defined, and
//! what depends on another key, only `wasmill validate` knows. A value may be a `${…}` anywhere, since what that will be is not known.
//! Types are written as lists (`["integer", "string", "null"]`) with a pattern for the text, not as alternatives: editors then say what
//! is wrong with a value, and not that it fits none of three schemas.

use serde_json::{Map, Value, json};

use super::answer;
use crate::component::{CONNECTORS, ComponentType, EXPORTERS, EXTENSIONS, PROCESSORS, RECEIVERS};
use crate::file::{PIPELINE, ROOT, SERVICE};
use crate::known::{self, Answer, Known};
use crate::schema::{Key, Kind, Section, State};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A value that holds an expression: anything may come out of it.
const EXPRESSION: &str = r"\$\{";
const DURATION: &str = r"^\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$|\$\{";
const SIZE: &str = r"^[0-9]+ *([Bb]|[KkMmGg]([Ii]?[Bb]|[Ii]))$|\$\{";
const ADDRESS: &str = r":[0-9]{1,5}/?$|://|^/|\$\{";
/// `unix:` only of exporters, which is left to the gateway.
const URL: &str = r"^[Hh][Tt][Tt][Pp][Ss]?://|^unix:|\$\{";
const ID: &str = r"^ *[A-Za-z][A-Za-z0-9_]*( */ *[^ ]+)? *$|\$\{";
const PIPELINE_ID: &str = r"^(traces|metrics|logs)(/[^ ]+)?$";

/// The schema of a whole configuration.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    let mut properties = Map::new();
    properties.insert("receivers".into(), components("receivers", RECEIVERS, known::RECEIVERS, &mut definitions));
    properties.insert("processors".into(), components("processors", PROCESSORS, known::PROCESSORS, &mut definitions));
    properties.insert("exporters".into(), components("exporters", EXPORTERS, known::EXPORTERS, &mut definitions));
    properties.insert("connectors".into(), components("connectors", CONNECTORS, known::CONNECTORS, &mut definitions));
    properties.insert("extensions".into(), components("extensions", EXTENSIONS, known::EXTENSIONS, &mut definitions));
    let mut service = section(&SERVICE);
    service["properties"]["pipelines"] = pipelines();
    properties.insert("service".into(), service);
    for key in ROOT.keys {
        if let Some(property) = properties.get_mut(key.name) {
            property["description"] = key.doc.into();
        }
    }
    json!({
        "$schema": DRAFT,
        "title": "Wasmill's configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "required": required(&ROOT),
        "$defs": definitions,
    })
}

/// A section of components: their keys are `type` or `type/name`.
fn components<T>(
    name: &str,
    types: &[ComponentType<T>],
    known: &[Known],
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut properties = Map::new();
    let mut patterns = Map::new();
    for of_type in types {
        // A `/` in the name of a definition would have to be escaped in references.
        let definition = format!("{name}.{}", of_type.names[0]);
        let mut schema = section(of_type.section);
        schema["description"] = of_type.doc.into();
        for name in of_type.names {
            // By its name, for editors to complete; with a name of its own, for those that check.
            let reference = json!({"$ref": format!("#/$defs/{definition}")});
            properties.insert((*name).to_owned(), reference.clone());
            patterns.insert(format!("^ *{name} */ *[^ ]+ *$"), reference);
        }
        definitions.insert(definition, schema);
    }
    for ignored in known {
        if let Answer::Ignored(why) = ignored.answer {
            let pattern = format!("^{}(/[^ ]+)?$", ignored.kind);
            patterns.insert(pattern, json!({"deprecated": true, "description": format!("No effect: {why}.")}));
        }
    }
    json!({
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false,
    })
}

fn pipelines() -> Value {
    let mut patterns = Map::new();
    patterns.insert(PIPELINE_ID.to_owned(), section(&PIPELINE));
    let named = |signal: &str| (signal.to_owned(), Value::Bool(true));
    let properties: Map<String, Value> = ["traces", "metrics", "logs"].into_iter().map(named).collect();
    json!({
        "description": "By `traces`, `metrics` or `logs`, with or without `/name`.",
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false,
        "minProperties": 1,
    })
}

fn required(section: &Section) -> Vec<&'static str> {
    section.keys.iter().filter(|key| matches!(key.state, State::Required)).map(|key| key.name).collect()
}

/// A map. One without required keys may be left empty, which is null.
fn section(section: &Section) -> Value {
    let properties: Map<String, Value> = section.keys.iter().map(|key| (key.name.to_owned(), of_key(key))).collect();
    let required = required(section);
    if required.is_empty() {
        json!({"type": ["object", "null"], "properties": properties, "additionalProperties": false})
    } else {
        json!({"type": "object", "properties": properties, "additionalProperties": false, "required": required})
    }
}

fn of_key(key: &Key) -> Value {
    let described = |mut schema: Value, doc: String| {
        schema["description"] = doc.into();
        schema
    };
    let answer = answer(&key.state);
    match (&key.state, answer) {
        (State::NoEffect(_), Some(answer)) => described(json!({"deprecated": true}), answer),
        // Switched off, it may stand.
        (_, Some(answer)) => described(json!({"enum": [null, false, "", [], {}], "deprecated": true}), answer),
        (_, None) => {
            let mut schema = described(of_kind(&key.kind), key.doc.to_owned());
            if let Some(default) = default(key) {
                schema["default"] = default;
            }
            schema
        }
    }
}

/// `None`: there is none, or it is one in words.
fn default(key: &Key) -> Option<Value> {
    match key.kind {
        _ if key.default.is_empty() => None,
        Kind::Text | Kind::Duration | Kind::Address | Kind::Word(_) => Some(key.default.into()),
        Kind::Size => Some(serde_json::from_str(key.default).unwrap_or(key.default.into())),
        _ => serde_json::from_str(key.default).ok(),
    }
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": ["boolean", "string", "null"], "pattern": EXPRESSION}),
        Kind::Integer => json!({"type": ["integer", "string", "null"], "minimum": 0, "pattern": EXPRESSION}),
        Kind::Number => json!({"type": ["number", "string", "null"], "pattern": EXPRESSION}),
        Kind::Text | Kind::File => text(),
        // A number needs a unit, unless it is 0.
        Kind::Duration => {
            json!({"type": ["string", "integer", "null"], "minimum": 0, "maximum": 0, "pattern": DURATION})
        }
        Kind::Size => json!({"type": ["integer", "string", "null"], "minimum": 0, "pattern": SIZE}),
        Kind::Address => json!({"type": ["string", "null"], "pattern": ADDRESS}),
        Kind::Url => json!({"type": ["string", "null"], "pattern": URL}),
        Kind::Word(words) => of_words(words),
        Kind::Id => json!({"type": ["string", "null"], "pattern": ID}),
        Kind::Ids | Kind::Patterns => ids(),
        // What an item may be besides a text is for its component.
        Kind::TextList => json!({"type": ["array", "string", "null"]}),
        Kind::Texts => {
            json!({"type": ["object", "string", "null"], "pattern": EXPRESSION, "additionalProperties": text()})
        }
        Kind::Routes => json!({"type": ["object", "null"], "additionalProperties": ids()}),
        Kind::Any => json!({}),
        Kind::Section(below) => section(below),
        Kind::Sections(below) => json!({"type": ["array", "null"], "items": section(below)}),
        Kind::NamedSections(below) => json!({"type": ["object", "null"], "additionalProperties": section(below)}),
        Kind::TextsOrSections(below) => {
            json!({"type": ["array", "null"], "items": {"anyOf": [{"type": "string"}, section(below)]}})
        }
    }
}

/// YAML's other scalars are texts too where one is wanted.
fn text() -> Value {
    json!({"type": ["string", "number", "boolean", "null"]})
}

/// A list of names, or one text with commas between them.
fn ids() -> Value {
    json!({"type": ["array", "string", "null"], "items": {"type": "string", "minLength": 1}})
}

/// One of a few words, offered as they are documented and taken in any case.
fn of_words(words: &[&str]) -> Value {
    let any_case = |word: &&str| -> String {
        let letter = |c: char| match c.is_ascii_alphabetic() {
            true => format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase()),
            false => c.to_string(),
        };
        word.chars().map(letter).collect()
    };
    let pattern: Vec<String> = words.iter().map(any_case).collect();
    json!({
        "anyOf": [
            {"enum": words},
            {"type": ["string", "null"], "pattern": format!("^({})$|{EXPRESSION}", pattern.join("|"))},
        ],
    })
}
