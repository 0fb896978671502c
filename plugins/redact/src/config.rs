//! The stage's `config:` block. Keys, defaults and refusals are those of the Collector's `redaction` processor; what is ours
//! says so.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Texts that match are masked where they match.
    pub blocked_values: Vec<String>,
    /// Values that match are left as they are, whatever else is said.
    pub allowed_values: Vec<String>,
    /// Ours: attributes of these keys are masked whole.
    pub blocked_keys: Vec<String>,
    /// Attributes whose key matches are masked whole.
    pub blocked_key_patterns: Vec<String>,
    /// Attributes of other keys are removed.
    pub allowed_keys: Vec<String>,
    /// Unset, it is whether there are no `allowed_keys`. The Collector's default is false.
    pub allow_all_keys: Option<bool>,
    /// Attributes of these keys are not looked at.
    pub ignored_keys: Vec<String>,
    pub ignored_key_patterns: Vec<String>,
    /// Whether values of other types are looked at as the text that stands for them.
    pub redact_all_types: bool,
    pub hash_function: HashFunction,
    pub hmac_key: String,
    pub summary: Summary,
    /// Ours: whether names of spans are looked at.
    pub span_names: bool,
}

/// What stands in place of what is masked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
pub enum HashFunction {
    /// `****`.
    #[default]
    #[serde(rename = "")]
    None,
    #[serde(rename = "md5")]
    Md5,
    #[serde(rename = "sha1")]
    Sha1,
    #[serde(rename = "sha3")]
    Sha3,
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
}

/// Which attributes say what was done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
pub enum Summary {
    /// How many, and which.
    #[serde(rename = "debug")]
    Debug,
    /// How many.
    #[serde(rename = "info")]
    Info,
    #[default]
    #[serde(rename = "silent", alias = "")]
    Silent,
}
