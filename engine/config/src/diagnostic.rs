//! What is wrong with a configuration, where, and what would be right.
//!
//! A [`Diagnostic`] owns everything that it shows, so that it outlives the files. Its `Display` is one line for logs;
//! [`Diagnostic::render`] is for people:
//!
//! ```text
//! error: expected a whole number, at least 1; found the text `lots`
//!   --> gateway.yaml:14:19
//!    |
//! 14 |       queue_size: lots
//!    |                   ^^^^
//!    = key: exporters::otlp/2::sending_queue::queue_size
//! ```

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::component::Side;
use crate::id::ComponentId;
use crate::problem::Problem;
use crate::source::{Sources, Span};

/// After so many mistakes the rest is counted, not listed: they have a common cause, and a terminal has an end.
pub const LISTED_MAX: usize = 200;
/// Findings that are kept until the listed ones are chosen by their place: errors are not found in the order of the text.
const KEPT_MAX: usize = 10 * LISTED_MAX;
/// The longest excerpt of a line, in characters.
const EXCERPT_MAX: usize = 160;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The configuration cannot be run.
    Error,
    /// It can, but not all of it means what it seems to.
    Warning,
}

/// One finding.
#[derive(Clone, PartialEq, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters that are meant, on that line; at least 1.
    pub width: usize,
    /// The full path of the key, such as `exporters::otlp/2::sending_queue::queue_size`. Empty for the file as a whole.
    pub key: String,
    pub problem: Problem,
    /// The line, without secrets.
    excerpt: String,
}

/// Why a configuration was refused: at least one error, in the order of the files, and the warnings beside.
#[derive(Clone, PartialEq, Debug)]
pub struct ConfigErrors {
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    /// Errors beyond [`LISTED_MAX`], found but not listed.
    pub unlisted: usize,
}

/// Where something stands: in the text, and in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub span: Span,
    pub key: String,
}

impl Place {
    pub fn new(span: Span, key: impl Into<String>) -> Place {
        Place { span, key: key.into() }
    }
}

/// Collects what is found.
pub(crate) struct Report<'s> {
    pub sources: &'s Sources,
    errors: RefCell<Findings>,
    warnings: RefCell<Findings>,
    storages: RefCell<Vec<(Place, ComponentId)>>,
    authenticators: RefCell<Vec<(Place, ComponentId, Side)>>,
}

#[derive(Default)]
struct Findings {
    kept: Vec<(Place, Problem)>,
    /// Beyond [`KEPT_MAX`].
    dropped: usize,
}

impl<'s> Report<'s> {
    pub fn new(sources: &'s Sources) -> Report<'s> {
        Report {
            sources,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            storages: RefCell::default(),
            authenticators: RefCell::default(),
        }
    }

    pub fn error(&self, place: &Place, problem: Problem) {
        self.errors.borrow_mut().add(place, problem);
    }

    pub fn warn(&self, place: &Place, problem: Problem) {
        self.warnings.borrow_mut().add(place, problem);
    }

    /// Within a component, the name of the extension that keeps something for it. To be looked at when all are known.
    pub fn refer(&self, place: &Place, storage: &ComponentId) {
        self.storages.borrow_mut().push((place.clone(), storage.clone()));
    }

    /// As [`refer`](Self::refer), the name of an authenticator.
    pub fn refer_authenticator(&self, place: &Place, id: &ComponentId, side: Side) {
        self.authenticators.borrow_mut().push((place.clone(), id.clone(), side));
    }

    pub fn authenticators(&self) -> Vec<(Place, ComponentId, Side)> {
        self.authenticators.take()
    }

    pub fn storages(&self) -> Vec<(Place, ComponentId)> {
        self.storages.take()
    }

    pub fn has_errors(&self) -> bool {
        !self.errors.borrow().kept.is_empty()
    }

    /// Warnings if there were no errors; else the errors. Both in the order of the text, each once: what an alias or a merge key
    /// repeats is one mistake.
    pub fn finish(self) -> Result<Vec<Diagnostic>, ConfigErrors> {
        let (errors, unlisted) = self.errors.into_inner().listed(Severity::Error, self.sources);
        let (warnings, _) = self.warnings.into_inner().listed(Severity::Warning, self.sources);
        if errors.is_empty() { Ok(warnings) } else { Err(ConfigErrors { errors, warnings, unlisted }) }
    }
}

impl Findings {
    fn add(&mut self, place: &Place, problem: Problem) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push((place.clone(), problem));
        } else {
            self.dropped += 1;
        }
    }

    /// The first [`LISTED_MAX`], and how many there are besides.
    fn listed(mut self, severity: Severity, sources: &Sources) -> (Vec<Diagnostic>, usize) {
        self.kept.sort_by_key(|(place, _)| (place.span.file, place.span.line, place.span.column));
        // What is said of a text that could not be expanded, besides that, says nothing.
        self.kept.dedup_by(|later, earlier| {
            let is_expansion = matches!(earlier.1, Problem::Expansion { .. });
            later.0.span == earlier.0.span && (later.1 == earlier.1 || is_expansion)
        });
        let unlisted = self.dropped + self.kept.len().saturating_sub(LISTED_MAX);
        let listed = self.kept.into_iter().take(LISTED_MAX);
        (listed.map(|(place, problem)| Diagnostic::new(severity, place, problem, sources)).collect(), unlisted)
    }
}

