//! Rows that are decided together: those with the same value of a path.
//!
//! ```text
//!  rows of a batch ──key of each──► 3 7 3 · 7 ──► order 0 2 | 1 4 | 3, and where each group starts
//! ```
//!
//! A key is 128 bits: an id as it is, anything else hashed with a secret of this process, so that no sender can make two values meet. Values
//! of a dictionary are hashed once each. What is typed by row is compared with its type: the text `1` and the number 1 are two keys.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use arrow_array::Array;
use wasmill_batch::TelemetryBatch;
use wasmill_wire::{ColumnRequest, ColumnType, Field, Path, PathError, Signal, TextForm};

use crate::by_value::{Value, by_value};
use crate::slice::{Runs, Sizing, Slices};

/// What rows are grouped by.
#[derive(Clone, Debug)]
pub struct GroupBy {
    path: String,
    /// For each signal that has such a path, by its number.
    requests: [Option<ColumnRequest>; Signal::ALL.len()],
    secrets: [RandomState; 2],
}

/// Why rows cannot be grouped by a path.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GroupByError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(
        "rows cannot be grouped by `{path}`, which has {kind}; expected a path with one value for each row, such as `trace_id` or \
         `attributes[\"k\"]`"
    )]
    Kind { path: String, kind: &'static str },
}

impl GroupBy {
    /// Fails where no signal has such a path, or one has it with more than one value for each row.
    pub fn parse(path: &str) -> Result<GroupBy, GroupByError> {
        let mut requests = [const { None }; Signal::ALL.len()];
        let mut first_error = None;
        for (signal, place) in Signal::ALL.into_iter().zip(&mut requests) {
            match GroupBy::request(signal, path) {
                Ok(request) => *place = Some(request),
                Err(error @ GroupByError::Kind { .. }) => return Err(error),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        match first_error {
            Some(error) if requests.iter().all(Option::is_none) => Err(error),
            _ => Ok(GroupBy { path: path.to_owned(), requests, secrets: [(); 2].map(|()| RandomState::new()) }),
        }
    }

    /// The column that a signal's rows are grouped by.
    fn request(signal: Signal, path: &str) -> Result<ColumnRequest, GroupByError> {
        let parsed = Path::parse(signal, path)?;
        let wrong = |kind| Err(GroupByError::Kind { path: path.to_owned(), kind });
        if parsed.field == Field::RequestMetadata {
            return wrong("the request's value");
        }
        let column = match parsed.column_type() {
            ColumnType::Sequence(_) => return wrong("several values for a row"),
            ColumnType::Attributes(_) => return wrong("a map for a row"),
            ColumnType::Text(_) => ColumnType::Text(TextForm::Either),
            ColumnType::Any(_) => ColumnType::Any(TextForm::Either),
            other => other,
        };
        Ok(ColumnRequest { path: parsed, column })
    }

    /// As it was written.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The column that rows of a signal are grouped by; `None`: the signal has no such path.
    pub fn column(&self, signal: Signal) -> Option<&ColumnRequest> {
        self.requests.get(signal as usize)?.as_ref()
    }

    /// The key of each row of the base, selected or not; `None`: the row has no value.
    pub fn keys(&self, batch: &TelemetryBatch) -> Vec<Option<u128>> {
        let column = self.column(batch.signal()).map(|request| batch.columns(std::slice::from_ref(request)));
        match column.as_deref() {
            Some([array]) => self.hash(array),
            _ => vec![None; batch.base().rows()],
        }
    }

    /// A key for something that is no row's value, such as what rows came with.
    pub fn hash_of(&self, value: impl std::hash::Hash + Copy) -> u128 {
        let [high, low] = self.secrets.each_ref().map(|secret| secret.hash_one(value));
        (u128::from(high) << 64) | u128::from(low)
    }

    fn bytes(&self, kind: u8, bytes: &[u8]) -> u128 {
        let half = |secret: &RandomState| {
            let mut hasher = secret.build_hasher();
            hasher.write_u8(kind);
            hasher.write(bytes);
            u128::from(hasher.finish())
        };
        let [high, low] = self.secrets.each_ref().map(half);
        (high << 64) | low
    }

    /// A key for each row of an array.
    fn hash(&self, array: &dyn Array) -> Vec<Option<u128>> {
        by_value(array, &|value| match value {
            Value::Id(id) => id.try_into().map_or_else(|_| self.bytes(b'i', id), u128::from_le_bytes),
            Value::Text(text) => self.bytes(b't', text),
            Value::Binary(bytes) => self.bytes(b'y', bytes),
            Value::Boolean(bit) => self.bytes(b'b', &bit),
            Value::Int(number) => self.bytes(b'n', &number),
            Value::Double(number) => self.bytes(b'd', &number),
        })
    }
}

/// The selected rows of a batch by group, groups in the order of their first rows, rows within a group in theirs. Rows without a value are
/// one group.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    rows: Vec<u32>,
    /// Where each group starts in `rows`, and the end.
    starts: Vec<u32>,
}

/// Slices of whole groups, and for each where its groups start, and the end.
pub(crate) type GroupSlices = (Slices, Vec<Vec<u32>>);

impl Groups {
    pub fn of(batch: &TelemetryBatch, by: &GroupBy) -> Groups {
        let keys = by.keys(batch);
        let mut numbers: HashMap<Option<u128>, u32> = HashMap::new();
        let mut counts: Vec<u32> = Vec::new();
        let mut groups = Vec::with_capacity(batch.selection().count());
        for row in batch.selection().rows() {
            let next = counts.len() as u32;
            let group = *numbers.entry(keys.get(row).copied().flatten()).or_insert(next);
            if group == next {
                counts.push(0);
            }
            if let Some(count) = counts.get_mut(group as usize) {
                *count += 1;
            }
            groups.push(group);
        }
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut end = 0;
        for count in counts {
            starts.push(end);
            end += count;
        }
        let mut places = starts.clone();
        starts.push(end);
        let mut rows = vec![0; groups.len()];
        for (row, group) in batch.selection().rows().zip(groups) {
            if let Some(place) = places.get_mut(group as usize) {
                if let Some(out) = rows.get_mut(*place as usize) {
                    *out = row as u32;
                }
                *place += 1;
            }
        }
        Groups { rows, starts }
    }

