//! What a backend with limits did not get as it was.

use std::fmt;

/// Counts of one translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Altered {
    /// Rows that are in the pushes and that one of the below is about.
    pub rows: u64,
    /// Lines that were cut.
    pub lines: u64,
    /// Values that are no label though they were to be, or in part: too long, too many, or two of one name. Each is in the structured
    /// metadata then, where that is on. Counted once for each stream, not for each row.
    pub labels: u64,
    /// Values of structured metadata that were cut.
    pub values: u64,
    /// Values that were left out, because there were too many or they were too large together.
    pub left_out: u64,
}

impl Altered {
    pub fn is_empty(&self) -> bool {
        *self == Altered::default()
    }
}

impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} log records do not fit the limits: ", self.rows)?;
        let parts = [
            (self.lines, "lines cut"),
            (self.labels, "labels cut or not set"),
            (self.values, "values of structured metadata cut"),
            (self.left_out, "left out"),
        ];
        let mut separator = "";
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {what}")?;
            separator = ", ";
        }
        Ok(())
    }
}
