//! New records that a guest gave, checked and built.
//!
//! As with a verdict's other parts, everything that is wrong is a [`FaultKind::BadOutput`](crate::FaultKind::BadOutput), and nothing of
//! such an answer is used. What is built is a request of its own, in buffers of its own: it keeps nothing of the batch alive that its
//! resources and scopes were copied from.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef};
use wasmill_batch::{ROUTE_DEFAULT, Routes};
use wasmill_wire::{Index, Like, NewRecords, Path, Signal, WireBatch, create};

use crate::Requirements;
use crate::bindings::wasmill::plugin::types;
use crate::fault::Fault;
use crate::values;
use crate::verdict::{self, Route};

/// Emissions of one call: a plugin makes one for each signal and route, or for each metric.
const EMISSIONS_MAX: usize = 256;
/// New records of one call, of all its emissions together. Eight times the largest slice by default.
const EMITTED_ROWS_MAX: usize = 65_536;
/// Fields of one emission: every field of a signal and some hundred attributes.
const FIELDS_MAX: usize = 512;
/// Values that one call's new records are made of, records times fields: what a few bytes that are meant for all records take of a
/// processor is bounded by it. 64 fields of the most records.
const EMITTED_VALUES_MAX: usize = 64 * EMITTED_ROWS_MAX;
/// So many records are built on the task at hand, in a millisecond or so; more on a thread that others do not wait for.
const ROWS_ON_TASK_MAX: usize = 1_024;
/// Bytes of what one call's emissions become, their resources and scopes included. What a call returns is at most 16 MiB by default; one value
/// that is meant for all records, and a large resource that is copied for one, are what makes more of it. As large as a request may be.
const EMITTED_BYTES_MAX: usize = 64 << 20;

/// The path of an emission that no signal has: which row a record's resource and scope are copied from.
const SOURCE: &str = "source";

/// New records of one signal, and where the plugin wants them.
pub(crate) struct Records {
    pub base: Arc<WireBatch>,
    /// Numbers of the plugin's route sets; [`Routes::Default`]: it did not say.
    pub routes: Routes,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("rows", &self.base.rows()).field("routes", &self.routes).finish()
    }
}

/// What a call is about whose records may be like others.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub signal: Signal,
    pub index: &'a Index,
    /// The batch's number of each of the slice's rows.
    pub rows: &'a [u32],
}

/// Checks and builds. `origin`: the slice that the call was about; `None`: it was about none.
pub(crate) fn check(
    emissions: Vec<types::Emission>,
    requirements: &Requirements,
    origin: Option<Origin<'_>>,
) -> Result<Vec<Records>, Fault> {
    if emissions.is_empty() {
        return Ok(Vec::new());
    }
    if !requirements.uses.emit {
        return Err(Fault::bad_output("the answer has new records, which `uses` does not name (`emit`)"));
    }
    if emissions.len() > EMISSIONS_MAX {
        let count = emissions.len();
        return Err(Fault::bad_output(format!("{count} emissions; at most {EMISSIONS_MAX} are allowed in one answer")));
    }
    let rows = emissions.iter().fold(0_usize, |rows, emission| rows.saturating_add(emission.rows as usize));
    if rows > EMITTED_ROWS_MAX {
        let reason = format!("{rows} new records; at most {EMITTED_ROWS_MAX} are allowed in one answer");
        return Err(Fault::bad_output(reason));
    }
    let values = emissions.iter().fold(0_usize, |values, emission| {
        values.saturating_add((emission.rows as usize).saturating_mul(emission.fields.len()))
    });
    if values > EMITTED_VALUES_MAX {
        let reason = format!("new records of {values} values; at most {EMITTED_VALUES_MAX} are allowed in one answer");
        return Err(Fault::bad_output(reason));
    }
    let mut bytes_left = EMITTED_BYTES_MAX;
    let mut built = Vec::with_capacity(emissions.len());
    for (number, emission) in emissions.into_iter().enumerate() {
        if emission.rows == 0 && emission.fields.is_empty() {
            continue;
        }
        let records = build(emission, requirements, origin, bytes_left)
            .map_err(|reason| Fault::bad_output(format!("emission {number}: {reason}")))?;
        bytes_left = bytes_left.saturating_sub(records.base.retained_bytes());
        if records.base.rows() > 0 {
            built.push(records);
        }
    }
    Ok(built)
}

