//! Test cases of a plugin: an input, a configuration, what must come out.
//!
//! ```text
//!  tests/NAME/case.yaml       the configuration, and expectations
//!  tests/NAME/input.json      an OTLP/JSON export request; or input.binpb, in protobuf
//!  tests/NAME/expected.json   the rows that are kept, as the plugin leaves them
//!  tests/NAME/input.1.json, expected.1.json, input.2.json, …   several requests, one after another
//!  tests/NAME/emitted.metrics.json   the new data points that it makes, and so for traces and logs
//!
//!  tests/NAME.yaml            or in one file, whose `input:` names the request
//! ```
//!
//! What runs the plugin is what runs it in a gateway, limits included.

mod compare;
mod emitted;
mod inputs;
mod request;
pub(crate) mod run;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use wasmill_config::{ConfigErrors, TestCase, load_case};
use wasmill_tables::TableSpec;
use wasmill_wire::Signal;

use crate::tables;

pub use request::{of_json as signal_of_json, read as read_request};
pub use run::{Failure, Mode, Outcome, run};

/// Below a project's folder.
pub const FOLDER: &str = "tests";

const DEFINITION: &str = "case.yaml";
const EXPECTED: &str = "expected.json";
/// A project has some; more are a folder that was named by mistake.
const CASES_MAX: usize = 10_000;

/// A case that was read.
#[derive(Debug)]
pub struct Case {
    /// Its folder's name, or its file's.
    pub name: String,
    definition: TestCase,
    /// One after another, and never none.
    inputs: Vec<Input>,
    /// `expected.json`, or the name that takes its place; those of several inputs and of new records are named after it.
    expected: PathBuf,
    /// What relative paths start at.
    folder: PathBuf,
}

/// A request, and where the rows that are kept of it are expected.
#[derive(Debug)]
struct Input {
    path: PathBuf,
    expected: PathBuf,
}

/// Why there are no cases to run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("`{}` cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "there is no case in `{}`: expected folders with an `input.json`, a `case.yaml` with the configuration and what to expect, \
         and an `expected.json` (`--update` writes it)",
        .path.display()
    )]
    None { path: PathBuf },
    #[error("`{}` has more than {CASES_MAX} cases", .path.display())]
    TooMany { path: PathBuf },
    #[error("the case `{name}` has no input: expected {expected}")]
    NoInput { name: String, expected: String },
    #[error("the case `{name}` has {found} inputs: expected {}, at most", inputs::MAX)]
    ManyInputs { name: String, found: usize },
    #[error("`{}`: expected `input.{number}.json`, or `.binpb`: inputs count from 1, and each number is there once", .path.display())]
    Number { path: PathBuf, number: usize },
    /// Its text is several lines.
    #[error("{}", .0.render().trim_end())]
    Malformed(ConfigErrors),
}

impl Case {
    /// Whether the case expects that nothing is refused, so that its configuration and input are good for something else too.
    pub fn is_accepted(&self) -> bool {
        self.definition.expect.error.is_none()
    }

    pub fn config(&self) -> &serde_json::Value {
        &self.definition.config
    }

    /// The lookup tables that the plugin may ask.
    pub fn tables(&self) -> impl Iterator<Item = (&str, TableSpec)> {
        self.definition.tables.iter().map(|(name, table)| (name.as_str(), tables::spec(table, &self.folder)))
    }

    /// The first input's signal and its request in protobuf. `Err` says what is wrong with the file.
    pub fn request(&self) -> Result<(Signal, Bytes), String> {
        let input = self.inputs.first().ok_or("there is no input")?;
        request::read(&input.path, self.definition.signal)
    }
}

/// The cases in a folder, by name.
pub fn find(folder: &Path) -> Result<Vec<Case>, CaseError> {
    let unreadable = |source| CaseError::Unreadable { path: folder.to_owned(), source };
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
    .map_err(unreadable)?;
    entries.sort();
    let mut cases = Vec::new();
    for path in entries {
        cases.extend(case(&path)?);
        if cases.len() > CASES_MAX {
            return Err(CaseError::TooMany { path: folder.to_owned() });
        }
    }
    if cases.is_empty() { Err(CaseError::None { path: folder.to_owned() }) } else { Ok(cases) }
}

/// The case at a path; `None`: it is something else, such as unit tests of the language.
fn case(path: &Path) -> Result<Option<Case>, CaseError> {
    let text = |name: Option<&OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    if path.is_dir() {
        let file = path.join(DEFINITION);
        let written = file.is_file().then(|| load_case(&file)).transpose().map_err(CaseError::Malformed)?;
        let names_inputs = written.as_ref().is_some_and(|written| !written.inputs.is_empty());
        let usual = if names_inputs { Vec::new() } else { inputs::usual(path)? };
        let definition = match written {
            Some(written) => written,
            None if usual.is_empty() => return Ok(None),
            None => TestCase { config: serde_json::json!({}), ..TestCase::default() },
        };
        let expected = format!("`{}` in `{}`, or another file that `input:` names", inputs::ONE[0], path.display());
        return made(text(path.file_name()), path, definition, (usual, expected), path.join(EXPECTED)).map(Some);
    }
    if path.extension() != Some(OsStr::new("yaml")) {
        return Ok(None);
    }
    let (name, dir) = (text(path.file_stem()), path.parent().unwrap_or(Path::new("")));
    let definition = load_case(path).map_err(CaseError::Malformed)?;
    let expected = dir.join(format!("{name}.{EXPECTED}"));
    let usual = (Vec::new(), "a file that `input:` names".to_owned());
    made(name, dir, definition, usual, expected).map(Some)
}

/// `usual`: inputs that are there where the case names none, and what is said where there are none either.
fn made(
    name: String,
    dir: &Path,
    definition: TestCase,
    usual: (Vec<PathBuf>, String),
    expected: PathBuf,
) -> Result<Case, CaseError> {
    let named: Vec<PathBuf> = definition.inputs.iter().map(|input| dir.join(input)).collect();
    let (paths, missing) = if named.is_empty() { usual } else { (named, String::new()) };
    match paths.len() {
        0 => return Err(CaseError::NoInput { name, expected: missing }),
        found if found > inputs::MAX => return Err(CaseError::ManyInputs { name, found }),
        _ => {}
    }
    let inputs = inputs::with_expected(paths, &expected);
    Ok(Case { name, definition, inputs, expected, folder: dir.to_owned() })
}
