//! The names of components and pipelines: `otlp`, `otlp/backup`, `traces/checkout`.

use std::fmt;
use std::sync::Arc;

use wasmill_wire::Signal;

/// The longest type and the longest name that is taken, in bytes: the limit of Collector, and it keeps metric labels short.
pub const TYPE_BYTES_MAX: usize = 63;
pub const NAME_BYTES_MAX: usize = 1024;

/// `type` or `type/name`, the key of a component in its section. Unique within the section, not between sections.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId {
    kind: Arc<str>,
    name: Option<Arc<str>>,
}

/// `signal` or `signal/name`, the key of a pipeline.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId {
    signal: Signal,
    name: Option<Arc<str>>,
}

impl ComponentId {
    /// Reads `type[/name]`. A type is an ASCII letter, then letters, digits and `_`; a name is one or more characters that are neither
    /// spaces nor control characters. The error says which rule was broken.
    pub fn parse(text: &str) -> Result<ComponentId, String> {
        let (kind, name) = split(text)?;
        let mut characters = kind.chars();
        let first_is_letter = characters.next().is_some_and(|c| c.is_ascii_alphabetic());
        if !first_is_letter || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err("a component's type is a letter, then letters, digits and `_`".to_owned());
        }
        Ok(ComponentId { kind: kind.into(), name: name.map(Into::into) })
    }

    /// The component's type, as written: `otlp_http` and `otlphttp` are different keys of one kind of exporter.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What follows the `/`, if anything does.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl PipelineId {
    pub fn new(signal: Signal, name: Option<&str>) -> PipelineId {
        PipelineId { signal, name: name.map(Into::into) }
    }

    /// Reads `traces`, `metrics` or `logs`, with or without `/name`.
    pub fn parse(text: &str) -> Result<PipelineId, String> {
        let (kind, name) = split(text)?;
        match Signal::ALL.into_iter().find(|signal| signal.name() == kind) {
            Some(signal) => Ok(PipelineId::new(signal, name)),
            None => Err("a pipeline is named `traces`, `metrics` or `logs`, with or without `/name`".to_owned()),
        }
    }

    pub fn signal(&self) -> Signal {
        self.signal
    }

    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    let (kind, name) = match text.split_once('/') {
        Some((kind, name)) => (kind.trim(), Some(name.trim())),
        None => (text.trim(), None),
    };
    if kind.is_empty() {
        return Err("the type before the `/` is missing".to_owned());
    }
    if kind.len() > TYPE_BYTES_MAX {
        return Err(format!("a type has at most {TYPE_BYTES_MAX} bytes"));
    }
    match name {
        Some("") => Err("a name is missing after the `/`".to_owned()),
        Some(name) if name.len() > NAME_BYTES_MAX => Err(format!("a name has at most {NAME_BYTES_MAX} bytes")),
        Some(name) if name.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Err("a name has no spaces and no control characters".to_owned())
        }
        name => Ok((kind, name)),
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.signal),
            None => fmt::Display::fmt(&self.signal, f),
        }
    }
}

impl fmt::Debug for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_own_text() {
        for text in ["otlp", "otlp/2", "otlp_http/a-b.c/d", "wasm/größe"] {
            assert_eq!(ComponentId::parse(text).unwrap().to_string(), text);
        }
        for text in ["traces", "metrics/2", "logs/a/b"] {
            assert_eq!(PipelineId::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in ["", "/", "/a", "otlp/", "otlp/a b", "0tlp", "ot-lp", "a\u{1}"] {
            assert!(ComponentId::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "trace", "traces/", "Traces", "profiles"] {
            assert!(PipelineId::parse(text).is_err(), "{text:?}");
        }
    }
}
