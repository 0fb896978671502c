//! The `routing` connector: its table as pipelines of their own.
//!
//! A table becomes, for each signal, one pipeline whose own targets are the default ones, and whose stages route: conditions over
//! records run in the plugin `builtin:route`, one stage for each run of neighbouring rows; a condition over the request is a step
//! between. The first row that is true for a record counts, and a later step replaces the routes of an earlier one: so the steps
//! stand in the order of the table backwards. A row that copies is a pipeline beside: what rows before it have not taken and it
//! does goes to its targets, and the rest is dropped there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use wasmill_config::{
    Breaker, ComponentId, Config, Connector, OnFault, PipelineId, PluginLimits, PluginSource, PluginState, RouteTarget,
    RoutingAction, RoutingCondition, RoutingConnector, RoutingContext, RoutingErrors, RoutingRow, Swap, WasmStage,
};
use wasmill_wire::Signal;

use crate::pipeline::{CONNECTOR_PREFIX, RequestRule};

/// The plugin that evaluates conditions.
const PLUGIN: &str = "route";

/// One pipeline of a connector.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Router {
    /// Where rows go that no step has routed; nowhere, where there are none.
    pub own: Vec<PipelineId>,
    /// In the order in which they run.
    pub steps: Vec<RouterStep>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum RouterStep {
    /// The stage of this name.
    Stage(ComponentId),
    Request {
        rule: RequestRule,
        to: Vec<PipelineId>,
    },
}

/// All that the connectors of a configuration add to it.
#[derive(Default)]
pub struct Routers {
    /// By names that no pipeline of a configuration can have.
    pub pipelines: BTreeMap<PipelineId, Router>,
    /// By names that no processor of a configuration has: no processor is of the type `routing`.
    pub stages: BTreeMap<ComponentId, WasmStage>,
}

/// What a connector's conditions need; nothing, where no connector has conditions over records.
pub fn plugin_source(config: &Config) -> Option<PluginSource> {
    let over_rows = |row: &RoutingRow| matches!(row.condition, RoutingCondition::Rows { .. });
    let uses = |connector: &Connector| matches!(connector, Connector::Routing(of) if of.table.iter().any(over_rows));
    config.connectors.values().any(uses).then(|| PluginSource::Builtin(PLUGIN.into()))
}

impl Routers {
    pub fn of(config: &Config) -> Routers {
        let mut routers = Routers::default();
        for (id, connector) in &config.connectors {
            let Connector::Routing(routing) = connector else { continue };
            for signal in Signal::ALL {
                for number in 0..numbers(routing, signal) {
                    let router = routers.router(id, routing, signal, number);
                    routers.pipelines.insert(pipeline_id(id, signal, number), router);
                }
            }
        }
        routers
    }

    fn router(&mut self, id: &ComponentId, routing: &RoutingConnector, signal: Signal, number: usize) -> Router {
        let rows: Vec<&RoutingRow> = rows(routing, signal).collect();
        let copies = |row: &&&RoutingRow| row.action == RoutingAction::Copy;
        let moved = |rows: &[&RoutingRow], to: fn(&RoutingRow, Signal) -> Vec<PipelineId>| -> Vec<Rule> {
            let moving = rows.iter().filter(|row| !copies(row));
            moving.map(|row| (row.condition.clone(), to(row, signal))).collect()
        };
        let (own, rules) = match number.checked_sub(1).and_then(|copy| {
            let at = rows.iter().enumerate().filter(|(_, row)| copies(row)).nth(copy)?.0;
            Some((at, rows[at]))
        }) {
            None => {
                (of_signal(&routing.default, signal), moved(&rows, |row, signal| of_signal(&row.pipelines, signal)))
            }
            Some((at, row)) => {
                let mut rules = moved(&rows[..at], |_, _| Vec::new());
                rules.push((row.condition.clone(), of_signal(&row.pipelines, signal)));
                (Vec::new(), rules)
            }
        };
        let mut steps = Vec::new();
        let over_rows = |rule: &Rule| matches!(rule.0, RoutingCondition::Rows { .. });
        for run in rules.chunk_by(|one, next| over_rows(one) && over_rows(next)) {
            match run {
                [(RoutingCondition::Request { key, equal, value }, to)] => {
                    let rule = RequestRule { key: Arc::clone(key), equal: *equal, value: Arc::clone(value) };
                    steps.push(RouterStep::Request { rule, to: to.clone() });
                }
                rules => {
                    let suffix = if steps.is_empty() && number == 0 {
                        String::new()
                    } else {
                        format!("/{number}.{}", steps.len())
                    };
                    let Ok(name) = ComponentId::parse(&format!("{id}/{}{suffix}", signal.name())) else { continue };
                    self.stages.insert(name.clone(), stage(rules, routing.errors, signal));
                    steps.push(RouterStep::Stage(name));
                }
            }
        }
        steps.reverse();
        Router { own, steps }
    }
}

