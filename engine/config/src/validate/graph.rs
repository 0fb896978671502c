//! How pipelines lead to pipelines: by connectors, by routes of their plugins, and by new records that plugins make.
//!
//! A pipeline that nothing leads to and a connector that leads nowhere are mistakes, and so is a way that comes back to where it
//! began: a record would never leave it.

use std::collections::BTreeSet;

use super::{defined, stage_of};
use crate::component::{FileConnector, FileStage};
use crate::diagnostic::{Place, Report};
use crate::file::{FileConfig, FilePipeline, FileService};
use crate::id::{ComponentId, PipelineId};
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::reader::Located;

pub(super) fn check(file: &FileConfig, service: &FileService, report: &Report) {
    let graph = Graph { file, pipelines: &service.pipelines };
    graph.check_connectors(report);
    graph.check_tables(report);
    graph.check_routes(report);
    graph.check_diverts(report);
    graph.check_emissions(report);
    graph.check_inputs(report);
    graph.check_cycles(report);
}

struct Graph<'f> {
    file: &'f FileConfig,
    pipelines: &'f [FilePipeline],
}

/// A way from one pipeline to another, and where it is written.
struct Way<'f> {
    to: &'f FilePipeline,
    place: &'f Place,
}

fn names(list: &[Located<ComponentId>], id: &ComponentId) -> bool {
    list.iter().any(|listed| listed.value == *id)
}

/// A component's name that can only be a pipeline's.
pub(super) fn as_pipeline(id: &ComponentId) -> Option<PipelineId> {
    PipelineId::parse(&id.to_string()).ok()
}

impl<'f> Graph<'f> {
    fn is_connector(&self, id: &ComponentId) -> bool {
        self.file.connectors.iter().any(|connector| connector.id.value == *id)
    }

