//! The file's shape to the running one: references, routes, ports, files.
//!
//! Only what a pipeline uses, or may use, goes over. What depends on a component that had mistakes of its own is not reported again.

mod graph;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use wasmill_wire::Signal;

use crate::component::{Component, FileConnector, FileProcessor, FileRow, FileStage, Side};
use crate::diagnostic::Report;
use crate::file::{FileConfig, FilePipeline, FileService};
use crate::id::ComponentId;
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::reader::Located;
use crate::running::{
    Config, Connector, Endpoint, Exporter, Extension, Pipeline, PluginSource, Processor, RouteTarget, RoutingConnector,
    RoutingRow, WasmStage,
};

/// What is returned is whole only if the report has no errors.
pub(crate) fn validate(file: FileConfig, report: &Report) -> Config {
    let Some(service) = &file.service else { return Config::default() };
    let used = Used::of(service, &file.processors);
    check_references(&file, service, report);
    check_storages(&file, &used, report);
    check_authenticators(&file, &used, report);
    graph::check(&file, service, report);
    check_unreached(&file, &used, report);
    check_signals(&file, service, report);
    check_written(&file.exporters, report);
    check_used(&file, &used, report);
    check_ports(&file, service, &used, report);
    check_plugins(&file.processors, report);
    check_tables(&file.processors, report);
    build(file, used)
}

/// Which components the pipelines use.
#[derive(Default)]
struct Used {
    receivers: BTreeSet<ComponentId>,
    /// Of which a pipeline names one end; that it names both has been checked.
    connectors: BTreeSet<ComponentId>,
    processors: BTreeSet<ComponentId>,
    /// By `exporters:` or by a route of a stage that is used.
    exporters: BTreeSet<ComponentId>,
    /// Whether a plugin runs that may route to any exporter by its id.
    has_stages: bool,
    extensions: BTreeSet<ComponentId>,
}

impl Used {
    fn of(service: &FileService, stages: &[Component<FileProcessor>]) -> Used {
        let ids = |list: &[Located<ComponentId>]| list.iter().map(|id| id.value.clone()).collect::<Vec<_>>();
        let mut used = Used { extensions: ids(&service.extensions).into_iter().collect(), ..Used::default() };
        for pipeline in &service.pipelines {
            used.receivers.extend(ids(&pipeline.receivers));
            used.processors.extend(ids(&pipeline.processors));
            used.exporters.extend(ids(&pipeline.exporters));
        }
        used.connectors = used.receivers.union(&used.exporters).cloned().collect();
        for stage in stages.iter().filter(|stage| used.processors.contains(&stage.id.value)) {
            used.has_stages |= stage_of(stage).is_some_and(|stage| stage.may_route);
            let to = stage_of(stage).into_iter().flat_map(FileStage::reaches);
            used.exporters.extend(to.map(|to| to.value.clone()));
        }
        used
    }
}

/// Every name of a section that is defined.
fn defined<T>(components: &[Component<T>]) -> Vec<String> {
    components.iter().map(|component| component.id.value.to_string()).collect()
}

fn check_references(file: &FileConfig, service: &FileService, report: &Report) {
    let connectors = defined(&file.connectors);
    let receivers = [defined(&file.receivers), connectors.clone()].concat();
    let exporters = [defined(&file.exporters), connectors].concat();
    let processors = defined(&file.processors);
    for pipeline in &service.pipelines {
        check_list(&pipeline.receivers, "receiver", &receivers, report);
        check_list(&pipeline.processors, "processor", &processors, report);
        check_list(&pipeline.exporters, "exporter", &exporters, report);
    }
    check_list(&service.extensions, "extension", &defined(&file.extensions), report);
}

/// What queues name as their storage is one that runs, and each has a folder of its own.
fn check_storages(file: &FileConfig, used: &Used, report: &Report) {
    for (place, id) in report.storages() {
        let Some(extension) = file.extensions.iter().find(|extension| extension.id.value == id) else {
            let extensions = defined(&file.extensions);
            let nearest = nearest(&id.to_string(), extensions.iter().map(String::as_str)).map(str::to_owned);
            report.error(&place, Problem::Undefined { section: "extension", id: id.to_string(), nearest });
            continue;
        };
        match &extension.settings {
            Some(Extension::FileStorage(_)) if used.extensions.contains(&id) => {}
            Some(Extension::FileStorage(_)) => {
                let problem = format!("the extension `{id}` does not run: name it in `service::extensions`");
                report.error(&place, Problem::Invalid(problem));
            }
            Some(_) => {
                let problem = format!("the extension `{id}` stores nothing: expected a `file_storage`");
                report.error(&place, Problem::Invalid(problem));
            }
            // It had mistakes of its own.
            None => {}
        }
    }
    let mut folders: Vec<(&ComponentId, &Path)> = Vec::new();
    for Component { id, settings, .. } in &file.extensions {
        let Some(Extension::FileStorage(storage)) = settings else { continue };
        if let Some((other, _)) = folders.iter().find(|(_, folder)| *folder == storage.directory) {
            let problem = format!("`{other}` has the same `directory`: each needs one of its own");
            report.error(&id.place, Problem::Invalid(problem));
        }
        folders.push((&id.value, &storage.directory));
    }
}

