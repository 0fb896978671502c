//! What a guest answered, checked to the last number and said in the batch's terms.
//!
//! Everything that is wrong here is a [`FaultKind::BadOutput`](crate::FaultKind::BadOutput), and nothing of such a verdict
//! is used.

use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, MapArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer};
use arrow_schema::DataType;
use wasmill_wire::{Change, Edit, Index, Key, Path, Rows, Signal};

use crate::Requirements;
use crate::bindings::wasmill::plugin::types;
use crate::emission::{self, Origin, Records};
use crate::fault::Fault;
use crate::groups::ranges;
use crate::requirements::Input;
use crate::slice::Runs;
use crate::values;

/// Edits of one slice. A statement makes one or two; thousands of them are a mistake or an attack.
const EDITS_MAX: usize = 4_096;

/// Rows that the edits of a batch name one by one, over all of its slices, until they are applied: 64 MiB of numbers. Twenty statements on
/// every second row of the largest batch are below it.
pub(crate) const EDITED_ROWS_MAX: usize = 16 << 20;

/// In a list of routes: as it was.
const ROUTE_UNCHANGED: u16 = u16::MAX;

/// A checked verdict.
#[derive(Debug)]
pub(crate) struct Decision {
    pub keep: Keep,
    pub route: Route,
    pub edits: Vec<Edit>,
    pub emitted: Vec<Records>,
    /// Rows that the edits name one by one, those named several times so often.
    pub edited_rows: usize,
    /// Whether the slice's rows leave the pipeline here.
    pub diverted: bool,
}

/// Which of the slice's rows stay.
#[derive(Debug)]
pub(crate) enum Keep {
    All,
    None,
    /// A bit for each row of the slice.
    Rows(BooleanBuffer),
}

/// The stage's route sets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Unchanged,
    All(u16),
    /// One for each row of the slice; `None`: as it was.
    Rows(Vec<Option<u16>>),
}

/// What a verdict is about.
pub(crate) struct Subject<'a> {
    pub signal: Signal,
    pub requirements: &'a Requirements,
    pub input: &'a Input,
    /// The columns that `input` asks of the batch, each with a value for each row of the batch.
    pub arrays: &'a [ArrayRef],
    pub rows: &'a Runs,
    /// Where its groups start, and the end, where the stage has groups.
    pub groups: Option<&'a [u32]>,
    /// Whether the slice is all that is selected of the batch.
    pub is_whole: bool,
    /// Of [`EDITED_ROWS_MAX`], what earlier slices left.
    pub edited_rows_max: usize,
    /// The batch as earlier stages left it, for new records that are to be like its rows.
    pub index: Option<&'a Index>,
    numbers: OnceLock<Arc<[u32]>>,
}

impl Decision {
    /// What is left of a slice that the guest failed on.
    pub fn untouched(keep: Keep) -> Decision {
        let (edits, emitted) = (Vec::new(), Vec::new());
        Decision { keep, route: Route::Unchanged, edits, emitted, edited_rows: 0, diverted: false }
    }

    /// Of a slice that goes elsewhere as it is.
    pub fn diverted() -> Decision {
        Decision { diverted: true, ..Decision::untouched(Keep::None) }
    }

    pub fn check(verdict: types::Verdict, subject: &Subject<'_>) -> Result<Decision, Fault> {
        let uses = subject.requirements.uses;
        let announced = |what: &str, used: bool, announced: bool| match used && !announced {
            true => Err(Fault::bad_output(format!("the verdict has {what}, which `uses` does not name"))),
            false => Ok(()),
        };
        announced("a selection", !matches!(verdict.keep, types::Keep::All), uses.keep)?;
        announced("routes", !matches!(verdict.route, types::Route::Unchanged), uses.routes)?;
        announced("edits", !verdict.edits.is_empty(), uses.edits)?;
        if verdict.edits.len() > EDITS_MAX {
            return Err(Fault::bad_output(format!("{} edits; at most {EDITS_MAX} are allowed", verdict.edits.len())));
        }
        let (keep, route) =
            (keep(verdict.keep, subject)?, route(verdict.route, subject.len(), subject.groups, subject.requirements)?);
        let mut edits = Vec::with_capacity(verdict.edits.len());
        let mut edited_rows = 0;
        if !matches!(keep, Keep::None) {
            for edit in verdict.edits {
                edited_rows += check_edit(edit, subject, &mut edits)?;
                if edited_rows > subject.edited_rows_max {
                    return Err(Fault::bad_output(format!(
                        "the edits name more than {EDITED_ROWS_MAX} rows of the batch one by one; fewer edits, or edits of all rows, are expected"
                    )));
                }
            }
        }
        let emitted = match (verdict.emit.is_empty(), subject.index) {
            (true, _) => Vec::new(),
            (false, Some(index)) => {
                let origin = Origin { signal: subject.signal, index, rows: subject.numbers() };
                emission::check(verdict.emit, subject.requirements, Some(origin))?
            }
            (false, None) => emission::check(verdict.emit, subject.requirements, None)?,
        };
        Ok(Decision { keep, route, edits, emitted, edited_rows, diverted: false })
    }
}

