//! The reference of all keys, written from the tables that they are read by.

mod components;
mod json_schema;

use std::fmt::Write as _;

use crate::component::{CONNECTORS, ComponentType, EXPORTERS, EXTENSIONS, PROCESSORS, RECEIVERS};
use crate::file::{PIPELINE, SERVICE};
use crate::known::{self, Answer, Known};
use crate::schema::{Key, Kind, Section, State};

pub use components::{component_names, components_json, components_text};
pub use json_schema::json_schema;

/// Markdown: for each component its keys with type, default and meaning, then what the Collector has and Wasmill has not. Part of
/// `docs/configuration.md`, which a test compares with it.
pub fn reference() -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_reference(&mut out);
    out
}

fn write_reference(out: &mut String) -> std::fmt::Result {
    write_section(out, "Receivers", "receivers", RECEIVERS, known::RECEIVERS)?;
    write_section(out, "Processors", "processors", PROCESSORS, known::PROCESSORS)?;
    write_section(out, "Exporters", "exporters", EXPORTERS, known::EXPORTERS)?;
    write_section(out, "Extensions", "extensions", EXTENSIONS, known::EXTENSIONS)?;
    write_section(out, "Connectors", "connectors", CONNECTORS, known::CONNECTORS)?;
    writeln!(out, "### Service\n")?;
    write_keys(out, &SERVICE)?;
    writeln!(out, "#### A pipeline\n")?;
    write_keys(out, &PIPELINE)
}

fn write_section<T>(
    out: &mut String,
    title: &str,
    section: &str,
    types: &[ComponentType<T>],
    known: &[Known],
) -> std::fmt::Result {
    writeln!(out, "### {title}\n")?;
    for of_type in types {
        let names: Vec<_> = of_type.names.iter().map(|name| format!("`{name}`")).collect();
        writeln!(out, "#### {}\n\n{}\n", names.join(" or "), of_type.doc)?;
        writeln!(out, "```yaml\n{section}:")?;
        for line in of_type.example.lines() {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "```\n")?;
        write_keys(out, of_type.section)?;
    }
    write_known(out, known)
}

fn write_keys(out: &mut String, section: &'static Section) -> std::fmt::Result {
    let keys = flatten(section);
    writeln!(out, "| key | type | default | meaning |\n|---|---|---|---|")?;
    for (path, key) in keys.iter().filter(|(_, key)| matches!(key.state, State::Served | State::Required)) {
        let default = match (&key.state, key.default) {
            (State::Required, _) => "required".to_owned(),
            (_, "") => String::new(),
            (_, default) if default.contains(' ') => default.to_owned(),
            (_, default) => format!("`{default}`"),
        };
        writeln!(out, "| `{path}` | {} | {default} | {} |", kind_name(&key.kind), key.doc)?;
    }
    writeln!(out)?;
    let unserved: Vec<_> = keys.iter().filter_map(|(path, key)| Some((path, answer(&key.state)?))).collect();
    if !unserved.is_empty() {
        writeln!(out, "Of the Collector's keys, these are not served:\n")?;
        for (path, answer) in unserved {
            writeln!(out, "- `{path}`: {answer}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn answer(state: &State) -> Option<String> {
    match state {
        State::Served | State::Required => None,
        State::NoEffect(why) => Some(format!("no effect, a warning; {why}.")),
        State::NotYet(until_then) => Some(format!("not yet; {until_then}.")),
        State::Never(instead) => Some(format!("{instead}.")),
    }
}

fn write_known(out: &mut String, known: &[Known]) -> std::fmt::Result {
    writeln!(out, "Of the Collector's, these are not served:\n\n| type | what to do |\n|---|---|")?;
    // Neighbours with the same answer share a row.
    for group in known.chunk_by(|one, next| one.answer == next.answer) {
        let kinds: Vec<_> = group.iter().map(|known| format!("`{}`", known.kind)).collect();
        let answer = match group.first().map(|known| &known.answer) {
            Some(Answer::Ignored(why)) => format!("Accepted, with a warning and no effect: {why}."),
            Some(Answer::Instead(instead)) => format!("{}.", capitalised(instead)),
            None => continue,
        };
        writeln!(out, "| {} | {answer} |", kinds.join(", "))?;
    }
    writeln!(out)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// Every key below a section, by its path.
fn flatten(section: &'static Section) -> Vec<(String, &'static Key)> {
    let mut keys = Vec::new();
    for key in section.keys {
        keys.push((key.name.to_owned(), key));
        let (below, mark) = match key.kind {
            Kind::Section(below) => (below, "::"),
            Kind::Sections(below) | Kind::TextsOrSections(below) => (below, "[]::"),
            Kind::NamedSections(below) => (below, "::NAME::"),
            _ => continue,
        };
        keys.extend(flatten(below).into_iter().map(|(path, below)| (format!("{}{mark}{path}", key.name), below)));
    }
    keys
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "boolean",
        Kind::Integer => "whole number",
        Kind::Number => "number",
        Kind::Text => "text",
        Kind::Duration => "duration",
        Kind::Size => "size",
        Kind::Address => "address",
        Kind::Url => "URL",
        Kind::File => "file",
        Kind::Id => "name",
        Kind::Ids => "list of names",
        Kind::Patterns => "list of paths",
        Kind::Texts => "map of texts",
        Kind::TextList => "list of texts",
        Kind::Routes => "map of lists of names",
        Kind::Any => "anything",
        Kind::Section(_) => "map",
        Kind::Sections(_) => "list of maps",
        Kind::NamedSections(_) => "map of maps",
        Kind::TextsOrSections(_) => "list of texts or maps",
        Kind::Word(words) => {
            return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        }
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
