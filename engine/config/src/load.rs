//! From paths to a running shape.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::diagnostic::{ConfigErrors, Diagnostic, Report};
use crate::expand::{Environment, expand};
use crate::file;
use crate::merge::{merge, unflatten};
use crate::origins::Origins;
use crate::problem::Problem;
use crate::running::Config;
use crate::source::Sources;
use crate::validate::validate;
use crate::yaml;

/// A larger file is not a configuration.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration that can be run.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// In the order of the text.
    pub warnings: Vec<Diagnostic>,
    /// As given, so that they can be watched; those that `${file:…}` names behind the configurations.
    pub files_read: Vec<PathBuf>,
    origins: Origins,
}

impl Loaded {
    /// What was found wrong with a key after the configuration was read, such as a port that is taken, in the same form as other
    /// mistakes. The key is a full path (`processors::wasm/a::config`); one that was not written is shown at the nearest above it.
    pub fn explain(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        self.origins.explain(key, Problem::Invalid(message.into()))
    }
}

/// Reads, joins and checks the files, later ones on top of earlier ones. `env` gives environment variables.
///
/// As the Collector's `--config`, a path may be written `file:PATH`, and instead of one there may be `env:NAME`, a variable that
/// holds a configuration, or `yaml:TEXT`, one itself: `yaml:exporters::debug::verbosity: detailed`.
///
/// Blocks on reading files, whether they are plugins that must be there or certificates that are named. Fails with every mistake
/// there is; only a file that is no YAML at all hides those of the others' meaning.
pub fn load(paths: &[PathBuf], env: Environment) -> Result<Loaded, ConfigErrors> {
    let mut texts = Vec::new();
    let mut unread: Option<ConfigErrors> = None;
    for path in paths {
        let (path, read) = match scheme_of(path) {
            Some(("file", path)) => (PathBuf::from(path), read(Path::new(path))),
            Some(("env", name)) => {
                let unset = || Problem::Unreadable(format!("the environment variable `{name}` is not set"));
                (path.clone(), env(name).ok_or_else(unset))
            }
            Some((_, text)) => (PathBuf::from("yaml:"), Ok(text.to_owned())),
            None => (path.clone(), read(path)),
        };
        match read {
            Ok(text) => texts.push((path, text)),
            Err(problem) => {
                let error = ConfigErrors::of_file(&path, problem);
                match &mut unread {
                    Some(errors) => errors.errors.extend(error.errors),
                    None => unread = Some(error),
                }
            }
        }
    }
    match unread {
        Some(errors) => Err(errors),
        None => load_texts(texts, env),
    }
}

/// What `--config` names other than by a path alone.
fn scheme_of(path: &Path) -> Option<(&str, &str)> {
    let (scheme, rest) = path.to_str()?.split_once(':')?;
    matches!(scheme, "file" | "env" | "yaml").then_some((scheme, rest))
}

/// As [`load`], from texts that were read already. The paths are for messages, and for what is relative to them.
pub fn load_texts(texts: Vec<(PathBuf, String)>, env: Environment) -> Result<Loaded, ConfigErrors> {
    let mut sources = Sources::default();
    for (path, text) in texts {
        // A byte order mark is not part of the text, and would shift the columns of the first line.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        sources.add(path, text);
    }
    let report = Report::new(&sources);
    let mut files_read = sources.paths();
    files_read.retain(|path| !matches!(scheme_of(path), Some(("env" | "yaml", _))));
    let Some(mut root) = parse_all(&sources, &report) else {
        return Err(report.finish().err().unwrap_or_else(|| {
            ConfigErrors::of_file(Path::new(""), Problem::Invalid("no configuration file was given".to_owned()))
        }));
    };
    for file in expand(&mut root, env, &report) {
        if !files_read.contains(&file) {
            files_read.push(file);
        }
    }
    let config = match file::read(&root, &report) {
        Some(file) => validate(file, &report),
        None => Config::default(),
    };
    let warnings = report.finish()?;
    Ok(Loaded { config, warnings, files_read, origins: Origins::new(sources, &root) })
}

/// All files as one tree. `None`: one of them is no YAML, which has been reported, or there are none.
fn parse_all(sources: &Sources, report: &Report) -> Option<crate::node::Node> {
    let mut whole = true;
    let mut joined: Option<crate::node::Node> = None;
    for file in 0..sources.len() {
        match yaml::parse(sources.text(file), file, report) {
            Some(node) if node.is_null() && joined.is_some() => {}
            Some(node) => {
                let node = unflatten(node);
                joined = Some(match joined.take() {
                    Some(base) => merge(base, node),
                    None => node,
                });
            }
            None => whole = false,
        }
    }
    joined.filter(|_| whole)
}

pub(crate) fn read(path: &Path) -> Result<String, Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Problem::Unreadable("it is a folder".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Problem::FileTooLarge { bytes: metadata.len().max(bytes.len() as u64), max: FILE_BYTES_MAX });
    }
    String::from_utf8(bytes).map_err(|error| Problem::NotUtf8 { at: error.utf8_error().valid_up_to() })
}