impl<'a> Subject<'a> {
    pub fn new(
        requirements: &'a Requirements,
        input: &'a Input,
        arrays: &'a [ArrayRef],
        rows: &'a Runs,
        is_whole: bool,
    ) -> Subject<'a> {
        Subject {
            signal: input.signal,
            requirements,
            input,
            arrays,
            rows,
            groups: None,
            is_whole,
            edited_rows_max: EDITED_ROWS_MAX,
            index: None,
            numbers: OnceLock::new(),
        }
    }

    fn len(&self) -> usize {
        self.rows.count()
    }

    /// The batch's number of each of the slice's rows.
    fn numbers(&self) -> &Arc<[u32]> {
        self.numbers.get_or_init(|| self.rows.rows().collect())
    }
}

fn keep(keep: types::Keep, subject: &Subject<'_>) -> Result<Keep, Fault> {
    match keep {
        types::Keep::All => Ok(Keep::All),
        types::Keep::None => Ok(Keep::None),
        types::Keep::Rows(bits) => Ok(Keep::Rows(bitmap("the selection", bits, subject.len())?)),
        types::Keep::Groups(bits) => {
            let starts = subject.groups.ok_or_else(|| no_groups("a selection"))?;
            let groups = ranges(starts);
            let kept = bitmap("the selection of groups", bits, groups.len())?;
            let mut rows = BooleanBufferBuilder::new(subject.len());
            groups.zip(&kept).for_each(|(range, kept)| rows.append_n(range.len(), kept));
            Ok(Keep::Rows(rows.finish()))
        }
    }
}

/// Checks the routes of so many rows; `groups`: where their groups start, and the end, where there are groups.
pub(crate) fn route(
    route: types::Route,
    rows: usize,
    groups: Option<&[u32]>,
    requirements: &Requirements,
) -> Result<Route, Fault> {
    let sets = requirements.route_sets.len();
    let known = |set: u16| match set {
        ROUTE_UNCHANGED => Ok(None),
        set if usize::from(set) < sets => Ok(Some(set)),
        set => Err(Fault::bad_output(format!("route set {set}; the plugin declared {sets}"))),
    };
    match route {
        types::Route::Unchanged => Ok(Route::Unchanged),
        types::Route::All(set) => Ok(known(set)?.map_or(Route::Unchanged, Route::All)),
        types::Route::Rows(bytes) => {
            let routes = numbers::<2>("routes", &bytes)?;
            length("routes", routes.len(), rows, "rows")?;
            let routes = routes.iter().map(|&set| known(u16::from_le_bytes(set)));
            Ok(Route::Rows(routes.collect::<Result<_, _>>()?))
        }
        types::Route::Groups(bytes) => {
            let groups = ranges(groups.ok_or_else(|| no_groups("routes"))?);
            let routes = numbers::<2>("routes of groups", &bytes)?;
            length("routes of groups", routes.len(), groups.len(), "groups")?;
            let mut of_rows = Vec::with_capacity(rows);
            for (range, &set) in groups.zip(routes) {
                let route = known(u16::from_le_bytes(set))?;
                of_rows.extend(range.map(|_| route));
            }
            Ok(Route::Rows(of_rows))
        }
    }
}

