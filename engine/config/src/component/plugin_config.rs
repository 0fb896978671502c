//! What a plugin is configured with, of what was written.
//!
//! The Collector's own processors are plugins here: their keys are checked as everybody's, and what they say is handed to the
//! plugin as JSON. What only the plugin can check, such as a condition, it says with the key, which leads back to the place.

use serde_json::{Map, Value as Json};

use super::{FileProcessor, FileStage};
use crate::diagnostic::{Place, Report};
use crate::node::{Entry, Node, Typed, Value};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Breaker, OnFault, PluginLimits, PluginSource, PluginState, Swap, WasmStage};
use crate::schema::Section;
use crate::secret::Secret;
use crate::values::{expected, text, word};

/// A processor that is a plugin of the binary.
pub(super) fn stage(reader: &Reader, plugin: &str, config: Json) -> FileProcessor {
    FileProcessor::Stage(Box::new(FileStage {
        plugin: Located { value: PluginSource::Builtin(plugin.into()), place: reader.own_place().clone() },
        config: Secret::new(config.to_string()),
        limits: PluginLimits::default(),
        on_fault: OnFault::default(),
        divert_to: Vec::new(),
        breaker: Some(Breaker::default()),
        content_faults_max: Some(WasmStage::CONTENT_FAULTS_MAX),
        state: PluginState::default(),
        swap: Swap::default(),
        group: None,
        routes: Vec::new(),
        emit_to: Vec::new(),
        tables: Vec::new(),
        may_route: false,
    }))
}

/// What a map hands on. Lists and maps without anything are left out, so that what means the same is the same.
#[derive(Default)]
pub(super) struct Handed(Map<String, Json>);

impl Handed {
    pub fn set(&mut self, key: &str, value: impl Into<Json>) {
        let value = value.into();
        let is_nothing = match &value {
            Json::Array(items) => items.is_empty(),
            Json::Object(entries) => entries.is_empty(),
            _ => false,
        };
        if !is_nothing {
            self.0.insert(key.to_owned(), value);
        }
    }

    /// A map, even one without anything.
    pub fn map(&mut self, key: &str, map: Handed) {
        self.0.insert(key.to_owned(), map.into());
    }

    /// Whether a key has this text.
    pub fn is(&self, key: &str, text: &str) -> bool {
        self.0.get(key).and_then(Json::as_str) == Some(text)
    }

    /// What another has, on top.
    pub fn join(&mut self, other: Handed) {
        self.0.extend(other.0);
    }

    /// The text of a key, if it is there.
    pub fn text(&mut self, reader: &Reader, key: &str) {
        if let Some(value) = reader.get::<String>(key) {
            self.set(key, value);
        }
    }

    pub fn bool(&mut self, reader: &Reader, key: &str, default: bool) {
        self.set(key, reader.get_or(key, default));
    }

