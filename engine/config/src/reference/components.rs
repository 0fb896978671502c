//! What can stand in a configuration, for whoever asks the binary: text to read, JSON to read by programs.
//!
//! The same tables as those of `docs/configuration.md`, so that the binary at hand is asked and not a page of another version.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{answer, flatten, kind_name};
use crate::component::{CONNECTORS, ComponentType, EXPORTERS, EXTENSIONS, PROCESSORS, RECEIVERS};
use crate::file::{PIPELINE, SERVICE};
use crate::known::{self, Answer, Known};
use crate::schema::{Key, Kind, Section, State};

/// One component, or a part of `service`.
struct Item {
    section: &'static str,
    /// The first is the usual one.
    names: &'static [&'static str],
    doc: &'static str,
    example: &'static str,
    keys: &'static Section,
}

/// Every component that is served, in the order of a file, then `service` and its pipelines.
fn items() -> Vec<Item> {
    fn of<T>(items: &mut Vec<Item>, section: &'static str, types: &[ComponentType<T>]) {
        items.extend(types.iter().map(|of_type| Item {
            section,
            names: of_type.names,
            doc: of_type.doc,
            example: of_type.example,
            keys: of_type.section,
        }));
    }
    let mut items = Vec::new();
    of(&mut items, "receivers", RECEIVERS);
    of(&mut items, "processors", PROCESSORS);
    of(&mut items, "exporters", EXPORTERS);
    of(&mut items, "connectors", CONNECTORS);
    of(&mut items, "extensions", EXTENSIONS);
    let service = |names, doc, keys| Item { section: "service", names, doc, example: "", keys };
    items.push(service(&["service"], "What of the configuration runs, and what the gateway says of itself.", &SERVICE));
    items.push(service(
        &["pipelines"],
        "A pipeline: `traces`, `metrics` or `logs`, with or without `/name`.",
        &PIPELINE,
    ));
    items
}

fn unserved() -> [(&'static str, &'static [Known]); 5] {
    [
        ("receivers", known::RECEIVERS),
        ("processors", known::PROCESSORS),
        ("exporters", known::EXPORTERS),
        ("connectors", known::CONNECTORS),
        ("extensions", known::EXTENSIONS),
    ]
}

fn is_of(item: &Item, name: &str) -> bool {
    item.section == name || item.names.contains(&name)
}

/// What [`components_text`] and [`components_json`] can be asked for: sections and types, each once.
pub fn component_names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for item in items() {
        for name in std::iter::once(item.section).chain(item.names.iter().copied()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The keys of every component, or of those of a section or type, as lines of at most 100 columns or so. Empty: there is none of
/// that name.
pub fn components_text(name: Option<&str>) -> String {
    let mut out = String::new();
    for item in items().iter().filter(|item| name.is_none_or(|name| is_of(item, name))) {
        // Writing to a `String` cannot fail.
        let _ = write_item(&mut out, item);
    }
    out
}

fn write_item(out: &mut String, item: &Item) -> std::fmt::Result {
    if !out.is_empty() {
        writeln!(out)?;
    }
    match item.section == item.names[0] {
        true => writeln!(out, "{}", item.section)?,
        false => writeln!(out, "{}: {}", item.section, item.names.join(" or "))?,
    }
    write_folded(out, "  ", item.doc)?;
    for (path, key) in flatten(item.keys) {
        match answer(&key.state) {
            None => {
                let default = match (&key.state, key.default) {
                    (State::Required, _) => ", required".to_owned(),
                    (_, "") => String::new(),
                    (_, default) => format!(", default {default}"),
                };
                writeln!(out, "    {path}: {}{default}", kind_name(&key.kind))?;
                write_folded(out, "        ", key.doc)?;
            }
            Some(answer) => {
                writeln!(out, "    {path}: not served")?;
                write_folded(out, "        ", &answer)?;
            }
        }
    }
    Ok(())
}

/// Words in lines of at most 100 characters.
fn write_folded(out: &mut String, indent: &str, text: &str) -> std::fmt::Result {
    const LINE_MAX: usize = 100;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent.len() + line.chars().count() + 1 + word.chars().count() > LINE_MAX {
            writeln!(out, "{indent}{line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.is_empty() { Ok(()) } else { writeln!(out, "{indent}{line}") }
}

/// The same as JSON: `components`, each with its `section`, `types`, `doc`, `example` and `keys`, and `not_served`: the Collector's
/// components that are not, with what to do instead.
pub fn components_json(name: Option<&str>) -> Value {
    let asked = |item: &&Item| name.is_none_or(|name| is_of(item, name));
    let components: Vec<Value> = items().iter().filter(asked).map(item_json).collect();
    let mut not_served = Vec::new();
    for (section, known) in unserved() {
        let known = known.iter().filter(|known| name.is_none_or(|name| name == section || name == known.kind));
        not_served.extend(known.map(|known| {
            let (state, text) = match &known.answer {
                Answer::Ignored(why) => ("no_effect", *why),
                Answer::Instead(instead) => ("never", *instead),
            };
            json!({"section": section, "type": known.kind, "state": state, "answer": text})
        }));
    }
    json!({"components": components, "not_served": not_served})
}

fn item_json(item: &Item) -> Value {
    let keys: Vec<Value> = flatten(item.keys).into_iter().map(|(path, key)| key_json(path, key)).collect();
    json!({
        "section": item.section,
        "types": item.names,
        "doc": item.doc,
        "example": item.example,
        "keys": keys,
    })
}

fn key_json(path: String, key: &Key) -> Value {
    let mut of_key = Map::new();
    let mut put = |name: &str, value: Value| {
        of_key.insert(name.to_owned(), value);
    };
    put("key", path.into());
    let (state, answer) = match key.state {
        State::Served | State::Required => ("served", None),
        State::NoEffect(why) => ("no_effect", Some(why)),
        State::NotYet(until_then) => ("not_yet", Some(until_then)),
        State::Never(instead) => ("never", Some(instead)),
    };
    put("state", state.into());
    if let Some(answer) = answer {
        put("answer", answer.into());
        return Value::Object(of_key);
    }
    match &key.kind {
        Kind::Word(words) => {
            put("type", "word".into());
            put("words", json!(words));
        }
        kind => put("type", kind_name(kind).into()),
    }
    put("required", matches!(key.state, State::Required).into());
    if !key.default.is_empty() {
        put("default", key.default.into());
    }
    put("doc", key.doc.into());
    Value::Object(of_key)
}
