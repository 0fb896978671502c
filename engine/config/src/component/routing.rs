//! The `routing` connector.

use std::sync::Arc;

use super::FileConnector;
use crate::id::PipelineId;
use crate::problem::Problem;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, RoutingAction, RoutingCondition, RoutingContext, RoutingErrors};
use crate::schema::{Kind, Section, key, never, required};
use crate::values::words;

pub(super) static SECTION: Section = Section {
    keys: &[
        key(
            "default_pipelines",
            Kind::Ids,
            "[]",
            "Where goes what no row of the table takes. Without any it is dropped.",
        ),
        key(
            "error_mode",
            Kind::Word(ERRORS),
            "propagate",
            "What a condition does that cannot be evaluated for a record: the client is told to retry, or the row of the table does \
             not take that record, with a word in the log or without.",
        ),
        required("table", Kind::Sections(&ROW), "In order: the first row whose condition is true takes a record."),
        never(
            "match_once",
            "the Collector dropped it too; a record goes with the first row that takes it, unless that copies",
        ),
    ],
};

static ROW: Section = Section {
    keys: &[
        key("context", Kind::Word(CONTEXT), "resource", "What the paths of the condition are fields of."),
        key(
            "condition",
            Kind::Text,
            "",
            "The condition. For `request`: `request[\"KEY\"] == \"VALUE\"`, or with `!=`.",
        ),
        key("statement", Kind::Text, "", "The older way to say it: `route() where CONDITION`."),
        required("pipelines", Kind::Ids, "Where the records go that it takes."),
        key("action", Kind::Word(ACTION), "move", "Whether later rows see the records that it takes (`copy`) or not."),
    ],
};

words!(RoutingErrors, ERRORS:
    "propagate" => RoutingErrors::Propagate, "ignore" => RoutingErrors::Ignore, "silent" => RoutingErrors::Silent);
words!(RoutingAction, ACTION: "move" => RoutingAction::Move, "copy" => RoutingAction::Copy);

/// What a condition is written for, the request included.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    Rows(RoutingContext),
    Request,
}

words!(Context, CONTEXT:
    "resource" => Context::Rows(RoutingContext::Resource),
    "span" => Context::Rows(RoutingContext::Span),
    "metric" => Context::Rows(RoutingContext::Metric),
    "datapoint" => Context::Rows(RoutingContext::DataPoint),
    "log" => Context::Rows(RoutingContext::Log),
    "request" => Context::Request);

pub(crate) struct FileRouting {
    pub default: Vec<Located<PipelineId>>,
    pub errors: RoutingErrors,
    pub table: Vec<FileRow>,
}

pub(crate) struct FileRow {
    pub condition: RoutingCondition,
    pub pipelines: Vec<Located<PipelineId>>,
    pub action: RoutingAction,
}

pub(super) fn read(reader: &Reader, _: &mut Vec<Located<Endpoint>>) -> Option<FileConnector> {
    let rows = reader.sections("table", &ROW);
    if rows.is_empty() {
        let place = if reader.has("table") { reader.place("table") } else { reader.own_place().clone() };
        let expected = "at least one row, such as `{condition: …, pipelines: […]}`".to_owned();
        reader.report.error(&place, Problem::MissingKey { key: "table", expected });
    }
    let table: Vec<_> = rows.iter().map(read_row).collect();
    Some(FileConnector::Routing(FileRouting {
        default: reader.list("default_pipelines"),
        errors: reader.get_or("error_mode", RoutingErrors::default()),
        table: table.into_iter().collect::<Option<_>>()?,
    }))
}

fn read_row(reader: &Reader) -> Option<FileRow> {
    let context = reader.get_or("context", Context::Rows(RoutingContext::Resource));
    let pipelines = reader.list("pipelines");
    if pipelines.is_empty() {
        let place = if reader.has("pipelines") { reader.place("pipelines") } else { reader.own_place().clone() };
        let expected = "the pipelines that its records go to".to_owned();
        reader.report.error(&place, Problem::MissingKey { key: "pipelines", expected });
    }
    let condition = read_condition(reader, context)?;
    Some(FileRow { condition, pipelines, action: reader.get_or("action", RoutingAction::default()) })
}

fn read_condition(reader: &Reader, context: Context) -> Option<RoutingCondition> {
    let (condition, statement) = (reader.located::<String>("condition"), reader.located::<String>("statement"));
    let (text, place) = match (condition, statement) {
        (Some(condition), None) => (condition.value, condition.place),
        (None, Some(statement)) if context != Context::Request => match where_of(&statement.value) {
            Some(condition) => (condition.to_owned(), statement.place),
            None => {
                let problem =
                    Problem::Invalid("expected `route() where CONDITION`; no other statement is served".to_owned());
                reader.report.error(&statement.place, problem);
                return None;
            }
        },
        (Some(_), Some(statement)) => {
            let problem = Problem::Invalid("there is a `condition` too; expected one of the two".to_owned());
            reader.report.error(&statement.place, problem);
            return None;
        }
        (None, _) => {
            let expected = "what is true for the records that go to `pipelines`".to_owned();
            reader.report.error(reader.own_place(), Problem::MissingKey { key: "condition", expected });
            return None;
        }
    };
    match context {
        Context::Rows(context) => Some(RoutingCondition::Rows { context, text: text.into() }),
        Context::Request => {
            let condition = request_condition(&text);
            if condition.is_none() {
                let problem = Problem::Invalid(
                    "expected `request[\"KEY\"] == \"VALUE\"`, or `!=`: a condition over a request knows nothing else"
                        .to_owned(),
                );
                reader.report.error(&place, problem);
            }
            condition
        }
    }
}

/// The condition of `route() where CONDITION`.
fn where_of(statement: &str) -> Option<&str> {
    let rest = statement.trim().strip_prefix("route()")?;
    let condition = rest.trim_start().strip_prefix("where")?;
    (condition.starts_with(char::is_whitespace) && !condition.trim().is_empty()).then(|| condition.trim())
}

/// `request["KEY"] == "VALUE"`, or with `!=`.
fn request_condition(text: &str) -> Option<RoutingCondition> {
    let (key, rest) = text.trim().strip_prefix("request[\"")?.split_once("\"]")?;
    let rest = rest.trim_start();
    let (equal, rest) = match rest.strip_prefix("==") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix("!=")?),
    };
    let value = rest.trim().strip_prefix('"')?.strip_suffix('"')?;
    if key.is_empty() || key.contains('"') || value.contains('"') {
        return None;
    }
    Some(RoutingCondition::Request { key: Arc::from(key.to_ascii_lowercase()), equal, value: value.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_over_a_request_have_one_form() {
        let request =
            |key: &str, equal, value: &str| RoutingCondition::Request { key: key.into(), equal, value: value.into() };
        assert_eq!(request_condition(r#"request["X-Tenant"] == "acme""#), Some(request("x-tenant", true, "acme")));
        assert_eq!(request_condition(r#" request["x"]!="" "#), Some(request("x", false, "")));
        for wrong in ["", "request", r#"request["x"] > "1""#, r#"request[x] == "1""#, r#"request["x"] == "1" or true"#]
        {
            assert_eq!(request_condition(wrong), None, "{wrong}");
        }
        assert_eq!(where_of(r#"route() where attributes["x"] == 1"#), Some(r#"attributes["x"] == 1"#));
        assert_eq!(where_of("route()"), None);
        assert_eq!(where_of("delete_key(attributes, \"x\") where true"), None);
    }
}
