//! Trees to plans: fields, functions and enums are looked up, types checked, patterns compiled.
//!
//! What could not be right for any row is refused here, with the place in the text. What depends on the row (the type of an
//! attribute) is left to evaluation.

mod editor;
mod function;

use regex::Regex;
use wasmill_columns::Kind;

pub(crate) use editor::{Editor, Guard, MapChange, Place, Strategy};
pub(crate) use function::{Digest, Function};

use crate::ast::{self, Arithmetic, At, Comparison, Expr, Key};
use crate::fields::{self, Derived, Field, METRIC_TYPE, Missing, nearest};
use crate::parse::error_at;
use crate::value::{Value, compare, push_entry, push_item};
use crate::{Condition, Context, ErrorMode, ParseError, Signal, Statement, TextForm, Wanted};

/// What is known of a value before any row is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Nil,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    List,
    Map,
    SpanId,
    TraceId,
    /// That of the row.
    Any,
}

impl Type {
    /// As a message names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Nil => "nil",
            Type::Bool => "true or false",
            Type::Int => "a whole number",
            Type::Double => "a number with a point",
            Type::Text => "text",
            Type::Bytes => "bytes",
            Type::List => "a list",
            Type::Map => "a map",
            Type::SpanId => "a span id",
            Type::TraceId => "a trace id",
            Type::Any => "a value of any type",
        }
    }
}

/// A value that the text itself has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Encoded, as a column has it; so are maps.
    List(Vec<u8>),
    Map(Vec<u8>),
}

impl Literal {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Literal::Nil => Value::Nil,
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Int(value) => Value::Int(*value),
            Literal::Double(value) => Value::Double(*value),
            Literal::Text(text) => Value::Text(text),
            Literal::Bytes(bytes) => Value::Bytes(bytes),
            Literal::List(list) => Value::List(list),
            Literal::Map(map) => Value::Map(map),
        }
    }

    fn kind(&self) -> Type {
        match self {
            Literal::Nil => Type::Nil,
            Literal::Bool(_) => Type::Bool,
            Literal::Int(_) => Type::Int,
            Literal::Double(_) => Type::Double,
            Literal::Text(_) => Type::Text,
            Literal::Bytes(_) => Type::Bytes,
            Literal::List(_) => Type::List,
            Literal::Map(_) => Type::Map,
        }
    }
}