impl Diagnostic {
    pub(crate) fn new(severity: Severity, place: Place, problem: Problem, sources: &Sources) -> Diagnostic {
        let Span { file, line, column, end_line, end_column } = place.span;
        let excerpt = sources.line(file, line);
        let end_column = if end_line == line { end_column } else { excerpt.chars().count() + 1 };
        let width = end_column.saturating_sub(column).max(1);
        let file = sources.path(file).to_owned();
        Diagnostic { severity, file, line, column, width, key: place.key, problem, excerpt }
    }

    /// Several lines, for a terminal, with a line break at the end.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{}: {}", self.severity, self.problem)?;
        let margin = self.line.to_string().len();
        writeln!(out, "{:margin$}--> {}:{}:{}", "", self.file.display(), self.line, self.column)?;
        if !self.excerpt.trim().is_empty() {
            let (excerpt, column) = self.cut();
            let width = self.width.min((excerpt.chars().count() + 1).saturating_sub(column).max(1));
            writeln!(out, "{:margin$} |", "")?;
            writeln!(out, "{} | {excerpt}", self.line)?;
            writeln!(out, "{:margin$} | {:indent$}{:^<width$}", "", "", "", indent = column - 1)?;
        }
        if !self.key.is_empty() {
            writeln!(out, "{:margin$} = key: {}", "", self.key)?;
        }
        if let Some(help) = self.problem.help() {
            writeln!(out, "{:margin$} = help: {help}", "")?;
        }
        Ok(())
    }

    /// The part of the line around the column, tabs as spaces, and the column in that part, from 1.
    fn cut(&self) -> (String, usize) {
        let column = self.column.max(1);
        let skipped = if column + self.width < EXCERPT_MAX { 0 } else { column.saturating_sub(EXCERPT_MAX / 2) };
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let excerpt = self.excerpt.chars().skip(skipped).take(EXCERPT_MAX).map(visible).collect::<String>();
        (excerpt.trim_end().to_owned(), (column - skipped).max(1))
    }
}

impl ConfigErrors {
    /// One that no file has a place for.
    pub(crate) fn of_file(path: &Path, problem: Problem) -> ConfigErrors {
        let mut sources = Sources::default();
        let file = sources.add(path.to_owned(), String::new());
        let report = Report::new(&sources);
        report.error(&Place::new(Span::start_of(file), ""), problem);
        match report.finish() {
            Err(errors) => errors,
            Ok(warnings) => ConfigErrors { errors: Vec::new(), warnings, unlisted: 0 },
        }
    }

    /// Everything, for a terminal.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for diagnostic in self.errors.iter().chain(&self.warnings) {
            out.push_str(&diagnostic.render());
            out.push('\n');
        }
        let _ = writeln!(out, "{}", self.summary());
        out
    }

    fn summary(&self) -> String {
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let mut text = count(self.errors.len() + self.unlisted, "error");
        if self.unlisted > 0 {
            let _ = write!(text, " ({} not listed)", self.unlisted);
        }
        if !self.warnings.is_empty() {
            let _ = write!(text, ", {}", count(self.warnings.len(), "warning"));
        }
        text
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

impl fmt::Display for Diagnostic {
    /// `gateway.yaml:14:19: error: exporters::otlp::timeout: expected …`, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: ", self.file.display(), self.line, self.column, self.severity)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)?;
        self.problem.help().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl fmt::Display for ConfigErrors {
    /// The list: a line for each, errors first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in self.errors.iter().chain(&self.warnings) {
            writeln!(f, "{diagnostic}")?;
        }
        f.write_str(&self.summary())
    }
}

impl std::error::Error for ConfigErrors {}
