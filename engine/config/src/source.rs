//! The text of the files, and places in it.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A stretch of one file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Span {
    pub file: usize,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl Span {
    /// The start of a file: for what is missing altogether.
    pub fn start_of(file: usize) -> Span {
        Span { file, line: 1, column: 1, end_line: 1, end_column: 1 }
    }

    /// From the start of this to the end of `other`, which is in the same file.
    pub fn to(self, other: Span) -> Span {
        Span { end_line: other.end_line, end_column: other.end_column, ..self }
    }
}

/// All files of one run.
#[derive(Default)]
pub(crate) struct Sources {
    files: Vec<(PathBuf, String)>,
    /// Values that may be secrets, so that no excerpt shows them.
    secrets: RefCell<Vec<Span>>,
}

impl Sources {
    pub fn add(&mut self, path: PathBuf, text: String) -> usize {
        self.files.push((path, text));
        self.files.len() - 1
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|(path, _)| path.clone()).collect()
    }

    pub fn path(&self, file: usize) -> &Path {
        self.files.get(file).map_or(Path::new(""), |(path, _)| path)
    }

    pub fn text(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |(_, text)| text)
    }

    pub fn hide(&self, span: Span) {
        self.secrets.borrow_mut().push(span);
    }

    /// A line without its line break, stars in place of secrets.
    pub fn line(&self, file: usize, line: usize) -> String {
        let Some(text) = self.text(file).lines().nth(line.saturating_sub(1)) else { return String::new() };
        let mut characters: Vec<char> = text.chars().collect();
        for secret in self.secrets.borrow().iter().filter(|span| span.file == file) {
            let columns = columns_on(*secret, line, characters.len());
            for character in characters.get_mut(columns).unwrap_or_default() {
                *character = '*';
            }
        }
        characters.into_iter().collect()
    }
}

/// The columns, from 0, that a span covers on a line of so many characters.
fn columns_on(span: Span, line: usize, length: usize) -> Range<usize> {
    if line < span.line || line > span.end_line {
        return 0..0;
    }
    let start = if line == span.line { span.column.saturating_sub(1) } else { 0 };
    let end = if line == span.end_line { span.end_column.saturating_sub(1) } else { length };
    let end = end.min(length);
    start.min(end)..end
}
