//! The languages that plugins are written in, as far as the tools know them.

use std::fmt;
use std::path::Path;

/// A language with an SDK, templates and a builder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    Rust,
    Go,
    Python,
    JavaScript,
    TypeScript,
    C,
}

impl Language {
    pub const ALL: [Language; 6] =
        [Language::Rust, Language::Go, Language::Python, Language::JavaScript, Language::TypeScript, Language::C];

    /// As `--lang` has it.
    pub fn id(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Go => "go",
            Language::Python => "python",
            Language::JavaScript => "js",
            Language::TypeScript => "ts",
            Language::C => "c",
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Go => "Go",
            Language::Python => "Python",
            Language::JavaScript => "JavaScript",
            Language::TypeScript => "TypeScript",
            Language::C => "C",
        }
    }

    /// The files of which a project of this language has one, the plugin's source first.
    pub(crate) fn marks(self) -> &'static [&'static str] {
        match self {
            Language::Rust => &["Cargo.toml"],
            Language::Go => &["go.mod"],
            Language::Python => &["plugin.py"],
            Language::JavaScript => &["plugin.js"],
            Language::TypeScript => &["plugin.ts"],
            Language::C => &["src/plugin.c", "src/plugin.cpp"],
        }
    }

    /// The language of the project in a folder, if it is one.
    pub fn of(dir: &Path) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.marks().iter().any(|mark| dir.join(mark).is_file()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
