//! What a plugin is and wants, for people and programs.

use serde::Serialize;

/// The answer to `wasmill plugin inspect`. Names in JSON are those of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// SHA-256 of the file, in lowercase hexadecimal.
    pub hash: String,
    /// Bytes of the file.
    pub size: usize,
    /// `component` or `core module`; `None`: it is neither.
    pub form: Option<&'static str>,
    /// The contract version that it was built for, where one shows.
    pub contract_version: Option<String>,
    /// Interfaces and functions, as named in the file.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// What it asked for at `init`; `None`: it was not started, or refused.
    pub wants: Option<Wants>,
    /// Why this host does not take it, in plain words, the first that matters first. Empty: it does.
    pub refusals: Vec<String>,
}

/// What a plugin asked for at `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wants {
    pub signals: Vec<WantsSignal>,
    pub uses: Vec<String>,
    pub route_sets: Vec<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantsSignal {
    pub signal: &'static str,
    pub columns: Vec<WantsColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WantsColumn {
    /// As the plugin wrote it.
    pub path: String,
    /// The contract's name of the kind, with the form of text where it matters: `uint64`, `text (dictionary)`.
    pub kind: String,
}
