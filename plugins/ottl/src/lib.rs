//! The Collector's transformation language (OTTL), read and evaluated column by column.
//!
//! A plugin gives its conditions or statements to a [`Program`] when it starts, asks the host for the program's
//! [`columns`](Program::columns), and evaluates it once for each slice:
//!
//! ```text
//!  texts ─► tokens ─► tree ─► plan            once, at `init`: lex, parse, plan
//!                              │
//!  block ──► columns ──────────┴─► bitmap, or edits      once for each slice: eval
//! ```
//!
//! What a text means is what the Collector's own filter and transform processors make of it: its grammar, its table of
//! comparisons by run-time type, its conversions, and where it has an error for a row. A text that could never do what it
//! says is refused when it is read, with the character at which that shows: unknown fields and functions, and arguments of
//! a type that no row could make right.
//!
//! Evaluation goes over columns. A condition about one column is evaluated once for each distinct value where the column
//! has a dictionary; `and` and `or` look only at the rows that are still open; a statement sees what the statements before
//! it changed. Nothing is allocated for each row.

mod ast;
mod call;
mod cell;
mod change;
mod column;
mod convert;
mod error;
mod eval;
mod fields;
mod glob;
mod lex;
mod machine;
mod map;
mod output;
mod parse;
pub mod pattern;
mod plan;
mod run;
mod test;
#[cfg(test)]
mod tests;
pub mod value;

use std::fmt;

use wasmill_columns::{Bitmap, Block, Kind};

use machine::{Machine, Scratch};
use plan::{Body, Plan};

pub use error::{EvalError, ParseError, Reason};

/// Bytes of one condition or statement at most. A text of a page is already hard to read; this is several.
pub const LENGTH_MAX: usize = 16 * 1024;

/// Brackets, lists, arguments and keys in each other at most, and operators in a row. Each level is one of recursion, on a
/// guest's small stack.
pub const NESTING_MAX: usize = 48;

/// What the records are, and so which fields there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// What happens to a row that a condition or statement could not be evaluated for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ErrorMode {
    /// It counts as not matched, the next condition or statement goes on, and the failure is reported.
    Ignore,
    /// As `Ignore`, and the failure is not reported.
    Silent,
    /// The whole call fails: [`EvalError::Row`]. The Collector's default.
    #[default]
    Propagate,
}

/// What a path without a prefix is a field of: `name` is a span's, or the metric's, or the scope's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Context {
    /// The span, the log record, the data point.
    #[default]
    Record,
    Metric,
    Scope,
    Resource,
}

/// Statements that run where one of their conditions is true. Whether one is, is found out before the first of them runs.
#[derive(Clone, PartialEq, Debug)]
pub struct Group<'t> {
    pub context: Context,
    /// None: always.
    pub conditions: Vec<&'t str>,
    pub statements: Vec<&'t str>,
    pub errors: ErrorMode,
}

/// One condition, read but not yet bound to a signal. Printed, it reads as the same condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    tree: ast::Expr,
}

/// One statement, read but not yet bound to a signal. Printed, it reads as the same statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    tree: ast::Statement,
}

/// How text is to cross: the contract's `text-form`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TextForm {
    Plain,
    Dictionary,
    Either,
}

/// A column that a program needs, as a plugin's requirements name it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    pub path: String,
    pub kind: Kind,
    pub text: TextForm,
}

/// Conditions or statements for one signal, ready to be evaluated.
#[derive(Debug)]
pub struct Program {
    plan: Plan,
    scratch: Scratch,
}

/// What came of a program's conditions.
#[derive(Clone, PartialEq, Debug)]
pub struct Matched {
    /// The rows that at least one condition is true for.
    pub rows: Bitmap,
    /// What could not be evaluated, for a log line and a counter. Empty with [`ErrorMode::Silent`].
    pub failures: Vec<Failure>,
}

/// What came of a program's statements.
#[derive(Clone, PartialEq, Debug)]
pub struct Edited {
    /// To be made in this order.
    pub edits: Vec<Edit>,
    /// What could not be evaluated, for a log line and a counter. Empty with [`ErrorMode::Silent`].
    pub failures: Vec<Failure>,
}

/// A condition or statement that could not be evaluated for some rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its number among the texts of the program.
    pub expression: usize,
    pub rows: usize,
    /// The first of them, and why.
    pub first_row: usize,
    pub reason: Reason,
}

/// One change, in the contract's shape.
#[derive(Clone, PartialEq, Debug)]
pub struct Edit {
    pub path: String,
    pub target: Target,
    pub change: Change,
}

/// Which rows, or which entries of a map, an edit is about.
#[derive(Clone, PartialEq, Debug)]
pub enum Target {
    All,
    Rows(Bitmap),
    /// Places in the children of the `attributes` column that the path was asked for as.
    Entries(Vec<u32>),
}

/// What becomes of the target.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    Remove,
    /// A block of one column: a value for each target, in order.
    Set(Vec<u8>),
    /// A block of one `attributes` column: a map for each target, whose entries are set in the target's.
    Merge(Vec<u8>),
}

impl Condition {
    /// Reads one condition. Fields, functions and types are looked at when a [`Program`] is made of it.
    pub fn parse(text: &str) -> Result<Condition, ParseError> {
        Ok(Condition { tree: parse::condition(text)? })
    }
}

impl Statement {
    /// Reads one statement. Fields, functions and types are looked at when a [`Program`] is made of it.
    pub fn parse(text: &str) -> Result<Statement, ParseError> {
        Ok(Statement { tree: parse::statement(text)? })
    }
}

