//! `wasmill plugin new`: a project that builds, with tests that pass.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::embedded;
use crate::language::Language;

/// What a project starts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Filter,
    Enrich,
    Route,
    Redact,
    Group,
}

/// Why there is no project. Nothing was written, but for [`NewError::Write`].
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error(
        "`{name}` cannot be a project's name: expected 1 to 40 of the letters a to z, digits and `-`, a letter first, as in \
         `drop-health`"
    )]
    Name { name: String },
    #[error("`{}` is there already and not an empty folder", .path.display())]
    Taken { path: PathBuf },
    #[error("`{}` cannot be written", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A name becomes a package's in five languages: letters, digits and `-` are what all of them take.
const NAME_BYTES_MAX: usize = 40;

/// What stands for the project's own in a template.
const NAME: &str = "{{name}}";
const KIND: &str = "{{kind}}";
const LANGUAGE: &str = "{{language}}";
const SOURCE: &str = "{{source}}";
const UNIT_TESTS: &str = "{{unit-tests}}";
const ABOUT: &str = "{{about}}";

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Filter, Kind::Enrich, Kind::Route, Kind::Redact, Kind::Group];

    /// As `--kind` has it.
    pub fn id(self) -> &'static str {
        match self {
            Kind::Filter => "filter",
            Kind::Enrich => "enrich",
            Kind::Route => "route",
            Kind::Redact => "redact",
            Kind::Group => "group",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Kind::Filter => "Drops rows by an attribute's value, and counts them.",
            Kind::Enrich => "Sets `attributes[\"team\"]` to the team that owns the row's service.",
            Kind::Route => "Sends rows where an attribute's value says.",
            Kind::Redact => "Masks e-mail addresses and card numbers in all attributes.",
            Kind::Group => "Keeps whole traces: those with an error, slow ones, and a share of the others.",
        }
    }
}

/// Writes a project into a folder that is not there, or empty. Gives the files, relative to it.
pub fn create(dir: &Path, name: &str, language: Language, kind: Kind) -> Result<Vec<PathBuf>, NewError> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !letters || name.len() > NAME_BYTES_MAX || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(NewError::Name { name: name.to_owned() });
    }
    let free = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
        Err(source) => return Err(NewError::Write { path: dir.to_owned(), source }),
    };
    if !free {
        return Err(NewError::Taken { path: dir.to_owned() });
    }
    let mut written = Vec::new();
    for (path, bytes) in files(name, language, kind) {
        let target = dir.join(&path);
        let failed = |source| NewError::Write { path: target.clone(), source };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&target, bytes).map_err(failed)?;
        written.push(path);
    }
    Ok(written)
}

/// All files of a project. A later one replaces an earlier one of the same path.
fn files(name: &str, language: Language, kind: Kind) -> Vec<(PathBuf, Vec<u8>)> {
    let (template, sources) = (template(language), format!("{}-{}", template(language), kind.id()));
    let filled = |bytes: &'static [u8]| match str::from_utf8(bytes) {
        Ok(text) => fill(text, name, language, kind).into_bytes(),
        Err(_) => bytes.to_vec(),
    };
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for folder in [template, sources.as_str(), &format!("templates/{}", kind.id())] {
        files.extend(embedded::below(folder).map(|(path, bytes)| (PathBuf::from(path), filled(bytes))));
    }
    files.extend(embedded::file("templates/project.md").map(|bytes| (PathBuf::from("README.md"), filled(bytes))));
    for (from, to) in sdk(language) {
        let below = embedded::below(from).map(|(path, bytes)| (Path::new(to).join(path), bytes.to_vec()));
        files.extend(below);
        files.extend(embedded::file(from).map(|bytes| (PathBuf::from(to), bytes.to_vec())));
    }
    files
}

fn template(language: Language) -> &'static str {
    match language {
        Language::Rust => "sdk-rust/template",
        Language::Go => "sdk-go/template",
        Language::Python => "sdk-python/template",
        Language::JavaScript => "sdk-js/template-js",
        Language::TypeScript => "sdk-js/template-ts",
        Language::C => "sdk-c/template",
    }
}

/// What of this repository a project carries, and where: the folder `wasmill`.
fn sdk(language: Language) -> Vec<(&'static str, &'static str)> {
    let mut parts = vec![("wit/plugin.wit", "wasmill/wit/plugin.wit")];
    match language {
        Language::Rust => parts.extend([
            // A workspace, as deep as in the repository: the crates find each other and the contract by relative paths.
            ("sdk-rust/project", "wasmill"),
            ("sdk-rust/src", "wasmill/plugins/sdk-rust/src"),
            ("sdk-rust/Cargo.toml", "wasmill/plugins/sdk-rust/Cargo.toml"),
            ("sdk-rust/README.md", "wasmill/README.md"),
            ("columns/src", "wasmill/plugins/columns/src"),
            ("columns/Cargo.toml", "wasmill/plugins/columns/Cargo.toml"),
        ]),
        Language::Go => parts.extend([("sdk-go/wasmill", "wasmill"), ("sdk-go/README.md", "wasmill/README.md")]),
        Language::Python => {
            parts.extend([("sdk-python/wasmill", "wasmill"), ("sdk-python/README.md", "wasmill/README.md")]);
        }
        Language::JavaScript | Language::TypeScript => {
            parts.extend([("sdk-js/wasmill", "wasmill"), ("sdk-js/README.md", "wasmill/README.md")]);
        }
        Language::C => parts.extend([("sdk-c/wasmill", "wasmill"), ("sdk-c/README.md", "wasmill/README.md")]),
    }
    parts
}

fn fill(text: &str, name: &str, language: Language, kind: Kind) -> String {
    let source = match language {
        Language::Rust => "src/lib.rs",
        Language::Go => "plugin.go",
        other => other.marks().first().copied().unwrap_or_default(),
    };
    let unit_tests = match language {
        Language::Rust => "cargo test",
        Language::Go => "go test ./...",
        Language::Python => "python3 -m unittest",
        Language::JavaScript | Language::TypeScript => "npm test",
        Language::C => "wasmill plugin test",
    };
    [
        (NAME, name),
        (KIND, kind.id()),
        (LANGUAGE, language.name()),
        (SOURCE, source),
        (UNIT_TESTS, unit_tests),
        (ABOUT, kind.about()),
    ]
    .iter()
    .fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
}