    /// Each group's rows; one of more than `rows_max` comes as several.
    fn each(&self, rows_max: usize) -> impl Iterator<Item = Runs> + '_ {
        let range = |ends: &[u32]| match ends {
            [start, end] => self.rows.get(*start as usize..*end as usize).unwrap_or_default(),
            _ => &[],
        };
        let groups = self.starts.windows(2).flat_map(move |ends| range(ends).chunks(rows_max.max(1)));
        groups.map(|rows| Runs::from_iter(rows.iter().map(|&row| (row, row + 1))))
    }

    /// Cuts them into slices of whole groups, of at most `rows_max` rows and about as many bytes as `sizing` says, but at least a group each.
    pub fn slices(&self, sizing: &Sizing<'_>, rows_max: usize) -> GroupSlices {
        let (mut slices, mut starts) = (Slices::new(), Vec::new());
        let (mut rows, mut ends, mut bytes) = (Runs::default(), vec![0], 0);
        for group in self.each(rows_max) {
            let size = sizing.bytes(&group);
            let is_full = rows.count() + group.count() > rows_max || bytes + size > sizing.bytes_max;
            if is_full && rows.count() > 0 {
                slices.push(std::mem::take(&mut rows));
                starts.push(std::mem::replace(&mut ends, vec![0]));
                bytes = 0;
            }
            group.as_slice().iter().for_each(|&(start, end)| rows.push(start, end));
            ends.push(rows.count() as u32);
            bytes += size;
        }
        if rows.count() > 0 {
            slices.push(rows);
            starts.push(ends);
        }
        (slices, starts)
    }
}

/// The rows of each of a slice's groups.
pub(crate) fn ranges(starts: &[u32]) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
    starts.windows(2).map(|ends| match ends {
        [start, end] => *start as usize..*end as usize,
        _ => 0..0,
    })
}

