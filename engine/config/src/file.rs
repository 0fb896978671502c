//! The file's shape: what was written, typed, each reference with its place. Nothing is resolved yet.

use crate::admin;
use crate::component::{
    CONNECTORS, Component, ComponentType, EXPORTERS, EXTENSIONS, FileConnector, FileProcessor, PROCESSORS, RECEIVERS,
};
use crate::diagnostic::{Place, Report};
use crate::id::{ComponentId, PipelineId};
use crate::known::{self, Answer, Known};
use crate::nearest::nearest;
use crate::node::{Entry, Node};
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Admin, Endpoint, Exporter, Extension, Receiver, Telemetry};
use crate::schema::{Kind, Section, key, required};
use crate::telemetry;
use crate::values::FromNode;

pub(crate) static ROOT: Section = Section {
    keys: &[
        key("receivers", Kind::Any, "", "Where data comes in, by `type[/name]`."),
        key("processors", Kind::Any, "", "What is done with it."),
        key("exporters", Kind::Any, "", "Where it goes."),
        key("connectors", Kind::Any, "", "Ways between pipelines."),
        key("extensions", Kind::Any, "", "What stands beside the pipelines."),
        required("service", Kind::Section(&SERVICE), "What of all that runs."),
    ],
};

pub(crate) static SERVICE: Section = Section {
    keys: &[
        key("extensions", Kind::Ids, "[]", "The extensions to start."),
        required("pipelines", Kind::Any, "By `traces`, `metrics` or `logs`, with or without `/name`."),
        key("telemetry", Kind::Section(&telemetry::SECTION), "", "What the gateway says of itself."),
        key("admin", Kind::Section(&admin::SECTION), "", "How its state is asked for, and its plugins changed."),
    ],
};

pub(crate) static PIPELINE: Section = Section {
    keys: &[
        key(
            "receivers",
            Kind::Ids,
            "",
            "Where its data comes from, receivers and connectors: at least one, unless a route of a plugin leads here.",
        ),
        key("processors", Kind::Ids, "[]", "What is done with it, in this order."),
        required("exporters", Kind::Ids, "Where rows without a route go, exporters and connectors: at least one."),
    ],
};

pub(crate) struct FileConfig {
    pub receivers: Vec<Component<Receiver>>,
    pub processors: Vec<Component<FileProcessor>>,
    pub exporters: Vec<Component<Exporter>>,
    pub extensions: Vec<Component<Extension>>,
    pub connectors: Vec<Component<FileConnector>>,
    pub service: Option<FileService>,
}

pub(crate) struct FileService {
    pub extensions: Vec<Located<ComponentId>>,
    pub pipelines: Vec<FilePipeline>,
    pub telemetry: Telemetry,
    pub admin: Admin,
    pub listens: Vec<Located<Endpoint>>,
}

pub(crate) struct FilePipeline {
    pub id: Located<PipelineId>,
    /// May be empty, where a route leads here.
    pub receivers: Vec<Located<ComponentId>>,
    /// Where they stand, or should.
    pub receivers_place: Place,
    pub processors: Vec<Located<ComponentId>>,
    pub exporters: Vec<Located<ComponentId>>,
}

/// `None`: not a map at all.
pub(crate) fn read(root: &Node, report: &Report) -> Option<FileConfig> {
    let reader = Reader::open(root, Place::new(root.span, ""), &ROOT, report)?;
    Some(FileConfig {
        receivers: components(&reader, "receivers", RECEIVERS, known::RECEIVERS),
        processors: components(&reader, "processors", PROCESSORS, known::PROCESSORS),
        exporters: components(&reader, "exporters", EXPORTERS, known::EXPORTERS),
        extensions: components(&reader, "extensions", EXTENSIONS, known::EXTENSIONS),
        connectors: components(&reader, "connectors", CONNECTORS, known::CONNECTORS),
        service: read_service(&reader),
    })
}