/// Appends what becomes of an edit. Gives the rows that it names one by one.
fn check_edit(edit: types::Edit, subject: &Subject<'_>, out: &mut Vec<Edit>) -> Result<usize, Fault> {
    let path = Path::parse(subject.signal, &edit.path)
        .map_err(|error| Fault::bad_output(format!("an edit of a path that cannot be: {error}")))?;
    if !path.editable() {
        return Err(Fault::bad_output(format!("an edit of `{path}`, which cannot be changed")));
    }
    let entries = matches!(edit.target, types::Target::Entries(_));
    let of_all = matches!(edit.target, types::Target::All);
    let (rows, targets) = target(edit.target, &path, subject)?;
    let named = if of_all { 0 } else { targets };
    let change = match edit.change {
        types::Change::Remove => Change::Remove,
        types::Change::Set(block) => {
            let values = values::one_column(&edit.path, &block)?;
            match values.len() {
                len if len == targets => Change::Set(values),
                1 => Change::SetAll(values),
                len => return Err(count(&path, len, targets)),
            }
        }
        types::Change::Merge(_) if entries => {
            return Err(Fault::bad_output(format!("entries merged into `{path}`; rows are expected as its targets")));
        }
        types::Change::Merge(block) => {
            let values = values::one_column(&edit.path, &block)?;
            let Some(map) = values.as_map_opt() else {
                let found = values.data_type();
                return Err(Fault::bad_output(format!("merged into `{path}`: {found}, expected `attributes`")));
            };
            match map.len() {
                len if len == targets => Change::Merge(values),
                1 => return merge_one(&path, &rows, map, out).map(|()| named),
                len => return Err(count(&path, len, targets)),
            }
        }
    };
    if targets > 0 {
        out.push(Edit { path, rows, change });
    }
    Ok(named)
}

/// One map for all targets: an edit for each of its entries, so that it is not laid out once for each row.
fn merge_one(path: &Path, rows: &Rows, map: &MapArray, out: &mut Vec<Edit>) -> Result<(), Fault> {
    let keys = match map.keys().data_type() {
        DataType::Utf8 => map.keys().as_string::<i32>().iter().map(|key| key.unwrap_or_default()).collect(),
        _ => {
            let keys = map.keys().as_dictionary::<UInt32Type>();
            let values = keys.values().as_string::<i32>();
            let key = |row| keys.key(row).filter(|&key| key < values.len()).map_or("", |key| values.value(key));
            (0..keys.len()).map(key).collect::<Vec<_>>()
        }
    };
    if out.len() + keys.len() > EDITS_MAX {
        return Err(Fault::bad_output(format!(
            "{} entries merged into all rows; at most {EDITS_MAX} are allowed",
            keys.len()
        )));
    }
    for (entry, key) in keys.into_iter().enumerate() {
        let mut path = path.clone();
        path.keys.push(Key::Name(key.to_owned()));
        out.push(Edit { path, rows: rows.clone(), change: Change::SetAll(map.values().slice(entry, 1)) });
    }
    Ok(())
}

/// The batch's rows, and how many targets they are.
fn target(target: types::Target, path: &Path, subject: &Subject<'_>) -> Result<(Rows, usize), Fault> {
    let what = || format!("the targets of `{path}`");
    match target {
        // By group they are not in the batch's order, which is that of the values of all rows.
        types::Target::All if subject.is_whole && subject.groups.is_none() => Ok((Rows::All, subject.len())),
        types::Target::All => Ok((Rows::Numbers(Arc::clone(subject.numbers())), subject.len())),
        types::Target::Rows(bits) => {
            let bits = bitmap(&what(), bits, subject.len())?;
            let numbers = subject.numbers();
            let rows: Arc<[u32]> = bits.set_indices().filter_map(|row| numbers.get(row).copied()).collect();
            let targets = rows.len();
            Ok((Rows::Numbers(rows), targets))
        }
        types::Target::Indices(bytes) => {
            let (indices, numbers) = (numbers::<4>(&what(), &bytes)?, subject.numbers());
            let row = |&index: &[u8; 4]| {
                let index = u32::from_le_bytes(index);
                let outside = || Fault::bad_output(format!("{}: row {index} of {}", what(), numbers.len()));
                numbers.get(index as usize).copied().ok_or_else(outside)
            };
            let rows = indices.iter().map(row).collect::<Result<Arc<[u32]>, _>>()?;
            let targets = rows.len();
            Ok((Rows::Numbers(rows), targets))
        }
        types::Target::Entries(bytes) => {
            let entries = numbers::<4>(&what(), &bytes)?;
            let starts = entry_starts(path, subject)?;
            let (mut rows, mut places) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
            let numbers = subject.numbers();
            for &entry in entries {
                let entry = u32::from_le_bytes(entry);
                // `starts` has one more than rows, and begins with 0.
                let row = starts.partition_point(|&start| start <= entry).saturating_sub(1);
                match (numbers.get(row), starts.get(row)) {
                    (Some(&number), Some(&start)) => {
                        rows.push(number);
                        places.push(entry - start);
                    }
                    _ => {
                        let of = starts.last().copied().unwrap_or(0);
                        return Err(Fault::bad_output(format!("{}: entry {entry} of {of}", what())));
                    }
                }
            }
            let targets = rows.len();
            Ok((Rows::Entries { rows, places }, targets))
        }
    }
}