/// As [`check`], of a call that was about no slice.
pub(crate) async fn check_aside(
    emissions: Vec<types::Emission>,
    requirements: &Requirements,
) -> Result<Vec<Records>, Fault> {
    let rows = emissions.iter().fold(0_usize, |rows, emission| rows.saturating_add(emission.rows as usize));
    if rows <= ROWS_ON_TASK_MAX {
        return check(emissions, requirements, None);
    }
    let requirements = requirements.clone();
    let built = tokio::task::spawn_blocking(move || check(emissions, &requirements, None)).await;
    built.unwrap_or_else(|error| Err(Fault::bad_output(format!("the new records could not be built: {error}"))))
}

fn build(
    emission: types::Emission,
    requirements: &Requirements,
    origin: Option<Origin<'_>>,
    bytes_max: usize,
) -> Result<Records, String> {
    let signal = match emission.signal {
        types::Signal::Traces => Signal::Traces,
        types::Signal::Metrics => Signal::Metrics,
        types::Signal::Logs => Signal::Logs,
        types::Signal::Profiles => return Err("profiles, which are not served yet".to_owned()),
    };
    let rows = emission.rows as usize;
    let what = |reason: String| format!("{signal}: {reason}");
    if emission.fields.len() > FIELDS_MAX {
        return Err(what(format!("{} fields; at most {FIELDS_MAX} are allowed", emission.fields.len())));
    }
    let routes = routes(emission.route, rows, requirements).map_err(|fault| what(fault.message))?;
    let mut fields: Vec<(Path, ArrayRef)> = Vec::with_capacity(emission.fields.len());
    let mut sources = None;
    for types::Field { path, values } in emission.fields {
        let array = values::one_column(&path, &values).map_err(|fault| what(fault.message))?;
        if path == SOURCE {
            sources = Some(source_rows(&array, rows, origin).map_err(what)?);
            continue;
        }
        let path = Path::parse(signal, &path).map_err(|error| what(error.to_string()))?;
        fields.push((path, array));
    }
    let like = match (&sources, origin) {
        (Some(sources), Some(origin)) => Some(Like { signal: origin.signal, index: origin.index, rows: sources }),
        _ => None,
    };
    let new = NewRecords { signal, rows, fields: &fields, like, now_unix_nano: now_unix_nano(), bytes_max };
    let base = create(&new).map_err(|error| what(error.to_string()))?;
    Ok(Records { base: Arc::new(base), routes })
}

/// For each new record the row of the batch that it is to be like.
fn source_rows(array: &ArrayRef, rows: usize, origin: Option<Origin<'_>>) -> Result<Vec<Option<u32>>, String> {
    let Some(origin) = origin else {
        return Err(format!("`{SOURCE}` names rows, and this call was shown none: it is for `process`"));
    };
    let Some(numbers) = array.as_primitive_opt::<UInt32Type>() else {
        return Err(format!("the values for `{SOURCE}` are {}, expected UInt32", array.data_type()));
    };
    if numbers.len() != rows && numbers.len() != 1 {
        let values = numbers.len();
        return Err(format!(
            "`{SOURCE}` has {values} values for {rows} records; one for each is expected, or one for all"
        ));
    }
    let of_batch = |number: Option<u32>| match number {
        None => Ok(None),
        Some(number) => match origin.rows.get(number as usize) {
            Some(&row) => Ok(Some(row)),
            None => Err(format!("`{SOURCE}` is row {number} of {}", origin.rows.len())),
        },
    };
    let each = numbers.iter().map(of_batch).collect::<Result<Vec<_>, _>>()?;
    match each.as_slice() {
        [one] => Ok(vec![*one; rows]),
        _ => Ok(each),
    }
}

/// As a verdict's, of the new records instead of the slice's rows.
fn routes(route: types::Route, rows: usize, requirements: &Requirements) -> Result<Routes, Fault> {
    Ok(match verdict::route(route, rows, None, requirements)? {
        Route::Unchanged => Routes::Default,
        Route::All(set) => Routes::All(set),
        Route::Rows(sets) => Routes::Rows(sets.into_iter().map(|set| set.unwrap_or(ROUTE_DEFAULT)).collect()),
    })
}

/// Zero where the clock stands before 1970, or after 2554.
pub(crate) fn now_unix_nano() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(0)
}