/// A value, to be computed for rows.
#[derive(Debug)]
pub(crate) struct Node {
    pub kind: NodeKind,
    pub value: Type,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Literal(Literal),
    /// What a path names.
    Slot(usize),
    /// Keys behind a path: what is not there is nil.
    Within(usize, Vec<Key>),
    /// Keys behind a converter: what is not there is a failure.
    Index(Box<Node>, Vec<Key>),
    Derived(Derived, Box<Node>),
    /// A number that is there and was not sent: the slot's own column has none, the metric's type (second slot) says.
    ZeroFor(usize, usize, &'static [i64]),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    Negate(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

/// A regular expression that a call has: compiled beforehand where the text has it, else for each new pattern.
#[derive(Debug)]
pub(crate) enum Pattern {
    Fixed(Regex),
    Computed(Box<Node>),
}

/// Something that is true or false for each row.
#[derive(Debug)]
pub(crate) enum Test {
    Constant(bool),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
    Leaf(Leaf),
}

/// A comparison or a call: where values become true or false.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub kind: LeafKind,
    /// The one slot that it reads, where it is one. It is then a function of that slot's distinct values.
    pub only: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum LeafKind {
    Compare(Comparison, Node, Node),
    Call(Node),
}

/// A place in the telemetry that a program reads or writes.
#[derive(Debug)]
pub(crate) struct Slot {
    pub field: &'static Field,
    /// The entry of the field's map. `None`: the field itself.
    pub key: Option<String>,
    /// As the host reads it.
    pub path: String,
    pub read: bool,
    /// The slot of the whole map, where a program changes it as a whole: entries are then read and written there.
    pub whole: Option<usize>,
    /// Its number among the wanted columns.
    pub column: Option<usize>,
}

/// A statement's plan.
#[derive(Debug)]
pub(crate) struct Step {
    pub editor: Editor,
    pub condition: Test,
}

/// Statements that run where one of the conditions is true, or always where there are none.
#[derive(Debug)]
pub(crate) struct Steps {
    pub conditions: Vec<Test>,
    pub steps: Vec<Step>,
}

/// What a program does.
#[derive(Debug)]
pub(crate) enum Body {
    Conditions(Vec<Test>),
    Statements(Vec<Steps>),
}

/// A condition or statement as it was written, for messages, and what its failure does.
#[derive(Debug)]
pub(crate) struct Text {
    pub text: String,
    pub errors: ErrorMode,
}

/// All of a program but its scratch memory.
#[derive(Debug)]
pub(crate) struct Plan {
    pub slots: Vec<Slot>,
    pub wanted: Vec<Wanted>,
    pub body: Body,
    /// In order: each group's conditions, then its statements.
    pub texts: Vec<Text>,
}

/// Plans conditions.
pub(crate) fn conditions(signal: Signal, texts: &[(Context, &str, ErrorMode)]) -> Result<Plan, Vec<ParseError>> {
    let mut planner = Planner::new(signal);
    let tests = texts.iter().map(|(context, text, errors)| planner.condition(*context, text, *errors)).collect();
    planner.finish(Body::Conditions(tests))
}

/// Plans statements.
pub(crate) fn statements(signal: Signal, groups: &[crate::Group<'_>]) -> Result<Plan, Vec<ParseError>> {
    let mut planner = Planner::new(signal);
    let mut planned = Vec::new();
    for crate::Group { context, conditions, statements, errors } in groups {
        let conditions = conditions.iter().map(|text| planner.condition(*context, text, *errors)).collect();
        let steps = statements.iter().filter_map(|text| planner.statement(*context, text, *errors)).collect();
        planned.push(Steps { conditions, steps });
    }
    planner.finish(Body::Statements(planned))
}

struct Planner<'t> {
    signal: Signal,
    /// The one being planned, and what its paths without a prefix mean.
    text: &'t str,
    context: Context,
    slots: Vec<Slot>,
    texts: Vec<Text>,
    /// What is wrong with them, one error for each at most.
    errors: Vec<ParseError>,
}

type Planned<T> = Result<T, ParseError>;

impl<'t> Planner<'t> {
    fn new(signal: Signal) -> Planner<'t> {
        Planner { signal, text: "", context: Context::Record, slots: Vec::new(), texts: Vec::new(), errors: Vec::new() }
    }

    /// One that cannot be planned is noted, and never true.
    fn condition(&mut self, context: Context, text: &'t str, errors: ErrorMode) -> Test {
        self.begin(context, text, errors);
        let planned = Condition::parse(text).and_then(|Condition { tree }| self.test(&tree));
        planned.unwrap_or_else(|error| {
            self.errors.push(error);
            Test::Constant(false)
        })
    }

    /// `None`: it cannot be planned, which is noted.
    fn statement(&mut self, context: Context, text: &'t str, errors: ErrorMode) -> Option<Step> {
        self.begin(context, text, errors);
        let planned = Statement::parse(text).and_then(|Statement { tree }| {
            let condition = match &tree.condition {
                None => Test::Constant(true),
                Some(condition) => self.test(condition)?,
            };
            Ok(Step { editor: self.editor(&tree.editor)?, condition })
        });
        planned.map_err(|error| self.errors.push(error)).ok()
    }

    fn begin(&mut self, context: Context, text: &'t str, errors: ErrorMode) {
        (self.text, self.context) = (text, context);
        self.texts.push(Text { text: text.to_owned(), errors });
    }

    /// Decides where each slot is read from, and so which columns are wanted.
    fn finish(mut self, body: Body) -> Result<Plan, Vec<ParseError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        if matches!(body, Body::Statements(_)) {
            for number in 0..self.slots.len() {
                let Slot { field, key: Some(_), .. } = &self.slots[number] else { continue };
                let whole = self.slots.iter().position(|slot| slot.key.is_none() && slot.field.name == field.name);
                self.slots[number].whole = whole.filter(|_| field.value == Type::Map);
            }
        }
        let mut wanted = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| slot.read && slot.whole.is_none()) {
            slot.column = Some(wanted.len());
            let kind = if slot.key.is_some() { Kind::Any } else { slot.field.kind };
            wanted.push(Wanted { path: slot.path.clone(), kind, text: TextForm::Either });
        }
        Ok(Plan { slots: self.slots, wanted, body, texts: self.texts })
    }

    fn error(&self, at: At, reason: impl Into<String>) -> ParseError {
        error_at(self.text, at, reason)
    }

    fn test(&mut self, expr: &Expr) -> Planned<Test> {
        Ok(match &expr.kind {
            ast::Kind::Bool(value) => Test::Constant(*value),
            ast::Kind::Not(inner) => match self.test(inner)? {
                Test::Constant(value) => Test::Constant(!value),
                inner => Test::Not(Box::new(inner)),
            },
            ast::Kind::And(parts) => self.joined_tests(parts, true)?,
            ast::Kind::Or(parts) => self.joined_tests(parts, false)?,
            ast::Kind::Compare(comparison, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                match (&left.kind, &right.kind) {
                    (NodeKind::Literal(left), NodeKind::Literal(right)) => {
                        Test::Constant(compare(*comparison, left.value(), right.value()))
                    }
                    _ => Test::Leaf(Leaf::new(LeafKind::Compare(*comparison, left, right))),
                }
            }
            ast::Kind::Call(_) => {
                let node = self.value(expr)?;
                if !matches!(node.value, Type::Bool | Type::Any) {
                    let reason = format!("this is {}, expected true or false", node.value.name());
                    return Err(self.error(expr.at, reason));
                }
                Test::Leaf(Leaf::new(LeafKind::Call(node)))
            }
            _ => {
                let reason = "expected a comparison such as `… == \"…\"`, or a converter that is true or false";
                return Err(self.error(expr.at, reason));
            }
        })
    }

    /// The parts of an `and` (true) or `or` (false). One that is constant decides all, whatever fails beside it, or is left
    /// out: the Collector does so when it reads the text.
    fn joined_tests(&mut self, parts: &[Expr], and: bool) -> Planned<Test> {
        let mut tests = parts.iter().map(|part| self.test(part)).collect::<Planned<Vec<_>>>()?;
        if tests.iter().any(|test| matches!(test, Test::Constant(value) if *value != and)) {
            return Ok(Test::Constant(!and));
        }
        tests.retain(|test| !matches!(test, Test::Constant(_)));
        Ok(match tests.len() {
            0 => Test::Constant(and),
            1 => tests.remove(0),
            _ if and => Test::And(tests),
            _ => Test::Or(tests),
        })
    }

    fn value(&mut self, expr: &Expr) -> Planned<Node> {
        let literal = |literal: Literal| {
            let value = literal.kind();
            Ok(Node { kind: NodeKind::Literal(literal), value })
        };
        match &expr.kind {
            ast::Kind::Nil => literal(Literal::Nil),
            ast::Kind::Bool(value) => literal(Literal::Bool(*value)),
            ast::Kind::Int(value) => literal(Literal::Int(*value)),
            ast::Kind::Double(value) => literal(Literal::Double(*value)),
            ast::Kind::Text(text) => literal(Literal::Text(text.clone())),
            ast::Kind::Bytes(bytes) => literal(Literal::Bytes(bytes.clone())),
            ast::Kind::Enum(name) => match fields::enum_number(self.signal, name) {
                Some(number) => literal(Literal::Int(number)),
                None => Err(self.unknown_enum(expr.at, name)),
            },
            ast::Kind::List(items) => self.list(items),
            ast::Kind::Map(entries) => self.map(entries),
            ast::Kind::Path(path) => self.path(path),
            ast::Kind::Call(call) => self.call(call),
            ast::Kind::Negate(inner) => self.negate(inner),
            ast::Kind::Arithmetic(operator, left, right) => {
                let left = self.number(left)?;
                let right = self.number(right)?;
                let value = match (left.value, right.value) {
                    (Type::Int, Type::Int) => Type::Int,
                    (Type::Int | Type::Double, Type::Int | Type::Double) => Type::Double,
                    _ => Type::Any,
                };
                let kind = NodeKind::Arithmetic(*operator, Box::new(left), Box::new(right));
                Ok(Node { kind, value })
            }
            ast::Kind::Compare(..) | ast::Kind::Not(_) | ast::Kind::And(_) | ast::Kind::Or(_) => {
                Err(self.error(expr.at, "expected a value, this is a condition"))
            }
        }
    }

    fn number(&mut self, expr: &Expr) -> Planned<Node> {
        let node = self.value(expr)?;
        match node.value {
            Type::Int | Type::Double | Type::Any => Ok(node),
            other => Err(self.error(expr.at, format!("this is {}, arithmetic needs numbers", other.name()))),
        }
    }

    fn negate(&mut self, inner: &Expr) -> Planned<Node> {
        let node = self.number(inner)?;
        let literal = match &node.kind {
            NodeKind::Literal(Literal::Int(value)) => Literal::Int(-value),
            NodeKind::Literal(Literal::Double(value)) => Literal::Double(-value),
            _ => {
                let value = node.value;
                return Ok(Node { kind: NodeKind::Negate(Box::new(node)), value });
            }
        };
        Ok(Node { kind: NodeKind::Literal(literal), value: node.value })
    }

    fn list(&mut self, items: &[Expr]) -> Planned<Node> {
        let nodes = items.iter().map(|item| self.storable(item)).collect::<Planned<Vec<_>>>()?;
        let mut encoded = Vec::new();
        for node in &nodes {
            let NodeKind::Literal(literal) = &node.kind else {
                return Ok(Node { kind: NodeKind::List(nodes), value: Type::List });
            };
            push_item(&mut encoded, literal.value());
        }
        Ok(Node { kind: NodeKind::Literal(Literal::List(encoded)), value: Type::List })
    }

    fn map(&mut self, entries: &[(String, Expr)]) -> Planned<Node> {
        let mut nodes: Vec<(String, Node)> = Vec::new();
        for (key, value) in entries {
            let value = self.storable(value)?;
            match nodes.iter_mut().find(|(name, _)| name == key) {
                Some((_, earlier)) => *earlier = value,
                None => nodes.push((key.clone(), value)),
            }
        }
        let mut encoded = Vec::new();
        for (key, node) in &nodes {
            let NodeKind::Literal(literal) = &node.kind else {
                return Ok(Node { kind: NodeKind::Map(nodes), value: Type::Map });
            };
            push_entry(&mut encoded, key, literal.value());
        }
        Ok(Node { kind: NodeKind::Literal(Literal::Map(encoded)), value: Type::Map })
    }

    /// A value that an attribute can have: no id.
    fn storable(&mut self, expr: &Expr) -> Planned<Node> {
        let node = self.value(expr)?;
        match node.value {
            Type::SpanId | Type::TraceId => {
                let reason = format!("an attribute cannot be {}; `….string` is its text", node.value.name());
                Err(self.error(expr.at, reason))
            }
            _ => Ok(node),
        }
    }

    /// The slot of a path that is read.
    fn path(&mut self, path: &ast::Path) -> Planned<Node> {
        let name = self.name(path);
        if let Some((field, derived)) = fields::derived(self.signal, &name) {
            if let Some((at, _)) = path.keys.first() {
                return Err(self.error(*at, format!("`{name}` is text, it has no keys")));
            }
            let base = self.slot(field, None);
            self.slots[base].read = true;
            let base = Node { kind: NodeKind::Slot(base), value: field.value };
            return Ok(Node { kind: NodeKind::Derived(derived, Box::new(base)), value: Type::Text });
        }
        let (slot, keys) = self.resolve(path)?;
        self.slots[slot].read = true;
        let Slot { field, key, .. } = &self.slots[slot];
        let (field, value) = (*field, if key.is_some() || !keys.is_empty() { Type::Any } else { field.value });
        if let (Missing::ZeroFor(types), true) = (field.missing, keys.is_empty()) {
            let metric_type = fields::find(self.signal, METRIC_TYPE).map(|field| self.slot(field, None));
            if let Some(metric_type) = metric_type {
                self.slots[metric_type].read = true;
                return Ok(Node { kind: NodeKind::ZeroFor(slot, metric_type, types), value });
            }
        }
        let kind = if keys.is_empty() { NodeKind::Slot(slot) } else { NodeKind::Within(slot, keys) };
        Ok(Node { kind, value })
    }

    /// The whole name of a path: of a parent's field, the parent included.
    fn name(&self, path: &ast::Path) -> String {
        let name = path.names.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(".");
        let parents = ["resource.", "scope.", "instrumentation_scope.", "metric."];
        let is_whole = parents.iter().any(|parent| name.starts_with(parent));
        if is_whole { name } else { format!("{}{name}", self.context.prefix()) }
    }

    /// The slot of a path, and the keys that go on within its value.
    fn resolve(&mut self, path: &ast::Path) -> Planned<(usize, Vec<Key>)> {
        let name = self.name(path);
        let Some(field) = fields::find(self.signal, &name) else { return Err(self.unknown_path(path, &name)) };
        let Some((first, rest)) = path.keys.split_first() else { return Ok((self.slot(field, None), Vec::new())) };
        if !field.has_keys() {
            return Err(self.error(first.0, format!("`{name}` is {}, it has no keys", field.value.name())));
        }
        let inner = |keys: &[(At, Key)]| keys.iter().map(|(_, key)| key.clone()).collect();
        if field.value != Type::Map {
            return Ok((self.slot(field, None), inner(&path.keys)));
        }
        match &first.1 {
            Key::Text(key) => Ok((self.slot(field, Some(key)), inner(rest))),
            Key::Int(_) => Err(self.error(first.0, format!("`{name}` is a map, expected a key in double quotes"))),
        }
    }

    fn slot(&mut self, field: &'static Field, key: Option<&str>) -> usize {
        let same = |slot: &Slot| std::ptr::eq(slot.field, field) && slot.key.as_deref() == key;
        if let Some(number) = self.slots.iter().position(same) {
            return number;
        }
        let mut path = field.name.to_owned();
        if let Some(key) = key {
            path.push('[');
            // Writing to a string does not fail.
            let _ = ast::quoted(key, &mut path);
            path.push(']');
        }
        let key = key.map(str::to_owned);
        self.slots.push(Slot { field, key, path, read: false, whole: None, column: None });
        self.slots.len() - 1
    }

    fn unknown_path(&self, path: &ast::Path, name: &str) -> ParseError {
        let at = At { start: path.at.start, end: path.names.last().map_or(path.at.end, |(at, _)| at.end) };
        let signal = self.signal.name();
        let prefix = format!("{name}.");
        let below: Vec<String> = fields::all(self.signal)
            .filter(|field| field.name.starts_with(&prefix))
            .map(|field| format!("`{}`", field.name))
            .collect();
        if !below.is_empty() {
            return self.error(at, format!("expected one of its fields: {}", below.join(", ")));
        }
        let reason = match nearest(name, fields::all(self.signal).map(|field| field.name)) {
            Some(nearest) => format!("no such field of {signal}, did you mean `{nearest}`?"),
            None => format!("no such field of {signal}, such as `attributes[\"…\"]` or `resource.attributes[\"…\"]`"),
        };
        self.error(at, reason)
    }

    fn unknown_enum(&self, at: At, name: &str) -> ParseError {
        let signal = self.signal.name();
        let names = fields::enums(self.signal).map(|(name, _)| *name);
        let functions = Function::NAMES.iter().copied();
        let reason = match nearest(name, names.chain(functions)) {
            Some(function) if Function::NAMES.contains(&function) => {
                format!("`{function}` is a converter: `{function}(…)`")
            }
            Some(nearest) => format!("no such enum of {signal}, did you mean `{nearest}`?"),
            None => format!("no such enum of {signal}"),
        };
        self.error(at, reason)
    }
}

