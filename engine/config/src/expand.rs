//! `${env:NAME}` and its kin.
//!
//! As in the Collector: `${env:NAME}`, `${env:NAME:-default}`, the older `${NAME}`, `${file:PATH}`, `${yaml:TEXT}`, and `$$` for a
//! `$`. A `$` before anything else is itself. Keys are not expanded. A value that is one expression and nothing else is read as
//! YAML again, so that `${env:PORT}` can be a number and `${file:receivers.yaml}` a map; where a text is wanted it stays as it
//! was. A variable that is not set and has no default is empty, with a warning.
//!
//! Unlike the Collector, what a variable holds is final: a `$` in a password is not looked at again. What a file holds is
//! configuration, and expanded in turn; the line break at its end is not part of it.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::diagnostic::{Place, Report};
use crate::load::read;
use crate::node::{Node, Scalar, Shown, Typed, Value};
use crate::problem::Problem;
use crate::source::Span;
use crate::yaml;

/// Bytes that all expansions of a run may add up to: a thousand variables of a few KiB each.
pub const EXPANDED_BYTES_MAX: usize = 4 << 20;
/// Expressions within the default of an expression, and files within files.
const NESTED_MAX: usize = 8;

/// Gives the value of an environment variable, or `None` where it is not set.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Expands everything below `node`, in place. Gives the files that were read for it.
pub(crate) fn expand(node: &mut Node, env: Environment, report: &Report) -> Vec<PathBuf> {
    let mut expander = Expander { env, report, bytes: 0, files: Vec::new() };
    expander.walk(node, "", 0);
    expander.files
}

struct Expander<'a, 's> {
    env: Environment<'a>,
    report: &'a Report<'s>,
    bytes: usize,
    files: Vec<PathBuf>,
}

/// What an expression stands for.
enum Found {
    Final(String),
    /// With expressions in it.
    Configuration(String),
}

/// `None`: a variable that is not set.
type Expanded = Result<Option<Found>, Failure>;

struct Failure {
    expression: String,
    why: String,
    help: Option<String>,
}