/// The pipelines that a connector hands what comes to it.
pub fn pipeline_ids(id: &ComponentId, routing: &RoutingConnector, signal: Signal) -> Vec<PipelineId> {
    (0..numbers(routing, signal)).map(|number| pipeline_id(id, signal, number)).collect()
}

type Rule = (RoutingCondition, Vec<PipelineId>);

/// One for the table, and one for each row that copies.
fn numbers(routing: &RoutingConnector, signal: Signal) -> usize {
    1 + rows(routing, signal).filter(|row| row.action == RoutingAction::Copy).count()
}

/// The rows that a signal can be taken by.
fn rows(routing: &RoutingConnector, signal: Signal) -> impl Iterator<Item = &RoutingRow> {
    let is_for = move |row: &&RoutingRow| {
        let of_context = match &row.condition {
            RoutingCondition::Request { .. } => true,
            RoutingCondition::Rows { context, .. } => match context {
                RoutingContext::Resource => true,
                RoutingContext::Span => signal == Signal::Traces,
                RoutingContext::Metric | RoutingContext::DataPoint => signal == Signal::Metrics,
                RoutingContext::Log => signal == Signal::Logs,
            },
        };
        of_context && row.pipelines.iter().any(|pipeline| pipeline.signal() == signal)
    };
    routing.table.iter().filter(is_for)
}

fn of_signal(pipelines: &[PipelineId], signal: Signal) -> Vec<PipelineId> {
    pipelines.iter().filter(|pipeline| pipeline.signal() == signal).cloned().collect()
}

/// As [`connector`](crate::pipeline::connector) reads it.
fn pipeline_id(id: &ComponentId, signal: Signal, number: usize) -> PipelineId {
    PipelineId::new(signal, Some(&format!("{CONNECTOR_PREFIX}{id} {number}")))
}

