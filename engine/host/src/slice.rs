//! Cutting a batch into slices that a guest and its deadline can bear.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use smallvec::{SmallVec, smallvec};
use wasmill_columns::AnyKind;
use wasmill_wire::{ColumnRequest, Selection};

use crate::gather::is_plain;

/// Rows `start..end` of a batch.
pub(crate) type Run = (u32, u32);

/// Some rows of a batch, ascending where there are no groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Runs {
    /// Mostly one: all rows.
    runs: SmallVec<[Run; 2]>,
    count: usize,
}

impl Runs {
    pub fn of(selection: &Selection) -> Runs {
        // A batch has fewer than 2^31 rows: its buffers are shorter.
        let runs = selection.runs().map(|(start, end)| (start as u32, end as u32)).collect();
        Runs { runs, count: selection.count() }
    }

    pub fn from_iter(ranges: impl Iterator<Item = Run>) -> Runs {
        let mut runs = Runs::default();
        ranges.for_each(|(start, end)| runs.push(start, end));
        runs
    }

    /// Appends rows; a run that goes on where the last ended becomes one with it.
    #[inline]
    pub fn push(&mut self, start: u32, end: u32) {
        self.count += (end - start) as usize;
        match self.runs.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ if start == end => {}
            _ => self.runs.push((start, end)),
        }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn as_slice(&self) -> &[Run] {
        &self.runs
    }

    pub fn rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs.iter().flat_map(|&(start, end)| start..end)
    }

    /// Whether these are all rows of `len`.
    pub fn is_all(&self, len: usize) -> bool {
        self.count == len && self.runs.len() <= 1
    }

    /// The first `rows`, and the rest.
    fn split(&self, rows: usize) -> (Runs, Runs) {
        if rows >= self.count {
            return (self.clone(), Runs::default());
        }
        let (mut first, mut rest) = (Runs::default(), Runs::default());
        for &(start, end) in &self.runs {
            let cut = start + ((end - start) as usize).min(rows - first.count) as u32;
            first.push(start, cut);
            rest.push(cut, end);
        }
        (first, rest)
    }
}

/// The slices of a batch, mostly one.
pub(crate) type Slices = SmallVec<[Runs; 1]>;

/// Cuts the rows into slices of at most `rows_max` rows and about `bytes_max` bytes of columns, at least a row each.
pub(crate) fn slices(
    rows: Runs,
    arrays: &[ArrayRef],
    columns: &[ColumnRequest],
    rows_max: usize,
    bytes_max: usize,
) -> Slices {
    let sizing = Sizing::new(arrays, columns, rows.count(), bytes_max);
    if sizing.any_rows_fit && rows.count() <= rows_max {
        return smallvec![rows];
    }
    let mut slices = Slices::new();
    let mut rest = rows;
    while rest.count() > 0 {
        let (mut first, mut after) = rest.split(rows_max);
        while first.count() > 1 && sizing.bytes(&first) > bytes_max {
            (first, after) = rest.split(first.count() / 2);
        }
        slices.push(first);
        rest = after;
    }
    slices
}

/// What rows of a batch's columns take in a block.
pub(crate) struct Sizing<'a> {
    arrays: &'a [ArrayRef],
    columns: &'a [ColumnRequest],
    any_rows_fit: bool,
    /// Bytes that a slice's columns may take.
    pub bytes_max: usize,
}

impl<'a> Sizing<'a> {
    /// `rows`: how many there are to be cut.
    pub fn new(arrays: &'a [ArrayRef], columns: &'a [ColumnRequest], rows: usize, bytes_max: usize) -> Sizing<'a> {
        let bounds =
            arrays.iter().zip(columns).map(|(array, column)| bytes_bound(array, is_plain(&column.column), rows));
        let any_rows_fit = bounds.fold(0_usize, usize::saturating_add) <= bytes_max;
        Sizing { arrays, columns, any_rows_fit, bytes_max }
    }

    /// About the bytes that these rows take; 0 where all rows together fit.
    pub fn bytes(&self, rows: &Runs) -> usize {
        if self.any_rows_fit {
            return 0;
        }
        let columns = self.arrays.iter().zip(self.columns);
        columns.map(|(array, column)| bytes(array, is_plain(&column.column), rows)).sum()
    }
}

