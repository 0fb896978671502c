//! YAML to nodes, with bounds.
//!
//! Anchors, aliases and merge keys (`<<`) are resolved here, so that later steps see plain maps and lists. An alias repeats
//! what it stands for, and what is repeated counts: a "billion laughs" ends at [`NODES_MAX`]. A key that is there twice is an
//! error, not a silent choice.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use crate::diagnostic::{Place, Report};
use crate::node::{Entry, Node, Scalar, Shown, Typed, Value};
use crate::problem::Problem;
use crate::source::Span;

/// Values in one file, repetitions included: far above any configuration written by hand or by a chart.
pub const NODES_MAX: usize = 100_000;
/// Levels of maps and lists. The deepest key of this page has 9; plugin configurations may go on below it.
pub const DEPTH_MAX: usize = 64;

/// Reads the text of one file. `None`: it is not a configuration at all, and the report says why. An empty file is an empty map.
/// Duplicate keys and the like are reported and read past.
pub(crate) fn parse(text: &str, file: usize, report: &Report) -> Option<Node> {
    let mut tree = Tree::new(text, Origin::File(file), report);
    let node = tree.document();
    report_syntax(node, file, report)
}

/// Reads a value that stands for `${…}`. Errors are for the caller, who falls back to plain text; everything in it gets the place
/// of the expression.
pub(crate) fn parse_value(text: &str, span: Span, report: &Report) -> Result<Node, Problem> {
    Tree::new(text, Origin::Expansion(span), report).document().map_err(|stop| *stop.problem)
}

fn report_syntax(result: Result<Node, Stop>, file: usize, report: &Report) -> Option<Node> {
    match result {
        Ok(node) => Some(node),
        Err(stop) => {
            let span = stop.span.unwrap_or(Span::start_of(file));
            report.error(&Place::new(span, ""), *stop.problem);
            None
        }
    }
}

/// Why reading ended early.
struct Stop {
    span: Option<Span>,
    problem: Box<Problem>,
}

#[derive(Clone, Copy)]
enum Origin {
    File(usize),
    Expansion(Span),
}

struct Tree<'a, 's> {
    parser: Parser<'a, StrInput<'a>>,
    origin: Origin,
    report: &'a Report<'s>,
    /// What the anchors stand for, with its size, once it is complete.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    /// The keys that lead to what is being read.
    path: Vec<String>,
}