/// What `auth` names is an extension that runs, and can do what is asked of it.
fn check_authenticators(file: &FileConfig, used: &Used, report: &Report) {
    for (place, id, side) in report.authenticators() {
        let Some(extension) = file.extensions.iter().find(|extension| extension.id.value == id) else {
            let extensions = defined(&file.extensions);
            let nearest = nearest(&id.to_string(), extensions.iter().map(String::as_str)).map(str::to_owned);
            report.error(&place, Problem::Undefined { section: "extension", id: id.to_string(), nearest });
            continue;
        };
        // It had mistakes of its own.
        let Some(settings) = &extension.settings else { continue };
        let why = match (settings, side) {
            _ if !used.extensions.contains(&id) => "does not run: name it in `service::extensions`",
            (Extension::BearerTokenAuth(_), _) => continue,
            (Extension::BasicAuth(basic), Side::Server) if basic.htpasswd.is_some() => continue,
            (Extension::BasicAuth(basic), Side::Client | Side::Additional) if basic.client.is_some() => continue,
            (Extension::OAuth2Client(_), Side::Client | Side::Additional)
            | (Extension::HeadersSetter(_), Side::Client) => continue,
            (Extension::BasicAuth(_), Side::Server) => "has no `htpasswd`: it knows no clients",
            (Extension::BasicAuth(_), _) => "has no `client_auth`: it has nothing to send",
            (Extension::OAuth2Client(_) | Extension::HeadersSetter(_), Side::Server) => "is of exporters only",
            (Extension::HeadersSetter(_), _) => "is a `headers_setter` itself: expected another authenticator",
            _ => "authenticates nobody",
        };
        report.error(&place, Problem::Invalid(format!("the extension `{id}` {why}")));
    }
}

fn check_list(ids: &[Located<ComponentId>], section: &'static str, defined: &[String], report: &Report) {
    let mut seen = HashSet::new();
    for Located { value, place } in ids {
        let id = value.to_string();
        if !seen.insert(value) {
            report.error(place, Problem::ListedTwice { id });
        } else if !defined.contains(&id) {
            let nearest = nearest(&id, defined.iter().map(String::as_str)).map(str::to_owned);
            report.error(place, Problem::Undefined { section, id, nearest });
        }
    }
}

fn check_unreached(file: &FileConfig, used: &Used, report: &Report) {
    for exporter in file.exporters.iter().filter(|exporter| !used.exporters.contains(&exporter.id.value)) {
        let leads_here = |stage: &&Component<FileProcessor>| {
            let mut to = stage_of(stage).into_iter().flat_map(FileStage::reaches);
            to.any(|to| to.value == exporter.id.value)
        };
        if let Some(stage) = file.processors.iter().find(leads_here) {
            let (id, stage) = (exporter.id.value.to_string(), stage.id.value.to_string());
            report.error(&exporter.id.place, Problem::Unreached { id, stage });
        }
    }
}

/// An exporter may take some signals only; one of OTLP over HTTP those that it has URLs for.
fn check_signals(file: &FileConfig, service: &FileService, report: &Report) {
    for pipeline in &service.pipelines {
        let signal = pipeline.id.value.signal();
        for exporter in reached(pipeline, &file.processors) {
            let of_id = file.exporters.iter().find(|candidate| candidate.id.value == exporter.value);
            let Some(settings) = of_id.and_then(|of_id| of_id.settings.as_ref()) else { continue };
            if settings.takes(signal) {
                continue;
            }
            let (signal, pipeline) = (signal.name(), pipeline.id.value.to_string());
            let name = exporter.value.to_string();
            let problem = match settings {
                Exporter::OtlpHttp(_) => Problem::NoUrl { signal, pipeline, exporter: name },
                _ => {
                    let takes = Signal::ALL.into_iter().filter(|signal| settings.takes(*signal));
                    let takes = takes.map(Signal::name).collect::<Vec<_>>().join(" and ");
                    Problem::SignalNotTaken { exporter: name, takes, pipeline, signal }
                }
            };
            report.error(&exporter.place, problem);
        }
    }
}