    fn pipeline(&self, id: &PipelineId) -> Option<&'f FilePipeline> {
        self.pipelines.iter().find(|pipeline| pipeline.id.value == *id)
    }

    /// The pipelines of a signal that name a connector as a receiver.
    fn behind(&self, connector: &'f ComponentId, of: &'f FilePipeline) -> impl Iterator<Item = &'f FilePipeline> {
        let signal = of.id.value.signal();
        self.pipelines.iter().filter(move |to| to.id.value.signal() == signal && names(&to.receivers, connector))
    }

    /// Where a pipeline leads to.
    fn ways(&self, from: &'f FilePipeline) -> Vec<Way<'f>> {
        let mut ways = Vec::new();
        for exporter in from.exporters.iter().filter(|exporter| self.is_connector(&exporter.value)) {
            ways.extend(self.behind(&exporter.value, from).map(|to| Way { to, place: &exporter.place }));
        }
        for route in self.routes(from) {
            let to = as_pipeline(&route.value).and_then(|id| self.pipeline(&id));
            let to = to.filter(|to| to.id.value.signal() == from.id.value.signal());
            ways.extend(to.map(|to| Way { to, place: &route.place }));
        }
        // New records may be of any signal.
        for place in self.emissions(from) {
            let to = as_pipeline(&place.value).and_then(|id| self.pipeline(&id));
            ways.extend(to.map(|to| Way { to, place: &place.place }));
        }
        ways
    }

    /// What the routes of a pipeline's plugins lead to.
    fn routes(&self, from: &'f FilePipeline) -> impl Iterator<Item = &'f Located<ComponentId>> {
        self.stages(from).flat_map(FileStage::leads_to)
    }

    /// Where the new records of a pipeline's plugins go.
    fn emissions(&self, from: &'f FilePipeline) -> impl Iterator<Item = &'f Located<ComponentId>> {
        self.stages(from).flat_map(|stage| &stage.emit_to)
    }

    fn stages(&self, of: &'f FilePipeline) -> impl Iterator<Item = &'f FileStage> {
        let used = self.file.processors.iter().filter(|processor| names(&of.processors, &processor.id.value));
        used.filter_map(stage_of)
    }

    /// A connector has two ends, for each signal that comes to it.
    fn check_connectors(&self, report: &Report) {
        for pipeline in self.pipelines {
            let signal = pipeline.id.value.signal().name();
            for exporter in pipeline.exporters.iter().filter(|exporter| self.is_connector(&exporter.value)) {
                if self.behind(&exporter.value, pipeline).next().is_none() {
                    let problem = Problem::Invalid(format!(
                        "the connector `{}` leads nowhere: no {signal} pipeline names it in its `receivers`",
                        exporter.value
                    ));
                    report.error(&exporter.place, problem);
                }
            }
            for receiver in pipeline.receivers.iter().filter(|receiver| self.is_connector(&receiver.value)) {
                let mut before =
                    self.pipelines.iter().filter(|from| from.id.value.signal() == pipeline.id.value.signal());
                if !before.any(|from| names(&from.exporters, &receiver.value)) {
                    let problem = Problem::Invalid(format!(
                        "nothing comes by the connector `{}`: no {signal} pipeline names it in its `exporters`",
                        receiver.value
                    ));
                    report.error(&receiver.place, problem);
                }
            }
        }
    }

    /// The pipelines of a routing table name the connector, and those that name it are in the table.
    fn check_tables(&self, report: &Report) {
        for connector in &self.file.connectors {
            let Some(FileConnector::Routing(routing)) = &connector.settings else { continue };
            let id = &connector.id.value;
            let listed = routing.default.iter().chain(routing.table.iter().flat_map(|row| &row.pipelines));
            let mut leads_to = BTreeSet::new();
            for Located { value, place } in listed {
                leads_to.insert(value.clone());
                match self.pipeline(value) {
                    None => self.report_undefined(value, place, report),
                    Some(to) if !names(&to.receivers, id) => {
                        let problem =
                            Problem::Invalid(format!("the pipeline `{value}` does not name `{id}` in its `receivers`"));
                        report.error(place, problem);
                    }
                    Some(_) => {}
                }
            }
            for pipeline in self.pipelines.iter().filter(|pipeline| !leads_to.contains(&pipeline.id.value)) {
                for receiver in pipeline.receivers.iter().filter(|receiver| receiver.value == *id) {
                    let problem =
                        Problem::Invalid(format!("nothing comes by `{id}`: its table does not name this pipeline"));
                    report.error(&receiver.place, problem);
                }
            }
        }
    }

    fn report_undefined(&self, pipeline: &PipelineId, place: &Place, report: &Report) {
        let id = pipeline.to_string();
        let defined: Vec<String> = self.pipelines.iter().map(|pipeline| pipeline.id.value.to_string()).collect();
        let nearest = nearest(&id, defined.iter().map(String::as_str)).map(str::to_owned);
        report.error(place, Problem::Undefined { section: "pipeline", id, nearest });
    }

    /// A route leads to exporters, and to pipelines of the signal of the pipeline that it is used in.
    fn check_routes(&self, report: &Report) {
        let exporters = defined(&self.file.exporters);
        for stage in &self.file.processors {
            let Some(settings) = stage_of(stage) else { continue };
            let used = self.pipelines.iter().filter(|pipeline| names(&pipeline.processors, &stage.id.value));
            let signals: BTreeSet<_> = used.map(|pipeline| pipeline.id.value.signal()).collect();
            for way in settings.ways() {
                let is_pipeline = |to: &Located<ComponentId>| as_pipeline(&to.value).is_some();
                let (pipelines, to): (Vec<_>, Vec<_>) = way.iter().cloned().partition(is_pipeline);
                super::check_list(&to, "exporter", &exporters, report);
                for to in pipelines {
                    let Some(id) = as_pipeline(&to.value) else { continue };
                    if self.pipeline(&id).is_none() {
                        self.report_undefined(&id, &to.place, report);
                    } else if !signals.is_empty() && !signals.contains(&id.signal()) {
                        let problem = Problem::Invalid(format!(
                            "`{}` is in no {} pipeline, so that nothing of it can go to `{id}`",
                            stage.id.value,
                            id.signal()
                        ));
                        report.error(&to.place, problem);
                    }
                }
            }
        }
    }

    /// What a plugin fails on has a way to go in each pipeline that it is used in.
    fn check_diverts(&self, report: &Report) {
        for stage in &self.file.processors {
            let Some(first) = stage_of(stage).and_then(|settings| settings.divert_to.first()) else { continue };
            let leads_to = |pipeline: &FilePipeline| {
                let mut to = stage_of(stage).into_iter().flat_map(|settings| &settings.divert_to);
                let signal = pipeline.id.value.signal();
                to.any(|to| as_pipeline(&to.value).is_none_or(|to| to.signal() == signal))
            };
            let used = self.pipelines.iter().filter(|pipeline| names(&pipeline.processors, &stage.id.value));
            for pipeline in used.filter(|pipeline| !leads_to(pipeline)) {
                let problem = Problem::Invalid(format!(
                    "what the plugin fails on in `{0}` goes nowhere: expected an exporter or a {1} pipeline too",
                    pipeline.id.value,
                    pipeline.id.value.signal()
                ));
                report.error(&first.place, problem);
            }
        }
    }

    /// New records go to exporters and pipelines that there are.
    fn check_emissions(&self, report: &Report) {
        let exporters = defined(&self.file.exporters);
        for settings in self.file.processors.iter().filter_map(stage_of) {
            let is_pipeline = |to: &Located<ComponentId>| as_pipeline(&to.value).is_some();
            let (pipelines, to): (Vec<_>, Vec<_>) = settings.emit_to.iter().cloned().partition(is_pipeline);
            super::check_list(&to, "exporter", &exporters, report);
            for to in pipelines {
                if let Some(id) = as_pipeline(&to.value).filter(|id| self.pipeline(id).is_none()) {
                    self.report_undefined(&id, &to.place, report);
                }
            }
        }
    }

    /// A pipeline has a receiver, or a route leads to it, or new records do.
    fn check_inputs(&self, report: &Report) {
        for pipeline in self.pipelines.iter().filter(|pipeline| pipeline.receivers.is_empty()) {
            let mut routes = self.pipelines.iter().flat_map(|from| self.routes(from).chain(self.emissions(from)));
            if !routes.any(|to| as_pipeline(&to.value).as_ref() == Some(&pipeline.id.value)) {
                let expected = "at least one receiver, or a route or `emit_to` that leads to this pipeline".to_owned();
                report.error(&pipeline.receivers_place, Problem::MissingKey { key: "receivers", expected });
            }
        }
    }

    fn check_cycles(&self, report: &Report) {
        let mut done = BTreeSet::new();
        for pipeline in self.pipelines {
            self.visit(pipeline, &mut Vec::new(), &mut done, report);
        }
    }

    /// `way`: the pipelines on the way here. `done`: pipelines from which every way was looked at.
    fn visit(
        &self,
        from: &'f FilePipeline,
        way: &mut Vec<&'f PipelineId>,
        done: &mut BTreeSet<&'f PipelineId>,
        report: &Report,
    ) {
        if done.contains(&from.id.value) {
            return;
        }
        way.push(&from.id.value);
        for Way { to, place } in self.ways(from) {
            match way.iter().position(|before| **before == to.id.value) {
                Some(start) => {
                    let round = way[start..].iter().copied().chain([&to.id.value]);
                    let round: Vec<String> = round.map(ToString::to_string).collect();
                    let problem = Problem::Invalid(format!("pipelines lead in a circle: {}", round.join(" -> ")));
                    report.error(place, problem);
                }
                None => self.visit(to, way, done, report),
            }
        }
        way.pop();
        done.insert(&from.id.value);
    }
}
