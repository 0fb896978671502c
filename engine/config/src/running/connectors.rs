//! Connectors: ways from pipeline to pipeline.

use std::sync::Arc;

use crate::id::PipelineId;

#[derive(Clone, PartialEq, Debug)]
pub enum Connector {
    /// Everything goes to every pipeline that names it as a receiver.
    Forward,
    Routing(RoutingConnector),
}

/// `routing`: each record goes by the first row of a table that takes it. All pipelines are those of the
/// [`Config`](super::Config), and name the connector as a receiver.
#[derive(Clone, PartialEq, Debug)]
pub struct RoutingConnector {
    /// Of what no row takes; may be empty, which drops it.
    pub default: Vec<PipelineId>,
    pub errors: RoutingErrors,
    /// At least one.
    pub table: Vec<RoutingRow>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct RoutingRow {
    pub condition: RoutingCondition,
    /// At least one.
    pub pipelines: Vec<PipelineId>,
    pub action: RoutingAction,
}

#[derive(Clone, PartialEq, Debug)]
pub enum RoutingCondition {
    /// In the transformation language, over each record.
    Rows { context: RoutingContext, text: Arc<str> },
    /// Whether one of the request's headers of that name, in lower case, has the value, or none has.
    Request { key: Arc<str>, equal: bool, value: Arc<str> },
}

/// What a condition's paths are fields of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoutingContext {
    Resource,
    Span,
    Metric,
    DataPoint,
    Log,
}

/// What a condition does that fails for a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RoutingErrors {
    /// The client is told to retry.
    #[default]
    Propagate,
    /// The row does not take the record, which is logged.
    Ignore,
    /// The same without a word.
    Silent,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RoutingAction {
    /// Later rows do not see it.
    #[default]
    Move,
    Copy,
}