/// The singular of a section's key, for messages.
pub(crate) fn singular(section: &'static str) -> &'static str {
    section.strip_suffix('s').unwrap_or(section)
}

fn components<T>(
    root: &Reader,
    section: &'static str,
    types: &'static [ComponentType<T>],
    known: &'static [Known],
) -> Vec<Component<T>> {
    let mut found = Vec::new();
    for (entry, place) in root.named(section) {
        match ComponentId::parse(&entry.key) {
            Ok(id) => found.push(component(Located { value: id, place }, entry, section, types, known, root.report)),
            Err(why) => root.report.error(&place, Problem::BadId { id: entry.key.clone(), why }),
        }
    }
    found
}

fn component<T>(
    id: Located<ComponentId>,
    entry: &Entry,
    section: &'static str,
    types: &'static [ComponentType<T>],
    known: &'static [Known],
    report: &Report,
) -> Component<T> {
    let kind = id.value.kind();
    let mut listens = Vec::new();
    let settings = match types.iter().find(|candidate| candidate.names.contains(&kind)) {
        Some(of_type) => Reader::open(&entry.node, id.place.clone(), of_type.section, report)
            .and_then(|reader| (of_type.read)(&reader, &mut listens)),
        None => {
            unserved(kind, &id.place, section, types, known, report);
            None
        }
    };
    Component { id, settings, listens }
}

fn unserved<T>(
    kind: &str,
    place: &Place,
    section: &'static str,
    types: &[ComponentType<T>],
    known: &[Known],
    report: &Report,
) {
    let what = format!("the {} `{kind}`", singular(section));
    match known.iter().find(|known| known.kind == kind).map(|known| &known.answer) {
        Some(Answer::Ignored(why)) => report.warn(place, Problem::NoEffect { what, why: (*why).to_owned() }),
        Some(Answer::Instead(instead)) => {
            report.error(place, Problem::NotServed { what, instead: (*instead).to_owned() });
        }
        None => {
            let valid: Vec<_> = types.iter().flat_map(|of_type| of_type.names.iter().copied()).collect();
            let candidates = valid.iter().copied().chain(known.iter().map(|known| known.kind));
            let nearest = nearest(kind, candidates).map(str::to_owned);
            let problem = Problem::UnknownType { section: singular(section), kind: kind.to_owned(), nearest, valid };
            report.error(place, problem);
        }
    }
}

fn read_service(root: &Reader) -> Option<FileService> {
    if !root.has("service") {
        let expected = "what of the configuration runs, in `service::pipelines`".to_owned();
        root.report.error(root.own_place(), Problem::MissingKey { key: "service", expected });
        return None;
    }
    let reader = root.section("service", &SERVICE)?;
    let mut listens = Vec::new();
    let telemetry = match reader.section("telemetry", &telemetry::SECTION) {
        Some(telemetry) => telemetry::read(&telemetry, &mut listens),
        None => {
            let default = Telemetry::default();
            let place = reader.own_place().clone();
            listens.extend(default.metrics.endpoint.clone().map(|value| Located { value, place }));
            default
        }
    };
    let admin = reader.section("admin", &admin::SECTION).map_or_else(Admin::default, |admin| admin::read(&admin));
    let mut pipelines = Vec::new();
    for (entry, place) in reader.named("pipelines") {
        pipelines.extend(read_pipeline(entry, place, root.report));
    }
    if reader.node("pipelines").is_none() || entries(&reader, "pipelines") == Some(0) {
        let expected = "at least one pipeline, such as `traces:`".to_owned();
        let place = if reader.has("pipelines") { reader.place("pipelines") } else { reader.own_place().clone() };
        reader.report.error(&place, Problem::MissingKey { key: "pipelines", expected });
    }
    Some(FileService { extensions: reader.list("extensions"), pipelines, telemetry, admin, listens })
}

fn entries(reader: &Reader, key: &str) -> Option<usize> {
    match &reader.node(key)?.value {
        crate::node::Value::Map(entries) => Some(entries.len()),
        _ => None,
    }
}

fn read_pipeline(entry: &Entry, place: Place, report: &Report) -> Option<FilePipeline> {
    let id = match PipelineId::from_node(&Node::text(entry.key_span, entry.key.as_str())) {
        Ok(id) => Some(id),
        Err(problem) => {
            report.error(&place, problem);
            None
        }
    };
    let reader = Reader::open(&entry.node, place.clone(), &PIPELINE, report)?;
    let pipeline = FilePipeline {
        id: Located { value: id?, place: place.clone() },
        receivers: reader.list("receivers"),
        receivers_place: if reader.has("receivers") { reader.place("receivers") } else { place.clone() },
        processors: reader.list("processors"),
        exporters: reader.list("exporters"),
    };
    let key = "exporters";
    let empty =
        matches!(reader.node(key).map(|node| &node.value), Some(crate::node::Value::List(items)) if items.is_empty());
    if empty || reader.node(key).is_none() {
        let place = if reader.has(key) { reader.place(key) } else { place.clone() };
        report.error(&place, Problem::MissingKey { key, expected: "at least one exporter".to_owned() });
    }
    Some(pipeline)
}