impl Expander<'_, '_> {
    fn walk(&mut self, node: &mut Node, key: &str, depth: usize) {
        match &mut node.value {
            Value::Null => {}
            Value::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    self.walk(item, &format!("{key}[{i}]"), depth);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let key = if key.is_empty() { entry.key.clone() } else { format!("{key}::{}", entry.key) };
                    self.walk(&mut entry.node, &key, depth);
                }
            }
            Value::Scalar(scalar) if scalar.text.contains('$') => {
                let text = Rc::clone(&scalar.text);
                self.scalar(node, &text, key, depth);
            }
            Value::Scalar(_) => {}
        }
    }

    fn scalar(&mut self, node: &mut Node, text: &Rc<str>, key: &str, depth: usize) {
        let place = Place::new(node.span, key);
        let expanded = match whole(text) {
            Some(inner) => self.expression(inner, text, &place, depth).map(|found| match found {
                None => Value::Null,
                Some(Found::Final(text)) => self.retyped(text, node.span),
                Some(Found::Configuration(text)) => {
                    let mut inner = Node::new(node.span, self.retyped(text, node.span));
                    self.walk(&mut inner, key, depth + 1);
                    inner.value
                }
            }),
            None => {
                let expanded = self.text(text, &place, depth);
                expanded.map(|text| Value::Scalar(Scalar { text: text.into(), typed: Typed::Text }))
            }
        };
        match expanded {
            Ok(value) => node.value = value,
            // The text stays, so that what is wrong with it besides is said too.
            Err(failure) => {
                let Failure { expression, why, help } = failure;
                self.report.error(&place, Problem::Expansion { expression, why, help });
            }
        }
        if text.contains("${") && !matches!(node.shown, Shown::Kind) {
            conceal(node, text);
        }
    }

    /// The value of an expression that stands alone.
    fn retyped(&self, text: String, span: Span) -> Value {
        let literal = || Value::Scalar(Scalar { text: text.as_str().into(), typed: Typed::Text });
        // Its own report: what is no YAML, or doubtful YAML, is a text, which is no mistake.
        let scratch = Report::new(self.report.sources);
        match yaml::parse_value(&text, span, &scratch) {
            Ok(node) if !scratch.has_errors() => match node.value {
                // The type is YAML's, the text is the variable's, quotes included.
                Value::Scalar(Scalar { typed, .. }) => Value::Scalar(Scalar { text: text.as_str().into(), typed }),
                value => value,
            },
            _ => literal(),
        }
    }

    /// A text with expressions in it.
    fn text(&mut self, text: &str, place: &Place, depth: usize) -> Result<String, Failure> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, dollar) = rest.split_at(at);
            out.push_str(before);
            rest = if let Some(after) = dollar.strip_prefix("$$") {
                out.push('$');
                after
            } else if let Some(inside) = dollar.strip_prefix("${") {
                let Some(end) = closing(inside) else {
                    // The rest of the text may be a secret.
                    let help = "a `$` that is meant as such is written `$$`";
                    return Err(fail("${", "the `}` is missing", Some(help)));
                };
                let (inner, after) = inside.split_at(end);
                let expression = dollar.get(..end + 3).unwrap_or(dollar);
                match self.expression(inner, expression, place, depth)? {
                    None => {}
                    Some(Found::Final(text)) => out.push_str(&text),
                    Some(Found::Configuration(text)) => out.push_str(&self.text(&text, place, depth + 1)?),
                }
                after.strip_prefix('}').unwrap_or(after)
            } else {
                out.push('$');
                dollar.strip_prefix('$').unwrap_or_default()
            };
        }
        out.push_str(rest);
        Ok(out)
    }

    /// What is between `${` and `}`.
    fn expression(&mut self, inner: &str, expression: &str, place: &Place, depth: usize) -> Expanded {
        if depth >= NESTED_MAX {
            return Err(fail(expression, "too many expressions within each other", None));
        }
        match inner.split_once(':') {
            Some(("file", path)) => {
                let text = self.file(Path::new(path), expression)?;
                return self.counted(text, expression).map(|text| Some(Found::Configuration(text)));
            }
            Some(("yaml", text)) => {
                return self.counted(text.to_owned(), expression).map(|text| Some(Found::Configuration(text)));
            }
            _ => {}
        }
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let name = match name.split_once(':') {
            Some(("env", name)) => name,
            Some((scheme, _)) => return Err(scheme_failure(scheme, expression)),
            None => name,
        };
        if !is_variable(name) {
            let why = "a variable's name is a letter or `_`, then letters, digits and `_`";
            return Err(fail(expression, why, Some("a `$` that is meant as such is written `$$`")));
        }
        let value = match ((self.env)(name), default) {
            (Some(value), _) => Some(value),
            (None, Some(default)) => Some(self.text(default, place, depth + 1)?),
            (None, None) => {
                self.report.warn(place, Problem::Unset(name.to_owned()));
                None
            }
        };
        value.map(|value| self.counted(value, expression).map(Found::Final)).transpose()
    }

    /// The text, if all of them together are not too long.
    fn counted(&mut self, text: String, expression: &str) -> Result<String, Failure> {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > EXPANDED_BYTES_MAX {
            let why = format!("all expansions together exceed {EXPANDED_BYTES_MAX} bytes");
            return Err(fail(expression, &why, None));
        }
        Ok(text)
    }

    /// What a file holds, without the line break at its end. A relative path starts at the working directory.
    fn file(&mut self, path: &Path, expression: &str) -> Result<String, Failure> {
        let help = "a relative path starts at the working directory";
        let unreadable = |problem: Problem| fail(expression, &problem.to_string(), Some(help));
        // Opening a pipe would wait for somebody to write.
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Err(unreadable(Problem::Unreadable("it is no file".to_owned())));
        }
        let mut text = read(path).map_err(unreadable)?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_owned());
        }
        Ok(text)
    }
}

/// What is inside, if the text is one expression and nothing else.
fn whole(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("${")?;
    let end = closing(inside)?;
    (end + 1 == inside.len()).then(|| &inside[..end])
}

/// Where the `}` is that closes what was opened before this text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut previous = b' ';
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if previous == b'$' => open += 1,
            b'}' if open == 0 => return Some(i),
            b'}' => open -= 1,
            _ => {}
        }
        previous = byte;
    }
    None
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn scheme_failure(scheme: &str, expression: &str) -> Failure {
    match scheme {
        "http" | "https" => {
            let help = "fetch the file beforehand and pass it with `--config`";
            fail(expression, "configurations are not fetched from the network", Some(help))
        }
        _ => fail(
            expression,
            "not a source of values",
            Some("`${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}` or `${yaml:TEXT}`"),
        ),
    }
}

fn fail(expression: &str, why: &str, help: Option<&str>) -> Failure {
    Failure { expression: expression.to_owned(), why: why.to_owned(), help: help.map(str::to_owned) }
}

fn conceal(node: &mut Node, expression: &Rc<str>) {
    node.shown = Shown::Expansion(Rc::clone(expression));
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| conceal(item, expression)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| conceal(&mut entry.node, expression)),
    }
}