/// More bytes than so many rows of the column can take, each at most once, without looking at rows.
fn bytes_bound(array: &dyn Array, plain: bool, rows: usize) -> usize {
    match array.data_type() {
        // Laid out row by row: each row may have the longest of its values.
        DataType::Dictionary(_, value) if plain || **value != DataType::Utf8 => {
            let sizes = Sizes::of(array.as_dictionary::<UInt32Type>().values());
            let longest = (0..sizes.rows).map(|row| sizes.of_row(row as u32)).max().unwrap_or(0);
            rows.saturating_mul(4 + longest)
        }
        DataType::Union(fields, _) if plain => {
            let union = array.as_union();
            let children = fields.iter().map(|(kind, _)| bytes_bound(union.child(kind), plain, rows));
            children.fold(rows.saturating_mul(5), usize::saturating_add)
        }
        DataType::Map(..) if plain => {
            let map = array.as_map();
            let children = [map.keys(), map.values()].map(|child| bytes_bound(child, plain, child.len()));
            children.into_iter().fold(rows.saturating_mul(4), usize::saturating_add)
        }
        DataType::List(_) if plain => {
            let values = array.as_list::<i32>().values();
            rows.saturating_mul(4).saturating_add(bytes_bound(values, plain, values.len()))
        }
        _ => array.get_buffer_memory_size(),
    }
}

/// About the bytes that these rows take in a block.
fn bytes(array: &dyn Array, plain: bool, rows: &Runs) -> usize {
    let fixed = |width: usize| width * rows.count();
    let cut = |offsets: &[i32]| {
        let len = |&(start, end): &Run| range(offsets, start as usize, end as usize);
        fixed(4) + rows.as_slice().iter().map(len).sum::<usize>()
    };
    match array.data_type() {
        DataType::Boolean => rows.count().div_ceil(8),
        DataType::UInt8 => fixed(1),
        DataType::UInt32 | DataType::Int32 => fixed(4),
        DataType::FixedSizeBinary(width) => fixed(usize::try_from(*width).unwrap_or(0)),
        DataType::Utf8 => cut(array.as_string::<i32>().value_offsets()),
        DataType::Binary => cut(array.as_binary::<i32>().value_offsets()),
        DataType::Dictionary(_, value) => {
            let dictionary = array.as_dictionary::<UInt32Type>();
            let (keys, values) = (dictionary.keys().values(), dictionary.values());
            if **value == DataType::Utf8 && !plain {
                return fixed(4) + values.get_buffer_memory_size().min(fixed(1).saturating_mul(mean(values)));
            }
            let sizes = Sizes::of(values);
            rows.rows().map(|row| sizes.of_row(keys.get(row as usize).copied().unwrap_or(0))).sum()
        }
        DataType::Map(..) => {
            let map = array.as_map();
            children(map.value_offsets(), rows, &[map.keys().as_ref(), map.values().as_ref()], plain)
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            children(list.value_offsets(), rows, &[list.values().as_ref()], plain)
        }
        DataType::Union(..) => {
            let sizes = Sizes::of(array);
            rows.rows().map(|row| sizes.of_row(row)).sum()
        }
        _ => fixed(8),
    }
}

/// What each row of an array takes, with what is the same for all rows looked up once.
struct Sizes<'a> {
    rows: usize,
    of: Size<'a>,
}

