//! `case.yaml`: a test case of a plugin, as `wasmill plugin test` runs it.
//!
//! Read as the gateway's configuration is, so that a mistake has its file, line and what was expected. Nothing is expanded: a case
//! means the same wherever it runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use wasmill_wire::Signal;

use crate::component::plugin_config::json;
use crate::component::tables;
use crate::diagnostic::{ConfigErrors, Place, Report};
use crate::load::read;
use crate::node::Entry;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::running::LookupTable;
use crate::schema::{Kind, Section, key, required};
use crate::source::{Sources, Span};
use crate::values::{FromNode, expected, words};
use crate::yaml;

static SECTION: Section = Section {
    keys: &[
        key("config", Kind::Any, "{}", "The stage's `config:`."),
        key("group_by", Kind::Text, "", "The stage's `group_by:`, for a plugin that decides about groups."),
        key(
            "tables",
            Kind::NamedSections(&tables::SECTION),
            "{}",
            "The stage's `tables:`; a relative path starts at the case.",
        ),
        key("input", Kind::File, "input.json", "An OTLP export request, JSON or (`.binpb`) protobuf, beside the case."),
        key(
            "inputs",
            Kind::TextList,
            "[]",
            "Several, one after another, instead of `input`; without either `input.1.json`, `input.2.json`, … are taken.",
        ),
        key("signal", Kind::Word(SIGNAL), "", "What a protobuf input holds; JSON says it itself."),
        key("ticks", Kind::Integer, "0", "How often `tick` is called behind the last rows; at most 1000."),
        key("expect", Kind::Section(&EXPECT), "", "What must come out, beside `expected.json`."),
    ],
};

static EXPECT: Section = Section {
    keys: &[
        key("rows", Kind::Integer, "", "How many rows are kept."),
        key(
            "routes",
            Kind::Any,
            "",
            "How many kept rows take each route set: its names joined by `+`, or `unchanged`.",
        ),
        key(
            "counters",
            Kind::Any,
            "",
            "Sums of the plugin's own counters, over their labels; others are not looked at.",
        ),
        key("attributes", Kind::Sections(&ATTRIBUTES), "[]", "What kept rows have among their own attributes."),
        key("error", Kind::Text, "", "A part of the message with which the configuration or the rows are refused."),
    ],
};

static ATTRIBUTES: Section = Section {
    keys: &[
        required("row", Kind::Integer, "Which of the kept rows, from 0."),
        key("has", Kind::Any, "{}", "Keys and their values."),
        key("lacks", Kind::TextList, "[]", "Keys that are not there."),
    ],
};

words!(Signal, SIGNAL: "traces" => Signal::Traces, "metrics" => Signal::Metrics, "logs" => Signal::Logs);

/// More say nothing more.
const TICKS_MAX: u32 = 1_000;

/// A test case of a plugin.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TestCase {
    /// `{}` where there is none.
    pub config: Json,
    pub group_by: Option<String>,
    /// Files as written.
    pub tables: BTreeMap<String, LookupTable>,
    /// As written, in the order in which they come. Empty: the files that are there by convention.
    pub inputs: Vec<PathBuf>,
    pub signal: Option<Signal>,
    /// So many calls of `tick`, after the rows.
    pub ticks: u32,
    pub expect: Expectations,
}

/// What a case says of the outcome; what is `None` or empty is not looked at.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Expectations {
    pub rows: Option<u64>,
    pub routes: Option<BTreeMap<String, u64>>,
    pub counters: BTreeMap<String, f64>,
    pub attributes: Vec<ExpectedAttributes>,
    /// A part of the message of a refusal. Without it a refusal is a failure.
    pub error: Option<String>,
}

/// Attributes of one kept row.
#[derive(Clone, PartialEq, Debug)]
pub struct ExpectedAttributes {
    /// From 0.
    pub row: usize,
    /// As JSON.
    pub has: Map<String, Json>,
    pub lacks: Vec<String>,
}

/// Reads a case. Fails with every mistake that there is.
pub fn load_case(path: &Path) -> Result<TestCase, ConfigErrors> {
    let text = read(path).map_err(|problem| ConfigErrors::of_file(path, problem))?;
    let mut sources = Sources::default();
    let file = sources.add(path.to_owned(), text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text));
    let report = Report::new(&sources);
    let case = yaml::parse(sources.text(file), file, &report).and_then(|root| {
        let place = Place::new(Span::start_of(file), "");
        Some(case(&Reader::open(&root, place, &SECTION, &report)?))
    });
    report.finish()?;
    Ok(case.unwrap_or_default())
}

fn case(reader: &Reader) -> TestCase {
    let config = reader.node("config").map(|node| json(node, &reader.place("config"), reader.report));
    TestCase {
        config: config.unwrap_or_else(|| Json::Object(Map::new())),
        group_by: reader.get("group_by"),
        tables: tables::read(reader).into_iter().map(|table| (table.name.to_string(), table.table)).collect(),
        inputs: inputs(reader),
        signal: reader.get("signal"),
        ticks: reader.checked("ticks", "a whole number, 0 to 1000", |ticks: &u32| *ticks <= TICKS_MAX).unwrap_or(0),
        expect: reader.section("expect", &EXPECT).map(|reader| expectations(&reader)).unwrap_or_default(),
    }
}

/// One is a list of one.
fn inputs(reader: &Reader) -> Vec<PathBuf> {
    if reader.has("input") && reader.has("inputs") {
        reader.report.error(
            &reader.place("inputs"),
            Problem::Invalid("`input` is there too: expected one of the two".to_owned()),
        );
    }
    let several = reader.list::<String>("inputs").into_iter().map(|input| PathBuf::from(input.value));
    reader.get("input").into_iter().chain(several).collect()
}

fn expectations(reader: &Reader) -> Expectations {
    let numbers = |key| reader.has(key).then(|| named::<u64>(reader, key));
    Expectations {
        rows: reader.get("rows"),
        routes: numbers("routes"),
        counters: named::<f64>(reader, "counters"),
        attributes: reader.sections("attributes", &ATTRIBUTES).iter().filter_map(attributes).collect(),
        error: reader.checked("error", "a text that is not empty", |error: &String| !error.is_empty()),
    }
}

fn attributes(reader: &Reader) -> Option<ExpectedAttributes> {
    let has = reader.node("has").map(|node| (node, json(node, &reader.place("has"), reader.report)));
    let has = match has {
        None => Map::new(),
        Some((_, Json::Object(has))) => has,
        Some((node, _)) => {
            reader.report.error(&reader.place("has"), expected("a map from keys to values", node));
            return None;
        }
    };
    let lacks = reader.list::<String>("lacks").into_iter().map(|key| key.value).collect();
    let row = reader.required::<u64>("row", "which of the kept rows, from 0")?.value;
    Some(ExpectedAttributes { row: usize::try_from(row).unwrap_or(usize::MAX), has, lacks })
}

/// A map from names to values of one type.
fn named<T: FromNode>(reader: &Reader, key: &str) -> BTreeMap<String, T> {
    let value = |entry: &Entry, place: &Place| {
        let place = Place::new(entry.node.span, place.key.clone());
        let read: Result<T, Problem> = match &entry.node {
            node if node.is_null() => Err(expected("a number", node)),
            node => T::from_node(node),
        };
        read.map_err(|problem| reader.report.error(&place, problem)).ok()
    };
    let entries = reader.named(key);
    entries.iter().filter_map(|(entry, place)| Some((entry.key.clone(), value(entry, place)?))).collect()
}