    /// One of the words, as it stands in the list.
    pub fn word(&mut self, reader: &Reader, key: &str, words: &[&'static str]) {
        let Some(node) = reader.node(key) else { return };
        let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
        match word(node, &words) {
            Ok(word) => self.set(key, word),
            Err(problem) => reader.report.error(&reader.place(key), problem),
        }
    }

    /// A list of texts, if it is there.
    pub fn texts(&mut self, reader: &Reader, key: &str) {
        if let Some(texts) = read_texts(reader, key) {
            self.set(key, texts);
        }
    }

    /// Whatever a key has.
    pub fn any(&mut self, reader: &Reader, key: &str) {
        if let Some(node) = reader.node(key) {
            self.0.insert(key.to_owned(), json(node, &reader.place(key), reader.report));
        }
    }

    /// A map within, if it is there.
    pub fn section(
        &mut self,
        reader: &Reader,
        key: &str,
        section: &'static Section,
        read: impl FnOnce(&Reader, &mut Handed),
    ) {
        if let Some(inner) = reader.section(key, section) {
            let mut handed = Handed::default();
            read(&inner, &mut handed);
            self.set(key, handed);
        }
    }

    /// A list of maps, if it is there.
    pub fn sections(
        &mut self,
        reader: &Reader,
        key: &str,
        section: &'static Section,
        read: impl Fn(&Reader, &mut Handed),
    ) {
        if !reader.has(key) {
            return;
        }
        let of = |inner: &Reader| {
            let mut handed = Handed::default();
            read(inner, &mut handed);
            Json::from(handed)
        };
        self.set(key, reader.sections(key, section).iter().map(of).collect::<Vec<_>>());
    }

    /// A list of texts, or of maps: one or the other, as the Collector has it.
    pub fn texts_or_sections(
        &mut self,
        reader: &Reader,
        key: &str,
        section: &'static Section,
        read: impl Fn(&Reader, &mut Handed),
    ) {
        let Some(node) = reader.node(key) else { return };
        let Value::List(items) = &node.value else {
            return reader.report.error(&reader.place(key), expected("a list", node));
        };
        let (mut entries, mut texts) = (Vec::new(), 0);
        for (number, item) in items.iter().enumerate() {
            let place = Place::new(item.span, format!("{}[{number}]", reader.path(key)));
            match &item.value {
                Value::Scalar(scalar) => {
                    texts += 1;
                    entries.push(Json::from(&*scalar.text));
                }
                Value::Map(_) => {
                    let Some(inner) = Reader::open(item, place, section, reader.report) else { continue };
                    let mut handed = Handed::default();
                    read(&inner, &mut handed);
                    entries.push(handed.into());
                }
                Value::Null | Value::List(_) => {
                    reader.report.error(&place, expected("a text, or a map of settings", item))
                }
            }
        }
        if texts > 0 && texts < entries.len() {
            let problem = Problem::Invalid("texts and maps are mixed: expected either, as in the Collector".to_owned());
            reader.report.error(&reader.place(key), problem);
        }
        self.set(key, entries);
    }
}

impl From<Handed> for Json {
    fn from(handed: Handed) -> Json {
        Json::Object(handed.0)
    }
}

/// A list of texts. Other than lists of names, a text is not cut at its commas.
fn read_texts(reader: &Reader, key: &str) -> Option<Vec<String>> {
    let node = reader.node(key)?;
    let Value::List(items) = &node.value else {
        reader.report.error(&reader.place(key), expected("a list of texts", node));
        return None;
    };
    let mut texts = Vec::new();
    for (number, item) in items.iter().enumerate() {
        match text(item, "a text") {
            Ok(text) => texts.push(text),
            Err(problem) => {
                let place = Place::new(item.span, format!("{}[{number}]", reader.path(key)));
                reader.report.error(&place, problem);
            }
        }
    }
    Some(texts)
}

/// YAML as JSON: keys keep their order, integers stay integers. What JSON has not is reported, and null.
pub(crate) fn json(node: &Node, place: &Place, report: &Report) -> serde_json::Value {
    use serde_json::{Number, Value as Json};
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => match scalar.typed {
            Typed::Text => Json::String(scalar.text.to_string()),
            Typed::Bool(value) => Json::Bool(value),
            Typed::Int(value) => Json::Number(value.into()),
            Typed::Uint(value) => Json::Number(value.into()),
            Typed::Float(value) => match Number::from_f64(value) {
                Some(number) => Json::Number(number),
                None => {
                    report.error(&Place { span: node.span, ..place.clone() }, expected("a finite number", node));
                    Json::Null
                }
            },
        },
        Value::List(items) => {
            let item =
                |(i, item): (usize, &Node)| json(item, &Place::new(item.span, format!("{}[{i}]", place.key)), report);
            items.iter().enumerate().map(item).collect()
        }
        Value::Map(entries) => {
            let entry = |entry: &Entry| {
                let place = Place::new(entry.node.span, format!("{}::{}", place.key, entry.key));
                (entry.key.clone(), json(&entry.node, &place, report))
            };
            Json::Object(entries.iter().map(entry).collect())
        }
    }
}