enum Size<'a> {
    Fixed(usize),
    /// Text or bytes.
    Cut(&'a [i32]),
    Keyed(&'a [u32], Box<Sizes<'a>>),
    /// By kind.
    Any(&'a [i8], &'a [i32], Box<[Option<Sizes<'a>>; AnyKind::ALL.len()]>),
    Map(&'a dyn Array),
}

impl<'a> Sizes<'a> {
    fn of(array: &'a dyn Array) -> Sizes<'a> {
        let of = match array.data_type() {
            DataType::Utf8 => Size::Cut(array.as_string::<i32>().value_offsets()),
            DataType::Binary => Size::Cut(array.as_binary::<i32>().value_offsets()),
            DataType::Null => Size::Fixed(0),
            DataType::Map(..) => Size::Map(array),
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary::<UInt32Type>();
                Size::Keyed(dictionary.keys().values(), Box::new(Sizes::of(dictionary.values())))
            }
            DataType::Union(fields, _) => {
                let union = array.as_union();
                let mut children = [const { None }; AnyKind::ALL.len()];
                for (kind, _) in fields.iter() {
                    if let Some(place) = usize::try_from(kind).ok().and_then(|kind| children.get_mut(kind)) {
                        *place = Some(Sizes::of(union.child(kind)));
                    }
                }
                Size::Any(union.type_ids(), union.offsets().map_or(&[], |places| places), Box::new(children))
            }
            _ => Size::Fixed(8),
        };
        Sizes { rows: array.len(), of }
    }

    fn of_row(&self, row: u32) -> usize {
        let place = row as usize;
        if place >= self.rows {
            return 0;
        }
        match &self.of {
            Size::Fixed(width) => *width,
            Size::Cut(offsets) => 4 + range(offsets, place, place + 1),
            Size::Keyed(keys, values) => values.of_row(keys.get(place).copied().unwrap_or(0)),
            Size::Any(kinds, places, children) => {
                let child = kinds.get(place).and_then(|&kind| children.get(usize::try_from(kind).ok()?)?.as_ref());
                let place = places.get(place).map_or(0, |&place| place.max(0) as u32);
                5 + child.map_or(0, |child| child.of_row(place))
            }
            Size::Map(array) => bytes(*array, true, &Runs { runs: smallvec![(row, row + 1)], count: 1 }),
        }
    }
}

fn children(offsets: &[i32], rows: &Runs, children: &[&dyn Array], plain: bool) -> usize {
    let at = |row: u32| offsets.get(row as usize).map_or(0, |&offset| offset.max(0) as u32);
    let inner = Runs::from_iter(rows.as_slice().iter().map(|&(start, end)| (at(start), at(end))));
    4 * rows.count() + children.iter().map(|child| bytes(*child, plain, &inner)).sum::<usize>()
}

fn range(offsets: &[i32], start: usize, end: usize) -> usize {
    match (offsets.get(start), offsets.get(end)) {
        (Some(start), Some(end)) => usize::try_from(end - start).unwrap_or(0),
        _ => 0,
    }
}

fn mean(values: &ArrayRef) -> usize {
    values.get_buffer_memory_size() / values.len().max(1) + 1
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{DictionaryArray, StringArray, UInt32Array};
    use wasmill_wire::{ColumnType, Path, Signal, TextForm};

    use super::*;

    fn cut(array: ArrayRef, form: TextForm, rows: Runs, rows_max: usize, bytes_max: usize) -> Vec<usize> {
        let path = Path::parse(Signal::Traces, "name").unwrap();
        let columns = [ColumnRequest { path, column: ColumnType::Text(form) }];
        let slices = slices(rows.clone(), &[array], &columns, rows_max, bytes_max);
        let joined: Vec<u32> = slices.iter().flat_map(|slice| slice.rows().collect::<Vec<_>>()).collect();
        assert_eq!(joined, rows.rows().collect::<Vec<_>>(), "every row is in one slice, in order");
        slices.iter().map(Runs::count).collect()
    }

    fn all(rows: u32) -> Runs {
        Runs::from_iter([(0, rows)].into_iter())
    }

    /// Rows and bytes are bounded; a row that is larger alone crosses alone.
    #[test]
    fn slices_are_bounded_in_rows_and_bytes() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(96); 100]));
        assert_eq!(cut(Arc::clone(&array), TextForm::Plain, all(100), 40, 1 << 20), [40, 40, 20]);
        let sizes = cut(Arc::clone(&array), TextForm::Plain, all(100), 40, 1000);
        assert!(sizes.iter().all(|&rows| (1..=10).contains(&rows)), "{sizes:?}");
        assert_eq!(cut(array, TextForm::Plain, all(3), 40, 10), [1, 1, 1]);
    }

    /// A long text of a parent, asked for as plain: it is repeated for each row, and the slices take that into account.
    #[test]
    fn a_dictionary_laid_out_counts_as_often_as_it_is_repeated() {
        let values = Arc::new(StringArray::from(vec!["x".repeat(1000)]));
        let array: ArrayRef = Arc::new(DictionaryArray::new(UInt32Array::from(vec![0; 100]), values));
        assert_eq!(cut(Arc::clone(&array), TextForm::Dictionary, all(100), 8192, 10_000), [100]);
        let sizes = cut(array, TextForm::Plain, all(100), 8192, 10_000);
        assert!(sizes.iter().all(|&rows| rows <= 9), "{sizes:?}");
    }

    /// Selected rows that are not neighbours.
    #[test]
    fn runs_are_cut_between_slices() {
        let runs = Runs::from_iter([(0, 3), (5, 9), (9, 10), (20, 21)].into_iter());
        assert_eq!((runs.count(), runs.as_slice().len()), (9, 3));
        let array: ArrayRef = Arc::new(StringArray::from(vec!["x"; 30]));
        assert_eq!(cut(array, TextForm::Plain, runs, 4, 1 << 20), [4, 4, 1]);
    }
}
