//! Every kind of mistake, and how it is said.

/// The message says what is wrong and what was expected; [`Problem::help`] what to do about it.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    #[error("cannot read the file: {0}")]
    Unreadable(String),
    #[error("the file is {bytes} bytes long, at most {max} are taken")]
    FileTooLarge { bytes: u64, max: u64 },
    #[error("the file is not UTF-8: byte {at} does not belong there")]
    NotUtf8 { at: usize },
    #[error("not YAML: {0}")]
    Syntax(String),
    #[error("a file holds one YAML document, this is a second one")]
    SecondDocument,
    #[error("nested deeper than {max} levels")]
    TooDeep { max: usize },
    #[error("more than {max} values, those repeated by aliases included")]
    TooManyNodes { max: usize },
    #[error("an alias within what it stands for")]
    AliasWithinItself,
    #[error("the tag `{0}` is not taken")]
    Tag(String),
    #[error("the key `{key}` is there twice, first in line {first_line}")]
    DuplicateKey { key: String, first_line: usize },
    #[error("a key is a text, this is {found}")]
    KeyNotText { found: &'static str },
    #[error("`<<` merges a map or a list of maps, this is {found}")]
    MergeNotMap { found: &'static str },

    #[error("`{expression}`: {why}")]
    Expansion { expression: String, why: String, help: Option<String> },
    #[error("the environment variable `{0}` is not set: taken as empty")]
    Unset(String),

    #[error("expected {expected}; found {found}")]
    Value { expected: String, found: String, nearest: Option<String> },
    #[error("unknown key `{key}`")]
    UnknownKey { key: String, nearest: Option<String>, valid: Vec<&'static str> },
    #[error("the key `{key}` is missing: {expected}")]
    MissingKey { key: &'static str, expected: String },
    #[error("{what} is not served yet")]
    NotServedYet { what: String, instead: String },
    #[error("{what} is known to the Collector, but not to Wasmill")]
    NotServed { what: String, instead: String },
    #[error("{what} has no effect in Wasmill")]
    NoEffect { what: String, why: String },
    #[error("{0}")]
    Invalid(String),

    #[error("unknown {section} type `{kind}`")]
    UnknownType { section: &'static str, kind: String, nearest: Option<String>, valid: Vec<&'static str> },
    #[error("`{id}` is not a valid name: {why}")]
    BadId { id: String, why: String },
    #[error("there is no {section} `{id}`")]
    Undefined { section: &'static str, id: String, nearest: Option<String> },
    #[error("`{id}` is listed twice")]
    ListedTwice { id: String },
    #[error("the {section} `{id}` is defined, but not used, so it is not started")]
    Unused { section: &'static str, id: String },
    #[error(
        "no pipeline and no route names the exporter `{id}`: only a plugin that routes to it by this id reaches it"
    )]
    Unnamed { id: String },
    #[error("nothing reaches the exporter `{id}`: only routes of `{stage}` lead to it, and no pipeline uses that")]
    Unreached { id: String, stage: String },
    #[error(
        "the {signal} of pipeline `{pipeline}` have nowhere to go in `{exporter}`: it has neither `endpoint` nor `{signal}_endpoint`"
    )]
    NoUrl { signal: &'static str, pipeline: String, exporter: String },
    #[error("the exporter `{exporter}` takes {takes} only, and pipeline `{pipeline}` carries {signal}")]
    SignalNotTaken { exporter: String, takes: String, pipeline: String, signal: &'static str },
    #[error("port {port} is also taken by `{other}` (line {line})")]
    PortTwice { port: u16, other: String, line: usize },
    #[error("there is no such file: `{path}`")]
    NoSuchFile { path: String, why: String },
}

impl Problem {
    /// What would be right, where that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Problem::Value { nearest: Some(nearest), .. }
            | Problem::UnknownKey { nearest: Some(nearest), .. }
            | Problem::UnknownType { nearest: Some(nearest), .. }
            | Problem::Undefined { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Problem::UnknownKey { valid, .. } | Problem::UnknownType { valid, .. } if !valid.is_empty() => {
                Some(format!("valid here: {}", valid.join(", ")))
            }
            Problem::Undefined { section, id, .. } => Some(format!("define `{id}` under `{section}s:`")),
            Problem::Expansion { help, .. } => help.clone(),
            Problem::Unset(name) => Some(format!("set it, or give a default: `${{env:{name}:-DEFAULT}}`")),
            Problem::NotServed { instead, .. } | Problem::NotServedYet { instead, .. } => {
                (!instead.is_empty()).then(|| instead.clone())
            }
            Problem::NoEffect { why, .. } => Some(why.clone()),
            Problem::Unused { section: "extension", .. } => {
                Some("name it in `service::extensions`, or remove it".to_owned())
            }
            Problem::Unused { .. } | Problem::Unnamed { .. } => {
                Some("name it in `service::pipelines`, or remove it".to_owned())
            }
            Problem::Unreached { .. } => Some("name it, or that stage, in `service::pipelines`".to_owned()),
            Problem::NoSuchFile { why, .. } => Some(why.clone()),
            _ => None,
        }
    }
}