/// A file has one exporter: two would not know of each other's lines. So has a folder whose old files are deleted.
fn check_written(exporters: &[Component<Exporter>], report: &Report) {
    let mut paths: Vec<(&ComponentId, &Path)> = Vec::new();
    for Component { id, settings, .. } in exporters {
        let written: &Path = match settings {
            Some(Exporter::File(file)) => &file.path,
            Some(Exporter::Archive(archive)) => &archive.root,
            _ => continue,
        };
        if let Some((other, _)) = paths.iter().find(|(_, path)| *path == written) {
            let problem = format!("`{other}` has the same `path`: each needs one of its own");
            report.error(&id.place, Problem::Invalid(problem));
        }
        paths.push((&id.value, written));
    }
}

/// The exporters of a pipeline, those of its stages' routes included.
fn reached<'f>(pipeline: &'f FilePipeline, stages: &'f [Component<FileProcessor>]) -> Vec<&'f Located<ComponentId>> {
    let mut exporters: Vec<_> = pipeline.exporters.iter().collect();
    for stage in &pipeline.processors {
        let of_id = stages.iter().find(|candidate| candidate.id.value == stage.value);
        let settings = of_id.and_then(stage_of);
        exporters.extend(settings.into_iter().flat_map(FileStage::leads_to));
    }
    exporters
}

fn check_used(file: &FileConfig, used: &Used, report: &Report) {
    warn_unused(&file.receivers, "receiver", &used.receivers, report);
    warn_unused(&file.processors, "processor", &used.processors, report);
    let by_unused_route: HashSet<_> =
        file.processors.iter().filter_map(stage_of).flat_map(FileStage::reaches).map(|to| to.value.clone()).collect();
    let exporters = used.exporters.iter().cloned().chain(by_unused_route).collect();
    if used.has_stages {
        warn_unnamed(&file.exporters, &exporters, report);
    } else {
        warn_unused(&file.exporters, "exporter", &exporters, report);
    }
    warn_unused(&file.connectors, "connector", &used.connectors, report);
    warn_unused(&file.extensions, "extension", &used.extensions, report);
}

fn warn_unused<T>(components: &[Component<T>], section: &'static str, used: &BTreeSet<ComponentId>, report: &Report) {
    for Component { id, settings, .. } in components {
        if settings.is_some() && !used.contains(&id.value) {
            report.warn(&id.place, Problem::Unused { section, id: id.value.to_string() });
        }
    }
}

/// Only the plugins, which are not loaded here, know whether they route to these.
fn warn_unnamed(exporters: &[Component<Exporter>], named: &BTreeSet<ComponentId>, report: &Report) {
    for Component { id, settings, .. } in exporters {
        if settings.is_some() && !named.contains(&id.value) {
            report.warn(&id.place, Problem::Unnamed { id: id.value.to_string() });
        }
    }
}

fn check_ports(file: &FileConfig, service: &FileService, used: &Used, report: &Report) {
    let receivers = file.receivers.iter().filter(|receiver| used.receivers.contains(&receiver.id.value));
    let extensions = file.extensions.iter().filter(|extension| used.extensions.contains(&extension.id.value));
    // Plugins may route to any exporter.
    let exporters =
        file.exporters.iter().filter(|exporter| used.has_stages || used.exporters.contains(&exporter.id.value));
    let mut listens: Vec<&Located<Endpoint>> = receivers.flat_map(|receiver| &receiver.listens).collect();
    listens.extend(exporters.flat_map(|exporter| &exporter.listens));
    listens.extend(extensions.flat_map(|extension| &extension.listens));
    listens.extend(&service.listens);
    for (i, second) in listens.iter().enumerate() {
        if let Some(first) = listens.iter().take(i).find(|first| overlap(&first.value, &second.value)) {
            let problem = Problem::PortTwice {
                port: second.value.port,
                other: first.place.key.clone(),
                line: first.place.span.line,
            };
            report.error(&second.place, problem);
        }
    }
}

/// Whether two sockets cannot both be bound. Names other than `localhost` are not looked up: those are found when binding.
fn overlap(a: &Endpoint, b: &Endpoint) -> bool {
    let every = |host: &str| matches!(host, "" | "0.0.0.0" | "::");
    let local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "::1");
    let hosts = a.host == b.host
        || every(&a.host)
        || every(&b.host)
        || (local(&a.host) && local(&b.host) && (&*a.host == "localhost" || &*b.host == "localhost"));
    a.port != 0 && a.port == b.port && hosts
}

fn check_plugins(stages: &[Component<FileProcessor>], report: &Report) {
    for stage in stages.iter().filter_map(stage_of) {
        let PluginSource::File(path) = &stage.plugin.value else { continue };
        let why = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => continue,
            Ok(_) => "it is not a file".to_owned(),
            Err(error) => format!("{error}; a relative path starts at the working directory"),
        };
        report.error(&stage.plugin.place, Problem::NoSuchFile { path: path.display().to_string(), why });
    }
}