/// Where each row's entries start in the column that the path was asked for as, and the end.
fn entry_starts(path: &Path, subject: &Subject<'_>) -> Result<Vec<u32>, Fault> {
    let columns = subject.input.columns.iter().zip(subject.arrays);
    let mut nested = columns.filter(|(request, array)| {
        let is_nested = match array.data_type() {
            DataType::Map(..) | DataType::List(_) => true,
            DataType::Dictionary(_, value) => matches!(**value, DataType::Map(..)),
            _ => false,
        };
        request.path == *path && is_nested
    });
    let Some((_, array)) = nested.next() else {
        let reason = format!("entries of `{path}`, which was not asked for as `attributes` or as a sequence");
        return Err(Fault::bad_output(reason));
    };
    let mut starts = Vec::with_capacity(subject.len() + 1);
    let mut end = 0;
    starts.push(end);
    for row in subject.rows.rows() {
        end += entries_of(array, row as usize);
        starts.push(end);
    }
    Ok(starts)
}

fn entries_of(array: &dyn Array, row: usize) -> u32 {
    let len = |offsets: &[i32], row: usize| match (offsets.get(row), offsets.get(row + 1)) {
        (Some(start), Some(end)) => u32::try_from(end - start).unwrap_or(0),
        _ => 0,
    };
    match array.data_type() {
        DataType::Map(..) => len(array.as_map().value_offsets(), row),
        DataType::List(_) => len(array.as_list::<i32>().value_offsets(), row),
        DataType::Dictionary(..) => {
            let dictionary = array.as_dictionary::<UInt32Type>();
            dictionary.key(row).map_or(0, |key| entries_of(dictionary.values(), key))
        }
        _ => 0,
    }
}

fn bitmap(what: &str, bytes: Vec<u8>, rows: usize) -> Result<BooleanBuffer, Fault> {
    if bytes.len() != rows.div_ceil(8) {
        let (found, expected) = (bytes.len(), rows.div_ceil(8));
        return Err(Fault::bad_output(format!(
            "{what}: a bitmap of {found} bytes for {rows} rows, expected {expected}"
        )));
    }
    Ok(BooleanBuffer::new(Buffer::from_vec(bytes), 0, rows))
}

fn numbers<'b, const N: usize>(what: &str, bytes: &'b [u8]) -> Result<&'b [[u8; N]], Fault> {
    match bytes.as_chunks::<N>() {
        (numbers, []) => Ok(numbers),
        _ => Err(Fault::bad_output(format!("{what}: {} bytes, which is no multiple of {N}", bytes.len()))),
    }
}

fn length(what: &str, found: usize, expected: usize, of: &str) -> Result<(), Fault> {
    if found == expected {
        return Ok(());
    }
    Err(Fault::bad_output(format!("{what}: {found} for {expected} {of}")))
}

fn count(path: &Path, values: usize, targets: usize) -> Fault {
    Fault::bad_output(format!("the edit of `{path}` has {values} values for {targets} targets"))
}

fn no_groups(what: &str) -> Fault {
    Fault::bad_output(format!("{what} over groups; the stage has none"))
}