impl Leaf {
    fn new(kind: LeafKind) -> Leaf {
        let mut slots = Vec::new();
        match &kind {
            LeafKind::Compare(_, left, right) => {
                left.slots(&mut slots);
                right.slots(&mut slots);
            }
            LeafKind::Call(node) => node.slots(&mut slots),
        }
        let only = slots.first().copied().filter(|first| slots.iter().all(|slot| slot == first));
        Leaf { kind, only }
    }
}

impl Node {
    /// The literal text that it is, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Literal(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The slots that it reads.
    fn slots(&self, out: &mut Vec<usize>) {
        match &self.kind {
            NodeKind::Literal(_) => {}
            NodeKind::Slot(slot) | NodeKind::Within(slot, _) => out.push(*slot),
            NodeKind::ZeroFor(slot, metric_type, _) => out.extend([*slot, *metric_type]),
            NodeKind::Index(inner, _) | NodeKind::Derived(_, inner) | NodeKind::Negate(inner) => inner.slots(out),
            NodeKind::List(nodes) => nodes.iter().for_each(|node| node.slots(out)),
            NodeKind::Call(function, nodes) => {
                if let Some(Pattern::Computed(pattern)) = function.pattern() {
                    pattern.slots(out);
                }
                nodes.iter().for_each(|node| node.slots(out));
            }
            NodeKind::Map(entries) => entries.iter().for_each(|(_, node)| node.slots(out)),
            NodeKind::Arithmetic(_, left, right) => {
                left.slots(out);
                right.slots(out);
            }
        }
    }
}