/// Neighbouring rows as a stage: its routes are named by the rows' numbers.
fn stage(rules: &[Rule], errors: RoutingErrors, signal: Signal) -> WasmStage {
    let (mut conditions, mut routes) = (Vec::new(), BTreeMap::new());
    for (number, (condition, to)) in rules.iter().enumerate() {
        let RoutingCondition::Rows { context, text } = condition else { continue };
        let context = match context {
            RoutingContext::Resource => "resource",
            RoutingContext::Span => "span",
            RoutingContext::Metric => "metric",
            RoutingContext::DataPoint => "datapoint",
            RoutingContext::Log => "log",
        };
        let route = format!("row {number}");
        conditions.push(json!({ "when": &**text, "to": [&route], "context": context, "signals": [signal.name()] }));
        routes.insert(route.into(), to.iter().cloned().map(RouteTarget::Pipeline).collect());
    }
    let error_mode = match errors {
        RoutingErrors::Propagate => "propagate",
        RoutingErrors::Ignore => "ignore",
        RoutingErrors::Silent => "silent",
    };
    WasmStage {
        plugin: PluginSource::Builtin(PLUGIN.into()),
        config: wasmill_config::Secret::new(json!({ "rules": conditions, "error_mode": error_mode }).to_string()),
        limits: PluginLimits::default(),
        on_fault: OnFault::Reject,
        divert_to: Vec::new(),
        breaker: Some(Breaker::default()),
        content_faults_max: Some(WasmStage::CONTENT_FAULTS_MAX),
        state: PluginState::default(),
        swap: Swap::default(),
        group: None,
        routes,
        emit_to: Vec::new(),
        tables: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(name: &str) -> PipelineId {
        PipelineId::parse(name).unwrap()
    }

    fn row(condition: &str, to: &[&str], action: RoutingAction) -> RoutingRow {
        let condition = match condition.strip_prefix("request ") {
            Some(value) => RoutingCondition::Request { key: "tenant".into(), equal: true, value: value.into() },
            None => RoutingCondition::Rows { context: RoutingContext::Resource, text: condition.into() },
        };
        RoutingRow { condition, pipelines: to.iter().map(|name| pipeline(name)).collect(), action }
    }

    fn routers(default: &[&str], table: Vec<RoutingRow>) -> Routers {
        let default = default.iter().map(|name| pipeline(name)).collect();
        let routing = RoutingConnector { default, errors: RoutingErrors::Ignore, table };
        let connector = (ComponentId::parse("routing").unwrap(), Connector::Routing(routing));
        Routers::of(&Config { connectors: BTreeMap::from([connector]), ..Config::default() })
    }

    fn of(routers: &Routers, signal: Signal, number: usize) -> &Router {
        &routers.pipelines[&pipeline_id(&ComponentId::parse("routing").unwrap(), signal, number)]
    }

    /// A table of rows over records, one over the request, and rows again: three steps, the last rows first.
    #[test]
    fn a_table_is_run_backwards() {
        let moved = |condition, to| row(condition, &[to], RoutingAction::Move);
        let table = vec![
            moved("a", "traces/a"),
            moved("b", "traces/b"),
            moved("request x", "traces/x"),
            moved("c", "traces/c"),
        ];
        let routers = routers(&["traces/other", "logs/other"], table);
        let router = of(&routers, Signal::Traces, 0);
        assert_eq!(router.own, [pipeline("traces/other")]);
        let [RouterStep::Stage(last), RouterStep::Request { rule, to }, RouterStep::Stage(first)] = &router.steps[..]
        else {
            panic!("{router:?}")
        };
        assert_eq!((&*rule.value, to.as_slice()), ("x", &[pipeline("traces/x")][..]));
        let conditions = |stage: &ComponentId| -> Vec<String> {
            let config: serde_json::Value = serde_json::from_str(routers.stages[stage].config.expose()).unwrap();
            let rules = config["rules"].as_array().unwrap();
            rules.iter().map(|rule| rule["when"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!((conditions(first), conditions(last)), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
        let logs = of(&routers, Signal::Logs, 0);
        assert_eq!((logs.own.as_slice(), logs.steps.len()), (&[pipeline("logs/other")][..], 0), "no row is for logs");
    }

    /// A row copies: beside the table stands a pipeline that drops what an earlier row took.
    #[test]
    fn a_copy_is_a_pipeline_beside() {
        let routers = routers(
            &[],
            vec![
                row("a", &["traces/a"], RoutingAction::Move),
                row("b", &["traces/b"], RoutingAction::Copy),
                row("c", &["traces/c"], RoutingAction::Move),
            ],
        );
        let targets = |number: usize| {
            let [RouterStep::Stage(stage)] = &of(&routers, Signal::Traces, number).steps[..] else {
                panic!("one stage")
            };
            routers.stages[stage].routes.values().map(|to| to.len()).collect::<Vec<_>>()
        };
        assert_eq!(targets(0), [1, 1], "a and c");
        assert_eq!(targets(1), [0, 1], "a goes nowhere here, b to its own");
        assert!(of(&routers, Signal::Traces, 1).own.is_empty());
        assert!(of(&routers, Signal::Traces, 0).own.is_empty(), "without a default the rest is dropped");
    }
}