/// What is in them is for whoever loads them.
fn check_tables(stages: &[Component<FileProcessor>], report: &Report) {
    for table in stages.iter().filter_map(stage_of).flat_map(|stage| &stage.tables) {
        let why = match std::fs::metadata(&table.file.value) {
            Ok(metadata) if metadata.is_file() => continue,
            Ok(_) => "it is not a file".to_owned(),
            Err(error) => format!("{error}; a relative path starts at the working directory"),
        };
        report.error(&table.file.place, Problem::NoSuchFile { path: table.file.value.display().to_string(), why });
    }
}

fn build(file: FileConfig, mut used: Used) -> Config {
    let Some(service) = file.service else { return Config::default() };
    if used.has_stages {
        used.exporters.extend(file.exporters.iter().map(|exporter| exporter.id.value.clone()));
    }
    let mut pipelines = BTreeMap::new();
    for pipeline in service.pipelines {
        let ids = |list: Vec<Located<ComponentId>>| list.into_iter().map(|id| id.value);
        let is_connector = |id: &ComponentId| file.connectors.iter().any(|connector| connector.id.value == *id);
        let (from_connectors, receivers) = ids(pipeline.receivers).partition(is_connector);
        let (to_connectors, exporters) = ids(pipeline.exporters).partition(is_connector);
        let processors = ids(pipeline.processors).collect();
        let running = Pipeline { receivers, from_connectors, processors, exporters, to_connectors };
        pipelines.insert(pipeline.id.value, running);
    }
    Config {
        receivers: take(file.receivers, &used.receivers, |receiver| receiver),
        processors: take(file.processors, &used.processors, running_processor),
        exporters: take(file.exporters, &used.exporters, |exporter| exporter),
        connectors: take(file.connectors, &used.connectors, running_connector),
        extensions: take(file.extensions, &used.extensions, |extension| extension),
        pipelines,
        telemetry: service.telemetry,
        admin: service.admin,
    }
}

fn take<T, R>(
    components: Vec<Component<T>>,
    used: &BTreeSet<ComponentId>,
    running: impl Fn(T) -> R,
) -> BTreeMap<ComponentId, R> {
    let of_use = components.into_iter().filter(|component| used.contains(&component.id.value));
    of_use.filter_map(|component| Some((component.id.value, running(component.settings?)))).collect()
}

/// The settings of a processor that is a plugin and has no mistakes.
fn stage_of(processor: &Component<FileProcessor>) -> Option<&FileStage> {
    processor.settings.as_ref()?.stage()
}

fn running_processor(processor: FileProcessor) -> Processor {
    match processor {
        FileProcessor::Stage(stage) => Processor::Wasm(Box::new(running_stage(*stage))),
        FileProcessor::Other(processor) => processor,
    }
}

fn running_connector(connector: FileConnector) -> Connector {
    let FileConnector::Routing(routing) = connector else { return Connector::Forward };
    let ids = |list: Vec<Located<_>>| list.into_iter().map(|id| id.value).collect();
    let row = |row: FileRow| RoutingRow { condition: row.condition, pipelines: ids(row.pipelines), action: row.action };
    Connector::Routing(RoutingConnector {
        default: ids(routing.default),
        errors: routing.errors,
        table: routing.table.into_iter().map(row).collect(),
    })
}

fn running_stage(stage: FileStage) -> WasmStage {
    let target = |to: Located<ComponentId>| match graph::as_pipeline(&to.value) {
        Some(pipeline) => RouteTarget::Pipeline(pipeline),
        None => RouteTarget::Exporter(to.value),
    };
    let routes = stage.routes.into_iter().map(|route| (route.name, route.to.into_iter().map(target).collect()));
    WasmStage {
        plugin: stage.plugin.value,
        config: stage.config,
        limits: stage.limits,
        on_fault: stage.on_fault,
        divert_to: stage.divert_to.into_iter().map(target).collect(),
        breaker: stage.breaker,
        content_faults_max: stage.content_faults_max,
        state: stage.state,
        swap: stage.swap,
        group: stage.group,
        routes: routes.collect(),
        emit_to: stage.emit_to.into_iter().map(target).collect(),
        tables: stage.tables.into_iter().map(|table| (table.name, table.table)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_overlap_where_both_cannot_be_bound() {
        let cases = [
            (("localhost", 1), ("localhost", 1), true),
            (("localhost", 1), ("localhost", 2), false),
            (("localhost", 0), ("localhost", 0), false),
            (("", 1), ("10.0.0.1", 1), true),
            (("10.0.0.1", 1), ("0.0.0.0", 1), true),
            (("::", 1), ("localhost", 1), true),
            (("localhost", 1), ("127.0.0.1", 1), true),
            (("127.0.0.1", 1), ("::1", 1), false),
            (("127.0.0.1", 1), ("10.0.0.1", 1), false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(overlap(&Endpoint::new(a.0, a.1), &Endpoint::new(b.0, b.1)), expected, "{a:?} {b:?}");
        }
    }
}
