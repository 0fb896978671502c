//! Values as people write them: durations, sizes, addresses, words.
//!
//! [`FromNode`] is how a key's value is read. It says what was expected in words that fit "expected …; found …".

mod address;
mod duration;
mod size;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use crate::id::{ComponentId, PipelineId};
use crate::node::{Node, Typed, Value};
use crate::problem::Problem;

pub(crate) use address::{ClientAddress, ServerAddress, UrlWithUser};
pub(crate) use size::Size;

pub(crate) trait FromNode: Sized {
    /// Never called for null: an empty value is an absent one.
    fn from_node(node: &Node) -> Result<Self, Problem>;
}

pub(crate) fn expected(what: impl Into<String>, node: &Node) -> Problem {
    Problem::Value { expected: what.into(), found: node.describe(), nearest: None }
}

/// The text of a scalar, whatever YAML takes it for.
pub(crate) fn text(node: &Node, what: &str) -> Result<String, Problem> {
    match &node.value {
        Value::Scalar(scalar) => Ok(scalar.text.to_string()),
        _ => Err(expected(what, node)),
    }
}

fn typed(node: &Node) -> Typed {
    match &node.value {
        Value::Scalar(scalar) => scalar.typed,
        _ => Typed::Text,
    }
}

impl FromNode for bool {
    fn from_node(node: &Node) -> Result<bool, Problem> {
        match typed(node) {
            Typed::Bool(value) => Ok(value),
            _ => Err(expected("`true` or `false`", node)),
        }
    }
}

impl FromNode for u64 {
    fn from_node(node: &Node) -> Result<u64, Problem> {
        let number = match typed(node) {
            Typed::Int(value) => u64::try_from(value).ok(),
            Typed::Uint(value) => Some(value),
            _ => None,
        };
        number.ok_or_else(|| expected("a whole number, at least 0", node))
    }
}

impl FromNode for u16 {
    fn from_node(node: &Node) -> Result<u16, Problem> {
        let number = u64::from_node(node).ok().and_then(|value| u16::try_from(value).ok());
        number.ok_or_else(|| expected("a whole number, 0 to 65535", node))
    }
}

impl FromNode for u32 {
    fn from_node(node: &Node) -> Result<u32, Problem> {
        let number = u64::from_node(node).ok().and_then(|value| u32::try_from(value).ok());
        number.ok_or_else(|| expected(format!("a whole number, 0 to {}", u32::MAX), node))
    }
}

impl FromNode for NonZeroU32 {
    fn from_node(node: &Node) -> Result<NonZeroU32, Problem> {
        let number = u32::from_node(node).ok().and_then(NonZeroU32::new);
        number.ok_or_else(|| expected(format!("a whole number, 1 to {}", u32::MAX), node))
    }
}

impl FromNode for NonZeroUsize {
    fn from_node(node: &Node) -> Result<NonZeroUsize, Problem> {
        let number =
            u64::from_node(node).ok().and_then(|value| usize::try_from(value).ok()).and_then(NonZeroUsize::new);
        number.ok_or_else(|| expected("a whole number, at least 1", node))
    }
}

impl FromNode for f64 {
    fn from_node(node: &Node) -> Result<f64, Problem> {
        match typed(node) {
            Typed::Int(value) => Ok(value as f64),
            Typed::Uint(value) => Ok(value as f64),
            Typed::Float(value) if value.is_finite() => Ok(value),
            _ => Err(expected("a number", node)),
        }
    }
}

impl FromNode for String {
    fn from_node(node: &Node) -> Result<String, Problem> {
        text(node, "a text")
    }
}

impl FromNode for Arc<str> {
    fn from_node(node: &Node) -> Result<Arc<str>, Problem> {
        Ok(String::from_node(node)?.into())
    }
}

impl FromNode for PathBuf {
    fn from_node(node: &Node) -> Result<PathBuf, Problem> {
        let path = text(node, "the path of a file")?;
        if path.trim().is_empty() || path.contains('\0') {
            return Err(expected("the path of a file", node));
        }
        Ok(path.into())
    }
}

impl FromNode for ComponentId {
    fn from_node(node: &Node) -> Result<ComponentId, Problem> {
        let id = text(node, "the name of a component, `type` or `type/name`")?;
        ComponentId::parse(&id).map_err(|why| Problem::BadId { id, why })
    }
}

impl FromNode for PipelineId {
    fn from_node(node: &Node) -> Result<PipelineId, Problem> {
        let id = text(node, "the name of a pipeline")?;
        PipelineId::parse(&id).map_err(|why| Problem::BadId { id, why })
    }
}

/// Reads one of a few words, in any case. `words` pairs each with what it means.
pub(crate) fn word<T: Copy>(node: &Node, words: &[(&'static str, T)]) -> Result<T, Problem> {
    let list = || words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let what = || format!("one of {}", list());
    let written = text(node, &what())?;
    if let Some((_, value)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&written)) {
        return Ok(*value);
    }
    let nearest = crate::nearest::nearest(&written, words.iter().map(|(word, _)| *word)).map(str::to_owned);
    Err(Problem::Value { expected: what(), found: node.describe(), nearest })
}

/// Makes an enum of the running shape readable, and lists its words for the schema.
macro_rules! words {
    ($type:ty, $list:ident: $($word:literal => $value:expr),+ $(,)?) => {
        pub(crate) const $list: &[&str] = &[$($word),+];
        impl crate::values::FromNode for $type {
            fn from_node(node: &crate::node::Node) -> Result<Self, crate::problem::Problem> {
                crate::values::word(node, &[$(($word, $value)),+])
            }
        }
    };
}
pub(crate) use words;