/// What crosses of them.
pub(crate) fn encode(starts: &[u32]) -> Vec<u8> {
    starts.iter().flat_map(|start| start.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int64Array, StringArray, UInt32Array};

    use super::*;

    /// An id is its own key; text is the same key in a dictionary and outside; a row without a value has none; another type is another key.
    #[test]
    fn keys_are_those_of_values() {
        let by = GroupBy::parse("trace_id").unwrap();
        let ids = FixedSizeBinaryArray::try_from_iter([[1_u8; 16], [2; 16]].iter()).unwrap();
        assert_eq!(by.hash(&ids), [Some(u128::from_le_bytes([1; 16])), Some(u128::from_le_bytes([2; 16]))]);
        let plain = by.hash(&StringArray::from(vec![Some("1"), None, Some("b")]));
        let keys = UInt32Array::from(vec![Some(1), Some(0), None, Some(1)]);
        let dictionary = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["b", "1"])));
        assert_eq!(by.hash(&dictionary), [plain[0], plain[2], None, plain[0]]);
        assert_ne!(by.hash(&Int64Array::from(vec![1]))[0], plain[0]);
        assert_eq!(plain[1], None);
        assert_ne!(
            GroupBy::parse("trace_id").unwrap().hash(&StringArray::from(vec!["1"])),
            plain[..1],
            "a secret of its own"
        );
    }

    /// A path that one signal has is enough; several values for a row are not one key.
    #[test]
    fn paths_must_have_one_value_for_each_row() {
        let by = GroupBy::parse("trace_id").unwrap();
        assert!(by.column(Signal::Traces).is_some() && by.column(Signal::Logs).is_some());
        assert!(by.column(Signal::Metrics).is_none());
        for (path, part) in [
            ("spanevent.name", "several values"),
            ("attributes", "a map"),
            ("request.metadata[\"x-tenant\"]", "the request's value"),
            ("trace_idd", "trace_id"),
        ] {
            let error = GroupBy::parse(path).unwrap_err().to_string();
            assert!(error.contains(part), "{path}: {error}");
        }
    }

    fn groups(sizes: &[u32]) -> Groups {
        let total: u32 = sizes.iter().sum();
        let mut starts = vec![0];
        starts.extend(sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end)
        }));
        // The last rows of the batch are in the first groups.
        Groups { rows: (0..total).rev().collect(), starts }
    }

    /// Groups stay whole, a slice has as many as fit, one that is too large comes as several.
    #[test]
    fn slices_hold_whole_groups() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(96); 40]));
        let path = Path::parse(Signal::Traces, "name").unwrap();
        let columns = [ColumnRequest { path, column: ColumnType::Text(TextForm::Plain) }];
        let arrays = [array];
        let cut = |sizes: &[u32], rows_max: usize, bytes_max: usize| {
            let groups = groups(sizes);
            let total: u32 = sizes.iter().sum();
            let sizing = Sizing::new(&arrays, &columns, total as usize, bytes_max);
            let (slices, starts) = groups.slices(&sizing, rows_max);
            let rows: Vec<u32> = slices.iter().flat_map(|slice| slice.rows().collect::<Vec<_>>()).collect();
            assert_eq!(rows, (0..total).rev().collect::<Vec<_>>(), "every row once, in the groups' order");
            starts
        };
        assert_eq!(cut(&[3, 4, 2, 1], 7, 1 << 20), [vec![0, 3, 7], vec![0, 2, 3]]);
        assert_eq!(cut(&[10, 2], 4, 1 << 20), [vec![0, 4], vec![0, 4], vec![0, 2, 4]]);
        assert_eq!(cut(&[3, 3, 3], 100, 450), [vec![0, 3], vec![0, 3], vec![0, 3]]);
        assert_eq!(cut(&[3, 3, 3], 100, 650), [vec![0, 3, 6], vec![0, 3]]);
        assert_eq!(cut(&[], 100, 650), [[0; 0]; 0]);
    }
}
