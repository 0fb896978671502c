//! The stage's `config:` block. Keys, defaults and refusals are those of the Collector's `attributes` and `resource` processors.

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;
use wasmill_ottl::value::{Value, push_entry, push_item};
use wasmill_sdk::columns::AnyValue;
use wasmill_sdk::{Error, Result};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// On the attributes of records: run in order over each row, each seeing what those before it changed.
    pub actions: Vec<ActionConfig>,
    /// The same on those of resources.
    pub attributes: Vec<ActionConfig>,
    /// Rows that do not match are left alone.
    pub include: Option<Match>,
    /// Rows that match are left alone.
    pub exclude: Option<Match>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionConfig {
    #[serde(deserialize_with = "lower_case")]
    pub action: Option<Does>,
    pub key: String,
    pub value: Option<Json>,
    pub default_value: Option<Json>,
    pub from_attribute: String,
    pub from_context: String,
    pub pattern: String,
    pub converted_type: Option<Type>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    Insert,
    Update,
    Upsert,
    Delete,
    Hash,
    Extract,
    Convert,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    String,
    Int,
    Double,
}

/// What rows must be. All that is given must match; of a list one entry, but all of `attributes`, `resources` and `libraries`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    pub match_type: MatchType,
    pub services: Vec<String>,
    pub span_names: Vec<String>,
    pub span_kinds: Vec<String>,
    pub log_bodies: Vec<String>,
    pub log_severity_texts: Vec<String>,
    pub log_severity_number: Option<Severity>,
    pub metric_names: Vec<String>,
    pub attributes: Vec<Attribute>,
    pub resources: Vec<Attribute>,
    pub libraries: Vec<Library>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchType {
    #[default]
    Strict,
    Regexp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    pub key: String,
    /// `None`: any.
    #[serde(default)]
    pub value: Option<Json>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    pub name: String,
    /// `None`: any.
    #[serde(default)]
    pub version: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Severity {
    pub min: i32,
    pub match_undefined: bool,
}

/// The Collector takes actions in whatever case.
fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Does>, D::Error> {
    let word = String::deserialize(deserializer)?.to_ascii_lowercase();
    Does::deserialize(serde::de::value::StringDeserializer::<D::Error>::new(word)).map(Some)
}

/// A value of the configuration, as attributes have it.
#[derive(Clone, PartialEq, Debug)]
pub enum Constant {
    Empty,
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    List(Vec<u8>),
    Map(Vec<u8>),
}

/// Lists and maps within each other at most: as deep as the wire takes.
const DEPTH_MAX: usize = 90;

impl Constant {
    pub fn of(json: &Json) -> Result<Constant> {
        Constant::within(json, 0)
    }

    fn within(json: &Json, depth: usize) -> Result<Constant> {
        if depth > DEPTH_MAX {
            return Err(Error::new(format!("nested more than {DEPTH_MAX} deep")));
        }
        Ok(match json {
            Json::Null => Constant::Empty,
            Json::Bool(value) => Constant::Bool(*value),
            Json::String(text) => Constant::Text(text.clone()),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => Constant::Int(value),
                // The Collector keeps its bits.
                (_, Some(value), _) => Constant::Int(value as i64),
                (.., value) => Constant::Double(value.unwrap_or_default()),
            },
            Json::Array(items) => {
                let mut list = Vec::new();
                for item in items {
                    push_item(&mut list, Value::from(Constant::within(item, depth + 1)?.value()));
                }
                Constant::List(list)
            }
            Json::Object(entries) => {
                let mut map = Vec::new();
                for (key, value) in entries {
                    push_entry(&mut map, key, Value::from(Constant::within(value, depth + 1)?.value()));
                }
                Constant::Map(map)
            }
        })
    }

    pub fn value(&self) -> AnyValue<'_> {
        match self {
            Constant::Empty => AnyValue::Empty,
            Constant::Text(text) => AnyValue::Text(text),
            Constant::Int(value) => AnyValue::Int(*value),
            Constant::Double(value) => AnyValue::Double(*value),
            Constant::Bool(value) => AnyValue::Boolean(*value),
            Constant::List(list) => AnyValue::List(list),
            Constant::Map(map) => AnyValue::Map(map),
        }
    }
}