impl Program {
    /// Conditions, any of which may be true. All that is wrong with them is reported, one error for each text at most.
    pub fn conditions<T: AsRef<str>>(
        signal: Signal,
        texts: &[T],
        errors: ErrorMode,
    ) -> Result<Program, Vec<ParseError>> {
        let texts: Vec<_> = texts.iter().map(|text| (Context::Record, text.as_ref(), errors)).collect();
        Program::conditions_in(signal, &texts)
    }

    /// As [`conditions`](Program::conditions), each with the context that it is written for and what its failure does.
    pub fn conditions_in(signal: Signal, texts: &[(Context, &str, ErrorMode)]) -> Result<Program, Vec<ParseError>> {
        Ok(Program { plan: plan::conditions(signal, texts)?, scratch: Scratch::default() })
    }

    /// Statements, run in order, each seeing what those before it changed.
    pub fn statements<T: AsRef<str>>(
        signal: Signal,
        texts: &[T],
        errors: ErrorMode,
    ) -> Result<Program, Vec<ParseError>> {
        let statements = texts.iter().map(AsRef::as_ref).collect();
        let group = Group { context: Context::Record, conditions: Vec::new(), statements, errors };
        Program::groups(signal, &[group])
    }

    /// As [`statements`](Program::statements), in groups: one after the other, each seeing what those before it changed.
    pub fn groups(signal: Signal, groups: &[Group<'_>]) -> Result<Program, Vec<ParseError>> {
        Ok(Program { plan: plan::statements(signal, groups)?, scratch: Scratch::default() })
    }

    /// The columns to ask the host for, in the order in which a block must have them. Each path is there once.
    pub fn columns(&self) -> &[Wanted] {
        &self.plan.wanted
    }

    /// Evaluates conditions for a slice of so many rows. No row matches where the program has statements.
    pub fn matches(&mut self, columns: &Block<'_>, rows: usize) -> Result<Matched, EvalError> {
        let mut matched = Bitmap::none(rows);
        let failures = self.each_condition(columns, rows, |_, yes| matched.or(yes))?;
        Ok(Matched { rows: matched, failures })
    }

    /// For each condition, the rows that it is the first to be true for. `first` is called in the order of the conditions,
    /// with the condition's number; not for those behind the one that took the last row.
    pub fn first_matches(
        &mut self,
        columns: &Block<'_>,
        rows: usize,
        first: impl FnMut(usize, &Bitmap),
    ) -> Result<Vec<Failure>, EvalError> {
        self.each_condition(columns, rows, first)
    }

    /// A condition is asked for the rows that those before it were not true for.
    fn each_condition(
        &mut self,
        columns: &Block<'_>,
        rows: usize,
        mut found: impl FnMut(usize, &Bitmap),
    ) -> Result<Vec<Failure>, EvalError> {
        let mut failures = Vec::new();
        let Body::Conditions(tests) = &self.plan.body else { return Ok(failures) };
        let mut machine = Machine::new(&self.plan, columns, rows, &mut self.scratch)?;
        let mut open = Bitmap::all(rows);
        for (number, test) in tests.iter().enumerate() {
            let truth = machine.test(test, &open);
            let failed = truth.failed.map_or(0, |failed| failed.count());
            machine.report(number, failed, &mut failures)?;
            found(number, &truth.yes);
            open.and_not(&truth.yes);
            if open.is_none() {
                break;
            }
        }
        Ok(failures)
    }

    /// Runs statements over a slice of so many rows. There are no edits where the program has conditions.
    pub fn edits(&mut self, columns: &Block<'_>, rows: usize) -> Result<Edited, EvalError> {
        let mut failures = Vec::new();
        let Body::Statements(groups) = &self.plan.body else { return Ok(Edited { edits: Vec::new(), failures }) };
        let mut machine = Machine::new(&self.plan, columns, rows, &mut self.scratch)?;
        let all = Bitmap::all(rows);
        let mut number = 0;
        for group in groups {
            let mut wanted = if group.conditions.is_empty() { all.clone() } else { Bitmap::none(rows) };
            for condition in &group.conditions {
                let mut open = all.clone();
                open.and_not(&wanted);
                let truth = machine.test(condition, &open);
                machine.report(number, truth.failed.map_or(0, |failed| failed.count()), &mut failures)?;
                wanted.or(&truth.yes);
                number += 1;
            }
            for step in &group.steps {
                if !wanted.is_none() {
                    let failed = machine.step(step, &wanted);
                    machine.report(number, failed, &mut failures)?;
                }
                number += 1;
            }
        }
        Ok(Edited { edits: machine.edits()?, failures })
    }
}

impl ErrorMode {
    /// The mode of that name in a configuration: `ignore`, `silent`, `propagate`.
    pub fn from_name(name: &str) -> Option<ErrorMode> {
        match name {
            "ignore" => Some(ErrorMode::Ignore),
            "silent" => Some(ErrorMode::Silent),
            "propagate" => Some(ErrorMode::Propagate),
            _ => None,
        }
    }
}

impl Context {
    /// The context of that name in a configuration of the Collector's: `span`, `datapoint`, `log`, `metric`, `scope`, `resource`.
    /// `None`: the signal has none of that name, or it is not served.
    pub fn from_name(signal: Signal, name: &str) -> Option<Context> {
        match (signal, name) {
            (Signal::Traces, "span") | (Signal::Metrics, "datapoint") | (Signal::Logs, "log") => Some(Context::Record),
            (Signal::Metrics, "metric") => Some(Context::Metric),
            (_, "scope") => Some(Context::Scope),
            (_, "resource") => Some(Context::Resource),
            _ => None,
        }
    }

    /// What stands before a path that is written without it.
    fn prefix(self) -> &'static str {
        match self {
            Context::Record => "",
            Context::Metric => "metric.",
            Context::Scope => "scope.",
            Context::Resource => "resource.",
        }
    }
}

impl Signal {
    /// The signal's name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}