impl<'a, 's> Tree<'a, 's> {
    fn new(text: &'a str, origin: Origin, report: &'a Report<'s>) -> Self {
        Tree { parser: Parser::new_from_str(text), origin, report, anchors: HashMap::new(), nodes: 0, path: Vec::new() }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => return Err(stop(span, Problem::SecondDocument)),
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                _ => return Err(stop(span, Problem::Syntax("a value outside of the document".to_owned()))),
            }
        }
        let nothing = || Node::new(self.span(saphyr_parser::Span::default()), Value::Null);
        Ok(root.unwrap_or_else(nothing))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.span(span))),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, self.span(saphyr_parser::Span::default()))),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > DEPTH_MAX {
            return Err(stop(span, Problem::TooDeep { max: DEPTH_MAX }));
        }
        self.count(1, span)?;
        let before = self.nodes;
        let (node, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref(), span), anchor),
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                (self.map(span, depth)?, anchor)
            }
            _ => return Err(stop(span, Problem::Syntax("a value was expected".to_owned()))),
        };
        if anchor != 0 {
            let size = 1 + self.nodes - before;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Stop> {
        match self.anchors.get(&anchor) {
            Some((node, size)) => {
                let (node, size) = (node.clone(), *size);
                self.count(size, span)?;
                Ok(node)
            }
            None => Err(stop(span, Problem::AliasWithinItself)),
        }
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Node::new(start.to(span), Value::List(items)));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut first: HashMap<String, usize> = HashMap::new();
        let mut merges = Vec::new();
        loop {
            let (event, key_span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let span = start.to(key_span);
                merge(&mut entries, merges, |key| first.contains_key(key));
                return Ok(Node::new(span, Value::Map(entries)));
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let key = self.node(event, key_span, depth + 1)?;
            let (event, span) = self.next()?;
            self.path.push(scalar_text(&key).to_owned());
            let node = self.node(event, span, depth + 1);
            self.path.pop();
            let mut node = node?;
            if is_merge {
                merges.extend(self.merged(node, key_span));
                continue;
            }
            let Some(key) = self.key(&key, key_span) else { continue };
            if let Some(first_line) = first.get(&key) {
                let problem = Problem::DuplicateKey { key: key.clone(), first_line: *first_line };
                self.report.error(&self.place(key_span, &key), problem);
                continue;
            }
            if is_secret(&key) && matches!(self.origin, Origin::File(_)) {
                hide(&mut node, self.report);
            }
            first.insert(key.clone(), key_span.line);
            entries.push(Entry { key, key_span, node });
        }
    }

    fn key(&self, key: &Node, span: Span) -> Option<String> {
        let found = match &key.value {
            Value::Scalar(scalar) => return Some(scalar.text.to_string()),
            _ => key.kind_name(),
        };
        self.report.error(&self.place(span, ""), Problem::KeyNotText { found });
        None
    }

    /// The maps that a `<<` names, the first one winning.
    fn merged(&self, node: Node, span: Span) -> Vec<Entry> {
        let maps = match node.value {
            Value::List(items) => items,
            _ => vec![node],
        };
        let mut entries = Vec::new();
        for map in maps {
            match map.value {
                Value::Map(of_map) => entries.extend(of_map),
                _ => self.report.error(&self.place(span, "<<"), Problem::MergeNotMap { found: map.kind_name() }),
            }
        }
        entries
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let plain = |text: &str| Scalar::plain(text).map_or(Value::Null, Value::Scalar);
        let literal = |text: &str| Value::Scalar(Scalar { text: text.into(), typed: Typed::Text });
        let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
        let value = match (tag, core) {
            (None, _) if style == ScalarStyle::Plain => plain(text),
            (None, _) | (_, Some("str")) => literal(text),
            // A tag says what the text already is, or it is a mistake that the reader of the value finds.
            (_, Some("int" | "float" | "bool" | "null")) => plain(text),
            (Some(tag), _) => {
                self.report.error(&self.place(span, ""), Problem::Tag(tag.to_string()));
                literal(text)
            }
        };
        Node::new(span, value)
    }

    fn collection_tag(&self, tag: Option<&Tag>, expected: &str, span: Span) {
        let Some(tag) = tag else { return };
        if !(tag.is_yaml_core_schema() && tag.suffix == expected) {
            self.report.error(&self.place(span, ""), Problem::Tag(tag.to_string()));
        }
    }

    fn place(&self, span: Span, key: &str) -> Place {
        let keys: Vec<&str> = self.path.iter().map(String::as_str).chain([key]).filter(|key| !key.is_empty()).collect();
        Place::new(span, keys.join("::"))
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(stop(span, Problem::TooManyNodes { max: NODES_MAX }));
        }
        Ok(())
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        match self.origin {
            Origin::Expansion(span) => span,
            Origin::File(file) => Span {
                file,
                line: span.start.line().max(1),
                column: span.start.col() + 1,
                end_line: span.end.line().max(1),
                end_column: span.end.col() + 1,
            },
        }
    }

    fn syntax(&self, error: &ScanError) -> Stop {
        let span = self.span(saphyr_parser::Span::empty(*error.marker()));
        stop(span, Problem::Syntax(error.info().to_owned()))
    }
}

/// Adds what `<<` brought, where the map itself has no such key.
fn merge(entries: &mut Vec<Entry>, merges: Vec<Entry>, own: impl Fn(&str) -> bool) {
    let mut merged = std::collections::HashSet::new();
    for entry in merges {
        if !own(&entry.key) && merged.insert(entry.key.clone()) {
            entries.push(entry);
        }
    }
}

/// Keeps a value and what is in it out of messages and excerpts; keys are shown.
fn hide(node: &mut Node, report: &Report) {
    node.shown = Shown::Kind;
    match &mut node.value {
        Value::Null => {}
        // The name of a variable is no secret; a default may be one.
        Value::Scalar(scalar) if scalar.text.starts_with("${") && !scalar.text.contains(":-") => {}
        Value::Scalar(_) => report.sources.hide(node.span),
        Value::List(items) => items.iter_mut().for_each(|item| hide(item, report)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| hide(&mut entry.node, report)),
    }
}

/// Whether values under this key are kept out of excerpts, wherever it stands.
pub(crate) fn is_secret(key: &str) -> bool {
    const NAMES: [&str; 11] = [
        "headers",
        "password",
        "token",
        "tokens",
        "secret",
        "authorization",
        "api_key",
        "key_pem",
        "hash_key",
        "inline",
        "endpoint_params",
    ];
    let key = key.to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|name| key == *name || key.strip_suffix(name).is_some_and(|rest| rest.ends_with('_')))
}

fn scalar_text(node: &Node) -> &str {
    match &node.value {
        Value::Scalar(scalar) => &scalar.text,
        _ => "",
    }
}

fn stop(span: Span, problem: Problem) -> Stop {
    Stop { span: Some(span), problem: Box::new(problem) }
}
